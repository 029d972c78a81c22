/*
 * The attributes that never differ here are a list of names; the rest follow from the tables in
 * objects_table.c and from the user's rights. Labels are made from the names.
 */
#include "describe.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "sobjects.h"

static bool is_custom(const char *name)
{
    size_t n = strlen(name);
    return n > 3 && strcmp(name + n - 3, "__c") == 0;
}

/* "Touchpoint_Date__c" → "Touchpoint Date", "CampaignId" → "Campaign Id" */
static void put_label(char *out, size_t size, const char *name, const char *tail)
{
    struct buf label;
    buf_init(&label, 256);
    size_t n = strlen(name) - (is_custom(name) ? 3 : 0);
    for (size_t i = 0; i < n; i++) {
        bool word = i > 0 && isupper((unsigned char)name[i]) && islower((unsigned char)name[i - 1]);
        if (word)
            buf_putc(&label, ' ');
        buf_putc(&label, name[i] == '_' ? ' ' : name[i]);
    }
    snprintf(out, size, "%s%s", label.data, tail);
    buf_release(&label);
}

static void set_all(json_t *object, const char *const *names, size_t count, bool value)
{
    for (size_t i = 0; i < count; i++)
        json_object_set_new_nocheck(object, names[i], json_boolean(value));
}

#define SET_ALL(object, names, value)                                                              \
    set_all(object, names, sizeof(names) / sizeof((names)[0]), value)

static void set_bool(json_t *object, const char *name, bool value)
{
    json_object_set_new_nocheck(object, name, json_boolean(value));
}

static void set_text(json_t *object, const char *name, const char *value)
{
    json_object_set_new_nocheck(object, name, value == NULL ? json_null() : json_string(value));
}

/* ------------------------------------------------------------------ one field */

static const char *shown_type(const struct field *f)
{
    static const char *const names[] = {"id",      "reference", "string",   "email", "picklist",
                                        "boolean", "date",      "datetime", "int",   "double"};
    if (f->shown_type != NULL)
        return f->shown_type;
    return f->type == FIELD_TEXT && f->length > 255 ? "textarea" : names[f->type];
}

static const char *soap_type(const struct field *f)
{
    static const char *const names[] = {"tns:ID",     "tns:ID",      "xsd:string", "xsd:string",
                                        "xsd:string", "xsd:boolean", "xsd:date",   "xsd:dateTime",
                                        "xsd:int",    "xsd:double"};
    return names[f->type];
}

static json_t *choices(const struct field *f)
{
    json_t *list = json_array();
    for (size_t i = 0; f->values != NULL && f->values[i] != NULL; i++)
        json_array_append_new(list,
                              json_pack("{s:b, s:b, s:s, s:n, s:s}", "active", 1, "defaultValue", 0,
                                        "label", f->values[i], "validFor", "value", f->values[i]));
    return list;
}

static void set_sizes(json_t *json, const struct field *f)
{
    bool text = f->type <= FIELD_PICKLIST;
    unsigned length = !text ? 0 : f->type <= FIELD_REFERENCE ? 18 : f->length;
    json_object_set_new_nocheck(json, "length", json_integer(length));
    json_object_set_new_nocheck(json, "byteLength", json_integer(3 * (json_int_t)length));
    json_object_set_new_nocheck(json, "digits", json_integer(f->type == FIELD_INT ? 8 : 0));
    json_object_set_new_nocheck(json, "precision", json_integer(f->type == FIELD_DOUBLE ? 18 : 0));
    json_object_set_new_nocheck(json, "scale", json_integer(0));
}

static void set_reference(json_t *json, const struct object *o, const struct field *f)
{
    bool cascades = o->id == CAMPAIGN_MEMBER || (o->id == CAMPAIGN_MEMBER_STATUS && f->target);
    json_object_set_new_nocheck(json, "referenceTo",
                                f->target == NULL ? json_array() : json_pack("[s]", f->target));
    set_text(json, "relationshipName", f->relationship);
    json_object_set_new_nocheck(json, "relationshipOrder", json_null());
    set_bool(json, "cascadeDelete", cascades && f->target != NULL && (f->flags & FIELD_CREATE));
}

static void set_access(json_t *json, const struct sim *sim, const struct object *o,
                       const struct field *f)
{
    const struct access *a = &sim->access;
    bool fixed =
        o->read_only || f->expression != NULL || a->read_only_field[o->id][field_index(o, f)];
    set_bool(json, "createable", !fixed && (f->flags & FIELD_CREATE) && !a->no_create[o->id]);
    set_bool(json, "updateable", !fixed && (f->flags & FIELD_UPDATE) && !a->no_update[o->id]);
    set_bool(json, "permissionable", is_custom(f->name) && !(f->flags & FIELD_REQUIRED));
}

static bool is_name(const struct field *f)
{
    return strcmp(f->name, "Name") == 0;
}

