/*
 * What the kernel itself counts of a cgroup's CPU time, per owner and window: cpu.stat, or cpuacct.usage and cpu.stat
 * of the v1 hierarchies. Beside the samples it is the best audit of them that there is.
 *
 * Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/cpuacct.rst, scheduler/sched-bwc.rst.
 */
#ifndef FLEETPROF_CORE_USAGE_H
#define FLEETPROF_CORE_USAGE_H

#include "agent/base/cleanup.h"

#include <stdbool.h>
#include <stdint.h>

#define USAGE_UNKNOWN UINT64_MAX /* as WINWIRE_UNKNOWN */
#define USAGE_CGROUPS_MAX 4096 /* of all owners; those of further ones stay unknown */
#define USAGE_CGROUPS_PER_OWNER 16

struct usage;

struct usage_numbers {
	uint64_t usage_ns, nr_throttled, throttled_ns; /* each may be USAGE_UNKNOWN */
};

/* Owners are numbered below max_owners. Without any cgroup mount everything is unknown. */
int usage_new(struct usage **ret, size_t max_owners);
struct usage *usage_free(struct usage *u);
DEFINE_CLEANUP(struct usage *, usage_free)

/*
 * The owner has a cgroup of this path (len bytes of it) in this hierarchy, 0 being v2: from now on it counts. Repeats
 * are harmless. alone: cgroups below it belong to others, whose time the kernel counts here, too: unknown if there are.
 */
void usage_see(struct usage *u, uint32_t owner, uint32_t hierarchy, const char *path, size_t len,
	       bool alone);

/*
 * What all of its cgroups used since the last call, or since they were seen. Unknown if one of them could not be read,
 * or is one more than can be followed.
 */
struct usage_numbers usage_take(struct usage *u, uint32_t owner);

/* The owner's number is going to be another's. */
void usage_forget(struct usage *u, uint32_t owner);

/* Cgroups that found no place. */
uint64_t usage_refused(const struct usage *u);

/* Pure: adds what a cpu.stat file says (v2: usage_usec, throttled_usec; v1: throttled_time) to ret. */
void usage_parse_stat(const char *text, struct usage_numbers *ret);

#endif
