/* The agent's state directory. */
#include "agent/core/agent_state.h"
#include "agent/base/buf.h"
#include "agent/base/clock.h"
#include "agent/base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

struct agent_state {
	int dir_fd, lock_fd;
	uint64_t last_seen_ns;
};

static uint64_t mtime_of(const struct stat *st)
{
	return (uint64_t)st->st_mtim.tv_sec * NSEC_PER_SEC + (uint64_t)st->st_mtim.tv_nsec;
}

static int open_dir(const char *dir, struct err *err)
{
	int fd, r;

	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return err_errno(err, err_last(),
				 "cannot make the state directory %s (--state-dir)", dir);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = fd < 0 ? err_last() : fd;
	return r < 0 ? err_errno(err, r, "cannot open the state directory %s (--state-dir)", dir)
		     : r;
}

/* The lock's holder writes its process id into it. */
static int explain_lock(int fd, int r, const char *dir, struct err *err)
{
	_cleanup_(buf_deinitp) struct buf text = BUF_NULL;

	if (r != -EWOULDBLOCK)
		return err_errno(err, r, "cannot lock %s/lock", dir);
	buf_init(&text, 64);
	if (sys_read_all(fd, &text) < 0)
		buf_reset(&text);
	return err_set(
		err, -EBUSY,
		"another agent runs here%s%.20s: %s/lock is locked (stop it, or give this one a "
		"--state-dir of its own)",
		text.len ? ", process " : "", buf_str(&text), dir);
}

static int take_lock(struct agent_state *s, const char *dir, struct err *err)
{
	struct stat st;
	char pid[16];
	int n, r;

	s->lock_fd = openat(s->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (s->lock_fd < 0)
		return err_errno(err, err_last(), "cannot write into %s (--state-dir)", dir);
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		r = err_last();
		return explain_lock(s->lock_fd, r, dir, err);
	}
	/* a lock that was just made says nothing about the past */
	if (!fstat(s->lock_fd, &st) && st.st_size)
		s->last_seen_ns = mtime_of(&st);
	n = snprintf(pid, sizeof(pid), "%d", getpid());
	if (ftruncate(s->lock_fd, 0) < 0 || pwrite(s->lock_fd, pid, (size_t)n, 0) != n)
		return err_errno(err, err_last(), "cannot write into %s (--state-dir)", dir);
	return 0;
}

int agent_state_open(struct agent_state **ret, const char *dir, struct err *err)
{
	_cleanup_(agent_state_freep) struct agent_state *s = calloc(1, sizeof(*s));
	struct stat st;
	int r;

	if (!s)
		return -ENOMEM;
	s->lock_fd = -1;
	s->dir_fd = r = open_dir(dir, err);
	if (r >= 0)
		r = take_lock(s, dir, err);
	if (r < 0)
		return r;
	if (!stat("/proc/self/exe", &st))
		s->last_seen_ns = MAX(s->last_seen_ns, mtime_of(&st));
	*ret = TAKE_PTR(s);
	return 0;
}

struct agent_state *agent_state_free(struct agent_state *s)
{
	if (!s)
		return NULL;
	close_fd(s->lock_fd);
	close_fd(s->dir_fd);
	free(s);
	return NULL;
}

uint32_t agent_state_store_uid(const struct agent_state *s, uint32_t *ret_gid)
{
	struct stat st;

	if (fstatat(s->dir_fd, "store", &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return 0;
	*ret_gid = st.st_gid;
	return st.st_uid;
}

int agent_state_dir_fd(const struct agent_state *s)
{
	return s->dir_fd;
}

uint64_t agent_state_last_seen(const struct agent_state *s)
{
	return s->last_seen_ns;
}

void agent_state_touch(struct agent_state *s)
{
	futimens(s->lock_fd, NULL); /* a disk that is full or gone does not end the sampling */
}

int agent_state_set_url(struct agent_state *s, const char *url)
{
	_cleanup_(closep) int fd = -1;
	int r;

	if (unlinkat(s->dir_fd, "url", 0) < 0 && errno != ENOENT)
		return err_last();
	if (!*url)
		return 0;
	fd = openat(s->dir_fd, "url", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_last();
	r = sys_write_all(fd, url, strlen(url));
	return r ?: sys_write_all(fd, "\n", 1);
}
