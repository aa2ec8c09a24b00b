/*
 * The core's end of the opener: asks for a file of another process, gets a descriptor or an errno.
 *
 * The opener is the only process that looks into others' /proc. A file system that stalls costs one
 * of its workers, never the caller: an answer comes within the deadline, -ETIMEDOUT then.
 * An opener that dies is started again; requests under way are answered with -ECONNRESET.
 *
 * Wire format: proto/openwire.h.
 */
#ifndef FLEETPROF_OPENER_CLIENT_H
#define FLEETPROF_OPENER_CLIENT_H

#include "agent/base/err.h"
#include "agent/base/helper.h"

#include <stdint.h>

struct openclient;

/* spawn starts fleetprof-opener; see agent/base/helper.h. */
int openclient_new(struct openclient **ret, struct loop *loop, helper_spawn_fn spawn,
		   void *spawn_userdata, struct err *err);
struct openclient *openclient_free(struct openclient *client);
DEFINE_CLEANUP(struct openclient *, openclient_free)

int openclient_pid(const struct openclient *client);
uint64_t openclient_restarts(const struct openclient *client);

/*
 * fd: an O_RDONLY | O_CLOEXEC descriptor of a regular file that the callback owns, or a negative
 * errno: -ENOENT or -ESRCH (gone), -EACCES, -ETIMEDOUT, -EINVAL (not a regular file), -ECONNRESET.
 */
typedef void (*openclient_fn)(int fd, void *userdata);

/*
 * The file mapped at [start, end) of process tgid, by /proc/TGID/map_files/START-END. Falls back to
 * /proc/TGID/exe's file when map_files is refused and path is "". start_boot_ns: the process's start time,
 * checked before and after (0: not checked), so that a reused pid gives -ESRCH.
 * dev: s_dev of the file (0: unknown), so that at most one worker waits for one such FUSE or network superblock.
 */
struct openclient_mapping {
	uint32_t tgid;
	uint64_t start_boot_ns;
	uint64_t start, end;
	uint32_t dev, s_magic;
};
/* root_fd: the process's root folder, an O_PATH descriptor that the callback owns as well; -1: it could not be had. */
typedef void (*openclient_mapping_fn)(int fd, int root_fd, void *userdata);
int openclient_mapping(struct openclient *client, const struct openclient_mapping *mapping,
		       openclient_mapping_fn fn, void *userdata);

/* The root folder of process tgid, alone: an O_PATH descriptor. */
int openclient_root(struct openclient *client, uint32_t tgid, uint64_t start_boot_ns,
		    openclient_fn fn, void *userdata);

/*
 * The file `path` inside the root directory of process tgid (openat2, RESOLVE_IN_ROOT, no magic links); -EINVAL, too,
 * for what is on procfs, sysfs and the like: those are the kernel's.
 */
int openclient_in_root(struct openclient *client, uint32_t tgid, uint64_t start_boot_ns,
		       const char *path, openclient_fn fn, void *userdata);

/* As above for a path that a file names which nobody vouches for; -ENOEXEC: what it leads to is no ELF file. */
int openclient_elf_in_root(struct openclient *client, uint32_t tgid, uint64_t start_boot_ns,
			   const char *path, openclient_fn fn, void *userdata);

/* As above below a root folder that a mapping's answer brought: its process may have ended since. */
int openclient_elf_below(struct openclient *client, int root_fd, const char *path, openclient_fn fn,
			 void *userdata);

/* /proc/TGID/mountinfo or /proc/TGID/cgroup: the only two files below /proc that it hands out by name. */
int openclient_proc(struct openclient *client, uint32_t tgid, const char *name, openclient_fn fn,
		    void *userdata);

/*
 * The names of generated code that process tgid writes for profilers: /tmp/perf-PID.map in its own root, PID as it sees
 * itself. Only a regular file that is no link, belongs to the process's user or to root, and is not larger than
 * OPENCLIENT_PERF_MAP_MAX; else -EPERM or -EFBIG.
 */
#define OPENCLIENT_PERF_MAP_MAX (256u << 20)
int openclient_perf_map(struct openclient *client, uint32_t tgid, uint64_t start_boot_ns,
			openclient_fn fn, void *userdata);

/*
 * The same in jitdump's format: a file called jit-PID.dump that the process has mapped executable, which is how runtimes
 * announce it (linux/tools/perf/Documentation/jitdump-specification.txt), in whatever folder it is. Its header, as soon
 * as there is one, must be of that PID. Checked as a perf map is, up to OPENCLIENT_JITDUMP_MAX: the code is in it.
 */
#define OPENCLIENT_JITDUMP_MAX (1u << 30)
int openclient_jitdump(struct openclient *client, uint32_t tgid, uint64_t start_boot_ns,
		       openclient_fn fn, void *userdata);

/*
 * Some runtimes write their perf map when they end, and are gone before it can be asked for: the folder where it will be
 * (O_PATH, the callback's), with the process's own view of itself, while it lives; and, later, the map in there.
 */
struct openclient_place {
	uint32_t pid, uid;
	uint64_t start_boot_ns; /* of the request */
};
typedef void (*openclient_place_fn)(int fd, const struct openclient_place *place, void *userdata);
int openclient_map_place(struct openclient *client, uint32_t tgid, uint64_t start_boot_ns,
			 openclient_place_fn fn, void *userdata);
int openclient_map_at(struct openclient *client, int folder_fd,
		      const struct openclient_place *place, openclient_fn fn, void *userdata);

size_t openclient_pending(const struct openclient *client);

#endif
