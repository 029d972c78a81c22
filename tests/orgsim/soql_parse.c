/*
 * Recursive descent over the tokens. The grammar of conditions is Salesforce's: a condition is a
 * chain of simple conditions joined by AND alone or by OR alone, or NOT and one simple condition; a
 * simple condition is a comparison or a condition in parentheses.
 */
#include "soql.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mem.h"

struct parser {
    struct soql_query *q;
    const char *cursor;
    struct soql_token token; /* the next one, not yet taken */
    struct soql_error *error;
    unsigned depth;
};

void soql_fail(struct soql_error *error, const char *code, const char *text, size_t offset,
               const char *fmt, ...)
{
    va_list ap;
    char what[512];
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    size_t from = offset > 40 ? offset - 40 : 0;
    int caret = (int)(offset - from) + 1;
    error->code = code;
    snprintf(error->message, sizeof error->message, "\n%.80s\n%*s\nERROR at Row:1:Column:%zu\n%s",
             text + from, caret, "^", offset + 1, what);
}

static bool unexpected(struct parser *p)
{
    const char *text = p->q->text;
    size_t offset = (size_t)(p->token.at - text);
    if (p->token.kind == TOKEN_END)
        soql_fail(p->error, "MALFORMED_QUERY", text, offset, "unexpected token: '<EOF>'");
    else
        soql_fail(p->error, "MALFORMED_QUERY", text, offset, "unexpected token: '%.*s'",
                  (int)(p->token.n > 100 ? 100 : p->token.n), p->token.at);
    return false;
}

static void advance(struct parser *p)
{
    p->token = soql_next_token(&p->cursor);
}

static bool is_keyword(const struct parser *p, const char *word)
{
    return p->token.kind == TOKEN_WORD && strlen(word) == p->token.n &&
           strncasecmp(p->token.at, word, p->token.n) == 0;
}

static bool accept_keyword(struct parser *p, const char *word)
{
    if (!is_keyword(p, word))
        return false;
    advance(p);
    return true;
}

static bool expect_keyword(struct parser *p, const char *word)
{
    return accept_keyword(p, word) || unexpected(p);
}

static bool accept(struct parser *p, enum soql_token_kind kind)
{
    if (p->token.kind != kind)
        return false;
    advance(p);
    return true;
}

static bool expect(struct parser *p, enum soql_token_kind kind)
{
    return accept(p, kind) || unexpected(p);
}

static bool is_reserved(const struct parser *p)
{
    static const char *const words[] = {
        "and",      "asc",    "desc", "exclude", "first", "from",  "group", "having", "in",
        "includes", "last",   "like", "limit",   "not",   "null",  "nulls", "offset", "or",
        "order",    "select", "true", "false",   "using", "where", "with"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (is_keyword(p, words[i]))
            return true;
    }
    return false;
}

static bool path(struct parser *p, struct soql_path *out)
{
    if (p->token.kind != TOKEN_WORD || is_reserved(p))
        return unexpected(p);
    *out = (struct soql_path){mem_strndup(p->token.at, p->token.n),
                              (size_t)(p->token.at - p->q->text)};
    advance(p);
    return true;
}

/* ------------------------------------------------------------------ conditions */

static void expr_free(struct soql_expr *e)
{
    if (e == NULL)
        return;
    for (size_t i = 0; i < e->kid_count; i++)
        expr_free(e->kids[i]);
    free(e->kids);
    free(e->path.text);
    free(e->literals);
    free(e);
}

static void add_kid(struct soql_expr *e, struct soql_expr *kid)
{
    e->kids = mem_resize(e->kids, e->kid_count + 1, sizeof(struct soql_expr *));
    e->kids[e->kid_count++] = kid;
}

static bool literal(struct parser *p, struct soql_literal *out)
{
    static const struct {
        enum soql_token_kind token;
        enum soql_literal_kind literal;
    } kinds[] = {{TOKEN_STRING, LITERAL_STRING},
                 {TOKEN_NUMBER, LITERAL_NUMBER},
                 {TOKEN_DATE, LITERAL_DATE},
                 {TOKEN_DATETIME, LITERAL_DATETIME}};
    *out = (struct soql_literal){.at = p->token.at, .n = p->token.n};
    bool known = false;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (p->token.kind == kinds[i].token) {
            out->kind = kinds[i].literal;
            known = true;
        }
    }
    if (is_keyword(p, "null") || is_keyword(p, "true") || is_keyword(p, "false")) {
        out->kind = is_keyword(p, "null") ? LITERAL_NULL : LITERAL_BOOLEAN;
        known = true;
    }
    if (!known)
        return unexpected(p);
    advance(p);
    return true;
}

