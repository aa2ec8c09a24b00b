/* The epoll loop: order of life and death of its sources, timers, signals, stopping and running again. */
#include "agent/base/clock.h"
#include "agent/base/loop.h"
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>

struct pipes {
	struct loop *loop;
	int fds[3][2];
	struct loop_source *sources[3];
	int calls[3];
	int answer;
	bool free_all, stop;
};

static int on_pipe(struct loop_source *source, uint32_t events, void *userdata)
{
	struct pipes *p = userdata;

	for (int i = 0; i < 3; i++) {
		if (p->sources[i] == source)
			p->calls[i]++;
	}
	for (int i = 0; i < 3 && p->free_all; i++)
		p->sources[i] = loop_source_free(p->sources[i]); /* its own included */
	if (p->stop)
		loop_stop(p->loop, 42);
	return p->answer;
}

static void pipes_open(struct pipes *p)
{
	*p = (struct pipes) { .loop = NULL };
	CHECK_INT(loop_new(&p->loop), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_INT(pipe2(p->fds[i], O_CLOEXEC), 0);
		CHECK_INT(write(p->fds[i][1], "x", 1), 1);
		CHECK_INT(loop_add_fd(p->loop, &p->sources[i], p->fds[i][0], EPOLLIN, on_pipe, p),
			  0);
	}
}

static void pipes_close(struct pipes *p)
{
	p->loop = loop_free(p->loop);
	for (int i = 0; i < 6; i++)
		close(p->fds[i / 2][i % 2]);
}

static int sum(const struct pipes *p)
{
	return p->calls[0] + p->calls[1] + p->calls[2];
}

static void test_every_ready_descriptor_is_called(void)
{
	struct pipes p;

	pipes_open(&p);
	CHECK_INT(loop_run_once(p.loop, 1000), 0);
	CHECK(p.calls[0] == 1 && p.calls[1] == 1 && p.calls[2] == 1);
	CHECK_INT(loop_source_set_events(p.sources[1], 0), 0);
	CHECK_INT(loop_run_once(p.loop, 1000), 0);
	CHECK(p.calls[0] == 2 && p.calls[1] == 1 && p.calls[2] == 2);
	p.sources[0] = loop_source_free(p.sources[0]);
	p.sources[2] = loop_source_free(p.sources[2]);
	CHECK_INT(loop_run_once(p.loop, 0), 0); /* nothing ready: comes back at once */
	CHECK_INT(sum(&p), 5);
	pipes_close(&p); /* frees the last source */
}

static void test_a_source_freed_in_a_round_is_not_called_in_it(void)
{
	struct pipes p;

	pipes_open(&p);
	p.free_all = true;
	CHECK_INT(loop_run_once(p.loop, 1000), 0);
	CHECK_INT(sum(&p), 1);
	CHECK_INT(loop_run_once(p.loop, 0), 0);
	CHECK_INT(sum(&p), 1);
	CHECK(!loop_source_free(NULL));
	pipes_close(&p);
}

static void test_a_failing_callback_ends_the_run(void)
{
	struct pipes p;

	pipes_open(&p);
	p.answer = -EPIPE;
	CHECK_INT(loop_run(p.loop), -EPIPE);
	CHECK_INT(sum(&p), 1);
	p.answer = 0;
	CHECK_INT(loop_run_once(p.loop, 0), 0); /* and it goes on afterwards */
	CHECK_INT(sum(&p), 4);
	pipes_close(&p);
}

static void test_stop_ends_its_round_and_no_later_one(void)
{
	struct pipes p;

	pipes_open(&p);
	p.stop = true;
	CHECK_INT(loop_run(p.loop), 42);
	CHECK_INT(sum(&p), 1);
	p.stop = false;
	CHECK_INT(loop_run_once(p.loop, 0), 0);
	CHECK_INT(sum(&p), 4);
	p.stop = true;
	CHECK_INT(loop_run(p.loop), 42);
	CHECK_INT(sum(&p), 5);
	pipes_close(&p);
}

struct ticks {
	struct loop *loop;
	uint64_t calls, missed;
	struct loop_source *source, *other;
};

static int on_tick(struct loop_source *source, uint64_t missed, void *userdata)
{
	struct ticks *t = userdata;

	t->calls++;
	t->missed += missed;
	return 0;
}

