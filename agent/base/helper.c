/* A helper process at the other end of a socket. */
#include "agent/base/helper.h"
#include "agent/base/clock.h"
#include "agent/base/err.h"
#include "agent/base/fdpass.h"
#include "agent/base/log.h"

#include <errno.h>
#include <fcntl.h>

#define BACKOFF_FIRST_NS (20 * NSEC_PER_MSEC)
#define BACKOFF_MAX_NS (5 * NSEC_PER_SEC)
#define LIVED_WELL_NS (10 * NSEC_PER_SEC) /* after so long a death counts as the first again */

struct helper {
	struct loop *loop;
	struct helper_config config;
	struct loop_source *source, *timer;
	int socket;
	pid_t pid;
	uint64_t backoff_ns, started_ns, restarts;
};

static int on_event(struct loop_source *source, uint32_t events, void *userdata)
{
	struct helper *h = userdata;

	h->config.on_readable(h->socket, h->config.userdata);
	return 0;
}

static int start(struct helper *h)
{
	pid_t pid;
	int pair[2], r;

	r = fdpass_pair(pair);
	if (r < 0)
		return r;
	r = h->config.spawn(pair[1], &pid, h->config.spawn_userdata);
	if (r < 0) {
		close(pair[0]);
		return r;
	}
	h->pid = pid;
	r = fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0
		    ? err_last()
		    : loop_add_fd(h->loop, &h->source, pair[0], EPOLLIN, on_event, h);
	if (r < 0) {
		close(pair[0]); /* the program reads its end of file */
		return r;
	}
	h->socket = pair[0];
	h->started_ns = clock_boot_ns();
	return 0;
}

static int schedule(struct helper *h)
{
	if (clock_boot_ns() - h->started_ns > LIVED_WELL_NS)
		h->backoff_ns = 0;
	h->backoff_ns = h->backoff_ns ? MIN(2 * h->backoff_ns, BACKOFF_MAX_NS) : BACKOFF_FIRST_NS;
	return loop_source_set_timer(h->timer, clock_boot_ns() + h->backoff_ns, 0);
}

static int on_time(struct loop_source *source, uint64_t missed, void *userdata)
{
	struct helper *h = userdata;
	int r = start(h);

	if (r < 0) {
		log_warn("cannot start %s again: %s", h->config.name, err_str(r));
		return schedule(h);
	}
	h->config.on_up(h->config.userdata);
	return 0;
}

int helper_new(struct helper **ret, struct loop *loop, const struct helper_config *config)
{
	_cleanup_(helper_freep) struct helper *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return -ENOMEM;
	h->loop = loop;
	h->config = *config;
	h->socket = -1;
	r = loop_add_timer(loop, &h->timer, 0, 0, on_time, h);
	if (!r)
		r = start(h);
	if (r)
		return r;
	*ret = TAKE_PTR(h);
	return 0;
}

struct helper *helper_free(struct helper *h)
{
	if (!h)
		return NULL;
	loop_source_free(h->source);
	loop_source_free(h->timer);
	close_fd(h->socket);
	free(h);
	return NULL;
}

int helper_socket(const struct helper *h)
{
	return h->socket;
}

pid_t helper_pid(const struct helper *h)
{
	return h->socket < 0 ? 0 : h->pid;
}

uint64_t helper_restarts(const struct helper *h)
{
	return h->restarts;
}

void helper_fail(struct helper *h)
{
	if (h->socket < 0)
		return;
	h->restarts++;
	log_warn("%s (pid %d) ended; starting it again", h->config.name, h->pid);
	h->source = loop_source_free(h->source);
	h->socket = close_fd(h->socket);
	h->config.on_down(h->config.userdata);
	if (schedule(h) < 0)
		log_error("cannot set a timer: %s stays down", h->config.name);
}
