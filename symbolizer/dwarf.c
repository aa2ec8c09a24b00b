/* Answers from DWARF. */
#include "symbolizer/dwarf.h"
#include "symbolizer/dwarf_find.h"
#include "symbolizer/dwarf_names.h"
#include "symbolizer/dwarf_split.h"

#include <errno.h>
#include <limits.h>

#define OVERLAPS_MAX 64 /* units tried for one address */
#define WANTS_MAX 256 /* split units that are asked for at a time */

struct dwarf_index {
	struct mem *mem;
	struct dwarf_file file;
	struct dwarf_find find;
	struct dwarf_units units;
	struct dwarf_names names;
	uint64_t question; /* number of the one under way; from 1 */
	bool need_line; /* of this round: a unit that has a function and no line for it is not good enough */
	bool find_failed; /* not enough memory to know all units */
	struct dwarf_file alt; /* dwz's shared file, once it is given */
	struct dwarf_splits splits;
	bool need_alt; /* its shared file was not given */
	uint64_t wants[WANTS_MAX]; /* of the last question: units whose other half is not here */
	size_t nr_wants;
};

int dwarf_index_new(struct dwarf_index **ret, int fd, Elf *elf, struct mem *mem, size_t soft_max)
{
	_cleanup_(dwarf_index_freep) struct dwarf_index *d = mem_zalloc(mem, sizeof(*d));
	int r;

	if (!d)
		return -ENOMEM;
	*ret = NULL;
	d->mem = d->find.mem = mem;
	dwarf_units_init(&d->units, mem, soft_max);
	r = dwarf_names_init(&d->names, mem);
	if (!r)
		r = dwarf_splits_init(&d->splits, mem);
	if (!r)
		r = image_new(&d->file.image, fd, elf, false, mem);
	if (r)
		return r;
	if (!image_has(d->file.image, IMAGE_INFO))
		return 0;
	d->need_alt = image_has(d->file.image, IMAGE_ALTLINK);
	r = dwarf_find_quickly(&d->find, &d->file, mem);
	if (r && r != -ENOMEM)
		return r;
	*ret = TAKE_PTR(d);
	return 0;
}

struct dwarf_index *dwarf_index_free(struct dwarf_index *d)
{
	struct mem *mem;

	if (!d)
		return NULL;
	mem = d->mem;
	dwarf_units_deinit(&d->units);
	dwarf_names_deinit(&d->names);
	dwarf_find_deinit(&d->find);
	dwarf_splits_deinit(&d->splits);
	dwarf_file_deinit(&d->file, mem);
	dwarf_file_deinit(&d->alt, mem);
	image_free(d->file.image);
	image_free(d->alt.image);
	mem_free(mem, d, sizeof(*d));
	return NULL;
}

/* The path of a file of the unit, "" if it is not known. */
static const char *path_of(struct dwarf_index *d, struct dwarf_entry *e, uint32_t file)
{
	struct dwarf_path *path;
	char text[PATH_MAX];
	size_t len;

	if (!dwarf_units_paths(&d->units, e) || file < e->paths.first ||
	    file - e->paths.first >= e->paths.nr_files)
		return "";
	path = &e->paths.files[file - e->paths.first];
	if (!path->full) {
		len = dwarf_paths_write(&e->paths, &e->unit, file, text, sizeof(text));
		path->full = arena_string(&d->names.arena, text, len);
	}
	return path->full ? path->full : "";
}

/* Where the unit's functions are described: in its other half, if that is there. */
static struct dwarf_entry *described_by(struct dwarf_entry *e)
{
	return e->split ? e->split : e;
}

/* The chain of frames from a node outwards; the innermost executes the query's line. */
static int add_frames(struct dwarf_index *d, struct dwarf_entry *e, struct dwarf_inlines *in,
		      uint32_t n, struct dwarf_query *q, struct result *result)
{
	struct symbolizer_frame frame = { .file = q->file ? q->file : "",
					  .line = q->line,
					  .column = q->column };
	int r = 0;

	for (uint32_t i = 0; n != DWARF_NO_NODE && i < RESULT_FRAMES_PER_ADDRESS_MAX && !r; i++) {
		const struct dwarf_node *node = &in->nodes[n];
		const struct dwarf_name *name;
		struct dwarf_call call;

		dwarf_call_read(&e->unit, node, &call);
		name = dwarf_names_get(&d->names, &d->units, e, &call.origin);
		frame.inlined = node->parent != DWARF_NO_NODE;
		if (name && name->name && *name->name) {
			frame.name = name->name;
			frame.system_name = name->system_name;
			frame.start_line = name->start_line;
			r = result_add_stable_frame(result, &frame);
			q->answered = true;
		}
		if (frame.inlined) {
			frame.file = path_of(d, e, call.file);
			frame.line = call.line;
			frame.column = call.column;
		}
		n = node->parent;
	}
	return r;
}

