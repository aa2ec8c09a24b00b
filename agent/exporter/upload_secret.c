/* A file with a secret. */
#include "agent/exporter/upload_secret.h"
#include "agent/base/log.h"
#include "agent/base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static int read_secret(struct uploadsecret *s, struct buf *data, struct stat *st)
{
	/* O_NONBLOCK: what stands there may be a pipe */
	_cleanup_(closep) int fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int r;

	if (fd < 0 || fstat(fd, st) < 0)
		return err_last();
	if (!S_ISREG(st->st_mode))
		return -EINVAL;
	r = sys_read_all(fd, data);
	while (r == 0 && data->len && strchr("\r\n", data->data[data->len - 1]))
		data->data[--data->len] = '\0';
	return r ?: data->len ? 0 : -ENODATA;
}

static void replace(struct uploadsecret *s, struct buf *data)
{
	struct buf old = s->data;

	s->data = *data;
	*data = old;
	if (data->data)
		explicit_bzero(data->data, data->size);
	buf_deinit(data);
}

int uploadsecret_load(struct uploadsecret *s, const char *path, struct err *err)
{
	int r;

	*s = (struct uploadsecret) { .path = path };
	buf_init(&s->data, UPLOADSECRET_MAX);
	if (!path)
		return 0;
	r = read_secret(s, &s->data, &s->stat);
	return r < 0 ? err_errno(err, r, "cannot read %s", path) : 0;
}

void uploadsecret_deinit(struct uploadsecret *s)
{
	struct buf none = BUF_NULL;

	replace(s, &none);
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

void uploadsecret_refresh(struct uploadsecret *s)
{
	struct buf data;
	struct stat st;
	int r;

	if (!s->path)
		return;
	r = stat(s->path, &st) < 0 ? err_last() : 0;
	if (r == 0 && is_same(&st, &s->stat))
		return;
	buf_init(&data, UPLOADSECRET_MAX);
	r = r ?: read_secret(s, &data, &st);
	if (r == 0) {
		replace(s, &data);
		s->stat = st;
		s->warned = false;
		log_info("%s was read again: it changed", s->path);
		return;
	}
	buf_deinit(&data);
	if (!s->warned)
		log_warn("cannot read %s again: %s; what it held before stays in use", s->path,
			 err_str(r));
	s->warned = true;
}
