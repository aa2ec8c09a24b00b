/*
 * Which unit describes an address: .debug_aranges (DWARF 5, 6.1.2) where there is one, for units that are not in it
 * their own ranges, their functions when a unit has no ranges either. Library-private.
 */
#ifndef FLEETPROF_SYMBOLIZER_DWARF_FIND_H
#define FLEETPROF_SYMBOLIZER_DWARF_FIND_H

#include "symbolizer/dwarf_units.h"

#define DWARF_NO_UNIT UINT64_MAX

/* [start, end) belongs to the unit at offset. */
struct dwarf_area {
	uint64_t start, end;
	uint64_t reach; /* largest end of the areas up to this one */
	uint64_t unit;
};

struct dwarf_find {
	struct dwarf_area *areas; /* sorted */
	size_t nr, size;
	uint64_t *listed; /* units that .debug_aranges says something about, ascending */
	size_t nr_listed, listed_size;
	bool complete; /* made of all units, not of .debug_aranges alone */
	size_t last; /* where the search before ended: the next address is often near */
	struct mem *mem;
};

/* By .debug_aranges. Returns 0 or -ENOMEM. */
int dwarf_find_quickly(struct dwarf_find *find, struct dwarf_file *file, struct mem *mem);

/*
 * The units that .debug_aranges does not know, by themselves. Returns 0; DWARF_FIND_E_ALL_KNOWN, when there
 * are none; -ENOMEM leaves what was there.
 */
enum { DWARF_FIND_E_ALL_KNOWN = 1 };
int dwarf_find_completely(struct dwarf_find *find, struct dwarf_file *file, struct mem *mem);

void dwarf_find_deinit(struct dwarf_find *find);

/*
 * The unit of the nth area that holds address, the latest beginning first; DWARF_NO_UNIT when there are no more.
 * Narrows the stretch to where the nth is the same.
 */
uint64_t dwarf_find_unit(struct dwarf_find *find, uint64_t address, uint32_t nth,
			 struct stretch *stretch);

#endif
