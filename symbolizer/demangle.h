/* Names for people: C++ (Itanium ABI), Rust (legacy and v0) and D, by libiberty. */
#ifndef FLEETPROF_SYMBOLIZER_DEMANGLE_H
#define FLEETPROF_SYMBOLIZER_DEMANGLE_H

#include "symbolizer/symbolizer.h"

/*
 * The demangled name, allocated, or NULL when the name is not mangled, stands for more than a person would read, or how
 * is NONE. SHORT is without parameters and template arguments. Time and memory are bounded, whatever the name.
 */
char *demangle(const char *name, enum symbolizer_demangle how);

/*
 * The same for a name that is not the linker's but the source's, as DWARF has those of C++: with template arguments.
 * NULL when it stays as it is.
 */
char *demangle_plain(const char *name, enum symbolizer_demangle how);

/* "full", "short" or "none"; else -EINVAL. */
int demangle_parse(const char *text, enum symbolizer_demangle *ret);

#endif
