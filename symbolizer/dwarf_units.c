/* The units that were read. */
#include "symbolizer/dwarf_units.h"

#include <errno.h>

#define UNITS_MAX (4u << 20)

void dwarf_units_init(struct dwarf_units *units, struct mem *mem, size_t soft_max)
{
	*units = (struct dwarf_units) { .mem = mem, .soft_max = soft_max };
}

static struct dwarf_entry **bucket_of(struct dwarf_units *units, const struct dwarf_file *file,
				      uint64_t offset)
{
	uint64_t hash = (offset ^ (uintptr_t)file >> 4) * 0x9e3779b97f4a7c15ULL;

	return &units->buckets[hash >> 54];
}
_Static_assert(DWARF_UNIT_BUCKETS == 1 << (64 - 54), "the hash's upper bits choose the bucket");

static void unlink_entry(struct dwarf_units *units, struct dwarf_entry *e)
{
	if (e->newer)
		e->newer->older = e->older;
	else
		units->newest = e->older;
	if (e->older)
		e->older->newer = e->newer;
	else
		units->oldest = e->newer;
}

static void link_newest(struct dwarf_units *units, struct dwarf_entry *e)
{
	e->newer = NULL;
	e->older = units->newest;
	if (units->newest)
		units->newest->newer = e;
	else
		units->oldest = e;
	units->newest = e;
}

static void free_entry(struct dwarf_units *units, struct dwarf_entry *e)
{
	struct dwarf_entry **at = bucket_of(units, e->unit.file, e->unit.header.offset);

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	unlink_entry(units, e);
	if (e->split)
		dwarf_units_put(e->split);
	if (e->have_functions == DWARF_HAVE)
		dwarf_functions_deinit(&e->functions);
	if (e->have_lines == DWARF_HAVE)
		dwarf_lines_deinit(&e->lines);
	if (e->have_paths == DWARF_HAVE)
		dwarf_paths_deinit(&e->paths);
	dwarf_unit_deinit(&e->unit);
	mem_free(units->mem, e, sizeof(*e));
}

/* Frees old units until no more than max bytes are in use that could go, as far as they are not pinned. */
static void shrink(struct dwarf_units *units, size_t max)
{
	struct dwarf_entry *e = units->oldest;

	while (e && units->mem->used - units->mem->kept > max) {
		struct dwarf_entry *newer = e->newer;

		if (!e->pins) {
			free_entry(units, e);
			units->evicted++;
		}
		e = newer;
	}
}

void dwarf_units_drop(struct dwarf_units *units)
{
	shrink(units, 0);
	shrink(units, 0); /* split units, that their skeletons held */
}

void dwarf_units_deinit(struct dwarf_units *units)
{
	dwarf_units_drop(units);
}

static struct dwarf_entry *find_entry(struct dwarf_units *units, const struct dwarf_file *file,
				      uint64_t offset)
{
	struct dwarf_entry *e = *bucket_of(units, file, offset);

	while (e && (e->unit.header.offset != offset || e->unit.file != file))
		e = e->next;
	return e;
}

bool dwarf_units_has(struct dwarf_units *units, const struct dwarf_file *file, uint64_t offset)
{
	return find_entry(units, file, offset);
}

static int read_entry(struct dwarf_units *units, struct dwarf_file *file, uint64_t offset,
		      const struct dwarf_split *split, const struct dwarf_unit *skeleton,
		      struct dwarf_entry **ret)
{
	struct dwarf_entry *e = mem_zalloc(units->mem, sizeof(*e));
	int r;

	if (!e)
		return -ENOMEM;
	r = dwarf_unit_init(&e->unit, file, offset, split, skeleton, units->mem);
	if (r) {
		mem_free(units->mem, e, sizeof(*e));
		return r;
	}
	*ret = e;
	return 0;
}

int dwarf_units_get(struct dwarf_units *units, struct dwarf_file *file, uint64_t offset,
		    const struct dwarf_split *split, const struct dwarf_unit *skeleton,
		    struct dwarf_entry **ret)
{
	struct dwarf_entry *e = find_entry(units, file, offset), **bucket;
	int r = 0;

	if (e == units->newest && e) {
		e->pins++;
		*ret = e;
		return 0;
	}
	if (e) {
		unlink_entry(units, e);
	} else {
		bucket = bucket_of(units, file, offset);
		shrink(units, units->soft_max);
		r = read_entry(units, file, offset, split, skeleton, &e);
		if (r == -ENOMEM) {
			dwarf_units_drop(units);
			r = read_entry(units, file, offset, split, skeleton, &e);
		}
		if (r)
			return r;
		e->next = *bucket;
		*bucket = e;
		units->read++;
	}
	link_newest(units, e);
	e->pins++;
	*ret = e;
	return 0;
}

void dwarf_units_put(struct dwarf_entry *entry)
{
	entry->pins--;
}

