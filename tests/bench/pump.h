/*
 * pump - a thread that drives its share of the connections
 *
 * Three phases: connect all clients; wait until the conductor has started the clock; send until the
 * end and wait for the replies that are outstanding. Requests are due at fixed times (a rate) or
 * as soon as a client is free (no rate). A request's latency counts from when it was due, so a
 * server that stalls is charged for the requests that it kept from being sent.
 *
 * Threads: a pump belongs to its thread from pump_start to pump_join; `next_number` is shared by
 * all pumps (atomic), the clock is written by the conductor before the second barrier.
 */
#ifndef TP_BENCH_PUMP_H
#define TP_BENCH_PUMP_H

#include <pthread.h>
#include <stdatomic.h>

#include "client.h"

struct load_options {
    uint16_t port;
    unsigned connections, threads;
    size_t notifications; /* a message */
    double seconds;       /* 0: only connect */
    double rate;          /* requests a second over all pumps; 0: as fast as replies come */
    uint64_t first;       /* number of the run's first notification */
    const char *org, *path;
    bool reconnect; /* a new connection, so a full handshake, for every request */
};

struct load_shared {
    const struct load_options *options;
    SSL_CTX *context;
    atomic_uint_fast64_t next_number;
    pthread_barrier_t connected, started;
    int64_t start_ns, end_ns;
};

/* Grows as needed. */
struct numbers {
    uint64_t *items;
    size_t count, cap;
};

struct pump {
    struct load_shared *shared;
    pthread_t thread;
    int epoll;
    struct client *clients;
    unsigned client_count;
    struct client **free_ring; /* clients that may send, first in first out */
    size_t free_head, free_count;
    unsigned outstanding; /* requests without a reply yet */
    int64_t next_due_ns, interval_ns;

    /* results */
    unsigned open; /* connections at the end of the first phase */
    uint64_t sent, acknowledged, in_time, refused, failed;
    struct numbers acknowledged_first; /* first number of each acknowledged message */
    struct numbers latency_us;         /* of acknowledged requests */
    char problem[CLIENT_PROBLEM_MAX];  /* the first that came */
};

int64_t now_ns(void);

/* False: printed. */
bool pump_start(struct pump *p, struct load_shared *shared, unsigned client_count);
void pump_join(struct pump *p);
void pump_release(struct pump *p);

#endif
