/*
 * Names of functions: from an entry along its abstract origins and specifications, demangled, each once.
 * DWARF 5, 3.3. Library-private.
 */
#ifndef FLEETPROF_SYMBOLIZER_DWARF_NAMES_H
#define FLEETPROF_SYMBOLIZER_DWARF_NAMES_H

#include "agent/base/hashmap.h"
#include "symbolizer/dwarf_units.h"
#include "symbolizer/symbolizer.h"

struct dwarf_name {
	const char *name; /* demangled; NULL: it has none */
	const char *system_name; /* the linker's */
	uint32_t start_line; /* of its declaration; 0: unknown */
};

/* Names, and other strings of answers, that stay until all are dropped. */
struct dwarf_names {
	struct arena arena;
	struct hashmap
		*known; /* address of an entry → its name, of a linker's name → the demangled one */
	enum symbolizer_demangle how;
};

int dwarf_names_init(struct dwarf_names *names, struct mem *mem);
void dwarf_names_deinit(struct dwarf_names *names);

/* Forgets all of them. */
void dwarf_names_drop(struct dwarf_names *names);
size_t dwarf_names_bytes(const struct dwarf_names *names);

/*
 * The name of the function at ref; near is a pinned unit where it probably is. NULL at the ceiling. Names live until
 * dwarf_names_drop(); system_name may point into a section.
 */
const struct dwarf_name *dwarf_names_get(struct dwarf_names *names, struct dwarf_units *units,
					 struct dwarf_entry *near, const struct dwarf_ref *ref);

#endif