static bool read_functions(struct dwarf_units *units, struct dwarf_entry *e, bool everything)
{
	struct dwarf_functions functions;
	int r = dwarf_functions_init(&functions, &e->unit, everything, units->mem);

	if (r == -ENOMEM) {
		dwarf_units_drop(units);
		r = dwarf_functions_init(&functions, &e->unit, everything, units->mem);
	}
	if (r)
		return false;
	if (e->have_functions == DWARF_HAVE)
		dwarf_functions_deinit(&e->functions);
	e->functions = functions;
	return true;
}

bool dwarf_units_functions(struct dwarf_units *units, struct dwarf_entry *e, bool everything)
{
	if (e->have_functions == DWARF_CANNOT)
		return false;
	if (e->have_functions == DWARF_HAVE && e->everything >= everything)
		return true;
	if (read_functions(units, e, everything))
		e->have_functions = DWARF_HAVE;
	else if (e->have_functions == DWARF_NOT_READ)
		e->have_functions = DWARF_CANNOT;
	e->everything = everything || /* had, or not to be had: not to be tried again */
			(e->have_functions == DWARF_HAVE && e->functions.everything);
	return e->have_functions == DWARF_HAVE;
}

bool dwarf_units_program(struct dwarf_entry *e)
{
	if (e->have_program == DWARF_NOT_READ)
		e->have_program =
			dwarf_program_read(&e->program, &e->unit) ? DWARF_CANNOT : DWARF_HAVE;
	return e->have_program == DWARF_HAVE;
}

bool dwarf_units_lines(struct dwarf_units *units, struct dwarf_entry *e)
{
	int r;

	if (e->have_lines == DWARF_NOT_READ && dwarf_units_program(e)) {
		r = dwarf_lines_init(&e->lines, &e->program, units->mem);
		if (r == -ENOMEM) {
			dwarf_units_drop(units);
			r = dwarf_lines_init(&e->lines, &e->program, units->mem);
		}
		e->have_lines = r ? DWARF_CANNOT : DWARF_HAVE;
	}
	return e->have_lines == DWARF_HAVE;
}

bool dwarf_units_paths(struct dwarf_units *units, struct dwarf_entry *e)
{
	int r;

	if (e->have_paths == DWARF_NOT_READ && dwarf_units_program(e)) {
		r = dwarf_paths_init(&e->paths, &e->program, units->mem);
		if (r == -ENOMEM) {
			dwarf_units_drop(units);
			r = dwarf_paths_init(&e->paths, &e->program, units->mem);
		}
		e->have_paths = r ? DWARF_CANNOT : DWARF_HAVE;
	}
	return e->have_paths == DWARF_HAVE;
}

struct dwarf_inlines *dwarf_units_inlines(struct dwarf_units *units, struct dwarf_entry *e,
					  struct dwarf_function *function)
{
	int r = 0;

	if (!function->inlines)
		r = dwarf_inlines_new(&function->inlines, &e->unit, function->die, units->mem);
	if (r || function->inlines->cut) {
		dwarf_units_drop(units);
		dwarf_inlines_free(function->inlines, units->mem);
		r = dwarf_inlines_new(&function->inlines, &e->unit, function->die, units->mem);
	}
	return r ? NULL : function->inlines;
}

int dwarf_file_list(struct dwarf_file *file, struct mem *mem)
{
	struct section info = image_section(file->image, IMAGE_INFO);
	struct reader r = reader_of(info.data, info.size);
	int rc = 0;

	if (file->listed)
		return 0;
	while (reader_left(&r) && !rc) {
		struct dwarf_header header;
		uint64_t offset = info.size - reader_left(&r);

		image_touch(file->image, r.at, 64);
		rc = dwarf_header_read(&r, offset, &header);
		if (!rc)
			rc = mem_grow(mem, (void **)&file->units, &file->size, file->nr,
				      sizeof(*file->units), UNITS_MAX);
		if (!rc)
			file->units[file->nr++] = offset;
	}
	file->listed = rc != -ENOMEM; /* what breaks off is whole until there */
	return rc == -ENOMEM ? rc : 0;
}

void dwarf_file_deinit(struct dwarf_file *file, struct mem *mem)
{
	mem_free(mem, file->units, file->size * sizeof(*file->units));
	dwarf_abbrevs_put(file->abbrevs);
	*file = (struct dwarf_file) { .image = file->image };
}

int dwarf_units_around(struct dwarf_units *units, const struct dwarf_ref *ref,
		       struct dwarf_entry **ret)
{
	const struct dwarf_file *file = ref->file;
	size_t lo = 0, n;
	int r = dwarf_file_list(ref->file, units->mem);

	if (r)
		return r;
	n = file->nr;
	while (n > 0) { /* the first that begins above */
		size_t half = n / 2;

		if (file->units[lo + half] <= ref->offset) {
			lo += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	if (!lo)
		return -EBADMSG;
	return dwarf_units_get(units, ref->file, file->units[lo - 1], NULL, NULL, ret);
}
