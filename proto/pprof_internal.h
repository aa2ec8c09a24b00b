/* What the pprof writer's files share: what is in the file, under which ids, and the piece that is being made. */
#ifndef FLEETPROF_PROTO_PPROF_INTERNAL_H
#define FLEETPROF_PROTO_PPROF_INTERNAL_H

#include "agent/base/intern.h"
#include "proto/pprof.h"

#include "proto/profile.pb-c.h"

#define PPROF_NR_VALUES 2 /* samples/count, cpu/nanoseconds */
#define PPROF_CUT UINT32_MAX /* in place of a location's index: the middle of a stack was here */

/* In this order: a mapping's flags are known when all locations are written. */
enum pprof_phase {
	PPROF_HEAD,
	PPROF_SELECT,
	PPROF_LOCATIONS,
	PPROF_MAPPINGS,
	PPROF_SAMPLES,
	PPROF_DONE,
};

struct pprof {
	const struct profile *profile;
	struct profile_view view;
	struct pprof_part part;
	enum pprof_phase phase;
	size_t next; /* thing of the phase */
	int error; /* the first failure, sticky */

	/* From the profile's indexes to strings and ids of this file; 0: not in it, a function: not written yet. */
	uint32_t *string_of, *location_of, *function_of, *mapping_of;
	uint32_t *locations; /* used ones, in the order of their ids */
	uint32_t *mappings;
	size_t nr_locations, nr_functions, nr_mappings;
	uint32_t last_owner, nr_owners; /* that have samples here: none, one, or 2 for several */
	uint32_t kernel_mapping; /* of the first kernel location; UINT32_MAX: none */
	bool has_cut; /* one location more, behind the others: PPROF_CUT's */
	struct pprof_flags *flags; /* of each used mapping */

	struct intern *strings;
	uint32_t nr_strings_written;
	Perftools__Profiles__Label *pids, *comms; /* of each process; without a key: not made yet */
	Perftools__Profiles__Label *threads; /* of each string */
	Perftools__Profiles__Label *owners; /* three of each owner */

	/* The piece: what is written next. Its memory is given back when it is. */
	Perftools__Profiles__Profile piece;
	struct pprof_block *blocks;
};

/* What the locations of a mapping have in this file. */
struct pprof_flags {
	bool functions, filenames, line_numbers, inline_frames;
};

/* Zeroed memory for nr things of the piece; NULL and a sticky error when there is none. */
void *pprof_alloc(struct pprof *w, size_t nr, size_t size);

/* A string's index in the file. 0 ("") and a sticky error at a bound. */
int64_t pprof_add_text(struct pprof *w, const char *s);
int64_t pprof_add_string(struct pprof *w, uint32_t string);

/* pprof_select.c: which samples are in the part, and what they use */
bool pprof_is_wanted(const struct pprof *w, size_t sample);
/* How many locations a stack has in this file. */
uint32_t pprof_depth(const struct pprof *w, const struct profile_sample *s);
/* The i-th of them, leaf first: an index of the profile's locations, or PPROF_CUT. */
uint32_t pprof_stack_at(const struct pprof *w, const struct profile_sample *s, uint32_t i);

/*
 * The phases: each does about nr things (samples, locations, mappings), those that are written into the piece, and
 * returns 1 if there are more, 0, -ENOMEM or -ENOSPC.
 */
int pprof_select(struct pprof *w, size_t nr);
int pprof_put_locations(struct pprof *w, size_t nr); /* and their functions */
int pprof_put_mappings(struct pprof *w, size_t nr);
int pprof_put_samples(struct pprof *w, size_t nr);

#endif
