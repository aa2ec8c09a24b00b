/*
 * Which kernel is running, and where its own file with debug information may lie, by the customs of distributions. Pure:
 * for whoever may open files.
 */
#ifndef FLEETPROF_SYMBOLIZER_KERNEL_PATHS_H
#define FLEETPROF_SYMBOLIZER_KERNEL_PATHS_H

#include "symbolizer/debug_paths.h"

/*
 * The build ID among the notes of /sys/kernel/notes; they are the kernel's own, in its byte order (ELF notes, gABI).
 * Returns its length, 0: there is none.
 */
uint32_t kernel_build_id(const void *notes, size_t size, uint8_t ret[SYMBOLIZER_BUILD_ID_MAX]);

/* Absolute paths, most likely first; release: as uname(2) says. Returns how many. */
#define KERNEL_PATHS_MAX 8
size_t kernel_paths(const uint8_t *build_id, uint32_t len, const char *release,
		    char (*ret)[DEBUG_PATH_BYTES]);

#endif
