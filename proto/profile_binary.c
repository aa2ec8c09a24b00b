/* Which binary a profile is of. */
#include "proto/profile_binary.h"

#include <string.h>

/* No shared library ("libc.so.6", "libx-1.2.so", "libx.so (deleted)"), no "[vdso]", no "//anon". */
static bool is_program(const char *file)
{
	const char *so = strstr(file, ".so");

	while (so && so[3] && so[3] != '.' && so[3] != ' ')
		so = strstr(so + 1, ".so");
	return !so && file[0] && file[0] != '[' && strncmp(file, "//", 2) != 0;
}

/* Of each mapping, whether it is a program; NULL without memory. */
static bool *find_programs(const struct profile *p, const struct profile_view *v)
{
	bool *programs = calloc(v->nr_mappings + 1, sizeof(*programs));

	for (size_t i = 0; programs && i < v->nr_mappings; i++)
		programs[i] = is_program(profile_string(p, v->mappings[i].file));
	return programs;
}

/* The mapping of the frame nearest to the root that is in a program's own file. */
static uint32_t program_of(const bool *programs, const struct profile_view *v,
			   const struct profile_sample *s)
{
	for (uint32_t i = s->nr_locations; i-- > 0;) {
		const struct profile_location *l =
			&v->locations[v->stack_locations[s->first_location + i]];

		if (l->mapping != UINT32_MAX && l->kind == PROFILE_FRAME_USER &&
		    programs[l->mapping])
			return l->mapping;
	}
	return UINT32_MAX;
}

static bool is_wanted(const struct profile_sample *s, uint32_t owner)
{
	return owner == UINT32_MAX || s->owner == owner;
}

static size_t largest(const uint64_t *values, size_t nr)
{
	size_t best = 0;

	for (size_t i = 1; i < nr; i++) {
		if (values[i] > values[best])
			best = i;
	}
	return best;
}

uint32_t profile_main_binary(const struct profile *p, uint32_t owner)
{
	_cleanup_(freep) uint64_t *of_process = NULL, *of_mapping = NULL;
	_cleanup_(freep) bool *programs = NULL;
	struct profile_view v;
	size_t process, best;

	profile_view(p, &v);
	of_process = calloc(v.nr_processes + 1, sizeof(*of_process));
	of_mapping = calloc(v.nr_mappings + 1, sizeof(*of_mapping));
	programs = find_programs(p, &v);
	if (!of_process || !of_mapping || !programs)
		return UINT32_MAX;
	for (size_t i = 0; i < v.nr_samples; i++) {
		if (is_wanted(&v.samples[i], owner))
			of_process[v.samples[i].process] += v.samples[i].count;
	}
	process = largest(of_process, v.nr_processes);
	for (size_t i = 0; i < v.nr_samples; i++) {
		const struct profile_sample *s = &v.samples[i];
		uint32_t mapping = UINT32_MAX;

		if (is_wanted(s, owner) && s->process == process)
			mapping = program_of(programs, &v, s);
		if (mapping != UINT32_MAX)
			of_mapping[mapping] += s->count;
	}
	best = largest(of_mapping, v.nr_mappings);
	return of_mapping[best] ? (uint32_t)best : UINT32_MAX;
}
