/*
 * admin - the operator's side door: health, readiness, metrics, and the few words of an admin that
 * exist so far
 *
 * GET /healthz, /readyz, /metrics; with the bearer token GET /api/v1/jobs and POST
 * /api/v1/jobs/ID/approve (delete guard). Reads cached state only, never the org.
 *
 * Ownership: borrows its options until the listener that uses its handler has stopped.
 * Threads:   handler calls run on the admin loop.
 */
#ifndef TP_ADMIN_H
#define TP_ADMIN_H

#include "config.h"
#include "listener.h"
#include "org.h"
#include "store.h"
#include "tls.h"
#include "worker.h"

struct admin;

struct admin_options {
    const struct config *config;
    struct store *store;
    void (*set_gauges)(void *ctx); /* called before /metrics is answered; NULL: nobody */
    void *gauges_ctx;
    const struct listener *intake_listener;
    const struct tls_server *tls;
    const struct worker_pool *workers;
    struct org **orgs;
    size_t org_count;
};

MUST_USE enum err admin_new(struct admin **out, const struct admin_options *o, struct error *e);
void admin_free(struct admin **a);
const struct listener_handler *admin_handler(void);
/* "ok", "degraded" or "unavailable"; ctx is the struct admin. For public_health. */
const char *admin_status(void *ctx);

#endif
