/* Relabel rules: any text as rules, any text as labels; what comes out is a sound set of labels. */
#include "agent/base/text.h"
#include "agent/exporter/relabel.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Lines of the input: "NAME=VALUE" a label when it begins with a dot, else a rule. */
static void take_line(const char *line, struct relabel *r, struct labels *l)
{
	struct err err = ERR_NULL;
	_cleanup_(freep) char *name = NULL;
	const char *equals = strchr(line, '=');
	int e;

	if (line[0] != '.' || !equals) {
		e = relabel_add(r, line, &err);
		assert(e == 0 || err.text[0]);
		return;
	}
	name = strndup(line + 1, (size_t)(equals - line - 1));
	assert(name);
	if (labels_is_name(name))
		labels_set(l, name, equals + 1);
}

static void check_whole(const struct labels *l)
{
	assert(l->nr <= LABELS_MAX);
	for (size_t i = 0; i < l->nr; i++) {
		const struct label *e = &l->entries[i];

		assert(labels_is_name(e->name));
		assert(e->value[0] && strlen(e->value) <= LABELS_VALUE_MAX);
		assert(text_is_valid(e->value, strlen(e->value)));
		assert(!i || strcmp(l->entries[i - 1].name, e->name) < 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(labels_deinitp) struct labels l = LABELS_NULL;
	_cleanup_(relabel_freep) struct relabel *r = NULL;
	_cleanup_(freep) char *text = strndup((const char *)data, MIN(size, 4096u));
	char *rest = text, *line;

	assert(text && relabel_new(&r) == 0);
	while ((line = strsep(&rest, "\n")))
		take_line(line, r, &l);
	relabel_apply(r, &l);
	check_whole(&l);
	return 0;
}
