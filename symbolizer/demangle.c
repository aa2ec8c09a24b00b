/* Demangling. */
#include "symbolizer/demangle.h"

#include <libiberty/demangle.h>
#include <string.h>

/* Mangled names grow when they are read; a longer one is an attack or of no use to a person. */
#define MANGLED_MAX 4096

char *demangle(const char *name, enum symbolizer_demangle how)
{
	int options = DMGL_AUTO;

	if (how == SYMBOLIZER_DEMANGLE_NONE || name[0] != '_' ||
	    strnlen(name, MANGLED_MAX) == MANGLED_MAX)
		return NULL;
	if (how == SYMBOLIZER_DEMANGLE_FULL)
		options |= DMGL_PARAMS | DMGL_ANSI;
	if (!strncmp(name, "_D", 2))
		return cplus_demangle(name, options | DMGL_DLANG);
	return cplus_demangle(name, options);
}
