/*
 * The address ranges of an entry: low and high address, or a list in .debug_ranges (DWARF 3 and 4, 2.17.3 there) or
 * .debug_rnglists (DWARF 5, 2.17.3). Library-private.
 */
#ifndef FLEETPROF_SYMBOLIZER_DWARF_RANGES_H
#define FLEETPROF_SYMBOLIZER_DWARF_RANGES_H

#include "symbolizer/dwarf_unit.h"

enum dwarf_ranges_kind { DWARF_RANGES_END, DWARF_RANGES_ONE, DWARF_RANGES_4, DWARF_RANGES_5 };

struct dwarf_ranges {
	const struct dwarf_unit *unit;
	enum dwarf_ranges_kind kind;
	struct reader r;
	uint64_t base;
	uint64_t start, end; /* of DWARF_RANGES_ONE */
};

void dwarf_ranges_begin(struct dwarf_ranges *it, const struct dwarf_unit *unit,
			const struct dwarf_pc *pc);

/*
 * The next range with something in it; false at the end. What linkers put in the place of functions that they
 * discarded (0, or the end of the address space) is left out.
 */
bool dwarf_ranges_next(struct dwarf_ranges *it, uint64_t *ret_start, uint64_t *ret_end);

#endif
