/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The rule for a frame: from the per-CPU cache, else from the file's table.
 *
 * Tables lie in slabs of one size behind an array of maps, so that finding one is two look-ups that the kernel inlines.
 * A cached rule stays right for ever: its key is the frame word, file ids are not reused, and a file revision does not
 * change. What is not final (no table yet) is not cached.
 *
 * The cache has two levels. Between two samples at a low rate the program that runs has taken the CPU's own caches for
 * itself, and each rule of a large cache is a miss there and one in the TLB, one behind the other, since a frame is known
 * only when the one before has been left. So the rules of the stacks that an address space had last are kept by
 * themselves, in two or three pages, and those that the last stack needed are read ahead, so that the misses overlap.
 */
#ifndef FLEETPROF_TABLES_H
#define FLEETPROF_TABLES_H

#include "bpf/unwind_table.h"

struct unwind_slab_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(u32));
	__uint(value_size, UNWIND_SLAB_BYTES);
};

/* Groups and directories of all tables. Written by user space through its mappings; bounded by the byte budget. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1); /* set before loading */
	__type(key, u32);
	__array(values, struct unwind_slab_map);
} slabs SEC(".maps");

/* Slot of a file → its table. Full: further files stay without one, and user space counts them. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* set before loading */
	__type(key, u32);
	__type(value, struct unwind_slot);
} tables SEC(".maps");

#define RULE_CHUNK_BITS 11

struct cached_rule {
	u64 tag; /* of the frame word and the table that said the rule */
	u64 rule;
};

/* 32 KB: the most that one element of a per-CPU map may have. */
struct rule_chunk {
	struct cached_rule rules[1 << RULE_CHUNK_BITS];
};

/* Private to the programs, per CPU: frame word → rule, direct-mapped. The newcomer takes the place. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1); /* a power of two, set before loading */
	__type(key, u32);
	__type(value, struct rule_chunk);
} rules SEC(".maps");

const volatile __u32 rule_chunks = 1; /* max_entries of rules */

#define NEAR_SET_BITS 8
#define NEAR_WAYS 2
#define NEAR_LAST 64 /* a power of two */

/* Frame word → rule, for the address spaces of one hash; the newest of a set comes first, and the oldest goes. */
struct near_rules {
	u8 last[NEAR_LAST]; /* the sets that the last stack asked; of a deeper one, its outer frames' */
	struct cached_rule rules[NEAR_WAYS << NEAR_SET_BITS];
};
_Static_assert(NEAR_SET_BITS == 8, "a byte is the number of a set");

/* Private to the programs, per CPU; by the last bits of an address space's number. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1); /* a power of two, set before loading */
	__type(key, u32);
	__type(value, struct near_rules);
} near_rules SEC(".maps");

const volatile __u32 near_blocks = 1; /* max_entries of near_rules */

static __always_inline const void *slab_of(u32 place)
{
	u32 number = unwind_place_slab(place), zero = 0;
	void *map = bpf_map_lookup_elem(&slabs, &number);

	return map ? bpf_map_lookup_elem(map, &zero) : NULL;
}

/* A global function, so that the verifier reads it once; the answer is in s->frame.rule. */
__noinline int search_table(struct scratch *s)
{
	u64 table, word, group;
	const void *slab;
	u32 place;

	if (!s)
		return 0;
	table = s->frame.table;
	word = s->frame.word;
	s->frame.rule = UNWIND_GAP;
	group = (FRAME_FILE_OFFSET(word) >> UNWIND_GROUP_SHIFT) - unwind_slot_first_group(table);
	if (group >= unwind_slot_nr_groups(table))
		return 0;
	slab = slab_of(unwind_slot_directory(table));
	if (!slab)
		return 0;
	place = unwind_u32(slab, unwind_place_offset(unwind_slot_directory(table)) + 4 * group);
	if (!place)
		return 0;
	slab = slab_of(place);
	if (slab)
		s->frame.rule = unwind_group_find(slab, unwind_place_offset(place),
						  FRAME_FILE_OFFSET(word));
	return 0;
}

/* The place of word in the cache; NULL cannot happen, but the verifier cannot know. */
static __always_inline struct cached_rule *cached_rule_of(u64 word)
{
	u64 hash = word * 0x9e3779b97f4a7c15ULL;
	u32 chunk = (hash >> 16) & (rule_chunks - 1);
	struct rule_chunk *rules_of_cpu = bpf_map_lookup_elem(&rules, &chunk);

	return rules_of_cpu ? &rules_of_cpu->rules[hash >> (64 - RULE_CHUNK_BITS)] : NULL;
}

static __always_inline struct near_rules *near_rules_of(u32 space)
{
	space &= near_blocks - 1;
	return bpf_map_lookup_elem(&near_rules, &space);
}

/* Into the CPU's caches what the last stack needed. No load waits for another. */
static __always_inline void read_near_ahead(const struct near_rules *near)
{
	for (u32 i = 0; i < NEAR_LAST; i++)
		(void)*(const volatile u64 *)&near->rules[NEAR_WAYS * near->last[i]].tag;
}

/* The set of word, for the index-th frame. */
static __always_inline struct cached_rule *near_set(struct near_rules *near, u64 word, u32 index)
{
	u32 set = word * 0x9e3779b97f4a7c15ULL >> (64 - NEAR_SET_BITS);

	near->last[index & (NEAR_LAST - 1)] = set;
	return &near->rules[NEAR_WAYS * set];
}

static __always_inline void add_near(struct cached_rule *set, u64 tag, u64 rule)
{
	set[1] = set[0];
	set[0].tag = tag;
	set[0].rule = rule;
}

#endif
