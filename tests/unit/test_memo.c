/* Answers that were given, found again by address. */
#include "agent/base/cleanup.h"
#include "symbolizer/memo.h"
#include "tests/test.h"

static struct mem mem = { .max = 1 << 20 };

/* Of the answer for the code from start on: as many frames as its last digit, of that line. */
static void add(struct memo *m, uint64_t start, uint64_t end)
{
	struct symbolizer_frame frames[10];

	for (size_t i = 0; i < ARRAY_SIZE(frames); i++)
		frames[i] = (struct symbolizer_frame) { .name = "f", .line = (uint32_t)start };
	memo_add(m, start, end, SYMBOLIZER_DWARF, frames, start % 10);
}

static void check(struct memo *m, uint64_t address, uint64_t start)
{
	const struct memo_entry *entry = memo_find(m, address);

	CHECK(entry);
	CHECK_INT(entry->start, start);
	CHECK_INT(entry->source, SYMBOLIZER_DWARF);
	CHECK_INT(entry->nr_frames, start % 10);
	for (size_t i = 0; i < entry->nr_frames; i++)
		CHECK_INT(memo_frames(m, entry)[i].line, start);
}

static void test_empty(void)
{
	struct memo m;

	memo_init(&m, &mem, 1 << 16);
	CHECK(!memo_find(&m, 0));
	CHECK(!memo_find(&m, UINT64_MAX));
	memo_settle(&m);
	add(&m, 7, 7); /* of nothing */
	CHECK(!memo_find(&m, 7));
	memo_clear(&m);
	CHECK_INT(mem.used, 0);
}

/* Interval i is [100 i + 3, 100 i + 50): added in an order of its own, in questions of several sizes. */
static void fill(struct memo *m, uint64_t nr, uint64_t step, uint64_t question)
{
	for (uint64_t i = 0; i < nr; i++) {
		uint64_t start = i * step % nr * 100 + 3;

		add(m, start, start + 47);
		if (i % question == 0)
			memo_settle(m);
	}
	memo_settle(m);
}

static void check_filled(struct memo *m, uint64_t nr, uint64_t step)
{
	for (uint64_t i = 0; i < nr; i++) {
		uint64_t start = i * step % nr * 100 + 3;

		check(m, start, start);
		check(m, start + 46, start);
		CHECK(!memo_find(m, start - 1));
		CHECK(!memo_find(m, start + 47));
	}
}

static void test_found_again(void)
{
	static const uint64_t questions[] = { 1, 2, 40, 1000 };

	for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
		struct memo m;

		memo_init(&m, &mem, 1 << 19);
		fill(&m, 1009, 611, questions[i]);
		check_filled(&m, 1009, 1); /* ascending */
		check_filled(&m, 1009, 1008); /* descending */
		check_filled(&m, 1009, 97);
		memo_clear(&m);
		CHECK_INT(mem.used, 0);
	}
}

/* The same code again, seen from another address: what is known of it may reach less far, or further. */
static void test_twice(void)
{
	struct memo m;

	memo_init(&m, &mem, 1 << 19);
	for (int i = 0; i < 3; i++) {
		fill(&m, 101, 7, 1000);
		for (uint64_t start = 3; start < 10103; start += 100) {
			add(&m, start, start + 10);
			add(&m, start + 20, start + 30);
		}
		memo_settle(&m);
	}
	CHECK(m.nr <= 2 * 101 + 32);
	for (uint64_t start = 3; start < 10103; start += 100) {
		check(&m, start + 15, start);
		check(&m, start + 25, start + 20);
	}
	memo_clear(&m);
	CHECK_INT(mem.used, 0);
}

static void test_full(void)
{
	struct memo m;

	memo_init(&m, &mem, 8192);
	fill(&m, 1009, 1, 10);
	CHECK(m.full);
	CHECK(mem.peak <= 1 << 20);
	CHECK(mem.used <= 8192);
	check(&m, 3, 3); /* what was there stays */
	memo_clear(&m);
	CHECK(!m.full && !memo_find(&m, 3));
	CHECK_INT(mem.used, 0);
}

int main(void)
{
	RUN(test_empty);
	RUN(test_found_again);
	RUN(test_twice);
	RUN(test_full);
	return 0;
}
