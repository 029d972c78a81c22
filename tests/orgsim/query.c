/*
 * The first page of a keyset result is read with an empty key; the count is asked for only when
 * there is a second page. A cursor remembers the last id of each page it gave.
 */
#include "query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db.h"
#include "ids.h"
#include "mem.h"

enum { CURSORS_MAX = 500 };
static const int64_t CURSOR_LIFE_MS = 2 * 86400000LL;

struct id {
    char text[SFID_SIZE];
};

struct cursor {
    char locator[SFID_SIZE];
    struct soql_plan *plan;
    size_t page_size, total;
    bool keyset;
    struct id *ids; /* keyset: last id of each page given; else: the whole result */
    size_t id_count;
    int64_t expires_at_ms;
};

struct cursors {
    struct cursor *list[CURSORS_MAX]; /* oldest first */
    size_t count;
    uint64_t last;
};

struct cursors *cursors_new(void)
{
    return mem_alloc(sizeof(struct cursors));
}

static void cursor_free(struct cursor *c)
{
    soql_plan_free(&c->plan);
    free(c->ids);
    free(c);
}

void cursors_free(struct cursors **c)
{
    if (*c == NULL)
        return;
    for (size_t i = 0; i < (*c)->count; i++)
        cursor_free((*c)->list[i]);
    free(*c);
    *c = NULL;
}

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

static sqlite3_stmt *prepare(struct sim *sim, const struct soql_plan *plan, const char *columns,
                             const char *tail)
{
    return prepare_from(sim, plan, columns, plan->from_sql.data, tail);
}

static int64_t count_rows(struct sim *sim, const struct soql_plan *plan)
{
    sqlite3_stmt *st = prepare_from(sim, plan, "count(*)", plan->count_sql.data, "");
    int64_t n = st != NULL && sdb_step(sim->db, st) ? sqlite3_column_int64(st, 0) : 0;
    if (st != NULL)
        sdb_done(sim->db, st);
    int64_t after = n > plan->offset ? n - plan->offset : 0;
    return plan->limit >= 0 && plan->limit < after ? plan->limit : after;
}

