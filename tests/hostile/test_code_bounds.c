/* Code that nothing describes, and too much of it: bounded, and each bound that is reached is counted. */
#include "tests/fixtures/table_maker.h"
#include "tests/test.h"

static struct buf image;

static const struct unwind_header *build(const struct cfi_maker *m, const void *code, size_t size)
{
	return table_make(&image, m, UINT64_MAX, code, size);
}

/* This bound was reached, and no other. */
static void check_bound(const struct unwind_header *header, int bound)
{
	for (int i = 0; i < UNWIND_BOUND_NR; i++)
		CHECK_INT(header->code_bounds[i], i == bound);
}

static const uint8_t call_far[] = { 0xe8, 0xfb, 0, 0, 0, 0xc3 }; /* to 256; ret */

static void test_within(void)
{
	_cleanup_(cfi_maker_deinitp) struct cfi_maker m;
	const struct unwind_header *header;

	cfi_maker_init(&m, 4096);
	header = build(&m, call_far, sizeof(call_far));
	check_bound(header, UNWIND_BOUND_NR);
	CHECK(header->derived_rows > 0);
}

static void test_span(void)
{
	_cleanup_(cfi_maker_deinitp) struct cfi_maker m;

	cfi_maker_init(&m, 97u << 20);
	check_bound(build(&m, call_far, sizeof(call_far)), UNWIND_BOUND_SPAN);
}

static void test_code(void)
{
	_cleanup_(cfi_maker_deinitp) struct cfi_maker m;

	cfi_maker_init(&m, 33u << 20);
	check_bound(build(&m, call_far, sizeof(call_far)), UNWIND_BOUND_CODE);
}

static void test_data(void)
{
	_cleanup_(cfi_maker_deinitp) struct cfi_maker m;
	const struct unwind_header *header;

	cfi_maker_init(&m, 4096);
	m.data = (Elf64_Phdr) { .p_type = PT_LOAD,
				.p_flags = PF_R,
				.p_offset = CFI_MAKER_TEXT + 4096,
				.p_vaddr = CFI_MAKER_VADDR + CFI_MAKER_TEXT + 4096,
				.p_filesz = 33u << 20,
				.p_memsz = 33u << 20 };
	header = build(&m, call_far, sizeof(call_far));
	check_bound(header, UNWIND_BOUND_DATA);
	CHECK(header->derived_rows > 0); /* what is called is known all the same */
}

/* Twenty thousand branches, each to somewhere else. */
static void test_steps(void)
{
	_cleanup_(cfi_maker_deinitp) struct cfi_maker m;
	_cleanup_(buf_deinitp) struct buf code = BUF_NULL;

	buf_init(&code, 1 << 20);
	buf_add(&code, call_far, sizeof(call_far));
	buf_grow(&code, 250);
	for (int i = 0; i < 20000; i++)
		buf_add(&code, "\x0f\x84\0\0\x02", 6);
	cfi_maker_init(&m, 1u << 20);
	check_bound(build(&m, code.data, code.len), UNWIND_BOUND_STEPS);
}

/*
 * Many addresses are taken, one behind the other from 32 KB on, of the same few instructions that jump to the same place
 * far away, which is looked at anew by way of each. One step is much work if that is not counted.
 */
#define LABELS 4000
#define LABELS_AT 32768
#define FAR_BYTES (512u << 10)

static void check_far(const char *before_jump, size_t size, const char *far, size_t far_size)
{
	_cleanup_(cfi_maker_deinitp) struct cfi_maker m;
	_cleanup_(buf_deinitp) struct buf code = BUF_NULL;
	size_t label_bytes = size + 5;

	buf_init(&code, 2 << 20);
	buf_add(&code, call_far, sizeof(call_far));
	buf_grow(&code, 256 - code.len);
	for (size_t i = 0; i < LABELS; i++) { /* lea label(%rip), %rax */
		int32_t distance =
			(int32_t)(LABELS_AT + i * label_bytes - (code.len + sizeof(distance) + 3));

		buf_add(&code, "\x48\x8d\x05", 3);
		buf_add(&code, &distance, sizeof(distance));
	}
	buf_add(&code, "\xc3", 1);
	buf_grow(&code, LABELS_AT - code.len);
	while (code.len < LABELS_AT + LABELS * label_bytes) {
		int32_t distance =
			(int32_t)(LABELS_AT + FAR_BYTES - (code.len + size + 1 + sizeof(distance)));

		buf_add(&code, before_jump, size);
		buf_add(&code, "\xe9", 1);
		buf_add(&code, &distance, sizeof(distance));
	}
	buf_grow(&code, LABELS_AT + FAR_BYTES - code.len);
	buf_add(&code, far, far_size);
	while (code.len < 2 * FAR_BYTES)
		buf_add(&code, "\x90", 1);
	cfi_maker_init(&m, code.len);
	check_bound(build(&m, code.data, code.len), UNWIND_BOUND_STEPS);
}

/* A call, and padding behind it. */
static void test_long_padding(void)
{
	check_far("", 0, "\xff\xd0", 2);
}

/* A return that refutes the start: what call is to blame? */
static void test_long_blame(void)
{
	check_far("\x50", 1, "\xc3", 1);
}

/* Addresses up to the very last: what is added to them wraps. */
static void test_last_addresses(void)
{
	_cleanup_(cfi_maker_deinitp) struct cfi_maker m;
	const struct unwind_header *header;

	cfi_maker_init(&m, 4096);
	m.text.p_vaddr = UINT64_MAX - 4096;
	header = build(&m, call_far, sizeof(call_far));
	check_bound(header, UNWIND_BOUND_NR);
	CHECK(header->derived_rows > 0);
}

int main(void)
{
	RUN(test_within);
	RUN(test_span);
	RUN(test_code);
	RUN(test_data);
	RUN(test_steps);
	RUN(test_long_padding);
	RUN(test_long_blame);
	RUN(test_last_addresses);
	buf_deinit(&image);
	return 0;
}
