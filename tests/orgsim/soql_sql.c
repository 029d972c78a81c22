/*
 * From the tree to SQL: tables, columns, order. Parents become left joins, one for each distinct
 * path.
 */
#include "soql_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "permissions.h"

static bool fail_column(struct planner *p, const struct soql_path *at, const char *name,
                        const struct object *o)
{
    soql_fail(p->error, "INVALID_FIELD", p->q->text, at->offset,
              "No such column '%.100s' on entity '%s'. If you are attempting to use a custom "
              "field, be sure to append the '__c' after the custom field name. Please reference "
              "your WSDL or the describe call for the appropriate names.",
              name, o->name);
    return false;
}

static bool may_see(const struct planner *p, const struct object *o)
{
    return p->access == NULL || !p->access->none[o->id];
}

/* The join behind table `from` through a relationship; SOQL_JOINS_MAX if there is none. */
static size_t join_to(struct planner *p, size_t from, const char *name)
{
    struct soql_plan *plan = p->plan;
    const struct field *f = object_relationship(plan->joins[from].object, name);
    const struct object *target = f == NULL ? NULL : object_find(f->target);
    if (f == NULL || !may_see(p, target))
        return SOQL_JOINS_MAX;
    for (size_t i = 1; i < plan->join_count; i++) {
        if (plan->joins[i].parent == from && plan->joins[i].field == f)
            return i;
    }
    if (plan->join_count == SOQL_JOINS_MAX)
        return SOQL_JOINS_MAX;
    plan->joins[plan->join_count] =
        (struct soql_join){.object = target, .field = f, .parent = from};
    return plan->join_count++;
}

/* Finds the field that a path names and the join that it lies on. */
bool soql_resolve(struct planner *p, const struct soql_path *path, struct soql_column *out)
{
    struct soql_plan *plan = p->plan;
    char *rest = mem_strdup(path->text), *name = rest;
    size_t join = 0, level = 0;
    bool ok = true;
    for (char *dot; ok && (dot = strchr(name, '.')) != NULL; name = dot + 1) {
        *dot = '\0';
        join = ++level > SOQL_LEVELS_MAX ? SOQL_JOINS_MAX : join_to(p, join, name);
        if (join == SOQL_JOINS_MAX) {
            soql_fail(p->error, "INVALID_FIELD", p->q->text, path->offset,
                      "Didn't understand relationship '%.100s' in field path. If you are "
                      "attempting to use a custom relationship, be sure to append the '__r' after "
                      "the custom relationship name. Please reference your WSDL or the describe "
                      "call for the appropriate names.",
                      name);
            ok = false;
        }
    }
    if (ok) {
        const struct object *o = plan->joins[join].object;
        const struct field *f = object_field(o, name);
        if (f == NULL || (p->access != NULL && p->access->no_field[o->id][field_index(o, f)]))
            ok = fail_column(p, path, name, o);
        *out = (struct soql_column){f, join};
    }
    free(rest);
    return ok;
}

static bool plan_select(struct planner *p)
{
    struct soql_plan *plan = p->plan;
    plan->columns = mem_array(p->q->select_count + 1, sizeof *plan->columns);
    for (size_t i = 0; i < p->q->select_count; i++) {
        struct soql_column c;
        if (!soql_resolve(p, &p->q->select[i], &c))
            return false;
        for (size_t k = 0; k < plan->column_count; k++) {
            if (plan->columns[k].field == c.field && plan->columns[k].join == c.join) {
                soql_fail(p->error, "INVALID_FIELD", p->q->text, p->q->select[i].offset,
                          "duplicate field selected: %.100s", p->q->select[i].text);
                return false;
            }
        }
        plan->columns[plan->column_count++] = c;
        for (size_t j = c.join; !plan->joins[j].shown; j = plan->joins[j].parent)
            plan->joins[j].shown = true;
    }
    plan->joins[0].shown = true;
    return true;
}

static void add_item(struct soql_join *j, bool is_parent, size_t index)
{
    j->items = mem_resize(j->items, j->item_count + 1, sizeof *j->items);
    j->items[j->item_count++] = (struct soql_item){is_parent, index};
}

/* Puts a parent, and those above it, at the place of its first column. */
static void place_parent(struct soql_plan *plan, size_t join)
{
    if (join == 0 || plan->joins[join].item_count > 0)
        return;
    struct soql_join *parent = &plan->joins[plan->joins[join].parent];
    for (size_t i = 0; i < parent->item_count; i++) {
        if (parent->items[i].is_parent && parent->items[i].index == join)
            return;
    }
    place_parent(plan, plan->joins[join].parent);
    add_item(parent, true, join);
}

static void select_sql(struct soql_plan *plan)
{
    char alias[16];
    buf_puts(&plan->columns_sql, "t0.Id");
    plan->first_column = 1;
    for (size_t i = 1; i < plan->join_count; i++) {
        if (plan->joins[i].shown) {
            plan->joins[i].id_column = plan->first_column++;
            buf_printf(&plan->columns_sql, ", t%zu.Id", i);
        }
    }
    for (size_t i = 0; i < plan->column_count; i++) {
        const struct soql_column *c = &plan->columns[i];
        snprintf(alias, sizeof alias, "t%zu", c->join);
        buf_puts(&plan->columns_sql, ", ");
        field_sql(&plan->columns_sql, c->field, alias);
        place_parent(plan, c->join);
        add_item(&plan->joins[c->join], false, i);
    }
}