/* Up to `limit` rows behind a key; false if SQLite finds the query too complicated. */
static bool keyset_page(struct sim *sim, const struct soql_plan *plan, const char *after,
                        size_t limit, const char *version, json_t *out, char last[SFID_SIZE])
{
    char tail[96];
    int key = (int)plan->param_count + 1;
    snprintf(tail, sizeof tail, " AND t0.Id > ?%d ORDER BY t0.Id LIMIT ?%d", key, key + 1);
    sqlite3_stmt *st = prepare(sim, plan, plan->columns_sql.data, tail);
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

static void id_page(struct sim *sim, const struct soql_plan *plan, const struct id *ids,
                    size_t count, const char *version, json_t *out)
{
    char tail[48];
    int key = (int)plan->param_count + 1;
    snprintf(tail, sizeof tail, " AND t0.Id = ?%d", key);
    sqlite3_stmt *st = prepare(sim, plan, plan->columns_sql.data, tail);
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
static bool list_ids(struct sim *sim, const struct soql_plan *plan, struct id **ids, size_t *count)
{
    char *tail = mem_printf("%s LIMIT %lld OFFSET %lld",
                            plan->order_sql.len > 0 ? plan->order_sql.data : " ORDER BY t0.Id",
                            (long long)plan->limit, (long long)plan->offset);
    sqlite3_stmt *st = prepare(sim, plan, "t0.Id", tail);
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

/* ------------------------------------------------------------------ pages */

static size_t at_most(int64_t n, size_t most)
{
    return n >= 0 && (uint64_t)n < most ? (size_t)n : most;
}

/* The page at `offset`, which is on a page boundary that was announced before; NULL if SQLite finds
 * the query too complicated. */
static json_t *page_rows(struct sim *sim, struct cursor *c, size_t offset, const char *version)
{
    json_t *rows = json_array();
    size_t limit = at_most((int64_t)(c->total - offset), c->page_size);
    if (!c->keyset) {
        id_page(sim, c->plan, c->ids + offset, limit, version, rows);
        return rows;
    }
    size_t page = offset / c->page_size;
    char last[SFID_SIZE] = "";
    if (!keyset_page(sim, c->plan, page == 0 ? "" : c->ids[page - 1].text, limit, version, rows,
                     last)) {
        json_decref(rows);
        return NULL;
    }
    if (page == c->id_count && last[0] != '\0') {
        c->ids = mem_resize(c->ids, c->id_count + 1, sizeof *c->ids);
        memcpy(c->ids[c->id_count++].text, last, SFID_SIZE);
    }
    return rows;
}

/* Takes rows. */
static void page_reply(const struct cursor *c, json_t *rows, size_t offset, const char *version,
                       struct sim_reply *reply)
{
    size_t next = offset + c->page_size;
    bool done = next >= c->total || (c->keyset && json_array_size(rows) < c->page_size);
    json_t *json = json_pack("{s:I, s:b}", "totalSize", (json_int_t)c->total, "done", done);
    if (!done) {
        char url[96];
        snprintf(url, sizeof url, "/services/data/%s/query/%s-%zu", version, c->locator, next);
        json_object_set_new(json, "nextRecordsUrl", json_string(url));
    }
    json_object_set_new(json, "records", rows);
    sim_reply_json(reply, 200, json);
}

static void cursor_keep(struct sim *sim, struct cursor *c)
{
    struct cursors *all = sim->cursors;
    if (all->count == CURSORS_MAX) {
        cursor_free(all->list[0]);
        memmove(all->list, all->list + 1, sizeof all->list[0] * --all->count);
    }
    all->list[all->count++] = c;
}

static size_t page_size_of(const struct sim_request *r)
{
    const char *at = r->query_options == NULL ? NULL : strstr(r->query_options, "batchSize=");
    long n = at == NULL ? QUERY_PAGE_MAX : strtol(at + strlen("batchSize="), NULL, 10);
    return n < QUERY_PAGE_MIN ? QUERY_PAGE_MIN : n > QUERY_PAGE_MAX ? QUERY_PAGE_MAX : (size_t)n;
}

static void fail(struct sim_reply *reply, const struct soql_error *e)
{
    sim_reply_error(reply, 400, e->code, "%s", e->message);
}

static struct soql_plan *plan_of(struct sim *sim, const char *soql, bool admin, bool with_deleted,
                                 struct soql_error *error)
{
    struct soql_query *q = soql_parse(soql, error);
    if (q == NULL)
        return NULL;
    struct soql_plan *plan = soql_plan(q, admin ? NULL : &sim->access, with_deleted, error);
    soql_query_free(&q);
    return plan;
}

static void too_complicated(struct soql_error *error)
{
    *error = (struct soql_error){"QUERY_TOO_COMPLICATED", "Query is either selecting too many "
                                                          "fields or the filter conditions are "
                                                          "too complicated."};
}

/* Fills the cursor's list and total; false if the query is too complicated. */
static bool cursor_open(struct sim *sim, struct cursor *c)
{
    struct soql_plan *plan = c->plan;
    c->keyset = plan->order_sql.len == 0 && plan->offset == 0;
    if (!c->keyset) {
        bool ok = list_ids(sim, plan, &c->ids, &c->id_count);
        c->total = c->id_count;
        return ok;
    }
    c->total = at_most(plan->limit, SIZE_MAX);
    return true;
}

/* Takes the cursor: it is kept if there is a second page. */
static void run(struct sim *sim, struct cursor *c, const char *version, struct sim_reply *reply)
{
    struct soql_error error;
    json_t *rows = cursor_open(sim, c) ? page_rows(sim, c, 0, version) : NULL;
    if (rows == NULL) {
        too_complicated(&error);
        fail(reply, &error);
        cursor_free(c);
        return;
    }
    size_t n = json_array_size(rows);
    if (c->keyset) /* a full first page is the only case that needs the count */
        c->total = n < c->page_size ? n : (size_t)count_rows(sim, c->plan);
    page_reply(c, rows, 0, version, reply);
    if (json_object_get(reply->json, "nextRecordsUrl") != NULL)
        cursor_keep(sim, c);
    else
        cursor_free(c);
}

void query_start(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    const char *soql = sim_request_param(r, "q");
    struct soql_error error;
    if (soql == NULL || *soql == '\0') {
        sim_reply_error(reply, 400, "MALFORMED_QUERY", "A query string has to be specified");
        return;
    }
    struct soql_plan *plan =
        plan_of(sim, soql, false, strcmp(r->operation, "query_all") == 0, &error);
    if (plan == NULL) {
        fail(reply, &error);
        return;
    }
    if (plan->count) {
        sim_reply_json(reply, 200,
                       json_pack("{s:I, s:b, s:[]}", "totalSize", (json_int_t)count_rows(sim, plan),
                                 "done", 1, "records"));
        soql_plan_free(&plan);
        return;
    }
    struct cursor *c = mem_alloc(sizeof *c);
    c->plan = plan;
    c->page_size = page_size_of(r);
    c->expires_at_ms = sim_clock_ms(&sim->clock) + CURSOR_LIFE_MS;
    sim_id_make("01g", ++sim->cursors->last, c->locator);
    run(sim, c, r->version, reply);
}

static struct cursor *find(struct cursors *all, const char *locator, size_t n)
{
    for (size_t i = 0; i < all->count; i++) {
        if (strlen(all->list[i]->locator) == n && strncmp(all->list[i]->locator, locator, n) == 0)
            return all->list[i];
    }
    return NULL;
}

void query_more(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    const char *locator = r->args[1];
    const char *dash = strchr(locator, '-');
    char *end = NULL;
    struct cursor *c = dash == NULL ? NULL : find(sim->cursors, locator, (size_t)(dash - locator));
    size_t offset = dash == NULL ? 0 : (size_t)strtoul(dash + 1, &end, 10);
    if (c == NULL || end == dash + 1 || *end != '\0' || offset >= c->total ||
        (c->keyset && (offset % c->page_size != 0 || offset / c->page_size > c->id_count))) {
        sim_reply_error(reply, 400, "INVALID_QUERY_LOCATOR", "invalid query locator");
        return;
    }
    if (c->expires_at_ms <= sim_clock_ms(&sim->clock)) {
        sim_reply_error(reply, 400, "QUERY_LOCATOR_EXPIRED", "query locator expired");
        return;
    }
    page_reply(c, page_rows(sim, c, offset, r->version), offset, r->version, reply);
}

json_t *query_rows(struct sim *sim, const char *soql, bool admin, bool with_deleted,
                   const char *version, struct soql_error *error)
{
    struct soql_plan *plan = plan_of(sim, soql, admin, with_deleted, error);
    struct id *ids = NULL;
    size_t count = 0;
    json_t *rows = NULL;
    if (plan == NULL)
        return NULL;
    if (plan->order_sql.len == 0 && plan->offset == 0) {
        char last[SFID_SIZE];
        rows = json_array();
        if (!keyset_page(sim, plan, "", at_most(plan->limit, INT32_MAX), version, rows, last)) {
            json_decref(rows);
            rows = NULL;
        }
    } else if (list_ids(sim, plan, &ids, &count)) {
        rows = json_array();
        id_page(sim, plan, ids, count, version, rows);
    }
    if (rows == NULL)
        too_complicated(error);
    free(ids);
    soql_plan_free(&plan);
    return rows;
}
