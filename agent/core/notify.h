/*
 * Telling the service manager: ready, reloading, stopping, a status line, and that the watchdog need not bite.
 *
 * The datagrams of sd_notify(3). Nothing here fails: an agent that nobody supervises says nothing, and one whose manager
 * does not listen (a full socket, a restart of the manager) goes on.
 */
#ifndef FLEETPROF_CORE_NOTIFY_H
#define FLEETPROF_CORE_NOTIFY_H

#include "agent/base/cleanup.h"

#include <stdint.h>

struct notify {
	int fd; /* connected to NOTIFY_SOCKET; -1: nobody supervises */
	uint64_t
		interval_ns; /* between watchdog messages: half of what the manager waits; 0: no watchdog */
	uint64_t next_ns;
};
#define NOTIFY_NULL ((struct notify) { .fd = -1 })

/*
 * Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID (this process's, or that of its parent, which is its keeper) out of
 * the environment, so that helpers do not inherit them. Call it while the socket can still be reached: before sandboxes.
 */
void notify_init(struct notify *n);
void notify_deinit(struct notify *n);
DEFINE_CLEANUP_EMBEDDED(struct notify, notify_deinit)

/* Started, or the end of a reload. */
void notify_ready(struct notify *n);
/* A reload begins; notify_ready() ends it, whether the settings were taken or not. */
void notify_reloading(struct notify *n);
void notify_stopping(struct notify *n);
/* One line, shown by `systemctl status`; at most 512 bytes, line breaks become spaces. */
void notify_status(struct notify *n, const char *fmt, ...) _printf_(2, 3);

/*
 * Call it often, with the boot clock, from where the work is seen to go on, and only there: sends WATCHDOG=1 when it is time
 * for one.
 */
void notify_alive(struct notify *n, uint64_t now_ns);

#endif
