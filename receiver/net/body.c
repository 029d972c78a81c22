#define _GNU_SOURCE
/*
 * The body of the request that is being read. It grows by steps to the length that was announced,
 * so that nobody takes much memory with a few bytes, and is counted by the memory that it takes
 * (limits.h). It may carry a session id, so each copy of it is wiped. Each loop keeps the memory of
 * one large body for the next, for as long as one comes each second or two; while it serves nobody
 * it is counted nowhere.
 */
#include "listener_int.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum {
    BODY_FIRST = 16384,
    PROVEN_FIRST = 256 << 10, /* of who has sent messages before: a full one in one step */
    GROWTH = 4,
    SPARE_MIN = 1 << 20, /* from here on the system gives and takes each block by itself (mem.c) */
};

void loop_free_body(struct loop *loop)
{
    free(loop->spare_body.bytes);
    loop->spare_body = (struct spare_body){0};
}

void loop_rest_body(struct loop *loop)
{
    if (loop->spare_body.rests)
        loop_free_body(loop);
    loop->spare_body.rests = loop->spare_body.bytes != NULL;
}

/* The block goes, or is kept; it is counted until the caller lets go of it. */
static void give(struct connection *c)
{
    struct loop *loop = c->loop;
    explicit_bzero(c->body, c->body_len);
    if (c->body_cap < SPARE_MIN || c->body_cap <= loop->spare_body.size) {
        free(c->body);
        return;
    }
    loop_free_body(loop);
    loop->spare_body = (struct spare_body){.bytes = c->body, .size = c->body_cap};
}

void connection_drop_body(struct connection *c)
{
    if (c->body == NULL)
        return;
    give(c);
    limits_let_go(c->loop->listener->limits, c->place, c->body_cap);
    c->body = NULL;
    c->body_len = c->body_cap = 0;
}

static bool hold(struct connection *c, size_t cap)
{
    return limits_hold(c->loop->listener->limits, c->place, cap - c->body_cap);
}

/* NULL past the bounds. *cap: what is wanted, then what it has. */
static char *take(struct connection *c, size_t *cap)
{
    struct spare_body *spare = &c->loop->spare_body;
    if (*cap >= SPARE_MIN && spare->size >= *cap && spare->size / GROWTH <= *cap &&
        hold(c, spare->size)) {
        char *bytes = spare->bytes;
        *cap = spare->size;
        *spare = (struct spare_body){0};
        return bytes;
    }
    return hold(c, *cap) ? mem_resize(NULL, *cap + 1, 1) : NULL; /* with a NUL */
}

/* A new block instead of realloc, which could leave a copy behind. False past the bounds. */
static bool grow_body(struct connection *c, size_t need)
{
    const struct http_head *h = http_reader_head(c->reader);
    size_t cap = c->body_cap == 0 ? BODY_FIRST : c->body_cap * GROWTH;
    if (c->is_proven && h->has_length && cap < PROVEN_FIRST)
        cap = PROVEN_FIRST;
    while (cap < need)
        cap *= GROWTH;
    if (h->has_length && h->content_length >= need && h->content_length < cap)
        cap = (size_t)h->content_length;
    char *body = take(c, &cap);
    if (body == NULL)
        return false;
    if (c->body != NULL) {
        memcpy(body, c->body, c->body_len);
        give(c);
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
    c->body[c->body_len] = '\0';
    return true;
}
