/*
 * What an answer means. A read that can't be understood is a failure of transport and is repeated.
 * A write that can't be understood has an unknown outcome, unless the answer says that it was
 * refused before anything was done (a 4xx with a code, 401, 414, 420, 429, 431), or the request
 * never left whole.
 */
#include "classify_int.h"

#include <string.h>
#include <strings.h>

#include "json_int.h"

/* ------------------------------------------------------------------ the org's words */

/* Cuts at a whole UTF-8 character. */
static void copy_whole(char *out, size_t size, const char *text, size_t n)
{
    if (n > size - 1) {
        n = size - 1;
        while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
            n--;
    }
    memcpy(out, text, n);
    out[n] = '\0';
}

/* One line, without the picture of the query that SOQL errors begin with. */
static void clean(const char *text, char out[MESSAGE_MAX / 2])
{
    static const char marker[] = "ERROR at Row:";
    const char *at = strstr(text, marker);
    const char *line = at == NULL ? NULL : strchr(at, '\n');
    copy_whole(out, MESSAGE_MAX / 2, line == NULL ? text : line + 1,
               strlen(line == NULL ? text : line + 1));
    for (char *c = out; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
    }
}

/* [A, B]; "" when there are none */
static void put_fields(struct buf *b, json_t *fields)
{
    bool first = true;
    for (size_t i = 0; i < json_array_size(fields); i++) {
        const char *field = json_string_value(json_array_get(fields, i));
        if (field == NULL)
            continue;
        buf_puts(b, first ? " [" : ", ");
        buf_puts(b, field);
        first = false;
    }
    if (!first)
        buf_putc(b, ']');
}

/* The n-th text in single quotes. */
static bool quoted(const char *text, int n, char out[CODE_MAX])
{
    for (;; n--) {
        const char *open = strchr(text, '\'');
        const char *close = open == NULL ? NULL : strchr(open + 1, '\'');
        if (close == NULL)
            return false;
        if (n == 0) {
            copy_whole(out, CODE_MAX, open + 1, (size_t)(close - open - 1));
            return true;
        }
        text = close + 1;
    }
}

/* "No such column 'X' on entity 'Y'" and "sObject type 'Y' is not supported", said as what is
 * missing. False: not one of them. */
static bool put_missing(struct buf *b, const char *code, const char *message)
{
    char first[CODE_MAX], second[CODE_MAX];
    if (strcmp(code, "INVALID_FIELD") == 0 && code_contains(message, "No such column") &&
        quoted(message, 0, first)) {
        buf_printf(b, "the org has no field %s", first);
        if (quoted(message, 1, second) && code_contains(message, "' on "))
            buf_printf(b, " on %s", second);
    } else if (strcmp(code, "INVALID_TYPE") == 0 && quoted(message, 0, first)) {
        buf_printf(b, "the org has no object %s", first);
    } else {
        return false;
    }
    buf_puts(b, ", or the integration user cannot see it");
    return true;
}

static void put_sentence(struct buf *b, const char *code, const char *message,
                         const struct code_rule *rule, const char *advice)
{
    char words[MESSAGE_MAX / 2];
    clean(message, words);
    if (!put_missing(b, code, words))
        buf_puts(b, words[0] == '\0' ? "the org gave no message" : words);
    const char *what_to_do = rule == NULL ? advice : rule->advice;
    if (what_to_do != NULL)
        buf_printf(b, ": %s", what_to_do);
}

/* ------------------------------------------------------------------ requests */

/* The first of [{"errorCode":…,"message":…}] (also a single object). NULL: not such a body. */
static json_t *first_error(json_t *root, const char *code_name)
{
    json_t *error = json_is_array(root) ? json_array_get(root, 0) : root;
    const char *code = json_text(error, code_name);
    return code == NULL || code[0] == '\0' ? NULL : error;
}

static const char *message_of(json_t *error)
{
    const char *message = json_text(error, "message");
    return message == NULL ? "" : message;
}

/* What the path names is not there: a job that is gone, or a feature that the org does not have. */
static bool is_missing(const struct call *call, long status, const char *code)
{
    if (call->missing == ERR_NONE)
        return false;
    return status == 404 || (call->missing == ERR_NOT_FOUND && strcasecmp(code, "InvalidJob") == 0);
}

