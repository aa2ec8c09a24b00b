/* Names for people: C++ (Itanium ABI), Rust (legacy and v0) and D, by libiberty. */
#ifndef FLEETPROF_SYMBOLIZER_DEMANGLE_H
#define FLEETPROF_SYMBOLIZER_DEMANGLE_H

#include "symbolizer/symbolizer.h"

/* The demangled name, allocated, or NULL when the name is not mangled (or how is NONE). */
char *demangle(const char *name, enum symbolizer_demangle how);

#endif
