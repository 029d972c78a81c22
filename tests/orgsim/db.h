/*
 * db - the in-memory SQLite under the simulated org: statements, parameters, nested transactions
 *
 * Statements are cached by their text; SQL that the program wrote itself must be valid, so a
 * failing one aborts with SQLite's message (sdb_try_prepare is for SQL compiled from a caller's
 * SOQL). Text columns use the collation SF: equal without regard to case, as Salesforce compares.
 *
 * Parameters of the variadic functions: one letter each in `types`, 't' const char * (NULL is
 * null) and 'i' int64_t.
 *
 * Threads: one owner.
 */
#ifndef ORGSIM_DB_H
#define ORGSIM_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

struct sdb;

struct sdb *sdb_open(void);
void sdb_close(struct sdb **db);

/* Runs statements without parameters or results. */
void sdb_script(struct sdb *db, const char *sql);

/* A statement ready for binding; sdb_done gives it back. */
sqlite3_stmt *sdb_prepare(struct sdb *db, const char *sql);
sqlite3_stmt *sdb_try_prepare(struct sdb *db, const char *sql); /* NULL: SQLite refuses it */
void sdb_done(struct sdb *db, sqlite3_stmt *st);
void sdb_bind_text(sqlite3_stmt *st, int at, const char *s); /* copies; NULL binds null */
/* True for a row, false at the end; anything else aborts. */
bool sdb_step(struct sdb *db, sqlite3_stmt *st);

/* Runs one statement; gives the number of changed rows. */
int64_t sdb_exec(struct sdb *db, const char *sql, const char *types, ...);
/* First column of the first row, or `otherwise`. */
int64_t sdb_int(struct sdb *db, int64_t otherwise, const char *sql, const char *types, ...);
/* First column of the first row as a string (free()), or NULL. */
char *sdb_text(struct sdb *db, const char *sql, const char *types, ...);

/* Nested: each begin is matched by one commit or rollback. */
void sdb_begin(struct sdb *db);
void sdb_commit(struct sdb *db);
void sdb_rollback(struct sdb *db);

#endif
