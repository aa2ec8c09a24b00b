/* The files in which runtimes name the code that they generate, found by what /proc says of the process. */
#ifndef FLEETPROF_OPENER_JIT_FILES_H
#define FLEETPROF_OPENER_JIT_FILES_H

#include <stdint.h>

/*
 * The perf map or the jitdump of process tgid (agent/opener/client.h says which file that is), O_PATH, or a negative
 * errno: -ENOENT without one, -EPERM for one that is not the process's own, -EFBIG, -ESRCH.
 */
int jit_files_open_map(int proc_fd, uint32_t tgid);
int jit_files_open_dump(int proc_fd, uint32_t tgid);

/* Is the jitdump at fd of process tgid by its header, or not yet written? Else -EPERM. */
int jit_files_check_dump(int proc_fd, uint32_t tgid, int fd);

#endif
