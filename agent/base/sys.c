/* Small system helpers. */
#include "agent/base/sys.h"
#include "agent/base/err.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>

#define READ_CHUNK 65536

void sys_open_standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null",
			  O_RDWR); /* the lowest that is free; inherited like the others */
	while (fd >= 0 && fd <= STDERR_FILENO);
	close_fd(fd);
}

int sys_read_all(int fd, struct buf *b)
{
	for (;;) {
		size_t room = MIN((size_t)READ_CHUNK, b->max - b->len);
		char probe;
		ssize_t n;

		if (!room) { /* at the maximum: fine if this is also the end */
			n = read(fd, &probe, 1);
			return n == 0 ? 0 : n < 0 ? err_last() : -ENOSPC;
		}
		if (!buf_grow(b, room))
			return b->error;
		n = read(fd, b->data + b->len - room, room);
		b->len -= room - (size_t)MAX(n, 0);
		b->data[b->len] = '\0';
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? err_last() : 0;
	}
}

int sys_read_file(int dir_fd, const char *path, struct buf *b)
{
	_cleanup_(closep) int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return err_last();
	return sys_read_all(fd, b);
}

int sys_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_last();
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int sys_parse_u64(const char *s, int base, uint64_t min, uint64_t max, uint64_t *ret)
{
	unsigned long long v;
	char *end;

	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	errno = 0;
	if (!base) /* never octal: a leading zero is no reason to read 010 as 8 */
		base = s[0] == '0' && (s[1] == 'x' || s[1] == 'X') ? 16 : 10;
	v = strtoull(s, &end, base);
	if (*end)
		return -EINVAL;
	if (errno || v < min || v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

int sys_parse_cpu_list(const char *s, int (*fn)(unsigned int cpu, void *userdata), void *userdata)
{
	while (*s && *s != '\n') {
		unsigned long first, last;
		char *end;

		if (!isdigit((unsigned char)*s))
			return -EINVAL;
		first = last = strtoul(s, &end, 10);
		if (*end == '-') {
			if (!isdigit((unsigned char)end[1]))
				return -EINVAL;
			last = strtoul(end + 1, &end, 10);
		}
		if (last < first || last > INT_MAX || (*end && *end != ',' && *end != '\n'))
			return -EINVAL;
		for (unsigned long cpu = first; cpu <= last; cpu++) {
			int r = fn((unsigned int)cpu, userdata);

			if (r < 0)
				return r;
		}
		s = *end == ',' ? end + 1 : end;
	}
	return 0;
}

int sys_helper_path(const char *name, char **ret)
{
	static const char *const places[] = { "", "../libexec/fleetprof/" };
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0)
		return err_last();
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return -ENOENT;
	slash[1] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		_cleanup_(freep) char *path = NULL;

		if (asprintf(&path, "%s%s%s", self, places[i], name) < 0)
			return -ENOMEM;
		if (!access(path, X_OK)) {
			*ret = TAKE_PTR(path);
			return 0;
		}
	}
	return -ENOENT;
}

bool sys_answers_version(const char *program, int argc, char **argv)
{
	if (argc != 2 || strcmp(argv[1], "--version"))
		return false;
	printf("%s %s\n", program, FLEETPROF_VERSION);
	return true;
}

int sys_memfd(const char *name, int *ret_fd)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return err_last();
	*ret_fd = fd;
	return 0;
}

int sys_seal(int fd)
{
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return err_last();
	return 0;
}
