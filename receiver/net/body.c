#define _GNU_SOURCE
/*
 * The body of the request that is being read. It grows by steps to the length that was announced,
 * so that nobody takes much memory with a few bytes, and is counted by the memory that it takes
 * (limits.h). It may carry a session id, so each copy of it is wiped.
 */
#include "listener_int.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum {
    BODY_FIRST = 16384,
    GROWTH = 4,
};

void connection_drop_body(struct connection *c)
{
    if (c->body == NULL)
        return;
    explicit_bzero(c->body, c->body_len);
    free(c->body);
    limits_let_go(c->loop->listener->limits, c->place, c->body_cap);
    c->body = NULL;
    c->body_len = c->body_cap = 0;
}

/* A new block instead of realloc, which could leave a copy behind. False past the bounds. */
static bool grow_body(struct connection *c, size_t need)
{
    const struct http_head *h = http_reader_head(c->reader);
    size_t cap = c->body_cap == 0 ? BODY_FIRST : c->body_cap * GROWTH;
    while (cap < need)
        cap *= GROWTH;
    if (h->has_length && h->content_length >= need && h->content_length < cap)
        cap = (size_t)h->content_length;
    if (!limits_hold(c->loop->listener->limits, c->place, cap - c->body_cap))
        return false;
    char *body = mem_resize(NULL, cap, 1);
    if (c->body != NULL) {
        memcpy(body, c->body, c->body_len);
        explicit_bzero(c->body, c->body_len);
        free(c->body);
    }
    c->body = body;
    c->body_cap = cap;
    return true;
}

bool connection_add_body(struct connection *c, struct http_span piece)
{
    if (c->body_len + piece.n > c->body_cap && !grow_body(c, c->body_len + piece.n))
        return false;
    memcpy(c->body + c->body_len, piece.p, piece.n);
    c->body_len += piece.n;
    return true;
}
