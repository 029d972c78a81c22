/*
 * What a call of the API is asked: the query's parameters or the body's members, each known by name
 * and given at most once. Both come as a JSON object, so that a route reads them alike. Whatever is
 * not understood is refused with a sentence that names it; nothing is guessed.
 */
#include "admin_int.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "timeutil.h"

/* What the longest of our bodies takes several times over; as JSON values it may take 40 times its
 * length in memory. */
enum { QUERY_VALUE_MAX = 4096, BODY_MAX = 1 << 20 };

static bool is_known(const char *const *names, const char *name)
{
    for (; *names != NULL; names++) {
        if (strcmp(*names, name) == 0)
            return true;
    }
    return false;
}

bool argument_refuse(struct answer *out, const char *name, const char *problem)
{
    char *detail = mem_printf("%.200s %s", name, problem);
    answer_problem(out, 400, "The request can't be understood", detail);
    free(detail);
    return false;
}

/* ------------------------------------------------------------------ the query */

static int hex(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, tolower((unsigned char)c));
    return at == NULL ? -1 : (int)(at - digits);
}

/* Percent-decoded, '+' a space; NULL: it is not well formed, or holds a control character. */
static char *decode(const char *s, size_t n)
{
    if (n > QUERY_VALUE_MAX)
        return NULL;
    char *text = mem_alloc(n + 1), *at = text;
    for (size_t i = 0; i < n; i++) {
        int c = (unsigned char)s[i];
        if (c == '+')
            c = ' ';
        if (c == '%') {
            int high = i + 2 < n ? hex(s[i + 1]) : -1;
            int low = i + 2 < n ? hex(s[i + 2]) : -1;
            c = high < 0 || low < 0 ? 0 : high * 16 + low;
            i += 2;
        }
        if (c < ' ') {
            free(text);
            return NULL;
        }
        *at++ = (char)c;
    }
    return text;
}

static bool add_pair(json_t *args, const char *const *names, const char *s, size_t n,
                     struct answer *out)
{
    const char *equals = memchr(s, '=', n);
    size_t name_len = equals == NULL ? n : (size_t)(equals - s);
    char *name = decode(s, name_len);
    char *value = equals == NULL ? mem_strdup("") : decode(equals + 1, n - name_len - 1);
    json_t *text = value == NULL ? NULL : json_string(value);
    bool ok = true;
    if (name == NULL || text == NULL)
        ok = argument_refuse(out, name == NULL ? "a parameter" : name,
                             "is not UTF-8 in percent-encoding");
    else if (!is_known(names, name))
        ok = argument_refuse(out, name, "is no parameter of this call");
    else if (json_object_get(args, name) != NULL)
        ok = argument_refuse(out, name, "is given twice");
    else if (value[0] != '\0')
        json_object_set(args, name, text);
    json_decref(text);
    free(value);
    free(name);
    return ok;
}

json_t *arguments_of_query(const struct request *q, const char *const *names, struct answer *out)
{
    json_t *args = json_object();
    const char *s = q->query.p, *end = s + q->query.n;
    bool ok = true;
    while (ok && s < end) {
        const char *amp = memchr(s, '&', (size_t)(end - s));
        size_t n = (size_t)((amp == NULL ? end : amp) - s);
        ok = n == 0 || add_pair(args, names, s, n, out);
        s += n + (amp != NULL);
    }
    if (ok)
        return args;
    json_decref(args);
    return NULL;
}

/* ------------------------------------------------------------------ the body */

json_t *arguments_of_body(const struct request *q, const char *const *names, struct answer *out)
{
    json_error_t why;
    const char *empty = "{}";
    const char *body = q->body_len == 0 ? empty : q->body;
    size_t n = q->body_len == 0 ? strlen(empty) : q->body_len;
    if (n > BODY_MAX) {
        answer_problem(out, 413, "The request is too large",
                       "the body of this call is at most 1 MiB: ask for less at once");
        return NULL;
    }
    json_t *args = json_loadb(body, n, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(args)) {
        (void)argument_refuse(out, "the body is not one JSON object:",
                              args == NULL ? why.text : "it is another value");
        json_decref(args);
        return NULL;
    }
    const char *name;
    json_t *value;
    json_object_foreach(args, name, value)
    {
        if (!is_known(names, name)) {
            (void)argument_refuse(out, name, "is no member of this call's body");
            json_decref(args);
            return NULL;
        }
    }
    return args;
}

/* ------------------------------------------------------------------ one argument */

const char *argument_text(const json_t *args, const char *name)
{
    const char *text = json_string_value(json_object_get(args, name));
    return text == NULL ? "" : text;
}

bool argument_id(const json_t *args, const char *name, const char *prefix, char id[SFID_SIZE],
                 struct answer *out)
{
    const json_t *value = json_object_get(args, name);
    const char *text = argument_text(args, name);
    id[0] = '\0';
    if (value == NULL)
        return argument_refuse(out, name, "is missing");
    if (!sfid_normalise(text, strlen(text), id) || (prefix != NULL && !sfid_has_prefix(id, prefix)))
        return argument_refuse(out, name, "is no Salesforce id of that kind: 15 or 18 characters");
    return true;
}

bool argument_limit(const json_t *args, size_t *limit, struct answer *out)
{
    const json_t *value = json_object_get(args, "limit");
    const char *text = argument_text(args, "limit");
    char *end = NULL;
    *limit = LIMIT_DEFAULT;
    if (value == NULL)
        return true;
    errno = 0;
    unsigned long n = isdigit((unsigned char)text[0]) ? strtoul(text, &end, 10) : 0;
    if (errno != 0 || end == NULL || *end != '\0' || n < 1 || n > LIMIT_MAX)
        return argument_refuse(out, "limit", "is a number from 1 to 1,000");
    *limit = n;
    return true;
}

bool argument_bool(const json_t *args, const char *name, bool *yes, struct answer *out)
{
    const json_t *value = json_object_get(args, name);
    *yes = json_is_true(value);
    if (value == NULL || json_is_boolean(value))
        return true;
    return argument_refuse(out, name, "is true or false");
}

bool argument_time(const json_t *args, const char *name, int64_t *at_ms, struct answer *out)
{
    const char *text = argument_text(args, name);
    *at_ms = TIME_NONE;
    if (json_object_get(args, name) == NULL || time_parse_datetime(text, strlen(text), at_ms))
        return true;
    return argument_refuse(out, name, "is a date-time such as 2026-11-26T09:00:00Z");
}

bool argument_reason(const json_t *args, struct answer *out)
{
    const json_t *value = json_object_get(args, "reason");
    if (value == NULL || (json_is_string(value) && json_string_length(value) <= REASON_MAX))
        return true;
    return argument_refuse(out, "reason", "is a text of at most 500 bytes");
}
