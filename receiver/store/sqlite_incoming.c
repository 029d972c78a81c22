/*
 * What enters, as a table that SQLite can read: one INSERT … SELECT takes all notifications of a
 * batch. One INSERT a row would open five indexes, bind 16 values and close all again for each of
 * them, which costs as much as the row itself.
 *
 * The table is virtual: its rows are those that the committer has laid out in memory, their texts
 * are borrowed, and it can only be walked from the first to the last.
 */
#include "sqlite_incoming.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* In the order of `enum column`. */
static const char DECLARATION[] =
    "CREATE TABLE x(org, notification_id, record_id, subject_id, key, kind, object, state, seq, "
    "received, ended, claim_key)";
enum column {
    COLUMN_ORG,
    COLUMN_NOTIFICATION_ID,
    COLUMN_RECORD_ID,
    COLUMN_SUBJECT_ID,
    COLUMN_KEY,
    COLUMN_KIND,
    COLUMN_OBJECT,
    COLUMN_STATE,
    COLUMN_SEQ,
    COLUMN_RECEIVED,
    COLUMN_ENDED,
    COLUMN_CLAIM_KEY,
};

struct table {
    sqlite3_vtab base;
    const struct sqlite_incoming *rows;
};

struct cursor {
    sqlite3_vtab_cursor base;
    const struct sqlite_incoming *rows;
    size_t at;
};

static int x_connect(sqlite3 *db, void *rows, int argc, const char *const *argv, sqlite3_vtab **out,
                     char **problem)
{
    (void)argc;
    (void)argv;
    (void)problem;
    int rc = sqlite3_declare_vtab(db, DECLARATION);
    if (rc != SQLITE_OK)
        return rc;
    struct table *t = mem_alloc(sizeof *t);
    t->rows = rows;
    *out = &t->base;
    return SQLITE_OK;
}

static int x_disconnect(sqlite3_vtab *table)
{
    free(table);
    return SQLITE_OK;
}

static int x_best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
    (void)table;
    info->estimatedCost = 1;
    info->estimatedRows = 1;
    return SQLITE_OK;
}

static int x_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out)
{
    struct cursor *c = mem_alloc(sizeof *c);
    c->rows = ((struct table *)(void *)table)->rows;
    *out = &c->base;
    return SQLITE_OK;
}

static int x_close(sqlite3_vtab_cursor *cursor)
{
    free(cursor);
    return SQLITE_OK;
}

static int x_filter(sqlite3_vtab_cursor *cursor, int number, const char *name, int argc,
                    sqlite3_value **argv)
{
    (void)number;
    (void)name;
    (void)argc;
    (void)argv;
    ((struct cursor *)(void *)cursor)->at = 0;
    return SQLITE_OK;
}

static int x_next(sqlite3_vtab_cursor *cursor)
{
    ((struct cursor *)(void *)cursor)->at++;
    return SQLITE_OK;
}

static int x_eof(sqlite3_vtab_cursor *cursor)
{
    const struct cursor *c = (struct cursor *)(void *)cursor;
    return c->at >= c->rows->count;
}

static void give_text(sqlite3_context *out, const char *text)
{
    sqlite3_result_text(out, text, (int)strlen(text), SQLITE_STATIC);
}

static int x_column(sqlite3_vtab_cursor *cursor, sqlite3_context *out, int column)
{
    const struct cursor *c = (struct cursor *)(void *)cursor;
    const struct sqlite_incoming_row *r = &c->rows->v[c->at];
    switch ((enum column)column) {
    case COLUMN_ORG:
        give_text(out, r->org);
        break;
    case COLUMN_NOTIFICATION_ID:
        give_text(out, r->item->notification_id);
        break;
    case COLUMN_RECORD_ID:
        give_text(out, r->item->record_id);
        break;
    case COLUMN_SUBJECT_ID:
        give_text(out, r->item->subject_id);
        break;
    case COLUMN_KEY:
        give_text(out, r->key);
        break;
    case COLUMN_KIND:
        sqlite3_result_int(out, (int)r->item->kind);
        break;
    case COLUMN_OBJECT:
        give_text(out, r->item->object);
        break;
    case COLUMN_STATE:
        sqlite3_result_int(out, (int)r->state);
        break;
    case COLUMN_SEQ:
        sqlite3_result_int64(out, r->seq);
        break;
    case COLUMN_RECEIVED:
        sqlite3_result_int64(out, r->received_at_ms);
        break;
    case COLUMN_ENDED:
        sqlite3_result_int(out, r->state == STORE_DONE);
        break;
    case COLUMN_CLAIM_KEY:
        sqlite3_result_int64(out, r->claim_key);
        break;
    default:
        break;
    }
    return SQLITE_OK;
}

static int x_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *out)
{
    *out = (sqlite3_int64)((struct cursor *)(void *)cursor)->at;
    return SQLITE_OK;
}

/* Without xCreate: the table is simply there, and nothing of it gets into the file. */
static const sqlite3_module MODULE = {
    .xConnect = x_connect,
    .xBestIndex = x_best_index,
    .xDisconnect = x_disconnect,
    .xOpen = x_open,
    .xClose = x_close,
    .xFilter = x_filter,
    .xNext = x_next,
    .xEof = x_eof,
    .xColumn = x_column,
    .xRowid = x_rowid,
};

int sqlite_incoming_install(sqlite3 *db, const struct sqlite_incoming *rows)
{
    union { /* SQLite hands the pointer back as it is; nothing is written through it */
        const struct sqlite_incoming *ours;
        void *theirs;
    } p = {.ours = rows};
    return sqlite3_create_module(db, "incoming", &MODULE, p.theirs);
}

/* ------------------------------------------------------------------ the rows */

struct sqlite_incoming_row *sqlite_incoming_add(struct sqlite_incoming *rows)
{
    if (rows->count == rows->room) {
        rows->room = rows->room == 0 ? 64 : rows->room * 2;
        rows->v = mem_resize(rows->v, rows->room, sizeof *rows->v);
    }
    rows->v[rows->count] = (struct sqlite_incoming_row){0};
    return &rows->v[rows->count++];
}

void sqlite_incoming_release(struct sqlite_incoming *rows)
{
    free(rows->v);
    *rows = (struct sqlite_incoming){0};
}
