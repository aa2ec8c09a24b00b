/*
 * Room in same-size slabs of bytes, handed out as extents.
 *
 * Pure bookkeeping: where the slabs lie is the caller's business. First fit over bitmaps of granules, so that
 * freeing needs no list and neighbours join by themselves; an extent never crosses a slab's end.
 */
#ifndef FLEETPROF_CORE_EXTENTS_H
#define FLEETPROF_CORE_EXTENTS_H

#include "agent/base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXTENTS_GRANULE 64 /* bytes; half of it is lost at the end of each extent, on average */

struct extents;

struct extent {
	uint32_t slab, offset; /* offset in bytes, a multiple of EXTENTS_GRANULE */
};

/* slab_bytes: a multiple of 64 granules. max_slabs: the most that extents_add_slab() will take. */
int extents_new(struct extents **ret, uint32_t slab_bytes, uint32_t max_slabs);
struct extents *extents_free(struct extents *extents);
DEFINE_CLEANUP(struct extents *, extents_free)

/* One more empty slab, whose number is ret; -ENOSPC at max_slabs. */
int extents_add_slab(struct extents *extents, uint32_t *ret);

uint32_t extents_slabs(const struct extents *extents);

/* Bytes that are handed out, granules counted in full. */
uint64_t extents_used(const struct extents *extents);

enum {
	EXTENTS_E_FULL = 1, /* no slab has so much room in one piece */
};

/* bytes: 1 … slab_bytes. Returns 0, EXTENTS_E_FULL or -EINVAL. */
int extents_take(struct extents *extents, uint32_t bytes, struct extent *ret);

/* What extents_take() gave, with the same number of bytes. */
void extents_put(struct extents *extents, struct extent extent, uint32_t bytes);

#endif
