/*
 * The functions of a unit, and the calls that were inlined into one of them, as flat tables over addresses.
 *
 * A unit's entries are passed over once, without looking into the functions; those that somebody asks for are read then,
 * each once. Library-private.
 */
#ifndef FLEETPROF_SYMBOLIZER_DWARF_SCOPES_H
#define FLEETPROF_SYMBOLIZER_DWARF_SCOPES_H

#include "symbolizer/dwarf_unit.h"
#include "symbolizer/spans.h"

#define DWARF_NO_NODE UINT32_MAX

/* A function, or a call of one that was inlined. */
struct dwarf_node {
	uint64_t die; /* from the unit's beginning */
	uint32_t parent; /* that it is inlined into; DWARF_NO_NODE for a function */
};

/* What the entry of a node says. */
struct dwarf_call {
	struct dwarf_ref origin; /* where its name is, or the way to it */
	uint32_t file, line, column; /* of the call; 0: unknown */
};
void dwarf_call_read(const struct dwarf_unit *unit, const struct dwarf_node *node,
		     struct dwarf_call *ret);

/* What was inlined into one function. Node 0 is the function. */
struct dwarf_inlines {
	struct dwarf_node *nodes;
	size_t nr_nodes, size;
	struct spans spans; /* → nodes */
	bool cut; /* the ceiling was in the way: only node 0 is there */
};

struct dwarf_function {
	uint64_t die; /* from the unit's beginning */
	struct dwarf_inlines *inlines; /* NULL until they are read */
};

struct dwarf_functions {
	struct dwarf_function *functions;
	size_t nr, size;
	struct spans spans; /* → functions */
	bool everything; /* whether it was asked for or not: clang does not say how to pass over children */
	struct mem *mem;
};

/*
 * Finds the functions of unit. everything: also those inside of other functions and, in C++, of types, which takes
 * longer. Returns 0, or -ENOMEM at the ceiling. A unit that breaks off gives what was read until there.
 */
int dwarf_functions_init(struct dwarf_functions *f, const struct dwarf_unit *unit, bool everything,
			 struct mem *mem);
void dwarf_functions_deinit(struct dwarf_functions *f);

/* Reads what is inlined into a function. 0, or -ENOMEM when not even node 0 fits under the ceiling. */
int dwarf_inlines_new(struct dwarf_inlines **ret, const struct dwarf_unit *unit, uint64_t die,
		      struct mem *mem);

void dwarf_inlines_free(struct dwarf_inlines *in, struct mem *mem);

/* The innermost node at address: 0, the function itself, at least. Narrows the stretch. */
uint32_t dwarf_inlines_find(const struct dwarf_inlines *in, uint64_t address,
			    struct stretch *stretch);

#endif
