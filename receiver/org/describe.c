/*
 * Of what kind an object's fields are. JSON shows it with each value; CSV does not, and rules
 * compare a number other than a text that looks like one.
 */
#include "bulk_int.h"

#include <string.h>
#include <strings.h>

#include "json_int.h"
#include "schema_int.h"

json_t *describe_field(json_t *describe, const char *name)
{
    json_t *fields = json_object_get(describe, "fields");
    for (size_t i = 0; i < json_array_size(fields); i++) {
        json_t *field = json_array_get(fields, i);
        const char *own = json_text(field, "name");
        if (own != NULL && strcasecmp(own, name) == 0)
            return field;
    }
    return NULL;
}

static bool is_one_of(const char *type, const char *const *types)
{
    for (; *types != NULL; types++) {
        if (strcmp(type, *types) == 0)
            return true;
    }
    return false;
}

static enum err read_kind(const char *object, json_t *field, struct column *column, struct error *e)
{
    static const char *const numbers[] = {"int", "long", "double", "currency", "percent", NULL};
    static const char *const compounds[] = {"address", "location", "complexvalue", NULL};
    const char *type = json_text(field, "type");
    if (type == NULL)
        return error_set(e, ERR_NETWORK,
                         "the org's answer can't be understood: %s.%s has no type in its describe",
                         object, column->name);
    if (is_one_of(type, compounds))
        return error_set(e, ERR_CONFIG,
                         "%s.%s is a compound field, which rules can't compare: name one of its "
                         "parts in the rule",
                         object, column->name);
    column->kind = COLUMN_TEXT;
    if (strcmp(type, "boolean") == 0)
        column->kind = COLUMN_BOOL;
    else if (is_one_of(type, numbers))
        column->kind = COLUMN_NUMBER;
    return ERR_NONE;
}

static enum err read_kinds(const char *object, json_t *root, struct column *columns, size_t n,
                           struct error *e)
{
    enum err err = ERR_NONE;
    if (!json_is_array(json_object_get(root, "fields")))
        return error_set(e, ERR_NETWORK,
                         "the org's answer can't be understood: the describe of %s has no fields",
                         object);
    for (size_t i = 0; err == ERR_NONE && i < n; i++) {
        json_t *field = describe_field(root, columns[i].name);
        if (field == NULL)
            err = error_set(e, ERR_CONFIG,
                            "the org has no field %s on %s, or the integration user cannot see it: "
                            "check the rules' field names",
                            columns[i].name, object);
        else
            err = read_kind(object, field, &columns[i], e);
    }
    return err;
}

enum err describe_object(struct org_conn *c, const char *object, enum err missing, struct answer *a,
                         struct error *e)
{
    struct buf path;
    call_path(&path, c->org, "/sobjects/");
    buf_put_url(&path, object);
    buf_puts(&path, "/describe");
    struct call call = {.operation = "describe", .path = path.data, .missing = missing};
    enum err err = org_call(c, &call, a, e);
    buf_release(&path);
    return err;
}

enum err org_describe_fields(struct org_conn *c, const char *object, const char *const *names,
                             size_t n, struct org_field *out, struct error *e)
{
    static const char *const compounds[] = {"address", "location", "complexvalue", NULL};
    struct answer a;
    enum err err = describe_object(c, object, ERR_CONFIG, &a, e);
    if (err == ERR_NONE && !json_is_array(json_object_get(a.root, "fields")))
        err = error_set(e, ERR_NETWORK,
                        "the org's answer can't be understood: the describe of %s has no fields",
                        object);
    for (size_t i = 0; err == ERR_NONE && i < n; i++) {
        json_t *field = describe_field(a.root, names[i]);
        const char *type = json_text(field, "type");
        out[i] = (struct org_field){
            .is_there = field != NULL,
            .is_writable = json_is_true(json_object_get(field, "updateable")),
            .is_date = type != NULL && strcmp(type, "date") == 0,
            .is_datetime = type != NULL && strcmp(type, "datetime") == 0,
            .is_compound = type != NULL && is_one_of(type, compounds),
        };
    }
    answer_release(&a);
    return err;
}

enum err describe_columns(struct org_conn *c, const char *object, struct column *columns, size_t n,
                          struct error *e)
{
    struct answer a;
    enum err err = describe_object(c, object, ERR_UNSUPPORTED, &a, e);
    if (err == ERR_NONE)
        err = read_kinds(object, a.root, columns, n, e);
    answer_release(&a);
    return err;
}
