/*
 * Writing: up to 1,000 rows a call, as a Composite of at most five sObject Collections of 200, none
 * of them all-or-nothing. Every subresponse and every row's own result is looked at. An answer that
 * does not have exactly one understood result a row tells nothing: the outcome is unknown.
 *
 * Errors about the org as a whole (permission, object, budget) become the call's error where no row
 * was written; beside rows that were, their rows are retried, and the next call tells.
 */
#include "org_int.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "classify_int.h"
#include "json_int.h"
#include "mem.h"
#include "timeutil.h"
#include "touchpoints_int.h"

enum { SUBREQUEST_URL_MAX = 8192 };

struct write {
    struct org_conn *conn;
    enum write_kind kind;
    const char *operation;
    const char *object;
    const struct touchpoint *rows;     /* upsert */
    const char (*ids)[SFID_SIZE];      /* delete */
    const struct org_status *statuses; /* update, or … */
    const struct org_date *dates;      /* … update, or */
    struct org_date_was *was;          /* dates: what the first part of the call reads */
    int64_t at_ms;                     /* update */
    bool is_extra;                     /* a permission that is missing for it stops no work */
    size_t n;
    struct org_row_result *results;
    struct verdict *verdicts; /* one a row */
};

/* ------------------------------------------------------------------ the request */

static json_t *value_or_null(const char *text)
{
    return text == NULL || text[0] == '\0' ? json_null() : json_string(text);
}

/* NULL when a text is not UTF-8. */
static json_t *upsert_record(const struct write *w, const struct touchpoint *t)
{
    json_t *record = json_pack("{s:{s:s}}", "attributes", "type", w->object);
    for (size_t v = 0; record != NULL && v < TV_COUNT; v++) {
        const char *field = touchpoint_field(w->conn->org, (enum touchpoint_value)v);
        if (json_object_set_new(record, field, value_or_null(t->value[v])) != 0) {
            json_decref(record);
            record = NULL;
        }
    }
    return record;
}

static json_t *update_record(const struct write *w, const struct org_status *s)
{
    const char *const *names = w->conn->org->config->schema.name;
    char at[TIME_TEXT_MAX];
    (void)time_format_datetime(w->at_ms, at);
    return json_pack("{s:{s:s},s:s,s:s,s:s}", "attributes", "type", w->object, "Id", s->member_id,
                     names[SCHEMA_STATUS_TEXT], s->text, names[SCHEMA_STATUS_DATE], at);
}

static json_t *date_record(const struct write *w, const struct org_date *d)
{
    const char *field = w->conn->org->config->schema.name[SCHEMA_TOUCHPOINT_DATE];
    return json_pack("{s:{s:s},s:s,s:o}", "attributes", "type", w->object, "Id", d->member_id,
                     field, value_or_null(d->text));
}

static json_t *record_of(const struct write *w, size_t i)
{
    if (w->kind == WRITE_UPSERT)
        return upsert_record(w, &w->rows[i]);
    if (w->dates != NULL)
        return date_record(w, &w->dates[i]);
    assert(w->statuses != NULL);
    return update_record(w, &w->statuses[i]);
}

static json_t *records_body(const struct write *w, size_t from, size_t n)
{
    json_t *records = json_array();
    for (size_t i = from; i < from + n; i++) {
        if (json_array_append_new(records, record_of(w, i)) != 0) {
            json_decref(records);
            return NULL;
        }
    }
    return json_pack("{s:b,s:o}", "allOrNone", 0, "records", records);
}

static void put_url(struct buf *url, const struct write *w, size_t from, size_t n)
{
    const struct org *o = w->conn->org;
    buf_clear(url);
    buf_printf(url, "/services/data/v%s/composite/sobjects", o->config->api_version);
    if (w->kind == WRITE_UPSERT) {
        buf_printf(url, "/%s/%s", w->object, touchpoint_field(o, TV_KEY));
        return;
    }
    if (w->kind == WRITE_UPDATE)
        return;
    for (size_t i = 0; i < n; i++) {
        buf_puts(url, i == 0 ? "?ids=" : ",");
        buf_puts(url, w->ids[from + i]);
    }
    buf_puts(url, "&allOrNone=false");
}

static bool add_subrequest(json_t *list, const struct write *w, size_t from, size_t n)
{
    struct buf url;
    char reference[CALL_REFERENCE_SIZE];
    buf_init(&url, SUBREQUEST_URL_MAX);
    put_url(&url, w, from, n);
    call_reference(reference, from / ORG_COLLECTION_MAX);
    bool has_body = w->kind != WRITE_DELETE;
    json_t *sub = json_pack("{s:s,s:s,s:s}", "method", has_body ? "PATCH" : "DELETE", "url",
                            url.data, "referenceId", reference);
    bool ok = sub != NULL && !url.overflow;
    if (ok && has_body)
        ok = json_object_set_new(sub, "body", records_body(w, from, n)) == 0;
    buf_release(&url);
    if (!ok) {
        json_decref(sub);
        return false;
    }
    return json_array_append_new(list, sub) == 0;
}

