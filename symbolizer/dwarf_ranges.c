/* Address ranges. */
#include "symbolizer/dwarf_ranges.h"

#include <dwarf.h>

/* Where the list of DWARF 5 is: an offset, or an index into the offsets behind the unit's base. */
static bool list_offset(const struct dwarf_unit *unit, const struct section *lists,
			const struct dwarf_value *value, uint64_t *ret)
{
	uint32_t size = unit->header.format.offset_size;
	struct reader r;

	*ret = value->u;
	if (value->kind != DWARF_LIST_INDEX)
		return true;
	if (value->u > lists->size)
		return false;
	r = reader_from(lists->data, lists->size, unit->rnglists_base);
	reader_skip(&r, value->u * size);
	*ret = reader_uint(&r, size) + unit->rnglists_base;
	return !r.failed;
}

static void begin_list(struct dwarf_ranges *it, const struct dwarf_value *value)
{
	const struct dwarf_unit *unit = it->unit;
	bool is5 = unit->header.format.version >= 5;
	struct dwarf_file *file = is5 ? unit->file : unit->code;
	struct section section = image_section(file->image, is5 ? IMAGE_RNGLISTS : IMAGE_RANGES);
	uint64_t offset = value->u;

	if (is5 && !list_offset(unit, &section, value, &offset))
		return;
	if (!is5 && unit->file != unit->code)
		offset += unit->gnu_ranges_base;
	it->r = reader_from(section.data, section.size, offset);
	image_touch(file->image, it->r.at, MIN(reader_left(&it->r), (size_t)4096));
	it->kind = is5 ? DWARF_RANGES_5 : DWARF_RANGES_4;
	it->base = unit->low_pc;
}

void dwarf_ranges_begin(struct dwarf_ranges *it, const struct dwarf_unit *unit,
			const struct dwarf_pc *pc)
{
	*it = (struct dwarf_ranges) { .unit = unit };
	if (pc->ranges.kind != DWARF_NONE) {
		begin_list(it, &pc->ranges);
		return;
	}
	if (pc->high.kind == DWARF_NONE || !dwarf_unit_address(unit, &pc->low, &it->start))
		return;
	if (pc->high.kind == DWARF_NUMBER)
		it->end = it->start + pc->high.u;
	else if (!dwarf_unit_address(unit, &pc->high, &it->end))
		return;
	it->kind = DWARF_RANGES_ONE;
}

static bool next_4(struct dwarf_ranges *it)
{
	uint32_t size = it->unit->header.format.address_size;
	uint64_t select = size == 8 ? UINT64_MAX : UINT32_MAX;

	while (reader_left(&it->r)) {
		uint64_t start = reader_uint(&it->r, size), end = reader_uint(&it->r, size);

		if (start == select) {
			it->base = end;
			continue;
		}
		if (it->r.failed || (!start && !end))
			return false;
		it->start = it->base + start;
		it->end = it->base + end;
		return true;
	}
	return false;
}

static uint64_t indexed(struct dwarf_ranges *it)
{
	struct dwarf_value value = { .kind = DWARF_ADDRESS_INDEX, .u = reader_uleb(&it->r) };
	uint64_t address = 0;

	return dwarf_unit_address(it->unit, &value, &address) ? address : 0;
}

/* One entry. Returns 1 for a range, 0 for something else, -1 at the end. */
static int entry_5(struct dwarf_ranges *it)
{
	uint32_t size = it->unit->header.format.address_size;

	switch (reader_u8(&it->r)) {
	case DW_RLE_base_addressx:
		it->base = indexed(it);
		return 0;
	case DW_RLE_base_address:
		it->base = reader_uint(&it->r, size);
		return 0;
	case DW_RLE_startx_endx:
		it->start = indexed(it);
		it->end = indexed(it);
		return 1;
	case DW_RLE_startx_length:
		it->start = indexed(it);
		it->end = it->start + reader_uleb(&it->r);
		return 1;
	case DW_RLE_offset_pair:
		it->start = it->base + reader_uleb(&it->r);
		it->end = it->base + reader_uleb(&it->r);
		if (!it->base) /* the base of discarded code */
			it->end = it->start = 0;
		return 1;
	case DW_RLE_start_end:
		it->start = reader_uint(&it->r, size);
		it->end = reader_uint(&it->r, size);
		return 1;
	case DW_RLE_start_length:
		it->start = reader_uint(&it->r, size);
		it->end = it->start + reader_uleb(&it->r);
		return 1;
	}
	return -1; /* the end of the list, or nonsense */
}

static bool next_5(struct dwarf_ranges *it)
{
	int r = 0;

	while (!r && reader_left(&it->r))
		r = entry_5(it);
	return r > 0 && !it->r.failed;
}

bool dwarf_ranges_next(struct dwarf_ranges *it, uint64_t *ret_start, uint64_t *ret_end)
{
	bool found = it->kind != DWARF_RANGES_END;

	while (found) {
		if (it->kind == DWARF_RANGES_ONE)
			it->kind = DWARF_RANGES_END;
		else
			found = it->kind == DWARF_RANGES_4 ? next_4(it) : next_5(it);
		if (found && it->start && it->start < it->end) {
			*ret_start = it->start;
			*ret_end = it->end;
			return true;
		}
		found = found && it->kind != DWARF_RANGES_END;
	}
	it->kind = DWARF_RANGES_END;
	return false;
}
