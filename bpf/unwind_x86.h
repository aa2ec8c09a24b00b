/* SPDX-License-Identifier: GPL-2.0 */
/* From a frame to its caller by a rule, on x86-64. */
#ifndef FLEETPROF_UNWIND_X86_H
#define FLEETPROF_UNWIND_X86_H

#include "bpf/unwind_rule_x86.h"

#define RULE_CALLED (UNWIND_SP | 1u << 8) /* packed: CFA = sp + 8 */

/* struct rt_sigframe without the return address that the handler's ret has taken: ucontext first, in it mcontext. */
#define SIGFRAME_REGS_OFFSET 40
/* In the order of struct sigcontext_64: r8 … r15, di, si, bp, bx, dx, ax, cx, sp, ip. */
#define SIGFRAME_REGS 17

static __always_inline u64 code_address(u64 address)
{
	return address;
}

/* mov $15, %eax or %rax; syscall: __NR_rt_sigreturn, in the form that every C library and runtime uses. */
static __always_inline bool code_is_sigreturn(u64 first, u64 second)
{
	return (first == 0x0f0000000fc0c748ULL && (second & 0xff) == 0x05) ||
	       (first & 0xffffffffffffffULL) == 0x050f0000000fb8ULL;
}

/* All registers, as the kernel saved them for the handler whose frame is at sp. */
static __always_inline enum end_reason step_by_signal_frame(struct scratch *s)
{
	struct walk *w = &s->walk;
	u64 *saved = s->node; /* free between two look-ups */

	if (bpf_probe_read_user(saved, SIGFRAME_REGS * 8, (void *)(w->sp + SIGFRAME_REGS_OFFSET)))
		return END_READ_FAULT;
#pragma unroll
	for (u32 i = 0; i < 8; i++)
		w->regs[8 + i] = saved[i];
	w->regs[5] = saved[8];
	w->regs[4] = saved[9];
	w->regs[6] = w->fp = saved[10];
	w->regs[3] = saved[11];
	w->regs[1] = saved[12];
	w->regs[0] = saved[13];
	w->regs[2] = saved[14];
	w->regs[7] = w->sp = saved[15];
	w->pc = saved[16];
	w->exact = true;
	return follow_stack(s, w->sp);
}

static __always_inline bool rule_is_deref(u32 kind)
{
	return (kind >= UNWIND_DEREF_SP && kind <= UNWIND_DEREF_REG) ||
	       kind == UNWIND_DEREF_INDEXED;
}

/* May the caller's frame be on another stack? */
static __always_inline bool rule_changes_stack(u32 kind)
{
	return (1U << UNWIND_DEREF_SP | 1U << UNWIND_DEREF_FP | 1U << UNWIND_DEREF_REG |
		1U << UNWIND_DEREF_INDEXED | 1U << UNWIND_SWITCH) >>
		       kind &
	       1;
}

/*
 * Registers that a call may change, by DWARF number: %rax, %rdx, %rcx, %rsi, %rdi, %r8 … %r11. No callee saves them, so
 * if a caller's description counts on one behind its call, as OpenSSL's does, all of its callees let it alone.
 */
#define VOLATILE_REGS 0xf37u

/* What the CFA is counted from. False: a register that is not known here. */
static __always_inline bool rule_base(const struct walk *w, u64 rule, u64 *base)
{
	switch (unwind_rule_kind(rule)) {
	case UNWIND_FP:
	case UNWIND_SWITCH:
	case UNWIND_DEREF_FP:
	case X86_FP_RA_AT:
		*base = w->fp;
		return true;
	case UNWIND_REG:
	case UNWIND_DEREF_REG:
		*base = w->regs[x86_rule_reg(rule) & (USER_REGS - 1)];
		return w->exact || (VOLATILE_REGS >> x86_rule_reg(rule) & 1);
	case UNWIND_DEREF_INDEXED:
		*base = w->sp + 8 * w->regs[x86_rule_reg(rule) & (USER_REGS - 1)];
		return w->exact || (VOLATILE_REGS >> x86_rule_reg(rule) & 1);
	}
	*base = w->sp;
	return true;
}

/* The canonical frame address: the caller's sp. */
static __always_inline enum end_reason rule_cfa(struct scratch *s, u64 rule, u64 *cfa)
{
	struct walk *w = &s->walk;
	u32 kind = unwind_rule_kind(rule);
	bool split = rule_is_deref(kind) || kind == X86_SP_RA_AT || kind == X86_FP_RA_AT;

	if (!rule_base(w, rule, cfa))
		return END_UNSUPPORTED;
	*cfa += (s64)(split ? x86_rule_split_off(rule) : x86_rule_cfa_off(rule));
	if (kind == UNWIND_PLT)
		*cfa += ((w->exact ? w->pc : w->pc - 1) & 15) >= x86_rule_plt_add(rule) ? 8 : 0;
	if (!rule_is_deref(kind))
		return END_NONE;
	if (!read_word(s, *cfa, cfa))
		return END_READ_FAULT;
	*cfa += (s64)x86_rule_split_add(rule);
	return END_NONE;
}

