/* The kernel side's stack walk, natively, on stacks made by hand: windows, other stacks, gaps, ends. */
#include "tests/bpf_native.h"
#include "tests/test.h"

#include <sys/utsname.h>

#define STACK 0x7f0000100000ULL
#define STACK_WORDS 2048u
#define OTHER_STACK 0x7f0000200000ULL
#define CODE 0x400000ULL
#define CODE_BYTES 0x10000ULL
#define JIT 0x500000ULL

static uint64_t stack[STACK_WORDS], other[64];
static uint8_t code[64]; /* from CODE + 0xf000 on */
static uint8_t call[8]; /* before AT(SP_16) */
static uint8_t jit[0x1000];
static unsigned int reads, faults;
static u64 absent; /* from here on nobody ever touched the stack; 0: all of it is there */
static struct scratch s;

/* One group, one rule for each 256 bytes of code: 0: sp + 8, 1: sp + 16, 2: root, 3: gap, 4: unsupported … */
enum {
	SP_8 = 0,
	SP_16,
	ROOT,
	GAP,
	UNSUPPORTED,
	FP_16,
	DEREF,
	SP_LARGE,
	SIGNAL,
	SWITCH,
	SAVED,
	NR_RULES
};
#define NR_RULE_WORDS (NR_RULES + 3) /* DEREF, SWITCH and SAVED have two */
#define AT(rule) (CODE + (rule)*0x100 + 0x10)

static bool copy(void *dst, size_t size, u64 addr, u64 start, const void *memory, size_t bytes)
{
	if (addr < start || size > bytes || addr - start > bytes - size)
		return false;
	memcpy(dst, (const uint8_t *)memory + (addr - start), size);
	return true;
}

static bool read_user(void *dst, size_t size, u64 addr)
{
	reads++;
	if (absent && addr >= STACK && addr < STACK + sizeof(stack) && addr + size > absent) {
		faults++;
		return false;
	}
	return copy(dst, size, addr, STACK, stack, sizeof(stack)) ||
	       copy(dst, size, addr, OTHER_STACK, other, sizeof(other)) ||
	       copy(dst, size, addr, CODE + 0xf000, code, sizeof(code)) ||
	       copy(dst, size, addr, AT(SP_16) - 8, call, sizeof(call)) ||
	       copy(dst, size, addr, JIT, jit, sizeof(jit));
}

static void make_table(const u32 packed[NR_RULE_WORDS])
{
	static uint8_t slab[UNWIND_SLAB_BYTES] __attribute__((aligned(64)));
	struct unwind_group *group = (void *)(slab + 64);
	u32 *words = (u32 *)(group + 1);
	u16 *rows = (u16 *)(words + NR_RULE_WORDS);
	u8 *numbers = (u8 *)(rows + NR_RULES + 1);

	memcpy(words, packed, NR_RULE_WORDS * sizeof(u32));
	*group = (struct unwind_group) { .nr_rows = NR_RULES + 1,
					 .nr_slots = NR_RULE_WORDS,
					 .form = UNWIND_SPARSE };
	for (u32 i = 0; i <= NR_RULES; i++) {
		rows[i] = (u16)(i * 0x100);
		numbers[i] = i == NR_RULES ? GAP : (u8)(i + (i > DEREF) + (i > SWITCH));
	}
	numbers[NR_RULES] = GAP;
	*(u32 *)(slab + 32) = unwind_place(0, 64);
	native.slabs[0] = slab;
	native.nr_slabs = 1;
	native.maps[0].table = unwind_slot_table(unwind_place(0, 32), 0, 1);
}

