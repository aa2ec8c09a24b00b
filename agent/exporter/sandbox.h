/*
 * The exporter's sandbox: no capability, no way to gain one, few system calls, few paths, few ports.
 *
 * seccomp(2), landlock(7), capabilities(7). The exporter talks to the world; whoever gets hold of it finds a process that
 * can use its database, its descriptors and its back ends, and nothing else of the host. A call that nobody in there has
 * a use for and an intruder would like (exec, ptrace, bpf, mount …) ends the process with its name in the log; any other
 * unknown one fails with EPERM.
 */
#ifndef FLEETPROF_EXPORTER_SANDBOX_H
#define FLEETPROF_EXPORTER_SANDBOX_H

#include "agent/base/err.h"

#include <stddef.h>
#include <stdint.h>

#define SANDBOX_MAX_PATHS 64
#define SANDBOX_MAX_PORTS 16

struct exportersandbox {
	const char *read_write; /* the one directory, with all below it */
	const char *read_only
		[SANDBOX_MAX_PATHS]; /* files, or directories with all below them; missing ones are passed */
	size_t nr_read_only;
	/* TCP ports that may be connected to, or listened on; enforced where the kernel can (Landlock ABI 4, Linux 6.7) */
	uint16_t connect[SANDBOX_MAX_PORTS], bind[SANDBOX_MAX_PORTS];
	size_t nr_connect, nr_bind;
};

/* Adds what name resolution, TLS and local time read. */
void exportersandbox_add_system_paths(struct exportersandbox *s);

/* Adds; -ENOSPC when full. The string is the caller's, and lives until exportersandbox_enter(). */
int exportersandbox_add_read_only(struct exportersandbox *s, const char *path);
int exportersandbox_add_connect(struct exportersandbox *s, uint16_t port);
int exportersandbox_add_bind(struct exportersandbox *s, uint16_t port);

/*
 * Locks the process in, for ever: it must have one thread. Where the kernel has no Landlock that wall is missing, and the
 * log says so. 0, or a negative errno with err set, and then the caller must end.
 */
int exportersandbox_enter(const struct exportersandbox *s, struct err *err);

#endif
