/* Debug files that are not on this host. */
#include "agent/core/remotedebug.h"
#include "proto/winwire.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

struct request {
	struct request *next;
	uint64_t number;
	bool sent; /* to the exporter that runs now */
	uint8_t build_id[WINWIRE_BUILD_ID_MAX];
	size_t build_id_len;
	remotedebug_fn fn;
	void *userdata;
};

struct remotedebug {
	struct remotedebug_config config;
	struct request *first, **last; /* oldest first */
	uint64_t last_number;
	size_t nr_sent;
	struct remotedebug_counts counts;
};

int remotedebug_new(struct remotedebug **ret, const struct remotedebug_config *config)
{
	struct remotedebug *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->config = *config;
	d->last = &d->first;
	*ret = d;
	return 0;
}

struct remotedebug *remotedebug_free(struct remotedebug *d)
{
	if (!d)
		return NULL;
	while (d->first) {
		struct request *request = d->first;

		d->first = request->next;
		free(request);
	}
	free(d);
	return NULL;
}

static struct request **find(struct remotedebug *d, uint64_t number)
{
	struct request **at = &d->first;

	while (*at && (*at)->number != number)
		at = &(*at)->next;
	return at;
}

static void count(struct remotedebug_counts *c, int fd)
{
	if (fd >= 0)
		c->found++;
	else if (fd == -ENOENT)
		c->nobody++;
	else
		c->later++;
	c->waiting--;
}

/* fd: a descriptor, handed on, or -errno. */
static void finish(struct remotedebug *d, struct request *request, int fd)
{
	struct request **at = find(d, request->number);

	*at = request->next;
	if (!*at)
		d->last = at;
	count(&d->counts, fd);
	request->fn(fd, request->userdata);
	free(request);
}

/* A file that can be read, and not written by us: nothing that makes a reader wait. */
static bool is_plain(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > 0 &&
	       (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY;
}

void remotedebug_answer(struct remotedebug *d, uint64_t number, int error, int fd)
{
	_cleanup_(closep) int owned = fd;
	struct request *request = *find(d, number);

	if (!request || !request->sent)
		return; /* an answer to nothing that was asked */
	d->nr_sent--;
	if (error)
		finish(d, request, error);
	else
		finish(d, request, owned >= 0 && is_plain(owned) ? TAKE_FD(owned) : -EBADMSG);
	remotedebug_proceed(d);
}

void remotedebug_bad(struct remotedebug *d, const uint8_t *build_id, size_t len)
{
	d->counts.bad++;
	d->config.bad(build_id, len, d->config.userdata);
}

void remotedebug_down(struct remotedebug *d)
{
	for (struct request *request = d->first; request; request = request->next)
		request->sent = false;
	d->nr_sent = 0;
}

void remotedebug_proceed(struct remotedebug *d)
{
	for (struct request *request = d->first; request && d->nr_sent < REMOTEDEBUG_SENT_MAX;
	     request = request->next) {
		if (request->sent)
			continue;
		if (d->config.ask(request->number, request->build_id, request->build_id_len,
				  d->config.userdata) < 0)
			return;
		request->sent = true;
		d->nr_sent++;
	}
}

int remotedebug_find(struct remotedebug *d, const uint8_t *build_id, size_t len, remotedebug_fn fn,
		     void *userdata)
{
	struct request *request;

	if (len < WINWIRE_BUILD_ID_MIN || len > WINWIRE_BUILD_ID_MAX)
		return -EINVAL;
	if (d->counts.waiting == REMOTEDEBUG_MAX)
		return -EBUSY;
	request = calloc(1, sizeof(*request));
	if (!request)
		return -ENOMEM;
	*request = (struct request) {
		.number = ++d->last_number, .build_id_len = len, .fn = fn, .userdata = userdata
	};
	memcpy(request->build_id, build_id, len);
	*d->last = request;
	d->last = &request->next;
	d->counts.asked++;
	d->counts.waiting++;
	remotedebug_proceed(d);
	return 0;
}

void remotedebug_counts(const struct remotedebug *d, struct remotedebug_counts *ret)
{
	*ret = d->counts;
}
