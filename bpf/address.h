/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From a user address to its frame word (which file and where in it, anonymous memory, or one of the kernel's pages) and to
 * the unwind table of what is mapped there.
 */
#ifndef FLEETPROF_ADDRESS_H
#define FLEETPROF_ADDRESS_H

static __always_inline void push_word(struct scratch *s, u64 word)
{
	s->words[s->nr_words & WORDS_MASK] = word;
	s->nr_words++;
	s->head.hash = (s->head.hash ^ word) * 0x9e3779b97f4a7c15ULL;
	s->head.hash ^= s->head.hash >> 32;
}

#define SLOT_OF_ANON 0xfffffffeU /* no slot: memory without a file */

/* The table in a slot, whose file is in use. */
static __always_inline u64 table_of_slot(struct scratch *s, u32 number)
{
	struct unwind_slot *slot;
	u32 now_s;

	if (number == SLOT_OF_ANON)
		return UNWIND_TABLE_ANON;
	slot = bpf_map_lookup_elem(&tables, &number);
	if (!slot)
		return UNWIND_TABLE_PENDING;
	now_s = s->head.record.time_boot_ns / 1000000000ULL;
	if (slot->used_s !=
	    now_s) /* a line that all CPUs read is better not written by each sample */
		slot->used_s = now_s;
	return *(volatile u64 *)&slot->table;
}

/* Pages that the kernel maps into every process, and that no file stands behind. */
static __always_inline u64 special_word(struct scratch *s, const struct vma *v, u32 *slot)
{
	struct mm_struct *space = (void *)s->mm;

	if (v->start == (u64)BPF_CORE_READ(space, context.vdso)) {
		*slot = UNWIND_SLOT_VDSO;
		return FRAME_MAKE_SPECIAL(FRAME_SPECIAL_VDSO, 0);
	}
	if (bpf_core_field_exists(space->uprobes_state.xol_area)) {
		struct xol_area *area = BPF_CORE_READ(space, uprobes_state.xol_area);

		if (area && v->start == (u64)BPF_CORE_READ(area, vaddr))
			return FRAME_MAKE_SPECIAL(FRAME_SPECIAL_UPROBES, 0);
	}
	return FRAME_MAKE_ANON(v->start);
}

/*
 * The word of s->within's first byte, which s->vma is too: by its number if user space gave the file one, else by a
 * description that goes along with the record. 0: the record has no room for another description.
 */
static __always_inline u64 file_word(struct scratch *s, u32 *slot)
{
	u32 index = s->head.nr_maps;
	struct rec_map *map = &s->maps[index & (RECORD_MAX_MAPS - 1)];
	u64 bias = vma_bias(s), offset;
	bool huge = vma_huge_text(s, &bias);

	*slot = SLOT_OF_ANON;
	if ((!huge && !s->within.file) || !vma_identity(s, map))
		return special_word(s, &s->within, slot);
	if (huge)
		map->flags |= REC_MAP_HUGE_TEXT;
	offset = s->within.start + bias;
	if ((offset + (s->within.end - s->within.start)) >> 32) /* beyond what a word can say */
		return FRAME_MAKE_ANON(s->within.start);
	s->asked_key.ino = map->ino;
	s->asked_key.ctime_ns = map->ctime_ns;
	s->asked_key.dev = map->dev;
	s->asked_key.gen = map->gen;
	if (find_file(s)) {
		*slot = s->asked_value.slot;
		return FRAME_MAKE_FILE(s->asked_value.id, offset);
	}
	*slot = UNWIND_SLOT_NONE;
	if (index >= RECORD_MAX_MAPS)
		return 0;
	vma_name(s, map);
	s->head.nr_maps = index + 1;
	return FRAME_MAKE_RECMAP(index, offset);
}

/* One look-up with everything that is read in its course; a race leaves nothing behind. Returns enum end_reason. */
__noinline int map_once(struct scratch *s, u64 addr)
{
	struct memo *memo;
	u8 nr_maps;
	u64 word;
	u32 slot;
	int found;

	if (!s)
		return END_NO_MAP;
	nr_maps = s->head.nr_maps;
	space_before_look_up(s);
	found = vma_find(s, s->mm, addr);
	if (found == VMA_RACE)
		return END_NO_MAP_RACE;
	if (found == VMA_NONE || !(s->vma.flags & VM_EXEC))
		return END_NO_MAP;
	s->within = s->vma;
	word = file_word(s, &slot);
	if (!word)
		return END_MAPS_FULL;
	s->vma = s->within;
	if (!vma_unchanged(s)) {
		s->head.nr_maps = nr_maps;
		return END_NO_MAP_RACE;
	}
	memo = space_new_mapping(s);
	memo->start = s->vma.start;
	memo->len = s->vma.end - s->vma.start;
	memo->word = word;
	memo->slot = slot;
	space_see(s, &memo->seen, s->vma.file && FRAME_KIND(word) == FRAME_FILE);
	if (FRAME_KIND(word) == FRAME_RECMAP)
		space_of(s)->is_of_record = true;
	return END_NONE;
}

/*
 * The mapping that holds addr becomes s->memo_hit; END_NONE, or why there is none. A global function, so that the verifier
 * reads it once.
 */
__noinline int find_mapping(struct scratch *s, struct counters *c, u64 addr)
{
	int end;

	if (!s || !c)
		return END_NO_MAP;
	if (space_mapping(s, addr))
		return END_NONE;
	end = map_once(s, addr);
	if (end != END_NO_MAP_RACE)
		return end;
	count(c, COUNTER_MAP_RETRY);
	end = map_once(s, addr);
	if (end == END_NO_MAP_RACE)
		count(c, COUNTER_MAP_RACE);
	return end;
}

/* The table of the mapping that was found last, read once by each sample. */
static __always_inline u64 table_of_memo(struct scratch *s, const struct memo *memo)
{
	u32 at = s->memo_hit & (MEMO_SIZE - 1);

	if (!(s->tables_read >> at & 1)) {
		s->memo_tables[at] = table_of_slot(s, memo->slot);
		s->tables_read |= 1U << at;
	}
	return s->memo_tables[at];
}

/* Puts the word and the table of a user address into s->frame; END_NONE, or why there is none. */
static __always_inline enum end_reason find_address(struct scratch *s, struct counters *c, u64 addr)
{
	const struct memo *memo;
	int end;

	if (addr >>
	    63) { /* the vsyscall page is the only user code up there; the kernel emulates it at its first byte */
		if (addr >> PAGE_SHIFT != 0xffffffffff600000ULL >> PAGE_SHIFT)
			return END_NO_MAP;
		s->frame.word = FRAME_MAKE_SPECIAL(FRAME_SPECIAL_VSYSCALL,
						   addr & ((1UL << PAGE_SHIFT) - 1));
		s->frame.table = UNWIND_TABLE_CALLED;
		return END_NONE;
	}
	if (!space_has_in_hand(s, addr)) {
		end = find_mapping(s, c, addr);
		if (end)
			return end;
	}
	memo = &space_of(s)->memo[s->memo_hit & (MEMO_SIZE - 1)];
	s->frame.word = memo->word + (addr - memo->start);
	s->frame.table = table_of_memo(s, memo);
	return END_NONE;
}

#endif
