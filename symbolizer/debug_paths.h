/*
 * Where the files may lie that hold a part of a program's debug information, by the conventions of GDB ("Debugging
 * Information in Separate Files" of its manual; dwz(1), dwp(1)). Pure: for whoever may open files, which the symbolizer
 * may not.
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

/*
 * As above for a file that the symbolizer wants. program, debug: paths of the program and of its debug file, "" if
 * unknown. The paths are what a hostile file names: they are to be opened inside the root of a process that maps it.
 */
size_t debug_paths_of_want(const struct symbolizer_want *want, const char *program,
			   const char *debug, char (*ret)[DEBUG_PATH_BYTES]);

/* … and for the package with all of the program's split units. */
size_t debug_paths_of_package(const char *program, char (*ret)[DEBUG_PATH_BYTES]);

/* Is it below /usr/lib/debug, whoever named it? There is nothing but debug files, in the host's root, too. */
bool debug_path_is_public(const char *path);

#endif
