/* Foreign profiles: any bytes are taken whole or refused with a sentence; every view of what was taken can be drawn. */
#include "agent/core/report_diff.h"
#include "agent/core/report_read.h"
#include "agent/core/report_tree.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void draw(const struct report_profile *p, const struct report_profile *other)
{
	_cleanup_(freep) struct top_entry *entries = NULL;
	_cleanup_(buf_deinitp) struct buf out;
	struct table t = { .out = &out, .width = 60 };
	size_t nr = stacks_nr_functions(p->stacks);

	buf_init(&out, 64u << 20);
	assert(top_count(p->stacks, &entries) == 0);
	for (size_t i = 0; i < nr; i++)
		assert(entries[i].function == i);
	top_sort(p->stacks, entries, nr, TOP_BY_TOTAL);
	top_print(&t, p->stacks, entries, nr, 100, 0.1, TOP_BY_TOTAL);
	assert(report_tree(&t, p->stacks, 1000, 0.01, TOP_BY_SELF) == 0);
	assert(report_diff(&t, p->stacks, other->stacks, 100, 0, TOP_BY_SELF) == 0);
	assert(!memchr(buf_str(&out), '\033', out.len));
}

/* The first byte: which of the two readers, whether an owner is asked for. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(report_profile_deinitp) struct report_profile p = { NULL }, other = { NULL };
	struct report_wanted wanted = { NULL, NULL };
	struct err err = ERR_NULL;
	int r;

	if (!size)
		return 0;
	if (data[0] & 2)
		wanted.owner = "web";
	assert(report_profile_init(&p) == 0 && report_profile_init(&other) == 0);
	r = report_read(&p, data[0] & 1 ? "x.folded" : "x", (const char *)data + 1, size - 1,
			&wanted, &err);
	assert(r <= 0 && (r == 0) == (err.text[0] == '\0'));
	if (r == 0)
		draw(&p, &other);
	return 0;
}
