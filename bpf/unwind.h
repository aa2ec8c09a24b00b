/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The user stack: from the registers, frame by frame, to the root.
 *
 * A step finds the caller of a frame by the rule that the file's table has for it, and by frame pointer where there is no
 * table. Every step is validated: the frame address grows and stays inside the stack's own mapping (a signal frame may
 * lie on another stack), and the return address lies in an executable mapping, or the walk ends and says why. Where a
 * table should know and does not, one step by frame pointer is tried, and marked once its caller proves to be code.
 * A wrong caller is worse than none.
 *
 * The logic is also compiled natively by the tests (tests/bpf_native.h).
 */
#ifndef FLEETPROF_UNWIND_H
#define FLEETPROF_UNWIND_H

#define STACK_PAGE_BYTES 4096 /* the smallest: where pages are larger, a window ends early */
#define STACK_SWITCHES_MAX                                                                         \
	12 /* of one walk: a handler on its own stack, in a coroutine; C and Go that call each other */
#define BRIDGE_MARKS_MAX 6 /* RECORD_MAX_WORDS has room for eight marks */
#define FP_LOST 1 /* a frame pointer that no step takes for one */

struct unwind_context {
	struct scratch *s;
	struct counters *c;
	struct near_rules *near;
};

/* How much of the stack there is from addr on, as far as is known: up to a window full; one word at least. */
static __always_inline u64 window_bytes(const struct walk *w, u64 addr)
{
	u64 end = w->stack_end, len;

	if (w->absent > addr && w->absent < end)
		end = w->absent;
	len = end - addr;
	if (len > STACK_WINDOW_BYTES)
		len = STACK_WINDOW_BYTES;
	asm volatile("" : "+r"(len));
	return len < 8 || len > STACK_WINDOW_BYTES ? 8 : len;
}

/* What is known of this address space: the page that a window ran into. One entry for several of them: the last has it. */
static __always_inline struct absent_page *absent_page_of(struct scratch *s)
{
	return &s->absent[s->mm * 0x9e3779b97f4a7c15ULL >> (64 - ABSENT_BITS)];
}

/*
 * Reads what there is of the stack from addr on into the window. The page behind may never have been touched, as above the
 * first frame of a process, where the kernel leaves a gap of random size. A read that runs into it costs a fault, more
 * than the whole walk, so that is remembered, for other samples too; if it is no longer true, a window is shorter.
 * A global function, so that the verifier reads it once.
 */
__noinline int read_window(struct scratch *s, u64 addr)
{
	struct absent_page *absent;
	struct walk *w;
	u64 len;

	if (!s)
		return false;
	w = &s->walk;
	len = window_bytes(w, addr);
	if (bpf_probe_read_user(s->window, len, (void *)addr)) {
		absent = absent_page_of(s);
		absent->mm = s->mm;
		absent->addr = w->absent = (addr | (STACK_PAGE_BYTES - 1)) + 1;
		len = window_bytes(w, addr);
		if (bpf_probe_read_user(s->window, len, (void *)addr)) {
			w->window_len = 0;
			return false;
		}
	}
	w->window_start = addr;
	w->window_len = len & ~7U;
	return true;
}

/* One word of the stack, from the window or through a new one that begins there: callers read upwards. */
static __always_inline bool read_word(struct scratch *s, u64 addr, u64 *ret)
{
	struct walk *w = &s->walk;
	u64 distance = addr - w->window_start;

	if (distance >= w->window_len || (distance & 7)) {
		if (!read_window(s, addr))
			return false;
		distance = 0;
	}
	*ret = s->window[(distance / 8) & (STACK_WINDOW_WORDS - 1)];
	return true;
}

/* Puts the mapping that holds addr into s->stack. A global function, so that the verifier reads it once. */
__noinline int find_stack(struct scratch *s, u64 addr)
{
	if (!s)
		return false;
	if (space_stack(s, addr))
		return true;
	space_before_look_up(s);
	if (vma_find(s, s->mm, addr) != VMA_FOUND)
		return false;
	space_add_stack(s);
	return true;
}

/* The stack goes on at addr, which is not above; it may be another one. Counted, lest a walk goes in circles. */
static __always_inline enum end_reason follow_stack(struct scratch *s, u64 addr)
{
	struct walk *w = &s->walk;

	if (w->switches++ >= STACK_SWITCHES_MAX)
		return END_BAD_CFA;
	if (addr < w->stack_end && addr >= w->stack_start)
		return END_NONE;
	if (!find_stack(s, addr))
		return END_BAD_CFA;
	w->stack_start = s->stack.start;
	w->stack_end = s->stack.end;
	w->window_len = 0;
	return END_NONE;
}

/* What the beginning of a function says of generated code's caller. */
enum generated_step {
	STEP_DONE = 0, /* the walk is there */
	STEP_BY_FP, /* the frame pointer leads to it, if anything does */
	STEP_UNKNOWN,
};

