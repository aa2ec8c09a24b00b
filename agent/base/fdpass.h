/* Messages with file descriptors, mostly one, over a SOCK_SEQPACKET socket. */
#ifndef FLEETPROF_BASE_FDPASS_H
#define FLEETPROF_BASE_FDPASS_H

#include "agent/base/cleanup.h"

#include <stddef.h>
#include <sys/types.h>

/* Sends head and body as one message, with fd unless it is -1 (it stays the caller's). Returns 0 or -errno. */
int fdpass_send(int socket, const void *head, size_t head_size, const void *body, size_t body_size,
		int fd);

/*
 * Receives one message of at most size bytes; *ret_fd is the caller's, -1 if none came. Returns its bytes, 0 at the
 * end of file, -EMSGSIZE for a message that was longer or carried more than one descriptor (all are closed then), or
 * -errno. flags: MSG_DONTWAIT or 0.
 */
ssize_t fdpass_receive(int socket, void *data, size_t size, int flags, int *ret_fd);

/* As above with nr descriptors, at most FDPASS_MAX. */
#define FDPASS_MAX 64
int fdpass_send_many(int socket, const void *head, size_t head_size, const void *body,
		     size_t body_size, const int *fds, size_t nr);

/* As above with at most max descriptors, which are FDPASS_MAX at the most; ret_fds[*ret_nr…max] are -1. */
ssize_t fdpass_receive_many(int socket, void *data, size_t size, int flags, int *ret_fds,
			    size_t max, size_t *ret_nr);

/* A SOCK_SEQPACKET pair, close-on-exec. */
int fdpass_pair(int ret_pair[2]);

#endif
