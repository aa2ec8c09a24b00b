/* What one interrupt of a perf event costs on this machine: in a virtual machine more than all else that sampling does. */
#ifndef FLEETPROF_CORE_INTERRUPT_COST_H
#define FLEETPROF_CORE_INTERRUPT_COST_H

#include <stdint.h>

enum { INTERRUPT_COST_E_UNKNOWN = 1 };

/*
 * Measures it, with a cpu-clock event of trial_hz on this thread alone, which needs no privilege, in some 0.4 s.
 * Returns 0, INTERRUPT_COST_E_UNKNOWN (the host is too busy to tell), or -errno of the event.
 */
int interrupt_cost_measure(uint64_t trial_hz, double *ret_ns);

/*
 * The highest rate, at most rate_hz, whose interrupts and samples leave half of each CPU to the programs that are
 * sampled; above that a machine stands still. Rates below INTERRUPT_COST_SAFE_HZ are not measured.
 */
#define INTERRUPT_COST_SAFE_HZ 2000
uint32_t interrupt_cost_limit(uint32_t rate_hz, double *ret_ns);

#endif
