/*
 * What a loop keeps for its connections: their slots, which tokens name together with a generation,
 * and readers to spare, so that an idle connection needs none. And the way in for replies from
 * other threads: a list under a lock and an eventfd, written only when the list was empty, and
 * for a batch of replies once.
 */
#include "listener_int.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"

enum { SLOTS_FIRST = 64 };

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
    if (loop->spare_count == 0)
        return http_reader_new(loop->options.max_body_bytes);
    struct http_reader *r = loop->spare_readers[--loop->spare_count];
    http_reader_limit(r, loop->options.max_body_bytes);
    return r;
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

bool loop_push(struct loop *loop, const struct listener_token *t, const struct listener_answer *a)
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
    return was_empty;
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

struct queued_reply *loop_take_replies(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    struct queued_reply *r = loop->replies;
    loop->replies = NULL;
    loop->replies_end = &loop->replies;
    pthread_mutex_unlock(&loop->lock);
    return r;
}
