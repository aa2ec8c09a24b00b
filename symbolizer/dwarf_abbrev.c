/* Abbreviations. */
#include "symbolizer/dwarf_abbrev.h"
#include "agent/base/cleanup.h"

#include <dwarf.h>
#include <errno.h>

/* Compilers' largest tables have some thousand codes with some ten attributes each. */
#define CODES_MAX (1u << 18)
#define ATTRS_MAX (1u << 20)
#define ATTRS_PER_ENTRY_MAX 1024

#define ONE_BYTE_CODES 128 /* LEB128s of one byte: there is room for these always */

static const struct dwarf_code code_0 = { .size = 1,
					  .sibling_at = DWARF_SIBLING_NONE,
					  .role = DWARF_ROLE_END,
					  .deeper = -1,
					  .plain = 1 << DWARF_ROLE_END };

/* Can an entry be passed over by its size, if its few LEB128s take one byte each? Sets where they are, and the size. */
static bool is_plain(const struct dwarf_abbrevs *t, const struct dwarf_abbrev *a,
		     struct dwarf_code *code)
{
	uint32_t size = 1, nr = 0;

	for (uint32_t i = 0; i < a->nr_steps; i++) {
		uint32_t step = t->steps[a->first_step + i];

		if (step == DWARF_SKIP_LEB && nr < DWARF_LEBS && size <= UINT8_MAX)
			code->leb[nr++] = (uint8_t)size++;
		else if (step < DWARF_SKIP_LEB)
			size += step;
		else
			return false;
	}
	code->size = (uint16_t)size;
	return size <= UINT16_MAX;
}

static struct dwarf_code code_of(const struct dwarf_abbrevs *t, const struct dwarf_abbrev *a)
{
	bool jump = a->children && a->sibling;
	struct dwarf_code code = {
		.index = (uint32_t)t->nr,
		.first_step = a->first_step,
		.nr_steps = (uint16_t)a->nr_steps,
		.sibling_at = jump ? a->sibling_at : DWARF_SIBLING_NONE,
		.role = a->role,
		.deeper = a->children,
	};

	if (!jump && is_plain(t, a, &code))
		code.plain = (uint8_t)(1u << a->role);
	return code;
}

static int add_code_room(struct dwarf_abbrevs *t, uint64_t code)
{
	if (code >= CODES_MAX)
		return -ENOSPC;
	while (t->codes_size <= code) {
		size_t nr = t->codes_size;
		int r = mem_grow(t->mem, (void **)&t->by_code, &t->codes_size, nr,
				 sizeof(*t->by_code), CODES_MAX);

		if (r)
			return r;
		memset(&t->by_code[nr], 0, (t->codes_size - nr) * sizeof(*t->by_code));
	}
	return 0;
}

static int add_code(struct dwarf_abbrevs *t, uint64_t code, const struct dwarf_abbrev *a)
{
	int r = add_code_room(t, code);

	if (r)
		return r;
	t->nr_codes = MAX(t->nr_codes, (size_t)code + 1);
	if (!t->by_code[code].index) /* the first of a code counts */
		t->by_code[code] = code_of(t, a);
	return 0;
}

static int add_attr(struct dwarf_abbrevs *t, const struct dwarf_attr *attr)
{
	int r = mem_grow(t->mem, (void **)&t->attrs, &t->attrs_size, t->nr_attrs, sizeof(*t->attrs),
			 ATTRS_MAX);

	if (!r)
		t->attrs[t->nr_attrs++] = *attr;
	return r;
}

/* Joins to the step before, when both are of a fixed size. */
static int add_step(struct dwarf_abbrevs *t, struct dwarf_abbrev *a, uint32_t skip)
{
	uint32_t *last = a->nr_steps ? &t->steps[t->nr_steps - 1] : NULL;
	int r;

	if (!skip)
		return 0;
	if (last && *last < DWARF_SKIP_LEB && skip < DWARF_SKIP_LEB &&
	    *last + skip < DWARF_SKIP_LEB) {
		*last += skip;
		return 0;
	}
	r = mem_grow(t->mem, (void **)&t->steps, &t->steps_size, t->nr_steps, sizeof(*t->steps),
		     ATTRS_MAX);
	if (r)
		return r;
	t->steps[t->nr_steps++] = skip;
	a->nr_steps++;
	return 0;
}

static uint8_t role_of(uint32_t tag, bool has_code)
{
	switch (tag) {
	case DW_TAG_subprogram:
		return has_code ? DWARF_ROLE_FUNCTION : DWARF_ROLE_TYPE;
	case DW_TAG_inlined_subroutine:
		return DWARF_ROLE_INLINED;
	case DW_TAG_namespace:
	case DW_TAG_module:
		return DWARF_ROLE_SCOPE;
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_interface_type:
	case DW_TAG_enumeration_type: /* Rust has methods there */
		return DWARF_ROLE_TYPE;
	case DW_TAG_lexical_block:
	case DW_TAG_try_block:
	case DW_TAG_catch_block:
		return DWARF_ROLE_BLOCK;
	}
	return DWARF_ROLE_NONE;
}

static void set_slot(struct dwarf_abbrev *a, const struct dwarf_attr *attr)
{
	struct dwarf_slot *slot = attr->name == DW_AT_low_pc    ? &a->low
				  : attr->name == DW_AT_high_pc ? &a->high
				  : attr->name == DW_AT_ranges  ? &a->ranges
								: NULL;

	if (!slot)
		return;
	if (slot->form || a->fixed > UINT16_MAX || attr->form == DW_FORM_implicit_const)
		a->code_differs = true;
	else
		*slot = (struct dwarf_slot) { .at = (uint16_t)a->fixed, .form = attr->form };
}

