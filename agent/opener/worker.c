/* Opens the file of a request. */
#include "agent/opener/worker.h"
#include "agent/base/clock.h"
#include "agent/base/err.h"
#include "agent/base/sys.h"
#include "agent/opener/jit_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

/* First only the path: opening a device may already do something (a watchdog starts). */
#define PATH_FLAGS (O_PATH | O_CLOEXEC)
#define CONFIGFS_MAGIC 0x62656570 /* not in linux/magic.h */
#define THREADS_MAX 64 /* of a process whose leader has ended: any that lives will do */
#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* Start of a process by /proc/PID/stat: field 22, in clock ticks since boot. */
static int read_start_ns(int proc_fd, uint32_t tgid, uint64_t *ret)
{
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;
	unsigned long long ticks;
	char path[32];
	char *p;
	int r;

	buf_init(&b, 4096);
	snprintf(path, sizeof(path), "%u/stat", tgid);
	r = sys_read_file(proc_fd, path, &b);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	p = strrchr(buf_str(&b), ')'); /* the comm may hold anything */
	if (!p ||
	    sscanf(p + 1,
		   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		   &ticks) != 1)
		return -EBADMSG;
	*ret = ticks * (NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK));
	return 0;
}

/* Is tgid still the process that the request means? The tick is all that /proc tells. */
static int check_process(int proc_fd, const struct openwire_request *request)
{
	uint64_t tick = NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK), start;
	int r;

	if (!request->start_boot_ns || !request->tgid)
		return 0;
	r = read_start_ns(proc_fd, request->tgid, &start);
	if (r < 0)
		return r;
	return start <= request->start_boot_ns + tick && request->start_boot_ns <= start + tick
		       ? 0
		       : -ESRCH;
}

/* id: of a thread; the directories of those that are no leaders are there, though not listed. */
static int open_mapping_of(int proc_fd, unsigned int id, const struct openwire_request *request)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%u/map_files/%" PRIx64 "-%" PRIx64, id, request->start,
		 request->end);
	fd = openat(proc_fd, path, PATH_FLAGS);
	if (fd >= 0)
		return fd;
	/* It may have been split or merged since, or we lack a capability; the executable itself is the likeliest file. */
	if (errno != ENOENT && errno != EPERM && errno != EACCES)
		return err_last();
	snprintf(path, sizeof(path), "%u/exe", id);
	fd = openat(proc_fd, path, PATH_FLAGS);
	return fd < 0 ? err_last() : fd;
}

/* A leader that has ended has no mappings any more, but its threads that go on do. */
static int open_mapping_of_thread(int proc_fd, const struct openwire_request *request)
{
	_cleanup_(closedirp) DIR *tasks = NULL;
	struct dirent *task;
	char path[32];
	int fd, r = -ENOENT;

	snprintf(path, sizeof(path), "%u/task", request->tgid);
	fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_last();
	tasks = fdopendir(fd);
	if (!tasks) {
		close(fd);
		return -ENOMEM;
	}
	for (unsigned int i = 0; r < 0 && i < THREADS_MAX && (task = readdir(tasks)); i++) {
		uint64_t id;

		if (!sys_parse_u64(task->d_name, 10, 1, INT32_MAX, &id) && id != request->tgid)
			r = open_mapping_of(proc_fd, (unsigned int)id, request);
	}
	return r;
}

static int open_mapping(int proc_fd, const struct openwire_request *request)
{
	int r = open_mapping_of(proc_fd, request->tgid, request);

	return r == -ENOENT || r == -ESRCH ? open_mapping_of_thread(proc_fd, request) : r;
}

static int open_root(int proc_fd, uint32_t tgid)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "%u/root", tgid);
	fd = openat(proc_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_last() : fd;
}

/*
 * File systems whose "regular files" are questions to the kernel, of which a root may have the host's: to open one may
 * act, /proc/PID has other processes' secrets, and nothing that is looked for is there.
 */
static bool is_kernel_interface(int path_fd)
{
	static const uint32_t magics[] = {
		PROC_SUPER_MAGIC,     SYSFS_MAGIC,    DEBUGFS_MAGIC,  TRACEFS_MAGIC,
		SECURITYFS_MAGIC,     SELINUX_MAGIC,  SMACK_MAGIC,    CGROUP_SUPER_MAGIC,
		CGROUP2_SUPER_MAGIC,  BPF_FS_MAGIC,   PSTOREFS_MAGIC, EFIVARFS_MAGIC,
		RDTGROUP_SUPER_MAGIC, BINFMTFS_MAGIC, NSFS_MAGIC,     XENFS_SUPER_MAGIC,
		CONFIGFS_MAGIC,
	};
	struct statfs st;

	if (fstatfs(path_fd, &st) < 0) /* a server's no; those below never fail */
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(magics); i++) {
		if ((uint32_t)st.f_type == magics[i])
			return true;
	}
	return false;
}

