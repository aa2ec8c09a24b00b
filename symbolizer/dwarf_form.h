/*
 * How the attributes of a debugging information entry are written: DWARF 5, 7.5; the GNU extensions of DWARF 4's split
 * and shared files as well. Library-private.
 */
#ifndef FLEETPROF_SYMBOLIZER_DWARF_FORM_H
#define FLEETPROF_SYMBOLIZER_DWARF_FORM_H

#include "symbolizer/reader.h"

/* What the size of a form depends on. */
struct dwarf_format {
	uint16_t version; /* 2 to 5 */
	uint8_t address_size; /* 4 or 8 */
	uint8_t offset_size; /* 4 or 8: 32-bit or 64-bit DWARF */
};

enum dwarf_value_kind {
	DWARF_NONE, /* absent, or of a form that nobody here asks for */
	DWARF_ADDRESS,
	DWARF_ADDRESS_INDEX, /* into .debug_addr, from the unit's base */
	DWARF_NUMBER,
	DWARF_OFFSET, /* into the section that the attribute implies */
	DWARF_LIST_INDEX, /* into the offsets of the unit's range lists */
	DWARF_REF_UNIT, /* bytes from the unit's beginning */
	DWARF_REF_INFO, /* bytes from the section's beginning */
	DWARF_REF_ALT, /* the same in the shared file of dwz */
	DWARF_STRING, /* in the entry itself */
	DWARF_STRING_STR, /* offset into .debug_str */
	DWARF_STRING_LINE_STR, /* … .debug_line_str */
	DWARF_STRING_ALT, /* … .debug_str of the shared file */
	DWARF_STRING_INDEX, /* into .debug_str_offsets, from the unit's base */
};

struct dwarf_value {
	enum dwarf_value_kind kind;
	uint64_t u; /* the number, offset, address or index */
	const char *s; /* of DWARF_STRING */
};

/* How to pass over a value. Fixed sizes are their number of bytes, below DWARF_SKIP_LEB. */
enum {
	DWARF_SKIP_LEB = 0x1000,
	DWARF_SKIP_CSTR,
	DWARF_SKIP_BLOCK1,
	DWARF_SKIP_BLOCK2,
	DWARF_SKIP_BLOCK4,
	DWARF_SKIP_BLOCK, /* length as LEB128 */
	DWARF_SKIP_INDIRECT,
	DWARF_SKIP_UNKNOWN, /* not a form: nothing behind it can be read */
};
uint32_t dwarf_form_skip(uint32_t form, const struct dwarf_format *format);

/* Passes over a value of a kind of dwarf_form_skip(). */
void dwarf_skip(struct reader *r, uint32_t skip, const struct dwarf_format *format);

/* Reads a value; implicit is the abbreviation's, for DW_FORM_implicit_const. An unknown form fails r. */
struct dwarf_value dwarf_read(struct reader *r, uint32_t form, int64_t implicit,
			      const struct dwarf_format *format);

/* An unsigned integer of offset_size bytes. */
static inline uint64_t dwarf_read_offset(struct reader *r, const struct dwarf_format *format)
{
	return format->offset_size == 8 ? reader_u64(r) : reader_u32(r);
}

/*
 * A unit's length, which also says whether it is 32-bit or 64-bit DWARF (7.4). Returns the unit's bytes as a reader,
 * failed when the length is reserved or leads out of r.
 */
struct reader dwarf_read_length(struct reader *r, uint8_t *ret_offset_size);

#endif
