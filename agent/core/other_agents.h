/*
 * Other agents of this host: each would sample everything once more, and store it once more.
 *
 * They are known by their keepers, as far as our PID namespace shows processes. Only root's, and our own user's, count:
 * anybody may call a process as he likes. It is for a warning: two agents at once are allowed, as for the time that a
 * new version is tried beside the old one.
 */
#ifndef FLEETPROF_CORE_OTHER_AGENTS_H
#define FLEETPROF_CORE_OTHER_AGENTS_H

#include <stddef.h>
#include <sys/types.h>

#define OTHER_AGENTS_MAX 8 /* more are not looked for: one is too many */
#define KEEPER_NAME "fleetprof-keep"

/* Processes below this folder (/proc) that keep an agent, but for `except`; how many. */
size_t other_agents_find(int proc_fd, pid_t except, pid_t ret[OTHER_AGENTS_MAX]);

/* Those that were there at a time. */
struct other_agents {
	int fds[OTHER_AGENTS_MAX]; /* pidfds */
	size_t nr;
};

/* Those of /proc; each is warned of. */
void other_agents_init(struct other_agents *o);
/* How many of them have not ended. */
size_t other_agents_living(const struct other_agents *o);
void other_agents_deinit(struct other_agents *o);

#endif
