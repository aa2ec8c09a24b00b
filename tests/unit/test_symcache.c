/* The cache of answers: what is kept, what is moved, what is forgotten. */
#include "agent/core/symcache.h"
#include "tests/test.h"

#include <linux/types.h>

#include "bpf/record.h"

#define WORD(i) FRAME_MAKE_FILE(1 + (i) / 1000, (i) % 1000)

static const struct symbolizer_frame frames[] = {
	{ .name = "inner",
	  .system_name = "_inner",
	  .file = "a.c",
	  .line = 3,
	  .column = 4,
	  .start_line = 1,
	  .inlined = true },
	{ .name = "outer", .system_name = "_outer", .file = "b.c", .line = 30 },
};
static const struct symbolizer_answer answer = { .vaddr = 0x1234,
						 .nr_frames = 2,
						 .source = SYMBOLIZER_DWARF };

static void test_what_was_put_comes_back(void)
{
	_cleanup_(symcache_freep) struct symcache *c = NULL;
	struct symcache_entry e;

	CHECK(!symcache_new(&c, 1u << 20));
	CHECK(!symcache_get(c, WORD(0), &e));
	CHECK(!symcache_put(c, WORD(0), &answer, frames));
	CHECK(symcache_get(c, WORD(0), &e));
	CHECK_INT(e.answer.vaddr, 0x1234);
	CHECK_INT(e.answer.nr_frames, 2);
	CHECK_INT(e.answer.first_frame, 0);
	CHECK_INT(e.answer.source, SYMBOLIZER_DWARF);
	CHECK_STR(e.frames[0].name, "inner");
	CHECK_STR(e.frames[0].system_name, "_inner");
	CHECK_STR(e.frames[0].file, "a.c");
	CHECK_INT(e.frames[0].line, 3);
	CHECK_INT(e.frames[0].column, 4);
	CHECK_INT(e.frames[0].start_line, 1);
	CHECK(e.frames[0].inlined && !e.frames[1].inlined);
	CHECK_STR(e.frames[1].name, "outer");
}

static void test_that_there_is_no_name_is_an_answer(void)
{
	static const struct symbolizer_answer none = { .source = SYMBOLIZER_NONE, .vaddr = 7 };
	_cleanup_(symcache_freep) struct symcache *c = NULL;
	struct symcache_entry e;

	CHECK(!symcache_new(&c, 1u << 20));
	CHECK(!symcache_put(c, WORD(1), &none, NULL));
	CHECK(symcache_get(c, WORD(1), &e));
	CHECK(e.answer.source == SYMBOLIZER_NONE && !e.answer.nr_frames && e.answer.vaddr == 7);
}

static void test_kernel_words_are_forgotten(void)
{
	_cleanup_(symcache_freep) struct symcache *c = NULL;
	uint64_t kernel = FRAME_MAKE_KERNEL(0xffffffff81000000ULL);
	struct symcache_entry e;

	CHECK(!symcache_new(&c, 1u << 20));
	CHECK(!symcache_put(c, kernel, &answer, frames));
	CHECK(!symcache_put(c, WORD(2), &answer, frames));
	CHECK(symcache_get(c, kernel, &e));
	symcache_forget_kernel(c);
	CHECK(!symcache_get(c, kernel, &e));
	CHECK(symcache_get(c, WORD(2), &e));
}

static void name(char *out, size_t size, unsigned int i)
{
	snprintf(out, size, "function_with_a_name_of_some_length_%u", i);
}

/* Far more than fits: it never grows beyond its budget, what is asked for all the time stays, and no answer is wrong. */
static void test_bound(void)
{
	const size_t max = 256u << 10;
	_cleanup_(symcache_freep) struct symcache *c = NULL;
	struct symcache_counts counts;
	struct symcache_entry e;
	char text[64];

	CHECK(!symcache_new(&c, max));
	for (unsigned int i = 0; i < 50000; i++) {
		struct symbolizer_frame f = {
			.name = text, .system_name = text, .file = "", .line = i
		};
		struct symbolizer_answer a = { .vaddr = i,
					       .nr_frames = 1,
					       .source = SYMBOLIZER_SYMTAB };

		name(text, sizeof(text), i);
		CHECK(!symcache_put(c, WORD(i), &a, &f));
		CHECK(symcache_get(c, WORD(0), &e));
		CHECK_INT(e.frames[0].line, 0);
		symcache_counts(c, &counts);
		CHECK(counts.bytes <= max + max / 8);
	}
	CHECK(counts.forgotten > 40000 && counts.entries > 100);
	for (unsigned int i = 0; i < 50000; i++) {
		if (!symcache_get(c, WORD(i), &e))
			continue;
		name(text, sizeof(text), i);
		CHECK_STR(e.frames[0].name, text);
		CHECK_INT(e.answer.vaddr, i);
	}
}

/* A single answer above half of the budget is refused, and the cache goes on. */
static void test_an_answer_too_large(void)
{
	_cleanup_(symcache_freep) struct symcache *c = NULL;
	static char huge[4096];
	struct symbolizer_frame f = { .name = huge, .system_name = huge, .file = "" };
	struct symbolizer_answer a = { .nr_frames = 1, .source = SYMBOLIZER_SYMTAB };
	struct symcache_entry e;

	memset(huge, 'x', sizeof(huge) - 1);
	CHECK(!symcache_new(&c, 4096));
	CHECK(symcache_put(c, WORD(0), &a, &f) < 0);
	CHECK(!symcache_get(c, WORD(0), &e));
	CHECK(!symcache_put(c, WORD(1), &answer, frames));
	CHECK(symcache_get(c, WORD(1), &e));
}

int main(void)
{
	RUN(test_what_was_put_comes_back);
	RUN(test_that_there_is_no_name_is_an_answer);
	RUN(test_kernel_words_are_forgotten);
	RUN(test_bound);
	RUN(test_an_answer_too_large);
	return 0;
}
