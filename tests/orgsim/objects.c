/* Looking objects and fields up, and the database's tables made from them. */
#include "objects.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "db.h"

const struct object *object_find(const char *name)
{
    for (size_t i = 0; i < OBJECT_COUNT; i++) {
        if (strcasecmp(OBJECTS[i].name, name) == 0)
            return &OBJECTS[i];
    }
    return NULL;
}

const struct object *object_by_id(const char *record_id)
{
    for (size_t i = 0; i < OBJECT_COUNT; i++) {
        if (strncmp(OBJECTS[i].prefix, record_id, 3) == 0)
            return &OBJECTS[i];
    }
    return NULL;
}

const struct field *object_field(const struct object *o, const char *name)
{
    for (size_t i = 0; i < o->field_count; i++) {
        if (strcasecmp(o->fields[i].name, name) == 0)
            return o->read_only && i == FIELD_IS_DELETED ? NULL : &o->fields[i];
    }
    return NULL;
}

const struct object *object_and_field(const char *text, size_t *field_at)
{
    char name[80];
    size_t n = strcspn(text, ".");
    if (text[n] == '\0' || n >= sizeof name)
        return NULL;
    snprintf(name, sizeof name, "%.*s", (int)n, text);
    const struct object *o = object_find(name);
    const struct field *f = o == NULL ? NULL : object_field(o, text + n + 1);
    if (f == NULL)
        return NULL;
    *field_at = field_index(o, f);
    return o;
}

const struct field *object_relationship(const struct object *o, const char *name)
{
    for (size_t i = 0; i < o->field_count; i++) {
        const struct field *f = &o->fields[i];
        if (f->relationship != NULL && strcasecmp(f->relationship, name) == 0)
            return f;
    }
    return NULL;
}

size_t field_index(const struct object *o, const struct field *f)
{
    return (size_t)(f - o->fields);
}

size_t object_at(const struct object *o, const char *name)
{
    const struct field *f = object_field(o, name);
    assert(f != NULL);
    return field_index(o, f);
}

void field_sql(struct buf *out, const struct field *f, const char *alias)
{
    if (f->expression == NULL) {
        buf_printf(out, "%s.%s", alias, f->name);
        return;
    }
    buf_putc(out, '(');
    for (const char *c = f->expression; *c != '\0'; c++) {
        if (*c == '$')
            buf_puts(out, alias);
        else
            buf_putc(out, *c);
    }
    buf_putc(out, ')');
}

static const char *column_type(const struct field *f)
{
    switch (f->type) {
    case FIELD_ID_TYPE:
    case FIELD_REFERENCE:
        return "TEXT";
    case FIELD_TEXT:
    case FIELD_EMAIL:
    case FIELD_PICKLIST:
        return f->flags & FIELD_CASE ? "TEXT" : "TEXT COLLATE SF";
    case FIELD_BOOLEAN:
        return "INTEGER NOT NULL DEFAULT 0";
    case FIELD_DATE:
    case FIELD_DATETIME:
    case FIELD_INT:
        return "INTEGER";
    case FIELD_DOUBLE:
        return "REAL";
    }
    return "";
}

static void create_table(struct sdb *db, const struct object *o)
{
    struct buf sql;
    buf_init(&sql, 16384);
    buf_printf(&sql, "CREATE TABLE %s (", o->name);
    for (size_t i = 0; i < o->field_count; i++) {
        const struct field *f = &o->fields[i];
        if (f->expression == NULL)
            buf_printf(&sql, "%s%s %s", i == 0 ? "" : ", ", f->name,
                       i == FIELD_ID ? "TEXT NOT NULL PRIMARY KEY" : column_type(f));
    }
    buf_puts(&sql, ") WITHOUT ROWID;");
    for (size_t i = 0; i < o->field_count; i++) {
        const struct field *f = &o->fields[i];
        if (f->flags & FIELD_UNIQUE)
            buf_printf(&sql, "CREATE UNIQUE INDEX %s_%s ON %s (%s) WHERE IsDeleted = 0;", o->name,
                       f->name, o->name, f->name);
    }
    if (!o->read_only)
        buf_printf(&sql, "CREATE INDEX %s_modstamp ON %s (SystemModstamp);%s", o->name, o->name,
                   o->indexes);
    sdb_script(db, sql.data);
    buf_release(&sql);
}

void objects_create_tables(struct sdb *db)
{
    for (size_t i = 0; i < OBJECT_COUNT; i++)
        create_table(db, &OBJECTS[i]);
    /* what was deleted for good, for getDeleted */
    sdb_script(db, "CREATE TABLE DeleteLog (Object TEXT, Id TEXT, DeletedDate INTEGER);"
                   "CREATE INDEX delete_log ON DeleteLog (Object, DeletedDate)");
}
