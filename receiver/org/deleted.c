/*
 * What is gone, and who says so. A record that can't be seen may be hidden rather than deleted, so
 * the org is asked: IsDeleted through queryAll, else getDeleted, which knows the last 15 days.
 */
#include "org_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ids_int.h"
#include "json_int.h"
#include "mem.h"
#include "query_int.h"
#include "timeutil.h"

#define MINUTE_MS ((int64_t)60 * 1000)
#define BACK_MS   (15 * 24 * 60 * MINUTE_MS - 10 * MINUTE_MS) /* a little less than 15 days */

/* ------------------------------------------------------------------ getDeleted */

struct window {
    const char *object;
    int64_t from_at_ms, to_at_ms;
    org_id_fn *each;
    void *ctx;
    int64_t covered_at_ms; /* out */
    bool too_many;         /* out: to be asked in smaller windows */
};

/* 2026-01-15T09:30:00+00:00, encoded */
static void put_instant(struct buf *b, int64_t at_ms)
{
    char text[TIME_TEXT_MAX], out[TIME_TEXT_MAX];
    (void)snprintf(out, sizeof out, "%.19s+00:00", time_format_datetime(at_ms, text));
    buf_put_url(b, out);
}

static enum err read_window(struct window *w, json_t *root, struct error *e)
{
    struct record r = {.object = json_is_object(root) ? root : NULL, .name = "getDeleted", .e = e};
    json_t *rows = json_object_get(root, "deletedRecords");
    enum err err = ERR_NONE;
    int64_t day;

    record_when(&r, "latestDateCovered", &day, &w->covered_at_ms);
    if (r.err != ERR_NONE)
        return r.err;
    if (!json_is_array(rows) || w->covered_at_ms == TIME_NONE)
        return error_set(e, ERR_NETWORK,
                         "getDeleted %s: the org's answer can't be understood: deletedRecords or "
                         "latestDateCovered is missing",
                         w->object);
    for (size_t i = 0; err == ERR_NONE && i < json_array_size(rows); i++) {
        struct record row = {.object = json_array_get(rows, i), .name = w->object, .e = e};
        char id[SFID_SIZE];
        record_id(&row, "id", id);
        if (row.err == ERR_NONE && id[0] != '\0')
            err = w->each(w->ctx, id, e);
        else
            err = row.err;
    }
    return err;
}

static enum err ask_window(struct org_conn *c, struct window *w, struct error *e)
{
    struct buf rest, path;
    struct answer a;
    /* the org ignores seconds, and refuses an empty window */
    int64_t from =
        w->to_at_ms - w->from_at_ms < MINUTE_MS ? w->to_at_ms - MINUTE_MS : w->from_at_ms;
    buf_init(&rest, HTTP_URL_MAX);
    buf_printf(&rest, "/sobjects/%s/deleted/?start=", w->object);
    put_instant(&rest, from);
    buf_puts(&rest, "&end=");
    put_instant(&rest, w->to_at_ms);
    call_path(&path, c->org, rest.data);
    enum err err = org_call(c, &(struct call){.operation = "deleted", .path = path.data}, &a, e);
    w->too_many = err != ERR_NONE && strcmp(a.code, "EXCEEDED_ID_LIMIT") == 0;
    if (err == ERR_NONE)
        err = read_window(w, a.root, e);
    answer_release(&a);
    buf_release(&path);
    buf_release(&rest);
    return err;
}

enum err org_read_deleted(struct org_conn *c, const char *object, int64_t from_at_ms,
                          int64_t to_at_ms, org_id_fn *each, void *ctx, int64_t *covered_at_ms,
                          struct error *e)
{
    int64_t oldest = time_wall_ms() - BACK_MS;
    int64_t at = from_at_ms > oldest ? from_at_ms : oldest;
    if (to_at_ms < at)
        to_at_ms = at;
    int64_t step = to_at_ms - at;
    for (;;) {
        int64_t to = to_at_ms - at > step ? at + step : to_at_ms;
        struct window w = {
            .object = object, .from_at_ms = at, .to_at_ms = to, .each = each, .ctx = ctx};
        enum err err = ask_window(c, &w, e);
        if (w.too_many && step > 2 * MINUTE_MS) {
            step /= 2;
            continue;
        }
        if (err != ERR_NONE)
            return err;
        int64_t next = w.covered_at_ms < to ? w.covered_at_ms : to;
        bool is_last = to == to_at_ms || next <= at;
        at = next > at ? next : at;
        if (is_last)
            break;
    }
    *covered_at_ms = at;
    return ERR_NONE;
}

