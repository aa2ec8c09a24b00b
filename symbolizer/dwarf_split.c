/* Split DWARF. */
#include "symbolizer/dwarf_split.h"

#include <dwarf.h>
#include <errno.h>

#define FILES_MAX 4096
#define UNITS_MAX (64u << 10) /* of all .dwo files; a package has an index of its own */

int dwarf_splits_init(struct dwarf_splits *s, struct mem *mem)
{
	*s = (struct dwarf_splits) { .mem = mem };
	return hashmap_new(&s->units, sizeof(uint64_t), sizeof(struct dwarf_split), UNITS_MAX);
}

static void free_file(struct dwarf_splits *s, struct dwarf_file *file)
{
	struct image *image = file->image;

	dwarf_file_deinit(file, s->mem);
	image_free(image);
	mem_free(s->mem, file, sizeof(*file));
}

void dwarf_splits_deinit(struct dwarf_splits *s)
{
	while (s->files) {
		struct dwarf_file *file = s->files;

		s->files = file->next;
		free_file(s, file);
	}
	s->units = hashmap_free(s->units);
}

/* The id of the unit at offset: in its header, or before DWARF 5 in its first entry. */
static bool read_id(struct dwarf_file *file, uint64_t offset, struct mem *mem, uint64_t *ret)
{
	struct dwarf_unit unit;

	if (dwarf_unit_init_root(&unit, file, offset, mem))
		return false;
	*ret = unit.dwo_id;
	dwarf_unit_deinit(&unit);
	return unit.tag == DW_TAG_compile_unit && *ret;
}

static ssize_t add_units(struct dwarf_splits *s, struct dwarf_file *file)
{
	ssize_t nr = 0;
	int r = dwarf_file_list(file, s->mem);

	for (size_t i = 0; i < file->nr && !r; i++) {
		struct dwarf_split split = { .file = file, .info = file->units[i] };
		void *value;
		bool new;
		uint64_t id;

		if (!read_id(file, file->units[i], s->mem, &id))
			continue;
		r = hashmap_put(s->units, &id, &value, &new);
		if (r > 0)
			r = -ENOSPC;
		if (!r && new) { /* the first of an id counts */
			memcpy(value, &split, sizeof(split));
			nr++;
		}
	}
	return nr ? nr : r;
}

ssize_t dwarf_splits_add(struct dwarf_splits *s, struct image *image)
{
	struct dwarf_file *file = s->nr < FILES_MAX ? mem_zalloc(s->mem, sizeof(*file)) : NULL;
	ssize_t nr;

	if (!file) {
		image_free(image);
		return s->nr < FILES_MAX ? -ENOMEM : -ENOSPC;
	}
	file->image = image;
	file->dwo = true;
	nr = image_has(image, IMAGE_CU_INDEX) ? 1 : add_units(s, file);
	if (nr <= 0) {
		free_file(s, file);
		return nr;
	}
	file->next = s->files;
	s->files = file;
	s->nr++;
	return nr;
}

/* The index of a package: a hash table of ids, and where in each section the units have their part. */
struct package_index {
	uint32_t version, nr_columns, nr_units, nr_slots;
	struct reader slots, rows, columns, offsets;
};

static bool read_index(struct dwarf_file *file, struct package_index *ret)
{
	struct section section = image_section(file->image, IMAGE_CU_INDEX);
	struct reader r = reader_of(section.data, section.size);

	image_touch(file->image, section.data, section.size);
	ret->version = reader_u16(&r); /* 5; GNU's is 2, in four bytes */
	reader_skip(&r, 2);
	ret->nr_columns = reader_u32(&r);
	ret->nr_units = reader_u32(&r);
	ret->nr_slots = reader_u32(&r);
	ret->slots = reader_part(&r, 8ULL * ret->nr_slots);
	ret->rows = reader_part(&r, 4ULL * ret->nr_slots);
	ret->columns = reader_part(&r, 4ULL * ret->nr_columns);
	ret->offsets = reader_part(&r, 4ULL * ret->nr_columns * ret->nr_units);
	return !r.failed && (ret->version == 2 || ret->version == 5) && ret->nr_columns <= 16 &&
	       ret->nr_slots && !(ret->nr_slots & (ret->nr_slots - 1));
}

static uint64_t slot_id(const struct package_index *index, uint32_t slot)
{
	struct reader r = index->slots;

	reader_skip(&r, 8ULL * slot);
	return reader_u64(&r);
}

static uint32_t number_at(struct reader r, uint64_t i)
{
	reader_skip(&r, 4 * i);
	return reader_u32(&r);
}

/* The row of id, counted from 1; 0: not in here. */
static uint32_t find_row(const struct package_index *index, uint64_t id)
{
	uint32_t mask = index->nr_slots - 1, slot = (uint32_t)id & mask;
	uint32_t step = ((uint32_t)(id >> 32) & mask) | 1;

	for (uint32_t i = 0; i < index->nr_slots; i++) {
		uint32_t row = number_at(index->rows, slot);

		if (!row)
			return 0;
		if (slot_id(index, slot) == id)
			return row <= index->nr_units ? row : 0;
		slot = (slot + step) & mask;
	}
	return 0;
}

static void set_part(struct dwarf_split *split, uint32_t version, uint32_t column, uint64_t offset)
{
	switch (column) {
	case DW_SECT_INFO:
		split->info = offset;
		break;
	case DW_SECT_ABBREV:
		split->abbrev = offset;
		break;
	case DW_SECT_LINE:
		split->line = offset;
		break;
	case DW_SECT_STR_OFFSETS:
		split->str_offsets = offset;
		break;
	case DW_SECT_RNGLISTS: /* before DWARF 5 the number was of macros */
		if (version == 5)
			split->rnglists = offset;
		break;
	}
}

static bool find_in_package(struct dwarf_file *file, uint64_t id, struct dwarf_split *ret)
{
	struct package_index index;
	uint32_t row;

	if (!read_index(file, &index))
		return false;
	row = find_row(&index, id);
	if (!row)
		return false;
	*ret = (struct dwarf_split) { .file = file };
	for (uint32_t i = 0; i < index.nr_columns; i++)
		set_part(ret, index.version, number_at(index.columns, i),
			 number_at(index.offsets, (uint64_t)(row - 1) * index.nr_columns + i));
	return true;
}

bool dwarf_splits_find(struct dwarf_splits *s, uint64_t dwo_id, struct dwarf_split *ret)
{
	const struct dwarf_split *split = hashmap_get(s->units, &dwo_id);

	if (split) {
		*ret = *split;
		return true;
	}
	for (struct dwarf_file *file = s->files; file; file = file->next) {
		if (image_has(file->image, IMAGE_CU_INDEX) && find_in_package(file, dwo_id, ret))
			return true;
	}
	return false;
}
