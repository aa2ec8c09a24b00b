/*
 * Which debuginfod server to ask for which build ID, and when: what each of them said, and for how long that counts.
 *
 * A server that does not have a file is not asked for it again for DEBUGINFODPLAN_MISS_NS; one that fails is left alone
 * for a while, which doubles with each failure in a row. Pure: time comes in as an argument.
 */
#ifndef FLEETPROF_EXPORTER_DEBUGINFOD_PLAN_H
#define FLEETPROF_EXPORTER_DEBUGINFOD_PLAN_H

#include "agent/base/clock.h"
#include "agent/exporter/debuginfod_cache.h"

#define DEBUGINFOD_SERVERS_MAX 4
#define DEBUGINFODPLAN_MISSES_MAX 1024 /* build IDs; the oldest gives way to a new one, counted */
#define DEBUGINFODPLAN_MISS_NS (6 * 3600 * NSEC_PER_SEC) /* ten thousand nodes ask for the same */
#define DEBUGINFODPLAN_PAUSE_NS                                                                    \
	(30 * NSEC_PER_SEC) /* after a failure, and up to half as much more */
#define DEBUGINFODPLAN_PAUSE_MAX_NS (3600 * NSEC_PER_SEC)

struct debuginfod_miss {
	struct debuginfod_id id;
	uint64_t until_ns[DEBUGINFOD_SERVERS_MAX]; /* 0: that server did not say no */
};

struct debuginfod_plan {
	size_t nr_servers;
	uint64_t seed; /* so that a fleet does not come back as one */
	struct {
		uint64_t until_ns;
		unsigned int failures; /* in a row */
	} servers[DEBUGINFOD_SERVERS_MAX];
	struct debuginfod_miss misses[DEBUGINFODPLAN_MISSES_MAX]; /* a ring */
	size_t next;
	uint64_t forgotten; /* misses that gave way before their time */
};

/* The first server to ask now: its number; -ENOENT: nobody has it; -EAGAIN: somebody may, later. */
int debuginfodplan_next(const struct debuginfod_plan *p, const struct debuginfod_id *id,
			uint64_t now_ns);

/* It does not have the file, or what it has is of no use. */
void debuginfodplan_missing(struct debuginfod_plan *p, size_t server,
			    const struct debuginfod_id *id, uint64_t now_ns);
/* It failed; wait_ns: what it asks for itself, or 0. */
void debuginfodplan_failed(struct debuginfod_plan *p, size_t server, uint64_t wait_ns,
			   uint64_t now_ns);
/* It answered, whatever it said. */
void debuginfodplan_answered(struct debuginfod_plan *p, size_t server);

#endif
