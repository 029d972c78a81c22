/*
 * The first page of a keyset result is read with an empty key; the count is asked for only when
 * there is a second page. A cursor remembers the last id of each page it gave.
 */
#include "query_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db.h"
#include "ids.h"
#include "mem.h"

enum { CURSORS_MAX = 500 };
static const int64_t CURSOR_LIFE_MS = 2 * 86400000LL;

struct cursor {
    char locator[SFID_SIZE];
    struct soql_plan *plan;
    size_t page_size, total;
    bool keyset;
    struct query_id *ids; /* keyset: last id of each page given; else: the whole result */
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
        query_id_page(sim, c->plan, c->ids + offset, limit, version, rows);
        return rows;
    }
    size_t page = offset / c->page_size;
    char last[SFID_SIZE] = "";
    if (!query_keyset_page(sim, c->plan, page == 0 ? "" : c->ids[page - 1].text, limit, version,
                           rows, last)) {
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

/* Fills the cursor's list and total; false if the query is too complicated. */
static bool cursor_open(struct sim *sim, struct cursor *c)
{
    struct soql_plan *plan = c->plan;
    c->keyset = query_is_keyset(plan);
    if (!c->keyset) {
        bool ok = query_list_ids(sim, plan, &c->ids, &c->id_count);
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
        query_too_complicated(&error);
        fail(reply, &error);
        cursor_free(c);
        return;
    }
    size_t n = json_array_size(rows);
    if (c->keyset) /* a full first page is the only case that needs the count */
        c->total = n < c->page_size ? n : (size_t)query_count(sim, c->plan);
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
        query_plan(sim, soql, false, strcmp(r->operation, "query_all") == 0, &error);
    if (plan == NULL) {
        fail(reply, &error);
        return;
    }
    if (plan->count) {
        sim_reply_json(reply, 200,
                       json_pack("{s:I, s:b, s:[]}", "totalSize",
                                 (json_int_t)query_count(sim, plan), "done", 1, "records"));
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
    struct soql_plan *plan = query_plan(sim, soql, admin, with_deleted, error);
    struct query_id *ids = NULL;
    size_t count = 0;
    json_t *rows = NULL;
    if (plan == NULL)
        return NULL;
    if (query_is_keyset(plan)) {
        char last[SFID_SIZE];
        rows = json_array();
        if (!query_keyset_page(sim, plan, "", at_most(plan->limit, INT32_MAX), version, rows,
                               last)) {
            json_decref(rows);
            rows = NULL;
        }
    } else if (query_list_ids(sim, plan, &ids, &count)) {
        rows = json_array();
        query_id_page(sim, plan, ids, count, version, rows);
    }
    if (rows == NULL)
        query_too_complicated(error);
    free(ids);
    soql_plan_free(&plan);
    return rows;
}
