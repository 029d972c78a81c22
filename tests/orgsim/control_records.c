/* Control routes that change and show records, as the admin. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cascade.h"
#include "control.h"
#include "db.h"
#include "mem.h"
#include "query.h"
#include "records.h"

static struct writer admin(struct sim *sim)
{
    return (struct writer){.sim = sim, .admin = true, .operation = "", .target = ""};
}

/* "as" names Salesforce's own user that scheduled flows run as, and the like. */
static bool choose_user(const json_t *body, struct writer *w, struct sim_reply *reply)
{
    const json_t *as = json_object_get(body, "as");
    w->system = as != NULL;
    if (as == NULL || (json_is_string(as) && strcmp(json_string_value(as), "system") == 0))
        return true;
    control_fail(reply, "as: \"system\", or left out for the admin");
    return false;
}

static const struct object *object_of(const char *name, struct sim_reply *reply)
{
    const struct object *o = name == NULL ? NULL : object_find(name);
    if (o == NULL)
        control_fail(reply, "object: missing or unknown: %s", name == NULL ? "" : name);
    return o;
}

static bool row_failed(struct sim_reply *reply, size_t row, struct row_result *r)
{
    control_fail(reply, "row %zu: %s: %s", row, r->code, r->message);
    row_result_release(r);
    return false;
}

/* One row of a request: created, or changed if it is to be an update. */
static bool write_row(const struct writer *w, const struct object *o, json_t *record, bool update,
                      struct row_result *r)
{
    const char *text = json_string_value(json_object_get(record, "Id"));
    char id[SFID_SIZE];
    if (!update)
        return record_create(w, o, record, r);
    *r = (struct row_result){.success = false};
    if (text == NULL || !sfid_normalise(text, strlen(text), id))
        return row_fail(r, "MALFORMED_ID", "Id", "Id is missing or malformed");
    return record_update(w, o, id, record, r);
}

static void write_all(struct sim *sim, json_t *body, bool update, struct sim_reply *reply)
{
    const struct object *o = object_of(json_string_value(json_object_get(body, "object")), reply);
    json_t *records = json_object_get(body, "records"), *record, *ids = json_array();
    struct writer w = admin(sim);
    bool good = o != NULL && choose_user(body, &w, reply);
    size_t i;
    tx_begin(sim);
    json_array_foreach(records, i, record)
    {
        struct row_result r;
        if (good && !write_row(&w, o, record, update, &r))
            good = row_failed(reply, i, &r);
        if (good)
            json_array_append_new(ids, json_string(r.id));
    }
    if (good) {
        tx_commit(sim);
        sim_reply_json(reply, 200, json_pack("{s:O}", "ids", ids));
    } else {
        tx_rollback(sim);
    }
    json_decref(ids);
}

void control_create(struct sim *sim, const struct sim_request *r, json_t *body,
                    struct sim_reply *reply)
{
    (void)r;
    write_all(sim, body, false, reply);
}

void control_update(struct sim *sim, const struct sim_request *r, json_t *body,
                    struct sim_reply *reply)
{
    (void)r;
    write_all(sim, body, true, reply);
}

void control_delete(struct sim *sim, const struct sim_request *r, json_t *body,
                    struct sim_reply *reply)
{
    (void)body;
    const struct object *o = object_of(sim_request_param(r, "object"), reply);
    const char *list = sim_request_param(r, "ids");
    struct writer w = admin(sim);
    json_t *ids = json_array();
    bool good = o != NULL;
    tx_begin(sim);
    for (size_t row = 0; good && list != NULL && *list != '\0'; row++) {
        size_t n = strcspn(list, ",");
        struct row_result result = {.success = false};
        char id[SFID_SIZE];
        if (!sfid_normalise(list, n, id))
            row_fail(&result, "MALFORMED_ID", NULL, "malformed id %.*s", (int)n, list);
        else
            record_delete(&w, o, id, &result);
        good = result.success || row_failed(reply, row, &result);
        if (good)
            json_array_append_new(ids, json_string(id));
        list += n + (list[n] == ',');
    }
    if (good) {
        tx_commit(sim);
        sim_reply_json(reply, 200, json_pack("{s:O}", "ids", ids));
    } else {
        tx_rollback(sim);
    }
    json_decref(ids);
}

/* ------------------------------------------------------------------ showing */

static void select_all(struct buf *soql, const struct object *o, const char *also)
{
    buf_puts(soql, "SELECT ");
    for (size_t i = 0; i < o->field_count; i++) {
        if (object_field(o, o->fields[i].name) != NULL)
            buf_printf(soql, "%s%s", i == 0 ? "" : ", ", o->fields[i].name);
    }
    buf_printf(soql, "%s FROM %s", also, o->name);
}

static json_t *rows_of(struct sim *sim, const char *soql, bool with_deleted,
                       struct sim_reply *reply)
{
    struct soql_error error;
    json_t *rows = query_rows(sim, soql, true, with_deleted, "v64.0", &error);
    if (rows == NULL)
        control_fail(reply, "%s: %s", error.code, error.message);
    return rows;
}

