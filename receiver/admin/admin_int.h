/*
 * Inside the admin door: what its routes share.
 */
#ifndef TP_ADMIN_INT_H
#define TP_ADMIN_INT_H

#include <jansson.h>

#include "admin.h"
#include "secret.h"

struct admin {
    struct admin_options options; /* borrowed parts; read-only */
    struct secret secret_token;   /* empty: no API but health and metrics */
};

/* What a route is asked. */
struct request {
    const char *id; /* the path segment that the route's "*" stands for, or "" */
    struct listener_token token;
};

/* What a route answers; body is a JSON value (the reference is taken) or, for text routes, a
 * string. */
struct answer {
    int status; /* ANSWER_LATER: somebody else answers by the request's token */
    const char *content_type;
    char *text;        /* owned */
    const char *extra; /* header lines, CRLF ended, in place of the common ones; or NULL */
};

enum { ANSWER_LATER = -1 };

void answer_json(struct answer *a, int status, json_t *value);
/* Sends it and frees its text. Any thread. */
void answer_send(struct answer *a, struct listener_token token);
void answer_problem(struct answer *a, int status, const char *title, const char *detail);

/* health.c */
void route_healthz(struct admin *a, const struct request *q, struct answer *out);
void route_readyz(struct admin *a, const struct request *q, struct answer *out);
void route_metrics(struct admin *a, const struct request *q, struct answer *out);
void route_doctor(struct admin *a, const struct request *q, struct answer *out);
/* "ok", "degraded" or "unavailable", the JSON with each check in *details (new reference) if it is
 * not NULL. */
const char *health_status(const struct admin *a, json_t **details);

/* reload.c */
void route_reload(struct admin *a, const struct request *q, struct answer *out);

/* jobs.c */
void route_jobs(struct admin *a, const struct request *q, struct answer *out);
void route_approve(struct admin *a, const struct request *q, struct answer *out);

#endif