#define LOOK_REFERENCE "before"

/* The parts of a Composite are carried out one after the other, so this one sees what the others
 * overwrite. */
static bool add_look(json_t *list, const struct write *w)
{
    struct buf url;
    json_t *ids = json_array();
    for (size_t i = 0; i < w->n; i++)
        json_array_append_new(ids, json_string(w->dates[i].member_id));
    buf_init(&url, SUBREQUEST_URL_MAX);
    buf_printf(&url, "/services/data/v%s/composite/sobjects/%s", w->conn->org->config->api_version,
               w->object);
    json_t *sub = json_pack("{s:s,s:s,s:s,s:{s:o,s:[s,s]}}", "method", "POST", "url", url.data,
                            "referenceId", LOOK_REFERENCE, "body", "ids", ids, "fields", "Id",
                            w->conn->org->config->schema.name[SCHEMA_TOUCHPOINT_DATE]);
    bool ok = !url.overflow && sub != NULL;
    buf_release(&url);
    if (!ok) {
        json_decref(sub);
        return false;
    }
    return json_array_append_new(list, sub) == 0;
}

/* NULL when a value can't be written as JSON. Caller: free. */
static char *composite_body(const struct write *w)
{
    json_t *list = json_array();
    bool ok = w->was == NULL || add_look(list, w);
    for (size_t at = 0; ok && at < w->n; at += ORG_COLLECTION_MAX) {
        size_t n = w->n - at < ORG_COLLECTION_MAX ? w->n - at : ORG_COLLECTION_MAX;
        ok = add_subrequest(list, w, at, n);
    }
    if (!ok) {
        json_decref(list);
        return NULL;
    }
    return call_composite(list);
}

/* ------------------------------------------------------------------ the answer */

static bool read_row(const struct write *w, json_t *item, size_t row)
{
    struct org_row_result *out = &w->results[row];
    json_t *success = json_object_get(item, "success");
    const char *id = json_text(item, "id");

    if (!json_is_boolean(success))
        return false;
    if (!json_is_true(success))
        return classify_row(w->kind, json_object_get(item, "errors"), &w->verdicts[row], out);
    bool has_id = id != NULL && sfid_normalise(id, strlen(id), out->id);
    out->created = json_is_true(json_object_get(item, "created"));
    w->verdicts[row] = (struct verdict){.rule = ROW_DONE};
    return has_id || w->kind == WRITE_DELETE;
}

static bool read_part(const struct write *w, json_t *part, size_t from, size_t n)
{
    json_t *status = json_object_get(part, "httpStatusCode"), *body = json_object_get(part, "body");
    if (!json_is_integer(status))
        return false;
    long code = (long)json_integer_value(status);
    if (code != 200) {
        struct verdict v;
        struct org_row_result all = {0};
        if (!classify_subrequest(code, body, &v, &all))
            return false;
        for (size_t i = from; i < from + n; i++) {
            w->verdicts[i] = v;
            w->results[i] = all;
        }
        return true;
    }
    if (!json_is_array(body) || json_array_size(body) != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!read_row(w, json_array_get(body, i), from + i))
            return false;
    }
    return true;
}

/* A record for each id in order, null for what is not there. What can't be told is not known: the
 * rows were written all the same. */
static void read_look(const struct write *w, json_t *part)
{
    const char *field = w->conn->org->config->schema.name[SCHEMA_TOUCHPOINT_DATE];
    json_t *body = json_object_get(part, "body");
    bool is_whole = json_integer_value(json_object_get(part, "httpStatusCode")) == 200 &&
                    json_array_size(body) == w->n;
    for (size_t i = 0; i < w->n; i++) {
        struct error e;
        struct record r = {
            .object = is_whole ? json_array_get(body, i) : NULL, .name = w->object, .e = &e};
        char id[SFID_SIZE] = "";
        w->was[i] = (struct org_date_was){.is_known = false};
        if (!json_is_object(r.object))
            continue;
        record_id(&r, "Id", id);
        record_when(&r, field, &w->was[i].day, &w->was[i].at_ms);
        w->was[i].is_known = r.err == ERR_NONE && strcmp(id, w->dates[i].member_id) == 0;
    }
}

