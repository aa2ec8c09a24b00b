/* One compilation unit: its functions and inlined calls as a flat table over addresses. Library-private. */
#ifndef FLEETPROF_SYMBOLIZER_DWARF_UNIT_H
#define FLEETPROF_SYMBOLIZER_DWARF_UNIT_H

#include "agent/base/cleanup.h"

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

#define NO_FUNCTION UINT32_MAX

/* A function or an inlined call of one. */
struct dwarf_function {
	Dwarf_Die die;
	uint32_t parent; /* the function that it is inlined into; NO_FUNCTION at the outermost */
	bool inlined;
};

/* [start, end) belongs to function, innermost. */
struct dwarf_range {
	uint64_t start, end;
	uint32_t function;
};

struct dwarf_unit {
	Dwarf_Die die;
	struct dwarf_function *functions;
	struct dwarf_range *ranges; /* ascending, without overlap */
	size_t nr_functions, nr_ranges;
};

int dwarf_unit_read(struct dwarf_unit *ret, const Dwarf_Die *die);
void dwarf_unit_deinit(struct dwarf_unit *unit);

/* The innermost function at vaddr, or NO_FUNCTION. */
uint32_t dwarf_unit_find(const struct dwarf_unit *unit, uint64_t vaddr);

#endif
