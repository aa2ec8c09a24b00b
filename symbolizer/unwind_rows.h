/*
 * Packs rows into the groups of an unwind table's image (bpf/unwind_table.h), one group at a time. Library-private.
 */
#ifndef FLEETPROF_SYMBOLIZER_UNWIND_ROWS_H
#define FLEETPROF_SYMBOLIZER_UNWIND_ROWS_H

#include <linux/types.h>

#include "agent/base/buf.h"
#include "bpf/unwind_table.h"

struct unwind_rows;

/* out is empty, and outlives the rows. */
int unwind_rows_new(struct unwind_rows **ret, struct buf *out);
struct unwind_rows *unwind_rows_free(struct unwind_rows *rows);
DEFINE_CLEANUP(struct unwind_rows *, unwind_rows_free)

/*
 * From this byte of the file on, the rule holds. Offsets ascend; of two rules for the same byte the latter holds, and
 * an offset below the last one is taken for that. Failures are kept until the end.
 */
void unwind_rows_add(struct unwind_rows *rows, uint32_t offset, uint64_t rule);

/* Writes the directory and the header, whose counters of rows and groups are filled in. Returns 0, -ENOMEM or -ENOSPC. */
int unwind_rows_finish(struct unwind_rows *rows, struct unwind_header *header);

#endif
