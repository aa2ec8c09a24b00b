/* The forms of attributes. */
#include "symbolizer/dwarf_form.h"
#include "agent/base/cleanup.h"

#include <dwarf.h>

/* Younger than the header of some, or GNU's. */
#define FORM_GNU_ADDR_INDEX 0x1f01
#define FORM_GNU_STR_INDEX 0x1f02
#define FORM_GNU_REF_ALT 0x1f20
#define FORM_GNU_STRP_ALT 0x1f21

/* What the table below says beside enum dwarf_skip; 0 is no form. */
enum {
	SKIP_NOTHING = DWARF_SKIP_UNKNOWN + 1, /* the value is not there */
	SKIP_OFFSET,
	SKIP_ADDRESS,
	SKIP_REF_ADDR, /* an address in DWARF 2, an offset since */
};

static const uint16_t skips[] = {
	[DW_FORM_flag_present] = SKIP_NOTHING,
	[DW_FORM_implicit_const] = SKIP_NOTHING,
	[DW_FORM_data1] = 1,
	[DW_FORM_ref1] = 1,
	[DW_FORM_flag] = 1,
	[DW_FORM_strx1] = 1,
	[DW_FORM_addrx1] = 1,
	[DW_FORM_data2] = 2,
	[DW_FORM_ref2] = 2,
	[DW_FORM_strx2] = 2,
	[DW_FORM_addrx2] = 2,
	[DW_FORM_strx3] = 3,
	[DW_FORM_addrx3] = 3,
	[DW_FORM_data4] = 4,
	[DW_FORM_ref4] = 4,
	[DW_FORM_strx4] = 4,
	[DW_FORM_addrx4] = 4,
	[DW_FORM_ref_sup4] = 4,
	[DW_FORM_data8] = 8,
	[DW_FORM_ref8] = 8,
	[DW_FORM_ref_sig8] = 8,
	[DW_FORM_ref_sup8] = 8,
	[DW_FORM_data16] = 16,
	[DW_FORM_addr] = SKIP_ADDRESS,
	[DW_FORM_ref_addr] = SKIP_REF_ADDR,
	[DW_FORM_strp] = SKIP_OFFSET,
	[DW_FORM_line_strp] = SKIP_OFFSET,
	[DW_FORM_sec_offset] = SKIP_OFFSET,
	[DW_FORM_strp_sup] = SKIP_OFFSET,
	[DW_FORM_sdata] = DWARF_SKIP_LEB,
	[DW_FORM_udata] = DWARF_SKIP_LEB,
	[DW_FORM_ref_udata] = DWARF_SKIP_LEB,
	[DW_FORM_strx] = DWARF_SKIP_LEB,
	[DW_FORM_addrx] = DWARF_SKIP_LEB,
	[DW_FORM_loclistx] = DWARF_SKIP_LEB,
	[DW_FORM_rnglistx] = DWARF_SKIP_LEB,
	[DW_FORM_string] = DWARF_SKIP_CSTR,
	[DW_FORM_block1] = DWARF_SKIP_BLOCK1,
	[DW_FORM_block2] = DWARF_SKIP_BLOCK2,
	[DW_FORM_block4] = DWARF_SKIP_BLOCK4,
	[DW_FORM_block] = DWARF_SKIP_BLOCK,
	[DW_FORM_exprloc] = DWARF_SKIP_BLOCK,
	[DW_FORM_indirect] = DWARF_SKIP_INDIRECT,
};

uint32_t dwarf_form_skip(uint32_t form, const struct dwarf_format *format)
{
	uint32_t skip = form < ARRAY_SIZE(skips) ? skips[form] : 0;

	if (form == FORM_GNU_ADDR_INDEX || form == FORM_GNU_STR_INDEX)
		skip = DWARF_SKIP_LEB;
	else if (form == FORM_GNU_REF_ALT || form == FORM_GNU_STRP_ALT)
		skip = SKIP_OFFSET;
	switch (skip) {
	case 0:
		return DWARF_SKIP_UNKNOWN;
	case SKIP_NOTHING:
		return 0;
	case SKIP_OFFSET:
		return format->offset_size;
	case SKIP_ADDRESS:
		return format->address_size;
	case SKIP_REF_ADDR:
		return format->version == 2 ? format->address_size : format->offset_size;
	default:
		return skip;
	}
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
