/* Units of .debug_info. */
#include "symbolizer/dwarf_unit.h"

#include <dwarf.h>
#include <errno.h>

static bool has_id(uint8_t type)
{
	return type == DW_UT_skeleton || type == DW_UT_split_compile;
}

static bool has_signature(uint8_t type)
{
	return type == DW_UT_type || type == DW_UT_split_type;
}

int dwarf_header_read(struct reader *r, uint64_t offset, struct dwarf_header *ret)
{
	struct dwarf_header h = { .offset = offset, .type = DW_UT_compile };
	const uint8_t *begin = r->at;
	struct reader unit = dwarf_read_length(r, &h.format.offset_size);

	if (unit.failed)
		return -EBADMSG;
	h.size = (uint64_t)(unit.end - begin);
	h.format.version = reader_u16(&unit);
	if (h.format.version == 5) {
		h.type = reader_u8(&unit);
		h.format.address_size = reader_u8(&unit);
		h.abbrev_offset = dwarf_read_offset(&unit, &h.format);
		if (has_id(h.type))
			h.dwo_id = reader_u64(&unit);
		else if (has_signature(h.type))
			reader_skip(&unit, 8U + h.format.offset_size);
	} else if (h.format.version >= 2 && h.format.version <= 4) {
		h.abbrev_offset = dwarf_read_offset(&unit, &h.format);
		h.format.address_size = reader_u8(&unit);
	} else {
		return -EBADMSG;
	}
	if (unit.failed || (h.format.address_size != 8 && h.format.address_size != 4))
		return -EBADMSG;
	h.first = h.size - reader_left(&unit);
	*ret = h;
	return 0;
}

struct reader dwarf_unit_reader(const struct dwarf_unit *unit, uint64_t at)
{
	return reader_from(unit->data, unit->header.size, at);
}

static void set_root_attr(struct dwarf_unit *unit, uint16_t name, const struct dwarf_value *value)
{
	switch (name) {
	case DW_AT_low_pc:
		unit->pc.low = *value;
		break;
	case DW_AT_high_pc:
		unit->pc.high = *value;
		break;
	case DW_AT_ranges:
		unit->pc.ranges = *value;
		break;
	case DW_AT_name:
		unit->name = *value;
		break;
	case DW_AT_comp_dir:
		unit->comp_dir = *value;
		break;
	case DW_AT_stmt_list:
		unit->line = *value;
		break;
	case DW_AT_addr_base:
	case DW_AT_GNU_addr_base:
		unit->addr_base = value->u;
		break;
	case DW_AT_str_offsets_base:
		unit->str_offsets_base = value->u;
		break;
	case DW_AT_rnglists_base:
		unit->rnglists_base = value->u;
		break;
	case DW_AT_GNU_ranges_base:
		unit->gnu_ranges_base = value->u;
		break;
	case DW_AT_dwo_name:
	case DW_AT_GNU_dwo_name:
		unit->dwo_name = *value;
		break;
	case DW_AT_GNU_dwo_id:
		unit->dwo_id = value->u;
		break;
	}
}

/* In a .dwo the tables begin behind their headers, and nobody says so; in a package, behind those of others. */
static void set_implied_bases(struct dwarf_unit *unit, const struct dwarf_split *split)
{
	bool is5 = unit->header.format.version >= 5;
	uint32_t length_size = unit->header.format.offset_size == 8 ? 12 : 4;

	if (!unit->file->dwo)
		return;
	unit->str_offsets_base = (is5 ? length_size + 4 : 0) + (split ? split->str_offsets : 0);
	unit->rnglists_base = (is5 ? length_size + 8 : 0) + (split ? split->rnglists : 0);
}