static void set_kind(json_t *json, const struct object *o, const struct field *f)
{
    bool external = (f->flags & FIELD_EXTERNAL) != 0, stored = f->expression == NULL;
    bool system = field_index(o, f) < SYSTEM_FIELDS;
    set_bool(json, "externalId", external);
    set_bool(json, "unique", (f->flags & FIELD_UNIQUE) != 0);
    set_bool(json, "idLookup", external || f->type == FIELD_ID_TYPE || f->type == FIELD_EMAIL);
    set_bool(json, "caseSensitive", (f->flags & FIELD_CASE) != 0);
    set_bool(json, "nillable",
             !system && !(f->flags & (FIELD_REQUIRED | FIELD_AUTO)) && f->type != FIELD_BOOLEAN);
    set_bool(json, "defaultedOnCreate",
             system || f->type == FIELD_BOOLEAN || f->initial != NULL || (f->flags & FIELD_AUTO));
    set_bool(json, "calculated", !stored && !is_name(f));
    set_bool(json, "custom", is_custom(f->name));
    set_bool(json, "autoNumber", (f->flags & FIELD_AUTO) != 0);
    set_bool(json, "nameField", is_name(f));
    set_bool(json, "filterable", f->length <= 4000);
    set_bool(json, "sortable", f->length <= 4000);
    set_bool(json, "groupable", f->type != FIELD_DATETIME && f->length <= 255);
    set_bool(json, "aggregatable", f->type != FIELD_BOOLEAN);
    set_bool(json, "restrictedPicklist", (f->flags & FIELD_RESTRICTED) != 0);
    json_object_set_new_nocheck(json, "picklistValues", choices(f));
    json_object_set_new_nocheck(json, "defaultValue",
                                f->type == FIELD_BOOLEAN ? json_false() : json_null());
}

static json_t *field_json(const struct sim *sim, const struct object *o, const struct field *f)
{
    static const char *const off[] = {"aiPredictionField",   "dependentPicklist",
                                      "deprecatedAndHidden", "displayLocationInDecimal",
                                      "encrypted",           "formulaTreatNullNumberAsZero",
                                      "highScaleNumber",     "htmlFormatted",
                                      "namePointing",        "polymorphicForeignKey",
                                      "queryByDistance",     "restrictedDelete",
                                      "searchPrefilterable", "writeRequiresMasterRead"};
    static const char *const empty[] = {
        "calculatedFormula", "compoundFieldName",   "controllerName", "defaultValueFormula",
        "extraTypeInfo",     "filteredLookupInfo",  "inlineHelpText", "mask",
        "maskType",          "referenceTargetField"};
    char label[120], key[200];
    json_t *json = json_object();
    put_label(label, sizeof label, f->name, "");
    set_text(json, "name", f->name);
    set_text(json, "label", label);
    set_text(json, "type", shown_type(f));
    set_text(json, "soapType", soap_type(f));
    set_sizes(json, f);
    set_kind(json, o, f);
    set_access(json, sim, o, f);
    set_reference(json, o, f);
    SET_ALL(json, off, false);
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++)
        set_text(json, empty[i], NULL);
    snprintf(key, sizeof key, "%s.%s", o->name, f->name);
    json_object_update(json, json_object_get(sim->schema_changes, key));
    return json;
}

/* ------------------------------------------------------------------ one object */

static json_t *urls(const struct object *o, const char *version)
{
    static const struct {
        const char *name, *tail;
    } rows[] = {{"sobject", ""}, {"describe", "/describe"}, {"rowTemplate", "/{ID}"}};
    json_t *json = json_object();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char url[120];
        snprintf(url, sizeof url, "/services/data/%s/sobjects/%s%s", version, o->name,
                 rows[i].tail);
        set_text(json, rows[i].name, url);
    }
    return json;
}

/* What the global list and the full description have in common. */
static json_t *summary(const struct sim *sim, const struct object *o, const char *version)
{
    static const char *const on[] = {"queryable", "retrieveable"};
    static const char *const off[] = {"activateable",        "customSetting", "deepCloneable",
                                      "deprecatedAndHidden", "feedEnabled",   "hasSubtypes",
                                      "isInterface",         "isSubtype",     "mruEnabled"};
    static const char *const writable[] = {"layoutable", "replicateable", "searchable",
                                           "triggerable", "undeletable"};
    const struct access *a = &sim->access;
    char label[120], plural[120];
    json_t *json = json_object();
    put_label(label, sizeof label, o->name, "");
    put_label(plural, sizeof plural, o->name, "s");
    set_text(json, "name", o->name);
    set_text(json, "label", label);
    set_text(json, "labelPlural", plural);
    set_text(json, "keyPrefix", o->prefix);
    SET_ALL(json, on, true);
    SET_ALL(json, off, false);
    SET_ALL(json, writable, !o->read_only);
    set_bool(json, "custom", is_custom(o->name));
    set_bool(json, "createable", !o->read_only && !a->no_create[o->id]);
    set_bool(json, "updateable", !o->read_only && !a->no_update[o->id]);
    set_bool(json, "deletable", !o->read_only && !a->no_delete[o->id]);
    set_bool(json, "mergeable", o->id == LEAD || o->id == CONTACT || o->id == ACCOUNT);
    json_object_set_new_nocheck(json, "urls", urls(o, version));
    return json;
}

