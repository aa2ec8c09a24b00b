/* SPDX-License-Identifier: GPL-2.0 */
/* Registers of x86-64, as far as a stack walk needs them. */
#ifndef FLEETPROF_REGS_X86_H
#define FLEETPROF_REGS_X86_H

#define USER_CODE_SEGMENT_64 0x33 /* arch/x86/include/asm/segment.h: __USER_CS */

#define regs_pc(regs) ((regs)->ip)
#define regs_sp(regs) ((regs)->sp)
#define regs_fp(regs) ((regs)->bp)

/* What tells a 32-bit task: it runs in another code segment. Since FRED the upper bits have other uses. */
#define regs_mode(regs) ((regs)->cs & 0xffff)
#define mode_is_64bit(mode) ((mode) == USER_CODE_SEGMENT_64)

#endif
