/* One line on a terminal that says how far things are; nothing where stderr is none. */
#ifndef FLEETPROF_CORE_PROGRESS_H
#define FLEETPROF_CORE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRESS_INTERVAL_NS 250000000ULL

bool progress_wanted(void);

/* duration_ns 0: until interrupted. */
void progress_recording(uint64_t elapsed_ns, uint64_t duration_ns, uint64_t samples);
void progress_symbolizing(size_t pending);
void progress_clear(void);

#endif