static void set_up(void)
{
	u32 packed[NR_RULE_WORDS] = { [SP_8] = UNWIND_SP | 1 << 8,
				      [SP_16] = UNWIND_SP | 2 << 8,
				      [ROOT] = UNWIND_ROOT,
				      [UNSUPPORTED] = UNWIND_UNSUPPORTED,
				      [FP_16] = UNWIND_FP | UNWIND_FP_AT_CFA << 4 | 2 << 8 |
						(u32)-2 << 21,
				      [DEREF] = UNWIND_DEREF_SP | UNWIND_RULE_WIDE,
				      [DEREF + 1] = 8 << 16, /* *(sp + 0) + 8 */
				      [SP_LARGE + 1] = UNWIND_SP | 1000u << 8,
				      [SIGNAL + 1] = UNWIND_SIGNAL,
				      [SWITCH + 1] = UNWIND_SWITCH | UNWIND_FP_AT_CFA << 4 |
						     UNWIND_RULE_WIDE | (u32)-16 << 13,
				      [SWITCH + 2] = 16,
				      [SAVED + 2] = UNWIND_SWITCH | UNWIND_FP_LOST << 4 |
						    UNWIND_RULE_WIDE | UNWIND_SWITCH_SAVED << 8 |
						    (u32)-8 << 13,
				      [SAVED + 3] = 192 };

	memset(&s, 0, sizeof(s));
	native_forget_rules();
	memset(stack, 0, sizeof(stack));
	memset(other, 0, sizeof(other));
	native.read = read_user;
	native.nr_maps = 4;
	native.maps[0] = (struct native_map) { .start = CODE,
					       .end = CODE + CODE_BYTES,
					       .word = FRAME_MAKE_FILE(1, 0),
					       .executable = true };
	native.maps[1] = (struct native_map) { .start = JIT,
					       .end = JIT + 0x1000,
					       .word = FRAME_MAKE_ANON(JIT),
					       .table = UNWIND_TABLE_ANON,
					       .executable = true };
	native.maps[2] = (struct native_map) { .start = STACK, .end = STACK + sizeof(stack) };
	native.maps[3] =
		(struct native_map) { .start = OTHER_STACK, .end = OTHER_STACK + sizeof(other) };
	make_table(packed);
	reads = 0;
	faults = 0;
	absent = 0;
}

static enum end_reason walk(u64 pc, u64 sp, u64 fp)
{
	s.walk.pc = pc;
	s.walk.sp = sp;
	s.walk.fp = fp;
	native_walk(&s);
	return s.head.end_reason;
}

static u64 file_word(u64 pc)
{
	return FRAME_MAKE_FILE(1, pc - CODE);
}

static void test_leaf_and_callers(void)
{
	set_up();
	stack[0] = AT(SP_16);
	stack[2] = AT(ROOT);
	CHECK_INT(walk(AT(SP_8), STACK, 0), END_ROOT);
	CHECK_INT(s.nr_words, 3);
	CHECK_INT(s.words[0], file_word(AT(SP_8))); /* the leaf's own place, */
	CHECK_INT(s.words[1], file_word(AT(SP_16) - 1)); /* and the calls of the others */
	CHECK_INT(s.words[2], file_word(AT(ROOT) - 1));
	CHECK_INT(reads, 1);
}

/* A walk's first read may be the word before the last walk's window, whose place is stale but must not count. */
static void test_windows_do_not_outlive_a_walk(void)
{
	set_up();
	stack[1] = AT(ROOT);
	stack[0] = AT(SP_8);
	CHECK_INT(walk(AT(SP_8), STACK + 8, 0), END_ROOT);
	CHECK_INT(walk(AT(SP_8), STACK, 0), END_ROOT);
	CHECK_INT(s.nr_words, 3);
	CHECK_INT(s.words[1], file_word(AT(SP_8) - 1));
}

static void test_frames_larger_than_a_window(void)
{
	set_up();
	stack[999] = AT(SP_LARGE);
	stack[1999] = AT(ROOT);
	CHECK_INT(walk(AT(SP_LARGE), STACK, 0), END_ROOT);
	CHECK_INT(s.nr_words, 3);
}

/* The page above the first frames may not be there: one window runs into it, and no other, of this walk and of later ones. */
static void test_page_that_is_not_there(void)
{
	u64 sp;

	set_up();
	absent = STACK + 2 * STACK_PAGE_BYTES;
	sp = absent - 20 * 8;
	for (u64 i = 0; i < 18; i++)
		stack[(sp - STACK) / 8 + i] = AT(SP_8);
	stack[(sp - STACK) / 8 + 18] = AT(ROOT);
	CHECK_INT(walk(AT(SP_8), sp, 0), END_ROOT);
	CHECK_INT(s.nr_words, 20);
	CHECK_INT(faults, 1);
	CHECK_INT(reads, 2);
	CHECK_INT(walk(AT(SP_8), sp, 0), END_ROOT);
	CHECK_INT(faults, 1);
	/* Another address space has other stacks. */
	s.mm = 1;
	absent = 0;
	reads = 0;
	CHECK_INT(walk(AT(SP_8), sp, 0), END_ROOT);
	CHECK_INT(reads, 1);
	/* The page came meanwhile: the walk goes on in it. */
	s.mm = 0;
	stack[(sp - STACK) / 8 + 18] = AT(SP_16);
	stack[(sp - STACK) / 8 + 20] = AT(ROOT);
	CHECK_INT(walk(AT(SP_8), sp, 0), END_ROOT);
	CHECK_INT(s.nr_words, 21);
}

