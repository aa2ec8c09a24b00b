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
	uint32_t low; /* the least depth since the entry before */
	uint64_t work;
	const uint8_t *touched; /* the pages up to here are counted */
	bool jumped; /* over children that it has not seen */
};

#define TOUCH_STEP (64u << 10)
#define AHEAD 1024 /* bytes: the processor looks ahead within a page only */

static void walk_begin(struct walk *w, const struct dwarf_unit *unit, uint64_t at)
{
	*w = (struct walk) { .unit = unit, .r = dwarf_unit_reader(unit, at) };
	w->touched = w->r.at;
}

static uint32_t only(enum dwarf_role role)
{
	return 1u << role;
}

/* Where the entry behind the children is, by what the entry says whose attributes begin at r; NULL: it does not. */
static const uint8_t *behind_children(const struct dwarf_unit *unit, struct reader r,
				      uint16_t sibling_at)
{
	const uint8_t *attrs = r.at;
	uint32_t to;

	if (sibling_at == DWARF_SIBLING_NONE)
		return NULL;
	reader_skip(&r, sibling_at);
	to = reader_u32(&r);
	return !r.failed && to <= unit->header.size && unit->data + to > attrs ? unit->data + to
									       : NULL;
}

/* Passes over the attributes; into the children, if there are any. */
static void walk_into(struct walk *w, const struct dwarf_abbrev *a)
{
	dwarf_abbrev_skip(w->unit->abbrevs, a, &w->r);
	w->depth += a->children;
}

/* Passes over the attributes, and where the entry says how far they reach, over the children too. */
static void walk_over(struct walk *w, const struct dwarf_abbrev *a)
{
	const uint8_t *to =
		a->children && a->sibling ? behind_children(w->unit, w->r, a->sibling_at) : NULL;

	if (!to) {
		walk_into(w, a);
		return;
	}
	w->r.at = to;
	w->jumped = true;
}

/* The entry whose attributes begin at w, of which there is more to know than its size. */
static void pass(struct walk *w, const struct dwarf_code *code, uint32_t into)
{
	const uint8_t *to =
		into >> code->role & 1 ? NULL : behind_children(w->unit, w->r, code->sibling_at);

	if (to) {
		w->r.at = to;
		w->jumped = true;
		return;
	}
	w->r = dwarf_skip_steps(w->unit->abbrevs, code->first_step, code->nr_steps, w->r);
	w->depth += (uint32_t)code->deeper;
}

static inline bool is_short(const struct dwarf_code *code, const uint8_t *at)
{
	uint8_t bits = *at;

	for (int i = 0; i < DWARF_LEBS; i++)
		bits |= at[code->leb[i]];
	return bits < 0x80;
}

/*
 * Over entries that are plain and not wanted, up to one that is not, or the end of w's own siblings, or the first one
 * beyond what is touched. This is where most of the time goes, in guesses of the processor that are wrong: so entries and
 * ends of children go the same way.
 */
static void pass_plain(struct walk *w, const struct dwarf_code *codes, uint32_t unwanted)
{
	const uint8_t *at = w->r.at, *end = w->r.end, *stop = MIN(w->touched, end);
	uint32_t depth = w->depth, low = w->low;

	while (at < stop && *at < 0x80) {
		const struct dwarf_code *code = &codes[*at];
		uint32_t next = depth + (uint32_t)code->deeper;

		if (!(code->plain & unwanted) || code->size > end - at || !is_short(code, at) ||
		    !next)
			break;
		__builtin_prefetch(at + AHEAD);
		at += code->size;
		depth = next;
		low = MIN(low, next);
	}
	w->r.at = at;
	w->depth = depth;
	w->low = low;
}

static void touch(struct walk *w)
{
	if (w->r.at < w->touched)
		return;
	image_touch(w->unit->file->image, w->r.at, TOUCH_STEP);
	w->touched = w->r.at + TOUCH_STEP;
}

/*
 * The next entry of a wanted role, with its attributes still to be read; NULL at the end of the children or of what can
 * be read. What is on the way is passed over, with its children when it is not to be gone into and says how far they
 * reach.
 */
static const struct dwarf_abbrev *walk_find(struct walk *w, uint32_t wanted, uint32_t into,
					    uint64_t *ret_at)
{
	const struct dwarf_abbrevs *abbrevs = w->unit->abbrevs;
	const struct dwarf_code *codes = abbrevs->by_code;

	w->low = w->depth;
	while (reader_left(&w->r)) {
		const uint8_t *begin;
		uint64_t code;

		touch(w);
		pass_plain(w, codes, ~wanted);
		begin = w->r.at;
		if (begin >= MIN(w->touched, w->r.end))
			continue;
		code = reader_uleb(&w->r);
		if (!code && w->depth-- <= 1)
			break;
		if (!code) {
			w->low = MIN(w->low, w->depth);
			continue;
		}
		if (code >= abbrevs->nr_codes || !codes[code].index) {
			reader_fail(&w->r);
			break;
		}
		if (wanted >> codes[code].role & 1) {
			*ret_at = (uint64_t)(begin - w->unit->data);
			return &abbrevs->abbrevs[codes[code].index - 1];
		}
		pass(w, &codes[code], into);
	}
	return NULL;
}

#define ANY_ROLE UINT32_MAX

static struct dwarf_value read_slot(const struct walk *w, const struct dwarf_slot *slot)
{
	struct reader r = w->r;

	if (!slot->form)
		return (struct dwarf_value) { .kind = DWARF_NONE };
	reader_skip(&r, slot->at);
	return dwarf_read(&r, slot->form, 0, &w->unit->header.format);
}

