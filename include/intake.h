/*
 * intake - one request from the wire to the durable Ack: admit, parse, store, reply
 *
 * The handler of the public listener. It never waits for a disk: the reply is sent when the store
 * says that the commit is done.
 *
 * Ownership: borrows all options until intake_free.
 * Threads:   handler calls run on the loops; counters are shared.
 */
#ifndef TP_INTAKE_H
#define TP_INTAKE_H

#include <stdint.h>

#include "config.h"
#include "listener.h"
#include "store.h"

struct intake;

struct intake_options {
    /* path, orgs, schema (name of the deletion record), public_health */
    const struct config *config;
    struct store *store;
    const struct client_auth *clients; /* NULL: whoever connects may speak */
    /* Where messages go; NULL: store_put. Tests put their own here. */
    enum err (*put)(struct store *store, struct store_put *p, struct error *e);
    /* Where copies of refused messages go; NULL: store_quarantine. */
    void (*quarantine)(struct store *store, struct store_document **d);
    /* With admin.public_health: the word for {"status":…}, "unavailable" with 503. ready false:
     * /healthz; true: /readyz. Called on the loops, never waits. NULL: both paths are unknown. */
    const char *(*health_status)(void *ctx, bool ready);
    void *health_ctx;
};

MUST_USE enum err intake_new(struct intake **out, const struct intake_options *o, struct error *e);
void intake_free(struct intake **i); /* after the listener has stopped and the store is closed */
/* For one listener. */
const struct listener_handler *intake_handler(void);
/* Before the listener stops: answers that are still to come are dropped, so the store may call back
 * afterwards. */
void intake_shut(struct intake *i);
/* From now on every message is answered 503 (draining). */
void intake_drain(struct intake *i);
/* Takes a document as if it had come from the wire, and waits until it is durable: for an admin, on
 * a thread that may wait. ERR_INVALID: the document, or not of that organisation. */
MUST_USE enum err intake_inject(struct intake *i, const char *org, const char *body, size_t n,
                                size_t *stored, size_t *duplicates, struct error *e);
size_t intake_in_flight(const struct intake *i); /* requests that wait for the store */

#endif