static void test_end_of_the_stack(void)
{
	set_up();
	/* The last word of the mapping is the root's return address. */
	stack[STACK_WORDS - 1] = AT(ROOT);
	CHECK_INT(walk(AT(SP_8), STACK + sizeof(stack) - 8, 0), END_ROOT);
	CHECK_INT(walk(AT(SP_16), STACK + sizeof(stack) - 8, 0), END_BAD_CFA);
	CHECK_INT(s.words[s.nr_words - 1], FRAME_MAKE_MARK(FRAME_MARK_END, END_BAD_CFA));
	stack[STACK_WORDS - 1] = 0;
	CHECK_INT(walk(AT(SP_8), STACK + sizeof(stack) - 8, 0), END_ROOT); /* return address 0 */
	stack[STACK_WORDS - 1] = 0x1234;
	CHECK_INT(walk(AT(SP_8), STACK + sizeof(stack) - 8, 0), END_NO_MAP);
	CHECK_INT(walk(AT(SP_8), 0x9000, 0), END_BAD_CFA); /* no stack at all */
	CHECK_INT(walk(0x9000, STACK, 0), END_NO_MAP);
}

static void test_gap_is_bridged_and_marked(void)
{
	set_up();
	stack[0] = AT(GAP);
	stack[4] = STACK + 8 * 8; /* caller's frame pointer, return address */
	stack[5] = AT(FP_16);
	stack[8] = 0;
	stack[9] = AT(ROOT);
	CHECK_INT(walk(AT(SP_8), STACK, STACK + 8 * 4), END_ROOT);
	CHECK_INT(s.nr_words, 5);
	CHECK_INT(s.words[1], file_word(AT(GAP) - 1));
	CHECK_INT(s.words[2], FRAME_MAKE_MARK(FRAME_MARK_GAP_BY_FP, END_NO_TABLE));
	CHECK_INT(s.words[3], file_word(AT(FP_16) - 1));
	CHECK_INT(s.words[4], file_word(AT(ROOT) - 1));
	/* What it finds is no code: it does not count, and the reason is the gap's. */
	stack[5] = 0x1234;
	CHECK_INT(walk(AT(SP_8), STACK, STACK + 8 * 4), END_NO_TABLE);
	CHECK_INT(s.nr_words, 3);
	/* Frame pointers that cannot be: below the stack pointer, unaligned, beyond the end. */
	CHECK_INT(walk(AT(UNSUPPORTED), STACK + 64, STACK), END_UNSUPPORTED);
	CHECK_INT(walk(AT(UNSUPPORTED), STACK, STACK + 4), END_UNSUPPORTED);
	CHECK_INT(walk(AT(UNSUPPORTED), STACK, STACK + sizeof(stack) - 8), END_UNSUPPORTED);
	CHECK_INT(walk(AT(UNSUPPORTED), STACK, 0), END_UNSUPPORTED); /* a leaf's 0 is not a root */
	stack[0] = AT(UNSUPPORTED);
	CHECK_INT(walk(AT(SP_8), STACK, 0), END_ROOT); /* a caller's is */
}

static void test_no_table(void)
{
	set_up();
	native.maps[0].table = UNWIND_TABLE_PENDING;
	stack[2] = 0;
	stack[3] = AT(SP_16);
	CHECK_INT(walk(AT(SP_8), STACK, STACK + 16), END_ROOT);
	CHECK_INT(s.nr_words, 3);
	CHECK_INT(s.words[1], FRAME_MAKE_MARK(FRAME_MARK_GAP_BY_FP, END_TABLE_PENDING));
	native_forget_rules();
	native.maps[0].table =
		UNWIND_TABLE_NONE; /* frame pointers are all there is: nothing to mark */
	CHECK_INT(walk(AT(SP_8), STACK, STACK + 16), END_ROOT);
	CHECK_INT(s.nr_words, 2);
	/* A leaf's 0 may be a number that its compiler keeps there. */
	CHECK_INT(walk(AT(SP_8), STACK, 0), END_NO_TABLE);
	CHECK_INT(s.nr_words, 2);
	CHECK_INT(s.words[1], FRAME_MAKE_MARK(FRAME_MARK_END, END_NO_TABLE));
	CHECK_INT(walk(JIT + 4, STACK, STACK + 16), END_ROOT);
	CHECK_INT(s.nr_words, 2);
	CHECK_INT(s.words[0], FRAME_MAKE_ANON(JIT + 4));
	/* Without one, nothing is known; and that some register is 0 proves nothing. */
	CHECK_INT(walk(JIT + 4, STACK, STACK + 4), END_GENERATED);
	CHECK_INT(walk(JIT + 4, STACK, 0), END_GENERATED);
	stack[3] = 0x1234;
	CHECK_INT(walk(JIT + 4, STACK, STACK + 16), END_GENERATED);
}

