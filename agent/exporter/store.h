/*
 * The store: what happened on this host, and the outbox of every back end, in one SQLite database.
 *
 * One window is one transaction (write-ahead log, synchronous FULL): when store_put() returned 0 the window
 * survives SIGKILL and power loss. A window is named by (boot id, agent start, number), so that a repeat
 * changes nothing. Rows older than an hour are merged to 10 minutes, older than a day to an hour. Budgets are
 * bytes, age and a share of the file system; beyond them the oldest windows go first, counted. On a file
 * system that is nearly full the database does not grow any more: new windows replace old ones.
 *
 * A database that is corrupt, or of a newer schema, is set aside under another name with a message, and a
 * fresh one is begun. One thread, one process: a lock file keeps a second agent out.
 *
 * Rows hold compact profiles (proto/compact.h). Times are nanoseconds of UTC unless a name says otherwise.
 */
#ifndef FLEETPROF_EXPORTER_STORE_H
#define FLEETPROF_EXPORTER_STORE_H

#include "agent/base/err.h"
#include "proto/winwire.h"

#include <stdint.h>

struct store;

struct store_config {
	const char *dir; /* made if missing, 0700; must be ours */
	uint64_t max_bytes; /* of the database's files; 2 GiB */
	uint64_t max_age_ns; /* 7 days */
	unsigned int max_share_percent; /* of the file system; 5 */
	unsigned int min_free_percent; /* of the file system: below, the store does not grow; 10 */
	uint64_t cache_bytes; /* memory for the database's pages, at most 4 MiB; 0: that */
};

int store_open(struct store **ret, const struct store_config *config, struct err *err);
struct store *store_free(struct store *s);
DEFINE_CLEANUP(struct store *, store_free)

/*
 * Keeps a window. 0: it is on disk (also if it was before); -EBADMSG: malformed, nothing was kept; -ENOSPC: no
 * room although everything that may go is gone; else -errno. header, body: as the hand-over brought them.
 */
int store_put(struct store *s, const struct winwire_header *header, const void *body, size_t len);

/*
 * One small step of upkeep (eviction by age and size, roll-up, giving pages back), to be called from a timer:
 * 1: there is more to do, 0: nothing left for now, or -errno.
 */
int store_maintain(struct store *s);

/* What is in the store, and what became of the rest. A row is one owner of one window. */
struct store_stats {
	uint64_t windows, rows; /* present now, roll-ups counting as one */
	uint64_t bytes; /* of the files on disk */
	uint64_t limit; /* what bytes may be at present */
	uint64_t oldest_ns, newest_ns; /* start of the oldest window, end of the newest; 0: none */
	/* since the database was begun */
	uint64_t stored, repeated, refused; /* windows */
	uint64_t evicted_age, evicted_bytes; /* windows, roll-ups counting as the windows in them */
	uint64_t rolled_up; /* windows that went into a roll-up */
	uint64_t unreadable; /* rows that could not be merged */
};
int store_stats(struct store *s, struct store_stats *ret);

/* How far it goes: start of the oldest window, end of the newest; 0: there is none. Cheap. */
int store_reach(struct store *s, uint64_t *ret_oldest_ns, uint64_t *ret_newest_ns);

/* Who an owner is; strings live as long as the identity. */
struct store_owner {
	int64_t id;
	const char *name, *container_id, *runtime, *image, *cgroup_path;
	struct winwire_label labels[WINWIRE_MAX_LABELS];
	size_t nr_labels;
	char *identity; /* private: the strings' memory */
};
void store_owner_deinit(struct store_owner *o);
DEFINE_CLEANUP_EMBEDDED(struct store_owner, store_owner_deinit)

enum { STORE_E_GONE = 1 };
/* 0, STORE_E_GONE or -errno. */
int store_owner(struct store *s, int64_t id, struct store_owner *ret);

/* One owner in one window. usage and throttling: WINWIRE_UNKNOWN where they could not be read. */
struct store_point {
	int64_t window, owner;
	int64_t profile; /* for store_profile() */
	uint64_t start_ns, duration_ns;
	uint64_t samples, value_ns, usage_ns, nr_throttled, throttled_ns;
	const uint8_t *seconds; /* winwire_parse_seconds(); valid during the callback */
	size_t seconds_len;
};
typedef int (*store_point_fn)(const struct store_point *point, void *userdata);

/*
 * Windows one at a time, for readers that must not hold the loop: nothing stays open in between, so windows may come
 * and go. Set from_ns, to_ns and owner (0: all); the rest is the scan's own, and begins as zero.
 */
struct store_scan {
	uint64_t from_ns, to_ns;
	int64_t owner;
	int64_t start_ns, window; /* where it is */
	uint64_t rollups; /* the store's count when it began */
};
enum { STORE_E_CHANGED = 2 };
/*
 * The next window that overlaps [from, to), by time: its header, its end (a roll-up's may be later than its duration
 * tells), and fn for each of its points. 1: there it is; 0: no more; STORE_E_CHANGED: a roll-up was written meanwhile, and
 * windows may have been passed over (the scan goes on all the same); a negative result of fn; or -errno.
 */
int store_scan_next(struct store *s, struct store_scan *scan, struct winwire_header *header,
		    uint64_t *ret_end_ns, store_point_fn fn, void *userdata);

/* The compact profile of a point, appended to data. 0, STORE_E_GONE or -errno. */
int store_profile(struct store *s, int64_t profile, struct buf *data);

#endif
