/*
 * From the tree to SQL. Parents become left joins, one for each distinct path; every literal
 * becomes a bound parameter. SOQL has no third truth value: a comparison with a null field is
 * false, and so is not-equal's opposite, which is why != and NOT IN also find null, and why
 * comparisons below a NOT are wrapped.
 */
#include "soql.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mem.h"
#include "sfid.h"
#include "sim.h"
#include "timeutil.h"
#include "zone.h"

struct planner {
    const struct soql_query *q;
    const struct access *access;
    struct soql_plan *plan;
    struct soql_error *error;
};

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
static bool resolve(struct planner *p, const struct soql_path *path, struct soql_column *out)
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
        if (!resolve(p, &p->q->select[i], &c))
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

static void select_sql(struct soql_plan *plan)
{
    char alias[16];
    buf_puts(&plan->columns_sql, "t0.Id");
    for (size_t i = 1; i < plan->join_count; i++) {
        if (plan->joins[i].shown)
            buf_printf(&plan->columns_sql, ", t%zu.Id", i);
    }
    for (size_t i = 0; i < plan->column_count; i++) {
        snprintf(alias, sizeof alias, "t%zu", plan->columns[i].join);
        buf_puts(&plan->columns_sql, ", ");
        field_sql(&plan->columns_sql, plan->columns[i].field, alias);
    }
}

/* ------------------------------------------------------------------ literals */

static const char *filter_type(const struct field *f)
{
    static const char *const names[] = {"ID",      "reference", "string",   "string", "string",
                                        "boolean", "date",      "dateTime", "int",    "double"};
    return names[f->type];
}

static bool fail_literal(struct planner *p, const struct soql_expr *e, const struct field *f)
{
    soql_fail(p->error, "INVALID_FIELD", p->q->text, e->path.offset,
              "value of filter criterion for field '%s' must be of type %s and should %sbe "
              "enclosed in quotes",
              f->name, filter_type(f), f->type <= FIELD_PICKLIST ? "" : "not ");
    return false;
}

static bool id_value(struct planner *p, const struct soql_expr *e, char *s, struct value *out)
{
    char id[SFID_SIZE];
    bool ordered = e->op >= SOQL_LT && e->op <= SOQL_GE;
    if (*s == '\0' && ordered) {
        value_set_text(out, "");
        return true;
    }
    if (*s == '\0')
        return true;
    if (!sfid_normalise(s, strlen(s), id)) {
        soql_fail(p->error, "INVALID_QUERY_FILTER_OPERATOR", p->q->text, e->path.offset,
                  "invalid ID field: %.100s", s);
        return false;
    }
    value_set_text(out, id);
    return true;
}

static bool string_value(struct planner *p, const struct soql_expr *e, const struct field *f,
                         const struct soql_literal *l, struct value *out)
{
    if (f->type > FIELD_PICKLIST)
        return fail_literal(p, e, f);
    size_t offset = (size_t)(l->at - p->q->text);
    char *s = soql_string(l->at, l->n, e->op == SOQL_LIKE);
    bool ok = s != NULL && strlen(s) <= SOQL_STRING_MAX;
    if (s == NULL)
        soql_fail(p->error, "MALFORMED_QUERY", p->q->text, offset,
                  "Illegal escape sequence in string literal");
    else if (!ok)
        soql_fail(p->error, "MALFORMED_QUERY", p->q->text, offset,
                  "A string in the WHERE clause is longer than %d characters", SOQL_STRING_MAX);
    else if (e->op == SOQL_LIKE)
        *out = (struct value){.kind = VALUE_TEXT, .s = text_fold(s, strlen(s))};
    else if (f->type <= FIELD_REFERENCE)
        ok = id_value(p, e, s, out);
    else if (*s != '\0')
        value_set_text(out, s); /* '' is null */
    free(s);
    return ok;
}

