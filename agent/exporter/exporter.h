/* The exporter put together: sandbox, store, hand-over and the timers that drive them. */
#ifndef FLEETPROF_EXPORTER_EXPORTER_H
#define FLEETPROF_EXPORTER_EXPORTER_H

#include "agent/exporter/options.h"

/* Runs until the core closes descriptor 3 or a signal asks for the end. */
int exporter_run(const struct options *options, struct err *err);

#endif
