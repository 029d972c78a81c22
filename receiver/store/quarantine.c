/*
 * Documents on their way into the quarantine, and the look at those that are there. The way in is
 * short and bounded: a document that finds it full is dropped and counted, since nobody is to wait
 * for what was refused anyway. It also has a pace: whoever finds the door can send rubbish as fast
 * as the line carries it, and the disk is the messages', not theirs.
 */
#include "store_int.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum {
    BURST_US = 4000000,       /* how far ahead of their pace documents may be */
    DOCUMENT_COST = 16 << 10, /* bytes that each counts beside its own: row, index, commit */
};

struct store_document *store_document_new(const char *bytes, size_t n)
{
    size_t kept = n < STORE_DOCUMENT_MAX ? n : STORE_DOCUMENT_MAX;
    struct store_document *d = mem_alloc(sizeof *d + kept);
    d->size = n;
    d->n = kept;
    if (kept > 0)
        memcpy(d->bytes, bytes, kept);
    return d;
}

void store_document_free(struct store_document **d)
{
    free(*d);
    *d = NULL;
}

void store_set_quarantine(struct store *s, uint64_t max_bytes)
{
    atomic_store(&s->quarantine_max_bytes, max_bytes);
}

void store_count_document(struct store *s, bool is_kept)
{
    metric_add(is_kept ? s->quarantine_kept : s->quarantine_dropped, 1);
}

/* As new connections are held to theirs (limits.c), with a cost by size. */
static bool keeps_pace(struct store *s, const struct store_document *d)
{
    int64_t pace = s->options.quarantine_pace, now = store_boot_ms(s) * 1000;
    int64_t due = atomic_load(&s->quarantine_due_us), next;
    if (pace == 0)
        return true;
    do {
        next = due > now ? due : now;
        if (next - now > BURST_US)
            return false;
        next += (int64_t)(d->n + DOCUMENT_COST) * 1000000 / pace;
    } while (!atomic_compare_exchange_weak(&s->quarantine_due_us, &due, next));
    return true;
}

void store_quarantine(struct store *s, struct store_document **d)
{
    bool is_on = atomic_load(&s->quarantine_max_bytes) > 0;
    if (is_on && keeps_pace(s, *d) && s->backend->quarantine(s, *d)) {
        *d = NULL; /* the backend's */
        return;
    }
    if (is_on)
        store_count_document(s, false);
    store_document_free(d);
}

/* ------------------------------------------------------------------ looking on */

enum err store_quarantine_walk(struct store *s, int64_t before_id, struct store_quarantined *out,
                               size_t max, size_t *count, struct error *e)
{
    struct store_request r = {.op = STORE_OP_QUARANTINE_WALK};
    r.u.quarantine_walk.before_id = before_id;
    r.u.quarantine_walk.out = out;
    r.u.quarantine_walk.max = max;
    enum err err = store_submit(s, &r, e);
    if (err == ERR_NONE)
        *count = r.u.quarantine_walk.count;
    return err;
}

enum err store_quarantine_get(struct store *s, int64_t id, struct store_quarantined *out,
                              struct buf *body, struct error *e)
{
    struct store_request r = {.op = STORE_OP_QUARANTINE_GET};
    assert(body->max >= STORE_DOCUMENT_MAX);
    r.u.quarantine_get.id = id;
    r.u.quarantine_get.body = body;
    buf_clear(body);
    enum err err = store_submit(s, &r, e);
    if (err == ERR_NONE)
        *out = r.u.quarantine_get.out;
    return err;
}
