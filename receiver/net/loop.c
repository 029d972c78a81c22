#define _GNU_SOURCE
/*
 * One thread: an event base that accepts from its own listening socket, ticks once a second, and is
 * woken through an eventfd by replies from other threads, by drain and by stop.
 */
#include "listener_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "log.h"
#include "timeutil.h"

enum {
    REPLY_BYTES_MAX = 64 << 20, /* of one reply */
    OUT_KEPT_MAX = 256 << 10,   /* memory kept for the next reply */
    DRAIN_TURNS_MAX = 64,       /* enough for the whole backlog */
};

static _Thread_local const struct loop *current;

bool loop_is_current(const struct loop *loop)
{
    return current == loop;
}

/* ------------------------------------------------------------------ wake-ups and the tick */

/* Connections in the backlog would be reset with the socket, so they are taken first; but not
 * without end, since in a flood more come as fast. */
static void drain(struct loop *loop)
{
    for (int turns = 0; turns < DRAIN_TURNS_MAX && !loop->accept_paused; turns++) {
        if (!loop_accept_turn(loop))
            break;
    }
    loop_close_listening(loop);
    for (uint32_t i = 0; i < loop->slot_count; i++) {
        if (loop->slots[i] != NULL)
            connection_drain(loop->slots[i]);
    }
}

/* What listener_start or the last listener_reload gave. Called between events, so that no function
 * on the stack uses what goes. */
static void take_over(struct loop *loop)
{
    struct listener *l = loop->listener;
    void *old_handler_context = loop->handler_context, *old_context = loop->context;
    pthread_mutex_lock(&l->lock);
    loop->options = l->options;
    loop->handler_context = l->context;
    uint64_t version = atomic_load(&l->version);
    pthread_mutex_unlock(&l->lock);
    if (l->handler->loop_new != NULL)
        loop->context = l->handler->loop_new(loop->handler_context);
    if (old_handler_context != NULL && l->handler->loop_free != NULL)
        l->handler->loop_free(old_handler_context, old_context);
    atomic_store(&loop->version, version);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;
    uint64_t count;
    (void)what;
    ssize_t n = read(fd, &count, sizeof count);
    (void)n;
    if (atomic_load(&loop->version) != atomic_load(&loop->listener->version))
        take_over(loop);
    for (struct queued_reply *r = loop_take_replies(loop), *next; r != NULL; r = next) {
        next = r->next;
        loop_apply(loop, &r->token, &r->answer);
        free(r);
    }
    room_let_go(loop);
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
    if (loop->accept_paused && loop->accept_event != NULL)
        event_add(loop->accept_event, NULL);
    loop->accept_paused = false;
    if (loop->out.cap > OUT_KEPT_MAX)
        buf_release(&loop->out);
    loop_rest_body(loop);
}

/* ------------------------------------------------------------------ the thread */

/* Buffer events whose call-back is pending are only freed by it, so the loop turns until all have
 * run; nothing but they is left in it. */
static void close_all(struct loop *loop)
{
    loop_close_listening(loop);
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
    take_over(loop);
    on_tick(-1, 0, loop);
    (void)event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
    close_all(loop);
    publish(loop);
    if (h->loop_free != NULL)
        h->loop_free(loop->handler_context, loop->context);
    return NULL;
}

static bool make_events(struct loop *loop)
{
    static const struct timeval second = {.tv_sec = 1};
    struct event_config *config = event_config_new();
    if (config == NULL)
        return false;
    /* One base a thread and shared with none. No list of changes: it would take a closed socket out
     * of the epoll set a turn late, when its number may be another loop's; and it would save a few
     * epoll_ctl a connection, none a request. */
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV);
    loop->base = event_base_new_with_config(config);
    event_config_free(config);
    if (loop->base == NULL)
        return false;
    loop->accept_event =
        event_new(loop->base, loop->listen_fd, EV_READ | EV_PERSIST, loop_on_accept, loop);
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
        (void)snprintf(name, sizeof name, "%.10s-%u", loop->listener->name, loop->index % 1000);
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
    loop_close_listening(loop);
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
    loop_free_body(loop);
    buf_release(&loop->out);
    free(loop->slots);
    free(loop->free_slots);
    pthread_mutex_destroy(&loop->lock);
}
