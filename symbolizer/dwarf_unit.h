/*
 * A unit of .debug_info: its header, its first entry, and how the values of its entries are looked up in other
 * sections. DWARF 5, 7.5.1; DWARF 2 to 5, 32-bit and 64-bit. Library-private.
 */
#ifndef FLEETPROF_SYMBOLIZER_DWARF_UNIT_H
#define FLEETPROF_SYMBOLIZER_DWARF_UNIT_H

#include "symbolizer/dwarf_abbrev.h"
#include "symbolizer/image.h"

/* A file with debug sections, and the file that dwz moved what it shares with others to. */
struct dwarf_file {
	struct image *image;
	struct dwarf_file *alt; /* NULL: none was given */
	struct dwarf_file *next; /* of a list of split ones */
	bool dwo; /* .dwo sections: bases are implied */
	uint64_t *units; /* where each unit begins, ascending; once listed */
	size_t nr, size;
	bool listed;
	struct dwarf_abbrevs *abbrevs; /* read last: neighbours often share one table */
};

/* Finds where each unit begins; 0 or -ENOMEM. */
int dwarf_file_list(struct dwarf_file *file, struct mem *mem);
void dwarf_file_deinit(struct dwarf_file *file, struct mem *mem);

/* Where the other half of a split unit is; the offsets of its parts in a package's sections. */
struct dwarf_split {
	struct dwarf_file *file;
	uint64_t info, abbrev, line, str_offsets, rnglists;
};

struct dwarf_header {
	struct dwarf_format format;
	uint64_t offset; /* of the unit in .debug_info */
	uint64_t first; /* of its first entry, from the unit's beginning */
	uint64_t size; /* from its beginning to its end */
	uint64_t abbrev_offset;
	uint64_t dwo_id; /* of skeletons and split units of DWARF 5 */
	uint8_t type; /* DW_UT_…; before DWARF 5 always DW_UT_compile, whatever the first entry is */
};

/* The header at offset of .debug_info; r, at the unit's beginning, moves on to its end. 0 or -EBADMSG. */
int dwarf_header_read(struct reader *r, uint64_t offset, struct dwarf_header *ret);

/* Where the code of an entry is. */
struct dwarf_pc {
	struct dwarf_value low, high, ranges;
};

struct dwarf_unit {
	struct dwarf_header header;
	struct dwarf_file *file; /* whose .debug_info it is in */
	struct dwarf_file *code; /* whose .debug_addr: another one for split units only */
	struct dwarf_file *line_file; /* whose .debug_line */
	struct dwarf_abbrevs *abbrevs;
	const uint8_t *data; /* of header.size bytes */

	/* Of the first entry. */
	uint16_t tag;
	struct dwarf_pc pc;
	struct dwarf_value name, comp_dir, line, dwo_name;
	uint64_t low_pc; /* what range lists count from */
	uint64_t addr_base, str_offsets_base, rnglists_base, gnu_ranges_base;
	uint64_t dwo_id;
	bool is_skeleton;
};

/*
 * Reads the unit at offset. For a split unit: split, and skeleton, the unit in the executable that it belongs to; else
 * NULL. Returns 0, -EBADMSG, -ENOSPC or -ENOMEM.
 */
int dwarf_unit_init(struct dwarf_unit *unit, struct dwarf_file *file, uint64_t offset,
		    const struct dwarf_split *split, const struct dwarf_unit *skeleton,
		    struct mem *mem);

/* As above, so that nothing but what its first entry says can be known of it: which takes a fraction of the time. */
int dwarf_unit_init_root(struct dwarf_unit *unit, struct dwarf_file *file, uint64_t offset,
			 struct mem *mem);

void dwarf_unit_deinit(struct dwarf_unit *unit);

/* Its bytes, from at on. */
struct reader dwarf_unit_reader(const struct dwarf_unit *unit, uint64_t at);

/* Where r, a reader of the unit, stands. */
static inline uint64_t dwarf_unit_at(const struct dwarf_unit *unit, const struct reader *r)
{
	return (uint64_t)(r->at - unit->data);
}

/* The string of a value, within its section; NULL if there is none. */
const char *dwarf_unit_string(const struct dwarf_unit *unit, const struct dwarf_value *value);

/* As above, of a value that is written in another file of the unit. */
const char *dwarf_unit_string_of(const struct dwarf_unit *unit, struct dwarf_file *file,
				 const struct dwarf_value *value);

/* The address of a value; false if there is none. */
bool dwarf_unit_address(const struct dwarf_unit *unit, const struct dwarf_value *value,
			uint64_t *ret);

/* An entry elsewhere, that one refers to. */
struct dwarf_ref {
	struct dwarf_file *file;
	uint64_t offset; /* in its .debug_info */
};
/* False, and *ret as it was: it refers to nothing, or to a file that was not given. */
bool dwarf_unit_ref(const struct dwarf_unit *unit, const struct dwarf_value *value,
		    struct dwarf_ref *ret);

#endif
