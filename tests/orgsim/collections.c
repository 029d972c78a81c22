/*
 * Create, update and upsert share one loop: what differs is how a row is written. The answer is 200
 * with one item a row, in order, whenever the request as such was understood. With allOrNone a
 * failing row takes the others along.
 */
#include "collections.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mem.h"
#include "query.h"
#include "records.h"
#include "sobjects.h"

struct batch {
    struct sim *sim;
    struct writer w;
    enum row_kind kind;
    const struct object *object; /* upsert: of the URL */
    const struct field *key;     /* upsert */
    bool all_or_none;
    struct row_result *results;
    size_t count;
};

/* ------------------------------------------------------------------ one row */

static const struct object *type_of(const struct batch *b, const json_t *record,
                                    struct row_result *r)
{
    const char *name =
        json_string_value(json_object_get(json_object_get(record, "attributes"), "type"));
    if (name == NULL) {
        row_fail(r, "INVALID_TYPE", NULL, "the attributes of the record name no type");
        return NULL;
    }
    const struct object *o = object_find(name);
    if (o == NULL || b->sim->access.none[o->id]) {
        row_fail(r, "INVALID_TYPE", NULL, "sObject type '%.80s' is not supported.", name);
        return NULL;
    }
    return o;
}

/* The member of a record by a name of any case. */
static const json_t *member(json_t *record, const char *name)
{
    const char *key;
    json_t *value;
    json_object_foreach(record, key, value)
    {
        if (strcasecmp(key, name) == 0)
            return value;
    }
    return NULL;
}

static void update_row(const struct batch *b, json_t *record, struct row_result *r)
{
    const struct object *o = type_of(b, record, r);
    const char *text = json_string_value(member(record, "Id"));
    char id[SFID_SIZE];
    if (o == NULL)
        return;
    if (text == NULL)
        row_fail(r, "MISSING_ARGUMENT", NULL, "Id not specified in an update call");
    else if (!sfid_normalise(text, strlen(text), id) || !sfid_has_prefix(id, o->prefix))
        row_fail(r, "MALFORMED_ID", "Id", "malformed id %.80s", text);
    else
        record_update(&b->w, o, id, record, r);
}

static bool is_repeated(const json_t *records, const char *name, const char *value)
{
    size_t i, seen = 0;
    json_t *record;
    json_t *list = json_incref((json_t *)(uintptr_t)records);
    json_array_foreach(list, i, record)
    {
        const char *other = json_string_value(json_object_get(record, name));
        seen += other != NULL && strcmp(other, value) == 0;
    }
    json_decref(list);
    return seen > 1;
}

static void upsert_row(const struct batch *b, const json_t *records, json_t *record,
                       struct row_result *r)
{
    const char *value = json_string_value(member(record, b->key->name));
    const struct object *o = type_of(b, record, r);
    if (o == NULL)
        return;
    if (o != b->object)
        row_fail(r, "INVALID_TYPE", NULL, "all records must be of type %s", b->object->name);
    else if (member(record, "Id") != NULL)
        row_fail(r, "INVALID_FIELD_FOR_INSERT_UPDATE", "Id", "cannot specify Id in an upsert by %s",
                 b->key->name);
    else if (value == NULL || *value == '\0')
        row_fail(r, "MISSING_ARGUMENT", NULL, "%s not specified", b->key->name);
    else if (is_repeated(records, b->key->name, value))
        row_fail(r, "DUPLICATE_VALUE", b->key->name, "Duplicate external id specified: %.80s",
                 value);
    else
        record_upsert(&b->w, o, b->key, value, record, false, r);
}

static void write_row(const struct batch *b, const json_t *records, json_t *record,
                      struct row_result *r)
{
    *r = (struct row_result){.success = false};
    if (b->kind == ROW_UPSERT) {
        upsert_row(b, records, record, r);
    } else if (b->kind == ROW_UPDATE) {
        update_row(b, record, r);
    } else {
        const struct object *o = type_of(b, record, r);
        if (o != NULL)
            record_create(&b->w, o, record, r);
    }
}

/* ------------------------------------------------------------------ results */

static json_t *result_json(const struct row_result *r, bool with_created)
{
    json_t *json = json_object();
    if (r->success)
        json_object_set_new_nocheck(json, "id", json_string_nocheck(r->id));
    json_object_set_new_nocheck(json, "success", json_boolean(r->success));
    json_t *errors = json_array();
    if (!r->success) {
        json_t *fields = r->fields == NULL ? json_array() : json_incref(r->fields);
        json_array_append_new(errors, json_pack("{s:s, s:s, s:o}", "statusCode", r->code, "message",
                                                r->message, "fields", fields));
    }
    json_object_set_new_nocheck(json, "errors", errors);
    if (r->success && with_created)
        json_object_set_new_nocheck(json, "created", json_boolean(r->created));
    return json;
}