static bool read_parts(const struct write *w, json_t *root)
{
    json_t *parts = json_object_get(root, "compositeResponse");
    size_t looks = w->was != NULL;
    size_t count = (w->n + ORG_COLLECTION_MAX - 1) / ORG_COLLECTION_MAX;
    if (!json_is_array(parts) || json_array_size(parts) != looks + count)
        return false;
    if (looks > 0)
        read_look(w, json_array_get(parts, 0));
    for (size_t k = 0; k < count; k++) {
        size_t at = k * ORG_COLLECTION_MAX;
        size_t n = w->n - at < ORG_COLLECTION_MAX ? w->n - at : ORG_COLLECTION_MAX;
        json_t *part = json_array_get(parts, looks + k);
        const char *reference = json_text(part, "referenceId");
        char wanted[CALL_REFERENCE_SIZE];
        call_reference(wanted, k);
        if ((reference != NULL && strcmp(reference, wanted) != 0) || !read_part(w, part, at, n))
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------ the verdicts */

static enum err settle(const struct write *w, struct error *e)
{
    struct tally tally = {0};
    for (size_t i = 0; i < w->n; i++) {
        struct verdict *v = &w->verdicts[i];
        if (w->is_extra && v->rule == ROW_SUSPECT)
            v->rule = ROW_PARK;
        tally_add(&tally, v, &w->results[i]);
    }
    for (size_t i = 0; i < w->n; i++) {
        verdict_settle(&w->verdicts[i], &w->results[i]);
        if (w->results[i].class == ORG_ROW_DONE)
            w->results[i].code[0] = w->results[i].message[0] = '\0';
    }
    return tally_judge(&tally, w->conn->org, w->operation, w->object, e);
}

static enum err send(const struct write *w, const char *body, struct error *e)
{
    struct buf path;
    struct answer a;
    call_path(&path, w->conn->org, "/composite");
    struct call call = {
        .operation = w->operation, .path = path.data, .body = body, .is_write = true};
    enum err err = org_call(w->conn, &call, &a, e);
    if (err == ERR_NONE && !read_parts(w, a.root))
        err = error_set(e, ERR_UNKNOWN_OUTCOME,
                        "%s %s: the answer does not have one understood result a row: it is not "
                        "known what was written",
                        w->operation, w->object);
    answer_release(&a);
    buf_release(&path);
    return err == ERR_NONE ? settle(w, e) : err;
}

static enum err run(struct write *w, struct org_row_result *results, struct error *e)
{
    assert(w->n <= ORG_WRITE_MAX);
    if (w->n == 0)
        return ERR_NONE;
    char *body = composite_body(w);
    if (body == NULL)
        return error_set(e, ERR_INTERNAL, "%s %s: a value can't be written as JSON", w->operation,
                         w->object);
    w->results = mem_array(w->n, sizeof *w->results);
    w->verdicts = mem_array(w->n, sizeof *w->verdicts);
    enum err err = send(w, body, e);
    if (err == ERR_NONE || err == ERR_INVALID)
        memcpy(results, w->results, w->n * sizeof *results);
    free(w->verdicts);
    free(w->results);
    free(body);
    return err;
}

enum err org_upsert(struct org_conn *c, const struct touchpoint *rows, size_t n,
                    struct org_row_result *results, struct error *e)
{
    struct write w = {
        .conn = c,
        .kind = WRITE_UPSERT,
        .operation = "upsert",
        .object = c->org->config->schema.name[SCHEMA_TOUCHPOINT],
        .rows = rows,
        .n = n,
    };
    return run(&w, results, e);
}

static enum err delete_records(struct org_conn *c, enum schema_name object,
                               const char (*ids)[SFID_SIZE], size_t n,
                               struct org_row_result *results, struct error *e)
{
    struct write w = {
        .conn = c,
        .kind = WRITE_DELETE,
        .operation = "delete",
        .object = c->org->config->schema.name[object],
        .is_extra = object == SCHEMA_DELETION,
        .ids = ids,
        .n = n,
    };
    return run(&w, results, e);
}

enum err org_delete_touchpoints(struct org_conn *c, const char (*ids)[SFID_SIZE], size_t n,
                                struct org_row_result *results, struct error *e)
{
    return delete_records(c, SCHEMA_TOUCHPOINT, ids, n, results, e);
}

enum err org_delete_helpers(struct org_conn *c, const char (*ids)[SFID_SIZE], size_t n,
                            struct org_row_result *results, struct error *e)
{
    return delete_records(c, SCHEMA_DELETION, ids, n, results, e);
}

enum err org_update_statuses(struct org_conn *c, const struct org_status *rows, size_t n,
                             int64_t at_ms, struct org_row_result *results, struct error *e)
{
    struct write w = {
        .conn = c,
        .kind = WRITE_UPDATE,
        .operation = "update",
        .object = "CampaignMember",
        .is_extra = true,
        .statuses = rows,
        .at_ms = at_ms,
        .n = n,
    };
    return run(&w, results, e);
}

enum err org_update_dates(struct org_conn *c, const struct org_date *rows, size_t n,
                          struct org_date_was *was, struct org_row_result *results, struct error *e)
{
    assert(n <= ORG_DATES_MAX);
    struct write w = {
        .conn = c,
        .kind = WRITE_UPDATE,
        .operation = "update",
        .object = "CampaignMember",
        .is_extra = true,
        .dates = rows,
        .was = was,
        .n = n,
    };
    return run(&w, results, e);
}
