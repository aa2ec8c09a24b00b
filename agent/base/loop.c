/* The epoll loop. */
#include "agent/base/loop.h"
#include "agent/base/err.h"

#include <assert.h>
#include <errno.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#define EVENTS_PER_ROUND 32

enum source_kind { SOURCE_FD, SOURCE_TIMER, SOURCE_SIGNAL };

struct loop_source {
	struct loop *loop;
	struct loop_source *prev, *next;
	enum source_kind kind;
	int fd;
	bool dead; /* freed during dispatch; memory goes after the round */
	union {
		loop_fd_fn on_fd;
		loop_timer_fn on_timer;
		loop_signal_fn on_signal;
	};
	void *userdata;
};

struct loop {
	int epoll_fd;
	int code;
	bool stopped, dispatching;
	struct loop_source *sources, *dead;
};

int loop_new(struct loop **ret)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return -ENOMEM;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		int r = err_last();

		free(loop);
		return r;
	}
	*ret = loop;
	return 0;
}

static void reap(struct loop *loop)
{
	while (loop->dead) {
		struct loop_source *source = loop->dead;

		loop->dead = source->next;
		free(source);
	}
}

struct loop *loop_free(struct loop *loop)
{
	if (!loop)
		return NULL;
	while (loop->sources)
		loop_source_free(loop->sources);
	reap(loop);
	close_fd(loop->epoll_fd);
	free(loop);
	return NULL;
}

static int dispatch_timer(struct loop_source *source)
{
	uint64_t missed;

	if (read(source->fd, &missed, sizeof(missed)) != sizeof(missed))
		return 0; /* re-armed between the event and the read */
	return source->on_timer(source, missed, source->userdata);
}

static int dispatch_signal(struct loop_source *source)
{
	struct signalfd_siginfo info;

	if (read(source->fd, &info, sizeof(info)) != sizeof(info))
		return 0;
	return source->on_signal(source, (int)info.ssi_signo, source->userdata);
}

static int dispatch(struct loop_source *source, uint32_t events)
{
	switch (source->kind) {
	case SOURCE_FD:
		return source->on_fd(source, events, source->userdata);
	case SOURCE_TIMER:
		return dispatch_timer(source);
	case SOURCE_SIGNAL:
		return dispatch_signal(source);
	}
	return -EINVAL;
}

int loop_run_once(struct loop *loop, int timeout_ms)
{
	struct epoll_event events[EVENTS_PER_ROUND];
	int n, r = 0;

	loop->stopped = false; /* a stop ends its own round, not the rounds of a later phase */
	n = epoll_wait(loop->epoll_fd, events, EVENTS_PER_ROUND, timeout_ms);
	if (n < 0)
		return errno == EINTR ? 0 : err_last();
	loop->dispatching = true;
	for (int i = 0; i < n && r >= 0 && !loop->stopped; i++) {
		struct loop_source *source = events[i].data.ptr;

		if (!source->dead)
			r = dispatch(source, events[i].events);
	}
	loop->dispatching = false;
	reap(loop);
	return r < 0 ? r : 0;
}

int loop_run(struct loop *loop)
{
	loop->code = 0;
	do {
		int r = loop_run_once(loop, -1);

		if (r < 0)
			return r;
	} while (!loop->stopped);
	return loop->code;
}

void loop_stop(struct loop *loop, int code)
{
	loop->stopped = true;
	loop->code = code;
}

static int add(struct loop *loop, struct loop_source **ret, struct loop_source template,
	       uint32_t events)
{
	struct epoll_event event = { .events = events };
	struct loop_source *source = malloc(sizeof(*source));

	if (!source)
		return -ENOMEM;
	*source = template;
	source->loop = loop;
	event.data.ptr = source;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) < 0) {
		int r = err_last();

		free(source);
		return r;
	}
	source->next = loop->sources;
	if (source->next)
		source->next->prev = source;
	loop->sources = source;
	*ret = source;
	return 0;
}

int loop_add_fd(struct loop *loop, struct loop_source **ret, int fd, uint32_t events, loop_fd_fn fn,
		void *userdata)
{
	struct loop_source template = {
		.kind = SOURCE_FD, .fd = fd, .on_fd = fn, .userdata = userdata
	};

	return add(loop, ret, template, events);
}

int loop_source_fd(const struct loop_source *source)
{
	return source->fd;
}

int loop_source_set_events(struct loop_source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	if (epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event) < 0)
		return err_last();
	return 0;
}

static struct timespec timespec_of(uint64_t ns)
{
	return (struct timespec) { .tv_sec = (time_t)(ns / 1000000000),
				   .tv_nsec = (long)(ns % 1000000000) };
}

int loop_source_set_timer(struct loop_source *source, uint64_t first_ns, uint64_t interval_ns)
{
	struct itimerspec spec = { .it_value = timespec_of(first_ns),
				   .it_interval = timespec_of(interval_ns) };

	assert(source->kind == SOURCE_TIMER);
	if (timerfd_settime(source->fd, TFD_TIMER_ABSTIME, &spec, NULL) < 0)
		return err_last();
	return 0;
}

int loop_add_timer(struct loop *loop, struct loop_source **ret, uint64_t first_ns,
		   uint64_t interval_ns, loop_timer_fn fn, void *userdata)
{
	_cleanup_(closep) int fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	struct loop_source template = {
		.kind = SOURCE_TIMER, .fd = fd, .on_timer = fn, .userdata = userdata
	};
	int r;

	if (fd < 0)
		return err_last();
	r = loop_source_set_timer(&template, first_ns, interval_ns);
	if (r < 0)
		return r;
	r = add(loop, ret, template, EPOLLIN);
	if (r < 0)
		return r;
	fd = -1; /* the source's now */
	return 0;
}

int loop_add_signal(struct loop *loop, struct loop_source **ret, int signo, loop_signal_fn fn,
		    void *userdata)
{
	_cleanup_(closep) int fd = -1;
	struct loop_source template = { .kind = SOURCE_SIGNAL,
					.on_signal = fn,
					.userdata = userdata };
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, signo);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_last();
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_last();
	template.fd = fd;
	r = add(loop, ret, template, EPOLLIN);
	if (r < 0)
		return r;
	fd = -1; /* the source's now */
	return 0;
}

struct loop_source *loop_source_free(struct loop_source *source)
{
	struct loop *loop;

	if (!source)
		return NULL;
	assert(!source->dead);
	loop = source->loop;
	/* Fails only if the owner closed the descriptor first, and then it has left the set. */
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	if (source->kind != SOURCE_FD)
		close_fd(source->fd);
	if (source->prev)
		source->prev->next = source->next;
	else
		loop->sources = source->next;
	if (source->next)
		source->next->prev = source->prev;
	if (loop->dispatching) {
		source->dead = true;
		source->next = loop->dead;
		loop->dead = source;
	} else {
		free(source);
	}
	return NULL;
}
