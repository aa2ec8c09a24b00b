/*
 * Where a program's separate debug file may lie, by the conventions of GDB's manual ("Debugging Information in Separate
 * Files"). Pure: for whoever may open files, which the symbolizer may not.
 */
#ifndef FLEETPROF_SYMBOLIZER_DEBUG_PATHS_H
#define FLEETPROF_SYMBOLIZER_DEBUG_PATHS_H

#include "symbolizer/symbolizer.h"

#define DEBUG_PATHS_MAX 4
#define DEBUG_PATH_BYTES 1024

/*
 * Absolute paths, most likely first; path: the program's own ("" if unknown; a " (deleted)" at its end is left out).
 * A path that would be too long, or a link that is no plain file name, is left out. Returns how many.
 */
size_t debug_paths(const struct symbolizer_identity *identity, const char *path,
		   char (*ret)[DEBUG_PATH_BYTES]);

#endif
