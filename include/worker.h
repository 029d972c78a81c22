/*
 * worker - threads that claim a campaign, read it from the org, decide, compare, write the
 * difference, settle
 *
 * Straight-line blocking code, one campaign at a time a thread; each thread keeps one connection an
 * org.
 *
 * Ownership: borrows its options until worker_stop.
 * Threads:   worker_* from main; the threads are its own.
 */
#ifndef TP_WORKER_H
#define TP_WORKER_H

#include <stdint.h>

#include "org.h"
#include "rules.h"
#include "store.h"

struct worker_pool;

/* Cursor (store_cursor_get): when a reconcile last queued all campaigns, as a date-time. */
#define RECONCILE_DONE "reconcile.done"

struct worker_options {
    struct store *store;
    struct org **orgs;
    size_t org_count;
    const struct policy *policy;
    const char *policy_fingerprint; /* hex of a hash over policy, channels and rules */
    unsigned threads;
    int max_tries;
    unsigned max_delete_percent;
    int64_t lease_ms, echo_ms;
};

MUST_USE enum err worker_start(struct worker_pool **out, const struct worker_options *o,
                               struct error *e);
bool worker_is_alive(
    const struct worker_pool *p); /* every thread turned, or is inside a bounded pass, lately */
/* How many campaigns wait since this machine's disk failed their pass; why: of one of them. Never
 * waits for I/O. Any thread. */
size_t worker_troubles(struct worker_pool *p, char why[ERROR_TEXT_MAX]);
/* No pass begins any more; those under way end as they would. What waits for a thread goes back
 * into the queue. */
void worker_retire(struct worker_pool *p);
bool worker_has_ended(const struct worker_pool *p); /* all threads have, after worker_retire */
void worker_stop_soon(
    struct worker_pool *p); /* passes end at their next request; returns at once */
/* Lets each thread finish its current call, at most grace_ms; then aborts the calls; joins. */
void worker_stop(struct worker_pool **p, int64_t grace_ms);

#endif
