/* Output files that appear whole or not at all. */
#include "agent/core/output_file.h"
#include "agent/base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#define COPY_CHUNK (8u << 20)
#define TEMPORARY_MAX 32

/* The directory part of path ("." if none), allocated, and the name part. */
static char *split(const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');

	*ret_name = slash ? slash + 1 : path;
	if (!slash)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

static int open_unnamed(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);

	return fd < 0 ? err_last() : fd;
}

/* Does this result of open_unnamed() say that the file system knows no O_TMPFILE? */
static bool no_unnamed(int fd)
{
	return fd == -EOPNOTSUPP || fd == -EISDIR || fd == -ENOENT;
}

static int open_temporary(int dir_fd, char name[TEMPORARY_MAX])
{
	int fd;

	snprintf(name, TEMPORARY_MAX, ".fleetprof-%d", getpid());
	fd = openat(dir_fd, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
	return fd < 0 ? err_last() : fd;
}

static int open_directory(const char *path, const char **ret_name)
{
	_cleanup_(freep) char *dir = split(path, ret_name);
	int fd;

	if (!dir)
		return -ENOMEM;
	if (!**ret_name || !strcmp(*ret_name, ".") || !strcmp(*ret_name, ".."))
		return -EISDIR;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_last() : fd;
}

int output_file_check(const char *path, struct err *err)
{
	const char *name;
	_cleanup_(closep) int dir_fd = open_directory(path, &name);
	_cleanup_(closep) int fd = -1;
	char temporary[TEMPORARY_MAX];
	struct stat st;

	if (dir_fd < 0)
		return err_errno(err, dir_fd, "cannot write %s (choose another --output)", path);
	if (!fstatat(dir_fd, name, &st, 0) && !S_ISREG(st.st_mode))
		return err_set(err, -EEXIST, "cannot write %s: it is there and is no regular file",
			       path);
	fd = open_unnamed(dir_fd);
	if (no_unnamed(fd)) {
		fd = open_temporary(dir_fd, temporary);
		if (fd >= 0)
			unlinkat(dir_fd, temporary, 0);
	}
	if (fd < 0)
		return err_errno(err, fd, "cannot write %s (choose another --output)", path);
	return 0;
}

static int copy(int to, int from)
{
	off_t offset = 0;
	struct stat st;

	if (fstat(from, &st) < 0)
		return err_last();
	while (offset < st.st_size) {
		ssize_t n = sendfile(to, from, &offset, COPY_CHUNK);

		if (n < 0 && errno != EINTR)
			return err_last();
		if (n == 0)
			return -EIO;
	}
	return fsync(to) < 0 && errno != EINVAL && errno != EROFS ? err_last() : 0;
}

/* Gives an unnamed file its name, in place of one that is there. */
static int give_name(int dir_fd, int fd, const char *name)
{
	char link[32], temporary[TEMPORARY_MAX];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (!linkat(AT_FDCWD, link, dir_fd, name, AT_SYMLINK_FOLLOW))
		return 0;
	if (errno != EEXIST)
		return err_last();
	snprintf(temporary, sizeof(temporary), ".fleetprof-%d", getpid());
	if (linkat(AT_FDCWD, link, dir_fd, temporary, AT_SYMLINK_FOLLOW) < 0)
		return err_last();
	if (renameat(dir_fd, temporary, dir_fd, name) < 0) {
		int r = err_last();

		unlinkat(dir_fd, temporary, 0);
		return r;
	}
	return 0;
}

/* For file systems without O_TMPFILE: a temporary name, removed again on failure. */
static int write_named(int dir_fd, const char *name, int data_fd)
{
	char temporary[TEMPORARY_MAX];
	_cleanup_(closep) int fd = open_temporary(dir_fd, temporary);
	int r;

	if (fd < 0)
		return fd;
	r = copy(fd, data_fd);
	if (!r && renameat(dir_fd, temporary, dir_fd, name) < 0)
		r = err_last();
	if (r)
		unlinkat(dir_fd, temporary, 0);
	return r;
}

int output_file_write(const char *path, int data_fd)
{
	const char *name;
	_cleanup_(closep) int dir_fd = open_directory(path, &name);
	_cleanup_(closep) int fd = -1;
	int r;

	if (dir_fd < 0)
		return dir_fd;
	fd = open_unnamed(dir_fd);
	if (no_unnamed(fd))
		return write_named(dir_fd, name, data_fd);
	if (fd < 0)
		return fd;
	r = copy(fd, data_fd);
	return r ? r : give_name(dir_fd, fd, name);
}

int output_file_write_or_elsewhere(const char *path, int data_fd, char *ret_path)
{
	static const char *const places[] = { "/var/tmp", "/tmp", "/dev/shm" };
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	int r = output_file_write(path, data_fd);

	ret_path[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(places) && r && !*ret_path; i++) {
		snprintf(ret_path, PATH_MAX, "%s/%d-%s", places[i], getpid(), name);
		if (output_file_write(ret_path, data_fd))
			ret_path[0] = '\0';
	}
	return r;
}
