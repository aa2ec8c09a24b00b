/* What a program prints. */
#ifndef FLEETPROF_BASE_CAPTURE_H
#define FLEETPROF_BASE_CAPTURE_H

#include "agent/base/buf.h"

/*
 * Runs argv[0] (a path) with nothing to read, and takes what it prints on standard output; what it says on standard error is
 * dropped. Waits for its end. Returns 0 with its exit status (a signal: 128 and its number; 127: it could not be run), or a
 * negative errno; -ENOSPC: it prints more than out may hold.
 */
int capture_output(char *const *argv, struct buf *out, int *ret_status);

#endif
