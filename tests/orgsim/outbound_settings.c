/* The settings of outbound messages as a table: read and shown by the same rows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ids.h"
#include "mem.h"
#include "options.h"
#include "outbound_int.h"

enum setting_kind { SETTING_BOOL, SETTING_SHARE, SETTING_NUMBER };

static const struct setting {
    const char *name;
    enum setting_kind kind;
    size_t offset;
    int64_t least, greatest;
} SETTINGS[] = {
#define AT(field) offsetof(struct outbound_set, field)
    {"paused", SETTING_BOOL, AT(paused), 0, 0},
    {"reorder", SETTING_BOOL, AT(reorder), 0, 0},
    {"every_change", SETTING_BOOL, AT(every_change), 0, 0},
    {"duplicate", SETTING_SHARE, AT(duplicate), 0, 0},
    {"lose", SETTING_SHARE, AT(lose), 0, 0},
    {"lose_ack", SETTING_SHARE, AT(lose_ack), 0, 0},
    {"delay_ms", SETTING_NUMBER, AT(delay_ms), 0, 86400000},
    {"batch_max", SETTING_NUMBER, AT(batch_max), 1, 100},
    {"bytes_per_second", SETTING_NUMBER, AT(bytes_per_second), 0, 1000000000},
    {"retry_base_ms", SETTING_NUMBER, AT(retry_base_ms), 1, 86400000},
    {"retry_max_ms", SETTING_NUMBER, AT(retry_max_ms), 1, 86400000},
#undef AT
};

enum { SETTING_COUNT = sizeof SETTINGS / sizeof SETTINGS[0] };

static int by_name(const void *a, const void *b)
{
    const struct field *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

/* Fields go out in the order of their names, after Id, which goes by itself. */
static void add_field(struct message *m, const struct object *object, const struct field *f)
{
    if (f == &object->fields[FIELD_ID])
        return;
    m->fields[m->field_count++] = f;
    qsort(m->fields, m->field_count, sizeof m->fields[0], by_name);
}

void outbound_defaults(struct outbound *o)
{
    const struct sim_options *options = o->sim->options;
    o->url = mem_strdup(options->outbound_url);
    o->dice = 0x9e3779b97f4a7c15u;
    o->set = (struct outbound_set){.batch_max = 100,
                                   .retry_base_ms = options->retry_base_ms,
                                   .retry_max_ms = options->retry_max_ms};
    for (size_t i = 0; i < OBJECT_COUNT; i++)
        sim_id_make("04k", i + 1, o->messages[i].action_id);
    for (size_t i = 0; i < OBJECT_COUNT; i++) {
        const struct object *object = &OBJECTS[i];
        struct message *m = &o->messages[i];
        m->sent = object->message[0] != NULL;
        for (size_t k = 0; object->message[k] != NULL; k++)
            add_field(m, object, object_field(object, object->message[k]));
    }
}

/* ------------------------------------------------------------------ reading */

static bool read_setting(struct outbound_set *set, const struct setting *s, const json_t *value)
{
    char *slot = (char *)set + s->offset;
    if (s->kind == SETTING_BOOL && json_is_boolean(value)) {
        bool on = json_is_true(value);
        memcpy(slot, &on, sizeof on);
    } else if (s->kind == SETTING_SHARE && json_is_number(value) && json_number_value(value) >= 0 &&
               json_number_value(value) <= 1) {
        double share = json_number_value(value);
        memcpy(slot, &share, sizeof share);
    } else if (s->kind == SETTING_NUMBER && json_is_integer(value) &&
               json_integer_value(value) >= s->least && json_integer_value(value) <= s->greatest) {
        int64_t n = json_integer_value(value);
        memcpy(slot, &n, sizeof n);
    } else {
        return false;
    }
    return true;
}

static bool read_message(struct message *m, const struct object *object, json_t *fields)
{
    size_t i;
    json_t *name;
    m->sent = json_is_array(fields);
    m->field_count = 0;
    json_array_foreach(fields, i, name)
    {
        const struct field *f =
            json_is_string(name) ? object_field(object, json_string_value(name)) : NULL;
        if (f == NULL || m->field_count == FIELDS_MAX)
            return false;
        add_field(m, object, f);
    }
    return json_is_array(fields) || json_is_null(fields);
}

static bool read_messages(struct message messages[OBJECT_COUNT], json_t *objects, char *why,
                          size_t why_size)
{
    const char *name;
    json_t *fields;
    json_object_foreach(objects, name, fields)
    {
        const struct object *object = object_find(name);
        if (object == NULL || object->read_only ||
            !read_message(&messages[object->id], object, fields)) {
            snprintf(why, why_size, "objects.%s: unknown object or field", name);
            return false;
        }
    }
    return true;
}

static const struct setting *find(const char *name)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (strcmp(SETTINGS[i].name, name) == 0)
            return &SETTINGS[i];
    }
    return NULL;
}

/* Settings that are not plain numbers of the set; true if the name is one of them. */
static bool read_other(struct outbound *o, const char *name, const json_t *value, bool apply)
{
    if (strcmp(name, "url") == 0 && (json_is_string(value) || json_is_null(value))) {
        if (apply) {
            free(o->url);
            o->url = mem_strdup(json_string_value(value));
        }
        return true;
    }
    if (strcmp(name, "seed") == 0 && json_is_integer(value)) {
        if (apply)
            o->dice = 0x9e3779b97f4a7c15u ^ ((uint64_t)json_integer_value(value) << 20);
        return true;
    }
    if (strcmp(name, "helper_trigger") == 0 && json_is_boolean(value)) {
        if (apply)
            o->sim->behaviour.helper_trigger = json_is_true(value);
        return true;
    }
    return strcmp(name, "objects") == 0 && json_is_object(value);
}

