/* The forms of attributes. */
#include "symbolizer/dwarf_form.h"

#include <dwarf.h>

/* Younger than the header of some, or GNU's. */
#define FORM_GNU_ADDR_INDEX 0x1f01
#define FORM_GNU_STR_INDEX 0x1f02
#define FORM_GNU_REF_ALT 0x1f20
#define FORM_GNU_STRP_ALT 0x1f21

static uint32_t skip_offset(const struct dwarf_format *format)
{
	return format->offset_size;
}

uint32_t dwarf_form_skip(uint32_t form, const struct dwarf_format *format)
{
	switch (form) {
	case DW_FORM_flag_present:
	case DW_FORM_implicit_const:
		return 0;
	case DW_FORM_data1:
	case DW_FORM_ref1:
	case DW_FORM_flag:
	case DW_FORM_strx1:
	case DW_FORM_addrx1:
		return 1;
	case DW_FORM_data2:
	case DW_FORM_ref2:
	case DW_FORM_strx2:
	case DW_FORM_addrx2:
		return 2;
	case DW_FORM_strx3:
	case DW_FORM_addrx3:
		return 3;
	case DW_FORM_data4:
	case DW_FORM_ref4:
	case DW_FORM_strx4:
	case DW_FORM_addrx4:
	case DW_FORM_ref_sup4:
		return 4;
	case DW_FORM_data8:
	case DW_FORM_ref8:
	case DW_FORM_ref_sig8:
	case DW_FORM_ref_sup8:
		return 8;
	case DW_FORM_data16:
		return 16;
	case DW_FORM_addr:
		return format->address_size;
	case DW_FORM_ref_addr: /* an address in DWARF 2, an offset since */
		return format->version == 2 ? format->address_size : skip_offset(format);
	case DW_FORM_strp:
	case DW_FORM_line_strp:
	case DW_FORM_sec_offset:
	case DW_FORM_strp_sup:
	case FORM_GNU_REF_ALT:
	case FORM_GNU_STRP_ALT:
		return skip_offset(format);
	case DW_FORM_sdata:
	case DW_FORM_udata:
	case DW_FORM_ref_udata:
	case DW_FORM_strx:
	case DW_FORM_addrx:
	case DW_FORM_loclistx:
	case DW_FORM_rnglistx:
	case FORM_GNU_ADDR_INDEX:
	case FORM_GNU_STR_INDEX:
		return DWARF_SKIP_LEB;
	case DW_FORM_string:
		return DWARF_SKIP_CSTR;
	case DW_FORM_block1:
		return DWARF_SKIP_BLOCK1;
	case DW_FORM_block2:
		return DWARF_SKIP_BLOCK2;
	case DW_FORM_block4:
		return DWARF_SKIP_BLOCK4;
	case DW_FORM_block:
	case DW_FORM_exprloc:
		return DWARF_SKIP_BLOCK;
	case DW_FORM_indirect:
		return DWARF_SKIP_INDIRECT;
	}
	return DWARF_SKIP_UNKNOWN;
}

/* The form of DW_FORM_indirect, which may not be indirect again, nor want a value of the abbreviation's. */
static uint32_t indirect_form(struct reader *r)
{
	uint64_t form = reader_uleb(r);

	if (form == DW_FORM_indirect || form == DW_FORM_implicit_const || form > UINT16_MAX)
		reader_fail(r);
	return (uint32_t)form;
}

void dwarf_skip(struct reader *r, uint32_t skip, const struct dwarf_format *format)
{
	if (skip == DWARF_SKIP_INDIRECT) {
		skip = dwarf_form_skip(indirect_form(r), format);
		if (skip == DWARF_SKIP_INDIRECT)
			skip = DWARF_SKIP_UNKNOWN;
	}
	switch (skip) {
	case DWARF_SKIP_LEB:
		reader_skip_leb(r);
		break;
	case DWARF_SKIP_CSTR:
		reader_cstr(r);
		break;
	case DWARF_SKIP_BLOCK1:
		reader_skip(r, reader_u8(r));
		break;
	case DWARF_SKIP_BLOCK2:
		reader_skip(r, reader_u16(r));
		break;
	case DWARF_SKIP_BLOCK4:
		reader_skip(r, reader_u32(r));
		break;
	case DWARF_SKIP_BLOCK:
		reader_skip(r, reader_uleb(r));
		break;
	case DWARF_SKIP_UNKNOWN:
		reader_fail(r);
		break;
	default:
		reader_skip(r, skip);
	}
}

