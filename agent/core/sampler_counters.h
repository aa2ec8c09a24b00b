/* The kernel side's counters, read at moments at which no program is half way through them. */
#ifndef FLEETPROF_CORE_SAMPLER_COUNTERS_H
#define FLEETPROF_CORE_SAMPLER_COUNTERS_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/record.h"

/* One CPU's counters: has every run that began also said how it ended? */
bool sampler_counters_settled(const uint64_t *counters);

/*
 * The sum over all possible CPUs (of the longest run: the maximum), each CPU's counters settled. Returns 0 or -errno;
 * -EBUSY: a CPU was never seen settled. ret_runs: [nr_cpus], each CPU's runs.
 */
int sampler_counters_read(int map_fd, size_t nr_cpus, uint64_t ret_sum[COUNTER_NR],
			  uint64_t *ret_runs);

#endif
