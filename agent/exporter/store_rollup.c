/* Old windows become fewer: ten minutes in one, later an hour in one, each owner's profiles merged. */
#include "agent/exporter/store_internal.h"
#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "proto/compact.h"

#include <errno.h>
#include <string.h>

#define MAX_MEMBERS 2048 /* windows of one roll-up: ten minutes of 10 s windows are 60 */

/* From which age on a level is merged, and into buckets of what length. */
static const struct rule {
	uint64_t age_ns, bucket_ns;
} rules[STORE_LEVELS - 1] = {
	{ .age_ns = 3600 * NSEC_PER_SEC, .bucket_ns = 600 * NSEC_PER_SEC },
	{ .age_ns = 86400 * NSEC_PER_SEC, .bucket_ns = 3600 * NSEC_PER_SEC },
};

struct merged {
	int64_t owner;
	struct store_point sum;
	struct buf profile;
};

/* A roll-up under way: one owner is merged per step, and all are written in one transaction at the end. */
struct store_rollup {
	int level; /* of the members */
	uint64_t from_ns, to_ns; /* the bucket */
	int64_t members[MAX_MEMBERS];
	size_t nr_members;
	int64_t nr_windows; /* as they came, in the members */
	struct winwire_header header;
	uint64_t end_ns;
	struct merged *owners;
	size_t nr_owners, next;
	uint64_t unreadable;
};

struct store_rollup *store_rollup_free(struct store_rollup *r)
{
	if (!r)
		return NULL;
	for (size_t i = 0; i < r->nr_owners; i++)
		buf_deinit(&r->owners[i].profile);
	free(r->owners);
	free(r);
	return NULL;
}
DEFINE_CLEANUP(struct store_rollup *, store_rollup_free)

/* Reads the members' headers into one. */
static int collect_members(struct store *s, struct store_rollup *u)
{
	_cleanup_(sql_finalizep) sqlite3_stmt *q = NULL;
	_cleanup_(freep) struct winwire_header *h = malloc(sizeof(*h));
	int r;

	if (!h)
		return -ENOMEM;
	r = sql_prepare(s->db, &q,
			"SELECT id, members, header, end_ns FROM windows WHERE level = ? AND"
			" start_ns >= ? AND start_ns < ? ORDER BY start_ns LIMIT ?");
	r = r
		    ?: sql_bind(q, "iiii", (int64_t)u->level, (int64_t)u->from_ns,
				(int64_t)u->to_ns, (int64_t)MAX_MEMBERS);
	while (r == 0 && (r = sql_step(q)) > 0) {
		r = winwire_parse_header(sqlite3_column_blob(q, 2),
					 (size_t)sqlite3_column_bytes(q, 2), h);
		if (r < 0)
			return -EUCLEAN;
		if (!u->nr_members) {
			u->header = *h;
			u->header.nr_losses = u->header.duration_ns = 0;
			memset(u->header.losses, 0, sizeof(u->header.losses));
		}
		winwire_add_losses(&u->header, h);
		u->header.duration_ns += h->duration_ns;
		u->header.flags |= h->flags;
		u->members[u->nr_members++] = sqlite3_column_int64(q, 0);
		u->nr_windows += sqlite3_column_int64(q, 1);
		u->end_ns = MAX(u->end_ns, (uint64_t)sqlite3_column_int64(q, 3));
	}
	return r;
}

static const char points_of[] = " FROM windows AS w JOIN points AS p ON p.window = w.id"
				" WHERE w.level = ? AND w.start_ns >= ? AND w.start_ns < ?";

static int collect_owners(struct store *s, struct store_rollup *u)
{
	_cleanup_(sql_finalizep) sqlite3_stmt *q = NULL;
	char sql[256];
	int r;

	snprintf(sql, sizeof(sql), "SELECT DISTINCT p.owner%s", points_of);
	r = sql_prepare(s->db, &q, sql);
	r = r ?: sql_bind(q, "iii", (int64_t)u->level, (int64_t)u->from_ns, (int64_t)u->to_ns);
	while (r == 0 && (r = sql_step(q)) > 0) {
		struct merged *owners = reallocarray(u->owners, u->nr_owners + 1, sizeof(*owners));

		if (!owners)
			return -ENOMEM;
		u->owners = owners;
		u->owners[u->nr_owners] = (struct merged) { .owner = sqlite3_column_int64(q, 0) };
		buf_init(&u->owners[u->nr_owners++].profile, COMPACT_MAX_PAYLOAD);
		r = 0;
	}
	return r;
}

