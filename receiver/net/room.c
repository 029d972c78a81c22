/*
 * Who makes room when all places are taken: the oldest connection that has not asked for anything
 * sensible yet, since who only holds a place goes for who may want something. Each loop lists its
 * connections of that kind in order of their coming; one lock guards all lists, so the oldest is
 * found by looking at the first of each. It may belong to another loop than the one that needs the
 * room. Then its place is promised to the newcomer at once, and it is put on its loop's list of
 * those to close; nothing else of it is touched here. Connections that were answered with success
 * are on no list, so their requests take no lock.
 */
#include "listener_int.h"

#include "refusal.h"

/* ------------------------------------------------------------------ lists; under the lock */

static void put(struct connection_list *list, struct connection *c)
{
    c->list = list;
    c->next = NULL;
    c->previous = list->last;
    if (list->last != NULL)
        list->last->next = c;
    else
        list->first = c;
    list->last = c;
}

static void take_out(struct connection *c)
{
    if (c->list == NULL)
        return;
    if (c->previous != NULL)
        c->previous->next = c->next;
    else
        c->list->first = c->next;
    if (c->next != NULL)
        c->next->previous = c->previous;
    else
        c->list->last = c->previous;
    c->list = NULL;
}

static struct connection *oldest_of(const struct loop *loop)
{
    struct connection *c = loop->unproven.first;
    while (c != NULL && c->is_served)
        c = c->next;
    return c;
}

static struct connection *oldest(const struct listener *l)
{
    struct connection *found = NULL;
    for (unsigned i = 0; i < l->loop_count; i++) {
        struct connection *c = oldest_of(&l->loops[i]);
        if (c != NULL && (found == NULL || c->arrival < found->arrival))
            found = c;
    }
    return found;
}

/* ------------------------------------------------------------------ how a connection goes on */

void room_enlist(struct connection *c)
{
    struct listener *l = c->loop->listener;
    pthread_mutex_lock(&l->room_lock);
    c->arrival = ++l->arrivals;
    put(&c->loop->unproven, c);
    pthread_mutex_unlock(&l->room_lock);
}

void room_prove(struct connection *c)
{
    struct listener *l = c->loop->listener;
    if (c->is_proven)
        return;
    c->is_proven = true;
    pthread_mutex_lock(&l->room_lock);
    if (!c->is_leaving) /* else it is too late */
        take_out(c);
    pthread_mutex_unlock(&l->room_lock);
}

bool room_leave(struct connection *c)
{
    struct listener *l = c->loop->listener;
    pthread_mutex_lock(&l->room_lock);
    take_out(c);
    pthread_mutex_unlock(&l->room_lock);
    return c->is_leaving; /* on no list any more, so nobody else looks at it */
}

bool room_serve(struct connection *c, bool is_served)
{
    struct listener *l = c->loop->listener;
    bool is_leaving = false;
    if (!c->is_proven) {
        pthread_mutex_lock(&l->room_lock);
        c->is_served = is_served;
        is_leaving = c->is_leaving;
        pthread_mutex_unlock(&l->room_lock);
    }
    return !is_leaving;
}

/* ------------------------------------------------------------------ making room */

/* By its own loop. */
static void close_out(struct connection *c)
{
    refusal_tell(REFUSED_MADE_ROOM, &(struct refusal_detail){.peer = c->peer.address});
    connection_close(c);
    connection_settle(c);
}

/* Under the lock. True when its loop has to be woken. */
static bool choose(struct connection *c)
{
    struct connection_list *leaving = &c->loop->leaving;
    bool was_empty = leaving->first == NULL;
    take_out(c);
    c->is_leaving = true;
    put(leaving, c);
    return was_empty;
}

bool room_make(struct loop *loop)
{
    struct listener *l = loop->listener;
    struct loop *woken = NULL;
    pthread_mutex_lock(&l->room_lock);
    struct connection *c = oldest(l);
    if (c != NULL && c->loop != loop && !limits_promise(l->limits))
        c = oldest_of(loop);
    bool is_own = c != NULL && c->loop == loop;
    if (is_own)
        take_out(c);
    else if (c != NULL && choose(c))
        woken = c->loop;
    pthread_mutex_unlock(&l->room_lock);
    if (woken != NULL)
        loop_wake(woken);
    if (is_own)
        close_out(c);
    return c != NULL;
}

void room_end_handshake(struct loop *loop)
{
    struct listener *l = loop->listener;
    pthread_mutex_lock(&l->room_lock);
    struct connection *c = loop->unproven.first;
    while (c != NULL && c->state != CONNECTION_HANDSHAKE)
        c = c->next;
    pthread_mutex_unlock(&l->room_lock);
    if (c != NULL)
        close_out(c);
}

void room_let_go(struct loop *loop)
{
    struct listener *l = loop->listener;
    struct connection *c;
    do {
        pthread_mutex_lock(&l->room_lock);
        c = loop->leaving.first;
        pthread_mutex_unlock(&l->room_lock);
        if (c != NULL)
            close_out(c);
    } while (c != NULL);
}
