/* Small system helpers: whole-file input and output, numbers, helper programs. */
#ifndef FLEETPROF_BASE_SYS_H
#define FLEETPROF_BASE_SYS_H

#include "agent/base/buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Descriptors 0 to 2 that the caller left closed become /dev/null: else a file of ours would be printed into. */
void sys_open_standard_fds(void);

/* Reads fd to its end into b. Returns 0, -errno, or -ENOSPC at b's maximum. */
int sys_read_all(int fd, struct buf *b);

/* Opens path below dir_fd (AT_FDCWD for none) and reads it into b. */
int sys_read_file(int dir_fd, const char *path, struct buf *b);

/* Writes all of data, through short writes and EINTR. */
int sys_write_all(int fd, const void *data, size_t len);

/*
 * Whole decimal (or, with base 0, also 0x…) number within [min, max] and nothing behind it.
 * Returns 0, -EINVAL (not a number) or -ERANGE.
 */
int sys_parse_u64(const char *s, int base, uint64_t min, uint64_t max, uint64_t *ret);

/* A list such as "0-3,8" as in /sys/devices/system/cpu/online: calls fn for each; -EINVAL if malformed. */
int sys_parse_cpu_list(const char *s, int (*fn)(unsigned int cpu, void *userdata), void *userdata);

/*
 * A directory of helpers: the path of the helper program `name`, beside the running program's file
 * or in ../libexec/fleetprof from there. Returns 0 and an allocated path, or -ENOENT.
 */
int sys_helper_path(const char *name, char **ret);

/* If "--version" is all that is asked for: prints "program VERSION" and says so. */
bool sys_answers_version(const char *program, int argc, char **argv);

/* A sealed-to-be memfd (MFD_CLOEXEC | MFD_ALLOW_SEALING) with a name for /proc. */
int sys_memfd(const char *name, int *ret_fd);

/* Forbids any further change of a memfd's size and contents. */
int sys_seal(int fd);

#endif
