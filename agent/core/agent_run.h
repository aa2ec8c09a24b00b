/*
 * The running agent: where the daemon's parts meet.
 *
 * Once a second it looks at the clocks and the ring. A window that is over is closed (agent_window.c): what was counted
 * in it is cut off exactly, names are asked for while the next one is open, and it is handed to the exporter.
 */
#ifndef FLEETPROF_CORE_AGENT_RUN_H
#define FLEETPROF_CORE_AGENT_RUN_H

#include "agent/core/agent_state.h"
#include "agent/core/closed.h"
#include "agent/core/config.h"
#include "agent/core/exporter_client.h"
#include "agent/core/notify.h"
#include "agent/core/other_agents.h"
#include "agent/core/remotedebug.h"
#include "agent/core/sampling.h"
#include "agent/core/stack_counts.h"
#include "agent/core/symbolize.h"
#include "agent/core/symcache.h"
#include "agent/core/symdisk.h"
#include "agent/core/timeline.h"

#define AGENT_TOKEN_BYTES 16

/* What happened since the start. */
struct agent_counts {
	uint64_t closed; /* windows = handed over + unfinished */
	uint64_t unfinished; /* windows that could not be made ready, with their samples */
	uint64_t unbalanced; /* windows whose loss equation did not hold */
	uint64_t jumps; /* of the wall clock */
	uint64_t reloads, bad_reloads;
	struct loss loss; /* all closed windows together */
};

struct agent {
	struct config *config; /* changes at a reload */
	struct filter filter; /* points into it */
	struct agent_state *state; /* freed by whoever made it */
	struct notify *notify; /* the service manager */
	int argc; /* of the command line, which a reload reads again */
	char **argv;
	struct other_agents others; /* that were there before us */
	struct sampling sampling;
	struct exporterclient *exporter;
	struct remotedebug
		*remotedebug; /* asks the exporter for debug files, when that is switched on */
	struct usage *usage;
	struct symcache *symcache; /* what addresses meant in earlier windows */
	struct symdisk *symdisk; /* … and before a restart */
	struct window_limits limits; /* of one window */
	struct loop_source *tick, *step;

	struct timeline timeline;
	struct window *window;
	struct histogram *histogram;
	struct loss loss_at_open;
	struct winwire_header run; /* what is the same in every window's header */
	uint64_t number; /* of the last closed window */
	uint32_t rate_hz; /* that is sampled at: the settings', or what the machine can bear */
	bool watched; /* somebody looks at the page */
	bool doubtful; /* the wall clock */
	bool off; /* the kill switch is there: nothing is attached */
	bool had_terminal; /* stderr was one at the start */
	struct closed *closed; /* NULL, or the window that waits for its names */

	char token[2 * AGENT_TOKEN_BYTES + 1]; /* the page's secret */
	bool was_ready; /* the exporter, once */
	int signals; /* how many asked for the end */
	uint64_t signalled_ns;
	struct agent_counts counts;
	struct stack_counts *stacks;
	uint64_t metrics_due_ns; /* when the exporter is told them next */
};

/*
 * Runs until a signal asks for the end. config, keeper: consumed. argc, argv: as config_load() had them, for reloads.
 */
int agent_run(struct config *config, int argc, char **argv, struct agent_state *state,
	      struct keeper *keeper, struct notify *notify, struct err *err);

/* How often it looks after everything, by the length of windows, and whether somebody watches. */
int agent_set_tick(struct agent *a);

/* agent_reload.c: reads the settings again and applies what changed; what is invalid is said and changes nothing. */
int agent_reload(struct agent *a);
/* The exporter's arguments for exporters to come. */
int agent_set_exporter_args(struct agent *a);
/* Whether debug files are asked of servers, as the settings say. */
void agent_set_debuginfod(struct agent *a);
/* Attaches and detaches as the kill switch says. */
int agent_look_at_kill_switch(struct agent *a);

/* agent_metrics.c: what the exporter shows of us */
int agent_metrics_send(struct agent *a);

/* agent_window.c */
int agent_window_init(struct agent *a, struct err *err);
int agent_window_open(struct agent *a, bool jumped);
/* Closes the open window; what waits for names leaves. */
int agent_window_close(struct agent *a, enum timeline_step step);
/* Goes on with the closed window; now UINT64_MAX: does not wait for names. */
int agent_window_continue(struct agent *a, uint64_t now);
uint64_t agent_window_length(const struct agent *a);
/* That has changed: the open window ends when it would now. */
void agent_window_set_length(struct agent *a);
void agent_window_deinit(struct agent *a);

#endif
