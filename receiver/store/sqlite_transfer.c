/*
 * Export and import of a SQLite store, which is opened as by a daemon, so under its lock: migrated,
 * and with the leases of a former process ended. Statements are made from the tables of transfer.h;
 * they read whole tables, and so are not among those of sqlite_statements.h.
 */
#include "sqlite_int.h"
#include "transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A sequence that nothing was drawn from has no row. */
static const char COUNTERS[] =
    "SELECT name, value FROM meta WHERE name IN ('seq', 'fence') UNION ALL "
    "SELECT name, seq FROM sqlite_sequence WHERE name IN ('job', 'quarantine') ORDER BY name";

/* What follows from the rows. */
static const char DERIVED[] =
    "INSERT INTO lane (org, key, background, due_at) SELECT org, key, background, min(due_at) "
    "FROM notification WHERE state = 0 GROUP BY org, key, background;"
    "INSERT INTO tally (org, ready, leased, done, failed) SELECT org, sum(state = 0), 0, "
    "sum(state = 2), sum(state = 3) FROM notification GROUP BY org;";

static enum err prepare(struct sql_db *db, const char *text, sqlite3_stmt **st, struct error *e)
{
    int rc = sqlite3_prepare_v2(db->handle, text, -1, st, NULL);
    return rc == SQLITE_OK ? ERR_NONE : sql_error(db, rc, e);
}

static void put_names(struct buf *b, const struct store_table *t, bool as_hex)
{
    for (size_t i = 0; t->columns[i].name != NULL; i++)
        buf_printf(b, as_hex && t->columns[i].type == COLUMN_HEX ? "%shex(\"%s\")" : "%s\"%s\"",
                   i > 0 ? ", " : "", t->columns[i].name);
}

/* ------------------------------------------------------------------ export */

static void read_value(sqlite3_stmt *st, int column, struct store_value *v)
{
    *v = (struct store_value){.is_null = sqlite3_column_type(st, column) == SQLITE_NULL};
    if (sqlite3_column_type(st, column) == SQLITE_INTEGER)
        v->number = sqlite3_column_int64(st, column);
    else if (!v->is_null)
        v->text = (const char *)sqlite3_column_text(st, column);
}

static enum err export_table(struct sqlite_store *s, enum store_table_id id,
                             struct store_rows_out *out, struct error *e)
{
    const struct store_table *t = &store_tables[id];
    struct store_value v[STORE_COLUMNS_MAX];
    struct sql_query q = {.db = &s->db, .rc = SQLITE_OK};
    struct buf text;
    buf_init(&text, 4096);
    buf_puts(&text, "SELECT ");
    put_names(&text, t, true);
    buf_printf(&text, " FROM %s ORDER BY %s", t->name, t->key);
    enum err err = prepare(&s->db, id == TABLE_COUNTER ? COUNTERS : text.data, &q.st, e);
    int width = (int)store_table_width(t);
    while (err == ERR_NONE && sql_next(&q)) {
        for (int i = 0; i < width; i++)
            read_value(q.st, i, &v[i]);
        err = store_rows_put(out, id, v, e);
    }
    if (err == ERR_NONE)
        err = sql_done(&q, e);
    sqlite3_finalize(q.st);
    buf_release(&text);
    return err;
}

enum err sqlite_export(const struct store_options *o, struct store_rows_out *out, struct error *e)
{
    const char *path = o->url + strlen(store_sqlite.scheme);
    if (path[0] == '/' && sqlite_inode_of(path) == 0)
        return error_set(e, ERR_NOT_FOUND, "%s: there is no such store", path);
    struct sqlite_store *s;
    enum err err = sqlite_open_alone(&s, o, e);
    if (err != ERR_NONE)
        return err;
    err = sqlite_begin(s, e);
    for (enum store_table_id t = 0; t < TABLE_COUNT && err == ERR_NONE; t++)
        err = export_table(s, t, out, e);
    sqlite_rollback(s);
    sqlite_close_alone(s);
    return err;
}

/* ------------------------------------------------------------------ import */

static enum err check_empty(struct sqlite_store *s, struct error *e)
{
    char text[100], found[4];
    for (size_t i = TABLE_COUNTER + 1; i < TABLE_COUNT; i++) {
        (void)snprintf(text, sizeof text, "SELECT EXISTS (SELECT 1 FROM %s)", store_tables[i].name);
        enum err err = sql_value(&s->db, text, found, sizeof found, e);
        if (err != ERR_NONE)
            return err;
        if (found[0] != '0')
            return store_not_empty(store_tables[i].name, e);
    }
    return ERR_NONE;
}

/* The last place is claim_key's, which stands for org and key. */
static enum err prepare_insert(struct sqlite_store *s, enum store_table_id id, sqlite3_stmt **st,
                               struct error *e)
{
    const struct store_table *t = &store_tables[id];
    struct buf text;
    buf_init(&text, 4096);
    buf_printf(&text, "INSERT INTO %s (", t->name);
    put_names(&text, t, false);
    buf_puts(&text, id == TABLE_NOTIFICATION ? ", claim_key) VALUES (" : ") VALUES (");
    for (size_t i = 1; i <= store_table_width(t); i++)
        buf_printf(&text, i > 1 ? ", ?%zu" : "?%zu", i);
    buf_puts(&text, id == TABLE_NOTIFICATION ? ", ?)" : ")");
    enum err err = prepare(&s->db, text.data, st, e);
    buf_release(&text);
    return err;
}

