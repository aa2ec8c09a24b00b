/*
 * The store as outbox: each back end is a cursor over its rows, kept in the database.
 *
 * A row is one owner of one window. For every back end that was named when a window came, each of its rows is queued
 * once, and leaves the queue once, counted under one outcome, in the transaction that takes it out:
 *
 *   queued = uploaded + merged + waiting + evicted (age, bytes) + refused (each reason)
 *
 * so the equation holds at any moment, whatever was killed.
 */
#ifndef FLEETPROF_EXPORTER_STORE_OUTBOX_H
#define FLEETPROF_EXPORTER_STORE_OUTBOX_H

#include "agent/exporter/store.h"

#include <stdbool.h>

#define STORE_MAX_TARGETS 8

/*
 * Names the back ends; below, a target is an index into names. One that is new gets the windows from now on; what
 * waited for one that is not named any more is forgotten with its counters.
 */
int store_targets(struct store *s, const char *const *names, size_t nr);

/* Changes when a damaged database was set aside: every id that was read before means nothing now. */
uint64_t store_generation(const struct store *s);

enum store_outcome {
	STORE_UPLOADED, /* the first row of a request; the others of it are merged */
	STORE_MERGED,
	STORE_EVICTED_AGE,
	STORE_EVICTED_BYTES,
	STORE_REFUSED_INVALID, /* the back end: not acceptable as it is */
	STORE_REFUSED_TOO_LARGE, /* the back end: even the smallest part */
	STORE_REFUSED_UNKNOWN, /* the back end fails of it, and of nothing else */
	STORE_REFUSED_RELABEL, /* a rule says drop */
	STORE_REFUSED_FRACTION, /* only a fraction of the windows is wanted */
	STORE_REFUSED_EMPTY, /* no sample with a value */
	STORE_REFUSED_UNREADABLE,
	STORE_NR_OUTCOMES
};
/* For metrics: "uploaded", "evicted_age", "refused_invalid" … */
const char *store_outcome_name(enum store_outcome outcome);

struct store_row {
	int64_t window, owner, profile;
	uint64_t start_ns, end_ns;
	uint64_t period_ns;
	uint64_t done; /* samples of it that are acknowledged, in the order of decoding */
	uint32_t series; /* the caller's own */
};

/*
 * Reads what waits, newest window first: at most max rows, all of windows that start within span_ns of the newest one's
 * start, and that are older than window `before` (INT64_MAX: any). Returns how many, or -errno.
 */
int store_waiting(struct store *s, size_t target, int64_t before, uint64_t span_ns,
		  struct store_row *rows, size_t max);

struct store_backlog {
	uint64_t rows, windows;
	uint64_t oldest_ns; /* start of the oldest window that waits, 0: none */
};
int store_backlog(struct store *s, size_t target, struct store_backlog *ret);

/*
 * Takes rows out of the queue, in one transaction. STORE_UPLOADED: the others are merged into the first. Rows that are
 * gone (evicted meanwhile, and counted so) count nothing.
 */
int store_settle(struct store *s, size_t target, const struct store_row *rows, size_t nr,
		 enum store_outcome outcome);

/* Notes that so many samples of a row are acknowledged. */
int store_progress(struct store *s, size_t target, const struct store_row *row, uint64_t done);

/* Gives up what starts before before_ns, a few windows at a time. Returns how many, or -errno. */
int store_expire(struct store *s, size_t target, uint64_t before_ns);

struct store_outbox_counts {
	uint64_t queued, waiting; /* waiting is counted in the queue itself */
	uint64_t outcomes[STORE_NR_OUTCOMES];
};
int store_outbox_counts(struct store *s, size_t target, struct store_outbox_counts *ret);

#endif
