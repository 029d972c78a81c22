/*
 * values - one field's value between JSON, the database and the outbound message
 *
 * Ownership: a struct value owns its text; value_clear frees.
 * Threads:   pure.
 */
#ifndef ORGSIM_VALUES_H
#define ORGSIM_VALUES_H

#include <jansson.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "objects.h"

enum value_kind { VALUE_NULL, VALUE_INT, VALUE_REAL, VALUE_TEXT };

struct value {
    enum value_kind kind;
    int64_t i; /* boolean, date (days), date-time (ms), int */
    double d;
    char *s;
};

void value_clear(struct value *v);
void value_set_text(struct value *v, const char *s); /* NULL: null */
void value_set_int(struct value *v, int64_t i);
bool value_equal(const struct value *a, const struct value *b);

/* Why a JSON value does not fit a field; the texts are in values.c. */
enum value_problem {
    VALUE_FITS,
    VALUE_WRONG_TYPE,
    VALUE_TOO_LONG,
    VALUE_BAD_ID,
    VALUE_BAD_EMAIL,
    VALUE_BAD_CHOICE,
};

/* Converts; on VALUE_FITS *out is overwritten (must be empty). */
enum value_problem value_from_json(const struct field *f, const json_t *json, struct value *out);

/* The error code of a problem, and its sentence for this field and value. */
const char *value_problem_code(enum value_problem p);
void value_problem_text(enum value_problem p, const struct field *f, const json_t *json, char *out,
                        size_t size);

/* As REST shows it; a new reference. */
json_t *value_to_json(const struct field *f, const struct value *v);
void column_put_json(struct buf *out, const struct field *f, sqlite3_stmt *st, int column);
/* As an outbound message shows it (free()); NULL for null. */
char *column_to_xml(const struct field *f, sqlite3_stmt *st, int column);

void value_from_column(struct value *v, sqlite3_stmt *st, int column);
void value_bind(sqlite3_stmt *st, int at, const struct value *v);

#endif
