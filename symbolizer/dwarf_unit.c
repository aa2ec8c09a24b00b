/* One compilation unit as a flat table over addresses. */
#include "symbolizer/dwarf_unit.h"

#include <dwarf.h>
#include <errno.h>
#include <string.h>

/* A hostile file may nest or repeat without end; no compiler comes near these. */
#define DEPTH_MAX 256
#define FUNCTIONS_MAX (2u << 20)
#define RANGES_MAX (4u << 20)
#define DIES_MAX (32u << 20)

/* A range as read: not yet flat. */
struct raw_range {
	uint64_t start, end;
	uint32_t function, depth;
};

struct reader {
	struct dwarf_unit *unit;
	struct raw_range *raw;
	size_t nr_raw, raw_size, functions_size;
	uint64_t dies;
};

static int grow(void **array, size_t *size, size_t nr, size_t element, size_t max)
{
	size_t bigger = *size ? 2 * *size : 64;
	void *more;

	if (nr < *size)
		return 0;
	if (nr >= max)
		return -ENOSPC;
	more = realloc(*array, bigger * element);
	if (!more)
		return -ENOMEM;
	*array = more;
	*size = bigger;
	return 0;
}

static int add_ranges(struct reader *r, Dwarf_Die *die, uint32_t function, uint32_t depth)
{
	Dwarf_Addr base, start, end;
	ptrdiff_t at = 0;

	while ((at = dwarf_ranges(die, at, &base, &start, &end)) > 0) {
		int rc = grow((void **)&r->raw, &r->raw_size, r->nr_raw, sizeof(*r->raw),
			      RANGES_MAX);

		if (rc)
			return rc;
		if (start < end && start) /* a discarded function lies at 0 */
			r->raw[r->nr_raw++] = (struct raw_range) {
				.start = start, .end = end, .function = function, .depth = depth
			};
	}
	return 0;
}

static int add_function(struct reader *r, Dwarf_Die *die, uint32_t parent, uint32_t *ret)
{
	struct dwarf_unit *unit = r->unit;
	int rc = grow((void **)&unit->functions, &r->functions_size, unit->nr_functions,
		      sizeof(*unit->functions), FUNCTIONS_MAX);

	if (rc)
		return rc;
	unit->functions[unit->nr_functions] =
		(struct dwarf_function) { .die = *die,
					  .parent = parent,
					  .inlined = dwarf_tag(die) == DW_TAG_inlined_subroutine };
	*ret = (uint32_t)unit->nr_functions++;
	return 0;
}

static bool may_hold_functions(int tag)
{
	switch (tag) {
	case DW_TAG_subprogram:
	case DW_TAG_inlined_subroutine:
	case DW_TAG_lexical_block:
	case DW_TAG_try_block:
	case DW_TAG_catch_block:
	case DW_TAG_namespace:
	case DW_TAG_module:
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_compile_unit:
	case DW_TAG_partial_unit:
		return true;
	}
	return false;
}

/* The children of parent_die; function is the one around them. */
static int read_children(struct reader *r, Dwarf_Die *parent_die, uint32_t function, uint32_t depth)
{
	Dwarf_Die die;

	if (depth > DEPTH_MAX || dwarf_child(parent_die, &die))
		return 0;
	do {
		int tag = dwarf_tag(&die), rc = 0;
		uint32_t inner = function;

		if (++r->dies > DIES_MAX)
			return -ENOSPC;
		if (!may_hold_functions(tag))
			continue;
		if (tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine) {
			uint32_t parent = tag == DW_TAG_inlined_subroutine ? function : NO_FUNCTION;

			rc = add_function(r, &die, parent, &inner);
			if (!rc)
				rc = add_ranges(r, &die, inner, depth);
		}
		if (!rc)
			rc = read_children(r, &die, inner, depth + 1);
		if (rc)
			return rc;
	} while (!dwarf_siblingof(&die, &die));
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct raw_range *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->depth != y->depth)
		return x->depth < y->depth ? -1 : 1;
	return x->end > y->end ? -1 : x->end < y->end;
}

static int emit(struct dwarf_unit *unit, size_t *size, uint64_t start, uint64_t end,
		uint32_t function)
{
	int rc;

	if (start >= end)
		return 0;
	rc = grow((void **)&unit->ranges, size, unit->nr_ranges, sizeof(*unit->ranges),
		  2 * RANGES_MAX);
	if (!rc)
		unit->ranges[unit->nr_ranges++] =
			(struct dwarf_range) { .start = start, .end = end, .function = function };
	return rc;
}

/* Sweeps over the ranges with a stack of those that are open; the top is the innermost. */
static int flatten(struct reader *r)
{
	const struct raw_range *open[DEPTH_MAX + 2];
	size_t nr_open = 0, size = 0;
	uint64_t at = 0;
	int rc = 0;

	qsort(r->raw, r->nr_raw, sizeof(*r->raw), compare);
	for (size_t i = 0; i <= r->nr_raw && !rc; i++) {
		uint64_t next = i < r->nr_raw ? r->raw[i].start : UINT64_MAX;

		while (nr_open && open[nr_open - 1]->end <= next && !rc) {
			const struct raw_range *top = open[--nr_open];

			rc = emit(r->unit, &size, at, top->end, top->function);
			at = MAX(at, top->end);
		}
		if (i == r->nr_raw || rc)
			break;
		if (nr_open)
			rc = emit(r->unit, &size, at, next, open[nr_open - 1]->function);
		at = next;
		if (nr_open < ARRAY_SIZE(open))
			open[nr_open++] = &r->raw[i];
	}
	return rc;
}

int dwarf_unit_read(struct dwarf_unit *ret, const Dwarf_Die *die)
{
	struct dwarf_unit unit = { .die = *die };
	struct reader r = { .unit = &unit };
	int rc = read_children(&r, &unit.die, NO_FUNCTION, 0);

	if (rc == -ENOSPC) /* what was read so far is still right */
		rc = 0;
	if (!rc && r.nr_raw)
		rc = flatten(&r);
	free(r.raw);
	if (rc) {
		dwarf_unit_deinit(&unit);
		return rc;
	}
	*ret = unit;
	return 0;
}

void dwarf_unit_deinit(struct dwarf_unit *unit)
{
	free(unit->functions);
	free(unit->ranges);
	*unit = (struct dwarf_unit) { .functions = NULL };
}

uint32_t dwarf_unit_find(const struct dwarf_unit *unit, uint64_t vaddr)
{
	size_t lo = 0, hi = unit->nr_ranges;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (unit->ranges[mid].end <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == unit->nr_ranges || vaddr < unit->ranges[lo].start)
		return NO_FUNCTION;
	return unit->ranges[lo].function;
}