/* Reads the attributes that say where an entry's code is, leaving the walk where it was. */
static struct dwarf_pc read_pc(const struct walk *w, const struct dwarf_abbrev *a)
{
	const struct dwarf_format *format = &w->unit->header.format;
	struct dwarf_pc pc = { .low.kind = DWARF_NONE };
	struct reader r = w->r;

	if (!a->code_differs)
		return (struct dwarf_pc) { .low = read_slot(w, &a->low),
					   .high = read_slot(w, &a->high),
					   .ranges = read_slot(w, &a->ranges) };
	for (uint32_t i = 0; i < a->nr_attrs; i++) {
		const struct dwarf_attr *attr = &w->unit->abbrevs->attrs[a->first_attr + i];

		if (attr->name == DW_AT_low_pc)
			pc.low = dwarf_read(&r, attr->form, attr->implicit, format);
		else if (attr->name == DW_AT_high_pc)
			pc.high = dwarf_read(&r, attr->form, attr->implicit, format);
		else if (attr->name == DW_AT_ranges)
			pc.ranges = dwarf_read(&r, attr->form, attr->implicit, format);
		else
			dwarf_skip(&r, dwarf_form_skip(attr->form, format), format);
	}
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
	uint32_t into = everything ? ~only(DWARF_ROLE_NONE) : only(DWARF_ROLE_SCOPE);
	const struct dwarf_abbrev *a;
	struct walk w;
	uint64_t at;
	int r = 0;

	walk_begin(&w, unit, unit->header.first);
	a = walk_find(&w, ANY_ROLE, 0, &at);
	if (a)
		walk_into(&w, a);
	while (!r && w.depth && (a = walk_find(&w, only(DWARF_ROLE_FUNCTION), into, &at)) != NULL) {
		r = add_function(&w, a, at, &functions);
		if (everything)
			walk_into(&w, a);
		else
			walk_over(&w, a);
	}
	functions.everything = everything || !w.jumped;
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

void dwarf_call_read(const struct dwarf_unit *unit, const struct dwarf_node *node,
		     struct dwarf_call *ret)
{
	struct reader r = dwarf_unit_reader(unit, node->die);
	const struct dwarf_abbrev *a;

	*ret = (struct dwarf_call) { .origin = { .file = unit->file,
						 .offset = unit->header.offset + node->die } };
	image_touch(unit->file->image, r.at, 256);
	a = dwarf_abbrev_find(unit->abbrevs, reader_uleb(&r));
	for (uint32_t i = 0; a && i < a->nr_attrs; i++) {
		const struct dwarf_attr *attr = &unit->abbrevs->attrs[a->first_attr + i];
		struct dwarf_value value =
			dwarf_read(&r, attr->form, attr->implicit, &unit->header.format);

		switch (attr->name) {
		case DW_AT_abstract_origin:
			dwarf_unit_ref(unit, &value, &ret->origin);
			break;
		case DW_AT_call_file:
			ret->file = number(&value);
			break;
		case DW_AT_call_line:
			ret->line = number(&value);
			break;
		case DW_AT_call_column:
			ret->column = number(&value);
			break;
		}
	}
}

static int add_node(struct walk *w, const struct dwarf_abbrev *a, uint64_t at, uint32_t parent,
		    struct dwarf_inlines *in, struct mem *mem)
{
	struct dwarf_pc pc;
	int r = mem_grow(mem, (void **)&in->nodes, &in->size, in->nr_nodes, sizeof(*in->nodes),
			 NODES_MAX);

	if (r)
		return r;
	in->nodes[in->nr_nodes++] = (struct dwarf_node) { .die = at, .parent = parent };
	if (in->nr_nodes == 1) /* the function: whatever is nobody else's */
		return 0;
	pc = read_pc(w, a);
	return add_ranges(w, &pc, &in->spans, (uint32_t)in->nr_nodes - 1);
}

/* The nodes whose children the walk is among. */
struct open_nodes {
	uint32_t nr;
	struct {
		uint32_t depth, node;
	} nodes[DEPTH_MAX];
};

static void close_nodes(struct open_nodes *open, uint32_t low)
{
	while (open->nr > 1 && open->nodes[open->nr - 1].depth >= low)
		open->nr--;
}

/* The entries inside of the function, node 0, that the walk has just read. */
static int read_inlines(struct walk *w, struct dwarf_inlines *in, struct mem *mem)
{
	uint32_t wanted = only(DWARF_ROLE_INLINED) | only(DWARF_ROLE_FUNCTION);
	struct open_nodes open = { .nr = 1 };
	const struct dwarf_abbrev *a;
	uint64_t at;
	int r = 0;

	while (!r && w->depth && (a = walk_find(w, wanted, ~only(DWARF_ROLE_NONE), &at)) != NULL) {
		bool inlined = a->role == DWARF_ROLE_INLINED;
		uint32_t depth = w->depth, node = (uint32_t)in->nr_nodes;

		if (depth >= DEPTH_MAX) {
			walk_over(w, a);
			continue;
		}
		close_nodes(&open, w->low);
		r = add_node(w, a, at, inlined ? open.nodes[open.nr - 1].node : DWARF_NO_NODE, in,
			     mem);
		walk_into(w, a);
		if (w->depth > depth && open.nr < DEPTH_MAX) {
			open.nodes[open.nr].depth = depth;
			open.nodes[open.nr++].node = node;
		}
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
	a = walk_find(&w, ANY_ROLE, 0, &at);
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
	uint32_t node = spans_find(&in->spans, address, stretch);

	return node == SPANS_NOTHING ? 0 : node;
}
