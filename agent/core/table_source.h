/* Where unwind tables come from: asks the symbolizer for those of opened files, and of our copy of the vDSO. */
#ifndef FLEETPROF_CORE_TABLE_SOURCE_H
#define FLEETPROF_CORE_TABLE_SOURCE_H

#include "agent/core/tables.h"
#include "symbolizer/client.h"

struct table_source;

/* Both are the caller's. Freed after the symbolizer's client, which answers what is under way. */
int table_source_new(struct table_source **ret, struct loop *loop, struct sampler_tables *memory,
		     struct symclient *symbolizer);
struct table_source *table_source_free(struct table_source *source);
DEFINE_CLEANUP(struct table_source *, table_source_free)

/*
 * A file that was opened; file->fd is kept by the caller until table_source_remove(). Returns its slot, which may be
 * UNWIND_SLOT_NONE.
 */
uint32_t table_source_add(struct table_source *source, const struct symclient_file *file);
void table_source_add_vdso(struct table_source *source, const struct symclient_file *file);

/* Its debug file was found, which has call frames; debug_fd is kept as file->fd is. */
void table_source_again(struct table_source *source, uint32_t slot, int debug_fd);
void table_source_remove(struct table_source *source, uint32_t slot);

struct tables *table_source_tables(struct table_source *source);

#endif
