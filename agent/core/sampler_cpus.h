/* One perf event per online CPU, hot-plug followed, and the count of samples that each should have brought. */
#ifndef FLEETPROF_CORE_SAMPLER_CPUS_H
#define FLEETPROF_CORE_SAMPLER_CPUS_H

#include "agent/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sampler_cpus;

/* Opens the event of one CPU, disabled: a descriptor, or -errno. */
typedef int (*sampler_open_fn)(unsigned int cpu, uint64_t period_ns, void *userdata);

/* One that opens it with the process's own rights; userdata is not used. */
int sampler_cpus_open(unsigned int cpu, uint64_t period_ns, void *userdata);

/*
 * period_ns: of the cpu-clock event; program_fd: the loaded perf_event program (kept by the caller). open: somebody with
 * more rights, who is asked when our own do not do; NULL: nobody. Debian's and Ubuntu's kernels want CAP_SYS_ADMIN while
 * kernel.perf_event_paranoid is above 2, and 3 is their default.
 */
int sampler_cpus_new(struct sampler_cpus **ret, uint64_t period_ns, int program_fd,
		     sampler_open_fn open, void *userdata);
struct sampler_cpus *sampler_cpus_free(struct sampler_cpus *cpus);
DEFINE_CLEANUP(struct sampler_cpus *, sampler_cpus_free)

/*
 * Opens events on CPUs that are online and have none, closes those of CPUs that are gone. Enables are spread over
 * one period, so that the CPUs do not interrupt all at once.
 */
int sampler_cpus_follow(struct sampler_cpus *cpus, struct err *err);

/* Closes all events: nothing is attached any more. What they should have brought stays counted. */
void sampler_cpus_close(struct sampler_cpus *cpus);

/* As sampler_cpus_close(); events to come have this period. */
void sampler_cpus_set_period(struct sampler_cpus *cpus, uint64_t period_ns);

/* Stops all events; their counts stay readable. */
int sampler_cpus_stop(struct sampler_cpus *cpus);

/* Has it an event? */
bool sampler_cpus_has(const struct sampler_cpus *cpus, unsigned int cpu);

/* Starts its event again, which the kernel stopped for too many interrupts without a scheduler tick. */
int sampler_cpus_restart(struct sampler_cpus *cpus, unsigned int cpu);

/*
 * Time for which this CPU's events were enabled / period, rounded down per event; those of before a hot-unplug
 * included.
 */
uint64_t sampler_cpus_expected(const struct sampler_cpus *cpus, unsigned int cpu);

#endif
