/* The files in which runtimes name the code that they generate, found by what /proc says of the process. */
#ifndef FLEETPROF_OPENER_JIT_FILES_H
#define FLEETPROF_OPENER_JIT_FILES_H

#include <stdint.h>

/*
 * The perf map or the jitdump of process tgid (agent/opener/client.h says which file that is), O_PATH, or a negative
 * errno: -ENOENT without one that was written since the process began (0: whenever), -EPERM for one that is not the
 * process's own, -EFBIG, -ESRCH.
 */
int jit_files_open_map(int proc_fd, uint32_t tgid, uint64_t start_boot_ns);
int jit_files_open_dump(int proc_fd, uint32_t tgid);

/* Where the perf map of process tgid will be, O_PATH, and what tells it from others'. */
struct jit_files_place {
	uint32_t pid, uid; /* as the process sees itself; its effective user */
};
int jit_files_open_place(int proc_fd, uint32_t tgid, struct jit_files_place *ret);

/* The map there, when the process may be gone. Errors as of jit_files_open_map(). */
int jit_files_open_map_at(int folder_fd, const struct jit_files_place *place,
			  uint64_t start_boot_ns);

/* Is the jitdump at fd of process tgid by its header, or not yet written? Else -EPERM. */
int jit_files_check_dump(int proc_fd, uint32_t tgid, int fd);

#endif
