/*
 * A unit's abbreviations: how each kind of its entries is written, prepared for passing over entries quickly.
 * DWARF 5, 7.5.3. Library-private.
 */
#ifndef FLEETPROF_SYMBOLIZER_DWARF_ABBREV_H
#define FLEETPROF_SYMBOLIZER_DWARF_ABBREV_H

#include "symbolizer/dwarf_form.h"
#include "symbolizer/mem.h"

struct dwarf_attr {
	uint16_t name, form;
	int64_t implicit; /* of DW_FORM_implicit_const */
};

/* What an entry is to somebody who looks for code. */
enum dwarf_role {
	DWARF_ROLE_NONE,
	DWARF_ROLE_FUNCTION, /* with addresses */
	DWARF_ROLE_INLINED,
	DWARF_ROLE_SCOPE, /* namespaces and modules: functions are among its children */
	DWARF_ROLE_TYPE, /* a class may hold functions; in C it never does */
	DWARF_ROLE_BLOCK, /* within a function, what is inlined may be within it */
	DWARF_ROLE_END, /* of a list of children; not an entry */
};

/* Where in an entry an attribute is, when all before it are of a fixed size. */
struct dwarf_slot {
	uint16_t at; /* bytes from the first attribute */
	uint16_t form; /* 0: the entry has none, or its place differs */
};

struct dwarf_abbrev {
	uint16_t tag, nr_attrs;
	uint8_t role;
	bool children;
	bool sibling; /* says where the entry behind its children is: a ref4, sibling_at bytes from the first attribute */
	uint16_t sibling_at;
	bool code_differs; /* low, high or ranges is there, and its place differs */
	struct dwarf_slot low, high, ranges; /* DW_AT_low_pc, DW_AT_high_pc, DW_AT_ranges */
	uint32_t fixed; /* bytes of all attributes; UINT32_MAX: differs */
	uint32_t first_attr;
	uint32_t first_step, nr_steps; /* how to pass over it, runs of fixed sizes put together */
};

#define DWARF_LEBS 3
#define DWARF_SIBLING_NONE UINT16_MAX

/*
 * What it takes to pass over an entry, all in one place: a walk goes over millions of them. Code 0, which ends a list of
 * children, is one like the others: of no attributes, and a step out instead of in.
 */
struct dwarf_code {
	uint32_t index; /* of the abbreviation, + 1; 0: no such code */
	uint32_t first_step;
	uint16_t nr_steps;
	uint16_t sibling_at; /* DWARF_SIBLING_NONE: its children cannot be jumped over */
	uint16_t size; /* bytes of code and attributes, if all of its LEB128s take one byte */
	uint8_t leb[DWARF_LEBS]; /* where those are; 0: the code, that takes one as well */
	uint8_t role;
	int8_t deeper; /* 1: the entries behind it are its children; -1: its parent's siblings */
	uint8_t plain; /* 1 << role if size is all there is to know; else 0, as for a code that is none */
};

struct dwarf_abbrevs {
	struct dwarf_format format;
	struct dwarf_abbrev *abbrevs;
	struct dwarf_code
		*by_code; /* codes count up from 1 in practice; those of one byte need no check */
	struct dwarf_attr *attrs;
	uint32_t *steps;
	size_t nr, nr_codes, nr_attrs, nr_steps;
	size_t abbrevs_size, codes_size, attrs_size, steps_size;
	uint64_t offset; /* in .debug_abbrev; the caller's */
	uint32_t users;
	struct mem *mem;
};

/*
 * Reads the table at r, or, unless that is 0, nothing of it but the code `only`. Returns 0, -EBADMSG for one that
 * cannot be read to its end, -ENOSPC beyond the bounds of any compiler, -ENOMEM.
 */
int dwarf_abbrevs_init(struct dwarf_abbrevs *t, struct reader r, const struct dwarf_format *format,
		       uint64_t only, struct mem *mem);
void dwarf_abbrevs_deinit(struct dwarf_abbrevs *t);

/* As above, one that several units use: the caller is the first. Each gives it back by dwarf_abbrevs_put(). */
int dwarf_abbrevs_new(struct dwarf_abbrevs **ret, struct reader r,
		      const struct dwarf_format *format, uint64_t only, struct mem *mem);
struct dwarf_abbrevs *dwarf_abbrevs_put(struct dwarf_abbrevs *t);

/* NULL: no such code. */
static inline const struct dwarf_abbrev *dwarf_abbrev_find(const struct dwarf_abbrevs *t,
							   uint64_t code)
{
	uint32_t i = code < t->nr_codes ? t->by_code[code].index : 0;

	return i ? &t->abbrevs[i - 1] : NULL;
}

/* Passes over all attributes of an entry by its steps: by value, so that the reader may live in registers. */
struct reader dwarf_skip_steps(const struct dwarf_abbrevs *t, uint32_t first_step,
			       uint32_t nr_steps, struct reader r);

static inline void dwarf_abbrev_skip(const struct dwarf_abbrevs *t, const struct dwarf_abbrev *a,
				     struct reader *r)
{
	if (a->fixed != UINT32_MAX)
		reader_skip(r, a->fixed);
	else
		*r = dwarf_skip_steps(t, a->first_step, a->nr_steps, *r);
}

#endif
