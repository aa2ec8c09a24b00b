/* How many stacks are whole and named, and why the others are not: per owner, for /metrics. */
#ifndef FLEETPROF_CORE_STACK_COUNTS_H
#define FLEETPROF_CORE_STACK_COUNTS_H

#include "agent/core/owners.h"
#include "agent/core/window.h"
#include "proto/profile.h"

#include <linux/types.h>

#include "bpf/record.h"

/* Samples. */
struct stack_counts {
	struct stack_counts_owner {
		uint64_t ends[END_NR]; /* how their user stacks ended */
		uint64_t unsymbolized; /* with a frame that has no name */
	} owners[OWNERS_SLOTS];
	uint64_t ends[END_NR]; /* of all owners, also of those that are gone */
};

/* Adds a window's rows. */
void stack_counts_add_window(struct stack_counts *counts, const struct window *w);

/* Adds what has no name in a profile whose owner `index` is owners[…]'s: the inverse of symbolize_finish()'s. */
void stack_counts_add_profile(struct stack_counts *counts, const struct profile *p,
			      const uint32_t *owners, size_t nr_owners);

/* The owner's place is another's from now on. */
void stack_counts_forget(struct stack_counts *counts, uint32_t owner);

#endif
