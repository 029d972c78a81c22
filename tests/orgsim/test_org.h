/*
 * test_org - an org in this process for the tests: without a loop, or served from a thread
 *
 *     struct test_org *org = test_org_new();
 *     json_t *got = test_call(org, "GET", "/services/data/v64.0/limits", NULL, 200);
 *
 * A call that does not end with the wanted status aborts with both, so that tests stay short.
 */
#ifndef ORGSIM_TEST_ORG_H
#define ORGSIM_TEST_ORG_H

#include <jansson.h>

#include "options.h"
#include "server.h"
#include "sim.h"

struct test_org {
    struct sim_options options;
    struct sim *sim;
    char directory[64]; /* own, removed at the end */
    char secret_file[96];
    char token[128];
};

/* With the client secret "s3cret", and a token fetched with it. */
struct test_org *test_org_new(void);
void test_org_free(struct test_org **org);
void test_login(struct test_org *org); /* fetches another token */

/* As the integration user; body is JSON text or NULL. A new reference, or NULL if the answer has
 * no JSON. */
json_t *test_call(struct test_org *org, const char *method, const char *target, const char *body,
                  int status);
/* The same for any content type; the reply is to be released. */
void test_send(struct test_org *org, const char *method, const char *target, const char *type,
               const char *body, int status, struct sim_reply *reply);
/* SOQL through the query resource; the same for the wanted status. */
json_t *test_query(struct test_org *org, const char *soql, int status);
/* Percent-encodes (free()). */
char *test_escape(const char *text);

/* Creates as admin; gives the id. The format makes the JSON object of the record. */
void test_record(struct test_org *org, const char *object, char id[SFID_SIZE], const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Changes or deletes as admin; gives the error code, or "" (static). */
const char *test_change(struct test_org *org, const char *id, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
const char *test_remove(struct test_org *org, const char *id);

/* One field of one record as text ("null" if it is null); deleted ones too. free(). */
char *test_field(struct test_org *org, const char *id, const char *field);

/* "errorCode" of an error answer. */
const char *test_code(const json_t *answer);

/* The value behind a dotted path ("records.0.Id"), or NULL; as text (""
 * if it is none), as number. */
const json_t *test_at(const json_t *json, const char *path);
const char *test_text(const json_t *json, const char *path);
int64_t test_number(const json_t *json, const char *path);

#endif
