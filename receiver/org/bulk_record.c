/*
 * From the cells of a row to the record that the same query gives as JSON, so that all that reads
 * records has one form to read. An empty cell is null; a parent whose cells are all empty is an
 * object of nulls, which reads as an absent one.
 */
#include "bulk_int.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "json_int.h"
#include "mem.h"

/* ------------------------------------------------------------------ columns */

static bool is_listed(const char *name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcasecmp(name, list[i]) == 0)
            return true;
    }
    return false;
}

static void split_select(const char *list, struct columns *x)
{
    size_t n = 1;
    for (const char *comma = list; (comma = strchr(comma, ',')) != NULL; comma++)
        n++;
    x->column = mem_array(n, sizeof *x->column);
    x->name = mem_array(n, sizeof *x->name);
    while (x->count < n) {
        size_t len = strcspn(list, ",");
        x->name[x->count] = mem_strndup(list, len);
        x->column[x->count].name = x->name[x->count];
        x->count++;
        list += len + 1;
    }
}

/* The columns whose kind only the describe tells, in one call. */
static enum err describe(struct org_conn *c, const struct query *q, struct columns *x,
                         struct error *e)
{
    struct column *asked = mem_array(x->count, sizeof *asked);
    size_t *from = mem_array(x->count, sizeof *from), n = 0;
    enum err err = ERR_NONE;
    for (size_t i = 0; i < x->count; i++) {
        if (is_listed(x->name[i], q->bulk->described, q->bulk->described_count)) {
            from[n] = i;
            asked[n++] = x->column[i];
        }
    }
    if (n > 0)
        err = describe_columns(c, q->from, asked, n, e);
    for (size_t i = 0; err == ERR_NONE && i < n; i++)
        x->column[from[i]] = asked[i];
    free(from);
    free(asked);
    return err;
}

enum err columns_init(struct columns *x, struct org_conn *c, const struct query *q, struct error *e)
{
    *x = (struct columns){0};
    split_select(q->select->text.data, x);
    for (size_t i = 0; i < x->count; i++) {
        if (is_listed(x->name[i], q->bulk->bools, q->bulk->bool_count))
            x->column[i].kind = COLUMN_BOOL;
    }
    return describe(c, q, x, e);
}

void columns_release(struct columns *x)
{
    for (size_t i = 0; i < x->count; i++)
        free(x->name[i]);
    free(x->name);
    free(x->column);
    *x = (struct columns){0};
}

/* ------------------------------------------------------------------ records */

/* NULL: not of that kind. */
static json_t *value_of(enum column_kind kind, const char *text)
{
    if (text[0] == '\0')
        return json_null();
    if (kind == COLUMN_TEXT)
        return json_string(text);
    if (kind == COLUMN_BOOL) {
        if (strcasecmp(text, "true") == 0)
            return json_true();
        return strcasecmp(text, "false") == 0 ? json_false() : NULL;
    }
    json_error_t ignored;
    json_t *number = json_loads(text, JSON_DECODE_ANY, &ignored);
    if (json_is_number(number))
        return number;
    json_decref(number);
    return NULL;
}

/* The object that holds the field of a path "Lead.Owner.Name"; *path: its last part. */
static json_t *holder_of(json_t *record, const char **path)
{
    for (const char *dot; (dot = strchr(*path, '.')) != NULL; *path = dot + 1) {
        size_t n = (size_t)(dot - *path);
        json_t *parent = json_object_getn(record, *path, n);
        if (parent == NULL) {
            parent = json_object();
            (void)json_object_setn_new(record, *path, n, parent);
        }
        record = parent;
    }
    return record;
}

json_t *columns_record(const struct columns *x, const char **cells, struct error *e)
{
    json_t *record = json_object();
    for (size_t i = 0; i < x->count; i++) {
        const char *text = *cells, *name = x->name[i];
        json_t *value = value_of(x->column[i].kind, text);
        if (value == NULL) {
            (void)error_set(e, ERR_NETWORK,
                            "the org's CSV can't be understood: column %s holds what is no %s",
                            x->name[i], x->column[i].kind == COLUMN_BOOL ? "boolean" : "number");
            json_decref(record);
            return NULL;
        }
        json_t *holder = holder_of(record, &name);
        (void)json_object_set_new(holder, name, value);
        *cells = text + strlen(text) + 1;
    }
    return record;
}