static int open_below(int root, const char *wanted, uint64_t resolve)
{
	struct open_how how = { .flags = PATH_FLAGS,
				.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve };
	int fd = -1;

	for (unsigned int i = 0; i < 8; i++) { /* EAGAIN: a rename raced with the look-up */
		fd = (int)syscall(SYS_openat2, root, wanted, &how, sizeof(how));
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	if (fd < 0)
		return err_last();
	if (!is_kernel_interface(fd))
		return fd;
	close(fd);
	return -EINVAL;
}

int opener_open_in_root(int proc_fd, uint32_t tgid, const char *wanted, uint64_t resolve)
{
	_cleanup_(closep) int root = open_root(proc_fd, tgid);

	return root < 0 ? root : open_below(root, wanted, resolve);
}

static int open_proc(int proc_fd, const struct openwire_request *request)
{
	char path[OPENWIRE_PATH_MAX + 16];
	int fd;

	snprintf(path, sizeof(path), "%u/%s", request->tgid, request->path);
	fd = openat(proc_fd, path, PATH_FLAGS);
	return fd < 0 ? err_last() : fd;
}

static int reopen_regular(int path_fd)
{
	char path[32];
	struct stat st;
	int fd;

	if (fstat(path_fd, &st) < 0)
		return err_last();
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", path_fd);
	fd = open(path, OPEN_FLAGS);
	return fd < 0 ? err_last() : fd;
}

/* Paths that a foreign file names may lead to any file of its root: what is no ELF file goes to nobody. */
static bool begins_as_elf(int fd)
{
	char magic[4];

	return pread(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
	       !memcmp(magic, "\177ELF", sizeof(magic));
}

static int find(int proc_fd, int below_fd, const struct openwire_request *request)
{
	struct jit_files_place place;

	switch (request->header.type) {
	case OPENWIRE_MAPPING:
		return open_mapping(proc_fd, request);
	case OPENWIRE_IN_ROOT:
	case OPENWIRE_ELF_IN_ROOT:
		return opener_open_in_root(proc_fd, request->tgid, request->path, 0);
	case OPENWIRE_ELF_BELOW:
		return open_below(below_fd, request->path, 0);
	case OPENWIRE_PERF_MAP:
		return jit_files_open_map(proc_fd, request->tgid, request->start_boot_ns);
	case OPENWIRE_JITDUMP:
		return jit_files_open_dump(proc_fd, request->tgid);
	case OPENWIRE_MAP_AT:
		place = (struct jit_files_place) { .pid = (uint32_t)request->start,
						   .uid = (uint32_t)request->end };
		return jit_files_open_map_at(below_fd, &place, request->start_boot_ns);
	}
	return open_proc(proc_fd, request);
}

int opener_open(int proc_fd, int below_fd, const struct openwire_request *request)
{
	_cleanup_(closep) int path_fd = -1;
	_cleanup_(closep) int fd = -1;
	int r = check_process(proc_fd, request);

	if (r < 0)
		return r;
	path_fd = find(proc_fd, below_fd, request);
	if (path_fd < 0)
		return path_fd;
	fd = reopen_regular(path_fd);
	if (fd < 0)
		return fd;
	if ((request->header.type == OPENWIRE_ELF_IN_ROOT ||
	     request->header.type == OPENWIRE_ELF_BELOW) &&
	    !begins_as_elf(fd))
		return -ENOEXEC;
	if (request->header.type == OPENWIRE_JITDUMP) {
		r = jit_files_check_dump(proc_fd, request->tgid, fd);
		if (r < 0)
			return r;
	}
	r = check_process(proc_fd, request);
	return r < 0 ? r : TAKE_FD(fd);
}

int opener_map_place(int proc_fd, const struct openwire_request *request,
		     struct openwire_answer *ret)
{
	_cleanup_(closep) int fd = -1;
	struct jit_files_place place;
	int r = check_process(proc_fd, request);

	if (r < 0)
		return r;
	fd = jit_files_open_place(proc_fd, request->tgid, &place);
	if (fd < 0)
		return fd;
	r = check_process(proc_fd, request);
	if (r < 0)
		return r;
	ret->pid = place.pid;
	ret->uid = place.uid;
	return TAKE_FD(fd);
}

int opener_root(int proc_fd, const struct openwire_request *request)
{
	_cleanup_(closep) int fd = open_root(proc_fd, request->tgid);
	int r = fd < 0 ? fd : check_process(proc_fd, request);

	return r < 0 ? r : TAKE_FD(fd);
}
