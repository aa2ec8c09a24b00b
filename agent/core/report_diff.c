/* What changed from one profile to another. */
#include "agent/core/report_diff.h"
#include "agent/base/intern.h"

#include <errno.h>
#include <math.h>
#include <string.h>

struct change {
	const char *name;
	bool kernel;
	bool in_before, in_after;
	double before, after; /* percent */
};

struct diff {
	struct intern *names; /* kind and name, the same for both */
	struct change *changes; /* by id */
	size_t max;
	enum top_order order;
};

static void diff_deinit(struct diff *d)
{
	intern_free(d->names);
	free(d->changes);
}
DEFINE_CLEANUP_EMBEDDED(struct diff, diff_deinit)

static int find(struct diff *d, const struct stacks *s, uint32_t function, struct change **ret)
{
	const char *name = stacks_function(s, function);
	bool kernel = stacks_function_kind(s, function) == STACKS_KERNEL;
	_cleanup_(freep) char *key = NULL;
	int n = asprintf(&key, "%c%s", kernel ? 'k' : ' ', name), r;
	uint32_t id;

	if (n < 0)
		return -ENOMEM;
	r = intern_add(d->names, key, (size_t)n, &id);
	if (r)
		return r > 0 ? -ENOSPC : r;
	*ret = &d->changes[id]; /* the names outlive them: they are the stacks' */
	(*ret)->name = name;
	(*ret)->kernel = kernel;
	return 0;
}

static int add_side(struct diff *d, const struct stacks *s, bool after)
{
	_cleanup_(freep) struct top_entry *entries = NULL;
	int r = top_count(s, &entries);

	for (uint32_t i = 0; i < stacks_nr_functions(s) && !r; i++) {
		int64_t value = d->order == TOP_BY_TOTAL ? entries[i].total : entries[i].self;
		struct change *c;

		if (!entries[i].total)
			continue;
		r = find(d, s, i, &c);
		if (r)
			break;
		*(after ? &c->after : &c->before) += table_share(value, stacks_total(s));
		*(after ? &c->in_after : &c->in_before) = true;
	}
	return r;
}

static double points(const struct change *c)
{
	return c->after - c->before;
}

static int compare_changes(const void *a, const void *b, void *userdata)
{
	const struct change *x = a, *y = b;
	const struct diff *d = userdata;
	double first = fabs(points(x)), second = fabs(points(y));

	if (!x->name || !y->name) /* slots that no function took */
		return !x->name - !y->name;
	if (d->order != TOP_BY_NAME && first != second)
		return first > second ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void print_change(struct table *t, const struct change *c)
{
	size_t used = table_columns(t, "%6.2f%%  %6.2f%%  ", c->before, c->after);

	if (points(c))
		table_style(t, points(c) > 0 ? "31" : "32");
	used += table_columns(t, "%+7.2f  ", points(c));
	if (!c->in_before)
		used += table_columns(t, "%8s  ", "new");
	else if (!c->in_after)
		used += table_columns(t, "%8s  ", "gone");
	else if (c->before > 0)
		used += table_columns(t, "%+7.0f%%  ", 100 * points(c) / c->before);
	else
		used += table_columns(t, "%8s  ", "");
	table_style(t, "0");
	used += table_columns(t, "%c ", c->kernel ? 'k' : ' ');
	if (c->kernel)
		table_style(t, "33");
	table_finish(t, c->name, used);
}

int report_diff(struct table *t, const struct stacks *before, const struct stacks *after,
		size_t limit, double min_percent, enum top_order order)
{
	_cleanup_(diff_deinitp) struct diff d = { .order = order };
	size_t printed = 0;
	int r = intern_new(&d.names, 2 * (size_t)STACKS_STRING_BYTES_MAX);

	d.max = stacks_nr_functions(before) + stacks_nr_functions(after) + 1;
	d.changes = calloc(d.max, sizeof(*d.changes));
	if (!r && !d.changes)
		r = -ENOMEM;
	if (!r)
		r = add_side(&d, before, false);
	if (!r)
		r = add_side(&d, after, true);
	if (r)
		return r;
	qsort_r(d.changes, d.max, sizeof(*d.changes), compare_changes, &d);
	table_heading(
		t, order == TOP_BY_TOTAL
			   ? " BEFORE    AFTER   POINTS  RELATIVE    FUNCTION, TOTAL (k: kernel)"
			   : " BEFORE    AFTER   POINTS  RELATIVE    FUNCTION, SELF (k: kernel)");
	for (size_t i = 0; i < d.max && d.changes[i].name && printed < limit; i++) {
		const struct change *c = &d.changes[i];

		/* Where nothing moved there is nothing to say. */
		if (fabs(points(c)) < min_percent || fabs(points(c)) < 0.005)
			continue;
		print_change(t, c);
		printed++;
	}
	if (!printed)
		buf_adds(t->out, "nothing changed by that much\n");
	return t->out->error;
}
