/* The store as outbox. */
#include "agent/exporter/store_outbox.h"
#include "agent/exporter/store_internal.h"
#include "agent/base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define EXPIRE_STEP 2 /* windows: each is a transaction of some milliseconds */

static const char *const outcome_names[STORE_NR_OUTCOMES] = {
	[STORE_UPLOADED] = "uploaded",
	[STORE_MERGED] = "merged",
	[STORE_EVICTED_AGE] = "evicted_age",
	[STORE_EVICTED_BYTES] = "evicted_bytes",
	[STORE_REFUSED_INVALID] = "refused_invalid",
	[STORE_REFUSED_TOO_LARGE] = "refused_too_large",
	[STORE_REFUSED_UNKNOWN] = "refused_unknown",
	[STORE_REFUSED_RELABEL] = "refused_relabel",
	[STORE_REFUSED_FRACTION] = "refused_fraction",
	[STORE_REFUSED_EMPTY] = "refused_empty",
	[STORE_REFUSED_UNREADABLE] = "refused_unreadable",
};

const char *store_outcome_name(enum store_outcome outcome)
{
	return outcome_names[outcome];
}

uint64_t store_generation(const struct store *s)
{
	return s->generation;
}

static bool is_named(const struct store *s, const char *name)
{
	for (size_t i = 0; i < s->nr_targets; i++) {
		if (!strcmp(s->targets[i].name, name))
			return true;
	}
	return false;
}

static int forget(struct store *s, int64_t target)
{
	int r = sql_run(s->db, "DELETE FROM outbox WHERE target = ?", "i", target);

	r = r ?: sql_run(s->db, "DELETE FROM counters WHERE target = ?", "i", target);
	return r ?: sql_run(s->db, "DELETE FROM targets WHERE id = ?", "i", target);
}

/* Finds a target that the database knows and we do not. */
static int find_stranger(struct store *s, int64_t *ret)
{
	_cleanup_(sql_finalizep) sqlite3_stmt *q = NULL;
	int r = sql_prepare(s->db, &q, "SELECT id, name FROM targets");

	while (r == 0 && (r = sql_step(q)) > 0) {
		const char *name = (const char *)sqlite3_column_text(q, 1);

		if (name && !is_named(s, name)) {
			log_info("what waited for the back end \"%s\" is forgotten: it is not "
				 "configured any more",
				 name);
			*ret = sqlite3_column_int64(q, 0);
			return 1;
		}
		r = 0;
	}
	return r;
}

int store_register_targets(struct store *s)
{
	_cleanup_(sql_rollbackp) struct sql_transaction t = { .db = NULL };
	int64_t stranger = 0;
	int r = sql_begin(s->db, &t);

	for (size_t i = 0; i < s->nr_targets && r == 0; i++) {
		r = sql_run(s->db,
			    "INSERT INTO targets(name) VALUES(?) ON CONFLICT(name) DO NOTHING", "t",
			    s->targets[i].name);
		r = r
			    ?: sql_number(s->db, &s->targets[i].id,
					  "SELECT id FROM targets WHERE name = ?", "t",
					  s->targets[i].name);
		r = MIN(r, 0);
	}
	while (r == 0 && (r = find_stranger(s, &stranger)) > 0)
		r = forget(s, stranger);
	return r ?: sql_commit(&t);
}

int store_targets(struct store *s, const char *const *names, size_t nr)
{
	struct err err = ERR_NULL;
	int r;

	if (nr > STORE_MAX_TARGETS)
		return -E2BIG;
	for (size_t i = 0; i < nr; i++) {
		s->targets[i].name = strdup(names[i]);
		if (!s->targets[i].name)
			return -ENOMEM;
		s->nr_targets = i + 1;
	}
	r = store_register_targets(s);
	if (r == -EUCLEAN && store_set_aside(s, "corrupt", &err) < 0)
		log_error("%s", err.text);
	else if (r == -EUCLEAN)
		r = 0; /* a fresh one knows them */
	return r;
}

