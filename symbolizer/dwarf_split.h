/*
 * Split DWARF: the halves of units that are in files of their own (.dwo), or in a package of them (.dwp).
 * DWARF 5, 7.3.2 and 7.3.5; the GNU extensions of DWARF 4 that came before. Library-private.
 */
#ifndef FLEETPROF_SYMBOLIZER_DWARF_SPLIT_H
#define FLEETPROF_SYMBOLIZER_DWARF_SPLIT_H

#include "agent/base/hashmap.h"
#include "symbolizer/dwarf_unit.h"

struct dwarf_splits {
	struct mem *mem;
	struct dwarf_file *files; /* a list */
	size_t nr;
	struct hashmap *units; /* dwo id → struct dwarf_split, of .dwo files */
};

int dwarf_splits_init(struct dwarf_splits *s, struct mem *mem);
void dwarf_splits_deinit(struct dwarf_splits *s);

/*
 * Adds the units of a .dwo or .dwp, whose image it consumes. Returns how many units came with it (0: it is not needed
 * and was freed), -ENOSPC when there are too many files, -ENOMEM.
 */
ssize_t dwarf_splits_add(struct dwarf_splits *s, struct image *image);

/* False: its file was not given. */
bool dwarf_splits_find(struct dwarf_splits *s, uint64_t dwo_id, struct dwarf_split *ret);

#endif