/* A register that no callee saves is still what the leaf has; others are not. */
static void test_registers_of_callers(void)
{
	u32 reg = UNWIND_REG | UNWIND_RULE_WIDE, *words;

	set_up();
	words = (u32 *)(native.slabs[0] + 64 + sizeof(struct unwind_group));
	words[DEREF] = reg;
	words[DEREF + 1] = 8;
	stack[0] = AT(DEREF); /* by now: CFA = %rax + 8 */
	stack[10] = AT(ROOT);
	s.walk.regs[0] = STACK + 8 * 10;
	CHECK_INT(walk(AT(SP_8), STACK, 0), END_ROOT);
	CHECK_INT(s.nr_words, 3);
	words[DEREF] = reg | 3 << 8;
	native_forget_rules();
	s.walk.regs[3] = STACK + 8 * 10; /* %rbx */
	CHECK_INT(walk(AT(DEREF), STACK, 0), END_ROOT);
	CHECK_INT(walk(AT(SP_8), STACK, 0), END_UNSUPPORTED);
}

/* ---- generated code: read for what its function begins with ---- */

/* push %rbx; push %rbp; push %r12; mov %rdi, %rbx; sub $0x20, %rsp; …; add $0x20, %rsp; pop %r12; pop %rbp; pop %rbx; ret */
static const uint8_t without_fp[] = { 0x53, 0x55, 0x41, 0x54, 0x48, 0x89, 0xfb, 0x48, 0x83,
				      0xec, 0x20, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
				      0x48, 0x83, 0xc4, 0x20, 0x41, 0x5c, 0x5d, 0x5b, 0xc3 };
#define FRAME_WORDS 7 /* 4 by sub, 3 pushed */
#define BODY 14

/* The function at JIT + where, its frame at the stack's begin, called by `call *%rax` from AT(SP_16). */
static void generate(u32 where)
{
	set_up();
	memset(jit, 0x90, sizeof(jit));
	memcpy(jit + where, without_fp, sizeof(without_fp));
	memset(call, 0, sizeof(call));
	call[6] = 0xff;
	call[7] = 0xd0;
	stack[FRAME_WORDS - 2] = 0x5555; /* the caller's %rbp */
	stack[FRAME_WORDS] = AT(SP_16);
	stack[FRAME_WORDS + 2] = AT(ROOT);
}

static void check_generated(u32 pc, u64 sp)
{
	native_forget_rules();
	CHECK_INT(walk(JIT + pc, sp, STACK + 8 * 3), END_ROOT);
	CHECK_INT(s.nr_words, 4);
	CHECK_INT(s.words[0], FRAME_MAKE_ANON(JIT + pc));
	CHECK_INT(s.words[1], FRAME_MAKE_MARK(FRAME_MARK_BY_PROLOGUE, END_GENERATED));
	CHECK_INT(s.words[2], file_word(AT(SP_16) - 1));
	CHECK_INT(s.words[3], file_word(AT(ROOT) - 1));
}

static void test_generated_code(void)
{
	static const u32 places[] = { 0, 5, 0x3f9, 0x7e0, 0xe00 };

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		u32 at = places[i];

		generate(at);
		check_generated(at + BODY, STACK);
		check_generated(at + sizeof(without_fp) + 100, STACK);
		CHECK_INT(s.walk.fp, 0x5555);
		/* Where sp is not lowered: before, and behind. */
		check_generated(at, STACK + 8 * FRAME_WORDS);
		check_generated(at + 1, STACK + 8 * (FRAME_WORDS - 1));
		check_generated(at + 4, STACK + 8 * 4);
		check_generated(at + 22, STACK + 8 * 4);
		check_generated(at + 24, STACK + 8 * 5);
		check_generated(at + 26, STACK + 8 * 7);
	}
}

