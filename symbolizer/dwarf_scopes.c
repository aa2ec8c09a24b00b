/* Functions and inlined calls. */
#include "symbolizer/dwarf_scopes.h"
#include "symbolizer/dwarf_ranges.h"

#include <dwarf.h>
#include <errno.h>

/* A hostile file may nest or repeat without end; no compiler comes near these. */
#define DEPTH_MAX 250
#define FUNCTIONS_MAX (4u << 20)
#define NODES_MAX (4u << 20)
#define RANGES_MAX (1u << 20) /* of one entry; a list that many entries share is a bomb */
#define WORK_MAX (64u << 20) /* ranges of a unit */

/* A walk over a unit's entries, in the order of the file. */
struct walk {
	const struct dwarf_unit *unit;
	struct reader r;
	uint32_t depth;
	uint64_t work;
	const uint8_t *touched; /* the pages up to here are counted */
};

#define TOUCH_STEP (64u << 10)

static void walk_begin(struct walk *w, const struct dwarf_unit *unit, uint64_t at)
{
	*w = (struct walk) { .unit = unit, .r = dwarf_unit_reader(unit, at) };
	w->touched = w->r.at;
}

/* The next entry with its attributes still to be read; NULL at the end of the children or of what can be read. */
static const struct dwarf_abbrev *walk_next(struct walk *w, uint64_t *ret_at)
{
	while (reader_left(&w->r)) {
		const struct dwarf_abbrev *a;
		uint64_t code;

		if (__builtin_expect(w->r.at >= w->touched, 0)) {
			image_touch(w->unit->file->image, w->r.at, TOUCH_STEP);
			w->touched = w->r.at + TOUCH_STEP;
		}
		*ret_at = dwarf_unit_at(w->unit, &w->r);
		code = reader_uleb(&w->r);
		if (!code) {
			if (w->depth-- <= 1)
				return NULL;
			continue;
		}
		a = dwarf_abbrev_find(&w->unit->abbrevs, code);
		if (!a)
			reader_fail(&w->r);
		return a;
	}
	return NULL;
}

/* Passes over the attributes; into the children, if there are any. */
static void walk_into(struct walk *w, const struct dwarf_abbrev *a)
{
	dwarf_abbrev_skip(&w->unit->abbrevs, a, &w->r);
	w->depth += a->children;
}

/* Passes over the attributes, and where the entry says how far they reach, over the children too. */
static void walk_over(struct walk *w, const struct dwarf_abbrev *a)
{
	const uint8_t *attrs = w->r.at;
	uint64_t to;

	if (a->children && a->sibling) {
		struct reader r = w->r;

		reader_skip(&r, a->sibling_at);
		to = reader_u32(&r);
		if (!r.failed && to <= w->unit->header.size && w->unit->data + to > attrs) {
			w->r.at = w->unit->data + to;
			return;
		}
	}
	walk_into(w, a);
}

/* Back to where an entry's attributes begin, after they were read. */
static void walk_back(struct walk *w, const uint8_t *attrs)
{
	if (!w->r.failed)
		w->r.at = attrs;
}

/* Reads the attributes that say where an entry's code is, leaving the walk where it was. */
static struct dwarf_pc read_pc(struct walk *w, const struct dwarf_abbrev *a)
{
	const struct dwarf_format *format = &w->unit->header.format;
	const uint8_t *attrs = w->r.at;
	struct dwarf_pc pc = { .low.kind = DWARF_NONE };

	for (uint32_t i = 0; i < a->nr_attrs; i++) {
		const struct dwarf_attr *attr = &w->unit->abbrevs.attrs[a->first_attr + i];

		if (attr->name == DW_AT_low_pc)
			pc.low = dwarf_read(&w->r, attr->form, attr->implicit, format);
		else if (attr->name == DW_AT_high_pc)
			pc.high = dwarf_read(&w->r, attr->form, attr->implicit, format);
		else if (attr->name == DW_AT_ranges)
			pc.ranges = dwarf_read(&w->r, attr->form, attr->implicit, format);
		else
			dwarf_skip(&w->r, dwarf_form_skip(attr->form, format), format);
	}
	walk_back(w, attrs);
	return pc;
}

