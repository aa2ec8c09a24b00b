/* SPDX-License-Identifier: GPL-2.0 */
/* Registers of x86-64, as far as a stack walk needs them. */
#ifndef FLEETPROF_REGS_X86_H
#define FLEETPROF_REGS_X86_H

#define USER_CODE_SEGMENT_64 0x33 /* arch/x86/include/asm/segment.h: __USER_CS */

/* What tells a 32-bit task: it runs in another code segment. Since FRED the upper bits have other uses. */
#define regs_mode(regs) ((regs)->cs & 0xffff)
#define mode_is_64bit(mode) ((mode) == USER_CODE_SEGMENT_64)

#define regs_pc(regs) ((regs)->ip)

/* Where the running thread's own storage is: %fs. */
static __always_inline u64 user_thread_base(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return BPF_CORE_READ(task, thread.fsbase);
}

/* By DWARF number (System V ABI, x86-64 supplement, figure 3.36). */
static __always_inline void walk_set_regs(struct walk *w, const struct pt_regs *regs)
{
	w->pc = regs->ip;
	w->sp = regs->sp;
	w->fp = regs->bp;
	w->regs[0] = regs->ax;
	w->regs[1] = regs->dx;
	w->regs[2] = regs->cx;
	w->regs[3] = regs->bx;
	w->regs[4] = regs->si;
	w->regs[5] = regs->di;
	w->regs[6] = regs->bp;
	w->regs[7] = regs->sp;
	w->regs[8] = regs->r8;
	w->regs[9] = regs->r9;
	w->regs[10] = regs->r10;
	w->regs[11] = regs->r11;
	w->regs[12] = regs->r12;
	w->regs[13] = regs->r13;
	w->regs[14] = regs->r14;
	w->regs[15] = regs->r15;
}

/* Of all address spaces since the machine was started; arch/x86/include/asm/mmu.h. */
static __always_inline u64 mm_id(struct mm_struct *mm)
{
	return mm->context.ctx_id;
}

#endif