/* What a prologue leads to counts only if it lies behind a call, and behind a direct one only if that leads here. */
static void test_generated_code_is_not_believed(void)
{
	int32_t distance = (int32_t)(JIT + 0x100 - AT(SP_16));

	generate(0x100);
	call[3] = 0xe8;
	memcpy(call + 4, &distance, 4);
	check_generated(0x100 + BODY, STACK);
	distance += 0x40;
	memcpy(call + 4, &distance, 4);
	CHECK_INT(walk(JIT + 0x100 + BODY, STACK, 0), END_GENERATED);
	/* Found wanting, it is read again. */
	distance -= 0x40;
	memcpy(call + 4, &distance, 4);
	CHECK_INT(walk(JIT + 0x100 + BODY, STACK, 0), END_ROOT);
	memset(call, 0, sizeof(call));
	CHECK_INT(walk(JIT + 0x100 + BODY, STACK, 0), END_GENERATED);
	CHECK_INT(s.nr_words, 2);
	/* No function in reach: there is only the frame pointer. */
	generate(0x100);
	memset(jit, 0, sizeof(jit));
	CHECK_INT(walk(JIT + 0x100 + BODY, STACK, 0), END_GENERATED);
}

/* A function that sets the frame pointer is left to it, also if it lowers sp then. */
static void test_generated_code_with_frame_pointer(void)
{
	/* push %rbp; mov %rsp, %rbp; push %rdi; sub $0x10, %rsp */
	static const uint8_t with_fp[] = { 0x55, 0x48, 0x89, 0xe5, 0x57, 0x48, 0x83, 0xec, 0x10 };

	generate(0x100);
	memcpy(jit + 0x200, with_fp, sizeof(with_fp));
	stack[20] = 0;
	stack[21] = AT(ROOT);
	CHECK_INT(walk(JIT + 0x220, STACK, STACK + 8 * 20), END_ROOT);
	CHECK_INT(s.nr_words, 2);
	CHECK_INT(walk(JIT + 0x220, STACK, 0), END_GENERATED);
	/* Called by generated code that has 0 there: it has a caller all the same. */
	stack[21] = JIT + 0x220;
	CHECK_INT(walk(JIT + 0x220, STACK, STACK + 8 * 20), END_GENERATED);
	CHECK_INT(s.nr_words, 3);
}

/* A CFA that is read from memory may lie on another stack, but never leads in circles for ever. */
static void test_other_stacks(void)
{
	set_up();
	stack[0] = OTHER_STACK + 8 * 2 - 8;
	other[1] = AT(ROOT);
	CHECK_INT(walk(AT(DEREF), STACK, 0), END_ROOT);
	CHECK_INT(s.nr_words, 2);
	stack[0] = OTHER_STACK + 8;
	other[1] = AT(DEREF);
	other[2] = STACK + 8 * 4 - 8;
	stack[3] = AT(DEREF);
	stack[4] = OTHER_STACK + 8;
	CHECK_INT(walk(AT(DEREF), STACK, 0), END_BAD_CFA);
	CHECK(s.nr_words <= 2 * STACK_SWITCHES_MAX + 2);
	stack[0] = 0x1000;
	CHECK_INT(walk(AT(DEREF), STACK, 0), END_BAD_CFA);
	stack[0] = STACK - 64; /* not on the stack, and nowhere else */
	CHECK_INT(walk(AT(DEREF), STACK, 0), END_BAD_CFA);
}

/* Go's: the frame stays where the frame pointer says, on whatever stack the function goes on. */
static void test_switched_stacks(void)
{
	set_up();
	stack[0] = AT(SWITCH);
	other[10] = OTHER_STACK + 40; /* the caller's frame pointer, */
	other[11] = AT(SP_8); /* its return address, */
	other[12] = AT(SWITCH); /* and the caller's: back again, to a place below */
	other[5] = 0;
	other[6] = AT(SWITCH); /* which has no caller */
	CHECK_INT(walk(AT(SP_8), STACK, OTHER_STACK + 80), END_ROOT);
	CHECK_INT(s.nr_words, 5);
	CHECK_INT(s.words[4], file_word(AT(SWITCH) - 1));
	/* Never for ever. */
	other[5] = OTHER_STACK + 40;
	CHECK_INT(walk(AT(SP_8), STACK, OTHER_STACK + 80), END_BAD_CFA);
	CHECK(s.nr_words <= STACK_SWITCHES_MAX + 5);
	CHECK_INT(walk(AT(SP_8), STACK, 0x1000), END_BAD_CFA);
}