static void roll_back(struct batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        struct row_result *r = &b->results[i];
        if (r->success)
            row_fail(r, "ALL_OR_NONE_OPERATION_ROLLED_BACK", NULL,
                     "Record rolled back because not all records were valid and the request was "
                     "using AllOrNone header");
    }
}

/* Ends the transaction, counts the rows and writes the answer. */
static void finish(struct batch *b, struct sim_reply *reply)
{
    bool all = true;
    for (size_t i = 0; i < b->count; i++)
        all &= b->results[i].success;
    if (all || !b->all_or_none) {
        tx_commit(b->sim);
    } else {
        tx_rollback(b->sim);
        roll_back(b);
    }
    json_t *items = json_array();
    for (size_t i = 0; i < b->count; i++) {
        sobjects_count(b->sim, b->kind, &b->results[i]);
        json_array_append_new(items, result_json(&b->results[i], b->kind == ROW_UPSERT));
        row_result_release(&b->results[i]);
    }
    free(b->results);
    sim_reply_json(reply, 200, items);
}

/* ------------------------------------------------------------------ requests */

/* Runs of one type; an org takes at most ten of them in one request. */
static size_t chunks(json_t *records)
{
    size_t i, n = 0;
    json_t *record;
    const char *last = "";
    json_array_foreach(records, i, record)
    {
        const char *type =
            json_string_value(json_object_get(json_object_get(record, "attributes"), "type"));
        n += type != NULL && strcasecmp(type, last) != 0;
        last = type == NULL ? last : type;
    }
    return n;
}

static bool check_size(struct sim_reply *reply, size_t n, size_t most)
{
    if (n > most)
        sim_reply_error(reply, 400, "EXCEEDED_ID_LIMIT",
                        "record limit reached. cannot submit more than %zu records in this call",
                        most);
    return n <= most;
}

/* The records of the body, or NULL with the reply filled; *body is to be released. */
static json_t *records_of(const struct sim_request *r, json_t **body, struct sim_reply *reply)
{
    *body = sim_request_json(r, reply);
    if (*body == NULL)
        return NULL;
    json_t *records = json_object_get(*body, "records");
    size_t i;
    json_t *record;
    bool objects = json_is_array(records) && json_array_size(records) > 0;
    json_array_foreach(records, i, record) objects &= json_is_object(record);
    if (!objects) {
        sim_reply_error(reply, 400, "INVALID_INPUT",
                        "records must be a list of objects and not empty");
        return NULL;
    }
    if (!check_size(reply, json_array_size(records), COLLECTION_MAX))
        return NULL;
    if (chunks(records) > COLLECTION_CHUNKS_MAX) {
        sim_reply_error(reply, 400, "LIMIT_EXCEEDED",
                        "the records change their type more than %d times", COLLECTION_CHUNKS_MAX);
        return NULL;
    }
    return records;
}

static void write_all(struct batch *b, const struct sim_request *r, struct sim_reply *reply)
{
    json_t *body = NULL, *records = records_of(r, &body, reply), *record;
    if (records != NULL) {
        size_t i;
        b->all_or_none = json_is_true(json_object_get(body, "allOrNone"));
        b->count = json_array_size(records);
        b->results = mem_array(b->count, sizeof *b->results);
        tx_begin(b->sim);
        json_array_foreach(records, i, record) write_row(b, records, record, &b->results[i]);
        finish(b, reply);
    }
    json_decref(body);
}

void collections_create(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    struct batch b = {.sim = sim, .w = sobjects_writer(sim, r), .kind = ROW_CREATE};
    write_all(&b, r, reply);
}

void collections_update(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    struct batch b = {.sim = sim, .w = sobjects_writer(sim, r), .kind = ROW_UPDATE};
    write_all(&b, r, reply);
}

void collections_upsert(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    struct batch b = {.sim = sim, .w = sobjects_writer(sim, r), .kind = ROW_UPSERT};
    b.object = sobjects_find(sim, r->args[2], reply);
    b.key = b.object == NULL ? NULL : sobjects_external(sim, b.object, r->args[3], reply);
    if (b.key != NULL)
        write_all(&b, r, reply);
}

static size_t count_ids(const char *ids)
{
    size_t n = 1;
    for (; *ids != '\0'; ids++)
        n += *ids == ',';
    return n;
}

static void delete_row(const struct batch *b, const char *text, size_t n, struct row_result *r)
{
    char id[SFID_SIZE];
    *r = (struct row_result){.success = false};
    const struct object *o = sfid_normalise(text, n, id) ? object_by_id(id) : NULL;
    if (o == NULL || b->sim->access.none[o->id])
        row_fail(r, "MALFORMED_ID", NULL, "malformed id %.*s", (int)(n > 80 ? 80 : n), text);
    else
        record_delete(&b->w, o, id, r);
}

