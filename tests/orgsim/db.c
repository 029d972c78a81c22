/*
 * The statement cache is a small table open-addressed by the hash of the text. When it is full, all
 * idle statements are dropped at once: the texts in use come back within a few calls. Transactions
 * are savepoints, named by their depth, so that a row can be undone inside a request.
 */
#include "db.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "text.h"

enum { CACHE_SLOTS = 1024, CACHE_MAX = 512, DEPTH_MAX = 30 };

struct cached {
    char *sql;
    sqlite3_stmt *st;
    bool busy;
};

struct sdb {
    sqlite3 *handle;
    struct cached cache[CACHE_SLOTS];
    size_t cached;
    int depth;
};

static _Noreturn void die(const struct sdb *db, const char *sql)
{
    fprintf(stderr, "orgsim: database: %s in: %s\n", sqlite3_errmsg(db->handle), sql);
    abort();
}

struct sdb *sdb_open(void)
{
    struct sdb *db = mem_alloc(sizeof *db);
    if (sqlite3_open_v2(":memory:", &db->handle,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        die(db, "open");
    text_register(db->handle);
    sdb_script(db, "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF; PRAGMA temp_store=MEMORY");
    return db;
}

static void cache_drop(struct sdb *db)
{
    struct cached old[CACHE_SLOTS];
    memcpy(old, db->cache, sizeof old);
    memset(db->cache, 0, sizeof db->cache);
    db->cached = 0;
    for (size_t i = 0; i < CACHE_SLOTS; i++) {
        if (old[i].st != NULL)
            sqlite3_finalize(old[i].st);
        free(old[i].sql);
    }
}

void sdb_close(struct sdb **db)
{
    if (*db == NULL)
        return;
    cache_drop(*db);
    sqlite3_close((*db)->handle);
    free(*db);
    *db = NULL;
}

void sdb_script(struct sdb *db, const char *sql)
{
    if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
        die(db, sql);
}

static bool cache_is_idle(const struct sdb *db)
{
    for (size_t i = 0; i < CACHE_SLOTS; i++) {
        if (db->cache[i].busy)
            return false;
    }
    return true;
}

static struct cached *slot_of(struct sdb *db, const char *sql)
{
    uint64_t hash = 14695981039346656037u;
    for (const char *c = sql; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    size_t at = (size_t)(hash % CACHE_SLOTS);
    while (db->cache[at].sql != NULL && strcmp(db->cache[at].sql, sql) != 0)
        at = (at + 1) % CACHE_SLOTS;
    return &db->cache[at];
}

sqlite3_stmt *sdb_try_prepare(struct sdb *db, const char *sql)
{
    if (db->cached >= CACHE_MAX && cache_is_idle(db))
        cache_drop(db);
    struct cached *c = slot_of(db, sql);
    if (c->st != NULL && !c->busy) {
        c->busy = true;
        return c->st;
    }
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(db->handle, sql, -1, &st, NULL) != SQLITE_OK)
        return NULL;
    if (c->st == NULL && db->cached < CACHE_MAX) {
        *c = (struct cached){.sql = mem_strdup(sql), .st = st, .busy = true};
        db->cached++;
    }
    return st;
}

sqlite3_stmt *sdb_prepare(struct sdb *db, const char *sql)
{
    sqlite3_stmt *st = sdb_try_prepare(db, sql);
    if (st == NULL)
        die(db, sql);
    return st;
}

void sdb_done(struct sdb *db, sqlite3_stmt *st)
{
    struct cached *c = slot_of(db, sqlite3_sql(st));
    if (c->st != st) {
        sqlite3_finalize(st);
        return;
    }
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    c->busy = false;
}

void sdb_bind_text(sqlite3_stmt *st, int at, const char *s)
{
    if (s == NULL)
        sqlite3_bind_null(st, at);
    else
        sqlite3_bind_text(st, at, s, -1, SQLITE_TRANSIENT);
}

bool sdb_step(struct sdb *db, sqlite3_stmt *st)
{
    int rc = sqlite3_step(st);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        die(db, sqlite3_sql(st));
    return rc == SQLITE_ROW;
}

static sqlite3_stmt *prepare_bound(struct sdb *db, const char *sql, const char *types, va_list ap)
{
    sqlite3_stmt *st = sdb_prepare(db, sql);
    for (int i = 0; types[i] != '\0'; i++) {
        if (types[i] == 't')
            sdb_bind_text(st, i + 1, va_arg(ap, const char *));
        else
            sqlite3_bind_int64(st, i + 1, va_arg(ap, int64_t));
    }
    return st;
}

int64_t sdb_exec(struct sdb *db, const char *sql, const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    sqlite3_stmt *st = prepare_bound(db, sql, types, ap);
    va_end(ap);
    while (sdb_step(db, st))
        continue;
    int64_t changed = sqlite3_changes64(db->handle);
    sdb_done(db, st);
    return changed;
}

int64_t sdb_int(struct sdb *db, int64_t otherwise, const char *sql, const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    sqlite3_stmt *st = prepare_bound(db, sql, types, ap);
    va_end(ap);
    int64_t n = otherwise;
    if (sdb_step(db, st) && sqlite3_column_type(st, 0) != SQLITE_NULL)
        n = sqlite3_column_int64(st, 0);
    sdb_done(db, st);
    return n;
}

char *sdb_text(struct sdb *db, const char *sql, const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    sqlite3_stmt *st = prepare_bound(db, sql, types, ap);
    va_end(ap);
    char *text = NULL;
    if (sdb_step(db, st))
        text = mem_strdup((const char *)sqlite3_column_text(st, 0));
    sdb_done(db, st);
    return text;
}

static void at_depth(struct sdb *db, const char *verb)
{
    char sql[64];
    snprintf(sql, sizeof sql, "%s s%d", verb, db->depth);
    sdb_exec(db, sql, "");
}

void sdb_begin(struct sdb *db)
{
    if (db->depth >= DEPTH_MAX)
        die(db, "begin: nested too deeply");
    db->depth++;
    at_depth(db, "SAVEPOINT");
}

void sdb_commit(struct sdb *db)
{
    at_depth(db, "RELEASE");
    db->depth--;
}

void sdb_rollback(struct sdb *db)
{
    at_depth(db, "ROLLBACK TO");
    at_depth(db, "RELEASE");
    db->depth--;
}
