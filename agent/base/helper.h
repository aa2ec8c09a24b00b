/*
 * A helper process at the other end of a socket: started, and started again when it dies.
 *
 * The helper gets its end as a descriptor. A restart waits a little longer each time, up to some seconds, so that a
 * helper that cannot live costs nothing.
 */
#ifndef FLEETPROF_BASE_HELPER_H
#define FLEETPROF_BASE_HELPER_H

#include "agent/base/loop.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct helper;

/* Starts the program with this end of the socket pair, which the call consumes. Returns 0 or -errno. */
typedef int (*helper_spawn_fn)(int socket_fd, pid_t *ret_pid, void *userdata);

struct helper_config {
	const char *name; /* for messages; static */
	helper_spawn_fn spawn;
	void *spawn_userdata;
	/* A message may be there: read it with fdpass_receive(socket, …, MSG_DONTWAIT, …) until -EAGAIN. */
	void (*on_readable)(int socket, void *userdata);
	/* It died, or was given up: requests under way are lost. Called before it is started again. */
	void (*on_down)(void *userdata);
	/* It is there (again). */
	void (*on_up)(void *userdata);
	void *userdata;
};

/* The first start happens at once; its failure is the call's. */
int helper_new(struct helper **ret, struct loop *loop, const struct helper_config *config);
struct helper *helper_free(struct helper *h);
DEFINE_CLEANUP(struct helper *, helper_free)

/* -1 while it is down. */
int helper_socket(const struct helper *h);
pid_t helper_pid(const struct helper *h);
/* Times that it ended. */
uint64_t helper_restarts(const struct helper *h);

/* For a reader that found the end of file or nonsense: closes, tells on_down, starts anew later. */
void helper_fail(struct helper *h);

#endif
