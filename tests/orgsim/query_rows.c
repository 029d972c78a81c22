/* Running a plan: statements, rows as JSON, the two ways of reading a part of a result. */
#include "query_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db.h"
#include "mem.h"

/* ------------------------------------------------------------------ one row as JSON */

static json_t *attributes_json(const struct object *o, const char *version, const char *id)
{
    char url[160];
    snprintf(url, sizeof url, "/services/data/%s/sobjects/%s/%s", version, o->name, id);
    json_t *a = json_object();
    json_object_set_new_nocheck(a, "type", json_string_nocheck(o->name));
    json_object_set_new_nocheck(a, "url", json_string_nocheck(url));
    return a;
}

/* The JSON object of each shown table of this row; NULL where there is no parent. */
static void row_tables(const struct soql_plan *plan, sqlite3_stmt *st, const char *version,
                       json_t *tables[SOQL_JOINS_MAX], int *columns)
{
    for (size_t i = 0; i < plan->join_count; i++) {
        tables[i] = NULL;
        if (i > 0 && !plan->joins[i].shown)
            continue;
        const char *id = (const char *)sqlite3_column_text(st, (*columns)++);
        if (id != NULL) {
            tables[i] = json_object();
            json_object_set_new_nocheck(tables[i], "attributes",
                                        attributes_json(plan->joins[i].object, version, id));
        }
    }
}

/* Hangs a table, and those above it, into its parent at the place of its first field. */
static void attach(const struct soql_plan *plan, json_t **tables, size_t join)
{
    const struct soql_join *j = &plan->joins[join];
    if (join == 0)
        return;
    attach(plan, tables, j->parent);
    if (tables[j->parent] == NULL)
        return; /* shown as null further up */
    const char *name = j->field->relationship;
    if (json_object_get(tables[j->parent], name) == NULL)
        json_object_set_new_nocheck(tables[j->parent], name,
                                    tables[join] == NULL ? json_null() : json_incref(tables[join]));
}

static json_t *row_json(const struct soql_plan *plan, sqlite3_stmt *st, const char *version)
{
    json_t *tables[SOQL_JOINS_MAX];
    int column = 0;
    row_tables(plan, st, version, tables, &column);
    for (size_t i = 0; i < plan->column_count; i++) {
        const struct soql_column *c = &plan->columns[i];
        attach(plan, tables, c->join);
        if (tables[c->join] != NULL)
            json_object_set_new_nocheck(tables[c->join], c->field->name,
                                        column_to_json(c->field, st, column));
        column++;
    }
    for (size_t i = 1; i < plan->join_count; i++)
        json_decref(tables[i]);
    return tables[0];
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
                       size_t limit, const char *version, json_t *out, char last[SFID_SIZE])
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
        json_array_append_new(out, row_json(plan, st, version));
    }
    sdb_done(sim->db, st);
    return true;
}

void query_id_page(struct sim *sim, const struct soql_plan *plan, const struct query_id *ids,
                   size_t count, const char *version, json_t *out)
{
    char tail[48];
    int key = (int)plan->param_count + 1;
    snprintf(tail, sizeof tail, " AND t0.Id = ?%d", key);
    sqlite3_stmt *st = query_prepare(sim, plan, plan->columns_sql.data, tail);
    for (size_t i = 0; st != NULL && i < count; i++) {
        sdb_bind_text(st, key, ids[i].text);
        if (sdb_step(sim->db, st))
            json_array_append_new(out, row_json(plan, st, version));
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
