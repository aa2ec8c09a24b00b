/* The sandboxed child: answers requests about one file until its socket closes. */
#ifndef FLEETPROF_SYMBOLIZER_CHILD_H
#define FLEETPROF_SYMBOLIZER_CHILD_H

#include "symbolizer/sandbox.h"

/* Enters the sandbox and serves; does not return. */
__attribute__((noreturn)) void child_main(const struct sandbox *sandbox, int socket, int file_fd);

#endif
