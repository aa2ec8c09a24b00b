/*
 * DWARF 4 and 5 by libdw: lines and inlined functions, a unit at a time.
 *
 * A unit is read once, into a flat table of address ranges that do not overlap, each with its innermost function;
 * a sorted batch then walks every unit it touches once. Library-private.
 */
#ifndef FLEETPROF_SYMBOLIZER_DWARF_H
#define FLEETPROF_SYMBOLIZER_DWARF_H

#include "symbolizer/result.h"

#include <libelf.h>

struct dwarf_index;

/* NULL in *ret when the file has no DWARF. elf outlives the index. */
int dwarf_index_new(struct dwarf_index **ret, Elf *elf);
struct dwarf_index *dwarf_index_free(struct dwarf_index *d);
DEFINE_CLEANUP(struct dwarf_index *, dwarf_index_free)

/*
 * Adds the frames of vaddr, innermost first, to result. Returns how many (0: not in here), or -errno. Cheapest when
 * vaddrs come ascending: the last unit is kept.
 */
int dwarf_index_frames(struct dwarf_index *d, uint64_t vaddr, enum symbolizer_demangle how,
		       struct result *result);

#endif
