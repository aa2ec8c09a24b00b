/* Opening and closing the store: directory, lock, schema, what is set aside. */
#include "agent/exporter/store_internal.h"
#include "agent/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/* Raised when a table changes; an older one would be converted here, a newer one is set aside. */
#define SCHEMA_VERSION 1

#define CACHE_MAX (4u << 20) /* SQLite's page cache: more does not help inserts at the end */
#define CHECKPOINT_PAGES "256" /* 1 MiB: the log stays small, and a checkpoint short */

static const char *const schema[] = {
	"CREATE TABLE agents(boot BLOB NOT NULL, start INTEGER NOT NULL, last INTEGER NOT NULL,"
	" PRIMARY KEY(boot, start)) WITHOUT ROWID",
	/* AUTOINCREMENT: an id is never reused, so that a stale one finds nothing rather than another */
	"CREATE TABLE windows(id INTEGER PRIMARY KEY AUTOINCREMENT, boot BLOB NOT NULL,"
	" agent INTEGER NOT NULL, number INTEGER NOT NULL, level INTEGER NOT NULL,"
	" start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, members INTEGER NOT NULL,"
	" flags INTEGER NOT NULL, header BLOB NOT NULL, UNIQUE(boot, agent, number, level))",
	"CREATE INDEX windows_time ON windows(start_ns)",
	"CREATE INDEX windows_end ON windows(end_ns)",
	"CREATE INDEX windows_level ON windows(level, start_ns)",
	"CREATE TABLE owners(id INTEGER PRIMARY KEY AUTOINCREMENT, identity BLOB NOT NULL UNIQUE)",
	"CREATE TABLE points(window INTEGER NOT NULL, owner INTEGER NOT NULL,"
	" samples INTEGER NOT NULL, value_ns INTEGER NOT NULL, usage_ns INTEGER,"
	" nr_throttled INTEGER, throttled_ns INTEGER, seconds BLOB NOT NULL,"
	" profile INTEGER NOT NULL, PRIMARY KEY(window, owner)) WITHOUT ROWID",
	"CREATE INDEX points_owner ON points(owner, window)",
	"CREATE TABLE profiles(id INTEGER PRIMARY KEY AUTOINCREMENT, data BLOB NOT NULL)",
	"CREATE TABLE targets(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE)",
	"CREATE TABLE outbox(target INTEGER NOT NULL, window INTEGER NOT NULL, owner INTEGER NOT NULL,"
	" done INTEGER NOT NULL, PRIMARY KEY(target, window, owner)) WITHOUT ROWID",
	"CREATE TABLE counters(target INTEGER NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL,"
	" PRIMARY KEY(target, name)) WITHOUT ROWID",
};

static int begin_schema(sqlite3 *db)
{
	_cleanup_(sql_rollbackp) struct sql_transaction t = { .db = NULL };
	char version[64];
	int r = sql_begin(db, &t);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(schema); i++)
		r = sql_exec(db, schema[i]);
	snprintf(version, sizeof(version), "PRAGMA user_version=%d", SCHEMA_VERSION);
	r = r ?: sql_exec(db, version);
	return r ?: sql_commit(&t);
}

/* In KiB, which SQLite takes as a negative number. */
static int set_cache(struct store *s)
{
	uint64_t bytes =
		s->config.cache_bytes ? MIN(s->config.cache_bytes, (uint64_t)CACHE_MAX) : CACHE_MAX;
	char pragma[64];

	snprintf(pragma, sizeof(pragma), "PRAGMA cache_size=-%u", (unsigned int)(bytes >> 10));
	return sql_exec(s->db, pragma);
}

/* Opens and checks the database file. -EUCLEAN: corrupt; -EPROTO: newer than us. */
static int open_database(struct store *s)
{
	_cleanup_(freep) char *path = NULL;
	int64_t version, tables;
	int r;

	if (asprintf(&path, "%s/" STORE_FILE, s->config.dir) < 0)
		return -ENOMEM;
	if (sqlite3_open_v2(path, &s->db,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW |
				    SQLITE_OPEN_NOMUTEX,
			    NULL) != SQLITE_OK)
		return s->db ? sql_error(s->db) : -ENOMEM;
	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	/* auto_vacuum must precede the first table */
	r = sql_exec(s->db, "PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL;"
			    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
			    "PRAGMA temp_store=MEMORY;"
			    "PRAGMA wal_autocheckpoint=" CHECKPOINT_PAGES ";"
			    "PRAGMA journal_size_limit=8388608");
	if (!r)
		r = set_cache(s);
	if (r < 0)
		return r;
	r = sql_number(s->db, &version, "PRAGMA user_version", "");
	if (r > 0)
		r = sql_number(s->db, &tables, "SELECT count(*) FROM sqlite_schema", "");
	if (r <= 0)
		return r < 0 ? r : -EUCLEAN;
	if (version > SCHEMA_VERSION)
		return -EPROTO;
	if (!tables)
		return begin_schema(s->db);
	return version == SCHEMA_VERSION ? 0 : -EUCLEAN;
}

