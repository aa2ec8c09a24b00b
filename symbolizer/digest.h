/* The SHA-256 of a file's whole content. */
#ifndef FLEETPROF_SYMBOLIZER_DIGEST_H
#define FLEETPROF_SYMBOLIZER_DIGEST_H

#include "symbolizer/symbolizer.h"

/*
 * Reads fd from its beginning to its end, whatever its position. What others have written through mappings is written
 * out first: from then on, a write changes the file's ctime. Returns 0; -ESTALE when the file was changed meanwhile; -errno.
 */
int digest_file(int fd, uint8_t ret[SYMBOLIZER_DIGEST_SIZE]);

#endif
