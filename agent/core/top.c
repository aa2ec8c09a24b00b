/* The functions of a profile by self and total. */
#include "agent/core/top.h"

#include <errno.h>
#include <math.h>
#include <string.h>

int top_count(const struct stacks *s, struct top_entry **ret)
{
	size_t nr = stacks_nr_functions(s);
	_cleanup_(freep) struct top_entry *entries = calloc(nr + 1, sizeof(*entries));
	_cleanup_(freep) size_t *last = calloc(nr + 1, sizeof(*last)); /* sample + 1 */

	if (!entries || !last)
		return -ENOMEM;
	for (uint32_t i = 0; i < nr; i++)
		entries[i].function = i;
	for (size_t i = 0; i < stacks_nr_samples(s); i++) {
		const struct stacks_sample *sample = stacks_sample(s, i);
		const uint32_t *frames = stacks_frames(s, sample);

		for (size_t j = 0; j < sample->nr; j++) {
			struct top_entry *e = &entries[frames[j]];

			/* The process is an owner of functions, not one of them. */
			if (j && stacks_function_kind(s, frames[j]) == STACKS_ROOT)
				continue;
			if (j == 0)
				e->self = stacks_sum(e->self, sample->value);
			if (last[frames[j]] == i + 1)
				continue;
			last[frames[j]] = i + 1;
			e->total = stacks_sum(e->total, sample->value);
		}
	}
	*ret = TAKE_PTR(entries);
	return 0;
}

struct order {
	const struct stacks *stacks;
	enum top_order order;
};

static int compare(int64_t a, int64_t b)
{
	return (a < b) - (a > b);
}

static int compare_entries(const void *a, const void *b, void *userdata)
{
	const struct top_entry *x = a, *y = b;
	const struct order *o = userdata;
	int self = compare(x->self, y->self), total = compare(x->total, y->total);
	int name = strcmp(stacks_function(o->stacks, x->function),
			  stacks_function(o->stacks, y->function));

	if (o->order == TOP_BY_NAME && name)
		return name;
	if (o->order == TOP_BY_TOTAL && total)
		return total;
	if (self || total)
		return self ? self : total;
	return name ? name : compare(y->function, x->function);
}

void top_sort(const struct stacks *s, struct top_entry *entries, size_t nr, enum top_order order)
{
	struct order o = { s, order };

	qsort_r(entries, nr, sizeof(*entries), compare_entries, &o);
}

void top_print_function(struct table *t, const struct stacks *s, uint32_t function, size_t used)
{
	bool kernel = stacks_function_kind(s, function) == STACKS_KERNEL;

	used += table_columns(t, "%c ", kernel ? 'k' : ' ');
	if (kernel)
		table_style(t, "33");
	table_finish(t, stacks_function(s, function), used);
}

size_t top_print(struct table *t, const struct stacks *s, const struct top_entry *entries,
		 size_t nr, size_t limit, double min_percent, enum top_order order)
{
	int64_t whole = stacks_total(s);
	size_t printed = 0, left_out = 0;

	table_heading(t, "   SELF    TOTAL  FUNCTION (k: kernel)");
	for (size_t i = 0; i < nr; i++) {
		const struct top_entry *e = &entries[i];
		double self = table_share(e->self, whole), total = table_share(e->total, whole);

		if (!e->total && !e->self)
			continue;
		if (printed == limit || fabs(order == TOP_BY_SELF ? self : total) < min_percent) {
			left_out++;
			continue;
		}
		printed++;
		top_print_function(t, s, e->function,
				   table_columns(t, "%6.2f%%  %6.2f%% ", self, total));
	}
	return left_out;
}
