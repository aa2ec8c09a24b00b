/* How many stacks are whole and named. */
#include "agent/core/stack_counts.h"

#include <string.h>

void stack_counts_add_window(struct stack_counts *counts, const struct window *w)
{
	for (size_t i = 0; i < window_rows(w); i++) {
		struct window_row row;

		window_row(w, i, &row);
		counts->ends[row.end_reason] += row.count;
		counts->owners[row.owner].ends[row.end_reason] += row.count;
	}
}

static bool is_named(const struct profile_view *v, const struct profile_sample *s)
{
	for (uint32_t i = 0; i < s->nr_locations; i++) {
		if (!v->locations[v->stack_locations[s->first_location + i]].nr_lines)
			return false;
	}
	return true;
}

void stack_counts_add_profile(struct stack_counts *counts, const struct profile *p,
			      const uint32_t *owners, size_t nr_owners)
{
	_cleanup_(freep) uint64_t *unnamed = NULL;
	struct profile_view view;

	profile_view(p, &view);
	unnamed = calloc(view.nr_owners + 1, sizeof(*unnamed));
	if (!unnamed)
		return; /* the numbers stay behind; the profile does not */
	for (size_t i = 0; i < view.nr_samples; i++) {
		if (!is_named(&view, &view.samples[i]))
			unnamed[view.samples[i].owner] += view.samples[i].count;
	}
	for (size_t i = 0; i < nr_owners; i++) {
		if (owners[i] < view.nr_owners)
			counts->owners[i].unsymbolized += unnamed[owners[i]];
	}
}

void stack_counts_forget(struct stack_counts *counts, uint32_t owner)
{
	memset(&counts->owners[owner], 0, sizeof(counts->owners[owner]));
}