static bool add_literal(struct parser *p, struct soql_expr *e)
{
    struct soql_literal l;
    if (!literal(p, &l))
        return false;
    if ((e->literal_count & (e->literal_count - 1)) == 0) { /* full at each power of two */
        size_t room = e->literal_count == 0 ? 1 : 2 * e->literal_count;
        e->literals = mem_resize(e->literals, room, sizeof *e->literals);
    }
    e->literals[e->literal_count++] = l;
    return true;
}

static bool literal_list(struct parser *p, struct soql_expr *e)
{
    if (!expect(p, TOKEN_OPEN))
        return false;
    do {
        if (!add_literal(p, e))
            return false;
    } while (accept(p, TOKEN_COMMA));
    return expect(p, TOKEN_CLOSE);
}

static bool comparison_operator(struct parser *p, enum soql_op *op)
{
    static const struct {
        const char *text;
        enum soql_op op;
    } operators[] = {{"=", SOQL_EQ},  {"!=", SOQL_NE}, {"<>", SOQL_NE}, {"<", SOQL_LT},
                     {"<=", SOQL_LE}, {">", SOQL_GT},  {">=", SOQL_GE}};
    for (size_t i = 0; p->token.kind == TOKEN_OPERATOR && i < 7; i++) {
        if (strlen(operators[i].text) == p->token.n &&
            strncmp(operators[i].text, p->token.at, p->token.n) == 0) {
            *op = operators[i].op;
            advance(p);
            return true;
        }
    }
    if (is_keyword(p, "like") || is_keyword(p, "in")) {
        *op = is_keyword(p, "in") ? SOQL_IN : SOQL_LIKE;
        advance(p);
        return true;
    }
    if (accept_keyword(p, "not")) {
        *op = SOQL_NOT_IN;
        return expect_keyword(p, "in");
    }
    return unexpected(p);
}

static struct soql_expr *comparison(struct parser *p)
{
    struct soql_expr *e = mem_alloc(sizeof *e);
    e->kind = EXPR_COMPARE;
    if (path(p, &e->path) && comparison_operator(p, &e->op) &&
        (e->op == SOQL_IN || e->op == SOQL_NOT_IN ? literal_list(p, e) : add_literal(p, e)))
        return e;
    expr_free(e);
    return NULL;
}

static struct soql_expr *condition(struct parser *p);

static struct soql_expr *simple_condition(struct parser *p)
{
    if (p->token.kind != TOKEN_OPEN)
        return comparison(p);
    advance(p);
    struct soql_expr *e = condition(p);
    if (e != NULL && !expect(p, TOKEN_CLOSE)) {
        expr_free(e);
        return NULL;
    }
    return e;
}

/* first AND b AND c …, or the same with OR. */
static struct soql_expr *chain(struct parser *p, struct soql_expr *first)
{
    const char *joiner = is_keyword(p, "and") ? "and" : "or";
    struct soql_expr *e = mem_alloc(sizeof *e);
    e->kind = joiner[0] == 'a' ? EXPR_AND : EXPR_OR;
    add_kid(e, first);
    while (accept_keyword(p, joiner)) {
        struct soql_expr *kid = simple_condition(p);
        if (kid == NULL) {
            expr_free(e);
            return NULL;
        }
        add_kid(e, kid);
    }
    return e;
}

static struct soql_expr *condition(struct parser *p)
{
    if (++p->depth > SOQL_NESTING_MAX) {
        unexpected(p);
        return NULL;
    }
    bool negated = accept_keyword(p, "not");
    struct soql_expr *e = simple_condition(p);
    if (e != NULL && negated) {
        struct soql_expr *not = mem_alloc(sizeof *not );
        not ->kind = EXPR_NOT;
        add_kid(not, e);
        e = not ;
    } else if (e != NULL && (is_keyword(p, "and") || is_keyword(p, "or"))) {
        e = chain(p, e);
    }
    p->depth--;
    return e;
}

