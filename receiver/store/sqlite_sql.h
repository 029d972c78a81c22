/*
 * sqlite_sql - one SQLite connection with its prepared statements; the only place that knows SQLite
 * result codes
 *
 * Arguments are named by a string of types: 't' const char * (NULL is NULL, borrowed until the next
 * statement), 'i' int64_t, 'n' int64_t where TIME_NONE is NULL, 'd' int, 'b' const void * and
 * size_t.
 *
 * Errors:  ERR_INVALID: the data were refused, the transaction goes on. All others: the transaction
 * is lost and `broken` says that the connection must be closed and opened again.
 * Threads: a connection has one user at a time.
 */
#ifndef TP_SQLITE_SQL_H
#define TP_SQLITE_SQL_H

#include <sqlite3.h>
#include <stdint.h>

#include "error.h"
#include "sqlite_statements.h"

/* A backup by another program, or a recovery, may hold a lock so long. */
enum { SQLITE_BUSY_MS = 500 };

struct sql_db {
    sqlite3 *handle; /* NULL: closed */
    sqlite3_stmt *statements[SQL_COUNT];
    bool broken;
    enum err broken_by;
};

/* flags as of sqlite3_open_v2. */
MUST_USE enum err sql_open(struct sql_db *db, const char *path, int flags, struct error *e);
void sql_close(struct sql_db *db); /* never checkpoints */
/* The file system of the connection that writes (sqlite_wal_file.c). */
const char *sql_gathering_vfs(void);
/* Runs text that is not kept: pragmas, migrations. */
MUST_USE enum err sql_exec(struct sql_db *db, const char *text, struct error *e);
/* The first column of the first row as text, cut to size; "" without a row: pragmas. */
MUST_USE enum err sql_value(struct sql_db *db, const char *text, char *out, size_t size,
                            struct error *e);
/* Translates a result code of this connection. */
enum err sql_error(struct sql_db *db, int rc, struct error *e);

/* Runs a statement whose rows, if any, are of no interest. */
MUST_USE enum err sql_run(struct sql_db *db, struct error *e, enum sql id, const char *types, ...);

/* A statement that returns rows:
 *     struct sql_query q = sql_query(db, SQL_X, "t", org);
 *     while (sql_next(&q)) … sqlite3_column_int64(q.st, 0) …
 *     err = sql_done(&q, e);          always, also after leaving the loop early */
struct sql_query {
    struct sql_db *db;
    sqlite3_stmt *st;
    int rc;
};
struct sql_query sql_query(struct sql_db *db, enum sql id, const char *types, ...);
bool sql_next(struct sql_query *q);
MUST_USE enum err sql_done(struct sql_query *q, struct error *e);
/* Copies a text column, cut to size. */
void sql_text(const struct sql_query *q, int column, char *out, size_t size);

#endif
