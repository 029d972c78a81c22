/* Single records: the row's error becomes the whole answer's error, under `errorCode`. */
#include "sobjects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "describe.h"
#include "mem.h"
#include "query.h"
#include "stats.h"

struct writer sobjects_writer(struct sim *sim, const struct sim_request *r)
{
    return (struct writer){
        .sim = sim, .operation = r->operation, .target = r->target, .request = r->id};
}

const struct object *sobjects_find(const struct sim *sim, const char *name, struct sim_reply *reply)
{
    const struct object *o = object_find(name);
    if (o != NULL && !sim->access.none[o->id])
        return o;
    sim_reply_not_found(reply);
    return NULL;
}

const struct field *sobjects_external(const struct sim *sim, const struct object *o,
                                      const char *name, struct sim_reply *reply)
{
    const struct field *f = object_field(o, name);
    if (f != NULL && describe_is_external(sim, o, f) &&
        !sim->access.no_field[o->id][field_index(o, f)])
        return f;
    sim_reply_error(reply, 404, "NOT_FOUND",
                    "Provided external ID field does not exist or is not accessible: %.100s", name);
    return NULL;
}

void sobjects_count(struct sim *sim, enum row_kind kind, const struct row_result *r)
{
    struct stats_rows *rows = &sim->stats->rows;
    if (!r->success) {
        rows->failed++;
        return;
    }
    rows->unchanged += r->unchanged;
    if (!r->unchanged)
        stats_write(sim->stats, sim->session, r->id);
    switch (kind) {
    case ROW_CREATE:
        rows->created++;
        break;
    case ROW_UPDATE:
        rows->updated++;
        break;
    case ROW_UPSERT:
        if (r->created)
            rows->upsert_created++;
        else
            rows->upsert_updated++;
        break;
    case ROW_DELETE:
        rows->deleted++;
        break;
    }
}

static int status_of(const char *code)
{
    if (strcmp(code, "ENTITY_IS_DELETED") == 0 || strcmp(code, "NOT_FOUND") == 0)
        return 404;
    return strncmp(code, "INSUFFICIENT_ACCESS", 19) == 0 ? 403 : 400;
}

static void fail(struct sim_reply *reply, int status, const struct row_result *r)
{
    json_t *fields = r->fields == NULL ? json_array() : json_incref(r->fields);
    sim_reply_json(reply, status,
                   json_pack("[{s:s, s:s, s:o}]", "message", r->message, "errorCode", r->code,
                             "fields", fields));
}

/* A record id of a URL; false with the reply filled. */
static bool id_of(const struct object *o, const char *text, char id[SFID_SIZE],
                  struct sim_reply *reply)
{
    if (sfid_normalise(text, strlen(text), id) && sfid_has_prefix(id, o->prefix))
        return true;
    sim_reply_error(reply, 404, "NOT_FOUND",
                    "Provided external ID field does not exist or is not accessible: %.100s", text);
    return false;
}

static json_t *body_object(const struct sim_request *r, struct sim_reply *reply)
{
    json_t *body = sim_request_json(r, reply);
    if (body != NULL && !json_is_object(body)) {
        json_decref(body);
        body = NULL;
        sim_reply_error(reply, 400, "JSON_PARSER_ERROR",
                        "The HTTP entity body is required to be a JSON object");
    }
    return body;
}

void sobjects_create(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    const struct object *o = sobjects_find(sim, r->args[1], reply);
    json_t *body = o == NULL ? NULL : body_object(r, reply);
    if (body == NULL)
        return;
    struct writer w = sobjects_writer(sim, r);
    struct row_result row;
    if (record_create(&w, o, body, &row))
        sim_reply_json(reply, 201,
                       json_pack("{s:s, s:b, s:[]}", "id", row.id, "success", 1, "errors"));
    else
        fail(reply, status_of(row.code), &row);
    sobjects_count(sim, ROW_CREATE, &row);
    row_result_release(&row);
    json_decref(body);
}

static void get_by_id(struct sim *sim, const struct object *o, const char *id,
                      const struct sim_request *r, struct sim_reply *reply)
{
    struct buf soql;
    struct soql_error error;
    const char *fields = sim_request_param(r, "fields");
    buf_init(&soql, 65536);
    buf_puts(&soql, "SELECT ");
    for (size_t i = 0; fields == NULL && i < o->field_count; i++) {
        if (object_field(o, o->fields[i].name) != NULL && !sim->access.no_field[o->id][i])
            buf_printf(&soql, "%s%s", i == 0 ? "" : ", ", o->fields[i].name);
    }
    buf_printf(&soql, "%s FROM %s WHERE Id = '%s'", fields == NULL ? "" : fields, o->name, id);
    json_t *rows = query_rows(sim, soql.data, false, false, r->version, &error);
    buf_release(&soql);
    if (rows == NULL)
        sim_reply_error(reply, 400, error.code, "%s", error.message);
    else if (json_array_size(rows) == 1)
        sim_reply_json(reply, 200, json_incref(json_array_get(rows, 0)));
    else if (record_state(sim, o, id) == RECORD_DELETED && !sim->access.hide[o->id])
        sim_reply_error(reply, 404, "ENTITY_IS_DELETED", "entity is deleted");
    else
        sim_reply_not_found(reply);
    json_decref(rows);
}

