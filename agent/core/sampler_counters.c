/* The kernel side's counters. */
#include "agent/core/sampler_counters.h"
#include "agent/base/cleanup.h"
#include "agent/base/err.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <sched.h>
#include <string.h>

#define EARLY_SHARE 1000 /* NTP slews by 500 parts in a million at the most: half of this */
#define SILENT_MIN 10 /* so many ticks in a row are no accident */
#define TRIES 1000 /* a program takes microseconds, and runs at most some thousand times a second */

bool sampler_counters_settled(const uint64_t *c)
{
	uint64_t ended =
		c[COUNTER_IDLE] + c[COUNTER_FILTERED] + c[COUNTER_UNSUPPORTED] + c[COUNTER_SAMPLED];

	for (size_t i = COUNTER_LOST_FIRST; i <= COUNTER_LOST_LAST; i++)
		ended += c[i];
	return c[COUNTER_RUNS] == ended &&
	       c[COUNTER_SAMPLED] == c[COUNTER_RECORDS] + c[COUNTER_HOT];
}

static void add(uint64_t *sum, const uint64_t *counters)
{
	for (size_t i = 0; i < COUNTER_NR; i++) {
		if (i == COUNTER_SELF_TIMED_MAX_NS)
			sum[i] = MAX(sum[i], counters[i]);
		else
			sum[i] += counters[i];
	}
}

int sampler_counters_read(int map_fd, size_t nr_cpus, uint64_t ret_sum[COUNTER_NR],
			  struct sampler_cpu_counts *ret_cpus)
{
	_cleanup_(freep) uint64_t *values = calloc(nr_cpus * COUNTER_NR, sizeof(*values));
	_cleanup_(freep) bool *taken = calloc(nr_cpus, sizeof(*taken));
	uint64_t sum[COUNTER_NR] = { 0 };
	size_t left = nr_cpus;
	uint32_t zero = 0;

	if (!values || !taken)
		return -ENOMEM;
	for (unsigned int i = 0; left && i < TRIES; i++) {
		if (i)
			sched_yield();
		if (bpf_map_lookup_elem(map_fd, &zero, values) < 0)
			return err_last();
		for (size_t cpu = 0; cpu < nr_cpus; cpu++) {
			const uint64_t *counters = &values[cpu * COUNTER_NR];

			if (taken[cpu] || !sampler_counters_settled(counters))
				continue;
			add(sum, counters);
			ret_cpus[cpu] = (struct sampler_cpu_counts) {
				.runs = counters[COUNTER_RUNS],
				.idle = counters[COUNTER_IDLE],
				.asleep = counters[COUNTER_ASLEEP],
				.late = counters[COUNTER_LATE],
			};
			taken[cpu] = true;
			left--;
		}
	}
	if (left)
		return -EBUSY;
	memcpy(ret_sum, sum, sizeof(sum));
	return 0;
}

void sampler_counters_compare(struct sampler_counts *counts, unsigned int cpu, uint64_t expected,
			      const struct sampler_cpu_counts *of_cpu)
{
	uint64_t left = expected > of_cpu->runs ? expected - of_cpu->runs : 0;
	uint64_t asleep = MIN(of_cpu->asleep, left);
	uint64_t late = MIN(of_cpu->late, left - asleep);
	uint64_t missed = left - asleep - late;

	counts->expected += expected;
	counts->asleep += asleep;
	counts->late += late;
	counts->missed += missed;
	if (of_cpu->runs > expected)
		counts->early += of_cpu->runs - expected;
	counts->early_max += expected / EARLY_SHARE + 1;
	if (of_cpu->runs || missed < SILENT_MIN)
		return;
	if (!counts->nr_silent++)
		counts->silent_cpu = cpu;
}
