#define _GNU_SOURCE
/*
 * One epoll loop. Time-outs are in nanoseconds (epoll_pwait2) with the least timer slack, because
 * at 10,000 requests a second the interval is shorter than epoll_wait's millisecond.
 */
#include "pump.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "mem.h"

enum { EVENTS_MAX = 64 };

static const int64_t SECOND_NS = 1000000000;
static const int64_t CONNECT_MAX_NS = 60 * SECOND_NS;
static const int64_t DRAIN_MAX_NS = 20 * SECOND_NS;

int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * SECOND_NS + t.tv_nsec;
}

static void numbers_put(struct numbers *n, uint64_t value)
{
    if (n->count == n->cap) {
        n->cap = n->cap == 0 ? 4096 : 2 * n->cap;
        n->items = mem_resize(n->items, n->cap, sizeof *n->items);
    }
    n->items[n->count++] = value;
}

static void note_problem(struct pump *p, const char *text)
{
    if (p->problem[0] == '\0')
        snprintf(p->problem, sizeof p->problem, "%s", text);
}

static void set_free(struct pump *p, struct client *c)
{
    p->free_ring[(p->free_head + p->free_count) % p->client_count] = c;
    p->free_count++;
}

static struct client *take_free(struct pump *p)
{
    struct client *c = p->free_ring[p->free_head];
    p->free_head = (p->free_head + 1) % p->client_count;
    p->free_count--;
    return c;
}

static void note_reply(struct pump *p, struct client *c)
{
    int64_t now = now_ns();
    p->outstanding--;
    c->busy = false;
    if (!c->acknowledged) {
        p->refused++;
        char text[CLIENT_PROBLEM_MAX];
        snprintf(text, sizeof text, "not an Ack, status %d: %.100s", c->status, c->reply);
        note_problem(p, text);
        return;
    }
    p->acknowledged++;
    if (now <= p->shared->end_ns)
        p->in_time++;
    numbers_put(&p->acknowledged_first, c->first);
    numbers_put(&p->latency_us, (uint64_t)(now - c->due_ns) / 1000);
}

static void post(struct pump *p, struct client *c)
{
    size_t n = p->shared->options->notifications;
    client_post(c, atomic_fetch_add(&p->shared->next_number, n), c->due_ns);
}

/* Takes a client as far as it goes. In the first phase "secured" ends its way; when every request
 * has its own connection, "secured" is where the request begins. */
static void run(struct pump *p, struct client *c, bool hung_up)
{
    bool reconnect = p->shared->options->reconnect;
    for (;;) {
        switch (client_step(c, hung_up)) {
        case CLIENT_WAITS:
            return;
        case CLIENT_SECURED:
            if (!reconnect) {
                p->open++;
                set_free(p, c);
                return;
            }
            post(p, c);
            break;
        case CLIENT_REPLIED:
            note_reply(p, c);
            if (reconnect)
                client_close(c);
            set_free(p, c);
            return;
        case CLIENT_FAILED:
            p->failed++;
            note_problem(p, c->problem);
            if (c->busy)
                p->outstanding--;
            c->busy = false;
            return;
        }
    }
}

/* Sends what is due. Without a rate the interval is 0 and the next request always due. */
static void feed(struct pump *p)
{
    const struct load_options *o = p->shared->options;
    for (int64_t now = now_ns(); p->free_count > 0 && p->next_due_ns <= now; now = now_ns()) {
        if (now >= p->shared->end_ns)
            return;
        struct client *c = take_free(p);
        if (!o->reconnect && c->state == CLIENT_CLOSED)
            continue; /* it failed while it was idle */
        c->busy = true;
        c->due_ns = p->interval_ns > 0 ? p->next_due_ns : now;
        p->next_due_ns += p->interval_ns;
        p->sent++;
        p->outstanding++;
        if (!o->reconnect) {
            post(p, c);
        } else if (!client_open(c, p->shared->context, p->epoll, o->port)) {
            p->outstanding--;
            c->busy = false;
            p->failed++;
            note_problem(p, c->problem);
            continue;
        }
        run(p, c, false);
    }
}

