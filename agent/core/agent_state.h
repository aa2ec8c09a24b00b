/*
 * What the agent keeps in its state directory besides the store: a lock, the page's address, names.
 *
 *   lock   held while an agent runs; its modification time is when that last closed a window
 *   url    the page's address with its secret, for root only, while the agent runs
 *   names  what addresses were found to mean, see symdisk.h
 *   store  the exporter's, see agent/exporter/store.h
 */
#ifndef FLEETPROF_CORE_AGENT_STATE_H
#define FLEETPROF_CORE_AGENT_STATE_H

#include "agent/base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct agent_state;

/* Makes the directory if there is none. -EBUSY: another agent runs here; err says which. */
int agent_state_open(struct agent_state **ret, const char *dir, struct err *err);
struct agent_state *agent_state_free(struct agent_state *state);
DEFINE_CLEANUP(struct agent_state *, agent_state_free)

/* Whose the store is already; 0: nobody's, or root's. */
uint32_t agent_state_store_uid(const struct agent_state *state, uint32_t *ret_gid);

/* The latest time that is known to be in the past: of the program's file, and of the last window. UTC. */
uint64_t agent_state_last_seen(const struct agent_state *state);

/* A window was closed now. */
void agent_state_touch(struct agent_state *state);

/* The directory: a descriptor of the state's. */
int agent_state_dir_fd(const struct agent_state *state);

/* Writes the address ("": removes it). */
int agent_state_set_url(struct agent_state *state, const char *url);

#endif
