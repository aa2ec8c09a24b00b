/*
 * The files' unwind tables: asked for, placed into the kernel side's slabs, evicted.
 *
 * A file gets a slot when it is opened, and its table when the symbolizer has built it; small files first. A table is
 * placed group by group and then published with one store; until then, and again once it is evicted, the programs go by
 * frame pointers and mark it. What is evicted is unpublished first, and its room used again only after a grace period.
 *
 * Files with equal tables share one (tables_room.h). It goes when none of them was used lately.
 *
 * Bounds: the bytes of all slabs (the budget), half of it for any one owner, the number of slots, the bytes of images
 * that wait for room. Whatever fails here costs completeness of stacks, never samples; each failure is counted.
 */
#ifndef FLEETPROF_CORE_TABLES_H
#define FLEETPROF_CORE_TABLES_H

#include "agent/core/sampler_tables.h"
#include "symbolizer/client.h"

#include <linux/types.h>
#include <stdbool.h>

#include "bpf/unwind_table.h"

struct tables;

/*
 * Asks for the table of a slot's file; the answer comes by tables_put() or tables_put_none(), now or later. A negative
 * errno: not now; it is tried again.
 */
typedef int (*tables_ask_fn)(uint32_t slot, const struct symclient_file *file, void *userdata);

int tables_new(struct tables **ret, struct loop *loop, struct sampler_tables *memory,
	       tables_ask_fn ask, void *userdata);
struct tables *tables_free(struct tables *tables);
DEFINE_CLEANUP(struct tables *, tables_free)

/*
 * A slot for a file, whose table is asked for; file->fd is kept by the caller until tables_remove(), and the table counts
 * against file->owner's share. UNWIND_SLOT_NONE: none is left (counted).
 */
uint32_t tables_add(struct tables *tables, const struct symclient_file *file);

/* As above for the slot that the programs know as the vDSO's. */
void tables_add_vdso(struct tables *tables, const struct symclient_file *file);

/*
 * The file's debug file was found, which has call frames, too: a table is built anew from both, and takes the place of the
 * one that there is. debug_fd is kept by the caller until tables_remove().
 */
void tables_again(struct tables *tables, uint32_t slot, int debug_fd);

/* The file is gone: an answer that comes later for the slot is for nobody, or for its next file after a grace period. */
void tables_remove(struct tables *tables, uint32_t slot);

/* The table, as an image in the format of bpf/unwind_table.h, which is checked here and copied. */
void tables_put(struct tables *tables, uint32_t slot, const void *image, size_t size);

enum tables_none {
	TABLES_NONE, /* the file has no call frame information: that is final */
	TABLES_FAILED, /* it could not be read: frame pointers, marked */
	TABLES_LOST, /* the answer was lost: asked again, three times */
};
void tables_put_none(struct tables *tables, uint32_t slot, enum tables_none why);

struct tables_counts {
	uint64_t files, placed, none, failed, evicted; /* slots in each state now */
	uint64_t bytes, slab_bytes; /* of tables, and of all slabs made */
	uint64_t shared,
		shared_bytes; /* of those placed: slots beyond the first of a table, and what that saves */
	uint64_t evictions; /* from here on: since the start */
	uint64_t refused_slots; /* files that found no slot */
	uint64_t refused_budget, refused_owner; /* tables for which no room was made */
	uint64_t refused_images; /* that failed the check */
	uint64_t dropped_images; /* came while too many waited for room */
	uint64_t slab_errors; /* the kernel gave no memory */
	/* What the images that came say of themselves: */
	uint64_t broken_fdes, unsupported_rows, lost_rows, lost_groups;
	uint64_t code_bounds[UNWIND_BOUND_NR];
};
void tables_counts(struct tables *tables, struct tables_counts *ret);

/* Tables that are asked for or wait for room. */
size_t tables_pending(const struct tables *tables);

#endif
