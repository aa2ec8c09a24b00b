/*
 * One recording's parts and life: prepare, run, finish. `record` drives it; this is where the rooms meet.
 */
#ifndef FLEETPROF_CORE_RECORDING_H
#define FLEETPROF_CORE_RECORDING_H

#include "agent/core/keeper.h"
#include "agent/core/loss.h"
#include "agent/core/names.h"
#include "agent/core/objects.h"
#include "agent/core/owners.h"
#include "agent/core/record_options.h"
#include "agent/core/window.h"

struct recording {
	const struct record_options *options;
	struct keeper *keeper;
	struct loop *loop;
	struct sampler *sampler;
	struct openclient *opener;
	struct symclient *symbolizer;
	struct objects *objects;
	struct owners *owners;
	struct names *names;
	struct window *window;
	int kallsyms_fd, vdso_fd;
	uint64_t start_boot_ns, start_wall_ns, stop_boot_ns;
	struct loss loss;
	int interrupted; /* how many SIGINTs and SIGTERMs came */
	size_t targets_left; /* of --pid: processes that still live */
	int command_status; /* wait status of the command, once it ended */
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