static void reply_rows(struct sim_reply *reply, json_t *rows)
{
    sim_reply_json(
        reply, 200,
        json_pack("{s:I, s:o}", "totalSize", (json_int_t)json_array_size(rows), "records", rows));
}

void control_list(struct sim *sim, const struct sim_request *r, json_t *body,
                  struct sim_reply *reply)
{
    (void)body;
    const struct object *o = object_of(sim_request_param(r, "object"), reply);
    const char *where = sim_request_param(r, "where"), *all = sim_request_param(r, "all");
    if (o == NULL)
        return;
    struct buf soql;
    buf_init(&soql, 1 << 20);
    select_all(&soql, o, "");
    if (where != NULL && *where != '\0')
        buf_printf(&soql, " WHERE %s", where);
    json_t *rows = rows_of(sim, soql.data, all != NULL && strcmp(all, "1") == 0, reply);
    buf_release(&soql);
    if (rows != NULL)
        reply_rows(reply, rows);
}

/* Who wrote last, by name instead of as a record. */
static void name_writer(json_t *row, const char *relationship)
{
    json_t *user = json_object_get(row, relationship);
    json_t *name = json_object_get(user, "Username");
    json_object_set(row, relationship, name == NULL ? json_null() : name);
}

void control_touchpoints(struct sim *sim, const struct sim_request *r, json_t *body,
                         struct sim_reply *reply)
{
    (void)body;
    const char *campaign = sim_request_param(r, "campaign");
    char id[SFID_SIZE];
    struct buf soql;
    buf_init(&soql, 65536);
    select_all(&soql, &OBJECTS[TOUCHPOINT], ", CreatedBy.Username, LastModifiedBy.Username");
    if (campaign != NULL && sfid_normalise(campaign, strlen(campaign), id))
        buf_printf(&soql, " WHERE Campaign__c = '%s' OR Ad_Campaign_Id__c = '%s'", id, id);
    buf_puts(&soql, " ORDER BY Campaign_Member_Id__c NULLS LAST");
    json_t *rows = rows_of(sim, soql.data, false, reply), *row;
    buf_release(&soql);
    size_t i;
    json_array_foreach(rows, i, row)
    {
        name_writer(row, "CreatedBy");
        name_writer(row, "LastModifiedBy");
    }
    if (rows != NULL)
        reply_rows(reply, rows);
}

/* ------------------------------------------------------------------ conversion and merge */

/* An id of the body; NULL if it is missing or malformed. */
static const char *id_in(const json_t *body, const char *name, char id[SFID_SIZE])
{
    const json_t *text = json_object_get(body, name);
    return json_is_string(text) &&
                   sfid_normalise(json_string_value(text), json_string_length(text), id)
               ? id
               : NULL;
}

static void reply_moved(struct sim_reply *reply, bool good, const struct moved *m,
                        struct row_result *r)
{
    if (!good) {
        row_failed(reply, 0, r);
        return;
    }
    json_t *json =
        json_pack("{s:I, s:I}", "moved", (json_int_t)m->moved, "removed", (json_int_t)m->removed);
    if (m->contact[0] != '\0')
        json_object_set_new(json, "contact", json_string(m->contact));
    if (m->account[0] != '\0')
        json_object_set_new(json, "account", json_string(m->account));
    sim_reply_json(reply, 200, json);
}

void control_convert(struct sim *sim, const struct sim_request *r, json_t *body,
                     struct sim_reply *reply)
{
    (void)r;
    char lead[SFID_SIZE], contact[SFID_SIZE];
    struct writer w = admin(sim);
    struct row_result result;
    struct moved moved;
    const json_t *given = json_object_get(body, "contact");
    if (id_in(body, "lead", lead) == NULL ||
        (json_is_string(given) && id_in(body, "contact", contact) == NULL)) {
        control_fail(reply, "lead must be an id; contact an id or left out");
        return;
    }
    bool good = convert_lead(&w, lead, json_is_string(given) ? contact : NULL, &moved, &result);
    reply_moved(reply, good, &moved, &result);
}

void control_merge(struct sim *sim, const struct sim_request *r, json_t *body,
                   struct sim_reply *reply)
{
    (void)r;
    char winner[SFID_SIZE], loser[SFID_SIZE];
    struct writer w = admin(sim);
    struct row_result result;
    struct moved moved;
    const struct object *o = object_of(json_string_value(json_object_get(body, "object")), reply);
    if (o == NULL)
        return;
    if (id_in(body, "winner", winner) == NULL || id_in(body, "loser", loser) == NULL) {
        control_fail(reply, "winner and loser must be ids");
        return;
    }
    bool good = merge_records(&w, o, winner, loser, &moved, &result);
    reply_moved(reply, good, &moved, &result);
}
