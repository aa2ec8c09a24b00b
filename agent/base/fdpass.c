/* Messages with a file descriptor. */
#include "agent/base/fdpass.h"
#include "agent/base/err.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

int fdpass_send(int socket, const void *head, size_t head_size, const void *body, size_t body_size,
		int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec iov[] = { { .iov_base = (void *)head, .iov_len = head_size },
			       { .iov_base = (void *)body, .iov_len = body_size } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = body_size ? 2 : 1 };
	struct cmsghdr *cmsg;

	if (fd >= 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	}
	return sendmsg(socket, &msg, MSG_NOSIGNAL) < 0 ? err_last() : 0;
}

/*
 * The one descriptor of a message. The control buffer's alignment leaves room for a second one, and a hostile peer may
 * send it: whatever the kernel has installed is closed, or each message would cost the receiver a descriptor.
 */
static int take_fd(struct msghdr *msg, bool *ret_too_many)
{
	int fd = -1, one;

	*ret_too_many = false;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
			memcpy(&one, (char *)c + at, sizeof(one));
			*ret_too_many |= fd >= 0;
			close_fd(fd);
			fd = one;
		}
	}
	return fd;
}

ssize_t fdpass_receive(int socket, void *data, size_t size, int flags, int *ret_fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = data, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	bool too_many;
	ssize_t n;

	*ret_fd = -1;
	do {
		n = recvmsg(socket, &msg, flags | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_last();
	*ret_fd = take_fd(&msg, &too_many);
	if (too_many || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		*ret_fd = close_fd(*ret_fd);
		return -EMSGSIZE;
	}
	return n;
}

int fdpass_pair(int ret_pair[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_pair) < 0 ? err_last() : 0;
}