bool outbound_configure(struct outbound *o, const json_t *settings, char *why, size_t why_size)
{
    struct outbound_set set = o->set;
    struct message messages[OBJECT_COUNT];
    const char *name;
    json_t *value, *all = json_incref((json_t *)(uintptr_t)settings);
    bool ok = true;
    memcpy(messages, o->messages, sizeof messages);
    json_object_foreach(all, name, value)
    {
        const struct setting *s = find(name);
        if (ok &&
            (s != NULL ? !read_setting(&set, s, value) : !read_other(o, name, value, false))) {
            snprintf(why, why_size, "%s: unknown setting or unsuitable value", name);
            ok = false;
        }
    }
    ok = ok && read_messages(messages, json_object_get(all, "objects"), why, why_size);
    if (ok) {
        o->set = set;
        memcpy(o->messages, messages, sizeof messages);
        json_object_foreach(all, name, value)
        {
            if (find(name) == NULL)
                read_other(o, name, value, true);
        }
        outbound_pump(o);
    }
    json_decref(all);
    return ok;
}

/* ------------------------------------------------------------------ showing */

static json_t *setting_json(const struct outbound_set *set, const struct setting *s)
{
    const char *slot = (const char *)set + s->offset;
    bool on;
    double share;
    int64_t n;
    switch (s->kind) {
    case SETTING_BOOL:
        memcpy(&on, slot, sizeof on);
        return json_boolean(on);
    case SETTING_SHARE:
        memcpy(&share, slot, sizeof share);
        return json_real(share);
    case SETTING_NUMBER:
        memcpy(&n, slot, sizeof n);
        return json_integer(n);
    }
    return json_null();
}

json_t *outbound_settings(const struct outbound *o)
{
    json_t *out = json_object(), *objects = json_object();
    for (size_t i = 0; i < SETTING_COUNT; i++)
        json_object_set_new(out, SETTINGS[i].name, setting_json(&o->set, &SETTINGS[i]));
    for (size_t i = 0; i < OBJECT_COUNT; i++) {
        const struct message *m = &o->messages[i];
        json_t *fields = json_array();
        for (size_t k = 0; k < m->field_count; k++)
            json_array_append_new(fields, json_string(m->fields[k]->name));
        if (m->sent)
            json_object_set(objects, OBJECTS[i].name, fields);
        json_decref(fields);
    }
    json_object_set_new(out, "objects", objects);
    json_object_set_new(out, "url", o->url == NULL ? json_null() : json_string(o->url));
    json_object_set_new(out, "helper_trigger", json_boolean(o->sim->behaviour.helper_trigger));
    json_object_set_new(out, "pending", json_integer((json_int_t)outbound_pending(o)));
    json_object_set_new(out, "in_flight", json_integer((json_int_t)o->in_flight));
    return out;
}

json_t *outbound_message(const struct outbound *o, const struct object *object)
{
    const struct message *m = &o->messages[object->id];
    if (!m->sent)
        return NULL;
    char name[128], full[256];
    snprintf(name, sizeof name, "%s",
             object->message_name == NULL ? object->name : object->message_name);
    snprintf(full, sizeof full, "%s.%s", object->name, name);
    for (char *at = name; *at != '\0'; at++) /* the label of a shipped one */
        *at = *at == '_' ? ' ' : *at;
    json_t *fields = json_pack("[s]", "Id");
    for (size_t i = 0; i < m->field_count; i++)
        json_array_append_new(fields, json_string(m->fields[i]->name));
    json_t *metadata = json_pack(
        "{s:f, s:s, s:o, s:b, s:s, s:s, s:b, s:b}", "apiVersion", 64.0, "endpointUrl",
        o->url == NULL ? "" : o->url, "fields", fields, "includeSessionId", 0, "integrationUser",
        "integration@example.com", "name", name, "protected", 0, "useDeadLetterQueue", 0);
    return json_pack("{s:s, s:s, s:s, s:s, s:o}", "Id", m->action_id, "Name", name, "FullName",
                     full, "IntegrationUserId", o->sim->user_id, "Metadata", metadata);
}

json_t *outbound_stats(const struct outbound *o)
{
    const struct outbound_stats *s = &o->stats;
    json_t *notifications =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "queued", (json_int_t)s->queued, "sent",
                  (json_int_t)s->sent, "acked", (json_int_t)s->acked, "retried",
                  (json_int_t)s->retried, "dropped", (json_int_t)s->dropped, "lost",
                  (json_int_t)s->lost, "duplicated", (json_int_t)s->duplicated);
    json_t *messages =
        json_pack("{s:I, s:I, s:I}", "sent", (json_int_t)s->messages_sent, "acked",
                  (json_int_t)s->messages_acked, "failed", (json_int_t)s->messages_failed);
    return json_pack("{s:I, s:I, s:o, s:o, s:s}", "pending", (json_int_t)outbound_pending(o),
                     "in_flight", (json_int_t)o->in_flight, "notifications", notifications,
                     "messages", messages, "last_error", o->last_error);
}

void outbound_reset_stats(struct outbound *o)
{
    o->stats = (struct outbound_stats){0};
    o->last_error[0] = '\0';
}
