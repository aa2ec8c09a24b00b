/* Room in same-size slabs: a bit per granule. */
#include "agent/core/extents.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define BITS 64

struct extents {
	uint32_t granules; /* of one slab */
	uint32_t nr, max;
	uint64_t used; /* granules */
	uint32_t *free; /* [max] free granules of each slab: most full slabs are left by one look */
	uint64_t *taken; /* [max × granules / BITS] */
};

int extents_new(struct extents **ret, uint32_t slab_bytes, uint32_t max_slabs)
{
	_cleanup_(extents_freep) struct extents *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	if (!slab_bytes || slab_bytes % (EXTENTS_GRANULE * BITS))
		return -EINVAL;
	e->granules = slab_bytes / EXTENTS_GRANULE;
	e->max = max_slabs;
	e->free = calloc(max_slabs + 1, sizeof(*e->free));
	e->taken = calloc((size_t)max_slabs * (e->granules / BITS) + 1, sizeof(*e->taken));
	if (!e->free || !e->taken)
		return -ENOMEM;
	*ret = TAKE_PTR(e);
	return 0;
}

struct extents *extents_free(struct extents *e)
{
	if (!e)
		return NULL;
	free(e->free);
	free(e->taken);
	free(e);
	return NULL;
}

int extents_add_slab(struct extents *e, uint32_t *ret)
{
	if (e->nr == e->max)
		return -ENOSPC;
	e->free[e->nr] = e->granules;
	*ret = e->nr++;
	return 0;
}

uint32_t extents_slabs(const struct extents *e)
{
	return e->nr;
}

uint64_t extents_used(const struct extents *e)
{
	return e->used * EXTENTS_GRANULE;
}

/* The first granule at or behind `from` whose bit is `value`; e->granules if there is none. */
static uint32_t find_bit(const struct extents *e, const uint64_t *bits, uint32_t from, bool value)
{
	uint32_t word = from / BITS;
	uint64_t candidates;

	if (from >= e->granules)
		return e->granules;
	candidates = (value ? bits[word] : ~bits[word]) & (~0ULL << from % BITS);
	while (!candidates) {
		if (++word == e->granules / BITS)
			return e->granules;
		candidates = value ? bits[word] : ~bits[word];
	}
	return word * BITS + (uint32_t)__builtin_ctzll(candidates);
}

static void set_bits(uint64_t *bits, uint32_t first, uint32_t nr, bool value)
{
	for (uint32_t i = first; i < first + nr; i++) {
		assert(!!(bits[i / BITS] >> i % BITS & 1) != value);
		bits[i / BITS] ^= 1ULL << i % BITS;
	}
}

static bool take_in_slab(struct extents *e, uint32_t slab, uint32_t nr, struct extent *ret)
{
	uint64_t *bits = e->taken + (size_t)slab * (e->granules / BITS);
	uint32_t first = 0, end = 0;

	do {
		first = find_bit(e, bits, end, false);
		end = find_bit(e, bits, first, true);
	} while (end - first < nr && end < e->granules);
	if (end - first < nr)
		return false;
	set_bits(bits, first, nr, true);
	*ret = (struct extent) { .slab = slab, .offset = first * EXTENTS_GRANULE };
	return true;
}

int extents_take(struct extents *e, uint32_t bytes, struct extent *ret)
{
	uint32_t nr = bytes / EXTENTS_GRANULE + !!(bytes % EXTENTS_GRANULE);

	if (!bytes || nr > e->granules)
		return -EINVAL;
	for (uint32_t slab = 0; slab < e->nr; slab++) {
		if (e->free[slab] < nr || !take_in_slab(e, slab, nr, ret))
			continue;
		e->free[slab] -= nr;
		e->used += nr;
		return 0;
	}
	return EXTENTS_E_FULL;
}

void extents_put(struct extents *e, struct extent extent, uint32_t bytes)
{
	uint32_t nr = bytes / EXTENTS_GRANULE + !!(bytes % EXTENTS_GRANULE);

	set_bits(e->taken + (size_t)extent.slab * (e->granules / BITS),
		 extent.offset / EXTENTS_GRANULE, nr, false);
	e->free[extent.slab] += nr;
	e->used -= nr;
}
