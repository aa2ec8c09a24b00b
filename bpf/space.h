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
 *  - What was found in the middle of a change has the count of before its end. Where the count is no seqcount, what was
 *    found before a change is used until its end: no thread can have run in what is not there yet, and one that runs in what
 *    is going away has been there since before.
 *  - A stack that grows does so under the write lock; 6.4.0 did not yet, and there a remembered stack is the part of it that
 *    was found: what lies below is looked up.
 *  - Files' numbers and slots stand as long as the generation of `files` (bpf/recent.h). A file that has none is described by
 *    each record, so what is known then is good for one sample. A slot's table is read anew by each sample: grace periods
 *    count on it.
 *  - The identity of a file may change while it is mapped (written in place, unlinked): that is found out when what is
 *    remembered has reached its greatest age.
 *
 * A program that allocates changes its address space all the time, and what its stacks and its code lie in hardly ever.
 * When the count has gone on, the VMA itself is asked: before one is changed, moved, split or taken out of the tree, it is locked,
 * and that stores the count of then in its vm_lock_seq (Documentation/mm/process_addrs.rst: VMA locks). So where that is
 * what it was, and lay behind us when it was read (no change was on its way), and the place in memory still has the VMA
 * of this address space and of that range, that VMA was not touched; a new one there has its own, later count. What a word
 * was told by more than its own VMA (text that was moved to huge pages, the kernel's own pages) is not asked so.
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
	return now->id && space->state.id == now->id &&
	       space->state.generation == now->generation &&
	       now_ns - space->since_ns < SPACE_AGE_NS && !space->is_of_record;
}

/*
 * Takes the address space in hand that is in s->space_state now. True: something is known of it; what it was seen by may
 * have to be asked. False: nothing is.
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
	read_ahead(space, sizeof(*space));
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

/* What s->vma is seen by from now on. One that is being changed by now is not. */
static __always_inline void space_see(const struct scratch *s, struct seen *seen, bool by_itself)
{
	u32 sequence = s->space_state.sequence;

	seen->vma_sequence = s->vma.sequence;
	seen->vma = by_itself && (__s32)(s->vma.sequence - sequence) < 0 ? s->vma.entry : 0;
	seen->sequence = sequence;
}

/* Is what was seen still so? A global function, so that the verifier reads it once; what is asked about is in s->asked. */
__noinline int space_ask(struct scratch *s)
{
	if (!s)
		return false;
	return vma_stands(s, &s->asked.seen, s->asked.start, s->asked.end);
}

static __always_inline bool space_still_has(struct scratch *s, struct seen *seen, u64 start,
					    u64 end)
{
	if (seen->sequence == s->space_state.sequence)
		return true;
	s->asked.seen = *seen;
	s->asked.start = start;
	s->asked.end = end;
	if (!space_ask(s))
		return false;
	seen->sequence = s->space_state.sequence;
	return true;
}

/* Does s->memo_hit stand, which this sample has not used yet? If not, it is forgotten. */
static __always_inline bool space_mapping_stands(struct scratch *s)
{
	struct memo *memo = &space_of(s)->memo[s->memo_hit & (MEMO_SIZE - 1)];

	if (space_still_has(s, &memo->seen, memo->start, memo->start + memo->len))
		return true;
	memo->len = 0;
	return false;
}

/* Is addr in the mapping s->memo_hit, and has this sample used that? A stack stays in a file for some frames. */
static __always_inline bool space_has_in_hand(struct scratch *s, u64 addr)
{
	u32 at = s->memo_hit & (MEMO_SIZE - 1);
	const struct memo *memo = &space_of(s)->memo[at];

	return addr - memo->start < memo->len && (s->tables_read >> at & 1);
}

/* The remembered mapping that holds addr becomes s->memo_hit; false: none does. */
static __always_inline bool space_mapping(struct scratch *s, u64 addr)
{
	const struct space *space = space_of(s);
	u32 hit = MEMO_SIZE;

#pragma unroll
	for (u32 i = 0; i < MEMO_SIZE; i++) {
		if (addr - space->memo[i].start < space->memo[i].len)
			hit = i;
	}
	if (hit == MEMO_SIZE)
		return false;
	s->memo_hit = hit;
	return (s->tables_read >> hit & 1) || space_mapping_stands(s);
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
	struct space *space = space_of(s);
	u32 hit = SPACE_STACKS;
	struct stack *stack;

#pragma unroll
	for (u32 i = 0; i < SPACE_STACKS; i++) {
		if (addr - space->stacks[i].start < space->stacks[i].end - space->stacks[i].start)
			hit = i;
	}
	if (hit == SPACE_STACKS)
		return false;
	stack = &space->stacks[hit & (SPACE_STACKS - 1)];
	if (!space_still_has(s, &stack->seen, stack->start, stack->end)) {
		stack->end = stack->start;
		return false;
	}
	s->stack = *stack;
	return true;
}

/* Remembers the stack that s->vma is, in place of the oldest, and puts it into s->stack. */
static __always_inline void space_add_stack(struct scratch *s)
{
	struct space *space = space_of(s);

	s->stack.start = s->vma.start;
	s->stack.end = s->vma.end;
	space_see(s, &s->stack.seen, true);
	space->stacks[space->next_stack++ & (SPACE_STACKS - 1)] = s->stack;
}

#endif
