/* Follows the stack through instructions. */
#include "symbolizer/code_state.h"
#include "symbolizer/unwind_rules.h"

#include "bpf/unwind_rule_x86.h"

#include <string.h>

#define WORD 8
#define WORDS_MAX 32000 /* of a frame: as far as an int16_t reaches */

/* Moves by bytes: down is positive. */
static void move_sp(struct code_state *s, int64_t bytes)
{
	int64_t sp = s->sp + bytes / WORD;

	if (s->sp_lost)
		return;
	/* Above the return address there is nothing of a function's own. */
	if (bytes % WORD || sp < 0 || sp > WORDS_MAX)
		s->sp_lost = true;
	else
		s->sp = (int16_t)sp;
}

static void lose_fp(struct code_state *s)
{
	s->fp_kind = FP_OTHER;
}

static void push(struct code_state *s, uint8_t reg)
{
	if (s->sp == 0 && !s->sp_lost) {
		/* Only the return address that was popped goes there. */
		if (!s->in_reg || reg != s->reg)
			s->sp_lost = true;
		s->in_reg = false;
	}
	move_sp(s, WORD);
	if (reg == X86_RBP && s->fp_kind == FP_CALLERS && !s->saved && !s->sp_lost)
		s->saved = s->sp;
}

static void load_fp(struct code_state *s, int64_t place)
{
	s->fp_kind = s->saved && !s->sp_lost && place == s->saved ? FP_CALLERS : FP_OTHER;
}

static void pop(struct code_state *s, uint8_t reg)
{
	if (reg == X86_RBP)
		load_fp(s, s->sp);
	if (s->sp == 1 && !s->sp_lost) {
		s->in_reg = reg < X86_NO_REG;
		s->reg = reg & 15;
	}
	move_sp(s, -WORD);
	if (!s->sp_lost && s->saved > s->sp)
		s->saved = 0;
}

static void set_frame(struct code_state *s, int64_t bytes)
{
	int64_t fp = s->sp - bytes / WORD;

	if (s->sp_lost || bytes % WORD || fp < -WORDS_MAX || fp > WORDS_MAX) {
		lose_fp(s);
		return;
	}
	s->fp_kind = FP_FRAME;
	s->fp = (int16_t)fp;
}

static void sp_from_fp(struct code_state *s, int64_t bytes)
{
	s->sp_lost = s->fp_kind != FP_FRAME;
	s->sp = s->fp;
	move_sp(s, -bytes);
	if (!s->sp_lost && s->saved > s->sp)
		s->saved = 0;
}

static void zero_fp(struct code_state *s)
{
	/*
	 * Nobody who returns does this to a register of the caller's that he has not saved: it is the first thing of a
	 * new thread, behind the system call that made it.
	 */
	if (s->behind_syscall && s->fp_kind == FP_CALLERS && !s->saved)
		s->root = true;
	lose_fp(s);
}

static void save_fp(struct code_state *s, int64_t bytes)
{
	int64_t place = s->sp - bytes / WORD;

	if (bytes % WORD || s->sp_lost || place < 2 || place > WORDS_MAX)
		return;
	if (s->fp_kind == FP_CALLERS && !s->saved)
		s->saved = (int16_t)place;
	else if (place == s->saved && s->fp_kind != FP_CALLERS)
		s->saved = 0; /* written over */
}

void code_state_apply(struct code_state *s, const struct x86_insn *insn)
{
	switch (insn->effect) {
	case X86_PUSH:
		push(s, insn->reg);
		break;
	case X86_POP:
		pop(s, insn->reg);
		break;
	case X86_MOVE_SP:
		move_sp(s, -(int64_t)insn->value);
		break;
	case X86_SP_FROM_FP:
		sp_from_fp(s, insn->value);
		break;
	case X86_FP_FROM_SP:
		set_frame(s, insn->value);
		break;
	case X86_LEAVE:
		sp_from_fp(s, 0);
		pop(s, X86_RBP);
		break;
	case X86_SAVE_FP:
		save_fp(s, insn->value);
		break;
	case X86_LOAD_FP:
		if (insn->value % WORD)
			lose_fp(s);
		else
			load_fp(s, s->sp - insn->value / WORD);
		break;
	case X86_ZERO_FP:
		zero_fp(s);
		break;
	case X86_LOSE_FP:
		lose_fp(s);
		break;
	case X86_LOSE_SP:
		s->sp_lost = true;
		break;
	case X86_SYSCALL:
		s->behind_syscall = true;
		break;
	default:
		break;
	}
}

bool code_state_disagree(const struct code_state *a, const struct code_state *b)
{
	return a->sp_lost != b->sp_lost || (!a->sp_lost && a->sp != b->sp) || a->root != b->root ||
	       a->in_reg != b->in_reg;
}

bool code_state_meet(struct code_state *at, const struct code_state *from)
{
	struct code_state before = *at;

	if (code_state_disagree(at, from)) {
		at->sp_lost = true;
		at->root &= from->root;
		at->in_reg = false;
	}
	if (at->fp_kind != from->fp_kind || (at->fp_kind == FP_FRAME && at->fp != from->fp))
		at->fp_kind = FP_OTHER;
	if (at->saved != from->saved)
		at->saved = 0;
	at->behind_syscall &= from->behind_syscall;
	return memcmp(&before, at, sizeof(before));
}

uint64_t code_state_rule(const struct code_state *s)
{
	struct unwind_rule rule = { .kind = UNWIND_SP,
				    .cfa_off = WORD * s->sp,
				    .ra_off = X86_RA_OFF,
				    .fp = UNWIND_FP_LOST };

	if (s->root)
		return UNWIND_ROOT;
	if (s->sp_lost && s->fp_kind != FP_FRAME)
		return UNWIND_UNSUPPORTED;
	if (s->fp_kind == FP_FRAME && (s->sp_lost || s->fp == 2)) {
		rule.kind = UNWIND_FP;
		rule.cfa_off = WORD * s->fp;
	} else if (s->sp == 0) {
		/* System V ABI's numbers of rax, rcx, rdx, rbx; the others agree. */
		static const uint8_t dwarf[] = { 0, 2, 1, 3 };

		if (!s->in_reg)
			return UNWIND_UNSUPPORTED;
		rule.ra = UNWIND_RA_IN_REG;
		rule.ra_off = 0;
		rule.ra_reg = s->reg < ARRAY_SIZE(dwarf) ? dwarf[s->reg] : (uint8_t)s->reg;
	}
	if (s->fp_kind == FP_CALLERS) {
		rule.fp = UNWIND_FP_SAME;
	} else if (s->saved) {
		rule.fp = UNWIND_FP_AT_CFA;
		rule.fp_off = -WORD * s->saved;
	}
	return unwind_machine_x86.pack(&rule);
}
