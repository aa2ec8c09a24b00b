/*
 * The kernel side's room for unwind tables: slabs behind the outer map, and one slot per file.
 *
 * Every update of an outer map waits for RCU (10–30 ms idle, 0.2 s at worst), so a thread of its own does them: it makes
 * slabs, and it waits out grace periods. Everything else is plain stores into mapped memory. The thread is started at the
 * first request, so that it has no more privileges than the core has by then; it touches nothing but its pipe and maps.
 */
#ifndef FLEETPROF_CORE_SAMPLER_TABLES_H
#define FLEETPROF_CORE_SAMPLER_TABLES_H

#include "agent/base/loop.h"

#include <linux/types.h>

#include "bpf/unwind_slot.h"

struct sampler_tables;

/* What was asked for is there, or failed (-errno); from the loop. nr: slabs, 0 for a grace period. */
typedef void (*sampler_tables_fn)(uint32_t nr, int error, void *userdata);

/* The descriptors are the sampler's; outer_entries: of the outer map, of which the last one is for grace periods. */
int sampler_tables_new(struct sampler_tables **ret, struct loop *loop, int outer_fd, int slots_fd,
		       uint32_t outer_entries, uint32_t nr_slots);
struct sampler_tables *sampler_tables_free(struct sampler_tables *tables);
DEFINE_CLEANUP(struct sampler_tables *, sampler_tables_free)

void sampler_tables_on_done(struct sampler_tables *tables, sampler_tables_fn fn, void *userdata);

/* The most slabs there can be. */
uint32_t sampler_tables_slabs_max(const struct sampler_tables *tables);

/*
 * Asks for up to nr more slabs (as many as come are told when they do), numbered in order, from 0. One request at a time.
 * -ENOSPC: all that there may be are made; -EAGAIN: too much is under way.
 */
int sampler_tables_make(struct sampler_tables *tables, uint32_t nr);

/* Asks to be told when every program that runs now has ended. */
int sampler_tables_grace(struct sampler_tables *tables);

/* The memory of a slab that was made: UNWIND_SLAB_BYTES. */
void *sampler_tables_slab(const struct sampler_tables *tables, uint32_t slab);

uint32_t sampler_tables_nr_slots(const struct sampler_tables *tables);

/* Says at once which table, or none, belongs to the slot's file. */
void sampler_tables_set(struct sampler_tables *tables, uint32_t slot, uint64_t table);

/* CLOCK_BOOTTIME in seconds when a sample last asked for the slot's table; 0: never. */
uint32_t sampler_tables_used_s(const struct sampler_tables *tables, uint32_t slot);

#endif