static int digit(char c)
{
    static const char digits[] = "0123456789ABCDEF0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits) % 16;
}

static int bind_hex(sqlite3_stmt *st, int column, const char *hex)
{
    size_t n = strlen(hex) / 2;
    unsigned char *bytes = sqlite3_malloc64(n + 1);
    if (bytes == NULL)
        return SQLITE_NOMEM;
    for (size_t i = 0; i < n; i++) {
        int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);
        if (high < 0 || low < 0) {
            sqlite3_free(bytes);
            return SQLITE_MISMATCH;
        }
        bytes[i] = (unsigned char)(high * 16 + low);
    }
    return sqlite3_bind_blob64(st, column, bytes, n, sqlite3_free);
}

static int bind_value(sqlite3_stmt *st, int column, enum store_column_type type,
                      const struct store_value *v)
{
    if (v->is_null)
        return sqlite3_bind_null(st, column);
    if (type == COLUMN_HEX)
        return bind_hex(st, column, v->text);
    return v->text != NULL ? sqlite3_bind_text(st, column, v->text, -1, SQLITE_STATIC)
                           : sqlite3_bind_int64(st, column, v->number);
}

/* ?1 and ?2 are the counter's name and value. */
static const char *const COUNTER_TEXTS[] = {
    "DELETE FROM sqlite_sequence WHERE name = ?1 AND ?2 >= 0",
    "UPDATE meta SET value = ?2 WHERE name = ?1 AND name IN ('seq', 'fence')",
    "INSERT INTO sqlite_sequence (name, seq) SELECT ?1, ?2 WHERE ?1 IN ('job', 'quarantine')",
};

static enum err run_with(struct sqlite_store *s, sqlite3_stmt *st, enum store_table_id id,
                         const struct store_value *v, struct error *e)
{
    struct sql_query q = {.db = &s->db, .st = st, .rc = SQLITE_OK};
    for (int i = 0; store_tables[id].columns[i].name != NULL && q.rc == SQLITE_OK; i++)
        q.rc = bind_value(st, i + 1, store_tables[id].columns[i].type, &v[i]);
    while (sql_next(&q)) {
    }
    return sql_done(&q, e);
}

static enum err import_counter(struct sqlite_store *s, const struct store_value *v, struct error *e)
{
    enum err err = ERR_NONE;
    for (size_t i = 0; i < sizeof COUNTER_TEXTS / sizeof COUNTER_TEXTS[0] && err == ERR_NONE; i++) {
        sqlite3_stmt *st = NULL;
        err = prepare(&s->db, COUNTER_TEXTS[i], &st, e);
        if (err == ERR_NONE)
            err = run_with(s, st, TABLE_COUNTER, v, e);
        sqlite3_finalize(st);
    }
    return err;
}

struct import {
    struct sqlite_store *s;
    sqlite3_stmt *insert[TABLE_COUNT];
};

static enum err import_row(struct import *x, enum store_table_id id, const struct store_value *v,
                           struct error *e)
{
    int64_t key = 0;
    enum err err = ERR_NONE;
    if (id == TABLE_COUNTER)
        return import_counter(x->s, v, e);
    if (x->insert[id] == NULL)
        err = prepare_insert(x->s, id, &x->insert[id], e);
    if (id == TABLE_NOTIFICATION && err == ERR_NONE) {
        err = sqlite_claim_key(x->s, v[NOTIFICATION_ORG].text, v[NOTIFICATION_KEY].text, &key, e);
        if (err == ERR_NONE)
            (void)sqlite3_bind_int64(x->insert[id], sqlite3_bind_parameter_count(x->insert[id]),
                                     key);
    }
    return err == ERR_NONE ? run_with(x->s, x->insert[id], id, v, e) : err;
}

static enum err import_all(struct import *x, struct store_rows_in *in, struct error *e)
{
    struct store_value v[STORE_COLUMNS_MAX];
    enum store_table_id id = TABLE_COUNTER;
    enum err err = ERR_NONE;
    while (err == ERR_NONE) {
        err = store_rows_next(in, &id, v, e);
        if (err != ERR_NONE || id == TABLE_COUNT)
            break;
        err = import_row(x, id, v, e);
    }
    if (err == ERR_NONE)
        err = sql_exec(&x->s->db, DERIVED, e);
    for (size_t i = 0; i < TABLE_COUNT; i++)
        sqlite3_finalize(x->insert[i]);
    return err;
}

enum err sqlite_import(const struct store_options *o, struct store_rows_in *in, struct error *e)
{
    struct import x = {0};
    enum err err = sqlite_open_alone(&x.s, o, e);
    if (err != ERR_NONE)
        return err;
    err = check_empty(x.s, e);
    if (err == ERR_NONE)
        err = sqlite_begin(x.s, e);
    if (err == ERR_NONE) {
        err = import_all(&x, in, e);
        if (err == ERR_NONE)
            err = sqlite_commit(x.s, e);
        else
            sqlite_rollback(x.s);
    }
    sqlite_close_alone(x.s);
    return err;
}
