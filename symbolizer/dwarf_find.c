/* Which unit describes an address. */
#include "symbolizer/dwarf_find.h"
#include "symbolizer/dwarf_ranges.h"

#include <dwarf.h>
#include <errno.h>

#define AREAS_MAX (8u << 20)
#define RANGES_MAX (1u << 20) /* of one unit */
#define LOOK_BACK_MAX                                                                              \
	256 /* areas at one address: templates have one for each unit that uses them */

static int add_area(struct dwarf_find *find, uint64_t start, uint64_t end, uint64_t unit)
{
	struct dwarf_area *last = find->nr ? &find->areas[find->nr - 1] : NULL;
	int r;

	if (last && last->unit == unit && last->end == start) {
		last->end = end;
		return 0;
	}
	r = mem_grow(find->mem, (void **)&find->areas, &find->size, find->nr, sizeof(*find->areas),
		     AREAS_MAX);
	if (!r)
		find->areas[find->nr++] =
			(struct dwarf_area) { .start = start, .end = end, .unit = unit };
	return r;
}

static int compare(const void *a, const void *b)
{
	const struct dwarf_area *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->end != y->end)
		return x->end > y->end ? -1 : 1;
	return x->unit > y->unit ? -1 : x->unit < y->unit; /* the first unit is found first */
}

static void finish(struct dwarf_find *find)
{
	uint64_t reach = 0;

	if (find->nr)
		qsort(find->areas, find->nr, sizeof(*find->areas), compare);
	for (size_t i = 0; i < find->nr; i++) {
		reach = MAX(reach, find->areas[i].end);
		find->areas[i].reach = reach;
	}
}

static int add_listed(struct dwarf_find *find, uint64_t unit)
{
	int r = mem_grow(find->mem, (void **)&find->listed, &find->listed_size, find->nr_listed,
			 sizeof(*find->listed), AREAS_MAX);

	if (!r)
		find->listed[find->nr_listed++] = unit;
	return r;
}

