/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Generated code: how its frames are found is read from the beginning of the function.
 *
 * Compilers at run time write there what all compilers for this ABI do. Those that keep frame pointers (V8, most others)
 * begin with
 *
 *	push %rbp; mov %rsp,%rbp
 *
 * and those that do not push registers of the caller's, move some perhaps, and lower sp by a constant, where it then stays
 * (sljit, which PCRE2 generates code by; LLVM; HotSpot):
 *
 *	push %rbx; push %r15; push %rbp; mov %rdi,%rbx; sub $0x50,%rsp
 *
 * The nearest such place below pc counts. It may be another function's, so what follows from it is checked: the return
 * address must lie behind a call, and behind a direct one only if that leads here.
 */
#ifndef FLEETPROF_PROLOGUE_X86_H
#define FLEETPROF_PROLOGUE_X86_H

#define PROLOGUE_REACH_BYTES 16384 /* so far below pc is looked for it */
#define PROLOGUE_BLOCK_WORDS 128 /* read at once; blocks do not cross pages */
#define PROLOGUE_STEPS_MAX 12 /* pushes and moves */
#define PROLOGUE_ENTRY_BYTES                                                                       \
	64 /* before the first push: landing pads, stack checks, HotSpot's unverified entry */
#define PROLOGUE_RULE_S 16 /* what was read counts for at most so long: code is written anew */
#define BEGIN_UNKNOWN 0xffffffffu /* in the upper half of a rule */

/* What a leaf's next instructions are. */
enum prologue_edge {
	EDGE_NONE = 0,
	EDGE_BEGIN, /* what stands before sp is lowered */
	EDGE_RETURN, /* what stands behind its being raised */
};

/* sub $imm8,%rsp; sub $imm32,%rsp */
#define SUB_SP_MASK 0xfffdff
#define SUB_SP 0xec8148
/* mov %rsp,%rbp in its two forms */
#define SET_FP 0xe58948
#define SET_FP_TOO 0xec8b48

/* All ones if the three bytes in code are one of those, else 0. */
static __always_inline u64 lowers_sp(u64 code)
{
	return -((((code & SUB_SP_MASK) ^ SUB_SP) - 1) >> 63);
}

static __always_inline u64 sets_fp(u64 code)
{
	code &= 0xffffff;
	return -(((code ^ SET_FP) - 1) >> 63 | ((code ^ SET_FP_TOO) - 1) >> 63);
}

/* Not 0: one of the eight bytes is `byte`. */
static __always_inline u64 has_byte(u64 bytes, u64 byte)
{
	u64 differ = bytes ^ byte * 0x0101010101010101ULL;

	return (differ - 0x0101010101010101ULL) & ~differ & 0x8080808080808080ULL;
}

/* Eight places at a time, downwards: which is the last where sp is lowered or the frame pointer set? */
static long search_begin(u32 index, struct unwind_context *u)
{
	struct scratch *s = u->s;
	struct generated *g = &s->generated;
	u64 number = g->last / 8 - index, block = number / PROLOGUE_BLOCK_WORDS;
	u64 at = number % PROLOGUE_BLOCK_WORDS, low, high, third, which = 0, code = 0;

	if (block != g->block) {
		const void *from = (void *)(block * PROLOGUE_BLOCK_WORDS * 8);

		g->block = block;
		s->window[PROLOGUE_BLOCK_WORDS] = 0;
		if (bpf_probe_read_user(s->window, 8 * PROLOGUE_BLOCK_WORDS + 8, from) &&
		    bpf_probe_read_user(s->window, 8 * PROLOGUE_BLOCK_WORDS, from))
			return 1;
	}
	low = s->window[at];
	high = s->window[at + 1];
	third = low >> 16 | high << 48;
	if (!(has_byte(third, SUB_SP >> 16) | has_byte(third, SET_FP >> 16)))
		return 0;
#pragma unroll
	for (u64 i = 0; i < 8; i++) {
		u64 here = i ? low >> (8 * i) | high << (64 - 8 * i) : low;
		u64 found = lowers_sp(here) | sets_fp(here);

		which = (which & ~found) | (i & found);
		code = (code & ~found) | (here & found);
		asm volatile("" : "+r"(which), "+r"(code)); /* no branches, for the verifier */
	}
	if (!code || number * 8 + which > g->last)
		return 0;
	g->begin = number * 8 + which;
	g->code = code;
	return 1;
}

/* The length of a push, or with add 8 of a pop; 0: it is something else. */
static __always_inline u32 push_length(u32 first, u32 second, u32 add)
{
	if (first == 0x41)
		return (second & 0xf8) == 0x50 + add ? 2 : 0;
	return (first & 0xf8) == 0x50 + add;
}

/* mov of a register to another one, of 64 bits */
static __always_inline bool moves_register(u32 first, u32 second, u32 third)
{
	return (first & 0xfa) == 0x48 && (second & 0xfd) == 0x89 && third >= 0xc0;
}