/* The caller's frame pointer. */
static __always_inline enum end_reason rule_fp(struct scratch *s, u64 rule, u64 cfa, u64 *fp)
{
	struct walk *w = &s->walk;
	u32 how = unwind_rule_kind(rule) == UNWIND_PLT ? UNWIND_FP_SAME : x86_rule_fp(rule);
	u64 addr = (how == UNWIND_FP_AT_FP ? w->fp : cfa) + (s64)x86_rule_fp_off(rule);

	*fp = w->fp;
	if (how == UNWIND_FP_LOST)
		*fp = FP_LOST;
	if (how != UNWIND_FP_AT_CFA && how != UNWIND_FP_AT_FP)
		return END_NONE;
	return read_word(s, addr, fp) ? END_NONE : END_READ_FAULT;
}

/* The return address. */
static __always_inline enum end_reason rule_ra(struct scratch *s, u64 rule, u64 cfa, u64 *ra)
{
	struct walk *w = &s->walk;
	u32 kind = unwind_rule_kind(rule);
	s64 off = kind == X86_SP_RA_AT || kind == X86_FP_RA_AT ? x86_rule_split_add(rule)
							       : X86_RA_OFF;

	if (kind == X86_SP_RA_IN_REG) {
		*ra = w->regs[x86_rule_reg(rule) & (USER_REGS - 1)];
		return w->exact ? END_NONE : END_UNSUPPORTED;
	}
	return read_word(s, cfa + off, ra) ? END_NONE : END_READ_FAULT;
}

/* runtime.g: its m, and in sched where a goroutine was left: sp, pc. The same from Go 1.4 on. */
#define G_M 48
#define G_SCHED 56

/*
 * To where a goroutine was left when its thread went on on its own stack, by s->frame.rule: from the running g to its m,
 * and to the m's goroutine. A global function, so that the verifier reads it once.
 */
__noinline int to_saved_context(struct scratch *s)
{
	u64 rule, *at;

	if (!s)
		return END_READ_FAULT;
	rule = s->frame.rule;
	at = s->node; /* free between two look-ups */
	if (bpf_probe_read_user(at, 8, (void *)(user_thread_base() + x86_rule_fp_off(rule))) ||
	    bpf_probe_read_user(at, 8, (void *)(at[0] + G_M)) ||
	    bpf_probe_read_user(at, 8, (void *)(at[0] + x86_rule_cfa_off(rule))) ||
	    bpf_probe_read_user(at, 16, (void *)(at[0] + G_SCHED)))
		return END_READ_FAULT;
	s->walk.sp = at[0];
	s->walk.pc = at[1];
	s->walk.fp = FP_LOST;
	s->walk.exact = true;
	return END_NONE;
}

/* Only the stack that the thread is on now was left so: the next callback into Go takes the place of what was saved. */
static __always_inline enum end_reason step_by_saved_context(struct scratch *s, u64 rule)
{
	enum end_reason end;

	if (s->walk.switches > 1)
		return END_UNSUPPORTED;
	s->frame.rule = rule;
	end = to_saved_context(s);
	return end ? end : follow_stack(s, s->walk.sp);
}

/* To the caller by a rule that has a CFA. */
static __always_inline enum end_reason step_by_cfa(struct scratch *s, u64 rule)
{
	struct walk *w = &s->walk;
	u32 kind = unwind_rule_kind(rule);
	bool leaves = kind == X86_SP_RA_IN_REG && w->exact;
	enum end_reason end;
	u64 cfa, fp, ra;

	if (kind == UNWIND_SWITCH && x86_rule_reg(rule) == UNWIND_SWITCH_SAVED)
		return step_by_saved_context(s, rule);
	end = rule_cfa(s, rule, &cfa);
	if (end)
		return end;
	if ((cfa <= w->sp && !leaves) || cfa > w->stack_end) {
		if (!rule_changes_stack(kind))
			return END_BAD_CFA;
		end = follow_stack(s, cfa - 8);
		if (end)
			return kind == UNWIND_SWITCH && !w->fp ? END_ROOT : end;
	}
	end = rule_fp(s, rule, cfa, &fp);
	if (!end)
		end = rule_ra(s, rule, cfa, &ra);
	if (end)
		return end;
	w->sp = cfa;
	w->fp = fp;
	w->pc = ra;
	w->exact = x86_rule_exact(rule);
	return ra ? END_NONE : END_ROOT;
}

#include "bpf/prologue_x86.h"

#endif