static int compare_offsets(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static bool is_listed(const struct dwarf_find *find, uint64_t unit)
{
	return find->nr_listed &&
	       bsearch(&unit, find->listed, find->nr_listed, sizeof(unit), compare_offsets);
}

/* One set of .debug_aranges; r ends with it. One that says nothing does not count. */
static int read_set(struct dwarf_find *find, struct reader *r, const uint8_t *begin,
		    uint8_t offset_size)
{
	struct dwarf_format format = { .offset_size = offset_size };
	uint16_t version = reader_u16(r);
	uint64_t unit = dwarf_read_offset(r, &format);
	uint8_t size = reader_u8(r), segment_size = reader_u8(r);
	size_t before = find->nr;
	int rc = 0;

	if (r->failed || version != 2 || segment_size || (size != 8 && size != 4))
		return 0;
	reader_skip(r, (2U * size - (uint64_t)(r->at - begin) % (2U * size)) % (2U * size));
	while (reader_left(r) && !rc) {
		uint64_t start = reader_uint(r, size), length = reader_uint(r, size);

		if (r->failed || (!start && !length))
			break;
		if (start && length && start + length > start)
			rc = add_area(find, start, start + length, unit);
	}
	return rc || find->nr == before ? rc : add_listed(find, unit);
}

int dwarf_find_quickly(struct dwarf_find *find, struct dwarf_file *file, struct mem *mem)
{
	struct section section = image_section(file->image, IMAGE_ARANGES);
	struct reader r = reader_of(section.data, section.size);
	struct dwarf_find f = { .mem = mem };
	int rc = 0;

	while (reader_left(&r) && !rc) {
		const uint8_t *begin = r.at;
		uint8_t offset_size;
		struct reader set = dwarf_read_length(&r, &offset_size);

		image_touch(file->image, begin, (size_t)(r.at - begin));
		if (set.failed)
			break;
		rc = read_set(&f, &set, begin, offset_size);
	}
	if (rc == -ENOMEM) {
		dwarf_find_deinit(&f);
		return rc;
	}
	finish(&f);
	if (f.nr_listed)
		qsort(f.listed, f.nr_listed, sizeof(*f.listed), compare_offsets);
	*find = f;
	return 0;
}

static int read_functions(const struct dwarf_unit *root, struct mem *mem,
			  struct dwarf_functions *ret)
{
	struct dwarf_unit unit;
	int r = dwarf_unit_init(&unit, root->file, root->header.offset, NULL, NULL, mem);

	if (r)
		return r;
	r = dwarf_functions_init(ret, &unit, false, mem);
	dwarf_unit_deinit(&unit);
	return r;
}

static int add_functions(struct dwarf_find *find, const struct dwarf_unit *unit)
{
	struct dwarf_functions functions;
	int r = read_functions(unit, find->mem, &functions);

	if (r)
		return r;
	for (size_t i = 0; i < functions.spans.nr && !r; i++)
		r = add_area(find, functions.spans.spans[i].start, functions.spans.spans[i].end,
			     unit->header.offset);
	dwarf_functions_deinit(&functions);
	return r;
}

static int add_unit(struct dwarf_find *find, const struct dwarf_unit *unit)
{
	struct dwarf_ranges it;
	uint64_t start, end;
	bool any = false;
	int r = 0;

	dwarf_ranges_begin(&it, unit, &unit->pc);
	for (uint32_t i = 0; i < RANGES_MAX && !r && dwarf_ranges_next(&it, &start, &end); i++) {
		r = add_area(find, start, end, unit->header.offset);
		any = true;
	}
	if (!any && unit->pc.ranges.kind == DWARF_NONE && unit->pc.high.kind == DWARF_NONE)
		r = add_functions(find, unit);
	return r;
}

static int find_unit(struct dwarf_find *find, struct dwarf_file *file, uint64_t offset)
{
	struct dwarf_unit unit;
	int r = dwarf_unit_init_root(&unit, file, offset, find->mem);

	if (r)
		return r;
	if (unit.tag == DW_TAG_compile_unit || unit.tag == DW_TAG_skeleton_unit)
		r = add_unit(find, &unit);
	dwarf_unit_deinit(&unit);
	return r;
}

/* The areas that are known, to be added to. */
static int copy_areas(const struct dwarf_find *from, struct dwarf_find *to)
{
	int r = 0;

	for (size_t i = 0; i < from->nr && !r; i++)
		r = add_area(to, from->areas[i].start, from->areas[i].end, from->areas[i].unit);
	return r;
}

int dwarf_find_completely(struct dwarf_find *find, struct dwarf_file *file, struct mem *mem)
{
	struct dwarf_find f = { .mem = mem, .complete = true };
	bool all_known = true;
	int r = dwarf_file_list(file, mem);

	if (!r)
		r = copy_areas(find, &f);
	for (size_t i = 0; i < file->nr && !r; i++) {
		if (is_listed(find, file->units[i]))
			continue;
		all_known = false;
		r = find_unit(&f, file, file->units[i]);
		if (r == -EBADMSG || r == -ENOSPC) /* its neighbours may be better */
			r = 0;
	}
	if (r == -ENOMEM) {
		dwarf_find_deinit(&f);
		return r;
	}
	finish(&f);
	dwarf_find_deinit(find);
	*find = f;
	return all_known ? DWARF_FIND_E_ALL_KNOWN : 0;
}

void dwarf_find_deinit(struct dwarf_find *find)
{
	mem_free(find->mem, find->areas, find->size * sizeof(*find->areas));
	mem_free(find->mem, find->listed, find->listed_size * sizeof(*find->listed));
	*find = (struct dwarf_find) { .mem = find->mem };
}

/* The first area that begins above address: the one before, or one of the next, or to be searched for. */
static size_t first_above(struct dwarf_find *find, uint64_t address)
{
	const struct dwarf_area *areas = find->areas;
	size_t lo = find->last, n = find->nr;

	for (size_t i = 0; i < 4 && lo < n && lo && areas[lo - 1].start <= address; i++, lo++) {
		if (areas[lo].start > address)
			return lo;
	}
	lo = 0;
	while (n > 0) {
		size_t half = n / 2;
		bool below = areas[lo + half].start <= address;

		lo = below ? lo + half + 1 : lo;
		n = below ? n - half - 1 : half;
	}
	return lo;
}

uint64_t dwarf_find_unit(struct dwarf_find *find, uint64_t address, uint32_t nth,
			 struct stretch *stretch)
{
	size_t lo = first_above(find, address);

	find->last = lo;
	if (lo < find->nr)
		stretch_narrow(stretch, 0, find->areas[lo].start);
	for (uint32_t i = 0; i < LOOK_BACK_MAX && lo-- > 0; i++) {
		const struct dwarf_area *area = &find->areas[lo];

		if (area->reach <= address)
			break;
		if (address >= area->end) {
			stretch_narrow(stretch, area->end, UINT64_MAX);
			continue;
		}
		stretch_narrow(stretch, area->start, area->end);
		if (!nth--)
			return area->unit;
	}
	return DWARF_NO_UNIT;
}