/* One instruction backwards from the one that lowers sp. */
static long read_push(u32 index, struct unwind_context *u)
{
	struct generated *g = &u->s->generated;
	const u8 *code = (const u8 *)u->s->node;
	u64 at = g->at;
	u32 first, second, last, len;

	if (at < 3 || at > 63)
		return 1;
	first = code[at - 3];
	second = code[at - 2];
	last = code[at - 1];
	if (moves_register(first, second, last)) {
		g->at = at - 3;
		g->sets_fp = sets_fp(first | second << 8 | last << 16) & 1;
		return g->pushes || g->sets_fp;
	}
	len = push_length(second, last, 0) == 2 ? 2 : push_length(last, 0, 0);
	if (!len)
		return 1;
	g->at = at - len;
	g->pushes++;
	if (len == 1 && last == 0x55)
		g->fp_push = g->pushes;
	return 0;
}

/* One instruction ahead, as long as it may be one of the first or of the last of a function. */
static long read_edge(u32 index, struct unwind_context *u)
{
	struct generated *g = &u->s->generated;
	const u8 *code = (const u8 *)u->s->node;
	u64 at = g->at;
	u32 first, second, third, push, pop;

	if (at > 24)
		return 1;
	first = code[at];
	second = code[at + 1];
	third = code[at + 2];
	push = push_length(first, second, 0);
	pop = push_length(first, second, 8);
	if (first == 0xc3 && !g->pushes)
		g->edge = EDGE_RETURN;
	else if (lowers_sp(first | second << 8 | third << 16) && !g->pops)
		g->edge = EDGE_BEGIN;
	if (g->edge)
		return 1;
	g->pushes += push != 0;
	g->pops += pop != 0;
	if (pop && first == 0x5d)
		g->fp_pop = g->pops;
	g->at = at + (moves_register(first, second, third) ? 3 : push + pop);
	return g->at == at;
}

static __always_inline u64 rule_of_frame_size(u64 words, u64 words_above_fp)
{
	u64 rule = UNWIND_SP | words << 8;

	return words_above_fp ? rule | UNWIND_FP_AT_CFA << 4 |
					(u64)unwind_bits(-(__s32)words_above_fp, 21, 11)
			      : rule;
}

/*
 * Where size bytes lie between sp and what was pushed before the instruction at `begin`: the rule, narrow, and in its
 * upper half how far below pc the function begins.
 */
static __always_inline void rule_of_pushes(struct scratch *s, u64 begin, u64 size)
{
	struct unwind_context u = { .s = s };
	struct generated *g = &s->generated;
	u64 first = (begin & ~31ULL) - 32, words;

	/* 64 bytes in two halves: the function may be the first of its mapping. */
	bpf_probe_read_user(s->node, 32, (void *)first);
	bpf_probe_read_user(s->node + 4, 32, (void *)(first + 32));
	g->at = begin - first;
	g->pushes = 0;
	g->fp_push = 0;
	g->sets_fp = 0;
	bpf_loop(PROLOGUE_STEPS_MAX, read_push, &u, 0);
	words = size / 8 + g->pushes + 1;
	if (words >= 1 << 12 || (size & 7) || g->sets_fp)
		return;
	s->frame.rule = (g->pc - (first + g->at)) << 32 |
			rule_of_frame_size(words, g->fp_push ? 2 + g->pushes - g->fp_push : 0);
}

/* A leaf may be among the first or the last instructions of its function, where sp is not lowered. True: it is. */
static __always_inline bool rule_of_edge(struct scratch *s)
{
	struct unwind_context u = { .s = s };
	struct generated *g = &s->generated;

	if (bpf_probe_read_user(s->node, 32, (void *)g->pc))
		return false;
	g->at = 0;
	g->edge = EDGE_NONE;
	g->pushes = 0;
	g->pops = 0;
	g->fp_pop = 0;
	bpf_loop(PROLOGUE_STEPS_MAX, read_edge, &u, 0);
	if (g->edge == EDGE_BEGIN)
		rule_of_pushes(s, g->pc, 0);
	else if (g->edge == EDGE_RETURN)
		s->frame.rule =
			(u64)BEGIN_UNKNOWN << 32 |
			rule_of_frame_size(g->pops + 1, g->fp_pop ? 2 + g->pops - g->fp_pop : 0);
	return g->edge != EDGE_NONE;
}

/*
 * The rule for the generated code at s->generated.pc, into s->frame; UNWIND_GAP: by frame pointer, if at all. A global
 * function, so that the verifier reads it once.
 */
