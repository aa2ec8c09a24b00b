/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * Which table belongs to a file: an element of the map `tables`, written by user space as one word, read by the programs.
 *
 * A slot belongs to a file revision from the moment its id is announced, so that a table can come, go and come again
 * without touching `files`. A slot, and the room of a table, is given to another file only after a grace period in which
 * every program that may have read the word has ended.
 *
 * Like record.h it includes nothing: the includer supplies __u8 … __u64.
 */
#ifndef FLEETPROF_UNWIND_SLOT_H
#define FLEETPROF_UNWIND_SLOT_H

struct unwind_slot {
	__u64 table; /* unwind_slot_table(), UNWIND_TABLE_PENDING or UNWIND_TABLE_NONE */
	__u32 used_s; /* CLOCK_BOOTTIME in seconds of the last sample that asked; written by the programs */
	__u32 pad;
};
_Static_assert(sizeof(struct unwind_slot) == 16, "unwind_slot is 16 bytes");

#define UNWIND_SLOT_VDSO 0 /* the kernel's own, the same in every process */
#define UNWIND_SLOT_FIRST 1
#define UNWIND_SLOT_NONE 0xffffffffu /* no slot was left: the file stays without a table */

/* Words that are no table: they have no groups. */
#define UNWIND_TABLE_PENDING                                                                       \
	0ULL /* not built yet, or evicted: by frame pointers, and the stack says so */
#define UNWIND_TABLE_NONE 1ULL /* the file has no call frame information: by frame pointers */
/* Not in the map: what the programs use for memory that has no file. */
#define UNWIND_TABLE_ANON 2ULL /* by frame pointers */
#define UNWIND_TABLE_CALLED 3ULL /* the return address is at sp */

/* directory: unwind_place() of u32 × nr_groups; the groups of the file from first_group on. */
static __always_inline __u64 unwind_slot_table(__u32 directory, __u32 first_group, __u32 nr_groups)
{
	return (__u64)nr_groups << 48 | (__u64)first_group << 32 | directory;
}

static __always_inline __u32 unwind_slot_directory(__u64 table)
{
	return (__u32)table;
}

static __always_inline __u32 unwind_slot_first_group(__u64 table)
{
	return (table >> 32) & 0xffff;
}

static __always_inline __u32 unwind_slot_nr_groups(__u64 table)
{
	return table >> 48;
}

#endif
