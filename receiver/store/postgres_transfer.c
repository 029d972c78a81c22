/*
 * Export and import of a PostgreSQL store: alone, by the advisory lock of which each daemon's
 * connections hold a share (postgres_connect.c), and not before the last lease of a daemon that was
 * cut off has run out, since it may still be writing to an org. Both are one transaction; rows come
 * and go by the hundred.
 */
#include "postgres_int.h"
#include "transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

enum {
    FETCH_ROWS = 500,
    FETCH_DOCUMENTS = 20, /* of a quarter of a MiB each, in hexadecimal */
    SEND_ROWS = 1000,
    SEND_BYTES = 8 << 20,
    PATIENCE_MS = 3600 * 1000, /* one statement may build the work of millions of rows */
};

/* Instead of the columns by their names. */
static const char *const READS[TABLE_COUNT] = {
    [TABLE_COUNTER] =
        "SELECT 'fence' AS name, CASE WHEN is_called THEN last_value ELSE 0 END FROM fence_seq "
        "UNION ALL SELECT 'job', last_value FROM job_id_seq WHERE is_called "
        "UNION ALL SELECT 'quarantine', last_value FROM quarantine_id_seq WHERE is_called "
        "UNION ALL SELECT 'seq', CASE WHEN is_called THEN last_value ELSE 0 END FROM queue_seq "
        "ORDER BY 1",
    [TABLE_NOTIFICATION] =
        "SELECT id, org, notification_id, record_id, subject_id, "
        "(SELECT c.key FROM campaign c WHERE c.id = campaign), kind, object, state, background, "
        "seq, due_at, tries, unsettled, rerun_at, received_at, settled_at, code, message, "
        "replayed_by FROM notification ORDER BY id",
    [TABLE_QUARANTINE] = "SELECT id, at, org, peer, reason, message, size, kept, "
                         "upper(encode(body, 'hex')) FROM quarantine ORDER BY id",
};

/* Arrays of the columns, in their order. */
static const char *const WRITES[TABLE_COUNT] = {
    /* a sequence never goes back */
    [TABLE_COUNTER] =
        "SELECT setval(s.sequence, u.value) FROM unnest($1::text[], $2::bigint[]) AS u (name, "
        "value) JOIN (VALUES ('seq', 'queue_seq'::regclass), ('fence', 'fence_seq'), "
        "('job', 'job_id_seq'), ('quarantine', 'quarantine_id_seq')) AS s (name, sequence) "
        "USING (name) WHERE u.value > 0",
    [TABLE_NOTIFICATION] =
        "WITH given AS (SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], "
        "$5::text[], $6::text[], $7::bigint[], $8::text[], $9::bigint[], $10::bigint[], "
        "$11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], "
        "$16::bigint[], $17::bigint[], $18::text[], $19::text[], $20::bigint[]) AS g (id, org, "
        "notification_id, record_id, subject_id, key, kind, object, state, background, seq, "
        "due_at, tries, unsettled, rerun_at, received_at, settled_at, code, message, "
        "replayed_by)) "
        "INSERT INTO notification (id, org, notification_id, record_id, subject_id, campaign, "
        "kind, object, state, background, seq, due_at, tries, unsettled, rerun_at, received_at, "
        "settled_at, code, message, replayed_by) OVERRIDING SYSTEM VALUE "
        "SELECT g.id, g.org, notification_id, record_id, subject_id, c.id, kind, object, state, "
        "background, seq, due_at, tries, unsettled, rerun_at, received_at, settled_at, code, "
        "message, replayed_by FROM given g JOIN campaign c ON c.org = g.org AND c.key = g.key "
        "ORDER BY g.id",
    [TABLE_QUARANTINE] =
        "INSERT INTO quarantine (id, at, org, peer, reason, message, size, kept, body) "
        "OVERRIDING SYSTEM VALUE SELECT id, at, org, peer, reason, message, size, kept, "
        "decode(body, 'hex') FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], "
        "$5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::text[]) AS u (id, at, org, peer, "
        "reason, message, size, kept, body)",
};

/* Sequences of ids go on behind the rows. */
static const char FINISH[] =
    "SELECT setval('notification_id_seq', max(id)) FROM notification HAVING max(id) > 0; "
    "SELECT setval('ledger_id_seq', max(id)) FROM ledger HAVING max(id) > 0; "
    "SELECT setval('job_id_seq', max(id)) FROM job, job_id_seq HAVING max(id) > max(last_value); "
    "SELECT setval('quarantine_id_seq', max(id)) FROM quarantine, quarantine_id_seq "
    "HAVING max(id) > max(last_value)";

static void put_names(struct buf *b, const struct store_table *t)
{
    for (size_t i = 0; t->columns[i].name != NULL; i++)
        buf_printf(b, i > 0 ? ", %s" : "%s", t->columns[i].name);
}

/* ------------------------------------------------------------------ open */

