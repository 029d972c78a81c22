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

/* The page at `offset`, which is on a page boundary that was announced before; false if SQLite
 * finds the query too complicated. */
static bool page_rows(struct sim *sim, struct cursor *c, size_t offset, const char *version,
                      struct query_page *out)
{
    size_t limit = at_most((int64_t)(c->total - offset), c->page_size);
    if (!c->keyset) {
        query_id_page(sim, c->plan, c->ids + offset, limit, version, out);
        return true;
    }
    size_t page = offset / c->page_size;
    char last[SFID_SIZE] = "";
    if (!query_keyset_page(sim, c->plan, page == 0 ? "" : c->ids[page - 1].text, limit, version,
                           out, last))
        return false;
    if (page == c->id_count && last[0] != '\0') {
        c->ids = mem_resize(c->ids, c->id_count + 1, sizeof *c->ids);
        memcpy(c->ids[c->id_count++].text, last, SFID_SIZE);
    }
    return true;
}

static bool is_last(const struct cursor *c, const struct query_page *page, size_t offset)
{
    return offset + c->page_size >= c->total || (c->keyset && page->count < c->page_size);
}

/* As text: a page of 2,000 records would take three times as long by way of a tree. */
static void page_reply(const struct cursor *c, const struct query_page *page, size_t offset,
                       const char *version, struct sim_reply *reply)
{
    bool done = is_last(c, page, offset);
    struct buf text;
    buf_init(&text, QUERY_TEXT_MAX);
    buf_printf(&text, "{\"totalSize\":%zu,\"done\":%s,", c->total, done ? "true" : "false");
    if (!done)
        buf_printf(&text, "\"nextRecordsUrl\":\"/services/data/%s/query/%s-%zu\",", version,
                   c->locator, offset + c->page_size);
    buf_puts(&text, "\"records\":[");
    buf_put(&text, page->text.data, page->text.len);
    buf_puts(&text, "]}");
    sim_reply_take_text(reply, 200, SIM_JSON_TYPE, buf_take(&text));
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
    struct query_page page = {.count = 0};
    buf_init(&page.text, QUERY_TEXT_MAX);
    bool more = false;
    if (cursor_open(sim, c) && page_rows(sim, c, 0, version, &page)) {
        if (c->keyset) /* a full first page is the only case that needs the count */
            c->total = page.count < c->page_size ? page.count : (size_t)query_count(sim, c->plan);
        page_reply(c, &page, 0, version, reply);
        more = !is_last(c, &page, 0);
    } else {
        query_too_complicated(&error);
        fail(reply, &error);
    }
    buf_release(&page.text);
    if (more)
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
    struct query_page page = {.count = 0};
    buf_init(&page.text, QUERY_TEXT_MAX);
    page_rows(sim, c, offset, r->version, &page);
    page_reply(c, &page, offset, r->version, reply);
    buf_release(&page.text);
}

/* All rows of a plan; false if it is too complicated. */
static bool all_rows(struct sim *sim, const struct soql_plan *plan, const char *version,
                     struct query_page *out)
{
    struct query_id *ids = NULL;
    size_t count = 0;
    char last[SFID_SIZE];
    if (query_is_keyset(plan))
        return query_keyset_page(sim, plan, "", at_most(plan->limit, INT32_MAX), version, out,
                                 last);
    if (!query_list_ids(sim, plan, &ids, &count))
        return false;
    query_id_page(sim, plan, ids, count, version, out);
    free(ids);
    return true;
}

json_t *query_rows(struct sim *sim, const char *soql, bool admin, bool with_deleted,
                   const char *version, struct soql_error *error)
{
    struct soql_plan *plan = query_plan(sim, soql, admin, with_deleted, error);
    struct query_page page = {.count = 0};
    json_t *rows = NULL;
    if (plan == NULL)
        return NULL;
    buf_init(&page.text, QUERY_TEXT_MAX);
    buf_putc(&page.text, '[');
    if (all_rows(sim, plan, version, &page)) {
        buf_putc(&page.text, ']');
        rows = json_loadb(page.text.data, page.text.len, 0, NULL);
    } else {
        query_too_complicated(error);
    }
    buf_release(&page.text);
    soql_plan_free(&plan);
    return rows;
}
