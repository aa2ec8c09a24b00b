/*
 * The supervisor: forks a sandboxed child for each file and passes messages through; parses nothing itself.
 *
 * Memory, crash, hang and corruption stay in one child, that is in one file of one owner.
 */
#ifndef FLEETPROF_SYMBOLIZER_SUPERVISOR_H
#define FLEETPROF_SYMBOLIZER_SUPERVISOR_H

#include "agent/base/err.h"
#include "symbolizer/symbolizer.h"

#include <stdint.h>

struct supervisor_config {
	uint32_t max_children; /* alive at once */
	uint32_t deadline_ms; /* of a request in a child */
	uint64_t child_memory; /* RLIMIT_DATA, bytes */
	enum symbolizer_demangle demangle;
};

/* Serves the core at socket until it closes its end. Returns 0 or -errno. */
int supervisor_serve(int socket, const struct supervisor_config *config, struct err *err);

#endif
