/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The user stack: from the registers, frame by frame, to the root.
 *
 * A step finds the caller of a frame. There is one kind of step so far, by frame pointer; unwind_step() chooses.
 * Every step is validated: the frame address grows and stays inside the stack's own mapping, and the return address
 * lies in an executable mapping, or the walk ends and says why. A wrong caller is worse than none.
 */
#ifndef FLEETPROF_UNWIND_H
#define FLEETPROF_UNWIND_H

struct unwind_context {
	struct scratch *s;
	struct counters *c;
};

/* Two words of the user stack at addr, from the window or through a new one. */
static __always_inline bool stack_read(struct scratch *s, u64 addr, u64 *first, u64 *second)
{
	struct walk *w = &s->walk;
	u64 distance = addr - w->window_start;

	if (distance + 16 > w->window_len) {
		u64 len = w->stack_end - addr;

		if (len > STACK_WINDOW_BYTES)
			len = STACK_WINDOW_BYTES;
		asm volatile("" : "+r"(len));
		if (len < 16 || len > STACK_WINDOW_BYTES)
			return false;
		if (bpf_probe_read_user(s->window, len, (void *)addr)) {
			/* The next page of the stack may not be there. */
			len = 16;
			if (bpf_probe_read_user(s->window, 16, (void *)addr)) {
				w->window_len = 0;
				return false;
			}
		}
		w->window_start = addr;
		w->window_len = len;
		distance = 0;
	}
	*first = s->window[(distance / 8) & (STACK_WINDOW_WORDS - 1)];
	*second = s->window[(distance / 8 + 1) & (STACK_WINDOW_WORDS - 1)];
	return true;
}

/* x86-64 and arm64 alike: the frame pointer points at the caller's, and the return address lies above it. */
static __always_inline enum end_reason step_by_frame_pointer(struct scratch *s)
{
	struct walk *w = &s->walk;
	u64 fp = w->fp, caller_fp, return_address;

	if (!fp)
		return END_ROOT;
	if ((fp & 7) || fp < w->sp || fp > w->stack_end - 16)
		return END_BAD_FP;
	if (!stack_read(s, fp, &caller_fp, &return_address))
		return END_READ_FAULT;
	if (!return_address)
		return END_ROOT;
	w->sp = fp + 16;
	w->fp = caller_fp;
	w->pc = return_address;
	w->leaf = false;
	return END_NONE;
}

static __always_inline enum end_reason unwind_step(struct scratch *s)
{
	return step_by_frame_pointer(s);
}

static long unwind_frame(u32 index, struct unwind_context *u)
{
	struct scratch *s = u->s;
	struct walk *w = &s->walk;

	/* A return address may be the first byte behind its function: look up the call instead. */
	w->end = push_address(s, u->c, w->leaf ? w->pc : w->pc - 1);
	if (w->end)
		return 1;
	w->end = unwind_step(s);
	return w->end != END_NONE;
}

/* The end of the mapping that holds the stack pointer; 0 if there is none. */
static __always_inline u64 stack_end(struct scratch *s, u64 sp)
{
	if (vma_find(s, s->mm, sp) != VMA_FOUND)
		return 0;
	return s->vma.end;
}

/* Adds the user part of the stack to s->words, and a mark where it is not complete. */
static __always_inline void unwind_user(struct scratch *s, struct counters *c, u64 pc, u64 sp,
					u64 fp)
{
	struct unwind_context u = { .s = s, .c = c };
	struct walk *w = &s->walk;

	w->pc = pc;
	w->sp = sp;
	w->fp = fp;
	w->leaf = true;
	w->window_len = 0;
	w->end = END_NONE;
	w->stack_end = stack_end(s, sp);
	bpf_loop(RECORD_MAX_FRAMES, unwind_frame, &u, 0);
	if (w->end == END_NONE)
		w->end = END_DEPTH;
	s->head.end_reason = w->end;
	if (w->end == END_DEPTH)
		push_word(s, FRAME_MAKE_MARK(FRAME_MARK_CUT, w->end));
	else if (w->end != END_ROOT)
		push_word(s, FRAME_MAKE_MARK(FRAME_MARK_END, w->end));
}

#endif
