/* SPDX-License-Identifier: GPL-2.0 */
/* From a frame to its caller by a rule, on arm64. */
#ifndef FLEETPROF_UNWIND_ARM64_H
#define FLEETPROF_UNWIND_ARM64_H

#include "bpf/unwind_rule_arm64.h"

#define RULE_CALLED (UNWIND_SP | ARM64_RA_IN_REG << 9) /* packed; there is no vsyscall page here */

/* struct rt_sigframe: siginfo (128), in ucontext the mcontext (176), in it fault_address (8); then x0 … x30, sp, pc. */
#define SIGFRAME_REGS_OFFSET 312
#define SIGFRAME_PC_OFFSET (SIGFRAME_REGS_OFFSET + 32 * 8)

/*
 * Without the authentication code, which is in the bits above the address. Code is mapped below 48 bits: the kernel
 * gives addresses above them to those who ask for such a one only.
 */
static __always_inline u64 code_address(u64 address)
{
	return address & ((1ULL << 48) - 1);
}

/* mov x8, #139; svc #0: __NR_rt_sigreturn. */
static __always_inline bool code_is_sigreturn(u64 first, u64 second)
{
	return first == 0xd4000001d2801168ULL;
}

/* All registers, as the kernel saved them for the handler whose frame is at sp. */
static __always_inline enum end_reason step_by_signal_frame(struct scratch *s)
{
	struct walk *w = &s->walk;
	u64 pc;

	if (bpf_probe_read_user(&pc, sizeof(pc), (void *)(w->sp + SIGFRAME_PC_OFFSET)) ||
	    bpf_probe_read_user(w->regs, 32 * 8, (void *)(w->sp + SIGFRAME_REGS_OFFSET)))
		return END_READ_FAULT;
	w->fp = w->regs[ARM64_REG_FP];
	w->sp = w->regs[ARM64_REG_SP];
	w->pc = pc;
	w->exact = true;
	return follow_stack(s, w->sp);
}

/* The caller's frame pointer. */
static __always_inline enum end_reason rule_fp(struct scratch *s, u64 rule, u64 cfa, u64 *fp)
{
	struct walk *w = &s->walk;
	u32 how = arm64_rule_fp(rule);
	u64 addr = (how == UNWIND_FP_AT_FP ? w->fp : cfa) + (s64)arm64_rule_fp_off(rule);

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

	if (arm64_rule_ra(rule) != ARM64_RA_IN_REG)
		return read_word(s, cfa + (s64)arm64_rule_ra_off(rule), ra) ? END_NONE
									    : END_READ_FAULT;
	*ra = w->regs[arm64_rule_ra_reg(rule) & (USER_REGS - 1)];
	return w->exact ? END_NONE : END_UNSUPPORTED;
}

/* To the caller by a rule that has a CFA. A leaf without a frame has its caller's sp. */
static __always_inline enum end_reason step_by_cfa(struct scratch *s, u64 rule)
{
	struct walk *w = &s->walk;
	u32 kind = unwind_rule_kind(rule);
	u64 base = kind == UNWIND_FP ? w->fp : w->sp, cfa, fp, ra;
	enum end_reason end;

	if (kind == UNWIND_REG) {
		if (!w->exact)
			return END_UNSUPPORTED;
		base = w->regs[arm64_rule_reg(rule) & (USER_REGS - 1)];
	}
	cfa = base + (s64)arm64_rule_cfa_off(rule);
	if (cfa < w->sp || (cfa == w->sp && !w->exact) || cfa > w->stack_end)
		return END_BAD_CFA;
	end = rule_fp(s, rule, cfa, &fp);
	if (!end)
		end = rule_ra(s, rule, cfa, &ra);
	if (end)
		return end;
	w->sp = cfa;
	w->fp = fp;
	w->pc = code_address(ra);
	w->exact = arm64_rule_exact(rule);
	return w->pc ? END_NONE : END_ROOT;
}

/* Generated code for arm64 keeps frame records, or its callers are not known: nothing is read from it. */
static __always_inline enum generated_step step_by_prologue(struct scratch *s)
{
	return STEP_BY_FP;
}

#endif
