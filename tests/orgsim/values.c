/*
 * One function reads JSON and three write; each is a switch over the field's type. Salesforce keeps
 * whole seconds, trims text and stores empty text as null, and so does this.
 */
#include "values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mem.h"
#include "sfid.h"
#include "text.h"
#include "timeutil.h"

enum { MS_PER_SECOND = 1000, MS_PER_DAY = 86400000 };

void value_clear(struct value *v)
{
    free(v->s);
    *v = (struct value){.kind = VALUE_NULL};
}

void value_set_text(struct value *v, const char *s)
{
    char *copy = mem_strdup(s);
    value_clear(v);
    if (copy != NULL)
        *v = (struct value){.kind = VALUE_TEXT, .s = copy};
}

void value_set_int(struct value *v, int64_t i)
{
    value_clear(v);
    *v = (struct value){.kind = VALUE_INT, .i = i};
}

bool value_equal(const struct value *a, const struct value *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case VALUE_NULL:
        return true;
    case VALUE_INT:
        return a->i == b->i;
    case VALUE_REAL:
        return a->d >= b->d && a->d <= b->d;
    case VALUE_TEXT:
        return strcmp(a->s, b->s) == 0;
    }
    return false;
}

/* Leading and trailing white space goes; nothing left is null. */
static void take_trimmed(struct value *out, const char *s, size_t n)
{
    while (n > 0 && strchr(" \t\r\n", s[n - 1]) != NULL)
        n--;
    while (n > 0 && strchr(" \t\r\n", *s) != NULL) {
        s++;
        n--;
    }
    if (n > 0)
        *out = (struct value){.kind = VALUE_TEXT, .s = mem_strndup(s, n)};
}

static bool looks_like_email(const char *s)
{
    const char *at = strchr(s, '@');
    return at != NULL && at != s && at[1] != '\0' && strchr(at + 1, '@') == NULL &&
           strpbrk(s, " \t\r\n,;<>") == NULL;
}

static bool is_choice(const struct field *f, const char *s)
{
    if (!(f->flags & FIELD_RESTRICTED))
        return true;
    for (size_t i = 0; f->values[i] != NULL; i++) {
        if (strcmp(f->values[i], s) == 0)
            return true;
    }
    return false;
}

static enum value_problem text_from_json(const struct field *f, const json_t *json,
                                         struct value *out)
{
    struct value v = {.kind = VALUE_NULL};
    char number[40];
    if (json_is_string(json)) {
        take_trimmed(&v, json_string_value(json), json_string_length(json));
    } else if (json_is_integer(json)) {
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(json));
        take_trimmed(&v, number, strlen(number));
    } else {
        return VALUE_WRONG_TYPE;
    }
    enum value_problem p = VALUE_FITS;
    if (v.kind == VALUE_TEXT) {
        if (text_characters(v.s) > f->length)
            p = VALUE_TOO_LONG;
        else if (f->type == FIELD_EMAIL && !looks_like_email(v.s))
            p = VALUE_BAD_EMAIL;
        else if (!is_choice(f, v.s))
            p = VALUE_BAD_CHOICE;
    }
    if (p == VALUE_FITS)
        *out = v;
    else
        value_clear(&v);
    return p;
}

static enum value_problem id_from_json(const json_t *json, struct value *out)
{
    char id[SFID_SIZE];
    if (!json_is_string(json))
        return VALUE_WRONG_TYPE;
    if (json_string_length(json) == 0)
        return VALUE_FITS;
    if (!sfid_normalise(json_string_value(json), json_string_length(json), id))
        return VALUE_BAD_ID;
    value_set_text(out, id);
    return VALUE_FITS;
}

static enum value_problem boolean_from_json(const json_t *json, struct value *out)
{
    bool on = json_is_true(json);
    if (json_is_string(json) && strcasecmp(json_string_value(json), "true") == 0)
        on = true;
    else if (!json_is_boolean(json) &&
             !(json_is_string(json) && strcasecmp(json_string_value(json), "false") == 0))
        return VALUE_WRONG_TYPE;
    value_set_int(out, on);
    return VALUE_FITS;
}

