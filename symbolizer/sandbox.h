/*
 * The sandbox of a child that parses one foreign file: it may read what it was given, allocate, answer, and end.
 *
 * seccomp(2), landlock(7), getrlimit(2). Opening a file is refused with EACCES, since libraries try to (a debug link, a
 * locale); whatever else is not on the list kills the process.
 */
#ifndef FLEETPROF_SYMBOLIZER_SANDBOX_H
#define FLEETPROF_SYMBOLIZER_SANDBOX_H

#include <linux/filter.h>
#include <stdint.h>

struct sandbox {
	struct sock_fprog filter; /* made once, before the forks */
	uint64_t memory; /* RLIMIT_DATA, bytes */
	uint32_t cpu_s; /* RLIMIT_CPU */
	uint64_t file_bytes; /* RLIMIT_FSIZE: the largest answer */
};

int sandbox_init(struct sandbox *sandbox);
void sandbox_deinit(struct sandbox *sandbox);

/* Locks the calling process in; there is no way back. Returns 0 or -errno, and then the caller must end. */
int sandbox_enter(const struct sandbox *sandbox);

#endif