static int read_root(struct dwarf_unit *unit, const struct dwarf_split *split)
{
	struct reader r = dwarf_unit_reader(unit, unit->header.first);
	const struct dwarf_abbrev *a;

	image_touch(unit->file->image, r.at, 4096);
	a = dwarf_abbrev_find(unit->abbrevs, reader_uleb(&r));
	if (!a)
		return -EBADMSG;
	set_implied_bases(unit, split);
	unit->tag = a->tag;
	unit->dwo_id = unit->header.dwo_id;
	for (uint32_t i = 0; i < a->nr_attrs; i++) {
		const struct dwarf_attr *attr = &unit->abbrevs->attrs[a->first_attr + i];
		struct dwarf_value value =
			dwarf_read(&r, attr->form, attr->implicit, &unit->header.format);

		set_root_attr(unit, attr->name, &value);
	}
	unit->is_skeleton =
		unit->header.type == DW_UT_skeleton || unit->dwo_name.kind != DWARF_NONE;
	return r.failed ? -EBADMSG : 0;
}

/* A split unit does not know its addresses: its skeleton does. Its files it may know itself. */
static void take_from_skeleton(struct dwarf_unit *unit, const struct dwarf_split *split,
			       const struct dwarf_unit *skeleton)
{
	unit->code = skeleton->file;
	unit->addr_base = skeleton->addr_base;
	unit->gnu_ranges_base = skeleton->gnu_ranges_base;
	unit->pc = skeleton->pc;
	if (!unit->comp_dir.kind)
		unit->comp_dir = (struct dwarf_value) {
			.kind = DWARF_STRING, .s = dwarf_unit_string(skeleton, &skeleton->comp_dir)
		};
	unit->low_pc = skeleton->low_pc;
	unit->is_skeleton = false;
	if (unit->line.kind && image_has(unit->file->image, IMAGE_LINE)) {
		unit->line.u += split->line;
		return;
	}
	unit->line = skeleton->line;
	unit->line_file = skeleton->file;
}

static uint64_t root_code(const struct dwarf_unit *unit)
{
	struct reader r = dwarf_unit_reader(unit, unit->header.first);

	return reader_uleb(&r);
}

/* The table that the unit before had, or a new one. */
static int get_abbrevs(struct dwarf_unit *unit, bool root, struct mem *mem)
{
	struct section section = image_section(unit->file->image, IMAGE_ABBREV);
	uint64_t offset = unit->header.abbrev_offset;
	struct dwarf_abbrevs *last = unit->file->abbrevs;
	struct reader r = reader_from(section.data, section.size, offset);
	int rc;

	if (last && last->offset == offset &&
	    !memcmp(&last->format, &unit->header.format, sizeof(last->format))) {
		last->users++;
		unit->abbrevs = last;
		return 0;
	}
	image_touch(unit->file->image, r.at, MIN(reader_left(&r), (size_t)4096));
	rc = dwarf_abbrevs_new(&unit->abbrevs, r, &unit->header.format, root ? root_code(unit) : 0,
			       mem);
	if (rc || root)
		return rc;
	dwarf_abbrevs_put(last);
	unit->abbrevs->offset = offset;
	unit->abbrevs->users++;
	unit->file->abbrevs = unit->abbrevs;
	return 0;
}

static int init(struct dwarf_unit *unit, struct dwarf_file *file, uint64_t offset, bool root,
		const struct dwarf_split *split, const struct dwarf_unit *skeleton, struct mem *mem)
{
	struct section info = image_section(file->image, IMAGE_INFO);
	struct reader r = reader_from(info.data, info.size, offset);
	struct dwarf_unit u = { .file = file, .code = file, .line_file = file, .data = r.at };
	int rc;

	image_touch(file->image, r.at, 64);
	rc = dwarf_header_read(&r, offset, &u.header);
	if (rc)
		return rc;
	if (split)
		u.header.abbrev_offset += split->abbrev;
	rc = get_abbrevs(&u, root, mem);
	if (rc)
		return rc;
	rc = read_root(&u, split);
	if (!rc && split && skeleton)
		take_from_skeleton(&u, split, skeleton);
	else if (!rc)
		dwarf_unit_address(&u, &u.pc.low, &u.low_pc);
	if (rc)
		dwarf_unit_deinit(&u);
	else
		*unit = u;
	return rc;
}

