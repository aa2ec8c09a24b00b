/* SPDX-License-Identifier: GPL-2.0 */
/* Registers of arm64, as far as a stack walk needs them. */
#ifndef FLEETPROF_REGS_ARM64_H
#define FLEETPROF_REGS_ARM64_H

#define PSTATE_AARCH32 0x10 /* arch/arm64/include/asm/ptrace.h: PSR_MODE32_BIT */

#define regs_pc(regs) ((regs)->pc)

/* What tells a 32-bit task. */
#define regs_mode(regs) ((regs)->pstate)
#define mode_is_64bit(mode) (!((mode)&PSTATE_AARCH32))

/* By DWARF number (DWARF for the Arm 64-bit Architecture, section 4.1). */
static __always_inline void walk_set_regs(struct walk *w, const struct pt_regs *regs)
{
	w->pc = regs->pc;
	w->sp = regs->sp;
	w->fp = regs->regs[29];
#pragma unroll
	for (u32 i = 0; i < 31; i++)
		w->regs[i] = regs->regs[i];
	w->regs[31] = regs->sp;
}

/*
 * The number by which the processor tells address spaces, and its generation: one number is given once in a generation
 * (arch/arm64/mm/context.c). 0: it has none yet.
 */
static __always_inline u64 mm_id(struct mm_struct *mm)
{
	return mm->context.id.counter;
}

#endif
