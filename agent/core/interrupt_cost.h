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
 * The highest rate, at most rate_hz, whose interrupts of cost_ns, and samples, leave half of each CPU to the programs
 * that are sampled: above that a machine stands still, and does not even end a recording. Never below
 * INTERRUPT_COST_SAFE_HZ, which every machine can bear.
 */
#define INTERRUPT_COST_SAFE_HZ 2000
uint32_t interrupt_cost_limit(uint32_t rate_hz, double cost_ns);

/* As above, with the cost measured now where rate_hz is above the safe one; a lower rate than wanted is warned of. */
uint32_t interrupt_cost_affordable(uint32_t rate_hz);

#endif
