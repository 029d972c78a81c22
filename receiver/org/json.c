/*
 * jansson behind a few helpers that refuse what they do not understand. Its memory is wiped when it
 * is freed, because the answer to a sign-in is a token and the parser keeps copies of what it read.
 */
#include "json_int.h"

#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "timeutil.h"

static void *keep_alloc(size_t n)
{
    return malloc(n);
}

static void wipe_free(void *p)
{
    if (p == NULL)
        return;
    volatile char *bytes = p;
    size_t n = malloc_usable_size(p);
    for (size_t i = 0; i < n; i++)
        bytes[i] = 0;
    free(p);
}

void json_setup(void)
{
    json_set_alloc_funcs(keep_alloc, wipe_free);
    json_object_seed(0);
}

json_t *json_read(const char *bytes, size_t n)
{
    json_error_t ignored; /* its text quotes the answer, which may be anything */
    return json_loadb(bytes, n, JSON_REJECT_DUPLICATES, &ignored);
}

json_t *json_field(json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);
    if (value != NULL)
        return value;
    const char *key;
    json_object_foreach(object, key, value)
    {
        if (strcasecmp(key, name) == 0)
            return value;
    }
    return NULL;
}

const char *json_text(json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

/* ------------------------------------------------------------------ records */

static void spoil(struct record *r, const char *field, const char *what)
{
    if (r->err == ERR_NONE)
        r->err = error_set(r->e, ERR_NETWORK, "the org's answer can't be understood: %s.%s %s",
                           r->name, field, what);
}

/* NULL for null, for an absent parent, and (spoiling r) for an absent field. */
static json_t *value_of(struct record *r, const char *field)
{
    if (r->object == NULL || r->err != ERR_NONE)
        return NULL;
    json_t *value = json_field(r->object, field);
    if (value == NULL)
        spoil(r, field, "was asked for and is missing");
    return json_is_null(value) ? NULL : value;
}

const char *record_text(struct record *r, const char *field)
{
    json_t *value = value_of(r, field);
    if (value != NULL && !json_is_string(value))
        spoil(r, field, "is not text");
    return json_string_value(value);
}

bool record_bool(struct record *r, const char *field)
{
    json_t *value = value_of(r, field);
    if (value != NULL && !json_is_boolean(value))
        spoil(r, field, "is neither true nor false");
    return json_is_true(value);
}

void record_id(struct record *r, const char *field, char out[SFID_SIZE])
{
    const char *text = record_text(r, field);
    memset(out, 0, SFID_SIZE);
    if (text != NULL && !sfid_normalise(text, strlen(text), out))
        spoil(r, field, "is not a record id");
}

void record_when(struct record *r, const char *field, int64_t *day, int64_t *at_ms)
{
    const char *text = record_text(r, field);
    *day = TIME_NONE;
    *at_ms = TIME_NONE;
    if (text == NULL)
        return;
    size_t n = strlen(text);
    if (!time_parse_date(text, n, day) && !time_parse_datetime(text, n, at_ms))
        spoil(r, field, "is neither a date nor a date-time");
}

/* The shortest of 15 and 17 digits that reads back as the same number. */
static void number_text(json_t *value, char out[JSON_NUMBER_MAX])
{
    if (json_is_integer(value)) {
        (void)snprintf(out, JSON_NUMBER_MAX, "%lld", (long long)json_integer_value(value));
        return;
    }
    double d = json_real_value(value);
    (void)snprintf(out, JSON_NUMBER_MAX, "%.15g", d);
    double back = strtod(out, NULL);
    if (back < d || back > d)
        (void)snprintf(out, JSON_NUMBER_MAX, "%.17g", d);
}

void record_value(struct record *r, const char *field, struct rule_value *out,
                  char number[JSON_NUMBER_MAX])
{
    json_t *value = value_of(r, field);
    *out = (struct rule_value){.type = RULE_NULL, .text = ""};
    if (value == NULL)
        return;
    if (json_is_string(value)) {
        *out = (struct rule_value){.type = RULE_TEXT, .text = json_string_value(value)};
    } else if (json_is_boolean(value)) {
        *out =
            (struct rule_value){.type = RULE_BOOL, .text = json_is_true(value) ? "true" : "false"};
    } else if (json_is_number(value)) {
        number_text(value, number);
        *out = (struct rule_value){.type = RULE_NUMBER, .text = number};
    } else if (r->err == ERR_NONE) {
        r->err = error_set(r->e, ERR_CONFIG,
                           "%s.%s is a compound field, which rules can't compare: name one of its "
                           "parts in the rule",
                           r->name, field);
    }
}

struct record record_parent(struct record *r, const char *field)
{
    json_t *value = value_of(r, field);
    if (value != NULL && !json_is_object(value))
        spoil(r, field, "is not a related record");
    return (struct record){
        .object = r->err == ERR_NONE ? value : NULL, .name = field, .e = r->e, .err = r->err};
}

void record_join(struct record *r, const struct record *parent)
{
    if (r->err == ERR_NONE)
        r->err = parent->err;
}