/* Both kinds of field take both kinds of text but for a date-time without a time. */
static enum value_problem time_from_json(const struct field *f, const json_t *json,
                                         struct value *out)
{
    int64_t day = 0, at_ms = 0;
    if (!json_is_string(json))
        return VALUE_WRONG_TYPE;
    const char *s = json_string_value(json);
    size_t n = json_string_length(json);
    if (n == 0)
        return VALUE_FITS;
    if (f->type == FIELD_DATE && time_parse_date(s, n, &day))
        value_set_int(out, day);
    else if (f->type == FIELD_DATE && n > 10 && time_parse_datetime(s, n, &at_ms) &&
             time_parse_date(s, 10, &day))
        value_set_int(out, day);
    else if (f->type == FIELD_DATETIME && time_parse_datetime(s, n, &at_ms))
        value_set_int(out, at_ms - (at_ms % MS_PER_SECOND + MS_PER_SECOND) % MS_PER_SECOND);
    else
        return VALUE_WRONG_TYPE;
    return VALUE_FITS;
}

static enum value_problem number_from_json(const struct field *f, const json_t *json,
                                           struct value *out)
{
    if (!json_is_number(json))
        return VALUE_WRONG_TYPE;
    if (f->type == FIELD_INT)
        value_set_int(out, (int64_t)json_number_value(json));
    else
        *out = (struct value){.kind = VALUE_REAL, .d = json_number_value(json)};
    return VALUE_FITS;
}

enum value_problem value_from_json(const struct field *f, const json_t *json, struct value *out)
{
    if (json_is_null(json)) {
        if (f->type == FIELD_BOOLEAN)
            value_set_int(out, 0);
        return VALUE_FITS;
    }
    switch (f->type) {
    case FIELD_ID_TYPE:
    case FIELD_REFERENCE:
        return id_from_json(json, out);
    case FIELD_TEXT:
    case FIELD_EMAIL:
    case FIELD_PICKLIST:
        return text_from_json(f, json, out);
    case FIELD_BOOLEAN:
        return boolean_from_json(json, out);
    case FIELD_DATE:
    case FIELD_DATETIME:
        return time_from_json(f, json, out);
    case FIELD_INT:
    case FIELD_DOUBLE:
        return number_from_json(f, json, out);
    }
    return VALUE_WRONG_TYPE;
}

const char *value_problem_code(enum value_problem p)
{
    switch (p) {
    case VALUE_FITS:
        break;
    case VALUE_WRONG_TYPE:
        return "JSON_PARSER_ERROR";
    case VALUE_TOO_LONG:
        return "STRING_TOO_LONG";
    case VALUE_BAD_ID:
        return "MALFORMED_ID";
    case VALUE_BAD_EMAIL:
        return "INVALID_EMAIL_ADDRESS";
    case VALUE_BAD_CHOICE:
        return "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST";
    }
    return "UNKNOWN_EXCEPTION";
}

static const char *type_name(enum field_type t)
{
    static const char *const names[] = {"reference", "reference", "string",   "email", "picklist",
                                        "boolean",   "date",      "datetime", "int",   "double"};
    return names[t];
}

static const char *json_kind(const json_t *json)
{
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return "START_OBJECT";
    case JSON_ARRAY:
        return "START_ARRAY";
    case JSON_STRING:
        return "VALUE_STRING";
    case JSON_INTEGER:
        return "VALUE_NUMBER_INT";
    case JSON_REAL:
        return "VALUE_NUMBER_FLOAT";
    case JSON_TRUE:
        return "VALUE_TRUE";
    case JSON_FALSE:
        return "VALUE_FALSE";
    case JSON_NULL:
        break;
    }
    return "VALUE_NULL";
}

void value_problem_text(enum value_problem p, const struct field *f, const json_t *json, char *out,
                        size_t size)
{
    const char *s = json_is_string(json) ? json_string_value(json) : "";
    switch (p) {
    case VALUE_FITS:
        snprintf(out, size, "no problem");
        break;
    case VALUE_WRONG_TYPE:
        snprintf(out, size,
                 "Cannot deserialize instance of %s from %s value %s or request may be missing a "
                 "required field at [line:1, column:1]",
                 type_name(f->type), json_kind(json), s);
        break;
    case VALUE_TOO_LONG:
        snprintf(out, size, "%s: data value too large: %.200s (max length=%u)", f->name, s,
                 f->length);
        break;
    case VALUE_BAD_ID:
        snprintf(out, size, "%s: id value of incorrect type: %s", f->name, s);
        break;
    case VALUE_BAD_EMAIL:
        snprintf(out, size, "%s: invalid email address: %s", f->name, s);
        break;
    case VALUE_BAD_CHOICE:
        snprintf(out, size, "bad value for restricted picklist field: %s", s);
        break;
    }
}

/* "2026-01-15T09:30:00.000+0000" */
static json_t *datetime_json(int64_t at_ms)
{
    char text[TIME_TEXT_MAX], out[TIME_TEXT_MAX + 8];
    time_format_datetime(at_ms, text);
    snprintf(out, sizeof out, "%.23s+0000", text);
    return json_string(out);
}

