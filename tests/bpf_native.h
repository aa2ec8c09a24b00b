/*
 * The kernel side's stack walk, compiled natively: bpf/tables.h and bpf/unwind.h as they are, on memory that the test gives.
 *
 * What the programs have from the kernel is here in small: maps are arrays, the address space is a list of mappings, and
 * the user's memory is what native.read finds. One walk at a time.
 */
#ifndef FLEETPROF_TESTS_BPF_NATIVE_H
#define FLEETPROF_TESTS_BPF_NATIVE_H

#include "proto/unwind_image.h"

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if !defined(__TARGET_ARCH_x86) &&                                                                 \
	!defined(__TARGET_ARCH_arm64) /* a test may walk another one's stacks */
#if defined(__x86_64__)
#define __TARGET_ARCH_x86
#else
#define __TARGET_ARCH_arm64
#endif
#endif
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#define __noinline __attribute__((noinline))
#define SEC(name)
#define __uint(name, val) int(*name)[val]
#define __type(name, val) __typeof__(val) *name
#define __array(name, val) __typeof__(val) *name[1]
#define BPF_MAP_TYPE_HASH 1
#define BPF_MAP_TYPE_ARRAY 2
#define BPF_MAP_TYPE_PERCPU_ARRAY 6
#define BPF_MAP_TYPE_ARRAY_OF_MAPS 12
#define BPF_MAP_TYPE_RINGBUF 27
#define BPF_F_MMAPABLE 1024

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wunknown-pragmas"

#define u8 __u8
#define u16 __u16
#define u32 __u32
#define u64 __u64
#define s64 __s64

#define NATIVE_SLABS 4096
#define NATIVE_MAPS 4096

struct native_map {
	u64 start, end;
	u64 word; /* of its first byte */
	u64 table;
	bool executable;
	u32 sequence; /* of the last change */
};

/* What a walk stands on. */
static struct {
	struct native_map maps[NATIVE_MAPS];
	size_t nr_maps;
	/* Copies size bytes of the user's memory, or returns false. */
	bool (*read)(void *dst, size_t size, u64 addr);
	uint8_t *slabs[NATIVE_SLABS];
	u32 nr_slabs, slab_used;
	u64 thread_base; /* %fs of the thread */
	u64 looked_up; /* times that the list of mappings was asked for a stack */
	u64 asked; /* times that a mapping was asked whether it still is what it was */
} native;

static void *native_lookup(const void *map, const void *key);
#define bpf_map_lookup_elem(map, key) native_lookup(map, key)

static inline long bpf_probe_read_user(void *dst, u32 size, const void *addr)
{
	if (native.read(dst, size, (u64)(uintptr_t)addr))
		return 0;
	memset(dst, 0, size);
	return -14;
}

#define bpf_loop(nr, fn, ctx, flags)                                                               \
	do {                                                                                       \
		for (u32 _i = 0; _i < (nr); _i++)                                                  \
			if (fn(_i, ctx))                                                           \
				break;                                                             \
	} while (0)

struct pt_regs {
	int unused; /* a walk starts with the registers in struct walk */
};

#include "bpf/record.h"
#include "bpf/unwind_slot.h"
#include "bpf/scratch.h"
#include "bpf/tables.h"

static bool vma_stands(struct scratch *s, const struct seen *seen, u64 start, u64 end);

#include "bpf/space.h"

static struct rule_chunk native_rules;
static struct near_rules native_near;

static void *native_lookup(const void *map, const void *key)
{
	u32 index = *(const u32 *)key;

	if (map == &rules)
		return &native_rules;
	if (map == &near_rules)
		return &native_near;
	if (map == &slabs)
		return index < native.nr_slabs ? native.slabs[index] : NULL;
	return (void *)map; /* a slab is its own only element */
}

/* ---- address.h and vma.h in small ---- */

enum { VMA_FOUND = 0, VMA_NONE = 1 };

static const struct native_map *native_find(u64 addr)
{
	for (size_t i = 0; i < native.nr_maps; i++) {
		if (addr >= native.maps[i].start && addr < native.maps[i].end)
			return &native.maps[i];
	}
	return NULL;
}

static int vma_find(struct scratch *s, u64 mm, u64 addr)
{
	const struct native_map *map = native_find(addr);

	native.looked_up++;
	if (!map)
		return VMA_NONE;
	s->vma.start = map->start;
	s->vma.end = map->end;
	s->vma.entry = (u64)(uintptr_t)map;
	s->vma.sequence = map->sequence;
	return VMA_FOUND;
}

static bool vma_stands(struct scratch *s, const struct seen *seen, u64 start, u64 end)
{
	const struct native_map *map = (const void *)(uintptr_t)seen->vma;

	native.asked++;
	return map && map->start == start && map->end == end && map->sequence == seen->vma_sequence;
}

static enum end_reason find_address(struct scratch *s, struct counters *c, u64 addr)
{
	const struct native_map *map = native_find(addr);

	if (!map || !map->executable)
		return END_NO_MAP;
	s->frame.word = map->word + (addr - map->start);
	s->frame.table = map->table;
	return END_NONE;
}

static void push_word(struct scratch *s, u64 word)
{
	s->words[s->nr_words & WORDS_MASK] = word;
	s->nr_words++;
}

static __attribute__((unused)) u64 user_thread_base(void)
{
	return native.thread_base;
}

static u64 uprobe_original(u64 pc)
{
	return 0;
}

static u64 uprobe_return_address(struct scratch *s)
{
	return 0;
}

#include "bpf/unwind.h"
#pragma GCC diagnostic pop

/* ---- for the tests ---- */

static inline u32 native_take(u32 bytes)
{
	u32 place;

	if (!native.nr_slabs || native.slab_used + bytes > UNWIND_SLAB_BYTES) {
		native.slabs[native.nr_slabs++] = calloc(1, UNWIND_SLAB_BYTES);
		native.slab_used = 4;
	}
	place = unwind_place(native.nr_slabs - 1, native.slab_used);
	native.slab_used += (bytes + 3) / 4 * 4;
	return place;
}

static inline void *native_at(u32 place)
{
	return native.slabs[unwind_place_slab(place)] + unwind_place_offset(place);
}

/* Places a checked image; returns the table's word. */
static inline u64 native_place(const void *image)
{
	const struct unwind_header *header = image;
	u32 directory, nr = header->nr_groups;

	if (!nr)
		return UNWIND_TABLE_NONE;
	directory = native_take(4 * nr);
	for (u32 i = 0; i < nr; i++) {
		size_t bytes;
		const void *group = unwind_image_group(image, i, &bytes);
		u32 place = group ? native_take((u32)bytes) : 0;

		if (group)
			memcpy(native_at(place), group, bytes);
		((u32 *)native_at(directory))[i] = place;
	}
	return unwind_slot_table(directory, header->first_group, nr);
}

static inline void native_forget_rules(void)
{
	memset(&native_near, 0, sizeof(native_near));
	memset(&native_rules, 0, sizeof(native_rules));
}

/*
 * Walks from the registers in s->walk, in the address space that s->space_state says; the frame words are in s->words, the end
 * in s->head.end_reason.
 */
static inline void native_walk(struct scratch *s)
{
	static struct counters counters_of_cpu;

	s->nr_words = 0;
	s->head.nr_words_kernel = 0;
	space_take(s);
	unwind_user(s, &counters_of_cpu);
}

#endif
