/* The sandboxed child: answers requests about one file until its socket closes. */
#ifndef FLEETPROF_SYMBOLIZER_CHILD_H
#define FLEETPROF_SYMBOLIZER_CHILD_H

#include "symbolizer/sandbox.h"
#include "symbolizer/symbolizer.h"

/* Enters the sandbox and serves; does not return. debug_fd: what may be the file's debug file, or -1. */
__attribute__((noreturn)) void child_main(const struct sandbox *sandbox,
					  enum symbolizer_demangle demangle, int socket,
					  int file_fd, int debug_fd);

#endif