static enum err open_alone(struct pg_db *db, const struct store_options *o, bool may_be_new,
                           struct error *e)
{
    const char *rest = o->url + strlen(store_postgres.scheme);
    const struct pg_rules rules = {.allow_asynchronous_commit = o->allow_asynchronous_commit,
                                   .alone = true};
    enum err err = pg_connect(db, strncmp(rest, "//", 2) == 0 ? o->url : rest, &rules, e);
    if (err != ERR_NONE)
        return err;
    err = pg_migrate(db, may_be_new, e);
    db->patience_ms = PATIENCE_MS;
    if (err == ERR_NONE)
        err = pg_exec(db, "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0",
                      e);
    return err;
}

static enum err end_leases(struct pg_db *db, const struct store_options *o, struct error *e)
{
    PGresult *r = pg_query(db, e,
                           "SELECT coalesce(max(until) - tp_now(), 0), coalesce(max(owner), '') "
                           "FROM campaign WHERE fence > 0 AND until > tp_now()",
                           "");
    if (r == NULL)
        return e->kind;
    int64_t left_ms = pg_i64(r, 0, 0);
    char owner[PG_OWNER_SIZE];
    pg_copy(r, 0, 1, owner, sizeof owner);
    PQclear(r);
    if (left_ms > 0)
        return error_set(
            e, ERR_BUSY,
            "a daemon (%s) holds a lease and may be writing to an org: stop it, or, if "
            "it is dead, try again in %lld s",
            owner, (long long)left_ms / 1000 + 1);
    r = pg_query(db, e, "SELECT tp_expire($1, 0, 0)", "i", o->echo_ms);
    PQclear(r);
    return r != NULL ? ERR_NONE : e->kind;
}

/* ------------------------------------------------------------------ export */

static void read_value(const PGresult *r, int row, int column, enum store_column_type type,
                       struct store_value *v)
{
    *v = (struct store_value){.is_null = PQgetisnull(r, row, column)};
    if (type == COLUMN_INT || type == COLUMN_INT_OR_NULL)
        v->number = pg_i64(r, row, column);
    else
        v->text = PQgetvalue(r, row, column);
}

static enum err export_rows(const PGresult *r, enum store_table_id id, struct store_rows_out *out,
                            struct error *e)
{
    struct store_value v[STORE_COLUMNS_MAX];
    enum err err = ERR_NONE;
    for (int row = 0; row < PQntuples(r) && err == ERR_NONE; row++) {
        for (int i = 0; store_tables[id].columns[i].name != NULL; i++)
            read_value(r, row, i, store_tables[id].columns[i].type, &v[i]);
        err = store_rows_put(out, id, v, e);
    }
    return err;
}

static enum err declare(struct pg_db *db, enum store_table_id id, struct error *e)
{
    const struct store_table *t = &store_tables[id];
    struct buf text;
    buf_init(&text, 4096);
    buf_puts(&text, "DECLARE walk NO SCROLL CURSOR FOR ");
    if (READS[id] != NULL) {
        buf_puts(&text, READS[id]);
    } else {
        buf_puts(&text, "SELECT ");
        put_names(&text, t);
        buf_printf(&text, " FROM %s ORDER BY %s", t->name, t->key);
    }
    enum err err = pg_exec(db, text.data, e);
    buf_release(&text);
    return err;
}

static enum err export_table(struct pg_db *db, enum store_table_id id, struct store_rows_out *out,
                             struct error *e)
{
    char fetch[60];
    int most = id == TABLE_QUARANTINE ? FETCH_DOCUMENTS : FETCH_ROWS;
    (void)snprintf(fetch, sizeof fetch, "FETCH %d FROM walk", most);
    enum err err = declare(db, id, e);
    for (int n = most; err == ERR_NONE && n == most;) {
        PGresult *r = pg_query(db, e, fetch, "");
        if (r == NULL)
            return e->kind;
        n = PQntuples(r);
        err = export_rows(r, id, out, e);
        PQclear(r);
    }
    return err == ERR_NONE ? pg_exec(db, "CLOSE walk", e) : err;
}

enum err pg_export(const struct store_options *o, struct store_rows_out *out, struct error *e)
{
    struct pg_db db = {0};
    enum err err = open_alone(&db, o, false, e);
    if (err == ERR_NONE)
        err = end_leases(&db, o, e);
    if (err == ERR_NONE)
        err = pg_exec(&db, "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY", e);
    for (enum store_table_id t = 0; t < TABLE_COUNT && err == ERR_NONE; t++)
        err = export_table(&db, t, out, e);
    pg_close(&db);
    return err;
}

/* ------------------------------------------------------------------ import */

struct import {
    struct pg_db db;
    enum store_table_id table; /* of the rows gathered */
    size_t rows, bytes;
    struct buf columns[STORE_COLUMNS_MAX];
};