static int add_ranges(struct walk *w, const struct dwarf_pc *pc, struct spans *spans, uint32_t what)
{
	struct dwarf_ranges it;
	uint64_t start, end;
	int r = 0;

	dwarf_ranges_begin(&it, w->unit, pc);
	for (uint32_t i = 0; i < RANGES_MAX && !r; i++) {
		if (w->work > WORK_MAX || !dwarf_ranges_next(&it, &start, &end))
			break;
		w->work++;
		r = spans_add(spans, start, end, what, w->depth);
	}
	return r;
}

static int add_function(struct walk *w, const struct dwarf_abbrev *a, uint64_t at,
			struct dwarf_functions *f)
{
	struct dwarf_pc pc = read_pc(w, a);
	int r = mem_grow(f->mem, (void **)&f->functions, &f->size, f->nr, sizeof(*f->functions),
			 FUNCTIONS_MAX);

	if (!r)
		r = add_ranges(w, &pc, &f->spans, (uint32_t)f->nr);
	if (!r)
		f->functions[f->nr++] = (struct dwarf_function) { .die = at };
	return r;
}

int dwarf_functions_init(struct dwarf_functions *f, const struct dwarf_unit *unit, bool everything,
			 struct mem *mem)
{
	struct dwarf_functions functions = { .mem = mem, .spans.mem = mem };
	const struct dwarf_abbrev *a;
	struct walk w;
	uint64_t at;
	int r = 0;

	walk_begin(&w, unit, unit->header.first);
	a = walk_next(&w, &at);
	if (a)
		walk_into(&w, a);
	while (!r && w.depth && (a = walk_next(&w, &at)) != NULL) {
		if (a->role == DWARF_ROLE_FUNCTION)
			r = add_function(&w, a, at, &functions);
		if (a->role == DWARF_ROLE_SCOPE || (everything && a->role != DWARF_ROLE_NONE))
			walk_into(&w, a);
		else
			walk_over(&w, a);
	}
	if (!r || r == -ENOSPC)
		r = spans_flatten(&functions.spans);
	if (r)
		dwarf_functions_deinit(&functions);
	else
		*f = functions;
	return r;
}

void dwarf_inlines_free(struct dwarf_inlines *in, struct mem *mem)
{
	if (!in)
		return;
	spans_deinit(&in->spans);
	mem_free(mem, in->nodes, in->size * sizeof(*in->nodes));
	mem_free(mem, in, sizeof(*in));
}

void dwarf_functions_deinit(struct dwarf_functions *f)
{
	for (size_t i = 0; i < f->nr; i++)
		dwarf_inlines_free(f->functions[i].inlines, f->mem);
	spans_deinit(&f->spans);
	mem_free(f->mem, f->functions, f->size * sizeof(*f->functions));
	*f = (struct dwarf_functions) { .mem = f->mem };
}

static uint32_t number(const struct dwarf_value *value)
{
	return value->kind == DWARF_NUMBER && value->u <= UINT32_MAX ? (uint32_t)value->u : 0;
}

/* An entry's node and where its code is; the walk stays where it was. */
static void read_node(struct walk *w, const struct dwarf_abbrev *a, uint64_t at,
		      struct dwarf_node *node, struct dwarf_pc *pc)
{
	const uint8_t *attrs = w->r.at;

	*pc = (struct dwarf_pc) { .low.kind = DWARF_NONE };
	node->origin =
		(struct dwarf_ref) { .file = w->unit->file, .offset = w->unit->header.offset + at };
	for (uint32_t i = 0; i < a->nr_attrs; i++) {
		const struct dwarf_attr *attr = &w->unit->abbrevs.attrs[a->first_attr + i];
		struct dwarf_value value =
			dwarf_read(&w->r, attr->form, attr->implicit, &w->unit->header.format);

		switch (attr->name) {
		case DW_AT_low_pc:
			pc->low = value;
			break;
		case DW_AT_high_pc:
			pc->high = value;
			break;
		case DW_AT_ranges:
			pc->ranges = value;
			break;
		case DW_AT_abstract_origin:
			dwarf_unit_ref(w->unit, &value, &node->origin);
			break;
		case DW_AT_call_file:
			node->call_file = number(&value);
			break;
		case DW_AT_call_line:
			node->call_line = number(&value);
			break;
		case DW_AT_call_column:
			node->call_column = number(&value);
			break;
		}
	}
	walk_back(w, attrs);
}

