/*
 * The kernel's own file with debug information, if it is installed: looked for once, in the host's root. Its build ID must
 * be that of the kernel that runs.
 */
#ifndef FLEETPROF_CORE_VMLINUX_H
#define FLEETPROF_CORE_VMLINUX_H

#include "agent/opener/client.h"
#include "symbolizer/client.h"

struct vmlinux;

/* Begins to look; both are the caller's, and are freed before it. A kernel that does not say its build ID has none. */
int vmlinux_new(struct vmlinux **ret, struct openclient *opener, struct symclient *symbolizer);
struct vmlinux *vmlinux_free(struct vmlinux *v);
DEFINE_CLEANUP(struct vmlinux *, vmlinux_free)

/* Is it still being looked for? */
bool vmlinux_pending(const struct vmlinux *v);

/* -1: there is none, or not yet. */
int vmlinux_fd(const struct vmlinux *v);

#endif
