/* The functions of a profile by how much is their own and how much passes through them. */
#ifndef FLEETPROF_CORE_TOP_H
#define FLEETPROF_CORE_TOP_H

#include "agent/core/stacks.h"
#include "agent/core/table.h"

struct top_entry {
	uint32_t function;
	int64_t self, total; /* a function that recurs counts once in a stack */
};

enum top_order { TOP_BY_SELF, TOP_BY_TOTAL, TOP_BY_NAME };

/* One entry for each function, in the order of their indexes; to be freed. 0 or -ENOMEM. */
int top_count(const struct stacks *s, struct top_entry **ret);
/* Largest first; equal ones by the other number, then by name. */
void top_sort(const struct stacks *s, struct top_entry *entries, size_t nr, enum top_order order);

/*
 * A heading and a line for each of the first `limit` entries that have at least min_percent of the whole, self or total by
 * `order`. Returns how many functions with any value were left out.
 */
size_t top_print(struct table *t, const struct stacks *s, const struct top_entry *entries,
		 size_t nr, size_t limit, double min_percent, enum top_order order);
/* A function's name as the last thing on a line. */
void top_print_function(struct table *t, const struct stacks *s, uint32_t function, size_t used);

#endif
