/*
 * One thread: an event base that accepts from its own listening socket, ticks once a second, and is
 * woken through an eventfd by replies from other threads, by drain and by stop. The wake-up is
 * written only when the queue was empty, so a batch of replies costs one.
 */
#define _GNU_SOURCE
#include "listener_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "log.h"
#include "mem.h"
#include "timeutil.h"

enum {
    ACCEPTS_PER_TURN = 64,      /* then the other connections have their turn */
    REPLY_BYTES_MAX = 64 << 20, /* of one reply */
    OUT_KEPT_MAX = 256 << 10,   /* memory kept for the next reply */
    SLOTS_FIRST = 64,
};

static _Thread_local const struct loop *current;

bool loop_is_current(const struct loop *loop)
{
    return current == loop;
}

/* ------------------------------------------------------------------ slots and readers */

uint32_t loop_take_slot(struct loop *loop, struct connection *c)
{
    if (loop->free_count == 0) {
        uint32_t count = loop->slot_count == 0 ? SLOTS_FIRST : loop->slot_count * 2;
        loop->slots = mem_resize(loop->slots, count, sizeof *loop->slots);
        loop->free_slots = mem_resize(loop->free_slots, count, sizeof *loop->free_slots);
        for (uint32_t i = count; i > loop->slot_count; i--) {
            loop->slots[i - 1] = NULL;
            loop->free_slots[loop->free_count++] = i - 1;
        }
        loop->slot_count = count;
    }
    uint32_t slot = loop->free_slots[--loop->free_count];
    loop->slots[slot] = c;
    return slot;
}

void loop_free_slot(struct loop *loop, uint32_t slot)
{
    loop->slots[slot] = NULL;
    loop->free_slots[loop->free_count++] = slot;
}

struct http_reader *loop_take_reader(struct loop *loop)
{
    if (loop->spare_count > 0)
        return loop->spare_readers[--loop->spare_count];
    return http_reader_new(loop->listener->options.max_body_bytes);
}

void loop_give_reader(struct loop *loop, struct http_reader **r)
{
    if (*r == NULL)
        return;
    if (loop->spare_count < SPARE_READERS_MAX) {
        http_reader_next(*r);
        loop->spare_readers[loop->spare_count++] = *r;
        *r = NULL;
    } else {
        http_reader_free(r);
    }
}

/* ------------------------------------------------------------------ replies from other threads */

void loop_wake(struct loop *loop)
{
    uint64_t one = 1;
    ssize_t n = write(loop->wake_fd, &one, sizeof one);
    (void)n; /* EAGAIN: the counter is full, so a wake-up is pending anyway */
}

void loop_push(struct loop *loop, const struct listener_token *t, const struct listener_answer *a)
{
    size_t copied = a->body_static ? 0 : a->body_len;
    struct queued_reply *r = malloc(sizeof *r + copied);
    if (r == NULL)
        r = mem_alloc(sizeof *r + copied); /* says why and ends */
    r->next = NULL;
    r->token = *t;
    r->answer = *a;
    if (copied > 0)
        memcpy(r->bytes, a->body, copied);
    if (!a->body_static)
        r->answer.body = r->bytes;

    pthread_mutex_lock(&loop->lock);
    bool was_empty = loop->replies == NULL;
    *loop->replies_end = r;
    loop->replies_end = &r->next;
    pthread_mutex_unlock(&loop->lock);
    if (was_empty)
        loop_wake(loop);
}

/* Invariant (protocol rule 3): only the request that the token was made for is answered. */
void loop_apply(struct loop *loop, const struct listener_token *t, const struct listener_answer *a)
{
    if (t->slot >= loop->slot_count)
        return;
    struct connection *c = loop->slots[t->slot];
    if (c == NULL || c->generation != t->generation || c->request != t->request ||
        c->state != CONNECTION_ANSWERING)
        return;
    connection_answer(c, a, false);
    if (c->is_advancing)
        return; /* answered from within `request`: the caller goes on */
    connection_advance(c);
    connection_settle(c);
}

