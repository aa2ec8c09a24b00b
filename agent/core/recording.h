/*
 * One recording's parts and life: prepare, run, finish. `record` drives it; this is where the rooms meet.
 */
#ifndef FLEETPROF_CORE_RECORDING_H
#define FLEETPROF_CORE_RECORDING_H

#include "agent/core/record_options.h"
#include "agent/core/sampling.h"

struct recording {
	const struct record_options *options;
	uint32_t rate_hz; /* as asked for, or what the machine can bear of it */
	struct sampling sampling;
	struct window *window;
	uint64_t start_boot_ns, start_wall_ns, stop_boot_ns;
	int interrupted, interrupted_at_stop; /* how many SIGINTs and SIGTERMs came */
	size_t targets_left; /* of --pid: processes that still live */
	bool targets_gone; /* … and all of them ended before the recording did */
	int command_status; /* wait status of the command, once it ended */
	int command_error; /* -errno: it could not be run */
	bool command_running;
};

/* Builds every part, selects what to sample, gives up privileges. err says what failed and what to do. */
int recording_prepare(struct recording *r, struct err *err);

/* Samples until the duration is over, the targets are gone, or a signal comes. */
int recording_run(struct recording *r, struct err *err);

/* Symbolizes, writes the files, prints the summary. */
int recording_finish(struct recording *r, struct err *err);

void recording_deinit(struct recording *r);
DEFINE_CLEANUP_EMBEDDED(struct recording, recording_deinit)

#endif
