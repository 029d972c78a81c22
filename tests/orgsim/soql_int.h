/* soql_int - shared by soql_sql.c (tables, columns, order) and soql_where.c (conditions) */
#ifndef ORGSIM_SOQL_INT_H
#define ORGSIM_SOQL_INT_H

#include "soql.h"

struct planner {
    const struct soql_query *q;
    const struct access *access;
    struct soql_plan *plan;
    struct soql_error *error;
    bool with_deleted;
};

/* Finds the field that a path names and the join that it lies on; false with the error filled. */
bool soql_resolve(struct planner *p, const struct soql_path *path, struct soql_column *out);

/* Appends the condition to plan->from_sql; below a NOT `negated` is true. */
bool soql_where(struct planner *p, const struct soql_expr *e, bool negated);

#endif
