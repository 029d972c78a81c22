/*
 * Whether an answer that takes long is still waited for: a flag that the connection sets when its
 * request was answered or its peer has gone, and that whoever works on the answer looks at. It has
 * two owners, and the last one frees it.
 */
#include "listener_int.h"

#include <stdlib.h>

#include "mem.h"

struct listener_wait {
    atomic_uint owners;
    atomic_bool is_over;
};

static void give_up(struct listener_wait *w)
{
    if (atomic_fetch_sub(&w->owners, 1) == 1)
        free(w);
}

struct listener_wait *listener_wait_new(struct listener_token t)
{
    struct listener_wait *w = mem_alloc(sizeof *w);
    struct loop *loop = &t.listener->loops[t.loop];
    struct connection *c = t.slot < loop->slot_count ? loop->slots[t.slot] : NULL;
    bool is_there = c != NULL && c->generation == t.generation && c->request == t.request &&
                    c->wait == NULL && !c->peer_closed;
    atomic_init(&w->owners, is_there ? 2 : 1);
    atomic_init(&w->is_over, !is_there);
    if (is_there)
        c->wait = w;
    return w;
}

bool listener_wait_is_over(const struct listener_wait *w)
{
    return atomic_load(&w->is_over);
}

void listener_wait_free(struct listener_wait **w)
{
    if (*w != NULL)
        give_up(*w);
    *w = NULL;
}

void connection_end_wait(struct connection *c)
{
    if (c->wait == NULL)
        return;
    atomic_store(&c->wait->is_over, true);
    give_up(c->wait);
    c->wait = NULL;
}