static struct queued_reply *take_replies(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    struct queued_reply *r = loop->replies;
    loop->replies = NULL;
    loop->replies_end = &loop->replies;
    pthread_mutex_unlock(&loop->lock);
    return r;
}

/* ------------------------------------------------------------------ accepting */

static void close_listening(struct loop *loop)
{
    if (loop->accept_event != NULL)
        event_free(loop->accept_event);
    loop->accept_event = NULL;
    if (loop->listen_fd >= 0)
        close(loop->listen_fd);
    loop->listen_fd = -1;
    atomic_store(&loop->is_accepting, false);
}

static void admit(struct loop *loop, int fd, const struct sockaddr *peer)
{
    struct limits_place *place = NULL;
    struct listener_peer text;
    enum limits_verdict verdict = limits_enter(loop->listener->limits, peer, &place);
    if (verdict != LIMITS_OK) {
        loop->turned_away += verdict == LIMITS_FULL;
        loop->turned_away_address += verdict == LIMITS_ADDRESS_FULL;
        close(fd);
        return;
    }
    socket_peer_text(peer, &text);
    connection_open(loop, fd, place, &text);
}

/* Out of descriptors or memory: the socket would stay readable, so it is left alone for a second.
 */
static void pause_accepting(struct loop *loop)
{
    log_error("cannot accept connections", "listener", loop->listener->options.name, "error",
              strerrorname_np(errno), NULL);
    loop->accept_paused = true;
    if (loop->accept_event != NULL)
        event_del(loop->accept_event);
}

/* True when a whole turn was used up. */
static bool accept_turn(struct loop *loop)
{
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t len = sizeof peer;
        int fd =
            accept4(loop->listen_fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            admit(loop, fd, (struct sockaddr *)&peer);
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return false;
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accepting(loop);
            return false;
        }
        /* the rest concerns the one connection that is gone already */
    }
    return true;
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)accept_turn(arg);
}

/* ------------------------------------------------------------------ wake-ups and the tick */

/* Connections in the backlog would be reset with the socket, so they are taken first. */
static void drain(struct loop *loop)
{
    while (loop->listen_fd >= 0 && !loop->accept_paused && accept_turn(loop)) {
    }
    close_listening(loop);
    for (uint32_t i = 0; i < loop->slot_count; i++) {
        if (loop->slots[i] != NULL)
            connection_drain(loop->slots[i]);
    }
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;
    uint64_t count;
    (void)what;
    ssize_t n = read(fd, &count, sizeof count);
    (void)n;
    for (struct queued_reply *r = take_replies(loop), *next; r != NULL; r = next) {
        next = r->next;
        loop_apply(loop, &r->token, &r->answer);
        free(r);
    }
    if (atomic_load(&loop->listener->is_draining) && loop->listen_fd >= 0)
        drain(loop);
    if (atomic_load(&loop->listener->is_stopping))
        event_base_loopbreak(loop->base);
}

static void publish(struct loop *loop)
{
    for (size_t i = 0; i < CONNECTION_CLOSED; i++) {
        if (loop->in_state[i] != loop->published[i])
            metric_gauge_add(loop->listener->connections[i],
                             (int64_t)loop->in_state[i] - (int64_t)loop->published[i]);
        loop->published[i] = loop->in_state[i];
    }
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;
    (void)fd;
    (void)what;
    atomic_store(&loop->turned_at_ms, time_boot_ms());
    reply_date(time_wall_ms(), loop->date, sizeof loop->date);
    publish(loop);
    if (loop->turned_away + loop->turned_away_address > 0)
        log_warn("connections turned away", "listener", loop->listener->options.name,
                 "over_max_connections", log_num(loop->turned_away),
                 "over_max_connections_per_address", log_num(loop->turned_away_address), NULL);
    loop->turned_away = loop->turned_away_address = 0;
    if (loop->accept_paused && loop->accept_event != NULL)
        event_add(loop->accept_event, NULL);
    loop->accept_paused = false;
    if (loop->out.cap > OUT_KEPT_MAX)
        buf_release(&loop->out);
}

/* ------------------------------------------------------------------ the thread */

/* Buffer events whose call-back is pending are only freed by it, so the loop turns until all have
 * run; nothing but they is left in it. */
