/* What the store's files share. */
#ifndef FLEETPROF_EXPORTER_STORE_INTERNAL_H
#define FLEETPROF_EXPORTER_STORE_INTERNAL_H

#include "agent/exporter/store_outbox.h"
#include "agent/exporter/store_sql.h"

#define STORE_PAGE 4096
#define STORE_LEVELS 3 /* windows as they came, 10 minutes, 1 hour */
#define STORE_FILE "fleetprof.db"
#define STORE_TOTAL 0 /* counters.target of the store itself */

struct store_rollup;

struct store_target {
	char *name;
	int64_t id; /* in the database that is open */
};

struct store {
	struct store_config config;
	sqlite3 *db;
	int dir_fd, lock_fd;
	struct store_rollup *rollup; /* under way, or NULL */
	uint64_t refused; /* windows whose refusal is not in the counters yet */
	uint64_t rollups; /* written since it was opened */
	bool owners_stale; /* windows went: some owners may have no row left */
	struct store_target targets[STORE_MAX_TARGETS];
	size_t nr_targets;
	uint64_t generation; /* of databases: ids of another one mean nothing in this */
	uint64_t reserve; /* bytes of the file that is given up when the disk is full */
};

/* Adds n to a counter that lives in the database: it is true of exactly what is committed. */
int store_count(struct store *s, int64_t target, const char *name, int64_t n);

/* Closes the database, renames it to STORE_FILE.<why> and begins a fresh one. */
int store_set_aside(struct store *s, const char *why, struct err *err);

/*
 * Makes room for a transaction of about need bytes by evicting the oldest windows. 0, or -ENOSPC when
 * nothing more can go.
 */
int store_make_room(struct store *s, uint64_t need);

/* Evicts the oldest window, counted as outcome (evicted). 0, STORE_E_GONE: there is none, or -errno. */
int store_evict_oldest(struct store *s, enum store_outcome outcome);

/* The reserve: a file whose space lets an eviction be written on a disk that is full. */
void store_reserve_keep(struct store *s);
void store_reserve_release(struct store *s);

/*
 * Deletes a window and everything that hangs on it, within the caller's transaction. What of it still waited for a back
 * end is counted there as outcome.
 */
int store_delete_window(struct store *s, int64_t window, enum store_outcome outcome);

/* Writes the back ends of s->targets into the database and reads their ids; forgets others. */
int store_register_targets(struct store *s);

/* One step of the roll-up: 1, 0 or -errno. */
int store_rollup_step(struct store *s);
struct store_rollup *store_rollup_free(struct store_rollup *r);

/* End of the newest window, 0 if there is none: the store's own idea of now, free of clock jumps. */
int store_newest(struct store *s, uint64_t *ret_ns);

#endif
