/* Running a plan: statements, rows as JSON, the two ways of reading a part of a result. */
#include "query_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db.h"
#include "mem.h"

/* ------------------------------------------------------------------ one row as JSON */

static void put_attributes(struct buf *out, const struct object *o, const char *version,
                           const char *id)
{
    buf_puts(out, "{\"attributes\":{\"type\":\"");
    buf_puts(out, o->name);
    buf_puts(out, "\",\"url\":\"/services/data/");
    buf_puts(out, version);
    buf_puts(out, "/sobjects/");
    buf_puts(out, o->name);
    buf_putc(out, '/');
    buf_puts(out, id);
    buf_puts(out, "\"}");
}

/* The record of a shown table, with its parents inside; null where there is none. */
static void put_record(struct buf *out, const struct soql_plan *plan, sqlite3_stmt *st,
                       const char *version, size_t join)
{
    const struct soql_join *j = &plan->joins[join];
    const char *id = (const char *)sqlite3_column_text(st, j->id_column);
    if (id == NULL) {
        buf_puts(out, "null");
        return;
    }
    put_attributes(out, j->object, version, id);
    for (size_t i = 0; i < j->item_count; i++) {
        size_t at = j->items[i].index;
        bool parent = j->items[i].is_parent;
        buf_puts(out, ",\"");
        buf_puts(out, parent ? plan->joins[at].field->relationship : plan->columns[at].field->name);
        buf_puts(out, "\":");
        if (parent)
            put_record(out, plan, st, version, at);
        else
            column_put_json(out, plan->columns[at].field, st, plan->first_column + (int)at);
    }
    buf_putc(out, '}');
}

static void put_row(struct query_page *out, const struct soql_plan *plan, sqlite3_stmt *st,
                    const char *version)
{
    if (out->count++ > 0)
        buf_putc(&out->text, ',');
    put_record(&out->text, plan, st, version, 0);
}

/* ------------------------------------------------------------------ statements */

static sqlite3_stmt *prepare_from(struct sim *sim, const struct soql_plan *plan,
                                  const char *columns, const char *from, const char *tail)
{
    char *sql = mem_printf("SELECT %s%s%s", columns, from, tail);
    sqlite3_stmt *st = sdb_try_prepare(sim->db, sql);
    free(sql);
    for (size_t i = 0; st != NULL && i < plan->param_count; i++)
        value_bind(st, (int)i + 1, &plan->params[i]);
    return st;
}

sqlite3_stmt *query_prepare(struct sim *sim, const struct soql_plan *plan, const char *columns,
                            const char *tail)
{
    return prepare_from(sim, plan, columns, plan->from_sql.data, tail);
}

int64_t query_count(struct sim *sim, const struct soql_plan *plan)
{
    sqlite3_stmt *st = prepare_from(sim, plan, "count(*)", plan->count_sql.data, "");
    int64_t n = st != NULL && sdb_step(sim->db, st) ? sqlite3_column_int64(st, 0) : 0;
    if (st != NULL)
        sdb_done(sim->db, st);
    int64_t after = n > plan->offset ? n - plan->offset : 0;
    return plan->limit >= 0 && plan->limit < after ? plan->limit : after;
}

/* Up to `limit` rows behind a key; false if SQLite finds the query too complicated. */
bool query_keyset_page(struct sim *sim, const struct soql_plan *plan, const char *after,
                       size_t limit, const char *version, struct query_page *out,
                       char last[SFID_SIZE])
{
    char tail[96];
    int key = (int)plan->param_count + 1;
    snprintf(tail, sizeof tail, " AND t0.Id > ?%d ORDER BY t0.Id LIMIT ?%d", key, key + 1);
    sqlite3_stmt *st = query_prepare(sim, plan, plan->columns_sql.data, tail);
    if (st == NULL)
        return false;
    sdb_bind_text(st, key, after);
    sqlite3_bind_int64(st, key + 1, (int64_t)limit);
    while (sdb_step(sim->db, st)) {
        snprintf(last, SFID_SIZE, "%s", (const char *)sqlite3_column_text(st, 0));
        put_row(out, plan, st, version);
    }
    sdb_done(sim->db, st);
    return true;
}

void query_id_page(struct sim *sim, const struct soql_plan *plan, const struct query_id *ids,
                   size_t count, const char *version, struct query_page *out)
{
    char tail[48];
    int key = (int)plan->param_count + 1;
    snprintf(tail, sizeof tail, " AND t0.Id = ?%d", key);
    sqlite3_stmt *st = query_prepare(sim, plan, plan->columns_sql.data, tail);
    for (size_t i = 0; st != NULL && i < count; i++) {
        sdb_bind_text(st, key, ids[i].text);
        if (sdb_step(sim->db, st))
            put_row(out, plan, st, version);
        sqlite3_reset(st);
    }
    if (st != NULL)
        sdb_done(sim->db, st);
}

/* The ids of the whole result in its order; false if SQLite refuses. */
bool query_list_ids(struct sim *sim, const struct soql_plan *plan, struct query_id **ids,
                    size_t *count)
{
    char *tail = mem_printf("%s LIMIT %lld OFFSET %lld",
                            plan->order_sql.len > 0 ? plan->order_sql.data : " ORDER BY t0.Id",
                            (long long)plan->limit, (long long)plan->offset);
    sqlite3_stmt *st = query_prepare(sim, plan, "t0.Id", tail);
    free(tail);
    *ids = NULL;
    *count = 0;
    if (st == NULL)
        return false;
    while (sdb_step(sim->db, st)) {
        if ((*count & (*count - 1)) == 0)
            *ids = mem_resize(*ids, *count == 0 ? 1 : 2 * *count, sizeof **ids);
        snprintf((*ids)[(*count)++].text, SFID_SIZE, "%s",
                 (const char *)sqlite3_column_text(st, 0));
    }
    sdb_done(sim->db, st);
    return true;
}

struct soql_plan *query_plan(struct sim *sim, const char *soql, bool admin, bool with_deleted,
                             struct soql_error *error)
{
    struct soql_query *q = soql_parse(soql, error);
    if (q == NULL)
        return NULL;
    struct soql_plan *plan = soql_plan(q, admin ? NULL : &sim->access, with_deleted, error);
    soql_query_free(&q);
    return plan;
}

void query_too_complicated(struct soql_error *error)
{
    *error = (struct soql_error){"QUERY_TOO_COMPLICATED", "Query is either selecting too many "
                                                          "fields or the filter conditions are "
                                                          "too complicated."};
}

bool query_is_keyset(const struct soql_plan *plan)
{
    return plan->order_sql.len == 0 && plan->offset == 0;
}
