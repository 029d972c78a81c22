/*
 * Statements are prepared once. The primary key is the table itself (WITHOUT ROWID), so one tree is
 * written for a row: the least that keeps an id from being stored twice.
 */
#include "store.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

struct peer_store {
    sqlite3 *db;
    sqlite3_stmt *begin, *insert, *commit, *rollback;
    pthread_mutex_t lock; /* guards all of it */
};

static const char SCHEMA[] = "PRAGMA journal_mode=WAL;"
                             "PRAGMA synchronous=FULL;"
                             "CREATE TABLE IF NOT EXISTS notification ("
                             " org TEXT NOT NULL, notification_id TEXT NOT NULL,"
                             " object TEXT NOT NULL, record_id TEXT NOT NULL,"
                             " PRIMARY KEY (org, notification_id)) WITHOUT ROWID;";

static bool prepare(struct peer_store *s)
{
    const struct {
        sqlite3_stmt **to;
        const char *sql;
    } statements[] = {
        {&s->begin, "BEGIN IMMEDIATE"},
        {&s->insert, "INSERT INTO notification (org, notification_id, object, record_id)"
                     " VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING"},
        {&s->commit, "COMMIT"},
        {&s->rollback, "ROLLBACK"},
    };
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        if (sqlite3_prepare_v2(s->db, statements[i].sql, -1, statements[i].to, NULL) != SQLITE_OK)
            return false;
    }
    return true;
}

struct peer_store *peer_store_open(const char *file)
{
    struct peer_store *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    pthread_mutex_init(&s->lock, NULL);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(file, &s->db, flags, NULL) != SQLITE_OK ||
        sqlite3_exec(s->db, SCHEMA, NULL, NULL, NULL) != SQLITE_OK || !prepare(s)) {
        fprintf(stderr, "%s: %s\n", file, sqlite3_errmsg(s->db));
        peer_store_close(&s);
    }
    return s;
}

void peer_store_close(struct peer_store **s)
{
    if (*s == NULL)
        return;
    pthread_mutex_lock(&(*s)->lock);
    sqlite3_finalize((*s)->begin);
    sqlite3_finalize((*s)->insert);
    sqlite3_finalize((*s)->commit);
    sqlite3_finalize((*s)->rollback);
    sqlite3_close((*s)->db);
    pthread_mutex_unlock(&(*s)->lock);
    pthread_mutex_destroy(&(*s)->lock);
    free(*s);
    *s = NULL;
}

static bool run(sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);
    sqlite3_reset(statement);
    return code == SQLITE_DONE;
}

static bool insert(struct peer_store *s, const char *org, const struct peer_row *row)
{
    const char *values[] = {org, row->notification, row->object, row->record};
    for (int i = 0; i < 4; i++) {
        if (sqlite3_bind_text(s->insert, i + 1, values[i], -1, SQLITE_STATIC) != SQLITE_OK)
            return false;
    }
    return run(s->insert);
}

bool peer_store_message(struct peer_store *s, const char *org, const struct peer_row *rows,
                        size_t count)
{
    pthread_mutex_lock(&s->lock);
    bool ok = run(s->begin);
    if (ok) {
        for (size_t i = 0; ok && i < count; i++)
            ok = insert(s, org, &rows[i]);
        ok = ok && run(s->commit);
        if (!ok)
            (void)run(s->rollback); /* COMMIT may have ended the transaction already */
    }
    pthread_mutex_unlock(&s->lock);
    return ok;
}