/* Handles the events that come before `until`; false when the wait itself failed. */
static bool turn(struct pump *p, int64_t until, void (*after)(struct pump *))
{
    int64_t left = until - now_ns();
    if (left < 0)
        left = 0;
    struct timespec timeout = {.tv_sec = left / SECOND_NS, .tv_nsec = left % SECOND_NS};
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_pwait2(p->epoll, events, EVENTS_MAX, &timeout, NULL);
    if (n < 0 && errno != EINTR) {
        note_problem(p, strerror(errno));
        p->failed++;
        return false;
    }
    for (int i = 0; i < n; i++) {
        run(p, events[i].data.ptr, (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
        after(p);
    }
    return true;
}

static void nothing(struct pump *p)
{
    (void)p;
}

static void connect_all(struct pump *p)
{
    const struct load_options *o = p->shared->options;
    int64_t until = now_ns() + CONNECT_MAX_NS;
    for (unsigned i = 0; i < p->client_count; i++) {
        struct client *c = &p->clients[i];
        message_init(&c->message, o->org, o->path, o->notifications);
        if (o->reconnect) {
            set_free(p, c);
        } else if (!client_open(c, p->shared->context, p->epoll, o->port)) {
            p->failed++;
            note_problem(p, c->problem);
        } else { /* one after the other: a listen queue that overflows would cost a second */
            unsigned before = p->open;
            uint64_t failed = p->failed;
            while (p->open == before && p->failed == failed && now_ns() < until) {
                if (!turn(p, until, nothing))
                    return;
            }
        }
    }
}

static void send_all(struct pump *p)
{
    const struct load_shared *s = p->shared;
    p->next_due_ns = p->interval_ns > 0 ? s->start_ns : 0;
    feed(p);
    while (now_ns() < s->end_ns && (p->free_count > 0 || p->outstanding > 0)) {
        bool starved = p->free_count == 0 || p->interval_ns == 0;
        if (!turn(p, starved || p->next_due_ns > s->end_ns ? s->end_ns : p->next_due_ns, feed))
            return;
        feed(p);
    }
    int64_t until = s->end_ns + DRAIN_MAX_NS;
    while (p->outstanding > 0 && now_ns() < until) {
        if (!turn(p, until, nothing))
            return;
    }
    if (p->outstanding > 0)
        note_problem(p, "requests without a reply 20 seconds after the end");
    p->failed += p->outstanding;
}

static void *pump_run(void *argument)
{
    struct pump *p = argument;
    prctl(PR_SET_TIMERSLACK, 1UL);
    connect_all(p);
    pthread_barrier_wait(&p->shared->connected);
    pthread_barrier_wait(&p->shared->started);
    send_all(p);
    return NULL;
}

bool pump_start(struct pump *p, struct load_shared *shared, unsigned client_count)
{
    const struct load_options *o = shared->options;
    *p = (struct pump){.shared = shared, .client_count = client_count};
    p->clients = mem_array(client_count, sizeof *p->clients);
    p->free_ring = mem_array(client_count, sizeof(struct client *));
    if (o->rate > 0)
        p->interval_ns = (int64_t)((double)SECOND_NS * o->threads / o->rate);
    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (p->epoll < 0) {
        perror("epoll_create1");
        return false;
    }
    int error = pthread_create(&p->thread, NULL, pump_run, p);
    if (error != 0)
        fprintf(stderr, "pthread_create: %s\n", strerror(error));
    return error == 0;
}

void pump_join(struct pump *p)
{
    pthread_join(p->thread, NULL);
}

void pump_release(struct pump *p)
{
    for (unsigned i = 0; i < p->client_count; i++) {
        client_close(&p->clients[i]);
        message_release(&p->clients[i].message);
    }
    free(p->clients);
    free(p->free_ring);
    free(p->acknowledged_first.items);
    free(p->latency_us.items);
    close(p->epoll);
}
