/*
 * faults - faults on demand: which request, which row, what goes wrong
 *
 * A fault matches by operation and path, lets some requests pass, fires some times, and says with
 * its kind what happens. The kinds and their values are described in README.md.
 */
#ifndef ORGSIM_FAULTS_H
#define ORGSIM_FAULTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define FAULT_KINDS(X)                                                                             \
    X(FAULT_LATENCY, "latency")                                                                    \
    X(FAULT_LATE, "late")                                                                          \
    X(FAULT_RESET, "reset")                                                                        \
    X(FAULT_LOST_REPLY, "lost_reply")                                                              \
    X(FAULT_SILENCE, "silence")                                                                    \
    X(FAULT_STATUS, "status")                                                                      \
    X(FAULT_HTML, "html")                                                                          \
    X(FAULT_TRUNCATED, "truncated")                                                                \
    X(FAULT_WRONG_JSON, "wrong_json")                                                              \
    X(FAULT_ROW_ERROR, "row_error")                                                                \
    X(FAULT_LOCK, "lock")                                                                          \
    X(FAULT_LIMIT_DAILY, "limit_daily")                                                            \
    X(FAULT_LIMIT_CONCURRENT, "limit_concurrent")                                                  \
    X(FAULT_EXPIRE_TOKEN, "expire_token")                                                          \
    X(FAULT_OAUTH, "oauth")                                                                        \
    X(FAULT_BULK_DELAY, "bulk_delay")                                                              \
    X(FAULT_BULK_SLOW, "bulk_slow")                                                                \
    X(FAULT_BULK_FAIL, "bulk_fail")                                                                \
    X(FAULT_BULK_ABORT, "bulk_abort")                                                              \
    X(FAULT_BULK_UNPROCESSED, "bulk_unprocessed")

enum fault_kind {
#define X(id, name) id,
    FAULT_KINDS(X)
#undef X
        FAULT_NONE
};

struct faults;

/* What one request suffers; value is borrowed until the request is done (a new reference). */
struct fault_hit {
    enum fault_kind kind;
    json_t *value; /* own reference; may be NULL */
};

struct faults *faults_new(void);
void faults_free(struct faults **f);

/* The id of the new fault, or 0 with the reason in why. */
int64_t faults_add(struct faults *f, const json_t *spec, char *why, size_t why_size);
void faults_remove(struct faults *f, int64_t id); /* 0: all */
json_t *faults_json(const struct faults *f);
uint64_t faults_fired(const struct faults *f);
void faults_reset_count(struct faults *f);

/* The first fault that this request fires; fault_hit_release after use. */
struct fault_hit faults_pick(struct faults *f, const char *operation, const char *target);
void fault_hit_release(struct fault_hit *h);
/* The same for one row of a write; text is the row's key and id. */
struct fault_hit faults_pick_row(struct faults *f, const char *operation, const char *target,
                                 const char *key, const char *id);

/* The first fault of this kind that a bulk job fires as it is closed; target is its object. */
struct fault_hit faults_pick_job(struct faults *f, enum fault_kind kind, const char *operation,
                                 const char *target);

/* Milliseconds and the like out of a value: a number, else `otherwise`. */
int64_t fault_number(const struct fault_hit *h, int64_t otherwise);

#endif
