/* Other agents of this host. */
#include "agent/core/other_agents.h"
#include "agent/base/cleanup.h"
#include "agent/base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define VERB "agent"

/* Ended by NUL, cut at size; its length. */
static size_t read_file(int proc_fd, const char *pid, const char *name, char *ret, size_t size)
{
	char path[300];
	_cleanup_(closep) int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s", pid, name);
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, ret, size - 1);
	n = n < 0 ? 0 : n;
	ret[n] = '\0';
	return (size_t)n;
}

static bool is_agent(int proc_fd, const char *pid)
{
	char text[PATH_MAX + sizeof(VERB) + 1];
	struct stat st;
	size_t n, program;

	read_file(proc_fd, pid, "comm", text, sizeof(text));
	if (strcmp(text, KEEPER_NAME "\n") != 0)
		return false;
	if (fstatat(proc_fd, pid, &st, 0) < 0 || (st.st_uid && st.st_uid != geteuid()))
		return false;
	n = read_file(proc_fd, pid, "cmdline", text, sizeof(text));
	program = strlen(text);
	return program < n && !strcmp(text + program + 1, VERB);
}

size_t other_agents_find(int proc_fd, pid_t except, pid_t ret[OTHER_AGENTS_MAX])
{
	int fd = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	size_t nr = 0;

	if (!dir) {
		close_fd(fd);
		return 0;
	}
	while (nr < OTHER_AGENTS_MAX && (entry = readdir(dir))) {
		long pid = strtol(entry->d_name, NULL, 10);

		if (pid > 0 && pid != except && is_agent(proc_fd, entry->d_name))
			ret[nr++] = (pid_t)pid;
	}
	closedir(dir);
	return nr;
}

void other_agents_init(struct other_agents *o)
{
	_cleanup_(closep) int proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	pid_t pids[OTHER_AGENTS_MAX];
	size_t nr = proc_fd < 0 ? 0 : other_agents_find(proc_fd, getppid(), pids);

	o->nr = 0;
	for (size_t i = 0; i < nr; i++) {
		int fd = (int)syscall(SYS_pidfd_open, pids[i], 0);

		if (fd < 0) /* it has just ended */
			continue;
		o->fds[o->nr++] = fd;
		log_warn("another agent runs on this host, process %d: everything is sampled and "
			 "stored twice (stop one of them)",
			 pids[i]);
	}
}

size_t other_agents_living(const struct other_agents *o)
{
	size_t nr = 0;

	for (size_t i = 0; i < o->nr; i++) {
		struct pollfd fd = { .fd = o->fds[i], .events = POLLIN };

		nr += poll(&fd, 1, 0) == 0; /* readable: it has ended */
	}
	return nr;
}

void other_agents_deinit(struct other_agents *o)
{
	for (size_t i = 0; i < o->nr; i++)
		close_fd(o->fds[i]);
	o->nr = 0;
}