/* A sum in which one unknown makes all unknown. */
static uint64_t plus(uint64_t a, sqlite3_stmt *q, int column)
{
	if (a == WINWIRE_UNKNOWN || sqlite3_column_type(q, column) == SQLITE_NULL)
		return WINWIRE_UNKNOWN;
	return a + (uint64_t)sqlite3_column_int64(q, column);
}

/* Decodes one owner's profiles of all members into p, and adds up the numbers beside them. */
static int merge_points(struct store *s, struct store_rollup *u, struct merged *m,
			struct profile *p, uint32_t owner)
{
	_cleanup_(sql_finalizep) sqlite3_stmt *q = NULL;
	_cleanup_(buf_deinitp) struct buf data = BUF_NULL;
	char sql[512];
	int r;

	buf_init(&data, COMPACT_MAX_PAYLOAD);
	snprintf(sql, sizeof(sql),
		 "SELECT p.profile, p.samples, p.value_ns, p.usage_ns, p.nr_throttled,"
		 " p.throttled_ns%s AND p.owner = ?",
		 points_of);
	r = sql_prepare(s->db, &q, sql);
	r = r
		    ?: sql_bind(q, "iiii", (int64_t)u->level, (int64_t)u->from_ns,
				(int64_t)u->to_ns, m->owner);
	while (r == 0 && (r = sql_step(q)) > 0) {
		m->sum.samples += (uint64_t)sqlite3_column_int64(q, 1);
		m->sum.value_ns += (uint64_t)sqlite3_column_int64(q, 2);
		m->sum.usage_ns = plus(m->sum.usage_ns, q, 3);
		m->sum.nr_throttled = plus(m->sum.nr_throttled, q, 4);
		m->sum.throttled_ns = plus(m->sum.throttled_ns, q, 5);
		buf_reset(&data);
		r = store_profile(s, sqlite3_column_int64(q, 0), &data);
		if (r < 0)
			return r;
		r = compact_decode(data.data, data.len, p, owner, COMPACT_COARSE);
		if (r == -ENOMEM)
			return r;
		u->unreadable += r < 0;
		r = 0;
	}
	return r;
}

static int merge_owner(struct store *s, struct store_rollup *u)
{
	_cleanup_(profile_freep) struct profile *p = NULL;
	_cleanup_(compact_encoder_freep) struct compact_encoder *encoder = NULL;
	const struct profile_owner nameless = { .name = 0 };
	uint32_t owner;
	int r = profile_new(&p);

	r = r ?: profile_add_owner(p, &nameless, &owner);
	if (r < 0)
		return r;
	profile_meta(p)->period_ns = u->header.period_ns;
	r = merge_points(s, u, &u->owners[u->next], p, owner);
	r = r ?: compact_encoder_new(&encoder, p);
	r = r ?: compact_encode(encoder, owner, &u->owners[u->next].profile);
	u->next++;
	return r;
}

/* Windows that still wait to be uploaded stay as they are until they are gone from every outbox. */
static int waits(struct store *s, const struct store_rollup *u)
{
	int64_t one;

	return sql_number(s->db, &one,
			  "SELECT 1 FROM windows AS w JOIN targets AS t JOIN outbox AS o"
			  " ON o.target = t.id AND o.window = w.id"
			  " WHERE w.level = ? AND w.start_ns >= ? AND w.start_ns < ? LIMIT 1",
			  "iii", (int64_t)u->level, (int64_t)u->from_ns, (int64_t)u->to_ns);
}

static int write_rows(struct store *s, struct store_rollup *u, int64_t window)
{
	int r = 0;

	for (size_t i = 0; i < u->nr_owners && r == 0; i++) {
		struct merged *m = &u->owners[i];

		r = sql_run(s->db, "INSERT INTO profiles(data) VALUES(?)", "b", m->profile.data,
			    m->profile.len);
		r = r
			    ?: sql_run(s->db,
				       "INSERT INTO points(window, owner, profile, samples, value_ns,"
				       " usage_ns, nr_throttled, throttled_ns, seconds)"
				       " VALUES(?, ?, ?, ?, ?, ?, ?, ?, x'')",
				       "iiiiiuuu", window, m->owner,
				       sqlite3_last_insert_rowid(s->db), (int64_t)m->sum.samples,
				       (int64_t)m->sum.value_ns, m->sum.usage_ns,
				       m->sum.nr_throttled, m->sum.throttled_ns);
	}
	return r;
}

