/* Messages with a file descriptor. */
#include "agent/base/fdpass.h"
#include "agent/base/err.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define CONTROL_BYTES CMSG_SPACE(FDPASS_MAX * sizeof(int))

int fdpass_send_many(int socket, const void *head, size_t head_size, const void *body,
		     size_t body_size, const int *fds, size_t nr)
{
	union {
		struct cmsghdr align;
		char bytes[CONTROL_BYTES];
	} control = { .bytes = { 0 } };
	struct iovec iov[] = { { .iov_base = (void *)head, .iov_len = head_size },
			       { .iov_base = (void *)body, .iov_len = body_size } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = body_size ? 2 : 1 };
	struct cmsghdr *cmsg;

	if (nr > FDPASS_MAX)
		return -E2BIG;
	if (nr) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(nr * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(nr * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, nr * sizeof(int));
	}
	return sendmsg(socket, &msg, MSG_NOSIGNAL) < 0 ? err_last() : 0;
}

int fdpass_send(int socket, const void *head, size_t head_size, const void *body, size_t body_size,
		int fd)
{
	return fdpass_send_many(socket, head, head_size, body, body_size, &fd, fd >= 0);
}

/*
 * The descriptors of a message. The control buffer has room for more than are wanted, and a hostile peer may send them:
 * whatever the kernel has installed is closed, or each message would cost the receiver descriptors.
 */
static bool take_fds(struct msghdr *msg, int *fds, size_t max, size_t *ret_nr)
{
	bool too_many = false;
	int one;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
			memcpy(&one, (char *)c + at, sizeof(one));
			if (*ret_nr < max) {
				fds[(*ret_nr)++] = one;
			} else {
				too_many = true;
				close_fd(one);
			}
		}
	}
	return !too_many;
}

ssize_t fdpass_receive_many(int socket, void *data, size_t size, int flags, int *ret_fds,
			    size_t max, size_t *ret_nr)
{
	union {
		struct cmsghdr align;
		char bytes[CONTROL_BYTES];
	} control;
	struct iovec iov = { .iov_base = data, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	ssize_t n;

	*ret_nr = 0;
	for (size_t i = 0; i < max; i++)
		ret_fds[i] = -1;
	do {
		n = recvmsg(socket, &msg, flags | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_last();
	if (!take_fds(&msg, ret_fds, max, ret_nr) || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		for (size_t i = 0; i < *ret_nr; i++)
			ret_fds[i] = close_fd(ret_fds[i]);
		*ret_nr = 0;
		return -EMSGSIZE;
	}
	return n;
}

ssize_t fdpass_receive(int socket, void *data, size_t size, int flags, int *ret_fd)
{
	size_t nr;

	return fdpass_receive_many(socket, data, size, flags, ret_fd, 1, &nr);
}

int fdpass_pair(int ret_pair[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_pair) < 0 ? err_last() : 0;
}