/* ------------------------------------------------------------------ the statement */

static bool select_list(struct parser *p)
{
    struct soql_query *q = p->q;
    if (is_keyword(p, "count") && *p->cursor == '(') {
        advance(p);
        advance(p);
        q->count = true;
        return expect(p, TOKEN_CLOSE);
    }
    do {
        struct soql_path one;
        if (!path(p, &one))
            return false;
        q->select = mem_resize(q->select, q->select_count + 1, sizeof *q->select);
        q->select[q->select_count++] = one;
    } while (accept(p, TOKEN_COMMA));
    return true;
}

static bool order_list(struct parser *p)
{
    struct soql_query *q = p->q;
    do {
        struct soql_order one = {.descending = false};
        if (!path(p, &one.path))
            return false;
        if (!accept_keyword(p, "asc"))
            one.descending = accept_keyword(p, "desc");
        q->order = mem_resize(q->order, q->order_count + 1, sizeof *q->order);
        q->order[q->order_count++] = one;
        if (accept_keyword(p, "nulls")) {
            q->order[q->order_count - 1].nulls_last = is_keyword(p, "last");
            if (!accept_keyword(p, "first") && !expect_keyword(p, "last"))
                return false;
        }
    } while (accept(p, TOKEN_COMMA));
    return true;
}

static bool whole_number(struct parser *p, int64_t *out)
{
    int64_t n = 0;
    if (p->token.kind != TOKEN_NUMBER || p->token.n > 9)
        return unexpected(p);
    for (size_t i = 0; i < p->token.n; i++) {
        if (p->token.at[i] < '0' || p->token.at[i] > '9')
            return unexpected(p);
        n = 10 * n + (p->token.at[i] - '0');
    }
    *out = n;
    advance(p);
    return true;
}

static bool offset_clause(struct parser *p)
{
    size_t at = (size_t)(p->token.at - p->q->text);
    if (!whole_number(p, &p->q->offset))
        return false;
    if (p->q->offset > SOQL_OFFSET_MAX)
        soql_fail(p->error, "NUMBER_OUTSIDE_VALID_RANGE", p->q->text, at,
                  "Maximum SOQL offset allowed is %d", SOQL_OFFSET_MAX);
    return p->q->offset <= SOQL_OFFSET_MAX;
}

static bool statement(struct parser *p)
{
    struct soql_query *q = p->q;
    if (!expect_keyword(p, "select") || !select_list(p) || !expect_keyword(p, "from") ||
        !path(p, &q->from))
        return false;
    if (accept_keyword(p, "where") && (q->where = condition(p)) == NULL)
        return false;
    if (accept_keyword(p, "order") && !(expect_keyword(p, "by") && order_list(p)))
        return false;
    if (accept_keyword(p, "limit") && !whole_number(p, &q->limit))
        return false;
    if (accept_keyword(p, "offset") && !offset_clause(p))
        return false;
    return p->token.kind == TOKEN_END || unexpected(p);
}

struct soql_query *soql_parse(const char *text, struct soql_error *error)
{
    if (strlen(text) > SOQL_TEXT_MAX) {
        *error = (struct soql_error){.code = "MALFORMED_QUERY"};
        snprintf(error->message, sizeof error->message,
                 "SOQL statements cannot be longer than %d characters.", SOQL_TEXT_MAX);
        return NULL;
    }
    struct soql_query *q = mem_alloc(sizeof *q);
    q->text = mem_strdup(text);
    q->limit = -1;
    struct parser p = {.q = q, .cursor = q->text, .error = error};
    advance(&p);
    if (!statement(&p))
        soql_query_free(&q);
    return q;
}

void soql_query_free(struct soql_query **q)
{
    if (*q == NULL)
        return;
    for (size_t i = 0; i < (*q)->select_count; i++)
        free((*q)->select[i].text);
    for (size_t i = 0; i < (*q)->order_count; i++)
        free((*q)->order[i].path.text);
    free((*q)->select);
    free((*q)->order);
    free((*q)->from.text);
    expr_free((*q)->where);
    free((*q)->text);
    free(*q);
    *q = NULL;
}