__noinline int read_prologue(struct scratch *s)
{
	struct unwind_context u = { .s = s };
	struct generated *g;
	u64 code;

	if (!s)
		return 0;
	g = &s->generated;
	s->frame.rule = UNWIND_GAP;
	if (g->exact && rule_of_edge(s))
		return 0;
	s->walk.window_len = 0; /* it holds code from now on */
	g->last = g->pc - 4;
	g->block = 0;
	g->begin = 0;
	bpf_loop(PROLOGUE_REACH_BYTES / 8, search_begin, &u, 0);
	code = g->code;
	if (g->begin && lowers_sp(code))
		rule_of_pushes(s, g->begin,
			       unwind_signed_bits(code, 24, (code >> 8 & 0xff) == 0x83 ? 8 : 32));
	return 0;
}

/* How the call before a return address was made. */
enum call_form { CALL_NONE = 0, CALL_DIRECT, CALL_INDIRECT };

/* Does the code, eight bytes of it, end with the instruction of so many bytes that begins with pattern? */
static __always_inline u32 ends_with(u64 code, u32 bytes, u64 mask, u64 pattern)
{
	return (code >> (64 - 8 * bytes) & mask) == pattern;
}

/* Leaves where a direct one leads to in s->call_target. A global function, so that the verifier reads it once. */
__noinline int call_before(struct scratch *s, u64 address)
{
	u64 code;
	u32 indirect;

	if (!s || bpf_probe_read_user(s->node, 8, (void *)(address - 8)))
		return CALL_NONE;
	code = s->node[0];
	if (ends_with(code, 5, 0xff, 0xe8)) {
		s->call_target = address + (s64)unwind_signed_bits(code, 32, 32);
		return CALL_DIRECT;
	}
	indirect = ends_with(code, 2, 0xf8ff, 0xd0ff) | /* *%reg */
		   ends_with(code, 2, 0xf8ff, 0x10ff) | /* *(%reg) */
		   ends_with(code, 3, 0xf8ff, 0x50ff) | /* *disp8(%reg) */
		   ends_with(code, 3, 0xffff, 0x14ff) | /* *(%reg,%index,scale) */
		   ends_with(code, 4, 0xffff, 0x54ff) | ends_with(code, 6, 0xf8ff, 0x90ff) |
		   ends_with(code, 6, 0xffff, 0x15ff) | /* *disp32(%rip) */
		   ends_with(code, 7, 0xffff, 0x94ff) | ends_with(code, 7, 0xffff, 0x14ff);
	return indirect ? CALL_INDIRECT : CALL_NONE;
}

/* The rule, from the cache if it was read lately. */
static __always_inline u64 prologue_rule(struct scratch *s)
{
	struct cached_rule *cached = cached_rule_of(s->frame.word);
	u64 now = s->head.record.time_boot_ns / (PROLOGUE_RULE_S * 1000000000ULL);
	u64 tag = s->frame.word ^ (s->mm + now) * 0x9e3779b97f4a7c15ULL;

	if (cached && cached->tag == tag)
		return cached->rule;
	read_prologue(s);
	if (cached) {
		cached->tag = tag;
		cached->rule = s->frame.rule;
	}
	return s->frame.rule;
}

/* By the rule, if what it leads to looks like a caller. */
static __always_inline bool follow_prologue(struct scratch *s, u64 rule)
{
	struct walk *w = &s->walk;
	u64 cfa = w->sp + (s64)x86_rule_cfa_off(rule), fp = w->fp, ra;
	enum call_form form;

	if (cfa > w->stack_end || !read_word(s, cfa - 8, &ra))
		return false;
	if (x86_rule_fp(rule) == UNWIND_FP_AT_CFA &&
	    !read_word(s, cfa + (s64)x86_rule_fp_off(rule), &fp))
		return false;
	form = call_before(s, ra);
	if (form == CALL_NONE)
		return false;
	if (form == CALL_DIRECT && rule >> 32 != BEGIN_UNKNOWN &&
	    s->generated.pc - (rule >> 32) - s->call_target > PROLOGUE_ENTRY_BYTES)
		return false;
	w->sp = cfa;
	w->fp = fp;
	w->pc = ra;
	w->exact = false;
	return true;
}

/*
 * To the caller of generated code, whose word is in s->frame. STEP_UNKNOWN: the function says that it keeps no frame
 * pointer, but nothing that looks like its caller was found. A global function, so that the verifier reads it once.
 */
__noinline int step_by_prologue(struct scratch *s)
{
	struct cached_rule *cached;
	u64 rule;

	if (!s)
		return STEP_BY_FP;
	s->generated.exact = s->walk.exact;
	s->generated.pc = s->walk.exact ? s->walk.pc : s->walk.pc - 1;
	rule = prologue_rule(s);
	if (rule == UNWIND_GAP)
		return STEP_BY_FP;
	if (follow_prologue(s, rule))
		return STEP_DONE;
	cached = cached_rule_of(s->frame.word);
	if (cached)
		cached->tag = 0; /* it may be another function by now */
	return STEP_UNKNOWN;
}

#endif
