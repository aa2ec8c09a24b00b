/*
 * A profile reduced to what tables in a terminal show: weighted stacks of functions, by owner.
 *
 * Pure. Whatever can be read (a profile in memory, pprof, folded stacks) becomes this.
 */
#ifndef FLEETPROF_CORE_STACKS_H
#define FLEETPROF_CORE_STACKS_H

#include "agent/base/cleanup.h"

#include <stddef.h>
#include <stdint.h>

#define STACKS_FRAMES_MAX (256u << 20) /* of all stacks together */
#define STACKS_SAMPLES_MAX (32u << 20)
#define STACKS_STRING_BYTES_MAX (512u << 20)
#define STACKS_DEPTH_MAX                                                                           \
	4096 /* of one: the outermost frames of a deeper one are left out, and counted */

enum stacks_kind { /* of a function */
		   STACKS_USER,
		   STACKS_KERNEL,
		   STACKS_ROOT, /* a process: it owns functions, and is none */
};

struct stacks_sample {
	uint32_t owner; /* string */
	size_t first, nr; /* functions, leaf first */
	int64_t value;
};

struct stacks;

int stacks_new(struct stacks **ret);
struct stacks *stacks_free(struct stacks *s);
DEFINE_CLEANUP(struct stacks *, stacks_free)

/* Each returns 0 with the index of the entry, new or equal; -ENOMEM, or -ENOSPC at a bound. */
int stacks_add_string(struct stacks *s, const char *text, size_t len, uint32_t *ret);
int stacks_add_function(struct stacks *s, enum stacks_kind kind, const char *name, size_t len,
			uint32_t *ret);

/* functions: leaf first; copied. 0, -ENOMEM or -ENOSPC. Values are summed with saturation. */
int stacks_add_sample(struct stacks *s, uint32_t owner, int64_t value, const uint32_t *functions,
		      size_t nr);

/* Valid until something is added. */
const char *stacks_string(const struct stacks *s, uint32_t string);
const char *stacks_function(const struct stacks *s, uint32_t function);
enum stacks_kind stacks_function_kind(const struct stacks *s, uint32_t function);
size_t stacks_nr_functions(const struct stacks *s);
size_t stacks_nr_samples(const struct stacks *s);
const struct stacks_sample *stacks_sample(const struct stacks *s, size_t index);
const uint32_t *stacks_frames(const struct stacks *s, const struct stacks_sample *sample);
/* Of all samples. */
int64_t stacks_total(const struct stacks *s);
/* Stacks that lost frames to STACKS_DEPTH_MAX. */
uint64_t stacks_cut(const struct stacks *s);

/* a + b, at the end of the range rather than over it. */
int64_t stacks_sum(int64_t a, int64_t b);

#endif