static enum err check_empty(struct pg_db *db, struct error *e)
{
    char text[100];
    for (size_t i = TABLE_COUNTER + 1; i < TABLE_COUNT; i++) {
        (void)snprintf(text, sizeof text, "SELECT EXISTS (SELECT 1 FROM %s)", store_tables[i].name);
        PGresult *r = pg_query(db, e, text, "");
        if (r == NULL)
            return e->kind;
        bool has_rows = pg_bool(r, 0, 0);
        PQclear(r);
        if (has_rows)
            return store_not_empty(store_tables[i].name, e);
    }
    return ERR_NONE;
}

static void put_write(struct buf *text, enum store_table_id id)
{
    const struct store_table *t = &store_tables[id];
    static const char *const types[] = {[COLUMN_INT] = "bigint",
                                        [COLUMN_INT_OR_NULL] = "bigint",
                                        [COLUMN_TEXT] = "text",
                                        [COLUMN_TEXT_OR_NULL] = "text",
                                        [COLUMN_HEX] = "text"};
    if (WRITES[id] != NULL) {
        buf_puts(text, WRITES[id]);
        return;
    }
    buf_printf(text, "INSERT INTO %s (", t->name);
    put_names(text, t);
    buf_puts(text, ") OVERRIDING SYSTEM VALUE SELECT * FROM unnest(");
    for (size_t i = 0; t->columns[i].name != NULL; i++)
        buf_printf(text, "%s$%zu::%s[]", i > 0 ? ", " : "", i + 1, types[t->columns[i].type]);
    buf_puts(text, ")");
}

static enum err make_campaigns(struct import *x, struct error *e)
{
    PGresult *r =
        pg_query(&x->db, e,
                 "INSERT INTO campaign (org, key) SELECT DISTINCT * FROM "
                 "unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING",
                 "tt", x->columns[NOTIFICATION_ORG].data, x->columns[NOTIFICATION_KEY].data);
    PQclear(r);
    return r != NULL ? ERR_NONE : e->kind;
}

static enum err send_rows(struct import *x, struct error *e)
{
    enum err err = ERR_NONE;
    size_t width = store_table_width(&store_tables[x->table]);
    const char *values[STORE_COLUMNS_MAX];
    struct buf text;
    if (x->rows == 0)
        return ERR_NONE;
    buf_init(&text, 8192);
    put_write(&text, x->table);
    for (size_t i = 0; i < width; i++) {
        buf_putc(&x->columns[i], '}');
        values[i] = x->columns[i].data;
    }
    if (x->table == TABLE_NOTIFICATION)
        err = make_campaigns(x, e);
    if (err == ERR_NONE) {
        PGresult *r = pg_query_texts(&x->db, e, text.data, values, width);
        err = r != NULL ? ERR_NONE : e->kind;
        PQclear(r);
    }
    for (size_t i = 0; i < width; i++)
        buf_release(&x->columns[i]);
    buf_release(&text);
    x->rows = x->bytes = 0;
    return err;
}

static void gather(struct import *x, enum store_table_id id, const struct store_value *v)
{
    const struct store_column *c = store_tables[id].columns;
    for (size_t i = 0; c[i].name != NULL; i++) {
        if (x->rows == 0)
            pg_array(&x->columns[i]);
        size_t before = x->columns[i].len;
        if (v[i].is_null || v[i].text != NULL)
            pg_put_text(&x->columns[i], v[i].text);
        else
            pg_put_i64(&x->columns[i], v[i].number);
        x->bytes += x->columns[i].len - before;
    }
    x->table = id;
    x->rows++;
}

static enum err import_all(struct import *x, struct store_rows_in *in, struct error *e)
{
    struct store_value v[STORE_COLUMNS_MAX];
    enum store_table_id id = TABLE_COUNTER;
    for (;;) {
        enum err err = store_rows_next(in, &id, v, e);
        if (err == ERR_NONE && (id != x->table || x->rows == SEND_ROWS || x->bytes > SEND_BYTES))
            err = send_rows(x, e);
        if (err != ERR_NONE || id == TABLE_COUNT)
            return err;
        gather(x, id, v);
    }
}

enum err pg_import(const struct store_options *o, struct store_rows_in *in, struct error *e)
{
    struct import x = {.table = TABLE_COUNTER};
    enum err err = open_alone(&x.db, o, true, e);
    if (err == ERR_NONE)
        err = check_empty(&x.db, e);
    if (err == ERR_NONE)
        err = pg_exec(&x.db, "BEGIN", e);
    if (err == ERR_NONE)
        err = import_all(&x, in, e);
    if (err == ERR_NONE)
        err = pg_exec(&x.db, FINISH, e);
    if (err == ERR_NONE)
        err = pg_exec(&x.db, "COMMIT", e);
    for (size_t i = 0; i < STORE_COLUMNS_MAX; i++)
        buf_release(&x.columns[i]);
    if (err == ERR_NONE) {
        struct error why; /* plans are told what to use anyway */
        if (pg_exec(&x.db, "ANALYZE", &why) != ERR_NONE)
            log_warn("the imported tables were not analyzed", "error", why.text, NULL);
    }
    pg_close(&x.db);
    return err;
}
