/*
 * Looks for a program's separate debug file: in a root where the program is mapped, then, by build ID only, in the host's
 * own. What is found is not believed: the symbolizer compares it with the program.
 */
#ifndef FLEETPROF_CORE_DEBUGFILES_H
#define FLEETPROF_CORE_DEBUGFILES_H

#include "agent/opener/client.h"
#include "symbolizer/symbolizer.h"

/*
 * fd: a descriptor that the callback owns, or a negative errno: none was found. next: the place to go on from, if the
 * file turns out to be another program's. Called once, maybe within the call.
 */
typedef void (*debugfiles_fn)(int fd, size_t next, void *userdata);

/*
 * root_fd: the root folder, which stays the caller's as long as the search; -1: only the host's is looked through.
 * path: the program's own, as its descriptor has it; may be NULL. first: the place to begin with, 0 at first.
 * 0, or -errno: the callback does not come.
 */
int debugfiles_find(struct openclient *opener, int root_fd,
		    const struct symbolizer_identity *identity, const char *path, size_t first,
		    debugfiles_fn fn, void *userdata);

#endif