/* The start of the newest window that waits and is older than `before`. 1, 0 or -errno. */
static int newest_waiting(struct store *s, int64_t target, int64_t before, int64_t *ret_start)
{
	return sql_number(s->db, ret_start,
			  "SELECT start_ns FROM windows WHERE id ="
			  " (SELECT max(window) FROM outbox WHERE target = ? AND window < ?)",
			  "ii", target, before);
}

static int read_row(sqlite3_stmt *q, struct winwire_header *header, int64_t last,
		    struct store_row *row)
{
	row->window = sqlite3_column_int64(q, 0);
	row->owner = sqlite3_column_int64(q, 1);
	row->profile = sqlite3_column_int64(q, 2);
	row->start_ns = (uint64_t)sqlite3_column_int64(q, 3);
	row->end_ns = (uint64_t)sqlite3_column_int64(q, 4);
	row->done = (uint64_t)sqlite3_column_int64(q, 5);
	if (row->window != last &&
	    winwire_parse_header(sqlite3_column_blob(q, 6), (size_t)sqlite3_column_bytes(q, 6),
				 header) < 0)
		return -EUCLEAN;
	row->period_ns = header->period_ns;
	return 0;
}

int store_waiting(struct store *s, size_t target, int64_t before, uint64_t span_ns,
		  struct store_row *rows, size_t max)
{
	_cleanup_(sql_finalizep) sqlite3_stmt *q = NULL;
	_cleanup_(freep) struct winwire_header *header = malloc(sizeof(*header));
	int64_t start, last = -1;
	size_t nr = 0;
	int r;

	if (!header)
		return -ENOMEM;
	r = newest_waiting(s, s->targets[target].id, before, &start);
	if (r <= 0)
		return r;
	r = sql_prepare(
		s->db, &q,
		"SELECT o.window, o.owner, p.profile, w.start_ns, w.end_ns, o.done, w.header"
		" FROM outbox AS o JOIN windows AS w ON w.id = o.window"
		" JOIN points AS p ON p.window = o.window AND p.owner = o.owner"
		" WHERE o.target = ? AND o.window < ? AND w.start_ns >= ? AND w.start_ns <= ?"
		" ORDER BY o.window DESC, o.owner LIMIT ?");
	r = r
		    ?: sql_bind(q, "iiiii", s->targets[target].id, before,
				start - (int64_t)MIN(span_ns, (uint64_t)start), start,
				(int64_t)max);
	while (r == 0 && (r = sql_step(q)) > 0) {
		r = read_row(q, header, last, &rows[nr]);
		last = rows[nr].window;
		nr += r == 0;
	}
	return r < 0 ? r : (int)nr;
}

int store_backlog(struct store *s, size_t target, struct store_backlog *ret)
{
	int64_t rows = 0, windows = 0, oldest = 0, id = s->targets[target].id;
	int r = sql_number(s->db, &rows, "SELECT count(*) FROM outbox WHERE target = ?", "i", id);

	if (r >= 0)
		r = sql_number(s->db, &windows,
			       "SELECT count(DISTINCT window) FROM outbox WHERE target = ?", "i",
			       id);
	if (r >= 0)
		r = sql_number(s->db, &oldest,
			       "SELECT start_ns FROM windows WHERE id ="
			       " (SELECT min(window) FROM outbox WHERE target = ?)",
			       "i", id);
	if (r < 0)
		return r;
	*ret = (struct store_backlog) { .rows = (uint64_t)rows,
					.windows = (uint64_t)windows,
					.oldest_ns = (uint64_t)oldest };
	return 0;
}

/* Takes one row out; 1 if it was there. */
static int take_out(struct store *s, int64_t target, const struct store_row *row)
{
	int r = sql_run(s->db, "DELETE FROM outbox WHERE target = ? AND window = ? AND owner = ?",
			"iii", target, row->window, row->owner);

	return r < 0 ? r : sqlite3_changes(s->db);
}

