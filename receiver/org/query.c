/*
 * Queries. A walk is complete when the org says done and has sent as many records as it announced;
 * anything less is an error, since absence is what deletions are made of. Cursors die (2 days, or
 * the org's mood): the walk then goes on with Id > 'last', which ORDER BY Id from the start makes
 * right. Of many records only the first page is asked for: it tells how many there are, and then
 * they come as a bulk job (bulk_read.c), unless the org does not have that.
 */
#include "query_int.h"

#include <string.h>
#include <strings.h>

#include "bulk_int.h"
#include "json_int.h"
#include "log.h"

/* ------------------------------------------------------------------ building */

void select_init(struct select *s)
{
    buf_init(&s->text, SELECT_MAX_BYTES);
    buf_puts(&s->text, "Id");
}

static bool has_field(const char *list, const char *field)
{
    size_t n = strlen(field);
    while (*list != '\0') {
        size_t len = strcspn(list, ",");
        if (len == n && strncasecmp(list, field, n) == 0)
            return true;
        list += len + (list[len] == ',');
    }
    return false;
}

void select_add(struct select *s, const char *field)
{
    if (has_field(s->text.data, field))
        return;
    buf_putc(&s->text, ',');
    buf_puts(&s->text, field);
}

void select_release(struct select *s)
{
    buf_release(&s->text);
}

void soql_put_text(struct buf *b, const char *text)
{
    buf_putc(b, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\')
            buf_putc(b, '\\');
        buf_putc(b, *text);
    }
    buf_putc(b, '\'');
}

void query_path(struct buf *path, const struct org *o, const struct query *q, const char *after)
{
    struct buf soql;
    buf_init(&soql, SELECT_MAX_BYTES);
    buf_printf(&soql, "SELECT %s FROM %s", q->select->text.data, q->from);
    if (q->where != NULL)
        buf_printf(&soql, " WHERE %s", q->where);
    if (after[0] != '\0')
        buf_printf(&soql, " %s Id > '%s'", q->where == NULL ? "WHERE" : "AND", after);
    buf_puts(&soql, " ORDER BY Id");
    if (q->limit > 0)
        buf_printf(&soql, " LIMIT %u", q->limit);
    call_path(path, o, q->with_deleted ? "/queryAll?q=" : "/query?q=");
    buf_put_url(path, soql.data);
    path->overflow = path->overflow || soql.overflow;
    buf_release(&soql);
}

/* ------------------------------------------------------------------ one page */

struct page {
    json_t *records; /* borrowed from the answer */
    json_int_t total;
    bool done;
    const char *next; /* path of the next page; NULL when done */
};

static enum err bad_page(const struct query *q, const char *what, struct error *e)
{
    return error_set(e, ERR_NETWORK, "query %s: the org's answer can't be understood: %s", q->from,
                     what);
}

/* A path of the REST API and nothing that could lead elsewhere. */
static bool is_next_path(const char *path)
{
    static const char prefix[] = "/services/data/";
    if (path == NULL || strncmp(path, prefix, sizeof prefix - 1) != 0)
        return false;
    for (const char *p = path; *p != '\0'; p++) {
        if (*p <= ' ' || *p > '~' || *p == '#' || *p == '\\')
            return false;
    }
    return strstr(path, "..") == NULL && strlen(path) < QUERY_PATH_MAX;
}

static enum err read_page(const struct query *q, json_t *root, struct page *out, struct error *e)
{
    json_t *done = json_object_get(root, "done"), *total = json_object_get(root, "totalSize");
    *out = (struct page){.records = json_object_get(root, "records")};
    if (!json_is_array(out->records) || !json_is_boolean(done) || !json_is_integer(total))
        return bad_page(q, "records, done or totalSize is missing", e);
    out->total = json_integer_value(total);
    out->done = json_is_true(done);
    for (size_t i = 0; i < json_array_size(out->records); i++) {
        if (!json_is_object(json_array_get(out->records, i)))
            return bad_page(q, "a record is no object", e);
    }
    if (out->done)
        return ERR_NONE;
    out->next = json_text(root, "nextRecordsUrl");
    if (!is_next_path(out->next))
        return bad_page(q, "nextRecordsUrl is missing or not a path of the API", e);
    if (json_array_size(out->records) == 0)
        return bad_page(q, "an empty page that is not the last", e);
    return ERR_NONE;
}

/* ------------------------------------------------------------------ the walk */

struct walk {
    struct org_conn *conn;
    const struct query *query;
    query_page_fn *page;
    void *ctx;
    char last[SFID_SIZE];          /* "" until a record was read */
    json_int_t since_start, total; /* of the cursor at hand */
    struct buf path;
    bool is_first, is_done, by_pages; /* by_pages: not in bulk, however many there are */
};

