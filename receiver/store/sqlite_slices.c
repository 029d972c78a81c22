/*
 * Claims and settles of many rows, as several transactions with puts between them: a thousand rows
 * in one would keep each Ack waiting for some ten milliseconds. In the caller's thread.
 *
 *     claim    lease and first rows │ more rows │ …          only then the caller has the claim
 *     settle   rows │ rows │ … the last rows, all else, the lease's end
 *
 * If the process dies between them the lease goes with it, as ever, and the rows that are still
 * LEASED return. Until the caller has the claim nobody has read anything for it, so rows that come
 * later are as good as the first. A row is settled only if what became of it is known; hints must
 * not be lost where it is, so outcomes that come with hints stay in one transaction.
 */
#include "sqlite_int.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* What is READY again then was claimed by nobody. If this fails too, the lease runs out. */
static void give_up(struct sqlite_store *s, struct store_claim **c)
{
    static const struct store_settle release = {.release = true};
    struct store_request r = {.op = STORE_OP_SETTLE, .lease = *c, .u.settle.what = &release};
    store_queue_call(&s->queue, &r);
    store_claim_free(c);
}

static void append(struct store_claim *c, const struct store_claim *more)
{
    if (more->count > 0) {
        c->hints = mem_resize(c->hints, c->count + more->count, sizeof *c->hints);
        memcpy(c->hints + c->count, more->hints, more->count * sizeof *more->hints);
    }
    c->count += more->count;
    c->has_echo = c->has_echo || more->has_echo;
    c->more = more->more;
}

void sqlite_claim_in_slices(struct sqlite_store *s, struct store_request *r)
{
    store_queue_call(&s->queue, r);
    struct store_claim *c = r->result == ERR_NONE ? r->u.claim.out : NULL;
    size_t last = c == NULL ? 0 : c->count;
    while (last == SQLITE_SLICE_MAX && c->more && c->count + SQLITE_SLICE_MAX <= STORE_SLICE_MAX) {
        struct store_request next = {.op = STORE_OP_CLAIM, .lease = c};
        next.u.claim.options = r->u.claim.options;
        store_queue_call(&s->queue, &next);
        if (next.result == ERR_STALE)
            return; /* as whoever claimed will find out */
        if (next.result != ERR_NONE) {
            /* rows may be LEASED that are not in the claim: a whole pass must not settle them */
            give_up(s, &r->u.claim.out);
            r->result = next.result;
            r->error = next.error;
            return;
        }
        last = next.u.claim.out->count;
        append(c, next.u.claim.out);
        store_claim_free(&next.u.claim.out);
    }
}

/* A whole pass goes on as its caller would, with what it stands for beyond its rows. */
static void settle_last(struct sqlite_store *s, struct store_request *r, struct store_settle *last)
{
    r->u.settle.what = last;
    store_queue_call(&s->queue, r);
    last->outcomes = NULL;
    last->hints = NULL;
    last->count = last->hint_count = 0;
    for (int n = SQLITE_SLICE_MAX; n < STORE_SLICE_MAX; n += SQLITE_SLICE_MAX) {
        if (r->result == ERR_NONE && r->u.settle.more)
            store_queue_call(&s->queue, r);
    }
}

void sqlite_settle_in_slices(struct sqlite_store *s, struct store_request *r)
{
    const struct store_settle *all = r->u.settle.what;
    struct store_settle last = *all;
    r->result = ERR_NONE;
    while (all->hint_count == 0 && last.count > SQLITE_SLICE_MAX && r->result == ERR_NONE) {
        const struct store_settle slice = {.outcomes = last.outcomes, .count = SQLITE_SLICE_MAX};
        r->u.settle.what = &slice;
        store_queue_call(&s->queue, r);
        last.outcomes += SQLITE_SLICE_MAX;
        last.count -= SQLITE_SLICE_MAX;
    }
    if (r->result == ERR_NONE)
        settle_last(s, r, &last);
    r->u.settle.what = all;
}