static int settle(struct store *s, int64_t target, const struct store_row *rows, size_t nr,
		  enum store_outcome outcome)
{
	_cleanup_(sql_rollbackp) struct sql_transaction t = { .db = NULL };
	int64_t out = 0;
	int r = sql_begin(s->db, &t);

	for (size_t i = 0; i < nr && r >= 0; i++) {
		r = take_out(s, target, &rows[i]);
		out += r > 0;
	}
	if (r < 0)
		return r;
	r = 0;
	if (outcome == STORE_UPLOADED && out > 1) {
		r = store_count(s, target, outcome_names[STORE_MERGED], out - 1);
		out = 1;
	}
	if (out)
		r = r ?: store_count(s, target, outcome_names[outcome], out);
	return r ?: sql_commit(&t);
}

int store_settle(struct store *s, size_t target, const struct store_row *rows, size_t nr,
		 enum store_outcome outcome)
{
	int r = settle(s, s->targets[target].id, rows, nr, outcome);

	if (r != -ENOSPC)
		return r;
	store_reserve_release(s); /* what it is for: taking things out of a full disk */
	return settle(s, s->targets[target].id, rows, nr, outcome);
}

int store_progress(struct store *s, size_t target, const struct store_row *row, uint64_t done)
{
	static const char sql[] =
		"UPDATE outbox SET done = ? WHERE target = ? AND window = ? AND owner = ?";
	int64_t id = s->targets[target].id;
	int r = sql_run(s->db, sql, "iiii", (int64_t)done, id, row->window, row->owner);

	if (r != -ENOSPC)
		return r;
	store_reserve_release(s);
	return sql_run(s->db, sql, "iiii", (int64_t)done, id, row->window, row->owner);
}

int store_expire(struct store *s, size_t target, uint64_t before_ns)
{
	int64_t id = s->targets[target].id, window, start;
	int r = 0, i;

	for (i = 0; i < EXPIRE_STEP; i++) {
		_cleanup_(sql_rollbackp) struct sql_transaction t = { .db = NULL };

		r = sql_number(s->db, &window, "SELECT min(window) FROM outbox WHERE target = ?",
			       "i", id);
		if (r > 0)
			r = sql_number(s->db, &start, "SELECT start_ns FROM windows WHERE id = ?",
				       "i", window);
		if (r <= 0 || (uint64_t)start >= before_ns)
			return r < 0 ? r : i;
		r = sql_begin(s->db, &t);
		r = r
			    ?: sql_run(s->db, "DELETE FROM outbox WHERE target = ? AND window = ?",
				       "ii", id, window);
		r = r
			    ?: store_count(s, id, outcome_names[STORE_EVICTED_AGE],
					   sqlite3_changes(s->db));
		r = r ?: sql_commit(&t);
		if (r < 0)
			return r;
	}
	return i;
}

static int get_count(struct store *s, int64_t target, const char *name, uint64_t *ret)
{
	int64_t v = 0;
	int r = sql_number(s->db, &v, "SELECT value FROM counters WHERE target = ? AND name = ?",
			   "it", target, name);

	*ret = (uint64_t)v;
	return MIN(r, 0);
}

int store_outbox_counts(struct store *s, size_t target, struct store_outbox_counts *ret)
{
	int64_t id = s->targets[target].id, waiting = 0;
	int r = sql_number(s->db, &waiting, "SELECT count(*) FROM outbox WHERE target = ?", "i",
			   id);

	r = MIN(r, 0);
	ret->waiting = (uint64_t)waiting;
	r = r ?: get_count(s, id, "queued", &ret->queued);
	for (size_t i = 0; i < STORE_NR_OUTCOMES && r == 0; i++)
		r = get_count(s, id, outcome_names[i], &ret->outcomes[i]);
	return r;
}
