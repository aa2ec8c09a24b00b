/* The files in which runtimes name the code that they generate. */
#include "agent/opener/jit_files.h"
#include "agent/base/clock.h"
#include "agent/base/err.h"
#include "agent/base/sys.h"
#include "agent/opener/client.h"
#include "agent/opener/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>

#define MAPPING_LINES_MAX                                                                          \
	(1u << 18) /* of /proc/PID/maps; vm.max_map_count is 65530 unless raised */
#define MAPPING_LINE_MAX 8192 /* a path is shorter than PATH_MAX, and newlines in it are escaped */
#define STALE_SLACK_NS                                                                             \
	(2 * NSEC_PER_SEC) /* of clocks, and of what /proc says when a process began */
#define JITDUMP_MAGIC 0x4a695444u /* "JiTD", in the writer's byte order */

struct self_view {
	unsigned int uids[4]; /* real, effective, saved, file system */
	unsigned int pid; /* in the innermost PID namespace */
};

/* "Uid:" and "NSpid:" of /proc/PID/status; names in it are escaped, so that no other line begins so. */
static int read_self_view(int proc_fd, uint32_t tgid, struct self_view *ret)
{
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;
	const char *uid, *pid, *end;
	char path[32];
	int r;

	buf_init(&b, 65536);
	snprintf(path, sizeof(path), "%u/status", tgid);
	r = sys_read_file(proc_fd, path, &b);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	uid = strstr(buf_str(&b), "\nUid:\t");
	if (!uid || sscanf(uid + 6, "%u %u %u %u", &ret->uids[0], &ret->uids[1], &ret->uids[2],
			   &ret->uids[3]) != 4)
		return -EBADMSG;
	pid = strstr(buf_str(&b), "\nNSpid:\t");
	if (!pid) { /* a kernel without PID namespaces */
		ret->pid = tgid;
		return 0;
	}
	end = strchrnul(pid + 1, '\n');
	while (end > pid && end[-1] != '\t')
		end--;
	return sscanf(end, "%u", &ret->pid) == 1 ? 0 : -EBADMSG;
}

/* A file of root's is as good as the process's own; one of anybody else says what that one likes. */
static int check_owner(int fd, const struct self_view *view, off_t size_max)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_last();
	if (st.st_uid && st.st_uid != view->uids[0] && st.st_uid != view->uids[1] &&
	    st.st_uid != view->uids[2])
		return -EPERM;
	return st.st_size > size_max ? -EFBIG : 0;
}

/* Was the file last written before the process began? Process ids come again, and files in a container stay. */
static bool is_stale(int fd, uint64_t start_boot_ns)
{
	uint64_t age = clock_boot_ns() - start_boot_ns + STALE_SLACK_NS;
	uint64_t now = clock_wall_ns();
	struct stat st;

	if (!start_boot_ns || fstat(fd, &st) < 0 || age > now || st.st_mtim.tv_sec < 0)
		return false;
	return (uint64_t)st.st_mtim.tv_sec * NSEC_PER_SEC + (uint64_t)st.st_mtim.tv_nsec <
	       now - age;
}

int jit_files_open_map(int proc_fd, uint32_t tgid, uint64_t start_boot_ns)
{
	_cleanup_(closep) int fd = -1;
	struct self_view view;
	char path[48];
	int r = read_self_view(proc_fd, tgid, &view);

	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/tmp/perf-%u.map", view.pid);
	fd = opener_open_in_root(proc_fd, tgid, path, RESOLVE_NO_SYMLINKS);
	if (fd < 0)
		return fd;
	r = check_owner(fd, &view, OPENCLIENT_PERF_MAP_MAX);
	if (!r && is_stale(fd, start_boot_ns))
		r = -ENOENT;
	return r < 0 ? r : TAKE_FD(fd);
}

int jit_files_open_place(int proc_fd, uint32_t tgid, struct jit_files_place *ret)
{
	struct self_view view;
	int r = read_self_view(proc_fd, tgid, &view);

	if (r < 0)
		return r;
	r = opener_open_in_root(proc_fd, tgid, "/tmp", 0);
	if (r >= 0)
		*ret = (struct jit_files_place) { .pid = view.pid, .uid = view.uids[1] };
	return r;
}

int jit_files_open_map_at(int folder_fd, const struct jit_files_place *place,
			  uint64_t start_boot_ns)
{
	const struct self_view view = { .uids = { place->uid, place->uid, place->uid } };
	_cleanup_(closep) int fd = -1;
	char name[48];
	int r;

	snprintf(name, sizeof(name), "perf-%u.map", place->pid);
	fd = openat(folder_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_last();
	r = check_owner(fd, &view, OPENCLIENT_PERF_MAP_MAX);
	if (!r && is_stale(fd, start_boot_ns))
		r = -ENOENT;
	return r < 0 ? r : TAKE_FD(fd);
}

/* Is this line of /proc/PID/maps an executable mapping of a file of that name, deleted since or not? */
static bool line_maps(const char *line, const char *name, unsigned long *ret_start,
		      unsigned long *ret_end)
{
	const char *base = strrchr(line, '/');
	char permissions[5];
	size_t len = strlen(name);

	if (!base || strncmp(base + 1, name, len) ||
	    (strcmp(base + 1 + len, "\n") && strcmp(base + 1 + len, " (deleted)\n")))
		return false;
	return sscanf(line, "%lx-%lx %4s", ret_start, ret_end, permissions) == 3 &&
	       permissions[2] == 'x';
}

static int find_mapping(int proc_fd, uint32_t tgid, const char *name, unsigned long *ret_start,
			unsigned long *ret_end)
{
	_cleanup_(fclosep) FILE *maps = NULL;
	char line[MAPPING_LINE_MAX];
	int fd;

	snprintf(line, sizeof(line), "%u/maps", tgid);
	fd = openat(proc_fd, line, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : err_last();
	maps = fdopen(fd, "re");
	if (!maps) {
		close(fd);
		return -ENOMEM;
	}
	for (unsigned int i = 0; fgets(line, sizeof(line), maps); i++) {
		if (i == MAPPING_LINES_MAX)
			return -EFBIG;
		if (line_maps(line, name, ret_start, ret_end))
			return 0;
	}
	return -ENOENT;
}

int jit_files_open_dump(int proc_fd, uint32_t tgid)
{
	_cleanup_(closep) int fd = -1;
	unsigned long start, end;
	struct self_view view;
	char text[96];
	int r = read_self_view(proc_fd, tgid, &view);

	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "jit-%u.dump", view.pid);
	r = find_mapping(proc_fd, tgid, text, &start, &end);
	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%u/map_files/%lx-%lx", tgid, start, end);
	fd = openat(proc_fd, text, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return err_last();
	r = check_owner(fd, &view, OPENCLIENT_JITDUMP_MAX);
	return r < 0 ? r : TAKE_FD(fd);
}

int jit_files_check_dump(int proc_fd, uint32_t tgid, int fd)
{
	uint32_t header[6]; /* magic, version, size, machine, padding, pid */
	struct self_view view;
	int r;

	/* V8 collects 2 MiB before it writes anything; the file is its own all the same. */
	if (pread(fd, header, sizeof(header), 0) != sizeof(header))
		return 0;
	r = read_self_view(proc_fd, tgid, &view);
	if (r < 0)
		return r;
	return header[0] == JITDUMP_MAGIC && header[5] == view.pid ? 0 : -EPERM;
}
