/* Lines and inlined functions by libdw. */
#include "symbolizer/dwarf.h"
#include "symbolizer/demangle.h"
#include "symbolizer/dwarf_unit.h"

#include <dwarf.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#define UNITS_MAX (1u << 20)
#define UNIT_RANGES_MAX (8u << 20)

/* [start, end) belongs to the unit whose DIE is at offset. */
struct unit_range {
	uint64_t start, end;
	Dwarf_Off offset;
};

struct dwarf_index {
	Dwarf *dwarf;
	struct unit_range *ranges;
	size_t nr, size;
	struct dwarf_unit unit; /* the one read last */
	Dwarf_Off unit_offset;
	bool has_unit;
};

static int add_unit(struct dwarf_index *d, Dwarf_Die *die)
{
	Dwarf_Addr base, start, end;
	ptrdiff_t at = 0;

	while ((at = dwarf_ranges(die, at, &base, &start, &end)) > 0) {
		if (start >= end || !start)
			continue;
		if (d->nr >= UNIT_RANGES_MAX)
			return -ENOSPC;
		if (d->nr == d->size) {
			size_t size = d->size ? 2 * d->size : 256;
			struct unit_range *more = realloc(d->ranges, size * sizeof(*more));

			if (!more)
				return -ENOMEM;
			d->ranges = more;
			d->size = size;
		}
		d->ranges[d->nr++] = (struct unit_range) { .start = start,
							   .end = end,
							   .offset = dwarf_dieoffset(die) };
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct unit_range *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

/* The units' own ranges, not .debug_aranges: clang leaves that out, and it may lie. */
static int read_units(struct dwarf_index *d)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Die die, sub;
	uint8_t type;
	int r = 0;

	for (uint32_t i = 0; i < UNITS_MAX && !r; i++) {
		if (dwarf_get_units(d->dwarf, cu, &cu, NULL, &type, &die, &sub))
			break;
		if (type == DW_UT_skeleton && dwarf_tag(&sub) == DW_TAG_invalid)
			continue; /* its other half is another file, which is not here */
		if (type == DW_UT_compile || type == DW_UT_skeleton)
			r = add_unit(d, &die);
	}
	if (d->nr)
		qsort(d->ranges, d->nr, sizeof(*d->ranges), compare);
	return r == -ENOSPC ? 0 : r;
}

int dwarf_index_new(struct dwarf_index **ret, Elf *elf)
{
	_cleanup_(dwarf_index_freep) struct dwarf_index *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return -ENOMEM;
	*ret = NULL;
	d->dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
	if (!d->dwarf)
		return 0;
	r = read_units(d);
	if (r)
		return r;
	if (d->nr)
		*ret = TAKE_PTR(d);
	return 0;
}

struct dwarf_index *dwarf_index_free(struct dwarf_index *d)
{
	if (!d)
		return NULL;
	if (d->has_unit)
		dwarf_unit_deinit(&d->unit);
	free(d->ranges);
	dwarf_end(d->dwarf);
	free(d);
	return NULL;
}

static const struct unit_range *find_unit(const struct dwarf_index *d, uint64_t vaddr)
{
	size_t lo = 0, hi = d->nr;

	while (lo < hi) { /* first range above vaddr */
		size_t mid = lo + (hi - lo) / 2;

		if (d->ranges[mid].start <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	/* Units may lie inside each other in link-time optimized files: look a little further down. */
	for (size_t i = 0; i < 16 && lo > 0; i++) {
		lo--;
		if (vaddr < d->ranges[lo].end)
			return &d->ranges[lo];
	}
	return NULL;
}

static int use_unit(struct dwarf_index *d, Dwarf_Off offset)
{
	Dwarf_Die die;
	int r;

	if (d->has_unit && d->unit_offset == offset)
		return 0;
	if (!dwarf_offdie(d->dwarf, offset, &die))
		return -EBADMSG;
	if (d->has_unit)
		dwarf_unit_deinit(&d->unit);
	d->has_unit = false;
	r = dwarf_unit_read(&d->unit, &die);
	if (r)
		return r;
	d->has_unit = true;
	d->unit_offset = offset;
	return 0;
}

/* Through abstract origins and specifications. */
static const char *string_of(Dwarf_Die *die, unsigned int name)
{
	Dwarf_Attribute attr;

	return dwarf_formstring(dwarf_attr_integrate(die, name, &attr));
}

static const char *linkage_name(Dwarf_Die *die)
{
	const char *name = string_of(die, DW_AT_linkage_name);

	return name ? name : string_of(die, DW_AT_MIPS_linkage_name);
}

static Dwarf_Word number_of(Dwarf_Die *die, unsigned int name)
{
	Dwarf_Attribute attr;
	Dwarf_Word value;

	if (dwarf_formudata(dwarf_attr(die, name, &attr), &value))
		return 0;
	return value;
}

/* path, made absolute by the unit's compilation directory; into out. */
static const char *full_path(Dwarf_Die *unit, const char *path, char *out, size_t size)
{
	Dwarf_Attribute attr;
	const char *dir;

	if (!path)
		return "";
	if (path[0] == '/')
		return path;
	dir = dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir, &attr));
	if (!dir)
		return path;
	snprintf(out, size, "%s/%s", dir, path);
	return out;
}

struct place {
	const char *file;
	uint32_t line, column;
};

static void line_at(struct dwarf_unit *unit, uint64_t vaddr, char *path, size_t size,
		    struct place *ret)
{
	Dwarf_Line *line = dwarf_getsrc_die(&unit->die, vaddr);
	int n;

	*ret = (struct place) { .file = "" };
	if (!line)
		return;
	ret->file = full_path(&unit->die, dwarf_linesrc(line, NULL, NULL), path, size);
	if (!dwarf_lineno(line, &n) && n > 0)
		ret->line = (uint32_t)n;
	if (!dwarf_linecol(line, &n) && n > 0)
		ret->column = (uint32_t)n;
}

/* Where an inlined function is called: in its parent, that is the line being executed. */
static void call_place(struct dwarf_unit *unit, Dwarf_Die *die, char *path, size_t size,
		       struct place *ret)
{
	Dwarf_Files *files;
	size_t nr;

	*ret = (struct place) { .file = "",
				.line = (uint32_t)number_of(die, DW_AT_call_line),
				.column = (uint32_t)number_of(die, DW_AT_call_column) };
	if (!dwarf_getsrcfiles(&unit->die, &files, &nr))
		ret->file =
			full_path(&unit->die,
				  dwarf_filesrc(files, number_of(die, DW_AT_call_file), NULL, NULL),
				  path, size);
}

static int add_frame(struct dwarf_function *function, const struct place *place,
		     enum symbolizer_demangle how, struct result *result)
{
	const char *linkage = linkage_name(&function->die);
	const char *plain = string_of(&function->die, DW_AT_name);
	_cleanup_(freep) char *demangled = linkage ? demangle(linkage, how) : NULL;
	int decl_line = 0;
	struct symbolizer_frame frame = {
		.name = demangled ? demangled
			: linkage ? linkage
				  : plain,
		.system_name = linkage ? linkage : plain,
		.file = place->file,
		.line = place->line,
		.column = place->column,
		.inlined = function->inlined,
	};

	if (!frame.name || !*frame.name)
		return 0;
	if (!dwarf_decl_line(&function->die, &decl_line) && decl_line > 0)
		frame.start_line = (uint32_t)decl_line;
	return result_add_frame(result, &frame);
}

int dwarf_index_frames(struct dwarf_index *d, uint64_t vaddr, enum symbolizer_demangle how,
		       struct result *result)
{
	const struct unit_range *range = find_unit(d, vaddr);
	uint32_t before = result_frames(result), function;
	char path[PATH_MAX];
	struct place place;
	int r;

	if (!range)
		return 0;
	r = use_unit(d, range->offset);
	if (r)
		return r == -EBADMSG ? 0 : r;
	function = dwarf_unit_find(&d->unit, vaddr);
	line_at(&d->unit, vaddr, path, sizeof(path), &place);
	for (uint32_t depth = 0; function != NO_FUNCTION && depth < RESULT_FRAMES_PER_ADDRESS_MAX;
	     depth++) {
		struct dwarf_function *f = &d->unit.functions[function];

		r = add_frame(f, &place, how, result);
		if (r)
			return r;
		if (f->inlined)
			call_place(&d->unit, &f->die, path, sizeof(path), &place);
		function = f->parent;
	}
	return (int)(result_frames(result) - before);
}
