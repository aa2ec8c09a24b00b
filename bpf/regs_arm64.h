/* SPDX-License-Identifier: GPL-2.0 */
/* Registers of arm64, as far as a stack walk needs them. */
#ifndef FLEETPROF_REGS_ARM64_H
#define FLEETPROF_REGS_ARM64_H

#define PSTATE_AARCH32 0x10 /* arch/arm64/include/asm/ptrace.h: PSR_MODE32_BIT */

#define regs_pc(regs) ((regs)->pc)
#define regs_sp(regs) ((regs)->sp)
#define regs_fp(regs) ((regs)->regs[29])

/* What tells a 32-bit task. */
#define regs_mode(regs) ((regs)->pstate)
#define mode_is_64bit(mode) (!((mode)&PSTATE_AARCH32))

#endif
