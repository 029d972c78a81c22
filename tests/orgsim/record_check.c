/* Checks of a write; each fills the row's result with Salesforce's code and sentence. */
#include "record_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "faults.h"
#include "locks.h"
#include "platform.h"

static bool may_set(const struct writer *w, const struct object *o, const struct field *f,
                    bool create)
{
    if (f->expression != NULL)
        return false;
    if (w->admin && (f->flags & FIELD_AUDIT))
        return true;
    if (!w->admin && w->sim->access.read_only_field[o->id][field_index(o, f)])
        return false;
    return (f->flags & (create ? FIELD_CREATE : FIELD_UPDATE)) != 0;
}

static bool set_field(const struct writer *w, struct record *rec, const char *name,
                      const json_t *json, bool create, struct row_result *r)
{
    const struct object *o = rec->object;
    const struct field *f = object_field(o, name);
    if (f == NULL || (!w->admin && w->sim->access.no_field[o->id][field_index(o, f)]))
        return row_fail(r, "INVALID_FIELD", NULL, "No such column '%s' on sobject of type %s", name,
                        o->name);
    if (!may_set(w, o, f, create))
        return row_fail(r, "INVALID_FIELD_FOR_INSERT_UPDATE", f->name,
                        "Unable to create/update fields: %s. Please check the security settings "
                        "of this field and verify that it is read/write for your profile or "
                        "permission set.",
                        f->name);
    struct value v = {.kind = VALUE_NULL};
    enum value_problem p = value_from_json(f, json, &v);
    if (p != VALUE_FITS) {
        char text[400];
        value_problem_text(p, f, json, text, sizeof text);
        if (p == VALUE_WRONG_TYPE && w->bulk)
            return row_fail(r, "INVALID_TYPE_ON_FIELD_IN_RECORD", f->name,
                            "%s: value not of required type: %.200s", f->name,
                            json_is_string(json) ? json_string_value(json) : "");
        return row_fail(r, value_problem_code(p), p == VALUE_WRONG_TYPE ? NULL : f->name, "%s",
                        text);
    }
    struct value *slot = &rec->v[field_index(o, f)];
    value_clear(slot);
    *slot = v;
    return true;
}

bool record_set_fields(const struct writer *w, struct record *rec, const json_t *fields,
                       bool create, const char *skip, struct row_result *r)
{
    const char *name;
    json_t *json;
    json_t *borrowed = json_incref((json_t *)(uintptr_t)fields); /* foreach wants it unqualified */
    bool ok = true;
    json_object_foreach(borrowed, name, json)
    {
        bool ignored = strcmp(name, "attributes") == 0 || strcasecmp(name, "Id") == 0 ||
                       (skip != NULL && strcasecmp(name, skip) == 0);
        if (ok && !ignored)
            ok = set_field(w, rec, name, json, create, r);
    }
    json_decref(borrowed);
    return ok;
}

bool record_check_required(const struct record *rec, struct row_result *r)
{
    const struct object *o = rec->object;
    for (size_t i = 0; i < o->field_count; i++) {
        if ((o->fields[i].flags & FIELD_REQUIRED) && rec->v[i].kind == VALUE_NULL)
            return row_fail(r, "REQUIRED_FIELD_MISSING", o->fields[i].name,
                            "Required fields are missing: [%s]", o->fields[i].name);
    }
    return true;
}

static bool check_reference(struct sim *sim, const struct field *f, const char *id,
                            struct row_result *r)
{
    const struct object *target = object_find(f->target);
    if (strncmp(id, target->prefix, 3) != 0)
        return row_fail(r, "FIELD_INTEGRITY_EXCEPTION", f->name,
                        "%s: id value of incorrect type: %s", f->name, id);
    switch (record_state(sim, target, id)) {
    case RECORD_LIVE:
        return true;
    case RECORD_DELETED:
        return row_fail(r, "ENTITY_IS_DELETED", NULL, "entity is deleted");
    case RECORD_UNKNOWN:
        break;
    }
    return row_fail(r, "INVALID_CROSS_REFERENCE_KEY", f->name, "invalid cross reference id");
}

static bool check_unique(struct sim *sim, const struct record *rec, const struct field *f,
                         const char *value, struct row_result *r)
{
    char other[SFID_SIZE];
    const struct value *id = &rec->v[FIELD_ID];
    if (!record_find(sim, rec->object, f, value, other) ||
        (id->kind == VALUE_TEXT && strcmp(id->s, other) == 0))
        return true;
    return row_fail(r, "DUPLICATE_VALUE", NULL,
                    "duplicate value found: %s duplicates value on record with id: %s", f->name,
                    other);
}

/* References and unique values that this write sets. */
bool record_check_values(struct sim *sim, const struct record *rec, const struct record *old,
                         struct row_result *r)
{
    const struct object *o = rec->object;
    for (size_t i = SYSTEM_FIELDS; i < o->field_count; i++) {
        const struct field *f = &o->fields[i];
        const struct value *v = &rec->v[i];
        if (v->kind != VALUE_TEXT || (old != NULL && value_equal(v, &old->v[i])))
            continue;
        if (f->type == FIELD_REFERENCE && !check_reference(sim, f, v->s, r))
            return false;
        if ((f->flags & FIELD_UNIQUE) && !check_unique(sim, rec, f, v->s, r))
            return false;
    }
    return true;
}

/* What a fault demands for this row; true if it may go on. */
bool record_check_faults(const struct writer *w, const char *key, const char *id,
                         struct row_result *r)
{
    if (w->admin)
        return true;
    struct fault_hit hit =
        faults_pick_row(w->sim->faults, w->operation, w->target, key == NULL ? "" : key, id);
    if (hit.kind == FAULT_NONE)
        return true;
    const char *code = json_string_value(json_object_get(hit.value, "statusCode"));
    const char *message = json_string_value(json_object_get(hit.value, "message"));
    json_t *fields = json_object_get(hit.value, "fields");
    bool lock = hit.kind == FAULT_LOCK;
    const char *code_default = lock ? "UNABLE_TO_LOCK_ROW" : "UNKNOWN_EXCEPTION";
    row_fail(r, code != NULL ? code : code_default, NULL, "%s",
             message != NULL ? message
             : lock          ? "unable to obtain exclusive access to this record"
                             : "An unexpected error occurred.");
    r->fields = json_is_array(fields) ? json_deep_copy(fields) : NULL;
    fault_hit_release(&hit);
    return false;
}

bool record_check_access(const struct writer *w, const struct object *o, enum write_kind kind,
                         struct row_result *r)
{
    static const char *const names[] = {"create", "update", "delete"};
    const struct access *a = &w->sim->access;
    const bool *const denied[] = {a->no_create, a->no_update, a->no_delete};
    if (o->read_only)
        return row_fail(r, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", NULL,
                        "entity type %s does not support %s", o->name, names[kind]);
    if (w->admin)
        return true;
    if (denied[kind][o->id])
        return row_fail(r, "INSUFFICIENT_ACCESS_OR_READONLY", NULL,
                        "insufficient access rights on object id");
    if (a->hide[o->id] && kind != WRITE_CREATE)
        return row_fail(r, "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", NULL,
                        "insufficient access rights on cross-reference id");
    return true;
}

bool record_take_lock(const struct writer *w, const struct record *rec, struct row_result *r)
{
    const char *campaign = w->admin ? NULL : platform_campaign_of(rec);
    if (campaign == NULL || locks_take(w->sim->locks, campaign, w->request))
        return true;
    return row_fail(r, "UNABLE_TO_LOCK_ROW", NULL,
                    "unable to obtain exclusive access to this record or 1 records: %s", campaign);
}