json_t *value_to_json(const struct field *f, const struct value *v)
{
    char text[TIME_TEXT_MAX];
    if (v->kind == VALUE_NULL)
        return json_null();
    switch (f->type) {
    case FIELD_BOOLEAN:
        return json_boolean(v->i != 0);
    case FIELD_DATE:
        return json_string(time_format_date(v->i, text));
    case FIELD_DATETIME:
        return datetime_json(v->i);
    case FIELD_INT:
        return json_integer(v->i);
    case FIELD_DOUBLE:
        return json_real(v->d);
    case FIELD_ID_TYPE:
    case FIELD_REFERENCE:
    case FIELD_TEXT:
    case FIELD_EMAIL:
    case FIELD_PICKLIST:
        break;
    }
    return json_string(v->s);
}

/* Text is the bulk of every page: runs without anything to escape are copied whole. */
static void put_json_text(struct buf *out, const char *s, size_t n)
{
    const char *end = s + n;
    buf_putc(out, '"');
    while (s < end) {
        const char *run = s;
        while (s < end && (unsigned char)*s >= 0x20 && *s != '"' && *s != '\\')
            s++;
        buf_put(out, run, (size_t)(s - run));
        if (s < end)
            buf_printf(out, "\\u%04x", (unsigned)(unsigned char)*s++);
    }
    buf_putc(out, '"');
}

void column_put_json(struct buf *out, const struct field *f, sqlite3_stmt *st, int column)
{
    if (sqlite3_column_type(st, column) == SQLITE_NULL) {
        buf_put(out, "null", 4);
    } else if (f->type <= FIELD_PICKLIST) {
        const char *text = (const char *)sqlite3_column_text(st, column);
        put_json_text(out, text, (size_t)sqlite3_column_bytes(st, column));
    } else if (f->type == FIELD_BOOLEAN) {
        buf_puts(out, sqlite3_column_int(st, column) != 0 ? "true" : "false");
    } else {
        struct value v = {.kind = VALUE_NULL};
        value_from_column(&v, st, column);
        json_t *json = value_to_json(f, &v);
        char *text = json_dumps(json, JSON_ENCODE_ANY);
        buf_puts(out, text);
        free(text);
        json_decref(json);
        value_clear(&v);
    }
}

char *column_to_xml(const struct field *f, sqlite3_stmt *st, int column)
{
    char text[TIME_TEXT_MAX];
    if (sqlite3_column_type(st, column) == SQLITE_NULL)
        return NULL;
    switch (f->type) {
    case FIELD_BOOLEAN:
        return mem_strdup(sqlite3_column_int(st, column) != 0 ? "true" : "false");
    case FIELD_DATE:
        return mem_strdup(time_format_date(sqlite3_column_int64(st, column), text));
    case FIELD_DATETIME:
        return mem_strdup(time_format_datetime(sqlite3_column_int64(st, column), text));
    case FIELD_DOUBLE: {
        double d = sqlite3_column_double(st, column);
        return mem_printf(d >= 1e15 || d <= -1e15 ? "%g" : "%.1f", d);
    }
    case FIELD_INT:
    case FIELD_ID_TYPE:
    case FIELD_REFERENCE:
    case FIELD_TEXT:
    case FIELD_EMAIL:
    case FIELD_PICKLIST:
        break;
    }
    return mem_strdup((const char *)sqlite3_column_text(st, column));
}

void value_from_column(struct value *v, sqlite3_stmt *st, int column)
{
    value_clear(v);
    switch (sqlite3_column_type(st, column)) {
    case SQLITE_INTEGER:
        value_set_int(v, sqlite3_column_int64(st, column));
        break;
    case SQLITE_FLOAT:
        *v = (struct value){.kind = VALUE_REAL, .d = sqlite3_column_double(st, column)};
        break;
    case SQLITE_NULL:
        break;
    default:
        value_set_text(v, (const char *)sqlite3_column_text(st, column));
    }
}

void value_bind(sqlite3_stmt *st, int at, const struct value *v)
{
    switch (v->kind) {
    case VALUE_NULL:
        sqlite3_bind_null(st, at);
        break;
    case VALUE_INT:
        sqlite3_bind_int64(st, at, v->i);
        break;
    case VALUE_REAL:
        sqlite3_bind_double(st, at, v->d);
        break;
    case VALUE_TEXT:
        sqlite3_bind_text(st, at, v->s, -1, SQLITE_TRANSIENT);
        break;
    }
}
