/* The mounted cgroup hierarchies, and the cgroups in them as the kernel side keys them. */
#ifndef FLEETPROF_CORE_CGROUPFS_H
#define FLEETPROF_CORE_CGROUPFS_H

#include "agent/base/cleanup.h"

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

#define CGROUPFS_MOUNTS_MAX 16

struct cgroupfs_mount {
	char path[256]; /* where it is mounted */
	uint32_t hierarchy; /* 0: v2 */
};

struct cgroupfs {
	struct cgroupfs_mount mounts[CGROUPFS_MOUNTS_MAX]; /* v2 first */
	size_t nr;
	uint32_t cpu, cpuacct; /* hierarchies of these controllers; 0: v2's, or none's */
};

/*
 * Pure: from the texts of /proc/self/mountinfo and /proc/cgroups. Named v1 hierarchies without a controller are left
 * out, since no task's cgroup is found by them; so are mounts of a part of a hierarchy, as a container may have.
 */
void cgroupfs_parse(const char *mountinfo, const char *cgroups, struct cgroupfs *ret);

int cgroupfs_read(struct cgroupfs *ret);

/* The key of the cgroup at path below a mount, as in record_sample.cgroup; false if it is not there. */
bool cgroupfs_key(const struct cgroupfs_mount *mount, const char *path, uint64_t *ret);

#endif
