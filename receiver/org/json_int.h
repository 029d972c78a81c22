/*
 * json_int - reading the org's JSON: nothing is taken for what it is not
 *
 * A record (one row of a query) is read field by field. The first field that is missing or of
 * another type than asked for makes the record bad: the error says which, and every later reading
 * gives "null", so that callers check once at the end. Field names compare without regard to case,
 * as in SOQL: the org answers with its own spelling.
 *
 * Ownership: texts are borrowed from the JSON document.
 * Threads:   one at a time.
 */
#ifndef TP_ORG_JSON_INT_H
#define TP_ORG_JSON_INT_H

#include <jansson.h>

#include "error.h"
#include "rules.h"
#include "sfid.h"

enum { JSON_NUMBER_MAX = 32 };

void json_setup(void); /* once, before any JSON: freed memory is wiped, since it may hold tokens */

/* The document, or NULL when it is not one whole object or array (duplicate keys, invalid UTF-8 and
 * nesting beyond jansson's bound included). Caller: json_decref. */
json_t *json_read(const char *bytes, size_t n);

/* Exact name, else the first that differs in case only; NULL when absent. */
json_t *json_field(json_t *object, const char *name);

/* Text of a string member; NULL when absent or not a string. */
const char *json_text(json_t *object, const char *name);

struct record {
    json_t *object;   /* NULL: an absent parent; every field is null */
    const char *name; /* of the object, for texts */
    struct error *e;
    enum err err; /* ERR_NONE, or the first problem: ERR_NETWORK, ERR_CONFIG */
};

const char *record_text(struct record *r, const char *field); /* NULL for null */
bool record_bool(struct record *r, const char *field);        /* false for null */
/* 18 characters; "" for null. */
void record_id(struct record *r, const char *field, char out[SFID_SIZE]);
/* A date's day, or a date-time's instant; each TIME_NONE when null or the other. */
void record_when(struct record *r, const char *field, int64_t *day, int64_t *at_ms);
/* Text, number or boolean, as their text; number holds the text of a number. */
void record_value(struct record *r, const char *field, struct rule_value *out,
                  char number[JSON_NUMBER_MAX]);
/* The related record of a path of one level; its problems are r's too (record_join). */
struct record record_parent(struct record *r, const char *field);
void record_join(struct record *r, const struct record *parent);

#endif