static void close_all(struct loop *loop)
{
    close_listening(loop);
    event_del(loop->wake_event);
    event_del(loop->tick_event);
    for (uint32_t i = 0; i < loop->slot_count; i++) {
        if (loop->slots[i] != NULL)
            connection_free(loop->slots[i]);
    }
    while (event_base_get_num_events(loop->base, EVENT_BASE_COUNT_ACTIVE) > 0)
        (void)event_base_loop(loop->base, EVLOOP_NONBLOCK);
}

static void *run(void *arg)
{
    struct loop *loop = arg;
    const struct listener_handler *h = loop->listener->handler;
    current = loop;
    if (h->loop_new != NULL)
        loop->context = h->loop_new(loop->listener->context);
    on_tick(-1, 0, loop);
    (void)event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
    close_all(loop);
    publish(loop);
    if (h->loop_free != NULL)
        h->loop_free(loop->listener->context, loop->context);
    return NULL;
}

static bool make_events(struct loop *loop)
{
    static const struct timeval second = {.tv_sec = 1};
    struct event_config *config = event_config_new();
    if (config == NULL)
        return false;
    /* one base a thread and shared with none; the environment does not choose the back end */
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV);
    loop->base = event_base_new_with_config(config);
    event_config_free(config);
    if (loop->base == NULL)
        return false;
    loop->accept_event =
        event_new(loop->base, loop->listen_fd, EV_READ | EV_PERSIST, on_accept, loop);
    loop->wake_event = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
    loop->tick_event = event_new(loop->base, -1, EV_PERSIST, on_tick, loop);
    return loop->accept_event != NULL && loop->wake_event != NULL && loop->tick_event != NULL &&
           event_add(loop->accept_event, NULL) == 0 && event_add(loop->wake_event, NULL) == 0 &&
           event_add(loop->tick_event, &second) == 0;
}

/* The thread takes no signals: they are main's; a write to a closed socket says EPIPE. */
static int start_thread(struct loop *loop)
{
    sigset_t all, old;
    char name[16];
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int code = pthread_create(&loop->thread, NULL, run, loop);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (code == 0) {
        loop->has_thread = true;
        (void)snprintf(name, sizeof name, "%.10s-%u", loop->listener->options.name,
                       loop->index % 1000);
        (void)pthread_setname_np(loop->thread, name);
    }
    return code;
}

void loop_init(struct loop *loop, struct listener *l, unsigned index, int fd)
{
    loop->listener = l;
    loop->index = index;
    loop->listen_fd = fd;
    loop->wake_fd = -1;
    loop->replies_end = &loop->replies;
    pthread_mutex_init(&loop->lock, NULL);
    buf_init(&loop->out, REPLY_BYTES_MAX);
    atomic_store(&loop->turned_at_ms, time_boot_ms());
    atomic_store(&loop->is_accepting, true);
}

enum err loop_start(struct loop *loop, struct error *e)
{
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->wake_fd < 0)
        return error_errno(e, "cannot make an eventfd");
    if (!make_events(loop))
        return error_set(e, ERR_IO, "cannot make an event loop");
    errno = start_thread(loop);
    if (errno != 0)
        return error_errno(e, "cannot start a thread");
    return ERR_NONE;
}

void loop_join(struct loop *loop)
{
    if (loop->has_thread)
        pthread_join(loop->thread, NULL);
    loop->has_thread = false;
}

void loop_close(struct loop *loop)
{
    close_listening(loop);
    if (loop->wake_event != NULL)
        event_free(loop->wake_event);
    if (loop->tick_event != NULL)
        event_free(loop->tick_event);
    if (loop->base != NULL)
        event_base_free(loop->base);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    for (struct queued_reply *r = loop->replies, *next; r != NULL; r = next) {
        next = r->next;
        free(r);
    }
    while (loop->spare_count > 0)
        http_reader_free(&loop->spare_readers[--loop->spare_count]);
    buf_release(&loop->out);
    free(loop->slots);
    free(loop->free_slots);
    pthread_mutex_destroy(&loop->lock);
}
