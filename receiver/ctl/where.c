/*
 * Reading by descent; each part gives its groups (OR of ANDs) at once: `or` puts two lists of
 * groups together, `and` joins each of the one with each of the other.
 */
#include "where.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mem.h"

enum { DEPTH_MAX = 20, GROUPS_MAX = 64, WORD_MAX = 256 };

struct parser {
    const char *at;
    int depth;
    struct error *e;
};

/* The longest first, so that none is cut short by another. */
static const char *const OPERATORS[] = {
    "does not start with",
    "does not end with",
    "does not match any",
    "does not contain",
    "not starts with",
    "not start with",
    "not ends with",
    "not end with",
    "not matches any",
    "not match any",
    "not contains",
    "not contain",
    "starts with",
    "ends with",
    "matches any",
    "contains",
    "is not",
    "is",
    "<=",
    ">=",
    "<",
    ">",
    "!=",
    "=",
};

static json_t *fail(struct parser *p, const char *wanted)
{
    if (*p->at == '\0')
        (void)error_set(p->e, ERR_INVALID, "the condition ends where %s should stand", wanted);
    else
        (void)error_set(p->e, ERR_INVALID,
                        "the condition can't be read at \"%.40s\": %s should "
                        "stand there",
                        p->at, wanted);
    return NULL;
}

static void skip_space(struct parser *p)
{
    while (isspace((unsigned char)*p->at))
        p->at++;
}

/* The word, in any case, followed by what can't belong to it. */
static bool take_word(struct parser *p, const char *word)
{
    size_t n = strlen(word);
    skip_space(p);
    bool is_sign = !isalpha((unsigned char)word[0]);
    char next = strncasecmp(p->at, word, n) == 0 ? p->at[n] : 'x';
    if (strncasecmp(p->at, word, n) != 0 ||
        (!is_sign && (isalnum((unsigned char)next) || next == '_')))
        return false;
    p->at += n;
    return true;
}

/* Its words may stand apart by any white space. */
static bool take_operator(struct parser *p, const char *op)
{
    const char *before = p->at;
    char word[WORD_MAX];
    while (*op != '\0') {
        size_t n = strcspn(op, " ");
        memcpy(word, op, n);
        word[n] = '\0';
        if (!take_word(p, word)) {
            p->at = before;
            return false;
        }
        op += n + (op[n] == ' ');
    }
    return true;
}

static char *take_quoted(struct parser *p, char quote)
{
    char *text = mem_alloc(strlen(p->at) + 1), *to = text;
    for (p->at++; *p->at != '\0'; p->at++) {
        if (*p->at == quote && p->at[1] == quote)
            p->at++;
        else if (*p->at == quote)
            break;
        *to++ = *p->at;
    }
    if (*p->at == quote) {
        p->at++;
        return text;
    }
    free(text);
    return NULL;
}

/* NULL: none. */
static char *take_value(struct parser *p)
{
    skip_space(p);
    if (*p->at == '\'' || *p->at == '"')
        return take_quoted(p, *p->at);
    size_t n = strcspn(p->at, " \t\r\n()'\"");
    if (n == 0)
        return NULL;
    p->at += n;
    return mem_strndup(p->at - n, n);
}

static char *take_field(struct parser *p)
{
    skip_space(p);
    size_t n = strspn(p->at, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.");
    p->at += n;
    return n == 0 ? NULL : mem_strndup(p->at - n, n);
}

/* Groups: an array of arrays of conditions. */
static json_t *read_or(struct parser *p);

static json_t *read_condition(struct parser *p)
{
    const char *op = NULL;
    char *field = take_field(p), *value = NULL;
    json_t *groups = NULL;
    if (field == NULL)
        return fail(p, "a field's API name");
    skip_space(p);
    for (size_t i = 0; op == NULL && i < sizeof OPERATORS / sizeof OPERATORS[0]; i++) {
        if (take_operator(p, OPERATORS[i]))
            op = OPERATORS[i];
    }
    if (op == NULL)
        (void)fail(p, "an operator (is, is not, contains, starts with, ends with, matches any, "
                      "their not forms, <, <=, >, >=)");
    else if ((value = take_value(p)) == NULL)
        (void)fail(p, "a value, in quotes unless it is one word,");
    if (op != NULL && strcmp(op, "=") == 0)
        op = "is";
    if (op != NULL && strcmp(op, "!=") == 0)
        op = "is not";
    if (value != NULL)
        groups = json_pack("[[{s:s, s:s, s:s}]]", "field", field, "op", op, "value", value);
    if (value != NULL && groups == NULL)
        (void)error_set(p->e, ERR_INVALID, "the condition is not UTF-8");
    free(value);
    free(field);
    return groups;
}

static json_t *read_one(struct parser *p)
{
    skip_space(p);
    if (*p->at != '(')
        return read_condition(p);
    if (p->depth++ == DEPTH_MAX)
        return fail(p, "no further parenthesis");
    p->at++;
    json_t *groups = read_or(p);
    p->depth--;
    skip_space(p);
    if (groups != NULL && *p->at != ')') {
        json_decref(groups);
        return fail(p, "`and`, `or` or a closing parenthesis");
    }
    p->at += groups != NULL;
    return groups;
}

/* Takes both. */
static json_t *join_each(struct parser *p, json_t *a, json_t *b)
{
    json_t *both = json_array();
    bool fits = json_array_size(a) * json_array_size(b) <= GROUPS_MAX;
    for (size_t i = 0; fits && i < json_array_size(a); i++) {
        for (size_t k = 0; k < json_array_size(b); k++) {
            json_t *group = json_copy(json_array_get(a, i));
            json_array_extend(group, json_array_get(b, k));
            json_array_append_new(both, group);
        }
    }
    json_decref(a);
    json_decref(b);
    if (fits)
        return both;
    json_decref(both);
    (void)error_set(p->e, ERR_INVALID, "the condition has too many alternatives: at most %d",
                    GROUPS_MAX);
    return NULL;
}

static json_t *read_and(struct parser *p)
{
    json_t *groups = read_one(p);
    while (groups != NULL && take_word(p, "and")) {
        json_t *more = read_one(p);
        if (more == NULL) {
            json_decref(groups);
            return NULL;
        }
        groups = join_each(p, groups, more);
    }
    return groups;
}

static json_t *read_or(struct parser *p)
{
    json_t *groups = read_and(p);
    while (groups != NULL && take_word(p, "or")) {
        json_t *more = read_and(p);
        if (more == NULL) {
            json_decref(groups);
            return NULL;
        }
        json_array_extend(groups, more);
        json_decref(more);
    }
    return groups;
}

enum err where_parse(const char *text, json_t **out, struct error *e)
{
    struct parser p = {.at = text, .e = e};
    json_t *groups = read_or(&p);
    if (groups == NULL)
        return ERR_INVALID;
    skip_space(&p);
    if (*p.at != '\0') {
        json_decref(groups);
        (void)fail(&p, "`and`, `or` or nothing");
        return ERR_INVALID;
    }
    json_t *any = json_array();
    for (size_t i = 0; i < json_array_size(groups); i++)
        json_array_append_new(any, json_pack("{s:O}", "all", json_array_get(groups, i)));
    json_decref(groups);
    *out = json_pack("{s:o}", "any", any);
    return ERR_NONE;
}