/* Converts a literal for comparison with f; VALUE_NULL for null. */
static bool literal_value(struct planner *p, const struct soql_expr *e, const struct field *f,
                          const struct soql_literal *l, struct value *out)
{
    int64_t t = 0;
    char number[32];
    switch (l->kind) {
    case LITERAL_NULL:
        return true;
    case LITERAL_STRING:
        return string_value(p, e, f, l, out);
    case LITERAL_BOOLEAN:
        if (f->type != FIELD_BOOLEAN)
            return fail_literal(p, e, f);
        value_set_int(out, l->n == 4);
        return true;
    case LITERAL_NUMBER:
        if ((f->type != FIELD_INT && f->type != FIELD_DOUBLE) || l->n >= sizeof number)
            return fail_literal(p, e, f);
        snprintf(number, sizeof number, "%.*s", (int)l->n, l->at);
        *out = (struct value){.kind = VALUE_REAL, .d = strtod(number, NULL)};
        return true;
    case LITERAL_DATE:
        if (f->type != FIELD_DATE || !time_parse_date(l->at, l->n, &t))
            return fail_literal(p, e, f);
        value_set_int(out, t);
        return true;
    case LITERAL_DATETIME:
        if (f->type != FIELD_DATETIME || !time_parse_datetime(l->at, l->n, &t))
            return fail_literal(p, e, f);
        value_set_int(out, t);
        return true;
    }
    return false;
}

/* ------------------------------------------------------------------ conditions */

static void add_param(struct soql_plan *plan, struct value *v)
{
    if ((plan->param_count & (plan->param_count - 1)) == 0) {
        size_t room = plan->param_count == 0 ? 1 : 2 * plan->param_count;
        plan->params = mem_resize(plan->params, room, sizeof *plan->params);
    }
    plan->params[plan->param_count++] = *v;
    buf_printf(&plan->from_sql, "?%zu", plan->param_count);
}

static void operand_sql(struct planner *p, const struct soql_column *c)
{
    char alias[16];
    snprintf(alias, sizeof alias, "t%zu", c->join);
    field_sql(&p->plan->from_sql, c->field, alias);
    if (c->field->expression != NULL && c->field->type != FIELD_ID_TYPE)
        buf_puts(&p->plan->from_sql, " COLLATE SF");
}

static bool check_operator(struct planner *p, const struct soql_expr *e, const struct field *f)
{
    bool ordered = e->op >= SOQL_LT && e->op <= SOQL_GE;
    const char *why = NULL;
    if (f->type == FIELD_TEXT && f->length > SOQL_STRING_MAX)
        why = "field '%s' can not be filtered in a query call";
    else if (e->op == SOQL_LIKE && (f->type < FIELD_TEXT || f->type > FIELD_PICKLIST))
        why = "invalid operator on field '%s'";
    else if ((ordered || e->op == SOQL_LIKE) && e->literals[0].kind == LITERAL_NULL)
        why = "invalid operator on field '%s' for a null value";
    else if (ordered && f->type == FIELD_BOOLEAN)
        why = "invalid operator on boolean field '%s'";
    if (why == NULL)
        return true;
    char text[256];
    size_t prefix = (size_t)(strstr(why, "%s") - why);
    snprintf(text, sizeof text, "%.*s%s%s", (int)prefix, why, f->name, why + prefix + 2);
    soql_fail(p->error,
              f->length > SOQL_STRING_MAX ? "INVALID_FIELD" : "INVALID_QUERY_FILTER_OPERATOR",
              p->q->text, e->path.offset, "%s", text);
    return false;
}

/* field IN (…): the values, and whether null is among them. */
static bool list_sql(struct planner *p, const struct soql_expr *e, const struct soql_column *c)
{
    struct buf *sql = &p->plan->from_sql;
    bool with_null = false, any = false;
    buf_putc(sql, '(');
    operand_sql(p, c);
    buf_puts(sql, e->op == SOQL_IN ? " IN (" : " NOT IN (");
    for (size_t i = 0; i < e->literal_count; i++) {
        struct value v = {.kind = VALUE_NULL};
        if (!literal_value(p, e, c->field, &e->literals[i], &v))
            return false;
        with_null |= v.kind == VALUE_NULL;
        if (v.kind == VALUE_NULL)
            continue;
        if (any)
            buf_puts(sql, ", ");
        add_param(p->plan, &v);
        any = true;
    }
    buf_putc(sql, ')');
    bool null_matches = (e->op == SOQL_IN) == with_null;
    buf_puts(sql, null_matches ? " OR " : " AND ");
    operand_sql(p, c);
    buf_puts(sql, null_matches ? " IS NULL)" : " IS NOT NULL)");
    return true;
}