static enum err refused(const struct call *call, long status, json_t *error, struct answer *a,
                        bool *daily_limit, struct error *e)
{
    const char *code = json_text(error, "errorCode"), *message = message_of(error);
    const struct code_rule *rule = code_find(code, message);
    const struct status_rule *by_status = status_find(status);
    enum err kind = ERR_BUSY;
    struct buf text;

    copy_whole(a->code, sizeof a->code, code, strlen(code));
    *daily_limit = code_is_daily(code, message);
    const char *advice = by_status == NULL ? NULL : by_status->advice;
    if (is_missing(call, status, code)) {
        kind = call->missing;
        advice = kind == ERR_NOT_FOUND ? "deleted, or too old" : "the org does not offer it";
        rule = NULL;
    } else if (rule != NULL) {
        kind = rule->request;
    } else if (by_status != NULL) {
        kind = by_status->kind;
    }
    if (call->is_write && status >= 500)
        kind = ERR_UNKNOWN_OUTCOME;
    buf_init(&text, ERROR_TEXT_MAX);
    put_sentence(&text, code, message, rule, advice);
    (void)error_set(e, kind, "%s: %s (%s, status %ld)", call->operation, text.data, a->code,
                    status);
    buf_release(&text);
    return kind;
}

static enum err not_understood(const struct call *call, const struct http_reply *r, struct error *e)
{
    const struct status_rule *by_status = status_find(r->status);
    bool is_page = r->body.data[strspn(r->body.data, " \t\r\n")] == '<';
    const char *what = r->body.len == 0 ? "an empty answer"
                       : is_page        ? "a web page"
                                        : "no whole JSON";

    if (by_status != NULL && by_status->before)
        return error_set(e, by_status->kind, "%s: the org answered status %ld: %s", call->operation,
                         r->status, by_status->advice);
    if (call->is_write)
        return error_set(e, ERR_UNKNOWN_OUTCOME,
                         "%s: the answer (status %ld, %s) does not tell whether it was done",
                         call->operation, r->status, what);
    return error_set(e, r->status >= 500 ? ERR_BUSY : ERR_NETWORK,
                     "%s: the org's answer can't be understood (status %ld, %s): maintenance, or "
                     "a proxy in between",
                     call->operation, r->status, what);
}

struct end_rule {
    enum err kind;
    const char *text;
};

static enum err not_answered(const struct call *call, const struct http_reply *r, struct error *e)
{
    static const struct end_rule ends[] = {
        [HTTP_ANSWERED] = {ERR_INTERNAL, "answered"},
        [HTTP_UNREACHABLE] = {ERR_NETWORK, "the org can't be reached: check DNS, firewall, proxy"},
        [HTTP_UNTRUSTED] = {ERR_NETWORK, "the org's certificate can't be verified: if a proxy "
                                         "opens TLS, add its CA to the system's"},
        [HTTP_BROKEN] = {ERR_NETWORK, "the connection to the org broke"},
        [HTTP_TIMED_OUT] = {ERR_TIMEOUT, "the org did not answer in time"},
        [HTTP_TOO_LARGE] = {ERR_NETWORK, "the org's answer is larger than 64 MiB"},
        [HTTP_STALE] = {ERR_STALE, "the lease ended before the request had left; not sent"},
        [HTTP_ABORTED] = {ERR_STOPPED, "the program is stopping"},
        [HTTP_UNREADABLE] = {ERR_IO, "the file to be sent can't be read"},
        [HTTP_REFUSED] = {ERR_NETWORK, "the org's answer can't be understood"},
    };
    const struct end_rule *end = &ends[r->end];
    if (call->is_write && r->sent_whole)
        return error_set(e, ERR_UNKNOWN_OUTCOME, "%s: %s, after the request had left (%s)",
                         call->operation, end->text, r->detail);
    return error_set(e, end->kind, "%s: %s (%s)", call->operation, end->text, r->detail);
}

/* A success that needs no document. */
static bool has_all(const struct call *call, long status)
{
    return (call->wants == CALL_CSV && status == 200) ||
           (call->wants == CALL_NOTHING && status >= 200 && status < 300);
}

