/* A thin hand on SQLite. */
#include "agent/exporter/store_sql.h"

#include <errno.h>
#include <stdarg.h>

int sql_error(sqlite3 *db)
{
	switch (sqlite3_errcode(db) & 0xff) {
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_SCHEMA:
		return -EUCLEAN;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_PERM:
	case SQLITE_AUTH:
	case SQLITE_CANTOPEN:
		return -EACCES;
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	case SQLITE_IOERR:
		/* a full disk shows here too, e.g. when the shared index cannot grow */
		return sqlite3_system_errno(db) == ENOSPC ? -ENOSPC : -EIO;
	}
	return -EIO;
}

int sql_exec(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : sql_error(db);
}

int sql_prepare(sqlite3 *db, sqlite3_stmt **ret, const char *sql)
{
	return sqlite3_prepare_v2(db, sql, -1, ret, NULL) == SQLITE_OK ? 0 : sql_error(db);
}

static int bind_va(sqlite3_stmt *s, const char *types, va_list ap)
{
	int rc = SQLITE_OK;

	for (int i = 1; *types && rc == SQLITE_OK; i++, types++) {
		const void *data;
		uint64_t u;

		switch (*types) {
		case 'i':
			rc = sqlite3_bind_int64(s, i, va_arg(ap, int64_t));
			break;
		case 'u':
			u = va_arg(ap, uint64_t);
			rc = u == UINT64_MAX ? sqlite3_bind_null(s, i)
					     : sqlite3_bind_int64(s, i, (int64_t)u);
			break;
		case 't':
			rc = sqlite3_bind_text(s, i, va_arg(ap, const char *), -1,
					       SQLITE_TRANSIENT);
			break;
		case 'b':
			data = va_arg(ap, const void *);
			/* a NULL pointer would bind NULL where an empty blob is meant */
			rc = sqlite3_bind_blob64(s, i, data ? data : "", va_arg(ap, size_t),
						 SQLITE_STATIC);
			break;
		default:
			return -EINVAL;
		}
	}
	return rc == SQLITE_OK ? 0 : sql_error(sqlite3_db_handle(s));
}

int sql_bind(sqlite3_stmt *s, const char *types, ...)
{
	va_list ap;
	int r;

	sqlite3_reset(s); /* repeats the last step's error, which was reported then */
	va_start(ap, types);
	r = bind_va(s, types, ap);
	va_end(ap);
	return r;
}

int sql_step(sqlite3_stmt *s)
{
	switch (sqlite3_step(s)) {
	case SQLITE_ROW:
		return 1;
	case SQLITE_DONE:
		return 0;
	}
	return sql_error(sqlite3_db_handle(s));
}

static int prepare_va(sqlite3 *db, sqlite3_stmt **s, const char *sql, const char *types, va_list ap)
{
	int r = sql_prepare(db, s, sql);

	return r < 0 ? r : bind_va(*s, types, ap);
}

int sql_run(sqlite3 *db, const char *sql, const char *types, ...)
{
	_cleanup_(sql_finalizep) sqlite3_stmt *s = NULL;
	va_list ap;
	int r;

	va_start(ap, types);
	r = prepare_va(db, &s, sql, types, ap);
	va_end(ap);
	if (r < 0)
		return r;
	do
		r = sql_step(s);
	while (r > 0);
	return r;
}

int sql_number(sqlite3 *db, int64_t *ret, const char *sql, const char *types, ...)
{
	_cleanup_(sql_finalizep) sqlite3_stmt *s = NULL;
	va_list ap;
	int r;

	va_start(ap, types);
	r = prepare_va(db, &s, sql, types, ap);
	va_end(ap);
	if (r < 0)
		return r;
	r = sql_step(s);
	if (r <= 0)
		return r;
	if (sqlite3_column_type(s, 0) == SQLITE_NULL)
		return 0;
	*ret = sqlite3_column_int64(s, 0);
	return 1;
}

int sql_begin(sqlite3 *db, struct sql_transaction *ret)
{
	int r = sql_exec(db, "BEGIN IMMEDIATE");

	if (r < 0)
		return r;
	ret->db = db;
	return 0;
}

int sql_commit(struct sql_transaction *t)
{
	int r = sql_exec(t->db, "COMMIT");

	if (r < 0)
		return r; /* still open: the cleanup rolls back */
	t->db = NULL;
	return 0;
}

void sql_rollback(struct sql_transaction *t)
{
	/* some errors (a full disk among them) have rolled back already */
	if (t->db && !sqlite3_get_autocommit(t->db))
		sqlite3_exec(t->db, "ROLLBACK", NULL, NULL, NULL);
	t->db = NULL;
}
