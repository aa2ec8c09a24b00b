/* The kernel side's counters, read at moments at which no program is half way through them. */
#ifndef FLEETPROF_CORE_SAMPLER_COUNTERS_H
#define FLEETPROF_CORE_SAMPLER_COUNTERS_H

#include "agent/core/sampler.h"

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/record.h"

/* One CPU's counters: has every run that began also said how it ended? */
bool sampler_counters_settled(const uint64_t *counters);

/* Of one CPU. */
struct sampler_cpu_counts {
	uint64_t runs, idle, asleep, late;
};

/*
 * The sum over all possible CPUs (of the longest run: the maximum), each CPU's counters settled. Returns 0 or -errno;
 * -EBUSY: a CPU was never seen settled. ret_cpus: [nr_cpus].
 */
int sampler_counters_read(int map_fd, size_t nr_cpus, uint64_t ret_sum[COUNTER_NR],
			  struct sampler_cpu_counts *ret_cpus);

/* Adds one CPU to the first line of the loss equation. expected: what its events should have brought. */
void sampler_counters_compare(struct sampler_counts *counts, unsigned int cpu, uint64_t expected,
			      const struct sampler_cpu_counts *of_cpu);

#endif
