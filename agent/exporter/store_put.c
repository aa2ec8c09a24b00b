/* A window becomes rows, in one transaction. */
#include "agent/exporter/store_internal.h"
#include "agent/base/log.h"

#include <errno.h>
#include <string.h>

/* What a transaction takes beside the profiles: rows, indexes, a page or two of each table. */
#define OVERHEAD_PER_OWNER 512
#define OVERHEAD_PER_WINDOW (64u << 10)

/* Tries to keep a window on a full disk, each after an eviction; then it is refused. */
#define FULL_TRIES 8

enum { PUT_REPEATED = 1 };

struct put {
	struct store *store;
	const struct winwire_header *header;
	int64_t window;
	sqlite3_stmt *find_owner, *add_owner, *add_profile, *add_point, *add_outbox;
};

static void put_deinit(struct put *p)
{
	sqlite3_finalize(p->find_owner);
	sqlite3_finalize(p->add_owner);
	sqlite3_finalize(p->add_profile);
	sqlite3_finalize(p->add_point);
	sqlite3_finalize(p->add_outbox);
}
DEFINE_CLEANUP_EMBEDDED(struct put, put_deinit)

static int put_init(struct put *p)
{
	sqlite3 *db = p->store->db;
	int r;

	r = sql_prepare(db, &p->find_owner, "SELECT id FROM owners WHERE identity = ?");
	r = r ?: sql_prepare(db, &p->add_owner, "INSERT INTO owners(identity) VALUES(?)");
	r = r ?: sql_prepare(db, &p->add_profile, "INSERT INTO profiles(data) VALUES(?)");
	r = r
		    ?: sql_prepare(
			       db, &p->add_point,
			       "INSERT INTO points(window, owner, profile, samples, value_ns, usage_ns,"
			       " nr_throttled, throttled_ns, seconds) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)");
	return r
		       ?: sql_prepare(db, &p->add_outbox,
				      "INSERT INTO outbox(target, window, owner, done)"
				      " SELECT id, ?, ?, 0 FROM targets");
}

static int owner_id(struct put *p, const struct winwire_owner *owner, int64_t *ret)
{
	_cleanup_(buf_deinitp) struct buf identity = BUF_NULL;
	int r;

	buf_init(&identity, (5 + 2 * WINWIRE_MAX_LABELS) * (WINWIRE_STRING_MAX + 16));
	winwire_put_identity(&identity, owner);
	if (identity.error)
		return identity.error;
	r = sql_bind(p->find_owner, "b", identity.data, identity.len) ?: sql_step(p->find_owner);
	if (r < 0)
		return r;
	if (r > 0) {
		*ret = sqlite3_column_int64(p->find_owner, 0);
		sqlite3_reset(p->find_owner);
		return 0;
	}
	r = sql_bind(p->add_owner, "b", identity.data, identity.len) ?: sql_step(p->add_owner);
	*ret = sqlite3_last_insert_rowid(p->store->db);
	sqlite3_reset(p->add_owner);
	return r;
}

static int put_owner(struct put *p, const struct winwire_owner *o)
{
	int64_t owner = 0, profile;
	int r = owner_id(p, o, &owner);

	if (r < 0)
		return r;
	r = sql_bind(p->add_profile, "b", o->profile, o->profile_len) ?: sql_step(p->add_profile);
	if (r < 0)
		return r;
	profile = sqlite3_last_insert_rowid(p->store->db);
	r = sql_bind(p->add_point, "iiiiiuuub", p->window, owner, profile, (int64_t)o->samples,
		     (int64_t)o->value_ns, o->usage_ns, o->nr_throttled, o->throttled_ns,
		     o->seconds, o->seconds_len)
		    ?: sql_step(p->add_point);
	if (r < 0)
		return r == -EEXIST ? -EBADMSG : r; /* the same owner twice in one window */
	if (p->header->flags & WINWIRE_CLOCK_DOUBTFUL)
		return 0;
	return sql_bind(p->add_outbox, "ii", p->window, owner) ?: sql_step(p->add_outbox);
}

static int is_repeat(struct put *p)
{
	const struct winwire_header *h = p->header;
	int64_t last;
	int r = sql_number(p->store->db, &last,
			   "SELECT last FROM agents WHERE boot = ? AND start = ?", "bi", h->boot_id,
			   sizeof(h->boot_id), (int64_t)h->agent_start_ns);

	return r <= 0 ? r : (int64_t)h->number <= last;
}