static enum dwarf_value_kind kind_of(uint32_t form)
{
	switch (form) {
	case DW_FORM_data1:
	case DW_FORM_data2:
	case DW_FORM_data4:
	case DW_FORM_data8:
	case DW_FORM_udata:
	case DW_FORM_sdata:
	case DW_FORM_implicit_const:
	case DW_FORM_flag:
	case DW_FORM_flag_present:
		return DWARF_NUMBER;
	case DW_FORM_sec_offset:
		return DWARF_OFFSET;
	case DW_FORM_rnglistx:
		return DWARF_LIST_INDEX;
	case DW_FORM_addr:
		return DWARF_ADDRESS;
	case DW_FORM_addrx:
	case DW_FORM_addrx1:
	case DW_FORM_addrx2:
	case DW_FORM_addrx3:
	case DW_FORM_addrx4:
	case FORM_GNU_ADDR_INDEX:
		return DWARF_ADDRESS_INDEX;
	case DW_FORM_ref1:
	case DW_FORM_ref2:
	case DW_FORM_ref4:
	case DW_FORM_ref8:
	case DW_FORM_ref_udata:
		return DWARF_REF_UNIT;
	case DW_FORM_ref_addr:
		return DWARF_REF_INFO;
	case DW_FORM_ref_sup4:
	case DW_FORM_ref_sup8:
	case FORM_GNU_REF_ALT:
		return DWARF_REF_ALT;
	case DW_FORM_string:
		return DWARF_STRING;
	case DW_FORM_strp:
		return DWARF_STRING_STR;
	case DW_FORM_line_strp:
		return DWARF_STRING_LINE_STR;
	case DW_FORM_strp_sup:
	case FORM_GNU_STRP_ALT:
		return DWARF_STRING_ALT;
	case DW_FORM_strx:
	case DW_FORM_strx1:
	case DW_FORM_strx2:
	case DW_FORM_strx3:
	case DW_FORM_strx4:
	case FORM_GNU_STR_INDEX:
		return DWARF_STRING_INDEX;
	}
	return DWARF_NONE;
}

static struct dwarf_value read_any(struct reader *r, uint32_t form,
				   const struct dwarf_format *format)
{
	struct dwarf_value value = { .kind = DWARF_NONE };
	uint32_t skip;

	if (form == DW_FORM_indirect)
		form = indirect_form(r);
	value.kind = kind_of(form);
	skip = dwarf_form_skip(form, format);
	if (value.kind == DWARF_NONE)
		dwarf_skip(r, skip, format);
	else if (form == DW_FORM_flag_present)
		value.u = 1;
	else if (form == DW_FORM_sdata)
		value.u = (uint64_t)reader_sleb(r);
	else if (skip == DWARF_SKIP_LEB)
		value.u = reader_uleb(r);
	else if (skip == DWARF_SKIP_CSTR)
		value.s = reader_cstr(r);
	else
		value.u = reader_uint(r, skip);
	return value;
}

/* The most frequent ones without detours. */
struct dwarf_value dwarf_read(struct reader *r, uint32_t form, int64_t implicit,
			      const struct dwarf_format *format)
{
	struct dwarf_value value = { .kind = DWARF_NUMBER };

	switch (form) {
	case DW_FORM_implicit_const:
		value.u = (uint64_t)implicit;
		break;
	case DW_FORM_data1:
		value.u = reader_u8(r);
		break;
	case DW_FORM_data2:
		value.u = reader_u16(r);
		break;
	case DW_FORM_data4:
		value.u = reader_u32(r);
		break;
	case DW_FORM_ref4:
		value.kind = DWARF_REF_UNIT;
		value.u = reader_u32(r);
		break;
	case DW_FORM_strp:
		value.kind = DWARF_STRING_STR;
		value.u = dwarf_read_offset(r, format);
		break;
	case DW_FORM_sec_offset:
		value.kind = DWARF_OFFSET;
		value.u = dwarf_read_offset(r, format);
		break;
	default:
		value = read_any(r, form, format);
	}
	if (r->failed)
		value.kind = DWARF_NONE;
	return value;
}

struct reader dwarf_read_length(struct reader *r, uint8_t *ret_offset_size)
{
	uint64_t length = reader_u32(r);

	*ret_offset_size = 4;
	if (length == 0xffffffff) {
		*ret_offset_size = 8;
		length = reader_u64(r);
	} else if (length >= 0xfffffff0) {
		reader_fail(r);
	}
	return reader_part(r, length);
}