/* ------------------------------------------------------------------ FROM and ORDER BY */

static bool order_sql(struct planner *p)
{
    struct buf *sql = &p->plan->order_sql;
    char alias[16];
    for (size_t i = 0; i < p->q->order_count; i++) {
        const struct soql_order *o = &p->q->order[i];
        struct soql_column c;
        if (!soql_resolve(p, &o->path, &c))
            return false;
        if (i == 0 && p->q->order_count == 1 && c.join == 0 && !o->descending &&
            field_index(p->plan->object, c.field) == FIELD_ID)
            return true; /* the order that it has anyway */
        snprintf(alias, sizeof alias, "t%zu", c.join);
        buf_puts(sql, i == 0 ? " ORDER BY " : ", ");
        field_sql(sql, c.field, alias);
        if (c.field->expression != NULL)
            buf_puts(sql, " COLLATE SF");
        buf_printf(sql, " %s NULLS %s", o->descending ? "DESC" : "ASC",
                   o->nulls_last ? "LAST" : "FIRST");
    }
    if (p->q->order_count > 0)
        buf_puts(sql, ", t0.Id");
    return true;
}

static void source_sql(struct planner *p, struct buf *sql, const char *where, bool with_deleted,
                       bool all_joins)
{
    struct soql_plan *plan = p->plan;
    buf_printf(sql, " FROM %s t0", plan->object->name);
    for (size_t i = 1; i < plan->join_count; i++) {
        const struct soql_join *j = &plan->joins[i];
        bool hidden = p->access != NULL && p->access->hide[j->object->id];
        if (all_joins || j->filtered)
            buf_printf(sql, " LEFT JOIN %s t%zu ON t%zu.Id = t%zu.%s%s", j->object->name, i, i,
                       j->parent, j->field->name, hidden ? " AND 0" : "");
    }
    buf_puts(sql, " WHERE ");
    if (p->access != NULL && p->access->hide[plan->object->id])
        buf_puts(sql, "0 AND ");
    buf_puts(sql, with_deleted || plan->object->read_only ? "1" : "t0.IsDeleted = 0");
    if (*where != '\0')
        buf_printf(sql, " AND %s", where);
}

/* The joins are known only when all paths are resolved, so FROM is put together last. */
static void from_sql(struct planner *p)
{
    struct soql_plan *plan = p->plan;
    struct buf where = plan->from_sql;
    buf_init(&plan->from_sql, where.max + 16384);
    buf_init(&plan->count_sql, where.max + 16384);
    source_sql(p, &plan->from_sql, where.data, p->with_deleted, true);
    source_sql(p, &plan->count_sql, where.data, p->with_deleted, false);
    buf_release(&where);
}

struct soql_plan *soql_plan(const struct soql_query *q, const struct access *access,
                            bool with_deleted, struct soql_error *error)
{
    struct soql_plan *plan = mem_alloc(sizeof *plan);
    struct planner p = {q, access, plan, error, with_deleted};
    buf_init(&plan->columns_sql, 1 << 20);
    buf_init(&plan->from_sql, 1 << 23);
    buf_init(&plan->order_sql, 1 << 20);
    plan->limit = q->limit;
    plan->offset = q->offset;
    plan->count = q->count;
    plan->object = object_find(q->from.text);
    if (plan->object == NULL || !may_see(&p, plan->object)) {
        soql_fail(error, "INVALID_TYPE", q->text, q->from.offset,
                  "sObject type '%.100s' is not supported. If you are attempting to use a custom "
                  "object, be sure to append the '__c' after the entity name. Please reference "
                  "your WSDL or the describe call for the appropriate names.",
                  q->from.text);
        soql_plan_free(&plan);
        return NULL;
    }
    plan->joins[0] = (struct soql_join){.object = plan->object, .shown = true};
    plan->join_count = 1;
    if (!plan_select(&p) || (q->where != NULL && !soql_where(&p, q->where, false)) ||
        !order_sql(&p)) {
        soql_plan_free(&plan);
        return NULL;
    }
    select_sql(plan);
    from_sql(&p);
    return plan;
}

void soql_plan_free(struct soql_plan **p)
{
    if (*p == NULL)
        return;
    for (size_t i = 0; i < (*p)->param_count; i++)
        value_clear(&(*p)->params[i]);
    free((*p)->params);
    free((*p)->columns);
    for (size_t i = 0; i < (*p)->join_count; i++)
        free((*p)->joins[i].items);
    buf_release(&(*p)->columns_sql);
    buf_release(&(*p)->from_sql);
    buf_release(&(*p)->count_sql);
    buf_release(&(*p)->order_sql);
    free(*p);
    *p = NULL;
}