static void set_line(struct dwarf_index *d, struct dwarf_entry *e,
		     const struct dwarf_scanned *scanned, struct dwarf_query *q)
{
	struct dwarf_place place = { .line = 0 };

	if (scanned && !scanned->sequence)
		return;
	if (scanned) {
		place = scanned->place;
		stretch_narrow(&q->stretch, scanned->stretch.start, scanned->stretch.end);
	} else if (e->have_lines != DWARF_HAVE ||
		   !dwarf_lines_find(&e->lines, q->vaddr, &q->stretch, &place))
		return;
	q->file = path_of(d, e, place.file);
	q->line = place.line;
	q->column = place.column;
}

static struct dwarf_function *find_function(struct dwarf_index *d, struct dwarf_entry *e,
					    struct dwarf_query *q)
{
	uint32_t i = SPANS_NOTHING;

	if (!dwarf_units_functions(&d->units, e, false)) {
		q->less |= SYMBOLIZER_LESS_FUNCTIONS;
		return NULL;
	}
	i = spans_find(&e->functions.spans, q->vaddr, &q->stretch);
	if (i == SPANS_NOTHING && dwarf_units_functions(&d->units, e, true))
		i = spans_find(&e->functions.spans, q->vaddr, &q->stretch);
	return i == SPANS_NOTHING ? NULL : &e->functions.functions[i];
}

static int answer(struct dwarf_index *d, struct dwarf_entry *e, const struct dwarf_scanned *scanned,
		  struct dwarf_query *q, struct result *result)
{
	struct symbolizer_answer a = { .first_frame = result_frames(result),
				       .vaddr = q->vaddr,
				       .source = SYMBOLIZER_DWARF };
	struct dwarf_function *function;
	struct dwarf_inlines *in;
	int r;

	set_line(d, e, scanned, q);
	if (d->need_line && !q->file)
		return 0;
	e = described_by(e);
	function = find_function(d, e, q);
	if (!function)
		return 0;
	in = dwarf_units_inlines(&d->units, e, function);
	if (!in) {
		q->less |= SYMBOLIZER_LESS_FUNCTIONS;
		return 0;
	}
	if (in->cut)
		q->less |= SYMBOLIZER_LESS_INLINES;
	r = add_frames(d, e, in, dwarf_inlines_find(in, q->vaddr, &q->stretch), q, result);
	a.less = q->less | (q->line ? 0 : dwarf_index_less(d) & SYMBOLIZER_LESS_LINES);
	if (q->answered)
		result_set_answer(result, q->index, &a);
	return r;
}

/* Lines of all queries of one unit without its table. NULL: no memory even for that. */
static struct dwarf_scanned *scan_lines(struct dwarf_index *d, struct dwarf_entry *e,
					const struct dwarf_query *queries, size_t nr)
{
	struct dwarf_scanned *places = mem_zalloc(d->mem, nr * sizeof(*places));
	uint64_t *addresses = mem_alloc(d->mem, nr * sizeof(*addresses));

	for (size_t i = 0; places && addresses && i < nr; i++)
		addresses[i] = queries[i].vaddr;
	if (places && addresses) {
		dwarf_lines_scan(&e->program, addresses, nr, places);
	} else {
		mem_free(d->mem, places, nr * sizeof(*places));
		places = NULL;
	}
	mem_free(d->mem, addresses, nr * sizeof(*addresses));
	return places;
}

static void add_want(struct dwarf_index *d, uint64_t unit)
{
	for (size_t i = 0; i < d->nr_wants; i++) {
		if (d->wants[i] == unit)
			return;
	}
	if (d->nr_wants < WANTS_MAX) /* the rest is asked for when these are there */
		d->wants[d->nr_wants++] = unit;
}

static void find_other_half(struct dwarf_index *d, struct dwarf_entry *e)
{
	struct dwarf_split split;

	if (!e->unit.is_skeleton || e->split)
		return;
	if (dwarf_splits_find(&d->splits, e->unit.dwo_id, &split))
		dwarf_units_get(&d->units, split.file, split.info, &split, &e->unit, &e->split);
	else
		add_want(d, e->unit.header.offset);
}

/* The table of a unit's lines pays from the second question on: many are asked for once. */
static bool is_new(const struct dwarf_index *d, struct dwarf_entry *e)
{
	if (!e->question)
		e->question = d->question;
	return e->question == d->question && e->have_lines == DWARF_NOT_READ;
}

/* Queries of one unit, ascending. */
static int answer_unit(struct dwarf_index *d, struct dwarf_query *queries, size_t nr,
		       struct result *result)
{
	struct dwarf_scanned *places = NULL;
	struct dwarf_entry *e;
	int r = dwarf_units_get(&d->units, &d->file, queries[0].unit, NULL, NULL, &e);
	bool no_lines;

