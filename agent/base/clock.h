/* Clocks, in nanoseconds. Everything inside runs on boot time; wall time is only for what leaves. */
#ifndef FLEETPROF_BASE_CLOCK_H
#define FLEETPROF_BASE_CLOCK_H

#include <stdint.h>

#define NSEC_PER_SEC 1000000000ULL
#define NSEC_PER_MSEC 1000000ULL
#define NSEC_PER_USEC 1000ULL

uint64_t clock_boot_ns(
	void); /* CLOCK_BOOTTIME: monotonic, counts suspend, what the records carry */
uint64_t clock_mono_ns(void); /* CLOCK_MONOTONIC */
uint64_t clock_wall_ns(void); /* CLOCK_REALTIME, since the epoch */
uint64_t clock_cpu_ns(void); /* CPU time of this process */

#endif
