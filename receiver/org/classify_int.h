/*
 * classify_int - what an answer of the org means: the only place that knows its codes
 *
 * Source of the codes: SOAP/REST API guide, "Core Data Types Used in API Calls" and "Status Codes
 * and Error Responses".
 */
#ifndef TP_ORG_CLASSIFY_INT_H
#define TP_ORG_CLASSIFY_INT_H

#include "call_int.h"

/* The answer's end and status as an error kind. On ERR_NONE a->root is set (the document). a->code
 * is set where the org named one; *daily_limit where it is the daily budget. */
enum err classify_reply(const struct call *call, const struct http_reply *r, struct answer *a,
                        bool *daily_limit, struct error *e);

/* A read that failed as a part of a composite, as if it had been a request of its own. */
enum err classify_part(const struct call *call, long status, json_t *body, struct answer *a,
                       bool *daily_limit, struct error *e);

/* True for a 401 that a new token can cure. */
bool classify_wants_new_token(const struct http_reply *r);

enum write_kind { WRITE_UPSERT, WRITE_DELETE, WRITE_UPDATE };

/* What an error means for its row. */
enum row_rule {
    ROW_DONE,      /* nothing is left to do */
    ROW_RETRY_FEW, /* may succeed unchanged, and soon if ever */
    ROW_RETRY,     /* may succeed unchanged */
    ROW_SUSPECT,   /* what it names was hidden since it was read, or a right is missing, which the
                      schema's check tells; where all of several say so, their campaign is wrong */
    ROW_PARK,      /* this row is wrong */
    ROW_ORG,       /* the org as a whole */
};

struct verdict {
    enum row_rule rule;
    enum err org_err; /* the kind for the call, where the rule is about the org */
    bool daily_limit;
};

/* One row's {"success":false,"errors":[…]}: fills code and message of out. The gravest error
 * decides. False: errors is not what it should be. */
bool classify_row(enum write_kind kind, json_t *errors, struct verdict *v,
                  struct org_row_result *out);
/* A subrequest that failed as a whole: the same verdict and text for all its rows. False: its body
 * is not understood. */
bool classify_subrequest(long status, json_t *body, struct verdict *v, struct org_row_result *out);

/* ------------------------------------------------------------------ verdicts.c */

/* What became of the rows of one write, as counts. */
struct tally {
    size_t count[ROW_ORG + 1];
    size_t rows;
    struct {
        struct verdict verdict;
        char code[CODE_MAX], message[MESSAGE_MAX];
    } first[ROW_ORG + 1]; /* of each rule; only where its count is not 0 */
};
void tally_add(struct tally *t, const struct verdict *v, const struct org_row_result *r);
/* Where no row was written and the rows speak of the org as a whole, that is the call's error. */
MUST_USE enum err tally_judge(const struct tally *t, struct org *o, const char *operation,
                              const char *object, struct error *e);
/* Sets class and is_brief of a row's result. */
void verdict_settle(const struct verdict *v, struct org_row_result *out);

/* ------------------------------------------------------------------ bulk_errors.c */

/* errorMessage of a job that failed (may be NULL), as a call's error. */
enum err classify_job(const char *id, const char *message, struct error *e);
/* A cell of sf__Error, "CODE:message:FIELD, FIELD --". */
void classify_bulk_row(enum write_kind kind, const char *text, struct verdict *v,
                       struct org_row_result *out);

/* ------------------------------------------------------------------ codes.c */

struct code_rule {
    const char *code;    /* a trailing '*' matches any rest */
    const char *message; /* part of the message; NULL: any */
    enum err request;
    enum row_rule upsert, remove;
    const char *advice; /* NULL: the org's own words say it */
};

/* By HTTP status, where the code is unknown or there is none. before: known to come before anything
 * was carried out, even without a readable body. */
struct status_rule {
    long status;
    enum err kind;
    bool before;
    const char *advice;
};

/* NULL when the table does not have it. */
const struct code_rule *code_find(const char *code, const char *message);
const struct status_rule *status_find(long status);
bool code_is_daily(const char *code, const char *message); /* the daily API budget is used up */
bool code_contains(const char *text, const char *part);    /* without regard to case */

#endif
