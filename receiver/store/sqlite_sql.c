/*
 * Statements are prepared at their first use and kept. A connection never checkpoints by itself:
 * the committer does that between batches.
 */
#include "sqlite_sql.h"

#include <stdarg.h>
#include <string.h>

#include "store_int.h"
#include "timeutil.h"

static const char *const TEXTS[SQL_COUNT] = {
#define X(id, text) [id] = text,
    SQL_STATEMENTS(X)
#undef X
};

struct meaning {
    int code; /* primary result code */
    enum err err;
    const char *text;
};

static const struct meaning MEANINGS[] = {
    {SQLITE_FULL, ERR_FULL, "no space is left for the store's database; free some"},
    {SQLITE_IOERR, ERR_IO, "the disk failed under the store's database"},
    {SQLITE_CANTOPEN, ERR_IO, "the store's database cannot be opened; check path and rights"},
    {SQLITE_READONLY, ERR_IO, "the store's database cannot be written; check mount and rights"},
    {SQLITE_PERM, ERR_DENIED, "the store's database may not be used; check its rights"},
    {SQLITE_AUTH, ERR_DENIED, "the store's database may not be used; check its rights"},
    {SQLITE_CORRUPT, ERR_CORRUPT, "the store's database is damaged; restore it or move it away"},
    {SQLITE_NOTADB, ERR_CORRUPT, "the store's file is not a SQLite database"},
    {SQLITE_BUSY, ERR_BUSY, "another program holds the store's database"},
    {SQLITE_LOCKED, ERR_BUSY, "another program holds the store's database"},
    {SQLITE_NOMEM, ERR_BUSY, "no memory is left for the store's database"},
    {SQLITE_INTERRUPT, ERR_STOPPED, "the query was interrupted"},
    {SQLITE_CONSTRAINT, ERR_INVALID, "the store refused the data"},
    {SQLITE_MISMATCH, ERR_INVALID, "the store refused the data"},
    {SQLITE_TOOBIG, ERR_INVALID, "the store refused the data"},
};

enum err sql_error(struct sql_db *db, int rc, struct error *e)
{
    struct meaning m = {rc & 0xff, ERR_INTERNAL, "the store's database refused a statement"};
    for (size_t i = 0; i < sizeof MEANINGS / sizeof MEANINGS[0]; i++) {
        if (MEANINGS[i].code == (rc & 0xff))
            m = MEANINGS[i];
    }
    if (m.err != ERR_INVALID) {
        db->broken = true;
        db->broken_by = m.err;
    }
    const char *detail = db->handle != NULL ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc);
    return error_set(e, m.err, "%s (%s, code %d)", m.text, detail, rc);
}

enum err sql_open(struct sql_db *db, const char *path, int flags, struct error *e)
{
    *db = (struct sql_db){0};
    const char *vfs = (flags & SQLITE_OPEN_READWRITE) != 0 ? sql_gathering_vfs() : NULL;
    int rc = sqlite3_open_v2(path, &db->handle, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                             vfs);
    if (rc == SQLITE_OK) {
        sqlite3_wal_autocheckpoint(db->handle, 0);
        sqlite3_busy_timeout(db->handle, SQLITE_BUSY_MS);
        (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
        (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
        return sql_exec(db,
                        "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; "
                        "PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;",
                        e);
    }
    enum err err = sql_error(db, rc, e);
    sql_close(db);
    db->broken = true;
    db->broken_by = err;
    return err;
}

void sql_close(struct sql_db *db)
{
    for (size_t i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(db->statements[i]);
    sqlite3_close(db->handle);
    *db = (struct sql_db){0};
}

enum err sql_exec(struct sql_db *db, const char *text, struct error *e)
{
    int rc = sqlite3_exec(db->handle, text, NULL, NULL, NULL);
    return rc == SQLITE_OK ? ERR_NONE : sql_error(db, rc, e);
}

enum err sql_value(struct sql_db *db, const char *text, char *out, size_t size, struct error *e)
{
    struct sql_query q = {.db = db};
    out[0] = '\0';
    q.rc = sqlite3_prepare_v2(db->handle, text, -1, &q.st, NULL);
    if (sql_next(&q))
        sql_text(&q, 0, out, size);
    enum err err = sql_done(&q, e);
    sqlite3_finalize(q.st);
    return err;
}

static int bind(sqlite3_stmt *st, const char *types, va_list ap)
{
    int rc = SQLITE_OK;
    for (int i = 0; types[i] != '\0' && rc == SQLITE_OK; i++) {
        const char *text;
        int64_t number;
        switch (types[i]) {
        case 't':
            text = va_arg(ap, const char *);
            rc = sqlite3_bind_text(st, i + 1, text, -1, SQLITE_STATIC);
            break;
        case 'b':
            text = va_arg(ap, const void *);
            rc = sqlite3_bind_blob64(st, i + 1, text, va_arg(ap, size_t), SQLITE_STATIC);
            break;
        case 'd':
            rc = sqlite3_bind_int(st, i + 1, va_arg(ap, int));
            break;
        default:
            number = va_arg(ap, int64_t);
            rc = types[i] == 'n' && number == TIME_NONE ? sqlite3_bind_null(st, i + 1)
                                                        : sqlite3_bind_int64(st, i + 1, number);
            break;
        }
    }
    return rc;
}

static struct sql_query start(struct sql_db *db, enum sql id, const char *types, va_list ap)
{
    struct sql_query q = {.db = db, .rc = SQLITE_OK};
    if (db->statements[id] == NULL)
        q.rc = sqlite3_prepare_v3(db->handle, TEXTS[id], -1, SQLITE_PREPARE_PERSISTENT,
                                  &db->statements[id], NULL);
    q.st = db->statements[id];
    if (q.rc == SQLITE_OK)
        q.rc = bind(q.st, types, ap);
    return q;
}

struct sql_query sql_query(struct sql_db *db, enum sql id, const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    struct sql_query q = start(db, id, types, ap);
    va_end(ap);
    return q;
}

bool sql_next(struct sql_query *q)
{
    if (q->rc != SQLITE_OK && q->rc != SQLITE_ROW)
        return false;
    q->rc = sqlite3_step(q->st);
    return q->rc == SQLITE_ROW;
}

enum err sql_done(struct sql_query *q, struct error *e)
{
    enum err err = ERR_NONE;
    if (q->rc != SQLITE_OK && q->rc != SQLITE_ROW && q->rc != SQLITE_DONE)
        err = sql_error(q->db, q->rc, e);
    if (q->st != NULL)
        (void)sqlite3_reset(q->st); /* its code repeats that of the step */
    return err;
}

enum err sql_run(struct sql_db *db, struct error *e, enum sql id, const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    struct sql_query q = start(db, id, types, ap);
    va_end(ap);
    while (sql_next(&q)) {
    }
    return sql_done(&q, e);
}

void sql_text(const struct sql_query *q, int column, char *out, size_t size)
{
    const char *text = (const char *)sqlite3_column_text(q->st, column);
    size_t n = text == NULL ? 0 : store_cut(text, size);
    if (n > 0)
        memcpy(out, text, n);
    out[n] = '\0';
}
