/* A thin hand on SQLite: one line per statement, errors as -errno. For the store's files only. */
#ifndef FLEETPROF_EXPORTER_STORE_SQL_H
#define FLEETPROF_EXPORTER_STORE_SQL_H

#include "agent/base/cleanup.h"

#include <sqlite3.h>
#include <stdint.h>

static inline void sql_finalizep(sqlite3_stmt **s)
{
	sqlite3_finalize(*s);
}

/*
 * The last error of db: -ENOSPC (disk or budget full), -EUCLEAN (corrupt, or no database), -ENOMEM, -EBUSY,
 * -EROFS, -EACCES, -EEXIST (a UNIQUE key), else -EIO.
 */
int sql_error(sqlite3 *db);

/* One statement without parameters or rows of interest. */
int sql_exec(sqlite3 *db, const char *sql);

int sql_prepare(sqlite3 *db, sqlite3_stmt **ret, const char *sql);

/*
 * Binds from the first parameter on. types: 'i' int64_t, 't' const char * (copied), 'b' const void * and
 * size_t (not copied: must live until the next reset), 'u' uint64_t where UINT64_MAX is NULL.
 */
int sql_bind(sqlite3_stmt *s, const char *types, ...);

/* 1: a row, 0: done, or an error. */
int sql_step(sqlite3_stmt *s);

/* Prepares, binds, steps to the end. */
int sql_run(sqlite3 *db, const char *sql, const char *types, ...);

/* As sql_run, for one number. 1: *ret set, 0: no row or NULL, or an error. */
int sql_number(sqlite3 *db, int64_t *ret, const char *sql, const char *types, ...);

/* An open transaction that is rolled back unless sql_commit() took it. */
struct sql_transaction {
	sqlite3 *db;
};
int sql_begin(sqlite3 *db, struct sql_transaction *ret);
int sql_commit(struct sql_transaction *t);
void sql_rollback(struct sql_transaction *t);
DEFINE_CLEANUP_EMBEDDED(struct sql_transaction, sql_rollback)

#endif