static int members_still_there(struct store *s, const struct store_rollup *u)
{
	int64_t n = 0;
	int r = sql_number(s->db, &n,
			   "SELECT count(*) FROM windows WHERE level = ? AND start_ns >= ?"
			   " AND start_ns < ?",
			   "iii", (int64_t)u->level, (int64_t)u->from_ns, (int64_t)u->to_ns);

	return r < 0 ? r : n == (int64_t)u->nr_members;
}

static int write_rollup(struct store *s, struct store_rollup *u)
{
	static const uint8_t no_boot[16];
	_cleanup_(sql_rollbackp) struct sql_transaction t = { .db = NULL };
	_cleanup_(buf_deinitp) struct buf header = BUF_NULL;
	int64_t window;
	int r = sql_begin(s->db, &t);

	r = r ?: members_still_there(s, u);
	if (r <= 0)
		return r; /* evicted meanwhile: nothing to do */
	buf_init(&header, WINWIRE_PACKET_MAX);
	winwire_put_header(&header, &u->header);
	r = header.error;
	/* a roll-up is named by its first member's row, which is never used again */
	r = r
		    ?: sql_run(s->db,
			       "INSERT INTO windows(boot, agent, number, level, start_ns, end_ns, members,"
			       " flags, header) VALUES(?, 0, ?, ?, ?, ?, ?, ?, ?)",
			       "biiiiiib", no_boot, sizeof(no_boot), u->members[0],
			       (int64_t)u->level + 1, (int64_t)u->header.start_wall_ns,
			       (int64_t)u->end_ns, u->nr_windows, (int64_t)u->header.flags,
			       header.data, header.len);
	window = sqlite3_last_insert_rowid(s->db);
	r = r ?: write_rows(s, u, window);
	for (size_t i = 0; i < u->nr_members && r == 0; i++)
		r = store_delete_window(s, u->members[i], STORE_EVICTED_AGE);
	if (r == 0 && u->level == 0)
		r = store_count(s, STORE_TOTAL, "rolled_up", u->nr_windows);
	r = r ?: store_count(s, STORE_TOTAL, "unreadable", (int64_t)u->unreadable);
	s->rollups++;
	return r ?: sql_commit(&t);
}

/* Finds the oldest bucket of a level that is due. 1 and s->rollup, 0, or -errno. */
static int begin(struct store *s, int level, uint64_t newest)
{
	const struct rule *rule = &rules[level];
	_cleanup_(store_rollup_freep) struct store_rollup *u = NULL;
	int64_t oldest;
	int r = sql_number(s->db, &oldest,
			   "SELECT start_ns FROM windows WHERE level = ? ORDER BY start_ns LIMIT 1",
			   "i", (int64_t)level);

	if (r <= 0)
		return r;
	u = calloc(1, sizeof(*u));
	if (!u)
		return -ENOMEM;
	u->level = level;
	u->from_ns = (uint64_t)oldest / rule->bucket_ns * rule->bucket_ns;
	u->to_ns = u->from_ns + rule->bucket_ns;
	if (u->to_ns + rule->age_ns > newest)
		return 0;
	r = waits(s, u);
	if (r)
		return MIN(r, 0);
	r = collect_members(s, u);
	if (r == 0 && u->nr_members == MAX_MEMBERS)
		return 0; /* a clock that jumps back all the time: they stay as they are */
	r = r ?: collect_owners(s, u);
	if (r < 0)
		return r;
	s->rollup = TAKE_PTR(u);
	return 1;
}

int store_rollup_step(struct store *s)
{
	uint64_t newest;
	int r;

	if (!s->rollup) {
		r = store_newest(s, &newest);
		for (int level = 0; level < STORE_LEVELS - 1 && r == 0; level++)
			r = begin(s, level, newest);
		return r;
	}
	if (s->rollup->next < s->rollup->nr_owners) {
		r = merge_owner(s, s->rollup);
	} else {
		r = write_rollup(s, s->rollup);
		s->rollup = store_rollup_free(s->rollup);
	}
	if (r < 0)
		s->rollup = store_rollup_free(s->rollup);
	return r < 0 ? r : 1;
}