/* Go's, where no frame pointer was saved: fs:-8 → g, its m at 48, the m's goroutine at 192, and there at 56 sp and pc. */
static void test_saved_context(void)
{
	set_up();
	native.thread_base = OTHER_STACK + 8;
	other[0] = OTHER_STACK + 8;
	other[1 + 48 / 8] = OTHER_STACK + 16;
	other[2 + 192 / 8] = OTHER_STACK + 24;
	other[3 + 56 / 8] = STACK + 80;
	other[3 + 64 / 8] = AT(SP_8);
	stack[0] = AT(SAVED);
	stack[10] = AT(ROOT);
	CHECK_INT(walk(AT(SP_8), STACK, 0), END_ROOT);
	CHECK_INT(s.nr_words, 4);
	CHECK_INT(s.words[1], file_word(AT(SAVED) - 1));
	CHECK_INT(s.words[2], file_word(AT(SP_8))); /* where it was left, not behind a call */
	CHECK_INT(s.words[3], file_word(AT(ROOT) - 1));
	/* Behind another switch it is not known whose context that is. */
	other[40] = 0;
	other[41] = AT(SAVED);
	stack[0] = AT(SWITCH);
	CHECK_INT(walk(AT(SP_8), STACK, OTHER_STACK + 320), END_UNSUPPORTED);
	stack[0] = AT(SAVED);
	native.thread_base = 0;
	CHECK_INT(walk(AT(SP_8), STACK, 0), END_READ_FAULT);
}

static void test_depth(void)
{
	set_up();
	for (u32 i = 0; i < STACK_WORDS; i++)
		stack[i] = AT(SP_8);
	CHECK_INT(walk(AT(SP_8), STACK, 0), END_DEPTH);
	CHECK_INT(s.nr_words, RECORD_MAX_FRAMES + 1);
	CHECK_INT(s.words[s.nr_words - 1], FRAME_MAKE_MARK(FRAME_MARK_CUT, END_DEPTH));
}

/* A trampoline that no table describes is known by its code; above it the registers are the interrupted ones. */
static void test_signal_frame(void)
{
	static const uint8_t sigreturn[] = { 0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05 };
	uint64_t *regs = &stack[1 + SIGFRAME_REGS_OFFSET / 8];

	set_up();
	memcpy(code, sigreturn, sizeof(sigreturn));
	stack[0] = CODE + 0xf000; /* the handler returns into it */
	regs[10] = 77; /* bp */
	regs[15] = OTHER_STACK + 16; /* sp */
	regs[16] = AT(SP_8); /* ip */
	other[2] = AT(ROOT);
	CHECK_INT(walk(AT(SP_8), STACK, 0), END_ROOT);
	CHECK_INT(s.nr_words, 4);
	CHECK_INT(s.words[1], file_word(CODE + 0xf000)); /* not a byte before it */
	CHECK_INT(s.words[2], file_word(AT(SP_8))); /* where it was, not behind a call */
	CHECK_INT(s.words[3], file_word(AT(ROOT) - 1));
	/* By a rule just as well. */
	stack[0] = AT(SIGNAL);
	CHECK_INT(walk(AT(SP_8), STACK, 0), END_ROOT);
	CHECK_INT(s.nr_words, 4);
	memset(code, 0, sizeof(code));
}

int main(void)
{
	struct utsname uts;

	if (uname(&uts) || strcmp(uts.machine, "x86_64"))
		SKIP("the rules and the signal frame here are x86-64's");
	RUN(test_leaf_and_callers);
	RUN(test_windows_do_not_outlive_a_walk);
	RUN(test_frames_larger_than_a_window);
	RUN(test_page_that_is_not_there);
	RUN(test_end_of_the_stack);
	RUN(test_gap_is_bridged_and_marked);
	RUN(test_no_table);
	RUN(test_registers_of_callers);
	RUN(test_generated_code);
	RUN(test_generated_code_is_not_believed);
	RUN(test_generated_code_with_frame_pointer);
	RUN(test_other_stacks);
	RUN(test_switched_stacks);
	RUN(test_saved_context);
	RUN(test_depth);
	RUN(test_signal_frame);
	return 0;
}