static void close_database(struct store *s)
{
	s->rollup = store_rollup_free(s->rollup);
	sqlite3_close_v2(s->db);
	s->db = NULL;
}

static void rename_aside(const struct store *s, const char *suffix, const char *why)
{
	char from[64], to[128];

	snprintf(from, sizeof(from), STORE_FILE "%s", suffix);
	snprintf(to, sizeof(to), STORE_FILE ".%s%s", why, suffix);
	if (renameat(s->dir_fd, from, s->dir_fd, to) < 0 && errno == ENOENT)
		unlinkat(s->dir_fd, to, 0); /* an earlier one's log does not belong to this one */
}

int store_set_aside(struct store *s, const char *why, struct err *err)
{
	int r;

	close_database(s);
	s->generation++;
	log_warn("the store's database is %s: it is kept as %s/" STORE_FILE
		 ".%s and a fresh one is begun",
		 why, s->config.dir, why);
	rename_aside(s, "", why);
	rename_aside(s, "-wal", why);
	unlinkat(s->dir_fd, STORE_FILE "-shm",
		 0); /* an index of the log, made anew when it is opened */
	r = open_database(s);
	r = r ?: store_register_targets(s);
	if (r < 0)
		return err_errno(err, r, "cannot begin a database in %s", s->config.dir);
	return 0;
}

static int open_dir(struct store *s, struct err *err)
{
	struct stat st;

	if (mkdir(s->config.dir, 0700) < 0 && errno != EEXIST)
		return err_errno(err, err_last(), "cannot make the store's directory %s",
				 s->config.dir);
	s->dir_fd = open(s->config.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir_fd < 0 || fstat(s->dir_fd, &st) < 0)
		return err_errno(err, err_last(), "cannot open the store's directory %s",
				 s->config.dir);
	if (st.st_uid != geteuid())
		return err_set(err, -EPERM,
			       "the store's directory %s belongs to user %u, and we are user %u "
			       "(chown it, or choose another)",
			       s->config.dir, st.st_uid, geteuid());
	if (faccessat(s->dir_fd, ".", W_OK | X_OK, AT_EACCESS) < 0)
		return err_errno(err, err_last(), "cannot write to the store's directory %s",
				 s->config.dir);
	return 0;
}

static int lock_dir(struct store *s, struct err *err)
{
	char pid[32] = "";
	int n;

	s->lock_fd = openat(s->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock_fd < 0)
		return err_errno(err, err_last(), "cannot open %s/lock", s->config.dir);
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		n = (int)pread(s->lock_fd, pid, sizeof(pid) - 1, 0);
		return err_set(
			err, -EBUSY,
			"the store %s is in use by another agent (process %.*s): stop it, or "
			"choose another directory",
			s->config.dir, MAX(n, 0), pid);
	}
	n = snprintf(pid, sizeof(pid), "%d", getpid());
	/* only for the message above: a full disk may keep it from being written */
	if (ftruncate(s->lock_fd, 0) == 0 && pwrite(s->lock_fd, pid, (size_t)n, 0) != n)
		log_debug("cannot write the pid to %s/lock", s->config.dir);
	return 0;
}

int store_open(struct store **ret, const struct store_config *config, struct err *err)
{
	_cleanup_(store_freep) struct store *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->dir_fd = s->lock_fd = -1;
	s->config = *config;
	s->config.dir = strdup(config->dir);
	if (!s->config.dir)
		return -ENOMEM;
	r = open_dir(s, err);
	r = r ?: lock_dir(s, err);
	if (r < 0)
		return r;
	r = open_database(s);
	if (r == -ENOSPC) { /* the reserve of an earlier run is what a full disk leaves us */
		close_database(s);
		store_reserve_release(s);
		r = open_database(s);
	}
	if (r == -EUCLEAN || r == -EPROTO)
		r = store_set_aside(s, r == -EPROTO ? "newer" : "corrupt", err);
	else if (r < 0)
		err_errno(err, r, "cannot open the database in %s", config->dir);
	if (r < 0)
		return r;
	store_reserve_keep(s);
	*ret = TAKE_PTR(s);
	return 0;
}

struct store *store_free(struct store *s)
{
	if (!s)
		return NULL;
	close_database(s);
	close_fd(s->lock_fd);
	close_fd(s->dir_fd);
	for (size_t i = 0; i < s->nr_targets; i++)
		free(s->targets[i].name);
	free((char *)s->config.dir);
	free(s);
	return NULL;
}

int store_count(struct store *s, int64_t target, const char *name, int64_t n)
{
	return sql_run(s->db,
		       "INSERT INTO counters(target, name, value) VALUES(?, ?, ?)"
		       " ON CONFLICT(target, name) DO UPDATE SET value = value + excluded.value",
		       "iti", target, name, n);
}