/* ------------------------------------------------------------------ the recycle bin */

struct bin_walk {
    const char *object;
    org_id_fn *each;
    void *ctx;
};

static enum err on_binned(void *ctx, json_t *records, struct error *e)
{
    struct bin_walk *w = ctx;
    enum err err = ERR_NONE;
    for (size_t i = 0; err == ERR_NONE && i < json_array_size(records); i++) {
        struct record r = {.object = json_array_get(records, i), .name = w->object, .e = e};
        char id[SFID_SIZE];
        record_id(&r, "Id", id);
        err = r.err == ERR_NONE ? w->each(w->ctx, id, e) : r.err;
    }
    return err;
}

enum err org_read_bin(struct org_conn *c, const char *object, int64_t since_at_ms, org_id_fn *each,
                      void *ctx, struct error *e)
{
    struct bin_walk w = {.object = object, .each = each, .ctx = ctx};
    struct select select;
    char since[TIME_TEXT_MAX], where[128];
    (void)snprintf(where, sizeof where, "IsDeleted = true AND SystemModstamp >= %s",
                   time_format_datetime(since_at_ms, since));
    select_init(&select);
    struct query q = {.select = &select, .from = object, .where = where, .with_deleted = true};
    enum err err = query_walk(c, &q, on_binned, &w, e);
    select_release(&select);
    return err;
}

/* ------------------------------------------------------------------ confirmation */

struct confirmation {
    struct id_index asked;
    bool *confirmed, *shown; /* one an id */
    size_t shown_count;
    const char *object;
};

static void note(struct confirmation *x, const char *id, bool is_deleted, bool is_shown)
{
    const struct id_place *p = NULL;
    while ((p = id_index_find(&x->asked, id, p)) != NULL) {
        if (x->shown[p->at])
            continue; /* queryAll has the last word: it may have been restored */
        x->shown[p->at] = is_shown;
        x->shown_count += is_shown;
        x->confirmed[p->at] = is_deleted;
    }
}

static enum err on_shown(void *ctx, json_t *records, struct error *e)
{
    struct confirmation *x = ctx;
    for (size_t i = 0; i < json_array_size(records); i++) {
        struct record r = {.object = json_array_get(records, i), .name = x->object, .e = e};
        char id[SFID_SIZE];
        record_id(&r, "Id", id);
        bool is_deleted = record_bool(&r, "IsDeleted");
        if (r.err != ERR_NONE)
            return r.err;
        note(x, id, is_deleted, true);
    }
    return ERR_NONE;
}

static enum err on_deleted(void *ctx, const char *id, struct error *e)
{
    (void)e;
    note(ctx, id, true, false);
    return ERR_NONE;
}

enum err org_confirm_deleted(struct org_conn *c, const char *object, const char (*ids)[SFID_SIZE],
                             size_t n, bool *confirmed, struct error *e)
{
    struct confirmation x = {.confirmed = confirmed, .object = object};
    struct select select;
    id_index_init(&x.asked, ids, n);
    x.shown = mem_array(n, sizeof *x.shown);
    for (size_t i = 0; i < n; i++)
        confirmed[i] = false;
    select_init(&select);
    select_add(&select, "IsDeleted");
    struct query_in in = {
        .query = {.select = &select, .from = object, .with_deleted = true},
        .by = {"Id"},
        .ids = ids,
        .n = n,
    };
    enum err err = query_walk_in(c, &in, on_shown, &x, e);
    if (err == ERR_NONE && x.shown_count < n) {
        int64_t now = time_wall_ms(), covered;
        err = org_read_deleted(c, object, now - BACK_MS, now, on_deleted, &x, &covered, e);
    }
    select_release(&select);
    id_index_release(&x.asked);
    free(x.shown);
    return err;
}
