/* The store's budgets: bytes, age, share of the file system; oldest first out, and pages given back. */
#include "agent/exporter/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define RESERVE_FILE "reserve"
#define RESERVE_MAX (4u << 20) /* an eviction's log: a few hundred pages */
#define VACUUM_PAGES 256 /* per step: 1 MiB, some milliseconds */
#define VACUUM_SLACK (4u << 20) /* free pages that are kept for the next windows */

struct space {
	uint64_t file; /* bytes of the database's own files */
	uint64_t free_pages; /* bytes inside them that are free */
	uint64_t limit; /* what file may be */
	bool tight; /* the file system is nearly full: file must not grow */
};

static uint64_t file_bytes(const struct store *s, const char *name)
{
	struct stat st;

	return fstatat(s->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : (uint64_t)st.st_size;
}

static int measure(struct store *s, struct space *ret)
{
	struct statvfs fs;
	uint64_t size;
	int64_t pages;
	int r = sql_number(s->db, &pages, "PRAGMA freelist_count", "");

	if (r < 0)
		return r;
	ret->free_pages = r > 0 ? (uint64_t)pages * STORE_PAGE : 0;
	/* pages that are still only in the log count once they reach the file */
	r = sql_number(s->db, &pages, "PRAGMA page_count", "");
	if (r < 0)
		return r;
	ret->file = MAX((uint64_t)pages * STORE_PAGE, file_bytes(s, STORE_FILE)) +
		    file_bytes(s, STORE_FILE "-wal");
	ret->limit = s->config.max_bytes;
	ret->tight = false;
	if (fstatvfs(s->dir_fd, &fs) < 0)
		return err_last();
	size = (uint64_t)fs.f_blocks * fs.f_frsize;
	if (s->config.max_share_percent)
		ret->limit = MIN(ret->limit, size / 100 * s->config.max_share_percent);
	if ((uint64_t)fs.f_bavail * fs.f_frsize < size / 100 * s->config.min_free_percent) {
		ret->tight = true;
		ret->limit = MIN(ret->limit, ret->file);
	}
	return 0;
}

int store_delete_window(struct store *s, int64_t window, enum store_outcome outcome)
{
	int r;

	r = sql_run(
		s->db,
		"DELETE FROM profiles WHERE id IN (SELECT profile FROM points WHERE window = ?)",
		"i", window);
	r = r
		    ?: sql_run(s->db,
			       "INSERT INTO counters(target, name, value)"
			       " SELECT target, ?, count(*) FROM outbox WHERE target IN"
			       " (SELECT id FROM targets) AND window = ? GROUP BY target"
			       " ON CONFLICT(target, name) DO UPDATE SET value = value + excluded.value",
			       "ti", store_outcome_name(outcome), window);
	r = r
		    ?: sql_run(s->db,
			       "DELETE FROM outbox WHERE target IN (SELECT id FROM targets) AND window = ?",
			       "i", window);
	r = r ?: sql_run(s->db, "DELETE FROM points WHERE window = ?", "i", window);
	return r ?: sql_run(s->db, "DELETE FROM windows WHERE id = ?", "i", window);
}

int store_evict_oldest(struct store *s, enum store_outcome outcome)
{
	_cleanup_(sql_rollbackp) struct sql_transaction t = { .db = NULL };
	int64_t window, members;
	int r = sql_begin(s->db, &t);

	r = r
		    ?: sql_number(s->db, &window,
				  "SELECT id FROM windows ORDER BY start_ns, id LIMIT 1", "");
	if (r <= 0)
		return r < 0 ? r : STORE_E_GONE;
	r = sql_number(s->db, &members, "SELECT members FROM windows WHERE id = ?", "i", window);
	if (r <= 0)
		return r < 0 ? r : -EUCLEAN;
	r = store_delete_window(s, window, outcome);
	r = r ?: store_count(s, STORE_TOTAL, store_outcome_name(outcome), members);
	s->owners_stale = true;
	return r ?: sql_commit(&t);
}

/* True when a transaction of need bytes stays within the limit. */
static bool fits(const struct space *space, uint64_t need)
{
	uint64_t used = space->file - MIN(space->file, space->free_pages);

	/* a file that must not grow takes only what its free pages hold; the log is reused */
	return space->tight ? space->free_pages >= need : used + need <= space->limit;
}

int store_make_room(struct store *s, uint64_t need)
{
	struct space space;
	int r;

	while ((r = measure(s, &space)) == 0 && !fits(&space, need)) {
		r = store_evict_oldest(s, STORE_EVICTED_BYTES);
		if (r == -ENOSPC) {
			store_reserve_release(s);
			r = store_evict_oldest(s, STORE_EVICTED_BYTES);
		}
		if (r == STORE_E_GONE)
			return -ENOSPC;
		if (r < 0)
			return r;
	}
	return r;
}

void store_reserve_keep(struct store *s)
{
	uint64_t size = MIN((uint64_t)RESERVE_MAX, s->config.max_bytes / 64);
	struct space space;
	int fd;

	if (s->reserve || measure(s, &space) < 0 || space.tight)
		return;
	fd = openat(s->dir_fd, RESERVE_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return;
	if (posix_fallocate(fd, 0, (off_t)size) == 0)
		s->reserve = size;
	else
		unlinkat(s->dir_fd, RESERVE_FILE, 0); /* half of it would only take space away */
	close(fd);
}

void store_reserve_release(struct store *s)
{
	unlinkat(s->dir_fd, RESERVE_FILE, 0);
	s->reserve = 0;
}

int store_newest(struct store *s, uint64_t *ret_ns)
{
	int64_t end = 0;
	int r = sql_number(s->db, &end, "SELECT max(end_ns) FROM windows", "");

	*ret_ns = (uint64_t)end;
	return MIN(r, 0);
}

static int evict_by_age(struct store *s, uint64_t newest)
{
	int64_t end = 0;
	int r = sql_number(s->db, &end, "SELECT end_ns FROM windows ORDER BY start_ns, id LIMIT 1",
			   "");

	if (r <= 0 || newest < s->config.max_age_ns ||
	    (uint64_t)end >= newest - s->config.max_age_ns)
		return MIN(r, 0);
	r = store_evict_oldest(s, STORE_EVICTED_AGE);
	return r == 0 ? 1 : MIN(r, 0);
}

static int evict_by_size(struct store *s)
{
	struct space space;
	int r = measure(s, &space);

	if (r < 0 || space.tight || space.file - MIN(space.file, space.free_pages) <= space.limit)
		return r;
	r = store_evict_oldest(s, STORE_EVICTED_BYTES);
	return r == 0 ? 1 : MIN(r, 0);
}

/* Gives free pages back to the file system, beyond those that the next windows will take. */
static int give_back(struct store *s)
{
	char sql[64];
	struct space space;
	int r = measure(s, &space);

	if (r < 0)
		return r;
	if (space.free_pages <= VACUUM_SLACK && space.file <= space.limit)
		return 0;
	if (!space.free_pages)
		return 0;
	snprintf(sql, sizeof(sql), "PRAGMA incremental_vacuum(%d)", VACUUM_PAGES);
	r = sql_exec(s->db, sql);
	return r < 0 ? r : 1;
}

/* Owners that no window names any more: containers come and go for years. */
static int forget_owners(struct store *s)
{
	if (!s->owners_stale)
		return 0;
	s->owners_stale = false;
	return sql_run(s->db,
		       "DELETE FROM owners WHERE NOT EXISTS"
		       " (SELECT 1 FROM points WHERE points.owner = owners.id)",
		       "");
}

int store_maintain(struct store *s)
{
	uint64_t newest;
	int r = store_newest(s, &newest);

	r = r ?: evict_by_age(s, newest);
	r = r ?: evict_by_size(s);
	r = r ?: store_rollup_step(s);
	r = r ?: forget_owners(s);
	r = r ?: give_back(s);
	if (r == -EUCLEAN) {
		struct err err = ERR_NULL;

		return store_set_aside(s, "corrupt", &err);
	}
	return r;
}

static uint64_t counter(struct store *s, const char *name)
{
	int64_t v = 0;

	sql_number(s->db, &v, "SELECT value FROM counters WHERE target = 0 AND name = ?", "t",
		   name);
	return (uint64_t)v;
}

int store_stats(struct store *s, struct store_stats *ret)
{
	struct space space;
	int64_t v = 0;
	int r = measure(s, &space);

	if (r < 0)
		return r;
	*ret = (struct store_stats) { .bytes = space.file, .limit = space.limit };
	if (sql_number(s->db, &v, "SELECT count(*) FROM windows", "") > 0)
		ret->windows = (uint64_t)v;
	if (sql_number(s->db, &v, "SELECT count(*) FROM points", "") > 0)
		ret->rows = (uint64_t)v;
	if (sql_number(s->db, &v, "SELECT min(start_ns) FROM windows", "") > 0)
		ret->oldest_ns = (uint64_t)v;
	r = store_newest(s, &ret->newest_ns);
	ret->stored = counter(s, "stored");
	ret->repeated = counter(s, "repeated");
	ret->refused = counter(s, "refused") + s->refused;
	ret->evicted_age = counter(s, "evicted_age");
	ret->evicted_bytes = counter(s, "evicted_bytes");
	ret->rolled_up = counter(s, "rolled_up");
	ret->unreadable = counter(s, "unreadable");
	return r;
}
