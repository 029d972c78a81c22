/*
 * Bulk API 2.0 packs its errors into one text: of a job "InvalidBatch : Failed to process query:
 * INVALID_FIELD: …", of a row "CODE:message:FIELD, FIELD --". Here they are taken apart, and judged
 * by the one table (codes.c), like those of every other call.
 */
#include "classify_int.h"

#include <ctype.h>
#include <string.h>

/* ------------------------------------------------------------------ jobs */

/* The piece up to the next ':', without blanks around. False: longer than any code. */
static bool next_piece(const char **text, char out[CODE_MAX])
{
    const char *from = *text + strspn(*text, " \t\r\n");
    size_t n = strcspn(from, ":");
    *text = from + n + (from[n] == ':');
    while (n > 0 && strchr(" \t\r\n", from[n - 1]) != NULL)
        n--;
    if (n == 0 || n >= CODE_MAX)
        return false;
    memcpy(out, from, n);
    out[n] = '\0';
    return true;
}

/* The innermost code that the table knows. */
static const struct code_rule *find_rule(const char *message, char code[CODE_MAX])
{
    const struct code_rule *found = NULL;
    char piece[CODE_MAX];
    while (*message != '\0') {
        if (!next_piece(&message, piece))
            continue;
        const struct code_rule *rule = code_find(piece, message);
        if (rule == NULL)
            continue;
        found = rule;
        memcpy(code, piece, CODE_MAX);
    }
    return found;
}

/* One line. */
static void copy_shown(char out[MESSAGE_MAX], const char *text)
{
    size_t n = strnlen(text, MESSAGE_MAX - 1);
    while (n > 0 && text[n] != '\0' && ((unsigned char)text[n] & 0xc0) == 0x80)
        n--;
    for (size_t i = 0; i < n; i++)
        out[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? ' ' : text[i];
    out[n] = '\0';
}

enum err classify_job(const char *id, const char *message, struct error *e)
{
    char shown[MESSAGE_MAX], code[CODE_MAX] = "";
    copy_shown(shown, message == NULL || message[0] == '\0' ? "the org gave no message" : message);
    const struct code_rule *rule = find_rule(message == NULL ? "" : message, code);
    const char *advice = rule == NULL ? "trying again" : rule->advice;
    return error_set(e, rule == NULL ? ERR_BUSY : rule->request, "bulk job %s failed: %s%s%s", id,
                     shown, advice == NULL ? "" : ": ", advice == NULL ? "" : advice);
}

/* ------------------------------------------------------------------ rows */

struct row_error {
    char code[CODE_MAX];
    char *message; /* owned by buf */
    const char *fields;
    struct buf buf;
};

static bool is_code(const char *text, size_t n)
{
    if (n == 0 || n >= CODE_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!isupper((unsigned char)text[i]) && !isdigit((unsigned char)text[i]) && text[i] != '_')
            return false;
    }
    return true;
}

/* API names with commas or blanks between, or nothing. */
static bool are_fields(const char *text)
{
    for (; *text != '\0'; text++) {
        if (!isalnum((unsigned char)*text) && strchr("_., ", *text) == NULL)
            return false;
    }
    return true;
}

/* Without the "--" at the end, which closes the list of fields. False: there is none. */
static bool drop_dashes(char *text)
{
    size_t n = strlen(text);
    while (n > 0 && text[n - 1] == ' ')
        n--;
    if (n < 2 || text[n - 1] != '-' || text[n - 2] != '-')
        return false;
    n -= 2;
    while (n > 0 && text[n - 1] == ' ')
        n--;
    text[n] = '\0';
    return true;
}

static void take_apart(const char *text, struct row_error *x)
{
    size_t n = strcspn(text, ":");
    *x = (struct row_error){.code = "UNKNOWN", .fields = ""};
    if (text[n] == ':' && is_code(text, n)) {
        memcpy(x->code, text, n);
        x->code[n] = '\0';
        text += n + 1;
    }
    buf_init(&x->buf, strlen(text));
    buf_puts(&x->buf, text);
    x->message = x->buf.data;
    if (x->buf.len == 0 || !drop_dashes(x->message))
        return;
    char *colon = strrchr(x->message, ':');
    if (colon != NULL && are_fields(colon + 1)) {
        *colon = '\0';
        x->fields = colon + 1;
    }
}

static json_t *fields_of(const char *text)
{
    json_t *list = json_array();
    while (*(text += strspn(text, ", ")) != '\0') {
        size_t n = strcspn(text, ", ");
        json_array_append_new(list, json_stringn(text, n));
        text += n;
    }
    return list;
}

void classify_bulk_row(enum write_kind kind, const char *text, struct verdict *v,
                       struct org_row_result *out)
{
    struct row_error x;
    take_apart(text, &x);
    json_t *errors = json_pack("[{s:s,s:s,s:o}]", "statusCode", x.code, "message", x.message,
                               "fields", fields_of(x.fields));
    *v = (struct verdict){.rule = ROW_RETRY, .org_err = ERR_BUSY};
    (void)classify_row(kind, errors, v, out); /* it is what it should be: we made it */
    json_decref(errors);
    buf_release(&x.buf);
}