static enum err take_page(struct walk *w, json_t *root, struct error *e)
{
    struct page page;
    enum err err = read_page(w->query, root, &page, e);
    if (err != ERR_NONE)
        return err;
    size_t n = json_array_size(page.records);
    if (w->is_first)
        w->total = page.total;
    w->since_start += (json_int_t)n;
    if (page.done && w->since_start < w->total)
        return bad_page(w->query, "fewer records came than it announced", e);
    if (n > 0) {
        char last[SFID_SIZE];
        struct record r = {
            .object = json_array_get(page.records, n - 1), .name = w->query->from, .e = e};
        record_id(&r, "Id", last);
        if (r.err == ERR_NONE && last[0] == '\0')
            return bad_page(w->query, "a record has no Id", e);
        err = r.err == ERR_NONE ? w->page(w->ctx, page.records, e) : r.err;
        if (err != ERR_NONE)
            return err;
        memcpy(w->last, last, sizeof last);
    }
    w->is_first = false;
    w->is_done = page.done;
    buf_clear(&w->path);
    if (!page.done)
        buf_puts(&w->path, page.next);
    return ERR_NONE;
}

static void start(struct walk *w)
{
    buf_release(&w->path);
    query_path(&w->path, w->conn->org, w->query, w->last);
    w->since_start = 0;
    w->is_first = true;
}

/* The first page tells how many there are. A walk that went on after a
 * dead cursor stays by pages. */
static bool is_for_bulk(const struct walk *w, json_t *root)
{
    json_t *total = json_object_get(root, "totalSize");
    return w->query->bulk != NULL && !w->by_pages && w->is_first && w->last[0] == '\0' &&
           json_is_integer(total) && org_read_way(0, json_integer_value(total)) == ORG_WAY_BULK;
}

/* Gives up the page at hand; where bulk is not to be had, the walk begins once more, by pages. */
static enum err go_in_bulk(struct walk *w, struct answer *a, struct error *e)
{
    bool other_way;
    answer_release(a);
    enum err err = bulk_walk(w->conn, w->query, w->page, w->ctx, &other_way, e);
    w->is_done = err == ERR_NONE;
    if (!other_way)
        return err;
    log_info("reading by pages, since a bulk query did not work", "org", w->conn->org->config->id,
             "object", w->query->from, "why", e == NULL ? "" : e->text, NULL);
    w->by_pages = true;
    start(w);
    return ERR_NONE;
}

static bool is_dead_locator(const struct answer *a)
{
    static const char *const codes[] = {
        "INVALID_QUERY_LOCATOR",        "QUERY_LOCATOR_EXPIRED",
        "QUERY_LOCATOR_NOT_FOUND",      "NOT_FOUND",
        "TEMPORARY_QUERY_MORE_FAILURE",
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (strcmp(a->code, codes[i]) == 0)
            return true;
    }
    return false;
}

static enum err step(struct walk *w, struct error *e)
{
    struct answer a;
    const char *first = w->query->with_deleted ? "query_all" : "query";
    struct call call = {
        .operation = w->is_first ? first : "query_more",
        .path = w->path.data,
        .pages_of_2000 = true,
    };
    bool is_first = w->is_first;
    enum err err = org_call(w->conn, &call, &a, e);
    if (err == ERR_NONE && is_for_bulk(w, a.root))
        err = go_in_bulk(w, &a, e);
    else if (err == ERR_NONE)
        err = take_page(w, a.root, e);
    else if (!is_first && is_dead_locator(&a)) {
        start(w); /* each cursor gave a record before it died, so this ends */
        err = ERR_NONE;
    }
    answer_release(&a);
    return err;
}

enum err query_walk_on(struct org_conn *c, const struct query *q, json_t *first,
                       query_page_fn *page, void *ctx, struct error *e)
{
    struct walk w = {.conn = c, .query = q, .page = page, .ctx = ctx};
    buf_init(&w.path, 0);
    start(&w);
    enum err err = ERR_NONE;
    if (first != NULL)
        err = take_page(&w, first, e);
    else if (w.path.overflow)
        err = error_set(e, ERR_CONFIG,
                        "query %s: the names of its fields are too long for one request: name "
                        "fewer fields in the rules",
                        q->from);
    while (err == ERR_NONE && !w.is_done)
        err = step(&w, e);
    buf_release(&w.path);
    return err;
}

enum err query_walk(struct org_conn *c, const struct query *q, query_page_fn *page, void *ctx,
                    struct error *e)
{
    return query_walk_on(c, q, NULL, page, ctx, e);
}

enum err query_first_page(struct org_conn *c, const struct query *q, const char *tail,
                          query_page_fn *page, void *ctx, struct error *e)
{
    struct buf soql, path;
    struct page first;
    struct answer a;
    buf_init(&soql, SELECT_MAX_BYTES);
    buf_printf(&soql, "SELECT %s FROM %s WHERE %s %s", q->select->text.data, q->from, q->where,
               tail);
    call_path(&path, c->org, "/query?q=");
    buf_put_url(&path, soql.data);
    struct call call = {.operation = "query", .path = path.data, .pages_of_2000 = true};
    enum err err = org_call(c, &call, &a, e);
    if (err == ERR_NONE)
        err = read_page(q, a.root, &first, e);
    if (err == ERR_NONE && json_array_size(first.records) > 0)
        err = page(ctx, first.records, e);
    answer_release(&a);
    buf_release(&path);
    buf_release(&soql);
    return err;
}