	for (size_t i = 0; r == -ENOMEM && i < nr; i++)
		queries[i].less |= SYMBOLIZER_LESS_FUNCTIONS;
	if (r)
		return 0;
	find_other_half(d, e);
	for (size_t i = 0; i < nr; i++) {
		if (d->need_alt || (e->unit.is_skeleton && !e->split))
			queries[i].less |= SYMBOLIZER_LESS_FILES;
	}
	if (is_new(d, e) && dwarf_units_program(e))
		places = scan_lines(d, e, queries, nr);
	no_lines = !places && !dwarf_units_lines(&d->units, e) && e->have_program == DWARF_HAVE;
	if (no_lines)
		places = scan_lines(d, e, queries, nr);
	for (size_t i = 0; i < nr && !r; i++) {
		if (no_lines && !places)
			queries[i].less |= SYMBOLIZER_LESS_LINES;
		r = answer(d, e, places ? &places[i] : NULL, &queries[i], result);
	}
	mem_free(d->mem, places, nr * sizeof(*places));
	dwarf_units_put(e);
	return r;
}

static int compare(const void *a, const void *b)
{
	const struct dwarf_query *x = a, *y = b;

	if (x->unit != y->unit)
		return x->unit < y->unit ? -1 : 1;
	return x->vaddr < y->vaddr ? -1 : x->vaddr > y->vaddr;
}

static bool any_open(const struct dwarf_query *queries, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		if (!queries[i].answered && !queries[i].file)
			return true;
	}
	return false;
}

/* Finds the nth unit that may hold each open query. Returns how many have one. */
static size_t find_units(struct dwarf_index *d, struct dwarf_query *queries, size_t nr,
			 uint32_t nth)
{
	size_t found = 0;

	for (size_t i = 0; i < nr; i++) {
		struct dwarf_query *q = &queries[i];
		bool open = !q->answered && !q->file;

		q->unit = open ? dwarf_find_unit(&d->find, q->vaddr, nth, &q->stretch)
			       : DWARF_NO_UNIT;
		found += q->unit != DWARF_NO_UNIT;
	}
	return found;
}

/*
 * Queries of a unit have to come together, ascending, or it may be read, let go, and read again; in vain when all of
 * the units are there.
 */
static bool in_order(struct dwarf_index *d, const struct dwarf_query *queries, size_t nr)
{
	bool sorted = true, there = true;

	for (size_t i = 0; i < nr && (sorted || there); i++) {
		const struct dwarf_query *q = &queries[i], *before = i ? q - 1 : NULL;

		sorted &= !before || compare(before, q) <= 0;
		if (there && q->unit != DWARF_NO_UNIT && (!before || before->unit != q->unit))
			there = dwarf_units_has(&d->units, &d->file, q->unit);
		there &= !before || before->unit != q->unit || before->vaddr <= q->vaddr;
	}
	return sorted || there;
}

/* One round: every open query is put to the nth unit that may hold it. Returns how many were put, or -errno. */
static ssize_t one_round(struct dwarf_index *d, struct dwarf_query *queries, size_t nr,
			 uint32_t nth, struct result *result)
{
	size_t put = find_units(d, queries, nr, nth);
	int r = 0;

	if (put && !in_order(d, queries, nr))
		qsort(queries, nr, sizeof(*queries), compare);
	for (size_t i = 0, j; put && i < nr && !r; i = j) {
		for (j = i + 1; j < nr && queries[j].unit == queries[i].unit;)
			j++;
		if (queries[i].unit != DWARF_NO_UNIT)
			r = answer_unit(d, &queries[i], j - i, result);
	}
	return r ? r : (ssize_t)put;
}

static ssize_t rounds(struct dwarf_index *d, struct dwarf_query *queries, size_t nr, bool need_line,
		      struct result *result)
{
	ssize_t put = 1;

	d->need_line = need_line;
	for (uint32_t nth = 0; nth < OVERLAPS_MAX && put > 0; nth++)
		put = any_open(queries, nr) ? one_round(d, queries, nr, nth, result) : 0;
	return put;
}

/*
 * A function of a header is described by each unit that uses it, and the linker keeps the code and the lines of one: so
 * first the units that know lines, and then those that only know functions.
 */
static int all_rounds(struct dwarf_index *d, struct dwarf_query *queries, size_t nr,
		      struct result *result)
{
	ssize_t r = rounds(d, queries, nr, true, result);

	if (r >= 0)
		r = rounds(d, queries, nr, false, result);
	return r < 0 ? (int)r : 0;
}

