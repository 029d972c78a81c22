/*
 * Conditions. Every literal becomes a bound parameter. SOQL has no third truth value: a comparison
 * with a null field is false, and so is not-equal's opposite, which is why != and NOT IN also find
 * null, and why comparisons below a NOT are wrapped.
 */
#include "soql_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "sfid.h"
#include "timeutil.h"
#include "zone.h"

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

/* Takes the value. */
static void add_param(struct soql_plan *plan, const struct value *v)
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
    if (!soql_resolve(p, &e->path, &c) || !check_operator(p, e, c.field))
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

bool soql_where(struct planner *p, const struct soql_expr *e, bool negated)
{
    struct buf *sql = &p->plan->from_sql;
    if (e->kind == EXPR_COMPARE)
        return compare_sql(p, e, negated);
    buf_puts(sql, e->kind == EXPR_NOT ? "(NOT " : "(");
    for (size_t i = 0; i < e->kid_count; i++) {
        if (i > 0)
            buf_puts(sql, e->kind == EXPR_AND ? " AND " : " OR ");
        if (!soql_where(p, e->kids[i], negated || e->kind == EXPR_NOT))
            return false;
    }
    buf_putc(sql, ')');
    return true;
}
