/* Which samples are in a pprof file, what they use, and the ids of that, in the order of first use. */
#include "proto/pprof_internal.h"
#include "proto/profile_binary.h"

bool pprof_is_wanted(const struct pprof *w, size_t sample)
{
	const struct profile_sample *s = &w->view.samples[sample];

	if (sample < w->part.first_sample || sample - w->part.first_sample >= w->part.nr_samples)
		return false;
	if (w->part.owner != PROFILE_ALL_OWNERS && s->owner != w->part.owner)
		return false;
	return s->count || s->value_ns;
}

uint32_t pprof_depth(const struct pprof *w, const struct profile_sample *s)
{
	return w->part.max_depth ? MIN(s->nr_locations, w->part.max_depth) : s->nr_locations;
}

uint32_t pprof_stack_at(const struct pprof *w, const struct profile_sample *s, uint32_t i)
{
	uint32_t depth = pprof_depth(w, s), leaf = depth / 2;

	if (depth < s->nr_locations && i >= leaf) {
		if (i == leaf)
			return PPROF_CUT;
		i += s->nr_locations - depth; /* the root's half */
	}
	return w->view.stack_locations[s->first_location + i];
}

static void use_mapping(struct pprof *w, uint32_t mapping)
{
	if (mapping == UINT32_MAX || w->mapping_of[mapping])
		return;
	w->mappings[w->nr_mappings++] = mapping;
	w->mapping_of[mapping] = (uint32_t)w->nr_mappings;
}

static void use_location(struct pprof *w, uint32_t index)
{
	const struct profile_location *l;

	if (index == PPROF_CUT) {
		w->has_cut = true;
		return;
	}
	if (w->location_of[index])
		return;
	l = &w->view.locations[index];
	w->locations[w->nr_locations++] = index;
	w->location_of[index] = (uint32_t)w->nr_locations;
	use_mapping(w, l->mapping);
	if (l->kind == PROFILE_FRAME_KERNEL && w->kernel_mapping == UINT32_MAX)
		w->kernel_mapping = l->mapping;
}

/* Gives the mapping that titles the reports the first id, by changing places with what has it. */
static void order_mappings(struct pprof *w)
{
	uint32_t first = w->nr_owners > 1 ? w->kernel_mapping
					  : profile_main_binary(w->profile, w->part.owner);
	uint32_t place;

	if (first == UINT32_MAX || !w->mapping_of[first])
		return; /* none, or not in this part */
	place = w->mapping_of[first] - 1;
	w->mappings[place] = w->mappings[0];
	w->mappings[0] = first;
	w->mapping_of[w->mappings[place]] = place + 1;
	w->mapping_of[first] = 1;
}

int pprof_select(struct pprof *w, size_t nr)
{
	for (; nr && w->next < w->view.nr_samples; nr--, w->next++) {
		const struct profile_sample *s = &w->view.samples[w->next];

		if (!pprof_is_wanted(w, w->next))
			continue;
		for (uint32_t i = 0; i < pprof_depth(w, s); i++)
			use_location(w, pprof_stack_at(w, s, i));
		w->nr_owners += s->owner != w->last_owner && w->nr_owners < 2;
		w->last_owner = s->owner;
	}
	if (w->next < w->view.nr_samples)
		return 1;
	order_mappings(w);
	return 0;
}