static bool is_seen(const struct sim *sim, const struct object *o, size_t field)
{
    const struct field *f = &o->fields[field];
    return object_field(o, f->name) == f && !sim->access.no_field[o->id][field];
}

static json_t *fields_json(const struct sim *sim, const struct object *o)
{
    json_t *list = json_array();
    for (size_t i = 0; i < o->field_count; i++) {
        if (is_seen(sim, o, i))
            json_array_append_new(list, field_json(sim, o, &o->fields[i]));
    }
    return list;
}

/* The references of other objects to this one. */
static json_t *children_json(const struct sim *sim, const struct object *o)
{
    json_t *list = json_array();
    for (size_t c = 0; c < OBJECT_COUNT; c++) {
        const struct object *child = &OBJECTS[c];
        for (size_t i = 0; i < child->field_count && !sim->access.none[c]; i++) {
            const struct field *f = &child->fields[i];
            if (f->target == NULL || strcmp(f->target, o->name) != 0 || !is_seen(sim, child, i))
                continue;
            json_t *json =
                json_pack("{s:s, s:s, s:b, s:n, s:b, s:[], s:[]}", "childSObject", child->name,
                          "field", f->name, "deprecatedAndHidden", 0, "relationshipName",
                          "restrictedDelete", 0, "junctionIdListNames", "junctionReferenceTo");
            json_t *reference = json_object();
            set_reference(reference, child, f);
            json_object_set(json, "cascadeDelete", json_object_get(reference, "cascadeDelete"));
            json_decref(reference);
            json_array_append_new(list, json);
        }
    }
    return list;
}

void describe_global(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    json_t *list = json_array();
    for (size_t i = 0; i < OBJECT_COUNT; i++) {
        if (!sim->access.none[i])
            json_array_append_new(list, summary(sim, &OBJECTS[i], r->version));
    }
    sim_reply_json(
        reply, 200,
        json_pack("{s:s, s:i, s:o}", "encoding", "UTF-8", "maxBatchSize", 200, "sobjects", list));
}

void describe_basic(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    const struct object *o = sobjects_find(sim, r->args[1], reply);
    if (o != NULL)
        sim_reply_json(
            reply, 200,
            json_pack("{s:o, s:[]}", "objectDescribe", summary(sim, o, r->version), "recentItems"));
}

void describe_object(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    static const char *const lists[] = {"actionOverrides", "namedLayoutInfos", "recordTypeInfos"};
    static const char *const on[] = {"compactLayoutable", "searchLayoutable"};
    const struct object *o = sobjects_find(sim, r->args[1], reply);
    if (o == NULL)
        return;
    json_t *json = summary(sim, o, r->version);
    SET_ALL(json, on, true);
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        json_object_set_new_nocheck(json, lists[i], json_array());
    json_object_set_new_nocheck(
        json, "supportedScopes",
        json_pack("[{s:s, s:s}]", "label", "All records", "name", "everything"));
    json_object_set_new_nocheck(json, "fields", fields_json(sim, o));
    json_object_set_new_nocheck(json, "childRelationships", children_json(sim, o));
    sim_reply_json(reply, 200, json);
}

/* ------------------------------------------------------------------ changes for tests */

bool describe_set_changes(struct sim *sim, json_t *changes, char *why, size_t why_size)
{
    json_t *kept = json_object(), *attributes;
    const char *name;
    json_object_foreach(changes, name, attributes)
    {
        size_t at;
        char key[200];
        const struct object *o = object_and_field(name, &at);
        if (o == NULL || !json_is_object(attributes)) {
            snprintf(why, why_size, "%s: write \"Object.Field\": {attribute: value}", name);
            json_decref(kept);
            return false;
        }
        snprintf(key, sizeof key, "%s.%s", o->name, o->fields[at].name);
        json_object_set_new(kept, key, json_deep_copy(attributes));
    }
    json_decref(sim->schema_changes);
    sim->schema_changes = kept;
    return true;
}

bool describe_is_external(const struct sim *sim, const struct object *o, const struct field *f)
{
    char key[200];
    snprintf(key, sizeof key, "%s.%s", o->name, f->name);
    const json_t *change = json_object_get(sim->schema_changes, key);
    return (f->flags & FIELD_EXTERNAL) && (f->flags & FIELD_UNIQUE) &&
           !json_is_false(json_object_get(change, "externalId"));
}
