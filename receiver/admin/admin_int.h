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

/* What a route answers; body is a JSON value (the reference is taken) or, for text routes, a
 * string. */
struct answer {
    int status;
    const char *content_type;
    char *text;        /* owned */
    const char *extra; /* header lines, CRLF ended, in place of the common ones; or NULL */
};

void answer_json(struct answer *a, int status, json_t *value);
void answer_problem(struct answer *a, int status, const char *title, const char *detail);

/* health.c */
void route_healthz(struct admin *a, const char *id, struct answer *out);
void route_readyz(struct admin *a, const char *id, struct answer *out);
void route_metrics(struct admin *a, const char *id, struct answer *out);
/* "ok", "degraded" or "unavailable", the JSON with each check in *details (new reference) if it is
 * not NULL. */
const char *health_status(const struct admin *a, json_t **details);

/* jobs.c */
void route_jobs(struct admin *a, const char *id, struct answer *out);
void route_approve(struct admin *a, const char *id, struct answer *out);

#endif