#if defined(__TARGET_ARCH_x86)
#include "bpf/unwind_x86.h"
#else
#include "bpf/unwind_arm64.h"
#endif

/* x86-64 and arm64 alike: the frame pointer points at the caller's, and the return address lies above it. */
static __always_inline enum end_reason step_by_frame_pointer(struct scratch *s)
{
	struct walk *w = &s->walk;
	/* A leaf without a rule may have anything in the register, 0 too; what that finds proves nothing. */
	enum end_reason unproven = w->bridge ? w->bridge : END_NO_TABLE;
	enum end_reason root = w->exact ? unproven : END_ROOT;
	u64 fp = w->fp, caller_fp, ra;

	if (!fp)
		return root;
	if ((fp & 7) || fp < w->sp || fp > w->stack_end - 16)
		return w->bridge ? w->bridge : END_BAD_FP;
	if (!read_word(s, fp, &caller_fp) || !read_word(s, fp + 8, &ra))
		return END_READ_FAULT;
	w->sp = fp + 16;
	w->fp = caller_fp;
	w->pc = code_address(ra);
	w->exact = false;
	return ra ? END_NONE : root;
}

/* A signal trampoline is rarely described by its file; its code is the same everywhere. */
static __always_inline bool is_sigreturn(struct scratch *s)
{
	u64 code[2];

	return !s->walk.exact && !bpf_probe_read_user(code, sizeof(code), (void *)s->walk.pc) &&
	       code_is_sigreturn(code[0], code[1]);
}

/* What else there is of the word's rule is not of this table: a file may get a better one later. */
static __always_inline u64 rule_tag(const struct frame *frame)
{
	return frame->word ^ frame->table * 0x9e3779b97f4a7c15ULL;
}

/* From the large cache, else from the table, into s->frame.rule. A global function, so that the verifier reads it once. */
__noinline int rule_from_afar(struct scratch *s)
{
	struct cached_rule *cached;
	u64 tag;

	if (!s)
		return 0;
	tag = rule_tag(&s->frame);
	s->frame.rule = UNWIND_GAP;
	cached = cached_rule_of(s->frame.word);
	if (!cached)
		return 0;
	if (cached->tag == tag) {
		s->frame.rule = cached->rule;
		return 0;
	}
	s->walk.rule_misses++;
	if (s->frame.table != UNWIND_TABLE_NONE)
		search_table(s);
	if (s->frame.rule == UNWIND_GAP && is_sigreturn(s))
		s->frame.rule = UNWIND_SIGNAL;
	cached->tag = tag;
	cached->rule = s->frame.rule;
	return 0;
}

/* What s->frame's table says about it; remembered, if it is final. */
static __always_inline u64 rule_of_frame(struct scratch *s, struct near_rules *near, u32 index)
{
	struct cached_rule *set;
	u64 tag;

	switch (s->frame.table) {
	case UNWIND_TABLE_ANON:
		return UNWIND_GAP;
	case UNWIND_TABLE_CALLED:
		return RULE_CALLED;
	case UNWIND_TABLE_PENDING:
		return is_sigreturn(s) ? UNWIND_SIGNAL : UNWIND_GAP;
	}
	tag = rule_tag(&s->frame);
	set = near_set(near, s->frame.word, index);
	if (set[0].tag == tag)
		return set[0].rule;
	if (set[1].tag == tag)
		return set[1].rule;
	rule_from_afar(s);
	add_near(set, tag, s->frame.rule);
	return s->frame.rule;
}

/* Adds the frame's word; before it the mark that says how it was found, if not by a table, once for several such frames. */
static __always_inline void push_frame(struct scratch *s, u64 rule)
{
	struct walk *w = &s->walk;
	u64 word = s->frame.word;

	if (w->mark && w->mark != w->marked && w->nr_marks < BRIDGE_MARKS_MAX) {
		push_word(s, w->mark);
		w->nr_marks++;
	}
	w->marked = w->mark;
	/* A trampoline is entered by the handler's ret, not behind a call of its own. */
	if (unwind_rule_kind(rule) == UNWIND_SIGNAL && !w->exact)
		word++;
	push_word(s, word);
}

/* Why frame pointers stand in for a table; 0: they are all there is. */
static __always_inline u16 bridge_reason(const struct scratch *s, u32 kind)
{
	if (kind == UNWIND_UNSUPPORTED)
		return END_UNSUPPORTED;
	if (s->frame.table == UNWIND_TABLE_ANON)
		return END_GENERATED;
	if (s->frame.table == UNWIND_TABLE_NONE)
		return 0;
	return s->frame.table == UNWIND_TABLE_PENDING ? END_TABLE_PENDING : END_NO_TABLE;
}