static int add_node(struct walk *w, const struct dwarf_abbrev *a, uint64_t at, uint32_t parent,
		    struct dwarf_inlines *in, struct mem *mem)
{
	struct dwarf_pc pc;
	int r = mem_grow(mem, (void **)&in->nodes, &in->size, in->nr_nodes, sizeof(*in->nodes),
			 NODES_MAX);

	if (r)
		return r;
	in->nodes[in->nr_nodes] = (struct dwarf_node) { .parent = parent };
	read_node(w, a, at, &in->nodes[in->nr_nodes], &pc);
	in->nr_nodes++;
	if (in->nr_nodes == 1) /* the function: whatever is nobody else's */
		return 0;
	return add_ranges(w, &pc, &in->spans, (uint32_t)in->nr_nodes - 1);
}

static bool is_block(uint32_t tag)
{
	return tag == DW_TAG_lexical_block || tag == DW_TAG_try_block || tag == DW_TAG_catch_block;
}

/* The entries inside of the function that the walk has just read. */
static int read_inlines(struct walk *w, struct dwarf_inlines *in, struct mem *mem)
{
	uint32_t scopes[DEPTH_MAX + 1] = { 0 }; /* the node around the entries of each depth */
	const struct dwarf_abbrev *a;
	uint64_t at;
	int r = 0;

	while (!r && w->depth && (a = walk_next(w, &at)) != NULL) {
		uint32_t depth = w->depth, node;

		if (depth >= DEPTH_MAX) {
			walk_over(w, a);
			continue;
		}
		node = scopes[depth];
		if (a->role == DWARF_ROLE_INLINED || a->role == DWARF_ROLE_FUNCTION) {
			uint32_t parent = a->role == DWARF_ROLE_INLINED ? node : DWARF_NO_NODE;

			node = (uint32_t)in->nr_nodes;
			r = add_node(w, a, at, parent, in, mem);
		}
		if (a->role != DWARF_ROLE_NONE || is_block(a->tag))
			walk_into(w, a);
		else
			walk_over(w, a);
		if (w->depth > depth)
			scopes[w->depth] = node;
	}
	return r == -ENOSPC ? 0 : r;
}

int dwarf_inlines_new(struct dwarf_inlines **ret, const struct dwarf_unit *unit, uint64_t die,
		      struct mem *mem)
{
	struct dwarf_inlines *in = mem_zalloc(mem, sizeof(*in));
	const struct dwarf_abbrev *a;
	struct walk w;
	uint64_t at;
	int r;

	*ret = NULL;
	if (!in)
		return -ENOMEM;
	in->spans.mem = mem;
	walk_begin(&w, unit, die);
	a = walk_next(&w, &at);
	r = a ? add_node(&w, a, at, DWARF_NO_NODE, in, mem) : -ENOMEM;
	if (r) {
		dwarf_inlines_free(in, mem);
		return r;
	}
	walk_into(&w, a);
	r = read_inlines(&w, in, mem);
	if (!r)
		r = spans_flatten(&in->spans);
	if (r) { /* the function alone */
		spans_deinit(&in->spans);
		in->nr_nodes = 1;
		in->cut = true;
	}
	*ret = in;
	return 0;
}

uint32_t dwarf_inlines_find(const struct dwarf_inlines *in, uint64_t address,
			    struct stretch *stretch)
{
	uint32_t node = spans_find_stretch(&in->spans, address, stretch);

	return node == SPANS_NOTHING ? 0 : node;
}
