/*
 * postgres_sql - one connection to PostgreSQL and its statements; with postgres_error.c and
 * postgres_connect.c the only place that knows libpq and SQLSTATEs
 *
 * Arguments are named by a string of types: 't' const char * (NULL is NULL), 'i' int64_t, 'd' int
 * or bool, 'a' struct buf * that pg_array began (NULL is NULL), 'b' const void * and size_t. All
 * are borrowed for the call.
 *
 * No call waits for longer than the connection's patience: a server that was frozen, or a network
 * that was cut, ends the connection.
 *
 * Errors:  ERR_INVALID: the data were refused. ERR_UNKNOWN_OUTCOME: the statement was sent and its
 *          end was not seen, or the server warned at its end (protocol rule 21: a wait for the
 *          standby that was cancelled). After ERR_BUSY `again` says that the same may be tried at
 *          once (deadlock). `broken`: the connection must be closed.
 * Threads: a connection has one user at a time.
 */
#ifndef TP_POSTGRES_SQL_H
#define TP_POSTGRES_SQL_H

#include <libpq-fe.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "error.h"

enum {
    PG_STATEMENT_MS = 10000, /* the server ends what takes longer … */
    PG_LOCK_MS = 5000,       /* … or waits for another's lock for longer */
    PG_ARGS_MAX = 32,
    PG_PATIENCE_MS = 15000, /* and the daemon the connection, below the listener's 20 s */
};

struct pg_db {
    PGconn *conn; /* NULL: closed */
    bool broken, again, warned;
    bool existed;                       /* what a statement was to insert is there (23505) */
    int64_t patience_ms, until_boot_ms; /* the latter: of what pg_begin began */
    char schema[64];                    /* where the tables are */
};

struct pg_rules {
    bool allow_asynchronous_commit;
    int schema_version; /* 0: any */
    bool alone;         /* no other daemon may be connected, and none can while this one is */
};
/* Connects to whichever of the URL's servers takes writes. ERR_CONFIG: it does not keep what it
 * commits, or its schema is another version's. ERR_BUSY: who must be alone is not. */
MUST_USE enum err pg_connect(struct pg_db *db, const char *url, const struct pg_rules *rules,
                             struct error *e);
void pg_close(struct pg_db *db);
/* Whether the server and its schema still are what pg_connect would take. ERR_CONFIG: no more. */
MUST_USE enum err pg_check(struct pg_db *db, const struct pg_rules *rules, struct error *e);
/* False when the server has closed an idle connection. */
bool pg_is_alive(struct pg_db *db);
/* Rows are read with the functions below, and given back with PQclear. NULL: failed. */
PGresult *pg_query(struct pg_db *db, struct error *e, const char *text, const char *types, ...);
/* The same with n arguments, each a text, at most PG_ARGS_MAX. */
PGresult *pg_query_texts(struct pg_db *db, struct error *e, const char *text,
                         const char *const *values, size_t n);
/* A statement, or several separated by semicolons, whose rows are of no interest. */
MUST_USE enum err pg_exec(struct pg_db *db, const char *text, struct error *e);
/* BEGIN, that statement, COMMIT in one round trip; its rows. NULL: nothing of it holds, but for
 * ERR_UNKNOWN_OUTCOME. */
PGresult *pg_transaction(struct pg_db *db, struct error *e, const char *text, const char *types,
                         ...);
/* The same, but the transaction stays open when that statement went well. */
PGresult *pg_begin(struct pg_db *db, struct error *e, const char *text, const char *types, ...);
/* Ends what pg_begin began; text is "COPY … FROM STDIN (FORMAT binary); …; COMMIT", the data are
 * such as postgres_rows.h makes. Both calls together wait no longer than the patience. After an
 * error nothing of the transaction holds, but for ERR_UNKNOWN_OUTCOME. */
MUST_USE enum err pg_commit_rows(struct pg_db *db, const char *text, const struct buf *data,
                                 struct error *e);

int64_t pg_i64(const PGresult *r, int row, int column);
bool pg_bool(const PGresult *r, int row, int column);
/* Cut to size; "" for NULL. */
void pg_copy(const PGresult *r, int row, int column, char *out, size_t size);
/* An array of n numbers. False: it has not that many. */
MUST_USE bool pg_i64s(const PGresult *r, int row, int column, int64_t *out, size_t n);

/* Arrays grow in a buffer; one begins with: */
void pg_array(struct buf *b);
void pg_put_text(struct buf *b, const char *text); /* NULL: NULL */
void pg_put_i64(struct buf *b, int64_t n);

/* Fills e with what the result or the connection says, and marks db. */
enum err pg_error(struct pg_db *db, const PGresult *r, struct error *e);

#endif
