/*
 * The wall between the ring and the core: is this really a record, whole and within its bounds?
 *
 * The programs are ours, but a record is foreign bytes until it was checked: a bug on the other side must not
 * become an index out of bounds on this one.
 */
#ifndef FLEETPROF_CORE_SAMPLER_RECORD_H
#define FLEETPROF_CORE_SAMPLER_RECORD_H

#include "agent/core/sampler.h"

#define SAMPLER_PATH_MAX (RECORD_CGROUP_BYTES + RECORD_CGROUP_LEVELS + 2)

/*
 * Checks size bytes at data (8-byte aligned) and describes them; cgroup_path holds SAMPLER_PATH_MAX bytes and is where
 * ret->cgroup_path points if the record carries a path. Returns 0 or -EBADMSG.
 */
int sampler_check_record(const void *data, size_t size, char *cgroup_path,
			 struct sampler_sample *ret);

#endif
