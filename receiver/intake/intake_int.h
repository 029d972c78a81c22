/*
 * intake_int - what the parts of the intake share: intake.c (life, the handler), admit.c (the
 * head), message.c (parse and store), quarantine.c (what was refused), object.c (what a
 * notification asks for), inject.c (what an admin hands in), answer.c (replies and refusals),
 * count.c (metrics)
 *
 * Threads: struct intake is shared; what changes in it says how. A struct intake_loop belongs to
 * its loop, a struct intake_request to the loop until it is put, then to the store's thread.
 */
#ifndef TP_INTAKE_INT_H
#define TP_INTAKE_INT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "intake.h"
#include "buf.h"
#include "metrics.h"
#include "refusal.h"
#include "secret.h"
#include "soap.h"

enum {
    OBJECTS_KNOWN = 6, /* rows of object.c's table */
};

/* Label values that peers choose; of each kind a bounded set, beyond which they count as "other".
 */
enum labels_kind { LABELS_ORGS, LABELS_OBJECTS };

struct intake_org {
    const struct config_org *config;
    struct metric_series *accepted, *duplicates;
    struct metric_series *objects[OBJECTS_KNOWN];
};

struct intake {
    struct intake_options options;
    struct secret path; /* may hold a secret part; compared in constant time */
    size_t door_len;    /* bytes of path before its secret part; 0: it has none */
    struct intake_org *orgs;
    size_t org_count;

    pthread_mutex_t door; /* held while the store's thread uses the listener */
    bool is_shut;         /* under door: the listener is about to go, or gone */
    atomic_bool is_draining;
    atomic_size_t in_flight;
};

struct intake_loop {
    struct intake *intake;
    struct soap_reader *reader;
    struct buf body; /* of the answer being made; valid until the next one on this loop */
};

/* One message on its way through the store; items and series follow in the same block. */
struct intake_request {
    struct store_put put;
    struct intake *intake;
    struct intake_org *org;
    struct listener_token token;
    struct injected *injected;     /* inject.c: who waits; NULL: the token is answered */
    struct metric_series **series; /* one an item */
};

/* admit.c: refuse->status stays 0 if the body may come. */
void intake_admit(void *ctx, void *loop, const struct http_head *h,
                  const struct listener_peer *peer, struct listener_answer *refuse);
bool intake_is_health(const struct intake *i, const struct http_head *h, bool *ready);

/* message.c */
struct intake_request *intake_request_new(struct intake *i, struct intake_org *org,
                                          const struct soap_message *m,
                                          struct listener_token token);
void intake_take_message(struct intake_loop *loop, const struct listener_peer *peer,
                         const char *body, size_t n, struct listener_token token);

/* quarantine.c: a refused body, which stays the caller's. */
void intake_quarantine(struct intake *i, const struct listener_peer *peer, const char *reason,
                       const char *message, const char *body, size_t n);

/* object.c: fills item; gives the row of the known objects, or OBJECTS_KNOWN. */
size_t intake_map(struct store_item *item, const struct soap_notification *n,
                  const struct schema *schema);
/* The label of a known object in that org. */
const char *intake_object_label(size_t row, const struct schema *schema);

/* answer.c */
/* Makes the answer, counts and logs. text NULL: the refusal's own. org and result NULL: unknown
 * org, the refusal's own result. */
void intake_refuse(struct intake_loop *loop, enum refusal why, const struct listener_peer *peer,
                   const char *org, const char *result, const char *text,
                   struct listener_answer *answer);
/* The HTTP reader's or a deadline's refusal becomes a Fault. */
void intake_refused(void *ctx, void *loop, const struct listener_peer *peer, int status,
                    const char *problem, struct listener_answer *answer);
void intake_answer_health(struct intake_loop *loop, bool ready, struct listener_answer *answer);
/* Called by the store's thread. */
void intake_stored(struct store_put *p);

/* count.c */
/* value itself, or "other" once the set is full of others. */
const char *labels_fold(enum labels_kind kind, const char *value);
void intake_orgs_init(struct intake *i);
struct intake_org *intake_org_by_id(const struct intake *i, const char *id);
void intake_count_stored(struct intake_request *r);

#endif
