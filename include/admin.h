/*
 * admin - the operator's side door: health, readiness, metrics, the page at /, and the API that
 * receiver/admin/README.md describes
 *
 * What the loop answers itself reads cached state; what may wait for the store or an org is
 * answered by threads of its own (asks.c), and jobs are carried out by the runner or the workers.
 *
 * Ownership: borrows its options until the listener that uses its handler has stopped.
 * Threads:   handler calls run on the admin loop.
 */
#ifndef TP_ADMIN_H
#define TP_ADMIN_H

#include "config.h"
#include "intake.h"
#include "listener.h"
#include "org.h"
#include "store.h"
#include "tls.h"
#include "worker.h"

struct admin;
struct admin_runner;

struct admin_options {
    const struct config *config;
    const struct policy *policy;
    const char *policy_fingerprint; /* hex, of policy.h; lives as long */
    struct store *store;
    void (*set_gauges)(void *ctx); /* called before /metrics is answered; NULL: nobody */
    void *gauges_ctx;
    struct listener *const *intake_listener; /* set before the first request comes */
    struct intake *intake;                   /* of the same generation */
    struct admin_runner *runner;             /* NULL: none, in tests */
    int64_t started_at_ms;
    const struct tls_server *tls;
    struct worker_pool *const *workers; /* likewise */
    struct org **orgs;
    size_t org_count;
    /* Looks at each org now, then calls admin_answer_looked with that token; false: not now. */
    bool (*look_again)(void *ctx, struct listener_token token);
    void *look_ctx;
    /* Has the configuration loaded anew, then calls admin_answer_reloaded with that token. */
    bool (*reload)(void *ctx, struct listener_token token);
    void *reload_ctx;
};

MUST_USE enum err admin_new(struct admin **out, const struct admin_options *o, struct error *e);
/* Calls that wait for an org or the store end early; the listener must still be there. */
void admin_stop(struct admin *a);
/* How many such calls there are: none may be when a is freed while the listener lives. */
size_t admin_in_flight(struct admin *a);
void admin_free(struct admin **a);
const struct listener_handler *admin_handler(void);
/* The answer to /api/v1/doctor. Any thread, until the listener is gone. */
void admin_answer_looked(struct admin *a, struct listener_token token);
enum admin_reloaded { RELOAD_DONE, RELOAD_REFUSED, RELOAD_NOT_NOW };
/* The answer to /api/v1/reload; why is for the last two. Any thread. */
void admin_answer_reloaded(struct listener_token token, enum admin_reloaded how, const char *why);
/* "ok", "degraded" or "unavailable"; ctx is the struct admin. For public_health. */
const char *admin_status(void *ctx);

/* ------------------------------------------------------------------ the runner of jobs
 * One a daemon: a thread that carries out what no worker does (replay, discard, reconcile of all),
 * and takes up at its start what is open. */

enum { RATE_MINUTES = 60 };
MUST_USE enum err admin_runner_start(struct admin_runner **out, struct store *s, struct error *e);
void admin_runner_stop(struct admin_runner **r); /* after its slice */
void admin_runner_wake(struct admin_runner *r);  /* there is a new job. Any thread */
/* Messages received in each of the last minutes, the present one last. Any thread. */
void admin_runner_rate(struct admin_runner *r, uint64_t out[RATE_MINUTES]);

#endif
