/*
 * Builds the unwind table of an ELF file (bpf/unwind_table.h). Library-private.
 *
 * One pass over the FDEs, by address: .eh_frame's, and .debug_frame's where that says nothing. Nothing but the finished
 * groups stays in memory, and the index of FDEs where the linker made none.
 */
#ifndef FLEETPROF_SYMBOLIZER_UNWIND_TABLE_H
#define FLEETPROF_SYMBOLIZER_UNWIND_TABLE_H

#include "agent/base/buf.h"
#include "symbolizer/image.h"

#include <libelf.h>

enum { UNWIND_E_MACHINE = 1 };

/*
 * elf: the file that is mapped. debug_frame: its own or its separate debug file's, or empty. out is empty and can hold
 * UNWIND_IMAGE_BYTES_MAX. Returns 0, UNWIND_E_MACHINE (not a 64-bit program of a machine whose stacks are walked),
 * -ENOMEM or -ENOSPC. A file without call frame information has a table without groups.
 */
int unwind_table_build(Elf *elf, struct section debug_frame, struct buf *out);

#endif
