/* What the page, the metrics and the uploads read from the store. */
#include "agent/exporter/store_internal.h"

#include <errno.h>
#include <string.h>

void store_owner_deinit(struct store_owner *o)
{
	free(o->identity);
	o->identity = NULL;
}

/* The inverse of winwire_put_identity(); the bytes are ours, but the disk may have changed them. */
static int parse_identity(struct store_owner *o, size_t len)
{
	struct varint_reader r;

	varint_reader_init(&r, o->identity, len);
	o->name = varint_get_string(&r, WINWIRE_STRING_MAX);
	o->container_id = varint_get_string(&r, WINWIRE_STRING_MAX);
	o->runtime = varint_get_string(&r, WINWIRE_STRING_MAX);
	o->image = varint_get_string(&r, WINWIRE_STRING_MAX);
	o->cgroup_path = varint_get_string(&r, WINWIRE_STRING_MAX);
	o->nr_labels = varint_get_max(&r, WINWIRE_MAX_LABELS);
	for (size_t i = 0; i < o->nr_labels; i++) {
		o->labels[i].key = varint_get_string(&r, WINWIRE_STRING_MAX);
		o->labels[i].value = varint_get_string(&r, WINWIRE_STRING_MAX);
	}
	return r.broken || varint_left(&r) ? -EUCLEAN : 0;
}

int store_owner(struct store *s, int64_t id, struct store_owner *ret)
{
	_cleanup_(sql_finalizep) sqlite3_stmt *q = NULL;
	_cleanup_(store_owner_deinitp) struct store_owner o = { .id = id };
	size_t len;
	int r = sql_prepare(s->db, &q, "SELECT identity FROM owners WHERE id = ?");

	r = r ?: sql_bind(q, "i", id);
	r = r ?: sql_step(q);
	if (r <= 0)
		return r < 0 ? r : STORE_E_GONE;
	len = (size_t)sqlite3_column_bytes(q, 0);
	o.identity = malloc(len + 1);
	if (!o.identity)
		return -ENOMEM;
	memcpy(o.identity, sqlite3_column_blob(q, 0) ?: "", len);
	r = parse_identity(&o, len);
	if (r < 0)
		return r;
	*ret = o;
	o.identity = NULL;
	return 0;
}

int store_reach(struct store *s, uint64_t *ret_oldest_ns, uint64_t *ret_newest_ns)
{
	int64_t oldest = 0;
	int r = sql_number(s->db, &oldest, "SELECT min(start_ns) FROM windows", "");

	if (r < 0)
		return r;
	*ret_oldest_ns = (uint64_t)oldest;
	return store_newest(s, ret_newest_ns);
}

static uint64_t column_u64(sqlite3_stmt *q, int i)
{
	return sqlite3_column_type(q, i) == SQLITE_NULL ? WINWIRE_UNKNOWN
							: (uint64_t)sqlite3_column_int64(q, i);
}

static const char point_columns[] =
	"SELECT w.id, p.owner, p.profile, w.start_ns, w.end_ns - w.start_ns, p.samples,"
	" p.value_ns, p.usage_ns, p.nr_throttled, p.throttled_ns, p.seconds"
	" FROM windows AS w JOIN points AS p ON p.window = w.id";

/* Calls fn for each row of a query that begins with point_columns. */
static int each_point(sqlite3_stmt *q, store_point_fn fn, void *userdata)
{
	int r = 0;

	while (r == 0 && (r = sql_step(q)) > 0) {
		struct store_point point = {
			.window = sqlite3_column_int64(q, 0),
			.owner = sqlite3_column_int64(q, 1),
			.profile = sqlite3_column_int64(q, 2),
			.start_ns = column_u64(q, 3),
			.duration_ns = column_u64(q, 4),
			.samples = column_u64(q, 5),
			.value_ns = column_u64(q, 6),
			.usage_ns = column_u64(q, 7),
			.nr_throttled = column_u64(q, 8),
			.throttled_ns = column_u64(q, 9),
			.seconds = sqlite3_column_blob(q, 10),
			.seconds_len = (size_t)sqlite3_column_bytes(q, 10),
		};

		r = MIN(fn(&point, userdata), 0);
	}
	return r;
}

/* Moves the scan to its next window. 1, 0 or an error. */
static int scan_window(struct store *s, struct store_scan *scan, struct winwire_header *header,
		       uint64_t *ret_end_ns)
{
	_cleanup_(sql_finalizep) sqlite3_stmt *q = NULL;
	int r;

	r = sql_prepare(s->db, &q,
			"SELECT id, start_ns, end_ns, header FROM windows INDEXED BY windows_time"
			" WHERE start_ns >= ?3 AND (start_ns > ?3 OR id > ?4)"
			" AND start_ns < ?2 AND end_ns > ?1 ORDER BY start_ns, id LIMIT 1");
	r = r
		    ?: sql_bind(q, "iiii", (int64_t)MIN(scan->from_ns, (uint64_t)INT64_MAX),
				(int64_t)MIN(scan->to_ns, (uint64_t)INT64_MAX), scan->start_ns,
				scan->window);
	r = r ?: sql_step(q);
	if (r <= 0)
		return r;
	if (winwire_parse_header(sqlite3_column_blob(q, 3), (size_t)sqlite3_column_bytes(q, 3),
				 header) < 0)
		return -EUCLEAN;
	scan->window = sqlite3_column_int64(q, 0);
	scan->start_ns = sqlite3_column_int64(q, 1);
	*ret_end_ns = (uint64_t)sqlite3_column_int64(q, 2);
	return 1;
}

int store_scan_next(struct store *s, struct store_scan *scan, struct winwire_header *header,
		    uint64_t *ret_end_ns, store_point_fn fn, void *userdata)
{
	_cleanup_(sql_finalizep) sqlite3_stmt *q = NULL;
	char sql[512];
	int r;

	if (!scan->window)
		scan->rollups = s->rollups;
	if (scan->rollups != s->rollups) {
		scan->rollups = s->rollups;
		return STORE_E_CHANGED;
	}
	r = scan_window(s, scan, header, ret_end_ns);
	if (r <= 0)
		return r;
	snprintf(sql, sizeof(sql),
		 "%s WHERE w.id = ?1 AND p.window = ?1 AND (?2 = 0 OR p.owner = ?2)",
		 point_columns);
	r = sql_prepare(s->db, &q, sql);
	r = r ?: sql_bind(q, "ii", scan->window, scan->owner);
	r = r ?: each_point(q, fn, userdata);
	return r < 0 ? r : 1;
}

int store_profile(struct store *s, int64_t profile, struct buf *data)
{
	_cleanup_(sql_finalizep) sqlite3_stmt *q = NULL;
	int r = sql_prepare(s->db, &q, "SELECT data FROM profiles WHERE id = ?");

	r = r ?: sql_bind(q, "i", profile);
	r = r ?: sql_step(q);
	if (r <= 0)
		return r < 0 ? r : STORE_E_GONE;
	return buf_add(data, sqlite3_column_blob(q, 0), (size_t)sqlite3_column_bytes(q, 0));
}
