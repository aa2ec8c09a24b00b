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
#include "agent/core/sampling.h"
#include "agent/core/symcache.h"
#include "agent/core/timeline.h"

#define AGENT_TOKEN_BYTES 16

/* What happened since the start. */
struct agent_counts {
	uint64_t closed; /* windows = handed over + unfinished */
	uint64_t unfinished; /* windows that could not be made ready, with their samples */
	uint64_t unbalanced; /* windows whose loss equation did not hold */
	uint64_t jumps; /* of the wall clock */
	struct loss loss; /* all closed windows together */
};

struct agent {
	struct config *config;
	struct agent_state *state; /* freed by whoever made it */
	struct sampling sampling;
	struct exporterclient *exporter;
	struct usage *usage;
	struct symcache *symcache; /* what addresses meant in earlier windows */
	struct window_limits limits; /* of one window */
	struct loop_source *tick, *step;

	struct timeline timeline;
	struct window *window;
	struct histogram *histogram;
	struct loss loss_at_open;
	struct winwire_header run; /* what is the same in every window's header */
	uint64_t number; /* of the last closed window */
	bool watched; /* somebody looks at the page */
	bool doubtful; /* the wall clock */
	struct closed *closed; /* NULL, or the window that waits for its names */

	char token[2 * AGENT_TOKEN_BYTES + 1]; /* the page's secret */
	bool was_ready; /* the exporter, once */
	int signals; /* how many asked for the end */
	uint64_t signalled_ns;
	struct agent_counts counts;
};

/* Runs until a signal asks for the end. keeper: consumed. config and state: the caller's. */
int agent_run(struct config *config, struct agent_state *state, struct keeper *keeper,
	      struct err *err);

/* agent_window.c */
int agent_window_init(struct agent *a, struct err *err);
int agent_window_open(struct agent *a, bool jumped);
/* Closes the open window; what waits for names leaves. */
int agent_window_close(struct agent *a, enum timeline_step step);
/* Goes on with the closed window; now UINT64_MAX: does not wait for names. */
int agent_window_continue(struct agent *a, uint64_t now);
uint64_t agent_window_length(const struct agent *a);
void agent_window_deinit(struct agent *a);

#endif
