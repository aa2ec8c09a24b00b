/* Call frame information that lies about sizes, ranges and itself: bounded, counted, and never believed. */
#include "symbolizer/unwind_rows.h"
#include "tests/fixtures/table_maker.h"
#include "tests/test.h"

#include <malloc.h>

#define NO_LIMIT (1ULL << 40)

static struct buf image;

static const struct unwind_header *header(void)
{
	return (const void *)image.data;
}

/* Builds the table of m's file, whose size is not above size_max. */
static void build(const struct cfi_maker *m, uint64_t size_max)
{
	table_make(&image, m, size_max, NULL, 0);
}

static uint64_t rule_at(uint64_t offset)
{
	return table_rule_at(&image, offset);
}

#define SP(offset) (UNWIND_SP | (offset) / 8 << 8)

static void test_plain(void)
{
	_cleanup_(cfi_maker_deinitp) struct cfi_maker m;
	static const uint8_t push[] = { DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16 };

	cfi_maker_init(&m, 4096);
	cfi_maker_fde(&m, 64, 100, push, sizeof(push));
	build(&m, NO_LIMIT);
	CHECK_INT(rule_at(63), UNWIND_GAP);
	CHECK_INT(rule_at(64), SP(8));
	CHECK_INT(rule_at(65), SP(16));
	CHECK_INT(rule_at(163), SP(16));
	CHECK_INT(rule_at(164), UNWIND_GAP);
	CHECK_INT(header()->nr_fdes, 1);
	CHECK_INT(header()->bad_fdes, 0);
	CHECK_INT(header()->outside_fdes, 0);
	cfi_maker_fde(&m, 4096, 100, NULL, 0);
	build(&m, NO_LIMIT);
	CHECK_INT(header()->nr_fdes, 1);
	CHECK_INT(header()->outside_fdes, 1);
}

/* One and a half billion pages of text, of which the file has none. */
static void test_text_that_is_not_there(void)
{
	_cleanup_(cfi_maker_deinitp) struct cfi_maker m;

	cfi_maker_init(&m, 6ULL << 40);
	cfi_maker_fde(&m, 0, 6ULL << 40, NULL, 0);
	build(&m, CFI_MAKER_TEXT + 4096);
	CHECK_INT(header()->nr_groups, 1);
	CHECK_INT(rule_at(4095), SP(8));
	m.text.p_filesz = UINT64_MAX;
	build(&m, CFI_MAKER_TEXT + 4096);
	CHECK_INT(header()->nr_groups, 1);
	m.text.p_vaddr = UINT64_MAX - 100;
	build(&m, CFI_MAKER_TEXT + 4096);
	CHECK_INT(header()->nr_groups, 0);
	m.text.p_offset = UINT64_MAX - 100;
	build(&m, 1 << 20);
	CHECK_INT(header()->nr_groups, 0);
}

/* A sparse file really has all of it: a directory's worth of groups, and no more. */
static void test_sparse_file(void)
{
	_cleanup_(cfi_maker_deinitp) struct cfi_maker m;

	cfi_maker_init(&m, 64ULL << 30);
	cfi_maker_fde(&m, 0, 64ULL << 30, NULL, 0);
	build(&m, NO_LIMIT);
	CHECK_INT(header()->nr_groups, UNWIND_GROUPS_MAX);
	CHECK(image.len < 1 << 20);
	CHECK(header()->lost_groups > 0);
}

/* What begins later wins, as for a binary search, and behind its end nobody speaks. */
static void test_overlaps(void)
{
	_cleanup_(cfi_maker_deinitp) struct cfi_maker m;
	static const uint8_t deep[] = { DW_CFA_def_cfa_offset, 64 };

	cfi_maker_init(&m, 4096);
	cfi_maker_fde(&m, 0, 1000, NULL, 0);
	cfi_maker_fde(&m, 100, 100, deep, sizeof(deep));
	cfi_maker_fde(&m, 100, 100, deep, sizeof(deep));
	cfi_maker_fde(&m, 500, UINT64_MAX - CFI_MAKER_VADDR - CFI_MAKER_TEXT - 500, deep,
		      sizeof(deep));
	build(&m, NO_LIMIT);
	CHECK_INT(rule_at(99), SP(8));
	CHECK_INT(rule_at(100), SP(64));
	CHECK_INT(rule_at(199), SP(64));
	CHECK_INT(rule_at(200), UNWIND_GAP);
	CHECK_INT(rule_at(500), SP(64));
	CHECK_INT(rule_at(4095), SP(64));
}

