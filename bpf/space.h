/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What this CPU found of the last address spaces: executable mappings and stacks. Most samples then read nothing of the
 * kernel's VMA tree, VMAs, files, inodes and superblocks.
 *
 * The kernel counts in mm_struct.mm_lock_seq how often the write lock of an address space was given back (since 6.4, with
 * CONFIG_PER_VMA_LOCK; a seqcount, odd while it is held, in later ones). Every change of a VMA or of the tree is made under
 * that lock: mmap, munmap, mremap, mprotect, brk, exec's set-up, the [uprobes] page, the vdso's place. So as long as the count
 * is what it was before something was found, that is still so:
 *  - Another address space at the same place in memory, after an exec or an exit, has another id, which the kernel never
 *    gives twice. Who shares the address space (a thread, a vfork child) shares what is known of it, rightly.
 *  - What was found in the middle of a change has the count of before its end, and is dropped with it. Where the count is no
 *    seqcount, what was found before a change is used until its end: no thread can have run in what is not there yet, and
 *    one that runs in what is going away has been there since before.
 *  - A stack that grows does so under the write lock; 6.4.0 did not yet, and there a remembered stack is the part of it that
 *    was found: what lies below is looked up.
 *  - Files' numbers and slots stand as long as the generation of `files` (bpf/recent.h). A file that has none is described by
 *    each record, so what is known then is good for one sample. A slot's table is read anew by each sample: grace periods
 *    count on it.
 *  - The identity of a file may change while it is mapped (written in place, unlinked): that is found out when what is
 *    remembered has reached its greatest age.
 *
 * A kernel without the count, or a change on its way: everything is found again by each sample. Natively compiled by the
 * tests, too.
 */
#ifndef FLEETPROF_SPACE_H
#define FLEETPROF_SPACE_H

#define SPACE_AGE_NS 4000000000ULL

/* The address space in hand. */
static __always_inline struct space *space_of(struct scratch *s)
{
	return &s->spaces[s->space_at & ((1 << SPACE_BITS) - 1)];
}

static __always_inline bool space_stands(const struct space *space, const struct space_state *now,
					 u64 now_ns)
{
	return now->id && space->state.id == now->id && space->state.sequence == now->sequence &&
	       space->state.generation == now->generation &&
	       now_ns - space->since_ns < SPACE_AGE_NS && !space->is_of_record;
}

/*
 * Takes the address space in hand that is in s->space_state now. True: something is known of it, and stands; false: nothing is.
 * A global function, so that the verifier reads it once.
 */
__noinline int space_take(struct scratch *s)
{
	struct space *space;
	u64 now_ns;

	if (!s)
		return false;
	now_ns = s->head.record.time_boot_ns;
	s->space_at = s->space_state.id * 0x9e3779b97f4a7c15ULL >> (64 - SPACE_BITS);
	s->memo_hit = 0;
	s->tables_read = 0;
	space = space_of(s);
	if (space_stands(space, &s->space_state, now_ns))
		return true;
	__builtin_memset(space, 0, sizeof(*space));
	space->state = s->space_state;
	space->since_ns = now_ns;
	return false;
}

/* What is looked up after it is no older than the state of the address space that was taken. */
static __always_inline void space_before_look_up(struct scratch *s)
{
	__sync_fetch_and_add(&s->barrier, 0);
}

/* The remembered mapping that holds addr; MEMO_SIZE: none does. */
static __always_inline u32 space_mapping(const struct space *space, u64 addr)
{
	u32 hit = MEMO_SIZE;

#pragma unroll
	for (u32 i = 0; i < MEMO_SIZE; i++) {
		if (addr - space->memo[i].start < space->memo[i].len)
			hit = i;
	}
	return hit;
}

/* Room for one more mapping, in place of the oldest. Its number is in s->memo_hit. */
static __always_inline struct memo *space_new_mapping(struct scratch *s)
{
	struct space *space = space_of(s);
	u32 at = space->next_memo++ & (MEMO_SIZE - 1);

	s->memo_hit = at;
	s->tables_read &= ~(1U << at);
	return &space->memo[at];
}

/* Puts the remembered stack that holds addr into s->stack; false: none does. */
static __always_inline bool space_stack(struct scratch *s, u64 addr)
{
	const struct space *space = space_of(s);
	u32 hit = SPACE_STACKS;

#pragma unroll
	for (u32 i = 0; i < SPACE_STACKS; i++) {
		if (addr - space->stacks[i].start < space->stacks[i].end - space->stacks[i].start)
			hit = i;
	}
	if (hit == SPACE_STACKS)
		return false;
	s->stack = space->stacks[hit & (SPACE_STACKS - 1)];
	return true;
}

/* Remembers s->stack, in place of the oldest. */
static __always_inline void space_add_stack(struct scratch *s)
{
	struct space *space = space_of(s);

	space->stacks[space->next_stack++ & (SPACE_STACKS - 1)] = s->stack;
}

#endif
