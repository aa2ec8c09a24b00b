/*
 * The units that were read, with their tables: least recently used ones go when memory gets short. Library-private.
 *
 * Pointers into a unit are good as long as it is pinned, or until the next unit is asked for.
 */
#ifndef FLEETPROF_SYMBOLIZER_DWARF_UNITS_H
#define FLEETPROF_SYMBOLIZER_DWARF_UNITS_H

#include "symbolizer/dwarf_lines.h"
#include "symbolizer/dwarf_scopes.h"

enum dwarf_have { DWARF_NOT_READ, DWARF_HAVE, DWARF_CANNOT };

struct dwarf_entry {
	struct dwarf_unit unit;
	struct dwarf_functions functions;
	struct dwarf_lines lines;
	struct dwarf_program program;
	struct dwarf_paths paths;
	enum dwarf_have have_functions, have_lines, have_program, have_paths;
	uint64_t question; /* the first that it was for */
	bool everything; /* functions within functions were looked for as well */
	struct dwarf_entry
		*split; /* the other half of a skeleton, pinned by it; NULL: not there (yet) */

	uint32_t pins;
	struct dwarf_entry *next; /* of its bucket */
	struct dwarf_entry *newer, *older;
};

#define DWARF_UNIT_BUCKETS 1024

struct dwarf_units {
	struct mem *mem;
	size_t soft_max; /* bytes of mem above which old units go */
	struct dwarf_entry *buckets[DWARF_UNIT_BUCKETS];
	struct dwarf_entry *newest, *oldest;
	uint64_t read, evicted; /* counters */
};

void dwarf_units_init(struct dwarf_units *units, struct mem *mem, size_t soft_max);
void dwarf_units_deinit(struct dwarf_units *units);

/* Frees all that are not pinned. */
void dwarf_units_drop(struct dwarf_units *units);

/*
 * The unit that begins at offset of file's .debug_info, pinned; to be given back with dwarf_units_put(). split and
 * skeleton as in dwarf_unit_init(). Returns 0, -EBADMSG, -ENOSPC, -ENOMEM.
 */
int dwarf_units_get(struct dwarf_units *units, struct dwarf_file *file, uint64_t offset,
		    const struct dwarf_split *split, const struct dwarf_unit *skeleton,
		    struct dwarf_entry **ret);
void dwarf_units_put(struct dwarf_entry *entry);

/* Is it there without being read? */
bool dwarf_units_has(struct dwarf_units *units, const struct dwarf_file *file, uint64_t offset);

/* Each reads a table of the unit unless it is there. False: it cannot be had. */
bool dwarf_units_functions(struct dwarf_units *units, struct dwarf_entry *e, bool everything);
bool dwarf_units_program(struct dwarf_entry *e);
bool dwarf_units_lines(struct dwarf_units *units, struct dwarf_entry *e);
bool dwarf_units_paths(struct dwarf_units *units, struct dwarf_entry *e);
/* NULL: not even the function itself. */
struct dwarf_inlines *dwarf_units_inlines(struct dwarf_units *units, struct dwarf_entry *e,
					  struct dwarf_function *function);

/* As dwarf_units_get(), the unit of a compilation or a part of one that offset lies in. */
int dwarf_units_around(struct dwarf_units *units, const struct dwarf_ref *ref,
		       struct dwarf_entry **ret);

#endif
