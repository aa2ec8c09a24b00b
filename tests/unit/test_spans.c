/* Nested address ranges made flat, under a ceiling. */
#include "symbolizer/spans.h"
#include "tests/test.h"

#include <errno.h>

static struct mem mem;

static void add(struct spans *s, uint64_t start, uint64_t end, uint32_t what, uint32_t depth)
{
	CHECK_INT(spans_add(s, start, end, what, depth), 0);
}

static uint32_t find(const struct spans *s, uint64_t address)
{
	struct stretch stretch = STRETCH_ALL;

	return spans_find(s, address, &stretch);
}

/* What a search says is what the definition says: the deepest that holds the address, the later one among equals. */
static void check_against(const struct span *all, size_t nr, const struct spans *flat)
{
	for (uint64_t address = 0; address < 200; address++) {
		const struct span *best = NULL;

		for (size_t i = 0; i < nr; i++) {
			if (all[i].start <= address && address < all[i].end &&
			    (!best || all[i].depth > best->depth))
				best = &all[i];
		}
		CHECK_INT(find(flat, address), best ? best->what : SPANS_NOTHING);
	}
}

/* Within the stretch of an answer, and no further than it says, every address has it. */
static void check_stretches(const struct spans *flat)
{
	for (uint64_t address = 0; address < 200; address++) {
		struct stretch stretch = STRETCH_ALL;
		uint32_t what = spans_find(flat, address, &stretch);

		CHECK(stretch.start <= address && address < stretch.end);
		for (uint64_t other = stretch.start; other < 300 && other < stretch.end; other++)
			CHECK_INT(find(flat, other), what);
	}
}

static void flatten_and_check(const struct span *all, size_t nr)
{
	struct spans s = { .mem = &mem };

	for (size_t i = 0; i < nr; i++)
		add(&s, all[i].start, all[i].end, all[i].what, all[i].depth);
	CHECK_INT(spans_flatten(&s), 0);
	for (size_t i = 1; i < s.nr; i++)
		CHECK(s.spans[i - 1].start < s.spans[i - 1].end &&
		      s.spans[i - 1].end <= s.spans[i].start);
	check_against(all, nr, &s);
	check_stretches(&s);
	spans_deinit(&s);
	CHECK_INT(mem.used, 0);
}

static void test_nested(void)
{
	static const struct span all[] = {
		{ 10, 100, 0, 1 },  { 10, 100, 1, 2 }, /* the whole of the outer one */
		{ 20, 30, 2, 3 },   { 40, 60, 3, 3 },
		{ 45, 50, 4, 4 },   { 60, 70, 2, 3 }, /* the same again, elsewhere */
		{ 120, 130, 5, 1 },
	};

	flatten_and_check(all, sizeof(all) / sizeof(all[0]));
}

static void test_in_any_order(void)
{
	static const struct span all[] = {
		{ 120, 130, 5, 1 }, { 45, 50, 4, 4 },  { 40, 60, 3, 3 },
		{ 20, 30, 2, 3 },   { 10, 100, 0, 1 },
	};

	flatten_and_check(all, sizeof(all) / sizeof(all[0]));
}

static void test_flat_already(void)
{
	static const struct span all[] = { { 1, 5, 0, 1 }, { 5, 9, 1, 1 }, { 20, 21, 2, 1 } };

	flatten_and_check(all, sizeof(all) / sizeof(all[0]));
}

static void test_nothing(void)
{
	struct spans s = { .mem = &mem };

	CHECK_INT(spans_flatten(&s), 0);
	CHECK_INT(find(&s, 0), SPANS_NOTHING);
	spans_deinit(&s);
}

/* What leaves the one around it is nonsense, and may be read as anything that is flat. */
static void test_nonsense_ends(void)
{
	struct spans s = { .mem = &mem };
	uint64_t state = 7;

	for (uint32_t i = 0; i < 2000; i++) {
		uint64_t start = state >> 33 & 0xff, length = state >> 20 & 0x3f;

		state = state * 6364136223846793005ULL + 1442695040888963407ULL;
		add(&s, start, start + length + 1, i, i % 300);
	}
	CHECK_INT(spans_flatten(&s), 0);
	for (size_t i = 1; i < s.nr; i++)
		CHECK(s.spans[i - 1].end <= s.spans[i].start);
	spans_deinit(&s);
	CHECK_INT(mem.used, 0);
}

static void test_ceiling(void)
{
	struct mem small = { .max = 4096 };
	struct spans s = { .mem = &small };
	struct arena arena;
	int r = 0;

	for (uint32_t i = 0; i < 10000 && !r; i++)
		r = spans_add(&s, i, i + 1, i, 0);
	CHECK_INT(r, -ENOMEM);
	CHECK(small.peak <= small.max && small.refused == 1);
	spans_deinit(&s);
	CHECK_INT(small.used, 0);

	arena_init(&arena, &small);
	CHECK_STR(arena_string(&arena, "abcdef", 3), "abc");
	CHECK(!arena_alloc(&arena, SIZE_MAX) && !arena_alloc(&arena, 4096));
	while (arena_alloc(&arena, 100))
		;
	CHECK(small.used <= small.max);
	arena_deinit(&arena);
	CHECK_INT(small.used, 0);
	CHECK(!mem_alloc(&small, SIZE_MAX));
}

int main(void)
{
	mem.max = 1 << 20;
	RUN(test_nested);
	RUN(test_in_any_order);
	RUN(test_flat_already);
	RUN(test_nothing);
	RUN(test_nonsense_ends);
	RUN(test_ceiling);
	return 0;
}