uint8_t dwarf_index_less(const struct dwarf_index *d)
{
	static const enum image_section functions[] = { IMAGE_ABBREV,     IMAGE_ADDR,
							IMAGE_INFO,       IMAGE_RANGES,
							IMAGE_RNGLISTS,   IMAGE_STR,
							IMAGE_STR_OFFSETS };
	uint8_t less =
		image_lacks(d->file.image, IMAGE_LINE) || image_lacks(d->file.image, IMAGE_LINE_STR)
			? SYMBOLIZER_LESS_LINES
			: 0;

	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		if (image_lacks(d->file.image, functions[i]))
			less |= SYMBOLIZER_LESS_FUNCTIONS;
	}
	return less;
}

/* Between questions nobody holds a string: the time to forget them when they are many. */
bool dwarf_index_make_room(struct dwarf_index *d, enum symbolizer_demangle how)
{
	if (dwarf_names_bytes(&d->names) < d->units.soft_max / 2 && d->names.how == how)
		return false;
	dwarf_units_drop(&d->units);
	dwarf_names_drop(&d->names);
	d->names.how = how;
	return true;
}

int dwarf_index_answer(struct dwarf_index *d, struct dwarf_query *queries, size_t nr,
		       struct result *result)
{
	int r;

	d->question++;
	r = all_rounds(d, queries, nr, result);
	if (r || d->find.complete || d->find_failed || !any_open(queries, nr))
		return r;
	r = dwarf_find_completely(&d->find, &d->file, d->mem);
	if (r == -ENOMEM) {
		dwarf_units_drop(&d->units);
		r = dwarf_find_completely(&d->find, &d->file, d->mem);
	}
	d->find_failed = r < 0;
	return r ? 0 : all_rounds(d, queries, nr, result);
}

/* What was read may read otherwise now. */
static void forget(struct dwarf_index *d)
{
	dwarf_units_drop(&d->units);
	dwarf_names_drop(&d->names);
}

int dwarf_index_add_alt(struct dwarf_index *d, int fd, Elf *elf)
{
	int r = d->alt.image ? -EEXIST : image_new(&d->alt.image, fd, elf, false, d->mem);

	if (r)
		return r;
	d->file.alt = &d->alt;
	d->need_alt = false;
	forget(d);
	return 0;
}

ssize_t dwarf_index_add_split(struct dwarf_index *d, int fd, Elf *elf)
{
	struct image *image;
	ssize_t r = image_new(&image, fd, elf, true, d->mem);

	if (!r)
		r = dwarf_splits_add(&d->splits, image);
	if (r > 0)
		forget(d);
	return r;
}

/* "name\0build ID", to the end of the section. */
static bool want_alt(struct dwarf_index *d, struct symbolizer_want *ret)
{
	struct section section = image_section(d->file.image, IMAGE_ALTLINK);
	struct reader r = reader_of(section.data, section.size);
	struct symbolizer_want want = { .kind = SYMBOLIZER_SUPPLEMENT_ALT, .directory = "" };

	image_touch(d->file.image, section.data, section.size);
	want.path = reader_cstr(&r);
	want.id_len = (uint32_t)reader_left(&r);
	if (r.failed || !want.id_len || want.id_len > sizeof(want.id))
		return false;
	memcpy(want.id, reader_bytes(&r, want.id_len), want.id_len);
	*ret = want;
	return true;
}

static bool want_split(struct dwarf_index *d, uint64_t unit, struct symbolizer_want *ret)
{
	struct dwarf_entry *e;
	const char *path, *directory;

	if (dwarf_units_get(&d->units, &d->file, unit, NULL, NULL, &e))
		return false;
	path = dwarf_unit_string(&e->unit, &e->unit.dwo_name);
	directory = dwarf_unit_string(&e->unit, &e->unit.comp_dir);
	*ret = (struct symbolizer_want) { .kind = SYMBOLIZER_SUPPLEMENT_SPLIT,
					  .path = path,
					  .directory = directory ? directory : "",
					  .dwo_id = e->unit.dwo_id };
	dwarf_units_put(e);
	return path;
}

void dwarf_index_forget_wants(struct dwarf_index *d)
{
	d->nr_wants = 0;
}

bool dwarf_index_want(struct dwarf_index *d, size_t *it, struct symbolizer_want *ret)
{
	bool found = false;

	if (!*it && d->need_alt)
		found = want_alt(d, ret);
	++*it;
	while (!found && *it - 1 < d->nr_wants)
		found = want_split(d, d->wants[(*it)++ - 1], ret);
	return found;
}

void dwarf_index_stats(const struct dwarf_index *d, struct symbolizer_stats *ret)
{
	ret->units_read = d->units.read;
	ret->units_evicted = d->units.evicted;
	ret->sections_refused = image_refused(d->file.image);
}
