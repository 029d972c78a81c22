/*
 * Starting and ending as a whole. The sockets are opened before any thread runs, so that a port in
 * use is an error of listener_start and leaves nothing behind.
 */
#include "listener.h"
#include "listener_int.h"

#include <stdlib.h>

#include "mem.h"
#include "timeutil.h"

enum { ALIVE_MS = 5000, ANSWER_TIMEOUT_MS = 20000, WAKES_MAX = 64 };

static void look_up_metrics(struct listener *l)
{
    static const char *const names[] = {
#define X(id, name) [id] = name,
        CONNECTION_STATES(X)
#undef X
    };
    for (size_t i = 0; i < CONNECTION_CLOSED; i++)
        l->connections[i] = metric_series(METRIC_CONNECTIONS, names[i]);
    l->handshakes_ok = metric_series(METRIC_TLS_HANDSHAKES, "ok");
    l->handshakes_failed = metric_series(METRIC_TLS_HANDSHAKES, "failed");
    l->handshakes_timeout = metric_series(METRIC_TLS_HANDSHAKES, "timeout");
}

/* Fills what is left to us. */
static struct listener_options with_defaults(const struct listener *l,
                                             const struct listener_options *o)
{
    struct listener_options out = *o;
    out.name = l->name;
    out.address = NULL; /* as given, maybe with port 0; l->address is the real one */
    if (o->answer_timeout_ms == 0)
        out.answer_timeout_ms = ANSWER_TIMEOUT_MS;
    if (o->write_timeout_ms == 0)
        out.write_timeout_ms = o->request_timeout_ms;
    return out;
}

static struct limits_options limits_of(const struct listener_options *o)
{
    return (struct limits_options){
        .max_connections = o->max_connections,
        .max_connections_per_address = o->max_connections_per_address,
        .max_new_per_address = o->max_new_per_address,
        .max_bytes = o->max_buffered_bytes,
        .max_bytes_per_address = o->max_buffered_per_address_bytes,
    };
}

static struct listener *make(const struct listener_options *o, const struct listener_handler *h,
                             void *ctx)
{
    struct listener *l = mem_alloc(sizeof *l);
    l->name = mem_strdup(o->name);
    l->options = with_defaults(l, o);
    l->handler = h;
    l->context = ctx;
    pthread_mutex_init(&l->lock, NULL);
    pthread_mutex_init(&l->room_lock, NULL);
    struct limits_options limits = limits_of(o);
    l->limits = limits_new(&limits);
    look_up_metrics(l);
    return l;
}

static enum err start_loops(struct listener *l, struct listener_sockets *s, struct error *e)
{
    enum err result = ERR_NONE;
    l->loops = mem_array(s->count, sizeof *l->loops);
    for (unsigned i = 0; i < s->count; i++) {
        loop_init(&l->loops[i], l, i, s->fds[i]);
        s->fds[i] = -1;
    }
    /* set before the first thread runs, and never again */
    l->loop_count = s->count;
    l->address = s->address;
    l->unix_path = s->unix_path;
    s->address = s->unix_path = NULL;
    for (unsigned i = 0; i < l->loop_count && result == ERR_NONE; i++)
        result = loop_start(&l->loops[i], e);
    return result;
}

enum err listener_start(struct listener **out, const struct listener_options *o,
                        const struct listener_handler *h, void *ctx, struct error *e)
{
    struct listener_sockets sockets = {0};
    enum err result = sockets_open(&sockets, o->address, o->threads, e);
    if (result != ERR_NONE)
        return result;
    struct listener *l = make(o, h, ctx);
    result = start_loops(l, &sockets, e);
    sockets_close(&sockets);
    if (result == ERR_NONE)
        *out = l;
    else
        listener_stop(&l);
    return result;
}

const char *listener_address(const struct listener *l)
{
    return l->address;
}

void listener_reply(struct listener_token t, const struct listener_answer *a)
{
    if (t.loop >= t.listener->loop_count)
        return;
    struct loop *loop = &t.listener->loops[t.loop];
    if (loop_is_current(loop))
        loop_apply(loop, &t, a);
    else if (loop_push(loop, &t, a))
        loop_wake(loop);
}

void listener_reply_later(struct listener_token t, const struct listener_answer *a,
                          struct listener_wakes *w)
{
    if (t.loop >= WAKES_MAX) {
        listener_reply(t, a);
        return;
    }
    if (w->listener != t.listener)
        listener_wake(w);
    w->listener = t.listener;
    if (t.loop < t.listener->loop_count && loop_push(&t.listener->loops[t.loop], &t, a))
        w->loops |= UINT64_C(1) << t.loop;
}

void listener_wake(struct listener_wakes *w)
{
    for (uint32_t i = 0; w->loops != 0; i++) {
        if ((w->loops >> i & 1) != 0)
            loop_wake(&w->listener->loops[i]);
        w->loops &= ~(UINT64_C(1) << i);
    }
}

static void wake_all(struct listener *l)
{
    for (unsigned i = 0; i < l->loop_count; i++)
        loop_wake(&l->loops[i]);
}

void listener_reload(struct listener *l, const struct listener_options *o, void *ctx)
{
    struct limits_options limits = limits_of(o);
    pthread_mutex_lock(&l->lock);
    l->options = with_defaults(l, o);
    l->context = ctx;
    atomic_fetch_add(&l->version, 1);
    pthread_mutex_unlock(&l->lock);
    limits_resize(l->limits, &limits);
    wake_all(l);
}

bool listener_is_current(const struct listener *l)
{
    uint64_t version = atomic_load(&l->version);
    for (unsigned i = 0; i < l->loop_count; i++) {
        if (atomic_load(&l->loops[i].version) != version)
            return false;
    }
    return true;
}

void listener_drain(struct listener *l)
{
    atomic_store(&l->is_draining, true);
    wake_all(l);
}

bool listener_is_draining(const struct listener *l)
{
    return atomic_load(&l->is_draining);
}

unsigned listener_connections(const struct listener *l)
{
    return limits_open(l->limits);
}

unsigned listener_take_peak(const struct listener *l)
{
    return limits_take_peak(l->limits);
}

bool listener_is_drained(const struct listener *l)
{
    for (unsigned i = 0; i < l->loop_count; i++) {
        if (atomic_load(&l->loops[i].is_accepting))
            return false;
    }
    return listener_connections(l) == 0;
}

bool listener_is_alive(const struct listener *l)
{
    int64_t now = time_boot_ms();
    for (unsigned i = 0; i < l->loop_count; i++) {
        if (now - atomic_load(&l->loops[i].turned_at_ms) > ALIVE_MS)
            return false;
    }
    return true;
}

void listener_stop(struct listener **l)
{
    struct listener *gone = *l;
    if (gone == NULL)
        return;
    *l = NULL;
    atomic_store(&gone->is_stopping, true);
    wake_all(gone);
    for (unsigned i = 0; i < gone->loop_count; i++)
        loop_join(&gone->loops[i]);
    for (unsigned i = 0; i < gone->loop_count; i++)
        loop_close(&gone->loops[i]);
    struct listener_sockets rest = {.address = gone->address, .unix_path = gone->unix_path};
    sockets_close(&rest);
    limits_free(&gone->limits);
    pthread_mutex_destroy(&gone->room_lock);
    pthread_mutex_destroy(&gone->lock);
    free(gone->loops);
    free(gone->name);
    free(gone);
}