void sobjects_get(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    char id[SFID_SIZE];
    const struct object *o = sobjects_find(sim, r->args[1], reply);
    if (o != NULL && id_of(o, r->args[2], id, reply))
        get_by_id(sim, o, id, r, reply);
}

void sobjects_update(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    char id[SFID_SIZE];
    const struct object *o = sobjects_find(sim, r->args[1], reply);
    if (o == NULL || !id_of(o, r->args[2], id, reply))
        return;
    json_t *body = body_object(r, reply);
    if (body == NULL)
        return;
    struct writer w = sobjects_writer(sim, r);
    struct row_result row;
    if (record_state(sim, o, id) == RECORD_UNKNOWN) {
        row = (struct row_result){.success = false};
        row_fail(&row, "NOT_FOUND", NULL, "The requested resource does not exist");
    } else {
        record_update(&w, o, id, body, &row);
    }
    if (row.success)
        sim_reply_text(reply, 204, NULL, "");
    else
        fail(reply, status_of(row.code), &row);
    sobjects_count(sim, ROW_UPDATE, &row);
    row_result_release(&row);
    json_decref(body);
}

static void delete_by_id(struct sim *sim, const struct object *o, const char *id,
                         const struct sim_request *r, struct sim_reply *reply)
{
    struct writer w = sobjects_writer(sim, r);
    struct row_result row;
    if (record_delete(&w, o, id, &row))
        sim_reply_text(reply, 204, NULL, "");
    else
        fail(reply,
             strcmp(row.code, "INVALID_CROSS_REFERENCE_KEY") == 0 ? 404 : status_of(row.code),
             &row);
    sobjects_count(sim, ROW_DELETE, &row);
    row_result_release(&row);
}

void sobjects_delete(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    char id[SFID_SIZE];
    const struct object *o = sobjects_find(sim, r->args[1], reply);
    if (o != NULL && id_of(o, r->args[2], id, reply))
        delete_by_id(sim, o, id, r, reply);
}

/* ------------------------------------------------------------------ by external id */

/* The value: the rest of the path, since some clients leave a slash in it as it is. */
static char *external_value(const struct sim_request *r)
{
    struct buf value;
    buf_init(&value, 4096);
    for (size_t i = 3; i < r->arg_count; i++) {
        if (i > 3)
            buf_putc(&value, '/');
        buf_puts(&value, r->args[i]);
    }
    return buf_take(&value);
}

/* Object and id that the URL names by external id; false with the reply filled. */
static bool external_id(struct sim *sim, const struct sim_request *r, const struct object **o,
                        char id[SFID_SIZE], struct sim_reply *reply)
{
    *o = sobjects_find(sim, r->args[1], reply);
    const struct field *key = *o == NULL ? NULL : sobjects_external(sim, *o, r->args[2], reply);
    if (key == NULL)
        return false;
    char *value = external_value(r);
    bool found = record_find(sim, *o, key, value, id);
    free(value);
    if (!found)
        sim_reply_not_found(reply);
    return found;
}

void sobjects_get_external(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    const struct object *o;
    char id[SFID_SIZE];
    if (external_id(sim, r, &o, id, reply))
        get_by_id(sim, o, id, r, reply);
}

void sobjects_delete_external(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    const struct object *o;
    char id[SFID_SIZE];
    if (external_id(sim, r, &o, id, reply))
        delete_by_id(sim, o, id, r, reply);
}

void sobjects_upsert(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    const struct object *o = sobjects_find(sim, r->args[1], reply);
    const struct field *key = o == NULL ? NULL : sobjects_external(sim, o, r->args[2], reply);
    json_t *body = key == NULL ? NULL : body_object(r, reply);
    if (body == NULL)
        return;
    const char *only = sim_request_param(r, "updateOnly");
    struct writer w = sobjects_writer(sim, r);
    struct row_result row;
    char *value = external_value(r);
    if (json_object_get(body, key->name) != NULL) {
        row = (struct row_result){.success = false};
        row_fail(&row, "INVALID_FIELD", key->name,
                 "The %s field should not be specified in the sobject data.", key->name);
    } else {
        record_upsert(&w, o, key, value, body, only != NULL && strcmp(only, "true") == 0, &row);
    }
    if (row.success)
        sim_reply_json(reply, row.created ? 201 : 200,
                       json_pack("{s:s, s:b, s:[], s:b}", "id", row.id, "success", 1, "errors",
                                 "created", row.created));
    else
        fail(reply, status_of(row.code), &row);
    sobjects_count(sim, ROW_UPSERT, &row);
    row_result_release(&row);
    free(value);
    json_decref(body);
}
