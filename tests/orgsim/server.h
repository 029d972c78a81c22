/*
 * server - HTTP on 127.0.0.1 (libevent's evhttp), one exchange at a time per connection
 *
 *     request ─▶ exchange ─▶ service_handle ─┬─▶ exchange_send
 *                                            ├─▶ exchange_defer ─▶ …
 *                                            ├─▶ exchange_reset, exchange_cut
 *                                            └─▶ exchange_park (never answered)
 *
 * The body and headers are copied, so an exchange may outlive its connection: what was begun is
 * carried out even if the client has gone. Each of the endings but exchange_defer takes the
 * exchange.
 */
#ifndef ORGSIM_SERVER_H
#define ORGSIM_SERVER_H

#include "error.h"
#include "faults.h"
#include "message.h"
#include "sim.h"

struct server;

struct exchange {
    struct sim *sim;
    struct sim_request request;
    struct sim_reply reply;
    struct fault_hit hit;
    const struct route *route;       /* service's */
    int64_t deadline_boot_ms;        /* control's, for waiting */
    void (*step)(struct exchange *); /* what follows a deferral */
    char *body, *content_type, *authorization, *query_options;
    bool is_counted;           /* service's: stats_begin */
    struct evhttp_request *ev; /* NULL when the connection is gone */
    struct event *timer;
    struct server *server;
    struct exchange *previous, *next;
};

/* Listens; *port gets the real one. */
MUST_USE enum err server_start(struct server **out, struct sim *sim, uint16_t *port,
                               struct error *e);
void server_stop(struct server **s);

void exchange_send(struct exchange *x);
void exchange_defer(struct exchange *x, int64_t ms, void (*step)(struct exchange *));
void exchange_reset(struct exchange *x); /* the connection is reset; nothing is sent */
void exchange_cut(struct exchange *x);   /* half of the body, then the connection ends */
void exchange_park(struct exchange *x);  /* no answer while the connection lasts */

#endif
