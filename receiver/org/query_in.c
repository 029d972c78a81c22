/*
 * Queries by lists of ids. A list is cut where IN and URL have their limits; what does not go into
 * one query goes as several in one Composite, which counts as one API call. Each part is the first
 * page of a walk like any other: its next pages are asked for one by one. A part that was refused
 * ends the walk with the error that it would have been as a request.
 */
#include <stdlib.h>
#include <string.h>

#include "classify_int.h"
#include "json_int.h"
#include "query_int.h"

enum { PARTS_MAX = 5 }; /* queries and collections in one Composite */

/* ------------------------------------------------------------------ cutting the list */

struct part {
    struct buf where;
    struct query query; /* where: of the buffer */
};

struct parts {
    struct org_conn *conn;
    const struct query_in *in;
    size_t at, most; /* the next id; ids of one part */
    struct part part[PARTS_MAX];
    size_t count;
};

static void put_in(struct buf *b, const char *by, const char (*ids)[SFID_SIZE], size_t n)
{
    buf_printf(b, "%s IN (", by);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_putc(b, ',');
        soql_put_text(b, ids[i]);
    }
    buf_putc(b, ')');
}

static void put_where(struct part *part, const struct query_in *q, size_t from, size_t n)
{
    struct buf *b = &part->where;
    buf_clear(b);
    if (q->by[1] != NULL)
        buf_putc(b, '(');
    put_in(b, q->by[0], q->ids + from, n);
    if (q->by[1] != NULL) {
        buf_puts(b, " OR ");
        put_in(b, q->by[1], q->ids + from, n);
        buf_putc(b, ')');
    }
    if (q->also != NULL)
        buf_printf(b, " AND %s", q->also);
    part->query = q->query;
    part->query.where = b->data;
}

/* The keyset condition of a restart must fit too. */
static bool fits(const struct org *o, const struct query *q)
{
    struct buf path;
    query_path(&path, o, q, "000000000000000AAA");
    bool ok = !path.overflow && path.len < QUERY_PATH_MAX;
    buf_release(&path);
    return ok;
}

/* The next ids, as many as fit. */
static void cut(struct parts *p)
{
    struct part *part = &p->part[p->count++];
    size_t left = p->in->n - p->at, n = left < p->most ? left : p->most;
    put_where(part, p->in, p->at, n);
    while (n > 1 && !fits(p->conn->org, &part->query)) {
        n = n / 2;
        p->most = n;
        put_where(part, p->in, p->at, n);
    }
    p->at += n;
}

/* ------------------------------------------------------------------ several in one call */

/* NULL when it can't be written as JSON. Caller: free. */
static char *composite_body(const struct parts *p)
{
    json_t *list = json_array();
    bool ok = true;
    for (size_t i = 0; ok && i < p->count; i++) {
        char reference[CALL_REFERENCE_SIZE];
        struct buf path;
        call_reference(reference, i);
        query_path(&path, p->conn->org, &p->part[i].query, "");
        ok = !path.overflow &&
             json_array_append_new(list, json_pack("{s:s,s:s,s:s}", "method", "GET", "url",
                                                   path.data, "referenceId", reference)) == 0;
        buf_release(&path);
    }
    if (!ok) {
        json_decref(list);
        return NULL;
    }
    return call_composite(list);
}

static enum err bad_answer(const struct call *call, struct error *e)
{
    return error_set(e, ERR_NETWORK,
                     "%s: the org's answer can't be understood: not one result for each part",
                     call->operation);
}

/* The body of the i-th part; an error when it is none, or a refusal. */
static enum err part_of(const struct parts *p, const struct call *call, json_t *root, size_t i,
                        json_t **body, struct error *e)
{
    json_t *list = json_object_get(root, "compositeResponse"), *one = json_array_get(list, i);
    json_t *status = json_object_get(one, "httpStatusCode");
    const char *reference = json_text(one, "referenceId");
    char wanted[CALL_REFERENCE_SIZE];
    call_reference(wanted, i);
    if (json_array_size(list) != p->count || !json_is_integer(status) || reference == NULL ||
        strcmp(reference, wanted) != 0)
        return bad_answer(call, e);
    *body = json_object_get(one, "body");
    long code = (long)json_integer_value(status);
    if (code == 200)
        return *body == NULL ? bad_answer(call, e) : ERR_NONE;
    struct answer refusal = {0};
    bool daily_limit;
    enum err err = classify_part(call, code, *body, &refusal, &daily_limit, e);
    if (err == ERR_LIMIT)
        org_note_limit_kind(p->conn->org, daily_limit);
    return err;
}

static enum err walk_one_by_one(const struct parts *p, query_page_fn *page, void *ctx,
                                struct error *e)
{
    enum err err = ERR_NONE;
    for (size_t i = 0; err == ERR_NONE && i < p->count; i++)
        err = query_walk(p->conn, &p->part[i].query, page, ctx, e);
    return err;
}

/* The whole or its first part was refused, so nothing was handed on yet: its own request tells
 * whether it is the query, or only queries inside a Composite. */
static bool may_be_the_way(enum err err)
{
    return err == ERR_INVALID || err == ERR_NOT_FOUND || err == ERR_CONFIG ||
           err == ERR_UNSUPPORTED;
}

static enum err walk_parts(const struct parts *p, query_page_fn *page, void *ctx, struct error *e)
{
    struct buf path;
    struct answer a;
    char *body = composite_body(p);
    if (body == NULL)
        return error_set(e, ERR_CONFIG,
                         "query %s: the names of its fields are too long for one request: name "
                         "fewer fields in the rules",
                         p->in->query.from);
    call_path(&path, p->conn->org, "/composite");
    struct call call = {.operation = p->in->query.with_deleted ? "query_all" : "query",
                        .path = path.data,
                        .body = body};
    enum err err = org_call(p->conn, &call, &a, e);
    bool alone = may_be_the_way(err);
    for (size_t i = 0; err == ERR_NONE && i < p->count; i++) {
        json_t *first = NULL;
        err = part_of(p, &call, a.root, i, &first, e);
        alone = i == 0 && may_be_the_way(err);
        if (err == ERR_NONE)
            err = query_walk_on(p->conn, &p->part[i].query, first, page, ctx, e);
    }
    answer_release(&a);
    buf_release(&path);
    free(body);
    return alone ? walk_one_by_one(p, page, ctx, e) : err;
}

enum err query_walk_in(struct org_conn *c, const struct query_in *in, query_page_fn *page,
                       void *ctx, struct error *e)
{
    struct parts p = {.conn = c, .in = in, .most = in->by[1] == NULL ? ORG_IN_MAX : ORG_IN_MAX / 2};
    enum err err = ERR_NONE;
    for (size_t i = 0; i < PARTS_MAX; i++)
        buf_init(&p.part[i].where, SELECT_MAX_BYTES);
    while (err == ERR_NONE && p.at < in->n) {
        p.count = 0;
        while (p.count < PARTS_MAX && p.at < in->n)
            cut(&p);
        err = p.count == 1 ? query_walk(c, &p.part[0].query, page, ctx, e)
                           : walk_parts(&p, page, ctx, e);
    }
    for (size_t i = 0; i < PARTS_MAX; i++)
        buf_release(&p.part[i].where);
    return err;
}