enum err classify_reply(const struct call *call, const struct http_reply *r, struct answer *a,
                        bool *daily_limit, struct error *e)
{
    a->status = r->status;
    a->code[0] = '\0';
    a->records = r->records;
    memcpy(a->locator, r->locator, sizeof a->locator);
    *daily_limit = false;
    if (r->end != HTTP_ANSWERED)
        return not_answered(call, r, e);
    if (has_all(call, r->status))
        return ERR_NONE;
    json_t *root = json_read(r->body.data, r->body.len);
    if (root != NULL && (r->status == 200 || (r->status == 201 && call->wants == CALL_MADE))) {
        a->root = root;
        return ERR_NONE;
    }
    json_t *error = r->status >= 300 ? first_error(root, "errorCode") : NULL;
    enum err err = error != NULL ? refused(call, r->status, error, a, daily_limit, e)
                                 : not_understood(call, r, e);
    json_decref(root);
    return err;
}

enum err classify_part(const struct call *call, long status, json_t *body, struct answer *a,
                       bool *daily_limit, struct error *e)
{
    json_t *error = status >= 300 ? first_error(body, "errorCode") : NULL;
    *daily_limit = false;
    if (error != NULL)
        return refused(call, status, error, a, daily_limit, e);
    return error_set(e, status >= 500 ? ERR_BUSY : ERR_NETWORK,
                     "%s: a part of the org's answer can't be understood (status %ld)",
                     call->operation, status);
}

bool classify_wants_new_token(const struct http_reply *r)
{
    if (r->end != HTTP_ANSWERED || r->status != 401)
        return false;
    return strstr(r->body.data, "Connected app is not attached to Agent") == NULL &&
           strstr(r->body.data, "This session is not valid for use with the REST API") == NULL;
}

/* ------------------------------------------------------------------ rows */

static void describe(json_t *error, const char *code, const struct code_rule *rule,
                     const char *advice, struct org_row_result *out)
{
    struct buf text, fields;
    buf_init(&fields, MESSAGE_MAX / 4);
    buf_init(&text, ERROR_TEXT_MAX);
    put_sentence(&text, code, message_of(error), rule, advice);
    put_fields(&fields, json_object_get(error, "fields"));
    copy_whole(out->code, sizeof out->code, code, strlen(code));
    copy_whole(out->message, sizeof out->message - fields.len, text.data, text.len);
    memcpy(out->message + strlen(out->message), fields.data, fields.len + 1);
    buf_release(&text);
    buf_release(&fields);
}

bool classify_row(enum write_kind kind, json_t *errors, struct verdict *v,
                  struct org_row_result *out)
{
    bool found = false;
    for (size_t i = 0; i < json_array_size(errors); i++) {
        json_t *error = json_array_get(errors, i);
        const char *code = json_text(error, "statusCode");
        if (code == NULL || code[0] == '\0')
            return false;
        const struct code_rule *rule = code_find(code, message_of(error));
        enum row_rule r = ROW_RETRY;
        if (rule != NULL)
            r = kind == WRITE_UPSERT ? rule->upsert : rule->remove; /* update: by id, as well */
        if (found && r <= v->rule)
            continue;
        *v = (struct verdict){.rule = r,
                              .org_err = rule == NULL ? ERR_BUSY : rule->request,
                              .daily_limit = code_is_daily(code, message_of(error))};
        describe(error, code, rule, NULL, out);
        found = true;
    }
    return found;
}

/* What a request's error means for the rows of a subrequest. */
static enum row_rule rows_of(enum err kind)
{
    if (kind == ERR_INVALID)
        return ROW_PARK;
    return kind == ERR_LIMIT || kind == ERR_CONFIG || kind == ERR_DENIED ? ROW_ORG : ROW_RETRY;
}

bool classify_subrequest(long status, json_t *body, struct verdict *v, struct org_row_result *out)
{
    json_t *error = first_error(body, "errorCode");
    if (error == NULL || status < 300)
        return false;
    const char *code = json_text(error, "errorCode");
    const struct code_rule *rule = code_find(code, message_of(error));
    const struct status_rule *by_status = status_find(status);
    enum err kind = ERR_BUSY;
    if (rule != NULL)
        kind = rule->request;
    else if (by_status != NULL)
        kind = by_status->kind;
    bool by_row = rule != NULL && (kind == ERR_INVALID || rule->upsert == ROW_RETRY_FEW);
    *v = (struct verdict){.rule = by_row ? rule->upsert : rows_of(kind),
                          .org_err = kind,
                          .daily_limit = code_is_daily(code, message_of(error))};
    describe(error, code, rule, by_status == NULL ? NULL : by_status->advice, out);
    return true;
}