static void test_timers(void)
{
	struct ticks t = { .calls = 0 };
	uint64_t begin = clock_boot_ns();
	struct timespec pause = { .tv_nsec = 50 * NSEC_PER_MSEC };

	CHECK_INT(loop_new(&t.loop), 0);
	CHECK_INT(loop_add_timer(t.loop, &t.source, 0, 0, on_tick, &t), 0);
	CHECK_INT(loop_run_once(t.loop, 20), 0);
	CHECK_INT(t.calls, 0); /* disarmed */
	CHECK_INT(loop_source_set_timer(t.source, begin + 1, 0), 0);
	CHECK_INT(loop_run_once(t.loop, 1000), 0);
	CHECK_INT(t.calls, 1); /* in the past: at once */
	CHECK_INT(loop_run_once(t.loop, 20), 0);
	CHECK_INT(t.calls, 1); /* one-shot */
	CHECK_INT(loop_source_set_timer(t.source, clock_boot_ns(), 10 * NSEC_PER_MSEC), 0);
	nanosleep(&pause, NULL);
	CHECK_INT(loop_run_once(t.loop, 1000), 0);
	CHECK_INT(t.calls, 2);
	CHECK(t.missed >= 1 + 5); /* the intervals that nobody waited for are told */
	CHECK_INT(loop_run_once(t.loop, 1000), 0);
	CHECK_INT(t.calls, 3);
	CHECK_INT(loop_source_set_timer(t.source, 0, 0), 0);
	CHECK_INT(loop_run_once(t.loop, 30), 0);
	CHECK_INT(t.calls, 3);
	t.loop = loop_free(t.loop);
}

/* Both timers are due; the first one disarms the other, whose event is already on the table. */
static int disarm_other(struct loop_source *source, uint64_t missed, void *userdata)
{
	struct ticks *t = userdata;

	t->calls++;
	return loop_source_set_timer(source == t->source ? t->other : t->source, 0, 0);
}

static void test_a_timer_disarmed_in_a_round_is_not_called(void)
{
	struct ticks t = { .calls = 0 };
	struct timespec pause = { .tv_nsec = 10 * NSEC_PER_MSEC };

	CHECK_INT(loop_new(&t.loop), 0);
	CHECK_INT(loop_add_timer(t.loop, &t.source, clock_boot_ns(), 0, disarm_other, &t), 0);
	CHECK_INT(loop_add_timer(t.loop, &t.other, clock_boot_ns(), 0, disarm_other, &t), 0);
	nanosleep(&pause, NULL);
	CHECK_INT(loop_run_once(t.loop, 1000), 0);
	CHECK_INT(t.calls, 1);
	t.loop = loop_free(t.loop);
}

static int on_signal(struct loop_source *source, int signo, void *userdata)
{
	*(int *)userdata = signo;
	return 0;
}

static void test_signals(void)
{
	_cleanup_(loop_freep) struct loop *loop = NULL;
	struct loop_source *source;
	int got = 0;

	CHECK_INT(loop_new(&loop), 0);
	CHECK_INT(loop_add_signal(loop, &source, SIGUSR1, on_signal, &got), 0);
	CHECK_INT(loop_run_once(loop, 0), 0);
	CHECK_INT(got, 0);
	raise(SIGUSR1);
	raise(SIGUSR1); /* not queued twice */
	CHECK_INT(loop_run_once(loop, 1000), 0);
	CHECK_INT(got, SIGUSR1);
	got = 0;
	CHECK_INT(loop_run_once(loop, 0), 0);
	CHECK_INT(got, 0);
}

static void test_what_cannot_be_watched(void)
{
	_cleanup_(loop_freep) struct loop *loop = NULL;
	struct loop_source *source = NULL;

	CHECK_INT(loop_new(&loop), 0);
	CHECK_INT(loop_add_fd(loop, &source, -1, EPOLLIN, on_pipe, NULL), -EBADF);
	CHECK_INT(loop_add_timer(loop, &source, UINT64_MAX, 0, on_tick, NULL), 0);
	source = loop_source_free(source);
	CHECK(!loop_free(NULL));
}

int main(void)
{
	RUN(test_every_ready_descriptor_is_called);
	RUN(test_a_source_freed_in_a_round_is_not_called_in_it);
	RUN(test_a_failing_callback_ends_the_run);
	RUN(test_stop_ends_its_round_and_no_later_one);
	RUN(test_timers);
	RUN(test_a_timer_disarmed_in_a_round_is_not_called);
	RUN(test_signals);
	RUN(test_what_cannot_be_watched);
	return 0;
}
