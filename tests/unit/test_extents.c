/* Room in slabs: extents never overlap, never cross a slab's end, and what is freed can be had again in one piece. */
#include "agent/core/extents.h"
#include "tests/test.h"

#include <errno.h>

#define SLAB 65536u
#define SLABS 4u

static struct extents *new_extents(uint32_t slabs)
{
	struct extents *e;

	CHECK_INT(extents_new(&e, SLAB, SLABS), 0);
	for (uint32_t i = 0; i < slabs; i++) {
		uint32_t number;

		CHECK_INT(extents_add_slab(e, &number), 0);
		CHECK_INT(number, i);
	}
	return e;
}

static void test_limits(void)
{
	struct extents *e = new_extents(0);
	struct extent x;
	uint32_t number;

	CHECK_INT(extents_take(e, 1, &x), EXTENTS_E_FULL);
	CHECK_INT(extents_take(e, 0, &x), -EINVAL);
	CHECK_INT(extents_take(e, SLAB + 1, &x), -EINVAL);
	CHECK_INT(extents_take(e, UINT32_MAX, &x), -EINVAL);
	for (uint32_t i = 0; i < SLABS; i++)
		CHECK_INT(extents_add_slab(e, &number), 0);
	CHECK_INT(extents_add_slab(e, &number), -ENOSPC);
	CHECK_INT(extents_slabs(e), SLABS);
	for (uint32_t i = 0; i < SLABS; i++)
		CHECK_INT(extents_take(e, SLAB, &x), 0);
	CHECK_INT(extents_take(e, 1, &x), EXTENTS_E_FULL);
	CHECK_INT(extents_used(e), SLABS * SLAB);
	extents_put(e, x, SLAB);
	CHECK_INT(extents_used(e), (SLABS - 1) * SLAB);
	CHECK_INT(extents_take(e, 1, &x), 0);
	extents_free(e);
	CHECK_INT(extents_new(&e, 100, 1), -EINVAL);
}

static void test_neighbours_join(void)
{
	struct extents *e = new_extents(1);
	struct extent a, b, c, x;

	CHECK_INT(extents_take(e, SLAB / 4, &a), 0);
	CHECK_INT(extents_take(e, SLAB / 4, &b), 0);
	CHECK_INT(extents_take(e, SLAB / 2, &c), 0);
	extents_put(e, a, SLAB / 4);
	CHECK_INT(extents_take(e, SLAB / 2, &x), EXTENTS_E_FULL);
	extents_put(e, b, SLAB / 4);
	CHECK_INT(extents_take(e, SLAB / 2, &x), 0);
	CHECK_INT(x.offset, 0);
	extents_free(e);
}

struct held {
	struct extent extent;
	uint32_t bytes;
};

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(random_state >> 33) % n;
}

/* Every byte that is handed out is written, with its holder's number: nobody else may have written over it. */
static void test_random_takes_and_puts(void)
{
	static uint8_t memory[SLABS][SLAB];
	struct extents *e = new_extents(SLABS);
	struct held held[200] = { 0 };
	uint64_t used = 0;

	for (int round = 0; round < 20000; round++) {
		uint32_t i = random_below(200);
		struct held *h = &held[i];

		if (h->bytes) {
			for (uint32_t j = 0; j < h->bytes; j++)
				CHECK_INT(memory[h->extent.slab][h->extent.offset + j], i);
			extents_put(e, h->extent, h->bytes);
			used -= (h->bytes + EXTENTS_GRANULE - 1) / EXTENTS_GRANULE *
				EXTENTS_GRANULE;
			h->bytes = 0;
		} else {
			uint32_t bytes = 1 + random_below(8000);

			if (extents_take(e, bytes, &h->extent))
				continue;
			h->bytes = bytes;
			CHECK(h->extent.offset % EXTENTS_GRANULE == 0);
			CHECK(h->extent.slab < SLABS && h->extent.offset + bytes <= SLAB);
			memset(memory[h->extent.slab] + h->extent.offset, (int)i, bytes);
			used += (bytes + EXTENTS_GRANULE - 1) / EXTENTS_GRANULE * EXTENTS_GRANULE;
		}
		CHECK_INT(extents_used(e), used);
	}
	extents_free(e);
}

int main(void)
{
	RUN(test_limits);
	RUN(test_neighbours_join);
	RUN(test_random_takes_and_puts);
	return 0;
}