/* More rules than a group's dictionary has room for, and more rows than a group may have. */
static void test_full_groups(void)
{
	_cleanup_(cfi_maker_deinitp) struct cfi_maker m;
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;

	buf_init(&b, 1 << 20);
	for (unsigned int i = 0; i < 400; i++) {
		buf_addc(&b, DW_CFA_def_cfa_offset);
		buf_addc(&b, (char)(0x80 | (i * 8 & 0x7f)));
		buf_addc(&b, (char)(i * 8 >> 7));
		buf_addc(&b, DW_CFA_advance_loc | 4);
	}
	cfi_maker_init(&m, 4u << 20);
	cfi_maker_fde(&m, 0, 1600, b.data, b.len);
	cfi_maker_fde(&m, 2 << UNWIND_GROUP_SHIFT, 100, NULL, 0);
	build(&m, NO_LIMIT);
	CHECK(header()->lost_rows >= 140);
	CHECK_INT(rule_at(4), SP(8));
	CHECK_INT(rule_at(399 * 4), UNWIND_UNSUPPORTED);
	CHECK_INT(rule_at(2 << UNWIND_GROUP_SHIFT), SP(8));

	cfi_maker_deinit(&m);
	buf_reset(&b);
	for (unsigned int i = 0; i < 1 << UNWIND_GROUP_SHIFT; i++) {
		const uint8_t row[] = { DW_CFA_def_cfa_offset, i & 1 ? 16 : 24,
					DW_CFA_advance_loc | 1 };

		buf_add(&b, row, sizeof(row));
	}
	cfi_maker_init(&m, 4u << 20);
	cfi_maker_fde(&m, 0, 1 << UNWIND_GROUP_SHIFT, b.data, b.len);
	build(&m, NO_LIMIT);
	CHECK(header()->lost_rows > 30000);
	CHECK_INT(rule_at(UNWIND_ROWS_MAX - 3), SP(16));
	CHECK_INT(rule_at(UNWIND_ROWS_MAX + 1), UNWIND_UNSUPPORTED);
	CHECK_INT(rule_at((1 << UNWIND_GROUP_SHIFT) - 1), UNWIND_UNSUPPORTED);
}

/* Numbers at their limits: none of them may wrap into something believable. */
static void test_numbers(void)
{
	static const uint8_t far[] = { DW_CFA_advance_loc4,   0xff, 0xff, 0xff, 0xff,
				       DW_CFA_def_cfa_offset, 32 };
	static const uint8_t large[] = {
		DW_CFA_def_cfa_offset, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f
	};
	static const uint8_t expr[] = { DW_CFA_def_cfa_expression, 0xff, 0xff, 0xff, 0xff, 0x0f };
	_cleanup_(cfi_maker_deinitp) struct cfi_maker m;

	cfi_maker_init(&m, 4096);
	cfi_maker_fde(&m, 0, 100, far, sizeof(far));
	cfi_maker_fde(&m, 200, 100, large, sizeof(large));
	cfi_maker_fde(&m, 400, 100, expr, sizeof(expr));
	cfi_maker_fde(&m, 600, 0, NULL, 0); /* no function */
	build(&m, NO_LIMIT);
	CHECK_INT(rule_at(99), SP(8));
	CHECK_INT(rule_at(200), UNWIND_UNSUPPORTED);
	CHECK_INT(rule_at(400), UNWIND_UNSUPPORTED);
	CHECK_INT(rule_at(600), UNWIND_GAP);
	CHECK_INT(header()->bad_fdes, 1);
}

static void test_remember_for_ever(void)
{
	_cleanup_(cfi_maker_deinitp) struct cfi_maker m;
	uint8_t remember[1000];

	memset(remember, DW_CFA_remember_state, sizeof(remember));
	cfi_maker_init(&m, 4096);
	cfi_maker_fde(&m, 0, 100, remember, sizeof(remember));
	build(&m, NO_LIMIT);
	CHECK_INT(rule_at(0), UNWIND_UNSUPPORTED);
	CHECK_INT(header()->bad_fdes, 1);
}

/* Out of order and on the same bytes; and nothing of them is kept. */
static void test_many_functions(void)
{
	_cleanup_(cfi_maker_deinitp) struct cfi_maker m;
	struct mallinfo2 before = mallinfo2(), after;

	cfi_maker_init(&m, 4u << 20);
	for (uint32_t i = 0; i < 300000; i++)
		cfi_maker_fde(&m, (i * 7919) % (4u << 20), 64, NULL, 0);
	CHECK_INT(m.frame.error, 0);
	build(&m, NO_LIMIT);
	CHECK_INT(header()->bad_fdes, 0);
	CHECK(header()->nr_fdes > 200000);
	cfi_maker_deinit(&m);
	buf_deinit(&image);
	after = mallinfo2();
	CHECK(after.uordblks + after.hblkhd <= before.uordblks + before.hblkhd + (1 << 16));
}

/* Go's tables may lie about where their functions are: nothing goes back to a group that is written. */
static void test_rows_that_go_back(void)
{
	_cleanup_(unwind_rows_freep) struct unwind_rows *rows = NULL;
	struct unwind_header counters = { .nr_fdes = 0 };

	buf_deinit(&image);
	buf_init(&image, UNWIND_IMAGE_BYTES_MAX);
	CHECK_INT(unwind_rows_new(&rows, &image), 0);
	unwind_rows_add(rows, 1 << UNWIND_GROUP_SHIFT, SP(8));
	unwind_rows_add(rows, 3 << UNWIND_GROUP_SHIFT, SP(16));
	unwind_rows_add(rows, (2 << UNWIND_GROUP_SHIFT) + 5, SP(24));
	unwind_rows_add(rows, 7, SP(32));
	unwind_rows_add(rows, (3 << UNWIND_GROUP_SHIFT) + 5, UNWIND_GAP);
	CHECK_INT(unwind_rows_finish(rows, &counters), 0);
	CHECK(unwind_image_check(image.data, image.len));
	CHECK_INT(header()->first_group, 1);
	CHECK_INT(header()->nr_groups, 3);
}

int main(void)
{
	RUN(test_plain);
	RUN(test_text_that_is_not_there);
	RUN(test_sparse_file);
	RUN(test_overlaps);
	RUN(test_full_groups);
	RUN(test_numbers);
	RUN(test_remember_for_ever);
	RUN(test_many_functions);
	RUN(test_rows_that_go_back);
	buf_deinit(&image);
	return 0;
}