static int put_window(struct put *p)
{
	_cleanup_(buf_deinitp) struct buf header = BUF_NULL;
	const struct winwire_header *h = p->header;
	sqlite3 *db = p->store->db;
	int r;

	buf_init(&header, WINWIRE_PACKET_MAX);
	winwire_put_header(&header, h);
	if (header.error)
		return header.error;
	r = sql_run(
		db,
		"INSERT INTO windows(boot, agent, number, level, start_ns, end_ns, members, flags,"
		" header) VALUES(?, ?, ?, 0, ?, ?, 1, ?, ?)",
		"biiiiib", h->boot_id, sizeof(h->boot_id), (int64_t)h->agent_start_ns,
		(int64_t)h->number, (int64_t)h->start_wall_ns,
		(int64_t)(h->start_wall_ns + h->duration_ns), (int64_t)h->flags, header.data,
		header.len);
	p->window = sqlite3_last_insert_rowid(db);
	return r
		       ?: sql_run(db,
				  "INSERT INTO agents(boot, start, last) VALUES(?, ?, ?)"
				  " ON CONFLICT(boot, start) DO UPDATE SET last = excluded.last",
				  "bii", h->boot_id, sizeof(h->boot_id), (int64_t)h->agent_start_ns,
				  (int64_t)h->number);
}

/* The outbox rows that were made, counted per back end: the left side of its equation. */
static int count_outbox(struct put *p)
{
	return sql_run(p->store->db,
		       "INSERT INTO counters(target, name, value)"
		       " SELECT target, 'queued', count(*) FROM outbox"
		       " WHERE target IN (SELECT id FROM targets) AND window = ? GROUP BY target"
		       " ON CONFLICT(target, name) DO UPDATE SET value = value + excluded.value",
		       "i", p->window);
}

/* One try; nothing is kept unless it returns 0. */
static int put(struct store *s, const struct winwire_header *header, const void *data, size_t len)
{
	_cleanup_(sql_rollbackp) struct sql_transaction t = { .db = NULL };
	_cleanup_(put_deinitp) struct put p = { .store = s, .header = header };
	struct winwire_owner owner;
	struct winwire_body body;
	int r;

	r = winwire_body_init(&body, data, len);
	r = r ?: sql_begin(s->db, &t);
	r = r ?: is_repeat(&p);
	if (r > 0)
		return PUT_REPEATED;
	r = r ?: put_window(&p);
	r = r ?: put_init(&p);
	if (r < 0)
		return r;
	while ((r = winwire_body_next(&body, &owner)) > 0) {
		r = put_owner(&p, &owner);
		if (r < 0)
			return r;
	}
	r = r ?: count_outbox(&p);
	r = r ?: store_count(s, STORE_TOTAL, "stored", 1);
	put_deinit(&p); /* an open statement would keep the commit from ending */
	p = (struct put) { .store = s };
	return r ?: sql_commit(&t);
}

static uint64_t need_of(const void *data, size_t len)
{
	struct winwire_body body;

	if (winwire_body_init(&body, data, len) < 0)
		return 0;
	return len + OVERHEAD_PER_OWNER * body.nr_owners + OVERHEAD_PER_WINDOW;
}

static int put_or_evict(struct store *s, const struct winwire_header *header, const void *body,
			size_t len)
{
	int r = store_make_room(s, need_of(body, len));

	if (r == 0)
		r = put(s, header, body, len);
	for (int i = 0; r == -ENOSPC && i < FULL_TRIES; i++) {
		store_reserve_release(s);
		if (store_evict_oldest(s, STORE_EVICTED_BYTES) != 0)
			break;
		r = put(s, header, body, len);
	}
	if (r >= 0)
		store_reserve_keep(s);
	return r;
}

int store_put(struct store *s, const struct winwire_header *header, const void *body, size_t len)
{
	int r = put_or_evict(s, header, body, len);

	if (r == -EUCLEAN) {
		struct err err = ERR_NULL;

		if (store_set_aside(s, "corrupt", &err) < 0)
			log_error("%s", err.text);
		else
			r = put_or_evict(s, header, body, len);
	}
	if (r < 0)
		s->refused++;
	else if (r == PUT_REPEATED)
		store_count(s, STORE_TOTAL, "repeated", 1);
	/* on a full disk even this may not be written: then with a later window */
	if (s->db && s->refused && store_count(s, STORE_TOTAL, "refused", (int64_t)s->refused) == 0)
		s->refused = 0;
	return MIN(r, 0);
}
