/*
 * One thread, one epoll loop: file descriptors, timers and signals as sources.
 *
 * A callback never blocks. It may free any source, its own included; a source freed in a round of
 * events is not called again in it. A callback that returns a negative errno ends loop_run().
 */
#ifndef FLEETPROF_BASE_LOOP_H
#define FLEETPROF_BASE_LOOP_H

#include "agent/base/cleanup.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop;
struct loop_source;

int loop_new(struct loop **ret);
/* Frees every source that is still there, too. */
struct loop *loop_free(struct loop *loop);
DEFINE_CLEANUP(struct loop *, loop_free)

/* Dispatches until loop_stop() or a failing callback; returns loop_stop()'s code or the errno. */
int loop_run(struct loop *loop);

/* One round: waits at most timeout_ms (-1: for ever, 0: not at all). Returns as a callback does. */
int loop_run_once(struct loop *loop, int timeout_ms);

void loop_stop(struct loop *loop, int code);

/* events: EPOLLIN | EPOLLOUT …; the source does not own fd. */
typedef int (*loop_fd_fn)(struct loop_source *source, uint32_t events, void *userdata);
int loop_add_fd(struct loop *loop, struct loop_source **ret, int fd, uint32_t events, loop_fd_fn fn,
		void *userdata);
int loop_source_fd(const struct loop_source *source);
int loop_source_set_events(struct loop_source *source, uint32_t events);

/*
 * A timer on CLOCK_BOOTTIME: first_ns is absolute (0: disarmed), interval_ns 0 is one-shot.
 * missed is how many intervals passed since the last call, 1 if none was skipped.
 */
typedef int (*loop_timer_fn)(struct loop_source *source, uint64_t missed, void *userdata);
int loop_add_timer(struct loop *loop, struct loop_source **ret, uint64_t first_ns,
		   uint64_t interval_ns, loop_timer_fn fn, void *userdata);
int loop_source_set_timer(struct loop_source *source, uint64_t first_ns, uint64_t interval_ns);

/* Blocks signo for the process and takes it from a signalfd. */
typedef int (*loop_signal_fn)(struct loop_source *source, int signo, void *userdata);
int loop_add_signal(struct loop *loop, struct loop_source **ret, int signo, loop_signal_fn fn,
		    void *userdata);

struct loop_source *loop_source_free(struct loop_source *source);
DEFINE_CLEANUP(struct loop_source *, loop_source_free)

#endif
