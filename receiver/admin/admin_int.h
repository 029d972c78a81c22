/*
 * Inside the admin door: what its routes share.
 */
#ifndef TP_ADMIN_INT_H
#define TP_ADMIN_INT_H

#include <jansson.h>

#include "admin.h"
#include "secret.h"

struct asks;

struct admin {
    struct admin_options options; /* borrowed parts; read-only */
    struct secret secret_token;   /* empty: no API but health and metrics */
    struct asks *asks;            /* of the org */
    struct asks *lookups;         /* of the store alone: they need not wait for those */
};

/* What a route is asked. */
struct request {
    const char *id; /* the path segment that the route's "*" stands for, or "" */
    struct listener_token token;
    struct http_span query; /* without '?'; lives for the call */
    const char *body;       /* likewise */
    size_t body_len;
};

/* What a route answers; body is a JSON value (the reference is taken) or, for text routes, a
 * string. */
struct answer {
    int status; /* ANSWER_LATER: somebody else answers by the request's token */
    const char *content_type;
    char *text;        /* owned; or NULL: what follows */
    const char *fixed; /* lives as long as the program */
    size_t fixed_len;
    const char *extra; /* header lines, CRLF ended, in place of the common ones; or NULL */
};

enum { ANSWER_LATER = -1 };

void answer_json(struct answer *a, int status, json_t *value);
/* Sends it and frees its text. Any thread. */
void answer_send(struct answer *a, struct listener_token token);
void answer_problem(struct answer *a, int status, const char *title, const char *detail);

/* ------------------------------------------------------------------ page.c */

/* A file of the page; false: the path is none of the page's. */
bool page_route(const struct http_head *h, struct answer *out);

/* ------------------------------------------------------------------ arguments.c */

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 1000, REASON_MAX = 500 };

/* The parameters, or the body's members, as one object (new reference); NULL: `out` says what is
 * wrong. names: all that there may be, then NULL. A parameter without a value counts as not given.
 */
json_t *arguments_of_query(const struct request *q, const char *const *names, struct answer *out);
json_t *arguments_of_body(const struct request *q, const char *const *names, struct answer *out);
/* Answers 400 with "NAME PROBLEM"; false. */
bool argument_refuse(struct answer *out, const char *name, const char *problem);
const char *argument_text(const json_t *args, const char *name); /* "": none, or no text */
/* These answer and give false where the value is not of that form. The id must be there; prefix: of
 * its kind, or NULL. */
bool argument_id(const json_t *args, const char *name, const char *prefix, char id[SFID_SIZE],
                 struct answer *out);
bool argument_limit(const json_t *args, size_t *limit, struct answer *out); /* of a query */
bool argument_bool(const json_t *args, const char *name, bool *yes, struct answer *out);
bool argument_time(const json_t *args, const char *name, int64_t *at_ms, struct answer *out);
bool argument_reason(const json_t *args, struct answer *out);

/* ------------------------------------------------------------------ host.c */

/* The Host is an address, localhost, that name ("": none), or missing. */
bool host_may_ask(const struct http_head *h, const char *name);

/* ------------------------------------------------------------------ asks.c */

/* A call whose answer takes longer than the admin's loop may wait: `run` is called on a thread of
 * its own, and what it answers is sent. */
struct ask {
    struct admin *admin;
    json_t *args; /* as the route read them */
    struct listener_token token;
    struct listener_wait *wait;
    size_t whose; /* index of its org; org_count: of all, or none; org_count + 1: the store's */
    void (*run)(struct ask *k, struct answer *out);
    struct ask_thread *thread; /* that runs it */
    bool despite_hold; /* asks an org that is left alone, too: who has just heard from it may */
    struct ask *next;
};
/* Takes args. Sets ANSWER_LATER, or 503 where as many wait already. */
void ask_later(struct admin *a, const struct request *q, json_t *args,
               void (*run)(struct ask *k, struct answer *out), struct answer *out);

/* As ask_later, for calls that ask no org. */
void ask_store_later(struct admin *a, const struct request *q, json_t *args,
                     void (*run)(struct ask *k, struct answer *out), struct answer *out);

/* An org, as the thread that runs the ask may use it. */
struct ask_org {
    struct org *org;
    struct org_conn *conn; /* each request ends the call when the daemon stops or the asker is gone,
                              and leaves the org alone that is unwell or out of calls */
    struct zone *zone;
};
/* The org of that id; false: `out` is answered. whole: the call may cost as many requests as a
 * campaign has pages, so it keeps out of the calls that live work is to have. */
bool ask_org(struct ask *k, const char *id, bool whole, struct ask_org *x, struct answer *out);
/* The answer to a failure of the org or the store. */
void answer_error(struct answer *out, enum err err, const struct error *e);

struct asks *asks_new(struct admin *a);
size_t asks_in_flight(struct asks *s);
void asks_stop(struct asks *s); /* ends the calls, joins the threads */
void asks_free(struct asks **s);

/* ------------------------------------------------------------------ health.c */
void route_healthz(struct admin *a, const struct request *q, struct answer *out);
void route_readyz(struct admin *a, const struct request *q, struct answer *out);
void route_metrics(struct admin *a, const struct request *q, struct answer *out);
/* "ok", "degraded" or "unavailable", the JSON with each check in *details (new reference) if it is
 * not NULL. */
const char *health_status(const struct admin *a, json_t **details);

/* explain.c, preview.c, campaigns.c, dates.c: answered later, by asks.c */
void route_explain(struct admin *a, const struct request *q, struct answer *out);
void route_preview(struct admin *a, const struct request *q, struct answer *out);
void route_members(struct admin *a, const struct request *q, struct answer *out);
void route_campaigns(struct admin *a, const struct request *q, struct answer *out);
void route_channels(struct admin *a, const struct request *q, struct answer *out);
void route_channels_try(struct admin *a, const struct request *q, struct answer *out);
void route_dates(struct admin *a, const struct request *q, struct answer *out);
void route_undo(struct admin *a, const struct request *q, struct answer *out);

/* doctor.c */
void route_doctor(struct admin *a, const struct request *q, struct answer *out);

/* reload.c */
void route_reload(struct admin *a, const struct request *q, struct answer *out);

/* jobs.c */
void route_jobs(struct admin *a, const struct request *q, struct answer *out);
void route_job(struct admin *a, const struct request *q, struct answer *out);
void route_cancel(struct admin *a, const struct request *q, struct answer *out);
void route_approve(struct admin *a, const struct request *q, struct answer *out);

/* messages.c, moves.c, records.c, status.c */
void route_messages(struct admin *a, const struct request *q, struct answer *out);
void route_message(struct admin *a, const struct request *q, struct answer *out);
void route_replay(struct admin *a, const struct request *q, struct answer *out);
void route_discard(struct admin *a, const struct request *q, struct answer *out);
void route_quarantine(struct admin *a, const struct request *q, struct answer *out);
void route_document(struct admin *a, const struct request *q, struct answer *out);
void route_ledger(struct admin *a, const struct request *q, struct answer *out);
void route_forget(struct admin *a, const struct request *q, struct answer *out);
void route_status(struct admin *a, const struct request *q, struct answer *out);

/* control.c */
void route_pause(struct admin *a, const struct request *q, struct answer *out);
void route_resume(struct admin *a, const struct request *q, struct answer *out);
void route_reconcile(struct admin *a, const struct request *q, struct answer *out);
void route_inject(struct admin *a, const struct request *q, struct answer *out);
/* The org that is named, or the only one; it is configured, or false and answered. */
bool argument_org(const struct admin *a, const json_t *args, char org[SFID_SIZE],
                  struct answer *out);

#endif
