/* Rows from code alone: what calls that do not return, and starts that are none, do not spoil. */
#include "tests/fixtures/table_maker.h"
#include "tests/test.h"

#define TEXT_BYTES 8192
#define SP(offset) (UNWIND_SP | (offset) / 8 << 8)

static struct buf image;
static uint8_t text[TEXT_BYTES];

static void put(size_t at, const char *code, size_t size)
{
	memcpy(text + at, code, size);
}
#define PUT(at, code) put(at, code, sizeof(code) - 1)

static void put_call(size_t at, size_t to)
{
	int32_t distance = (int32_t)(to - at - 5);

	text[at] = 0xe8;
	memcpy(text + at + 1, &distance, sizeof(distance));
}

static void set_up(void)
{
	memset(text, 0xcc, sizeof(text));
	put_call(0, 256); /* functions are known by what calls them */
}

static const struct unwind_header *build(void)
{
	_cleanup_(cfi_maker_deinitp) struct cfi_maker m;

	cfi_maker_init(&m, TEXT_BYTES);
	return table_make(&image, &m, UINT64_MAX, text, sizeof(text));
}

static uint64_t rule_at(uint64_t offset)
{
	return table_rule_at(&image, offset) & ~0x30ULL; /* but for the frame pointer */
}

/* sub $0x18, %rsp; call 512; and what is behind it, which ends in a return */
static void put_caller(void)
{
	PUT(256, "\x48\x83\xec\x18");
	put_call(260, 512);
	PUT(265, "\x53\x90\x5b\xc3"); /* push %rbx; nop; pop %rbx; ret */
}

static void test_returns(void)
{
	set_up();
	put_caller();
	PUT(265, "\x31\xc0\x48\x83\xc4\x18\xc3"); /* xor %eax, %eax; add $0x18, %rsp; ret */
	PUT(512, "\xc3");
	build();
	CHECK_INT(rule_at(256), SP(8));
	CHECK_INT(rule_at(260), SP(32));
	CHECK_INT(rule_at(265), SP(32));
	CHECK_INT(rule_at(271), SP(8));
}

/* By the function's own code, and by that of what it calls. */
static void test_no_return(void)
{
	set_up();
	put_caller();
	PUT(512, "\x50"); /* push %rax; call 768 */
	put_call(513, 768);
	PUT(265, "\x53\xeb\xfd"); /* push %rbx, for ever */
	PUT(768, "\x74\x02\xeb\xfe\x0f\x0b"); /* je; jmp to itself; ud2 */
	build();
	CHECK_INT(rule_at(260), SP(32));
	CHECK_INT(rule_at(265), UNWIND_GAP);
	CHECK_INT(rule_at(513), SP(16));
	CHECK_INT(rule_at(768), SP(8));
}

/* Nobody knows whether 512 returns, but the return behind the call is not that of a function that began at 256. */
static void test_blamed_call(void)
{
	set_up();
	put_caller();
	PUT(512, "\xff\xe0"); /* jmp *%rax */
	build();
	CHECK_INT(rule_at(260), SP(32));
	CHECK_INT(rule_at(265), SP(8));
	CHECK_INT(rule_at(266), SP(16));
	CHECK_INT(rule_at(268), SP(8));
}

/* The label of a jump table looks like a function's beginning: it is not, since it gives back more than it took. */
static void test_label(void)
{
	set_up();
	PUT(256, "\x48\x83\xec\x18"); /* sub $0x18, %rsp; lea 300(%rip), %rdx; jmp *%rdx */
	PUT(260, "\x48\x8d\x15\x21\0\0\0\xff\xe2");
	PUT(300,
	    "\x53\x90\x5b\x48\x83\xc4\x18\xc3"); /* push %rbx; nop; pop %rbx; add $0x18, %rsp; ret */
	build();
	CHECK_INT(rule_at(267), SP(32));
	CHECK(rule_at(300) == SP(32) || rule_at(300) == UNWIND_GAP);
	CHECK(rule_at(301) == SP(40) || rule_at(301) == UNWIND_GAP);
}

/* A jump table is all that a function begins with: what it leads to is part of it, and no function itself. */
static void test_table_at_start(void)
{
	set_up();
	PUT(256, "\xff\x24\xfd\0\0\0\0"); /* jmp *(, %rdi, 8) */
	PUT(263, "\x53\x90\x5b\xc3"); /* push %rbx; nop; pop %rbx; ret */
	PUT(267, "\x53\x90\x5b\xc3");
	build();
	CHECK_INT(rule_at(264), SP(16));
	CHECK_INT(rule_at(268), SP(16));
}

/* Behind a return: a few bytes that something else reaches, or nothing. */
static void test_short_gap(void)
{
	set_up();
	PUT(256, "\xc3\xff\x15\0\0\0\0"); /* ret; call *(%rip) */
	put_call(16, 263);
	PUT(263, "\x90\xc3\x66\x90"); /* nop; ret; nop */
	put_call(32, 267);
	PUT(267, "\x90\xc3");
	build();
	CHECK_INT(rule_at(256), SP(8));
	CHECK_INT(rule_at(257), UNWIND_GAP);
	CHECK_INT(rule_at(263), SP(8));
	CHECK_INT(rule_at(265), SP(8)); /* padding has no rows of its own */
	CHECK_INT(rule_at(267), SP(8));
}

/* Each finds out about the one that it calls: one in a round. */
static void test_rounds(void)
{
	const struct unwind_header *header;

	set_up();
	for (size_t i = 0; i < 20; i++) {
		put_call(256 + i * 64, 256 + (i + 1) * 64);
		PUT(256 + i * 64 + 5, "\xc3");
	}
	PUT(256 + 20 * 64, "\x0f\x0b");
	header = build();
	for (int i = 0; i < UNWIND_BOUND_NR; i++)
		CHECK_INT(header->code_bounds[i], i == UNWIND_BOUND_ROUNDS);
}

int main(void)
{
	RUN(test_returns);
	RUN(test_no_return);
	RUN(test_blamed_call);
	RUN(test_label);
	RUN(test_table_at_start);
	RUN(test_short_gap);
	RUN(test_rounds);
	buf_deinit(&image);
	return 0;
}
