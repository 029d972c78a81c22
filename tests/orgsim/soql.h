/*
 * soql - the query language: text → tree → SQL with bound parameters
 *
 *     soql_parse ─▶ struct soql_query ─▶ soql_plan ─▶ struct soql_plan ─▶ query.c runs it
 *
 * What the language here knows is listed in README.md; all else is MALFORMED_QUERY, as an org
 * answers to what it cannot read. Mixing AND and OR without parentheses is refused, as there.
 *
 * Ownership: query and plan own what they hold; the plan does not refer to the query.
 * Threads:   pure.
 */
#ifndef ORGSIM_SOQL_H
#define ORGSIM_SOQL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "objects.h"
#include "values.h"

enum {
    SOQL_TEXT_MAX = 100000,
    SOQL_STRING_MAX = 4000,
    SOQL_LEVELS_MAX = 5,
    SOQL_NESTING_MAX = 50,
    SOQL_OFFSET_MAX = 2000,
};

struct soql_error {
    const char *code; /* errorCode; static */
    char message[1024];
};

/* ------------------------------------------------------------------ tokens (soql_lex.c) */

enum soql_token_kind {
    TOKEN_END,
    TOKEN_BAD,
    TOKEN_WORD, /* name, keyword or dotted path */
    TOKEN_STRING,
    TOKEN_NUMBER,
    TOKEN_DATE,
    TOKEN_DATETIME,
    TOKEN_OPERATOR, /* = != <> < <= > >= */
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_COMMA,
};

struct soql_token {
    enum soql_token_kind kind;
    const char *at; /* in the text; a string without its quotes */
    size_t n;
};

struct soql_token soql_next_token(const char **cursor);

/* Decodes a string literal; with `pattern` the result is a LIKE pattern in which a backslash takes
 * the next character literally. NULL if an escape is wrong; else free(). */
char *soql_string(const char *s, size_t n, bool pattern);

/* ------------------------------------------------------------------ tree (soql_parse.c) */

enum soql_op {
    SOQL_EQ,
    SOQL_NE,
    SOQL_LT,
    SOQL_LE,
    SOQL_GT,
    SOQL_GE,
    SOQL_LIKE,
    SOQL_IN,
    SOQL_NOT_IN
};

enum soql_literal_kind {
    LITERAL_STRING,
    LITERAL_NUMBER,
    LITERAL_BOOLEAN,
    LITERAL_NULL,
    LITERAL_DATE,
    LITERAL_DATETIME,
};

struct soql_literal {
    enum soql_literal_kind kind;
    const char *at; /* in the text */
    size_t n;
};

struct soql_path {
    char *text; /* "Lead.Email" */
    size_t offset;
};

enum soql_expr_kind { EXPR_AND, EXPR_OR, EXPR_NOT, EXPR_COMPARE };

struct soql_expr {
    enum soql_expr_kind kind;
    struct soql_expr **kids; /* AND, OR: two or more; NOT: one */
    size_t kid_count;
    struct soql_path path;
    enum soql_op op;
    struct soql_literal *literals;
    size_t literal_count;
};

struct soql_order {
    struct soql_path path;
    bool descending, nulls_last;
};

struct soql_query {
    char *text;
    bool count; /* SELECT COUNT() */
    struct soql_path *select;
    size_t select_count;
    struct soql_path from;
    struct soql_expr *where; /* or NULL */
    struct soql_order *order;
    size_t order_count;
    int64_t limit; /* -1: none */
    int64_t offset;
};

/* NULL with *error filled, or a query for soql_query_free. */
struct soql_query *soql_parse(const char *text, struct soql_error *error);
void soql_query_free(struct soql_query **q);

/* Puts the place before the message, as Salesforce does. */
void soql_fail(struct soql_error *error, const char *code, const char *text, size_t offset,
               const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* ------------------------------------------------------------------ SQL (soql_sql.c) */

enum { SOQL_JOINS_MAX = 40 };

/* What a shown record holds, in the order of the select list: columns, and parents at the place of
 * their first column. */
struct soql_item {
    bool is_parent;
    size_t index; /* of columns or joins */
};

/* Table 0 is the queried object, alias t0; the others are left-joined parents. */
struct soql_join {
    const struct object *object;
    const struct field *field; /* of the parent join; NULL for table 0 */
    size_t parent;
    bool shown;    /* a selected field lies on it or behind it */
    bool filtered; /* so does a field of WHERE */
    int id_column; /* of a shown one, in the statement */
    struct soql_item *items;
    size_t item_count;
};

struct soql_column {
    const struct field *field;
    size_t join;
};

struct soql_plan {
    const struct object *object;
    bool count;
    struct soql_join joins[SOQL_JOINS_MAX];
    size_t join_count;
    struct soql_column *columns;
    size_t column_count;
    int first_column;       /* of columns, in the statement: behind the ids */
    struct buf columns_sql; /* "t0.Id, t1.Id, …": Id of each shown table, then the columns */
    struct buf from_sql;    /* " FROM … WHERE …" */
    struct buf count_sql;   /* the same with the joins of WHERE only: for counting */
    struct buf order_sql;   /* " ORDER BY …" or empty: by Id */
    struct value *params;   /* ?1 … */
    size_t param_count;
    int64_t limit, offset;
};

struct access;

/* What the plan may see: NULL for everything. */
struct soql_plan *soql_plan(const struct soql_query *q, const struct access *access,
                            bool with_deleted, struct soql_error *error);
void soql_plan_free(struct soql_plan **p);

#endif
