/* A helper that dies is started again, later each time, and its owner is told. */
#include "agent/base/clock.h"
#include "agent/base/fdpass.h"
#include "agent/base/helper.h"
#include "agent/base/log.h"
#include "tests/test.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

struct state {
	struct helper *helper;
	int spawns, ups, downs, echoes;
	int fail_spawns; /* so many of the next spawns fail */
	bool dies_at_once;
	uint64_t spawned_ns[16];
	char last[8];
};

/* The helper: answers each message with itself until its socket ends. */
static void echo(int socket)
{
	char data[8];
	int fd;

	for (;;) {
		ssize_t n = fdpass_receive(socket, data, sizeof(data), 0, &fd);

		if (n <= 0 || fdpass_send(socket, data, (size_t)n, NULL, 0, -1) < 0)
			_exit(0);
	}
}

static int spawn(int socket_fd, pid_t *ret_pid, void *userdata)
{
	struct state *s = userdata;
	pid_t pid;

	if (s->spawns < 16)
		s->spawned_ns[s->spawns] = clock_boot_ns();
	s->spawns++;
	if (s->fail_spawns > 0) {
		s->fail_spawns--;
		close(socket_fd);
		return -EAGAIN;
	}
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		if (s->dies_at_once)
			_exit(1);
		for (int fd = 3; fd < 64; fd++) {
			if (fd != socket_fd)
				close(fd); /* as exec does */
		}
		echo(socket_fd);
	}
	close(socket_fd);
	*ret_pid = pid;
	return 0;
}

static void on_readable(int socket, void *userdata)
{
	struct state *s = userdata;
	ssize_t n;
	int fd;

	do {
		n = fdpass_receive(socket, s->last, sizeof(s->last), MSG_DONTWAIT, &fd);
		s->echoes += n > 0;
	} while (n > 0);
	if (n != -EAGAIN) {
		waitpid(helper_pid(s->helper), NULL, 0);
		helper_fail(s->helper);
	}
}

static void on_down(void *userdata)
{
	struct state *s = userdata;

	s->downs++;
	CHECK_INT(helper_socket(s->helper), -1);
	CHECK_INT(helper_pid(s->helper), 0);
}

static void on_up(void *userdata)
{
	struct state *s = userdata;

	s->ups++;
	CHECK(helper_socket(s->helper) >= 0);
}

static struct helper_config config_of(struct state *s)
{
	return (struct helper_config) { .name = "test helper",
					.spawn = spawn,
					.spawn_userdata = s,
					.on_readable = on_readable,
					.on_down = on_down,
					.on_up = on_up,
					.userdata = s };
}

/* Runs the loop until the counter has reached n, or a minute is over. */
static void run_until(struct loop *loop, const int *counter, int n)
{
	uint64_t deadline = clock_boot_ns() + 60 * NSEC_PER_SEC;

	while (*counter < n && clock_boot_ns() < deadline)
		CHECK_INT(loop_run_once(loop, 50), 0);
	CHECK_INT(*counter, n);
}

static void reap(struct state *s)
{
	pid_t pid = helper_pid(s->helper);

	s->helper = helper_free(s->helper); /* its socket ends, so does it */
	if (pid)
		CHECK_INT(waitpid(pid, NULL, 0), pid);
	CHECK_INT(waitpid(-1, NULL, WNOHANG), -1); /* and no other was left */
}

static void test_works_and_is_restarted(void)
{
	_cleanup_(loop_freep) struct loop *loop = NULL;
	struct state s = { .helper = NULL };
	struct helper_config config = config_of(&s);
	pid_t first;

	CHECK_INT(loop_new(&loop), 0);
	CHECK_INT(helper_new(&s.helper, loop, &config), 0);
	CHECK_INT(s.ups, 0); /* the first start is the call's own */
	first = helper_pid(s.helper);
	CHECK_INT(fdpass_send(helper_socket(s.helper), "one", 4, NULL, 0, -1), 0);
	run_until(loop, &s.echoes, 1);
	CHECK_STR(s.last, "one");

	CHECK_INT(kill(first, SIGKILL), 0);
	run_until(loop, &s.downs, 1);
	run_until(loop, &s.ups, 1);
	CHECK(helper_pid(s.helper) != first);
	CHECK_INT(fdpass_send(helper_socket(s.helper), "two", 4, NULL, 0, -1), 0);
	run_until(loop, &s.echoes, 2);
	CHECK_STR(s.last, "two");
	reap(&s);
}

static void test_given_up_by_its_owner(void)
{
	_cleanup_(loop_freep) struct loop *loop = NULL;
	struct state s = { .helper = NULL };
	struct helper_config config = config_of(&s);
	pid_t first;

	CHECK_INT(loop_new(&loop), 0);
	CHECK_INT(helper_new(&s.helper, loop, &config), 0);
	first = helper_pid(s.helper);
	helper_fail(s.helper);
	helper_fail(s.helper); /* twice is once */
	CHECK_INT(s.downs, 1);
	CHECK_INT(waitpid(first, NULL, 0), first); /* read its end of file */
	run_until(loop, &s.ups, 1);
	reap(&s);
}

/* Each death makes the next start wait longer. */
static void test_backs_off(void)
{
	_cleanup_(loop_freep) struct loop *loop = NULL;
	struct state s = { .dies_at_once = true };
	struct helper_config config = config_of(&s);

	CHECK_INT(loop_new(&loop), 0);
	CHECK_INT(helper_new(&s.helper, loop, &config), 0);
	run_until(loop, &s.spawns, 5);
	for (int i = 2; i < 5; i++) {
		uint64_t waited = s.spawned_ns[i] - s.spawned_ns[i - 1];

		CHECK(waited >= (uint64_t)(20 << (i - 1)) * NSEC_PER_MSEC);
	}
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	s.helper = helper_free(s.helper);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static void test_spawns_that_fail(void)
{
	_cleanup_(loop_freep) struct loop *loop = NULL;
	struct state s = { .fail_spawns = 1 };
	struct helper_config config = config_of(&s);

	CHECK_INT(loop_new(&loop), 0);
	CHECK_INT(helper_new(&s.helper, loop, &config),
		  -EAGAIN); /* the first is the caller's to know */
	CHECK(!s.helper);
	CHECK_INT(helper_new(&s.helper, loop, &config), 0);
	s.fail_spawns = 2;
	kill(helper_pid(s.helper), SIGKILL);
	run_until(loop, &s.ups, 1); /* later ones are tried again */
	CHECK_INT(s.spawns, 1 + 1 + 3);
	CHECK_INT(s.downs, 1);
	reap(&s);
}

int main(void)
{
	log_init("test", LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
	signal(SIGPIPE, SIG_IGN);
	RUN(test_works_and_is_restarted);
	RUN(test_given_up_by_its_owner);
	RUN(test_backs_off);
	RUN(test_spawns_that_fail);
	return 0;
}