static int read_attr(struct dwarf_abbrevs *t, struct dwarf_abbrev *a, struct reader *r,
		     const struct dwarf_attr *attr)
{
	uint32_t skip = dwarf_form_skip(attr->form, &t->format);
	int rc;

	if (attr->name == DW_AT_sibling && attr->form == DW_FORM_ref4 && a->fixed <= UINT16_MAX) {
		a->sibling = true;
		a->sibling_at = (uint16_t)a->fixed;
	}
	set_slot(a, attr);
	a->fixed = skip < DWARF_SKIP_LEB && a->fixed != UINT32_MAX ? a->fixed + skip : UINT32_MAX;
	rc = add_step(t, a, skip);
	return rc ? rc : add_attr(t, attr);
}

static int read_abbrev(struct dwarf_abbrevs *t, uint64_t code, struct reader *r)
{
	struct dwarf_abbrev a = { .first_attr = (uint32_t)t->nr_attrs,
				  .first_step = (uint32_t)t->nr_steps };
	bool has_code = false;
	int rc = mem_grow(t->mem, (void **)&t->abbrevs, &t->abbrevs_size, t->nr,
			  sizeof(*t->abbrevs), CODES_MAX);

	a.tag = (uint16_t)reader_uleb(r);
	a.children = reader_u8(r);
	while (!rc) {
		uint64_t name = reader_uleb(r), form = reader_uleb(r);
		struct dwarf_attr attr = { .name = (uint16_t)name, .form = (uint16_t)form };

		if (form == DW_FORM_implicit_const)
			attr.implicit = reader_sleb(r);
		if (r->failed)
			return -EBADMSG;
		if (!name && !form)
			break;
		if (name > UINT16_MAX || form > UINT16_MAX)
			return -EBADMSG;
		if (a.nr_attrs++ >= ATTRS_PER_ENTRY_MAX)
			return -ENOSPC;
		has_code |= name == DW_AT_low_pc || name == DW_AT_ranges;
		rc = read_attr(t, &a, r, &attr);
	}
	if (rc)
		return rc;
	a.role = role_of(a.tag, has_code);
	t->abbrevs[t->nr++] = a;
	return add_code(t, code, &a);
}

static void skip_abbrev(struct reader *r)
{
	uint64_t name = 1, form = 1;

	reader_skip_leb(r);
	reader_u8(r);
	while ((name || form) && !r->failed) {
		name = reader_uleb(r);
		form = reader_uleb(r);
		if (form == DW_FORM_implicit_const)
			reader_skip_leb(r);
	}
}

int dwarf_abbrevs_init(struct dwarf_abbrevs *t, struct reader r, const struct dwarf_format *format,
		       uint64_t only, struct mem *mem)
{
	struct dwarf_abbrevs table = { .format = *format, .mem = mem };
	uint64_t code;
	int rc = add_code_room(&table, ONE_BYTE_CODES - 1);

	if (!rc)
		table.by_code[0] = code_0;
	while (!rc && (!only || !table.nr) && (code = reader_uleb(&r)) != 0) {
		if (only && code != only)
			skip_abbrev(&r);
		else
			rc = read_abbrev(&table, code, &r);
	}
	if (!rc && r.failed)
		rc = -EBADMSG;
	if (rc)
		dwarf_abbrevs_deinit(&table);
	else
		*t = table;
	return rc;
}

int dwarf_abbrevs_new(struct dwarf_abbrevs **ret, struct reader r,
		      const struct dwarf_format *format, uint64_t only, struct mem *mem)
{
	struct dwarf_abbrevs *t = mem_alloc(mem, sizeof(*t));
	int rc = t ? dwarf_abbrevs_init(t, r, format, only, mem) : -ENOMEM;

	if (rc) {
		mem_free(mem, t, sizeof(*t));
		return rc;
	}
	t->users = 1;
	*ret = t;
	return 0;
}

struct dwarf_abbrevs *dwarf_abbrevs_put(struct dwarf_abbrevs *t)
{
	struct mem *mem;

	if (!t || --t->users)
		return NULL;
	mem = t->mem;
	dwarf_abbrevs_deinit(t);
	mem_free(mem, t, sizeof(*t));
	return NULL;
}

void dwarf_abbrevs_deinit(struct dwarf_abbrevs *t)
{
	mem_free(t->mem, t->abbrevs, t->abbrevs_size * sizeof(*t->abbrevs));
	mem_free(t->mem, t->by_code, t->codes_size * sizeof(*t->by_code));
	mem_free(t->mem, t->attrs, t->attrs_size * sizeof(*t->attrs));
	mem_free(t->mem, t->steps, t->steps_size * sizeof(*t->steps));
	*t = (struct dwarf_abbrevs) { .mem = t->mem };
}

/* Most numbers take a byte, and so do most lengths. */
struct reader dwarf_skip_steps(const struct dwarf_abbrevs *t, uint32_t first_step,
			       uint32_t nr_steps, struct reader r)
{
	const uint32_t *steps = &t->steps[first_step];

	for (uint32_t i = 0; i < nr_steps; i++) {
		bool is_short = r.at != r.end && *r.at < 0x80;

		if (steps[i] < DWARF_SKIP_LEB) {
			reader_skip(&r, steps[i]);
		} else if (is_short && steps[i] == DWARF_SKIP_LEB) {
			r.at++;
		} else if (is_short && steps[i] == DWARF_SKIP_BLOCK) {
			reader_skip(&r, 1U + *r.at);
		} else {
			struct reader slow = r;

			dwarf_skip(&slow, steps[i], &t->format);
			r = slow;
		}
	}
	return r;
}