int dwarf_unit_init(struct dwarf_unit *unit, struct dwarf_file *file, uint64_t offset,
		    const struct dwarf_split *split, const struct dwarf_unit *skeleton,
		    struct mem *mem)
{
	return init(unit, file, offset, false, split, skeleton, mem);
}

int dwarf_unit_init_root(struct dwarf_unit *unit, struct dwarf_file *file, uint64_t offset,
			 struct mem *mem)
{
	return init(unit, file, offset, true, NULL, NULL, mem);
}

void dwarf_unit_deinit(struct dwarf_unit *unit)
{
	unit->abbrevs = dwarf_abbrevs_put(unit->abbrevs);
}

/* The string at offset of a section. */
static const char *string_at(struct dwarf_file *file, enum image_section which, uint64_t offset)
{
	struct section section = image_section(file->image, which);
	struct reader r = reader_from(section.data, section.size, offset);

	image_touch(file->image, r.at, MIN(reader_left(&r), (size_t)256));
	return reader_cstr(&r);
}

/* Entry index of a table of size-byte entries that begins at base of a section. */
static bool table_entry(struct dwarf_file *file, enum image_section which, uint64_t base,
			uint64_t index, uint32_t size, uint64_t *ret)
{
	struct section section = image_section(file->image, which);
	struct reader r = reader_from(section.data, section.size, base);

	if (index > section.size)
		return false;
	reader_skip(&r, index * size);
	image_touch(file->image, r.at, size);
	*ret = reader_uint(&r, size);
	return !r.failed;
}

const char *dwarf_unit_string(const struct dwarf_unit *unit, const struct dwarf_value *value)
{
	return dwarf_unit_string_of(unit, unit->file, value);
}

const char *dwarf_unit_string_of(const struct dwarf_unit *unit, struct dwarf_file *file,
				 const struct dwarf_value *value)
{
	uint64_t offset;

	switch (value->kind) {
	case DWARF_STRING:
		return value->s;
	case DWARF_STRING_STR:
		return string_at(file, IMAGE_STR, value->u);
	case DWARF_STRING_LINE_STR:
		return string_at(file, IMAGE_LINE_STR, value->u);
	case DWARF_STRING_ALT:
		return unit->file->alt ? string_at(unit->file->alt, IMAGE_STR, value->u) : NULL;
	case DWARF_STRING_INDEX:
		if (!table_entry(unit->file, IMAGE_STR_OFFSETS, unit->str_offsets_base, value->u,
				 unit->header.format.offset_size, &offset))
			return NULL;
		return string_at(unit->file, IMAGE_STR, offset);
	default:
		return NULL;
	}
}

bool dwarf_unit_address(const struct dwarf_unit *unit, const struct dwarf_value *value,
			uint64_t *ret)
{
	if (value->kind == DWARF_ADDRESS) {
		*ret = value->u;
		return true;
	}
	return value->kind == DWARF_ADDRESS_INDEX &&
	       table_entry(unit->code, IMAGE_ADDR, unit->addr_base, value->u,
			   unit->header.format.address_size, ret);
}

bool dwarf_unit_ref(const struct dwarf_unit *unit, const struct dwarf_value *value,
		    struct dwarf_ref *ret)
{
	switch (value->kind) {
	case DWARF_REF_UNIT:
		if (value->u >= unit->header.size)
			return false;
		*ret = (struct dwarf_ref) { .file = unit->file,
					    .offset = unit->header.offset + value->u };
		return true;
	case DWARF_REF_INFO:
		*ret = (struct dwarf_ref) { .file = unit->file, .offset = value->u };
		return true;
	case DWARF_REF_ALT:
		if (!unit->file->alt)
			return false;
		*ret = (struct dwarf_ref) { .file = unit->file->alt, .offset = value->u };
		return true;
	default:
		return false;
	}
}
