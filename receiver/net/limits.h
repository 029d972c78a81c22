/*
 * limits - how many connections and buffered bytes there may be, in all and per address, and how
 * many new connections an address may open a second
 *
 * An address is an IPv4 address or an IPv6 /64 (what one customer usually gets, RFC 6177); a unix
 * socket has none and only counts in all. Connections are counted under a lock when they come and
 * go; bytes with atomics only, since they are counted for each request.
 *
 * Threads:   any.
 * Ownership: limits_enter gives a place; limits_leave takes it.
 */
#ifndef TP_LIMITS_H
#define TP_LIMITS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum { LIMITS_LEAVING_MAX = 32 };

struct limits;
struct limits_place; /* of one address; shared by its connections */

struct limits_options {
    unsigned max_connections, max_connections_per_address;
    /* A second, on average; five times as many may come at once. 0: no bound. Addresses are told
     * apart by a seeded hash into some thousand places, so very few share their bound. */
    unsigned max_new_per_address;
    uint64_t max_bytes, max_bytes_per_address;
};

/* Only who is admitted otherwise is LIMITS_FULL, and uses up none of its pace: it may ask again. */
enum limits_verdict { LIMITS_OK, LIMITS_FULL, LIMITS_ADDRESS_FULL, LIMITS_ADDRESS_FAST };

struct limits *limits_new(const struct limits_options *o);
void limits_free(struct limits **l);
/* Other bounds from now on; what is over them stays. */
void limits_resize(struct limits *l, const struct limits_options *o);

/* Counts one connection in; *place is set for LIMITS_OK only. now_ms: of a clock that never goes
 * back. */
enum limits_verdict limits_enter(struct limits *l, const struct sockaddr *peer, int64_t now_ms,
                                 struct limits_place **place);
/* Moves one connection to another place: a proxy has said whose it is. Its number in all does not
 * change, so it is never LIMITS_FULL; *place stays unless LIMITS_OK. */
enum limits_verdict limits_move(struct limits *l, const struct sockaddr *peer, int64_t now_ms,
                                struct limits_place **place);
/* was_promised: limits_promise was called for it. */
void limits_leave(struct limits *l, struct limits_place **place, bool was_promised);
/* One that is counted is about to leave, and its place in all may be taken before it has. False
 * (and nothing is promised) when LIMITS_LEAVING_MAX are about to. */
bool limits_promise(struct limits *l);
unsigned limits_open(struct limits *l);
unsigned limits_take_peak(struct limits *l); /* most open at once since the last call */

/* Counts n more bytes held for a connection of that place; false (and nothing counted) past a
 * bound. */
bool limits_hold(struct limits *l, struct limits_place *place, uint64_t n);
void limits_let_go(struct limits *l, struct limits_place *place, uint64_t n);

#endif
