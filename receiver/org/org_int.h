/*
 * org_int - what the files of receiver/org share: the org, a connection, the token
 *
 * One struct org for all threads: what is not fixed by org_new is guarded by `lock`. The token is
 * copied out under the lock, so that a sign-in never changes what a request is using.
 */
#ifndef TP_ORG_INT_H
#define TP_ORG_INT_H

#include "org.h"

#include <pthread.h>
#include <stdatomic.h>

#include "secret.h"

enum { ORIGIN_MAX = 300, TIME_ZONE_MAX = 64 };

/* scheme://host[:port], as checked by http_origin. */
struct origin {
    char text[ORIGIN_MAX];
    char host[256];
    bool is_https, is_loopback, has_default_port;
};

struct token {
    struct secret secret;
    struct origin instance;
    char user_id[SFID_SIZE]; /* "" where the response did not say */
    uint64_t generation;     /* 0: none; each sign-in gives the next */
};

/* What an org keeps over reloads of the configuration, shared by its structs of all of them. */
struct org_shared {
    atomic_uint users;  /* structs org that point here */
    atomic_uint passes; /* under way, with whichever configuration */
};

struct org {
    /* fixed by org_new */
    const struct config_org *config;
    const struct policy *policy;
    int64_t request_timeout_ms;
    int64_t poll_base_ms; /* first wait for a bulk job; tests shorten it */
    struct origin login;
    struct org_shared *shared;
    struct evp_pkey_st *secret_key; /* jwt */
    struct secret client_secret;    /* client credentials */

    pthread_mutex_t lock;
    pthread_cond_t changed; /* a sign-in ended, or a connection was aborted */
    /* guarded by lock */
    struct org_state state;
    enum err failure;        /* what state.problem is about; ERR_NONE: well */
    bool failure_of_sign_in; /* a stop that a sign-in ends */
    unsigned failures;       /* in a row, for the growing hold */
    bool daily_limit;        /* the last ERR_LIMIT was the daily budget */
    struct token token;
    bool signing_in;
    uint64_t sign_ins;    /* attempts that ended */
    enum err sign_in_err; /* of the last */
    struct error sign_in_why;
    char time_zone[TIME_ZONE_MAX]; /* "" until known */
    struct org_schema schema;
    unsigned wrong_objects; /* bits of enum schema_object, of the last check */
};

struct org_conn {
    struct org *org;
    void *curl; /* CURL, owned by http.c */
    struct org_gate gate;
    atomic_bool aborted; /* set by any thread, for good */
    bool streaming;      /* a sink is being fed: no call may begin */
    uint64_t calls;
};

/* ------------------------------------------------------------------ org.c: the cached state */

void org_note_answer(struct org *o, bool reached);
void org_note_accepted(struct org *o); /* a token was accepted */
void org_note_usage(struct org *o, int64_t used, int64_t limit);
void org_note_clock(struct org *o, int64_t ahead_ms);
void org_note_limit_kind(struct org *o, bool daily);
void org_note_rights_doubted(struct org *o);
/* Both with the lock held. */
void org_note_signed_in(struct org *o);
void org_note_sign_in_failed(struct org *o, enum err err, const struct error *e);

/* ------------------------------------------------------------------ auth.c */

/* Reads the key or secret file. */
MUST_USE enum err auth_init(struct org *o, struct error *e);
void auth_release(struct org *o);
/* One request to the token endpoint; no gate: others wait for this token, and their leases are not
 * this connection's. */
MUST_USE enum err auth_sign_in(struct org_conn *c, struct token *out, struct error *e);

/* ------------------------------------------------------------------ token.c */

/* A copy of the token, after a sign-in where there is none or its generation is `refused` (0: any
 * will do). One sign-in at a time; others wait for it and share its outcome. */
MUST_USE enum err auth_acquire(struct org_conn *c, uint64_t refused, struct token *out,
                               struct error *e);
void auth_forget(struct org *o, uint64_t generation); /* refused twice: not to be used again */
void token_release(struct token *t);

/* oauth.c: the sentence and kind for an OAuth error; description may be "". */
enum err oauth_error(const struct config_org *c, const char *code, const char *description,
                     struct error *e);

#endif