void collections_delete(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    struct batch b = {.sim = sim, .w = sobjects_writer(sim, r), .kind = ROW_DELETE};
    const char *ids = sim_request_param(r, "ids"), *all = sim_request_param(r, "allOrNone");
    if (ids == NULL || *ids == '\0') {
        sim_reply_error(reply, 400, "MISSING_ARGUMENT", "The ids parameter is required");
        return;
    }
    b.count = count_ids(ids);
    if (!check_size(reply, b.count, COLLECTION_MAX))
        return;
    b.all_or_none = all != NULL && strcmp(all, "true") == 0;
    b.results = mem_array(b.count, sizeof *b.results);
    tx_begin(sim);
    for (size_t i = 0; i < b.count; i++) {
        size_t n = strcspn(ids, ",");
        delete_row(&b, ids, n, &b.results[i]);
        ids += n + 1;
    }
    finish(&b, reply);
}

/* ------------------------------------------------------------------ reading by ids */

/* "SELECT <fields> FROM X WHERE Id = '…'" without the id; false with the reply filled. */
static bool read_prefix(struct buf *soql, const struct object *o, const json_t *fields,
                        struct sim_reply *reply)
{
    buf_puts(soql, "SELECT ");
    for (size_t i = 0; i < json_array_size(fields); i++) {
        const char *name = json_string_value(json_array_get(fields, i));
        if (name == NULL || object_field(o, name) == NULL) {
            sim_reply_error(reply, 400, "INVALID_FIELD",
                            "No such column '%.80s' on sobject of type %s",
                            name == NULL ? "" : name, o->name);
            return false;
        }
        buf_printf(soql, "%s%s", i == 0 ? "" : ", ", name);
    }
    buf_printf(soql, " FROM %s WHERE Id = '", o->name);
    return true;
}

/* The row of one id, null if there is none to be seen, NULL with the reply filled. */
static json_t *read_one(struct sim *sim, const struct sim_request *r, const char *prefix,
                        const char *id, struct sim_reply *reply)
{
    char normal[SFID_SIZE];
    if (id == NULL || !sfid_normalise(id, strlen(id), normal))
        return json_null();
    struct soql_error error;
    char *soql = mem_printf("%s%s'", prefix, normal);
    json_t *rows = query_rows(sim, soql, false, false, r->version, &error);
    free(soql);
    if (rows == NULL) {
        sim_reply_error(reply, 400, error.code, "%s", error.message);
        return NULL;
    }
    json_t *row = json_array_size(rows) == 1 ? json_incref(json_array_get(rows, 0)) : json_null();
    json_decref(rows);
    return row;
}

static void read_ids(struct sim *sim, const struct sim_request *r, const struct object *o,
                     json_t *ids, const json_t *fields, struct sim_reply *reply)
{
    struct buf prefix;
    json_t *out = json_array(), *id;
    size_t i;
    buf_init(&prefix, 65536);
    bool ok = read_prefix(&prefix, o, fields, reply);
    json_array_foreach(ids, i, id)
    {
        json_t *row = ok ? read_one(sim, r, prefix.data, json_string_value(id), reply) : NULL;
        ok = row != NULL;
        if (!ok)
            break;
        json_array_append_new(out, row);
    }
    buf_release(&prefix);
    if (ok)
        sim_reply_json(reply, 200, out);
    else
        json_decref(out);
}

static json_t *split(const char *list)
{
    json_t *out = json_array();
    while (list != NULL && *list != '\0') {
        size_t n = strcspn(list, ",");
        json_array_append_new(out, json_stringn(list, n));
        list += n + (list[n] == ',');
    }
    return out;
}

void collections_get(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    const struct object *o = sobjects_find(sim, r->args[2], reply);
    if (o == NULL)
        return;
    json_t *body = r->method == HTTP_POST
                       ? sim_request_json(r, reply)
                       : json_pack("{s:o, s:o}", "ids", split(sim_request_param(r, "ids")),
                                   "fields", split(sim_request_param(r, "fields")));
    if (body == NULL)
        return;
    json_t *ids = json_object_get(body, "ids"), *fields = json_object_get(body, "fields");
    if (json_array_size(ids) == 0 || json_array_size(fields) == 0)
        sim_reply_error(reply, 400, "MISSING_ARGUMENT", "ids and fields are required");
    else if (check_size(reply, json_array_size(ids), COLLECTION_READ_MAX))
        read_ids(sim, r, o, ids, fields, reply);
    json_decref(body);
}