static bool compare_sql(struct planner *p, const struct soql_expr *e, bool negated)
{
    static const char *const sql_of[] = {" = ", " IS NOT ", " < ", " <= ", " > ", " >= "};
    struct buf *sql = &p->plan->from_sql;
    struct soql_column c;
    if (!resolve(p, &e->path, &c) || !check_operator(p, e, c.field))
        return false;
    for (size_t j = c.join; !p->plan->joins[j].filtered; j = p->plan->joins[j].parent)
        p->plan->joins[j].filtered = true;
    if (e->op == SOQL_IN || e->op == SOQL_NOT_IN)
        return list_sql(p, e, &c);
    struct value v = {.kind = VALUE_NULL};
    if (!literal_value(p, e, c.field, &e->literals[0], &v))
        return false;
    if (v.kind == VALUE_NULL) {
        buf_putc(sql, '(');
        operand_sql(p, &c);
        buf_puts(sql, e->op == SOQL_NE ? " IS NOT NULL)" : " IS NULL)");
        return true;
    }
    buf_puts(sql, negated ? "ifnull(" : "(");
    if (e->op == SOQL_LIKE) {
        buf_puts(sql, "sf_like(");
        add_param(p->plan, &v);
        buf_puts(sql, ", ");
        operand_sql(p, &c);
        buf_putc(sql, ')');
    } else {
        operand_sql(p, &c);
        buf_puts(sql, sql_of[e->op]);
        add_param(p->plan, &v);
    }
    buf_puts(sql, negated ? ", 0)" : ")");
    return true;
}

static bool expr_sql(struct planner *p, const struct soql_expr *e, bool negated)
{
    struct buf *sql = &p->plan->from_sql;
    if (e->kind == EXPR_COMPARE)
        return compare_sql(p, e, negated);
    buf_puts(sql, e->kind == EXPR_NOT ? "(NOT " : "(");
    for (size_t i = 0; i < e->kid_count; i++) {
        if (i > 0)
            buf_puts(sql, e->kind == EXPR_AND ? " AND " : " OR ");
        if (!expr_sql(p, e->kids[i], negated || e->kind == EXPR_NOT))
            return false;
    }
    buf_putc(sql, ')');
    return true;
}

static bool order_sql(struct planner *p)
{
    struct buf *sql = &p->plan->order_sql;
    char alias[16];
    for (size_t i = 0; i < p->q->order_count; i++) {
        const struct soql_order *o = &p->q->order[i];
        struct soql_column c;
        if (!resolve(p, &o->path, &c))
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
static void from_sql(struct planner *p, bool with_deleted)
{
    struct soql_plan *plan = p->plan;
    struct buf where = plan->from_sql;
    buf_init(&plan->from_sql, where.max + 16384);
    buf_init(&plan->count_sql, where.max + 16384);
    source_sql(p, &plan->from_sql, where.data, with_deleted, true);
    source_sql(p, &plan->count_sql, where.data, with_deleted, false);
    buf_release(&where);
}

struct soql_plan *soql_plan(const struct soql_query *q, const struct access *access,
                            bool with_deleted, struct soql_error *error)
{
    struct soql_plan *plan = mem_alloc(sizeof *plan);
    struct planner p = {q, access, plan, error};
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
    if (!plan_select(&p) || (q->where != NULL && !expr_sql(&p, q->where, false)) ||
        !order_sql(&p)) {
        soql_plan_free(&plan);
        return NULL;
    }
    select_sql(plan);
    from_sql(&p, with_deleted);
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
    buf_release(&(*p)->columns_sql);
    buf_release(&(*p)->from_sql);
    buf_release(&(*p)->count_sql);
    buf_release(&(*p)->order_sql);
    free(*p);
    *p = NULL;
}
