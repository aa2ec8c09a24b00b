/* Messages with a descriptor, from a peer that is honest and from one that is not. */
#include "agent/base/fdpass.h"
#include "tests/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

static int pair[2];

static int open_descriptors(void)
{
	_cleanup_(closedirp) DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	CHECK(dir);
	while (readdir(dir))
		n++;
	return n;
}

static void test_message_and_descriptor(void)
{
	_cleanup_(closep) int got = -1, null = open("/dev/null", O_RDWR | O_CLOEXEC);
	char data[16];

	CHECK_INT(fdpass_send(pair[0], "head", 4, "body", 4, null), 0);
	CHECK_INT(fdpass_receive(pair[1], data, sizeof(data), 0, &got), 8);
	CHECK(!memcmp(data, "headbody", 8));
	CHECK(got >= 0 && got != null);
	CHECK_INT(fcntl(got, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	CHECK_INT(write(got, "x", 1), 1);
	got = close_fd(got);
	CHECK_INT(fdpass_send(pair[0], "head", 4, NULL, 0, -1), 0);
	CHECK_INT(fdpass_receive(pair[1], data, sizeof(data), 0, &got), 4);
	CHECK_INT(got, -1);
	CHECK_INT(fdpass_receive(pair[1], data, sizeof(data), MSG_DONTWAIT, &got), -EAGAIN);
	CHECK_INT(got, -1);
}

static void test_too_long_a_message_is_refused_and_leaks_nothing(void)
{
	_cleanup_(closep) int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int got = 7, before = open_descriptors();
	char data[8];

	CHECK_INT(fdpass_send(pair[0], "123456789", 9, NULL, 0, null), 0);
	CHECK_INT(fdpass_receive(pair[1], data, sizeof(data), 0, &got), -EMSGSIZE);
	CHECK_INT(got, -1);
	CHECK_INT(fdpass_send(pair[0], "12345678", 8, NULL, 0, null),
		  0); /* the next one is whole again */
	CHECK_INT(fdpass_receive(pair[1], data, sizeof(data), 0, &got), 8);
	CHECK(got >= 0);
	close(got);
	CHECK_INT(open_descriptors(), before);
}

/* Sends nr descriptors in each of nr_cmsg control messages: what our own side never does. */
static void send_many(size_t nr, size_t nr_cmsg, int fd)
{
	static union {
		struct cmsghdr align;
		char bytes[4096];
	} control;
	struct iovec iov = { .iov_base = (char[]) { "hello" }, .iov_len = 5 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes };
	struct cmsghdr *c;

	memset(&control, 0, sizeof(control));
	msg.msg_controllen = nr_cmsg * CMSG_SPACE(nr * sizeof(int));
	CHECK(msg.msg_controllen <= sizeof(control));
	c = CMSG_FIRSTHDR(&msg);
	for (size_t i = 0; i < nr_cmsg; i++, c = CMSG_NXTHDR(&msg, c)) {
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nr * sizeof(int));
		for (size_t j = 0; j < nr; j++)
			memcpy(CMSG_DATA(c) + j * sizeof(int), &fd, sizeof(fd));
	}
	CHECK_INT(sendmsg(pair[0], &msg, MSG_NOSIGNAL), 5);
}

static void test_more_descriptors_than_one_are_refused_and_leak_nothing(void)
{
	_cleanup_(closep) int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int got = 7, before = open_descriptors();
	char data[8];

	for (size_t nr = 1; nr <= 20; nr++) {
		send_many(nr, 1, null);
		if (nr == 1) {
			CHECK_INT(fdpass_receive(pair[1], data, sizeof(data), 0, &got), 5);
			close(got);
		} else {
			CHECK_INT(fdpass_receive(pair[1], data, sizeof(data), 0, &got), -EMSGSIZE);
			CHECK_INT(got, -1);
		}
		CHECK_INT(open_descriptors(), before);
	}
	send_many(1, 3, null);
	CHECK_INT(fdpass_receive(pair[1], data, sizeof(data), 0, &got), -EMSGSIZE);
	CHECK_INT(open_descriptors(), before);
}

static void test_several_descriptors(void)
{
	_cleanup_(closep) int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int before = open_descriptors(), fds[FDPASS_MAX + 1], got[FDPASS_MAX];
	char data[8];
	size_t nr;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = null;
	CHECK_INT(fdpass_send_many(pair[0], "hi", 2, NULL, 0, fds, FDPASS_MAX + 1), -E2BIG);
	for (size_t sent = 0; sent <= FDPASS_MAX; sent++) {
		for (size_t max = 0; max <= FDPASS_MAX; max++) {
			ssize_t want = sent <= max ? 2 : -EMSGSIZE;

			CHECK_INT(fdpass_send_many(pair[0], "hi", 2, NULL, 0, fds, sent), 0);
			CHECK_INT(
				fdpass_receive_many(pair[1], data, sizeof(data), 0, got, max, &nr),
				want);
			CHECK_INT(nr, want > 0 ? sent : 0);
			for (size_t i = 0; i < max; i++) {
				CHECK((got[i] >= 0) == (i < nr));
				close_fd(got[i]);
			}
			CHECK_INT(open_descriptors(), before);
		}
	}
}

static void test_the_end(void)
{
	int got, other[2];
	char data[8];

	CHECK_INT(fdpass_pair(other), 0);
	close(other[0]);
	CHECK_INT(fdpass_receive(other[1], data, sizeof(data), 0, &got), 0);
	CHECK_INT(got, -1);
	CHECK_INT(fdpass_send(other[1], "x", 1, NULL, 0, -1), -EPIPE); /* and no SIGPIPE */
	close(other[1]);
	CHECK_INT(fdpass_receive(-1, data, sizeof(data), 0, &got), -EBADF);
}

int main(void)
{
	CHECK_INT(fdpass_pair(pair), 0);
	RUN(test_message_and_descriptor);
	RUN(test_too_long_a_message_is_refused_and_leaks_nothing);
	RUN(test_more_descriptors_than_one_are_refused_and_leak_nothing);
	RUN(test_several_descriptors);
	RUN(test_the_end);
	close(pair[0]);
	close(pair[1]);
	return 0;
}
