/*
 * listener - N event loops that accept connections, speak TLS and HTTP, and hand over whole
 * requests
 *
 * Each loop is one thread with its own listening socket (SO_REUSEPORT). A handler is asked twice:
 * `head`, when the head is complete and before any body byte is kept; `request`, when the body is
 * complete. `request` either answers at once or keeps the token and answers later from any thread
 * with listener_reply: that pushes to the loop's queue and wakes its eventfd; nothing but the loop
 * ever touches the connection (protocol rule 3).
 *
 * A token that no longer matches (connection gone, or the request already answered) is dropped
 * silently. The same code serves the public TLS port and the loopback admin port (tls NULL: plain).
 *
 * When all places are taken, a new connection takes that of the oldest one, of whichever loop, that
 * was not answered with success yet and is not being answered; handshakes under way have a quarter
 * of all places, and the oldest goes when there are more.
 *
 * Ownership: listener_reply borrows its arguments for the call.
 * Threads:   listener_reply any; handlers run on the loop's thread with the loop's own context
 *            (`loop_new`), so that a parser can be kept per loop.
 * Errors:    listener_start fails as a whole (nothing stays open).
 */
#ifndef TP_LISTENER_H
#define TP_LISTENER_H

#include <stdatomic.h>

#include "client_auth.h"
#include "error.h"
#include "http.h"

struct access_list;   /* access.h */
struct tls_server;    /* tls.h */
struct metric_series; /* metrics.h */
struct listener;

struct listener_token {
    struct listener *listener; /* lives until listener_stop returns */
    uint32_t loop, slot;
    uint64_t generation; /* of the slot: one connection */
    uint64_t request;    /* number of the request on that connection */
};

struct listener_peer {
    char address[64];                      /* numeric, without port; "" for a unix socket */
    struct client_certificate certificate; /* all zero: none was shown */
};

/* What `head` says: status 0 goes on to the body; any other status is answered now and the
 * connection is closed lingering: what the peer still sends is read and dropped for a while, or a
 * reset would destroy the answer on its way. */
struct listener_answer {
    int status;               /* HTTP status */
    const char *content_type; /* static */
    const char *extra;        /* static extra header lines, each ending in CRLF, or NULL */
    const char *body;         /* borrowed for the call; from `head` and `refused`: until the next
                                 handler call on that loop */
    size_t body_len;
    bool body_static; /* body lives as long as the program: it need not be copied */
    bool close;       /* close the connection after the reply */
    bool for_anybody; /* it took no right to get it: the connection may still have to make room */
};

struct listener_handler {
    void *(*loop_new)(void *ctx); /* once in each loop's thread */
    void (*loop_free)(void *ctx, void *loop);
    void (*head)(void *ctx, void *loop, const struct http_head *h, const struct listener_peer *peer,
                 struct listener_answer *refuse); /* refuse->status is 0 on entry */
    /* body is the listener's, with a NUL behind its n bytes; it is wiped after the call returns. */
    void (*request)(void *ctx, void *loop, const struct http_head *h,
                    const struct listener_peer *peer, const char *body, size_t n,
                    struct listener_token token);
    /* A request was refused by the HTTP reader itself, or a deadline passed (408), or bodies would
     * take too much memory or no answer came in time (503): for counting; `answer` is filled with
     * plain text and may be changed. May be NULL, as `head` may. */
    void (*refused)(void *ctx, void *loop, const struct listener_peer *peer, int status,
                    const char *problem, struct listener_answer *answer);
};

struct listener_options {
    const char *address;    /* "[::]:8443", "0.0.0.0:8443", "127.0.0.1:0", "unix:/path" */
    struct tls_server *tls; /* borrowed; NULL: plain */
    /* Borrowed; who is not on it is closed at accept, without a byte. NULL: everybody. */
    const struct access_list *access;
    /* Borrowed; who is on it is a proxy: it must say first whom it speaks for (PROXY protocol 1 or
     * 2), and that address counts from then on. From others no such header is taken. NULL: nobody.
     */
    const struct access_list *proxies;
    unsigned threads; /* ≥ 1 */
    uint64_t max_body_bytes;
    uint64_t max_buffered_bytes; /* body bytes held by all connections together; more is 503
                                    (protocol rule 4: 64 MiB) */
    uint64_t max_buffered_per_address_bytes;
    int64_t request_timeout_ms;   /* absolute, from the first byte of a request to its last */
    int64_t handshake_timeout_ms; /* absolute; as long again for a proxy's header before it */
    int64_t idle_timeout_ms;      /* kept-alive connection without a request */
    int64_t answer_timeout_ms; /* from `request` to listener_reply; then 503 by itself. 0: 20 s */
    int64_t write_timeout_ms;  /* absolute, for the peer to take a reply. 0: request_timeout_ms */
    unsigned max_connections, max_connections_per_address;
    unsigned max_new_per_address; /* connections a second; 0: no bound */
    const char *name;             /* of the threads and in logs: "intake", "admin" */
    /* Observes, for each request that was read whole, the seconds from then until its reply was
     * written, whoever made it. NULL: none. */
    struct metric_series *answer_seconds;
};

MUST_USE enum err listener_start(struct listener **out, const struct listener_options *o,
                                 const struct listener_handler *h, void *ctx, struct error *e);
/* "127.0.0.1:43117": the address with the port that the system chose. */
const char *listener_address(const struct listener *l);
void listener_reply(struct listener_token t, const struct listener_answer *a);

/* Many replies with one wake-up of each loop: zero, then listener_reply_later for each, then
 * listener_wake, before which they do not leave and until which the listener must live. */
struct listener_wakes {
    struct listener *listener;
    uint64_t loops; /* by number, the first 64; others are woken at once */
};
void listener_reply_later(struct listener_token t, const struct listener_answer *a,
                          struct listener_wakes *w);
void listener_wake(struct listener_wakes *w);
/* Whether anybody still waits for the answer to t. Made in `request`, on the loop's thread, before
 * it returns; its maker frees it. */
struct listener_wait;
struct listener_wait *listener_wait_new(struct listener_token t);
/* The request was answered (in time or not), or its peer has gone. Any thread. */
bool listener_wait_is_over(const struct listener_wait *w);
void listener_wait_free(struct listener_wait **w);
unsigned listener_connections(const struct listener *l); /* open now */
/* The most that were open at once since the last call. */
unsigned listener_take_peak(const struct listener *l);
/* From now on requests go to ctx, and these options count; address, threads and name stay as they
 * are. Each loop makes a context of its own for ctx, and frees the old one. Connections go on, with
 * the TLS and the deadline that they have. Borrows o->tls and ctx as listener_start did. */
void listener_reload(struct listener *l, const struct listener_options *o, void *ctx);
/* Every loop has taken over what the last listener_reload gave: what was before is not used any
 * more, but for tokens. */
bool listener_is_current(const struct listener *l);
/* Stops accepting; kept-alive connections are closed after their reply in flight, or when no
 * request has come for a second. Returns at once. */
void listener_drain(struct listener *l);
bool listener_is_draining(const struct listener *l);
bool listener_is_drained(const struct listener *l); /* no connection is left */
bool listener_is_alive(const struct listener *l);   /* every loop turned within the last 5 s */
void listener_stop(struct listener **l);            /* closes what is left, joins the threads */

#endif