/*
 * Generated code has no table. Where its function says that it keeps no frame pointer, what the register has may be
 * anything: it is followed if it leads to code, but if it is 0 that is no root. No thread begins in generated code, and
 * what its compiler keeps in the register may be its own: 0 is no root in a caller either.
 */
static __always_inline enum end_reason step_from_generated(struct scratch *s)
{
	struct walk *w = &s->walk;
	enum generated_step step = step_by_prologue(s);

	if (step == STEP_DONE) {
		w->by_prologue++;
		w->mark = FRAME_MAKE_MARK(FRAME_MARK_BY_PROLOGUE, END_GENERATED);
		return END_NONE;
	}
	if (!w->fp)
		return END_GENERATED;
	return step_by_frame_pointer(s);
}

static __always_inline enum end_reason unwind_step(struct scratch *s, u64 rule)
{
	struct walk *w = &s->walk;
	u32 kind = unwind_rule_kind(rule);

	w->bridge = 0;
	w->mark = 0;
	if (kind == UNWIND_ROOT)
		return END_ROOT;
	if (kind == UNWIND_SIGNAL)
		return step_by_signal_frame(s);
	if (kind > UNWIND_SIGNAL)
		return step_by_cfa(s, rule);
	w->bridge = bridge_reason(s, kind);
	if (w->bridge == END_GENERATED)
		return step_from_generated(s);
	if (w->bridge)
		w->mark = FRAME_MAKE_MARK(FRAME_MARK_GAP_BY_FP, w->bridge);
	return step_by_frame_pointer(s);
}

/* Has the kernel led the thread out of its code, to probe it? Then w->pc is where it would be without the probe. */
static __always_inline bool uprobe_has_it(struct scratch *s)
{
	struct walk *w = &s->walk;
	u64 word = s->frame.word, pc = 0;

	if (w->end == END_NONE && w->exact && FRAME_KIND(word) == FRAME_SPECIAL &&
	    FRAME_SPECIAL_WHICH(word) == FRAME_SPECIAL_UPROBES)
		pc = uprobe_original(w->pc);
	else if (w->end == END_NO_MAP && !w->exact)
		pc = uprobe_return_address(s); /* the byte before it is nobody's */
	if (!pc)
		return false;
	w->pc = pc;
	w->end = END_NONE;
	return true;
}

static long unwind_frame(u32 index, struct unwind_context *u)
{
	struct scratch *s = u->s;
	struct walk *w = &s->walk;
	u64 rule;

	/* A return address may be the first byte behind its function: look up the call instead. */
	w->end = find_address(s, u->c, w->exact ? w->pc : w->pc - 1);
	if (uprobe_has_it(s))
		return 0;
	if (w->end) {
		if (w->end == END_NO_MAP && w->bridge)
			w->end = w->bridge;
		return 1;
	}
	rule = rule_of_frame(s, u->near, index);
	push_frame(s, rule);
	w->end = unwind_step(s, rule);
	return w->end != END_NONE;
}

static __always_inline void end_without_stack(struct scratch *s, enum end_reason end)
{
	s->head.end_reason = end;
	push_word(s, FRAME_MAKE_MARK(FRAME_MARK_END, end));
}

/* Adds the user part of the stack to s->words, and a mark where it is not complete. The walk has its registers. */
static __always_inline void unwind_user(struct scratch *s, struct counters *c)
{
	struct unwind_context u = { .s = s, .c = c, .near = near_rules_of(s->space_at) };
	const struct absent_page *absent = absent_page_of(s);
	struct walk *w = &s->walk;

	if (!u.near) { /* an array has its elements; the verifier cannot know */
		end_without_stack(s, END_NO_TABLE);
		return;
	}
	read_near_ahead(u.near);
	w->exact = true;
	w->window_len = 0;
	w->rule_misses = 0;
	w->by_prologue = 0;
	w->switches = 0;
	w->nr_marks = 0;
	w->bridge = 0;
	w->mark = 0;
	w->marked = 0;
	w->uprobe_return = 0;
	w->stack_start = 0;
	w->stack_end = 0;
	w->absent = absent->mm == s->mm ? absent->addr : 0;
	w->end = END_NONE;
	follow_stack(s, w->sp); /* without it every step by the stack fails, and says so */
	bpf_loop(RECORD_MAX_FRAMES, unwind_frame, &u, 0);
	if (w->end == END_NONE)
		w->end = END_DEPTH;
	s->head.end_reason = w->end;
	if (w->end == END_DEPTH)
		push_word(s, FRAME_MAKE_MARK(FRAME_MARK_CUT, w->end));
	else if (w->end != END_ROOT)
		push_word(s, FRAME_MAKE_MARK(FRAME_MARK_END, w->end));
	c->counter[COUNTER_FRAMES] += s->nr_words - s->head.nr_words_kernel;
	c->counter[COUNTER_RULE_MISSES] += w->rule_misses;
	c->counter[COUNTER_BY_PROLOGUE] += w->by_prologue;
}

#endif
