/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Out of the [uprobes] page, into which the kernel leads threads of probed programs: a thread runs a copy of the probed
 * instruction there, and a function with a return probe returns there, by a trampoline in the place of its return address
 * (kernel/events/uprobes.c).
 */
#ifndef FLEETPROF_UPROBES_H
#define FLEETPROF_UPROBES_H

#define UPROBE_SLOT_BYTES 128 /* UPROBE_XOL_SLOT_BYTES */
#define UPROBES_OF_FUNCTION_MAX                                                                    \
	4 /* return probes of one function: one trampoline stands for all of them */

/* Runs a copy: the address of the original. 0: the kernel does not tell. */
static __always_inline u64 uprobe_original(u64 pc)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct uprobe_task *probed = BPF_CORE_READ(task, utask);
	u64 copy = probed ? BPF_CORE_READ(probed, xol_vaddr) : 0;

	return copy && pc - copy < UPROBE_SLOT_BYTES ? BPF_CORE_READ(probed, vaddr) + (pc - copy)
						     : 0;
}

/* Returns to the trampoline, the page's first byte: the address that it stands for. 0: it is another one. */
static __always_inline u64 uprobe_return_address(struct scratch *s)
{
	struct walk *w = &s->walk;
	struct mm_struct *space = (void *)s->mm;
	struct task_struct *task = bpf_get_current_task_btf();
	struct return_instance *instance = (void *)w->uprobe_return;
	struct uprobe_task *probed;
	struct xol_area *area;
	u64 original;

	if (!bpf_core_field_exists(space->uprobes_state.xol_area))
		return 0;
	area = BPF_CORE_READ(space, uprobes_state.xol_area);
	if (!area || w->pc != (u64)BPF_CORE_READ(area, vaddr))
		return 0;
	probed = BPF_CORE_READ(task, utask);
	if (!instance && probed)
		instance = BPF_CORE_READ(probed, return_instances);
	if (!instance)
		return 0;
	original = BPF_CORE_READ(instance, orig_ret_vaddr);
	for (u32 i = 0; i < UPROBES_OF_FUNCTION_MAX; i++) {
		bool chained = BPF_CORE_READ(instance, chained);

		instance = BPF_CORE_READ(instance, next);
		if (!chained || !instance)
			break;
	}
	w->uprobe_return = (u64)instance;
	return original;
}

#endif
