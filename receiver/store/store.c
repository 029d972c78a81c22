/*
 * The public functions: each checks what its caller promised, makes a request of its arguments and
 * hands it to the backend that the URL chose. Nothing here knows a database.
 */
#include "store_int.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "timeutil.h"

static const struct store_backend *const BACKENDS[] = {&store_sqlite, &store_postgres};

static const char *const KIND_NAMES[] = {
#define X(id, name) [id] = name,
    STORE_KINDS(X)
#undef X
};
enum { KIND_COUNT = sizeof KIND_NAMES / sizeof KIND_NAMES[0] };

const char *store_kind_name(enum store_kind k)
{
    return (size_t)k < KIND_COUNT ? KIND_NAMES[k] : "unknown";
}

/* ------------------------------------------------------------------ open and close */

const struct store_backend *store_backend_of(const char *url, struct error *e)
{
    for (size_t i = 0; i < sizeof BACKENDS / sizeof BACKENDS[0]; i++) {
        const char *scheme = BACKENDS[i]->scheme;
        if (strncmp(url, scheme, strlen(scheme)) == 0)
            return BACKENDS[i];
    }
    (void)error_set(
        e, ERR_CONFIG,
        "store.url: must be sqlite:/path/of/the/queue.db or postgresql://host/database");
    return NULL;
}

enum err store_open(struct store **out, const struct store_options *o, struct error *e)
{
    assert(o->lease_ms > 0 && o->echo_ms >= 0 && o->put_queue_max > 0);
    const struct store_backend *b = store_backend_of(o->url, e);
    return b != NULL ? b->open(out, o, e) : e->kind;
}

void store_close(struct store **s)
{
    if (*s != NULL)
        (*s)->backend->close(*s);
    *s = NULL;
}

void store_init(struct store *s, const struct store_backend *b, const struct store_options *o)
{
    s->backend = b;
    s->options = *o;
    store_set_keep(s, o->keep_done_ms, o->keep_failed_ms, o->keep_ledger_ms);
    store_set_quarantine(s, o->quarantine_max_bytes);
    store_waiters_init(&s->waiters);
    atomic_init(&s->shift_ms, 0);
    atomic_init(&s->leap_ms, 0);
    atomic_init(&s->place, 1); /* the first of one */
    s->quarantine_kept = metric_series(METRIC_QUARANTINED, "kept");
    s->quarantine_dropped = metric_series(METRIC_QUARANTINED, "dropped");
    s->commit_seconds = metric_series(METRIC_STORE_COMMIT_SECONDS);
    s->batch_size = metric_series(METRIC_STORE_BATCH_SIZE);
    s->sync_seconds = metric_series(METRIC_SYNC_SECONDS);
}

void store_release(struct store *s)
{
    store_waiters_release(&s->waiters);
}

void store_place(struct store *s, unsigned *rank, unsigned *nodes)
{
    uint64_t place = atomic_load(&s->place);
    *rank = (unsigned)(place >> 32);
    *nodes = (unsigned)(place & UINT32_MAX);
}

int64_t store_wall_ms(const struct store *s)
{
    return time_wall_ms() + atomic_load(&s->shift_ms) + atomic_load(&s->leap_ms);
}

int64_t store_boot_ms(const struct store *s)
{
    return time_boot_ms() + atomic_load(&s->shift_ms);
}

int64_t store_base_ms(const struct store *s)
{
    enum { TRIES = 100 };
    int64_t wall, before, after = time_boot_ms();
    int tries = 0;
    do { /* again if this thread had to wait between the two */
        before = after;
        wall = time_wall_ms();
        after = time_boot_ms();
    } while (after - before > 1 && ++tries < TRIES);
    return wall - before + atomic_load(&s->leap_ms);
}

double store_seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void store_shift_clock(struct store *s, int64_t wall_ms, int64_t boot_ms)
{
    atomic_fetch_add(&s->shift_ms, boot_ms);
    atomic_fetch_add(&s->leap_ms, wall_ms - boot_ms);
    store_wake(s);
}

/* ------------------------------------------------------------------ requests */

enum err store_submit(struct store *s, struct store_request *r, struct error *e)
{
    r->result = ERR_INTERNAL;
    r->error = (struct error){.kind = ERR_NONE};
    r->deadline_boot_ms = 0;
    s->backend->submit(s, r);
    if (r->result != ERR_NONE)
        return error_set(e, r->result, "%s", r->error.text);
    return ERR_NONE;
}

/* For requests that may renew the lease that they stand under. */
static enum err submit_leased(struct store *s, struct store_request *r, struct store_claim *c,
                              struct error *e)
{
    r->lease = c;
    enum err err = store_submit(s, r, e);
    if (err == ERR_NONE && r->deadline_boot_ms != 0)
        c->deadline_boot_ms = r->deadline_boot_ms;
    return err;
}

enum err store_put(struct store *s, struct store_put *p, struct error *e)
{
    assert(p->done != NULL && (p->count == 0 || p->items != NULL));
    p->result = ERR_NONE;
    p->stored = p->duplicates = 0;
    return s->backend->put(s, p, e);
}

enum err store_claim(struct store *s, const struct store_claim_options *o, struct store_claim **out,
                     struct error *e)
{
    static const struct store_claim_options none = {0};
    struct store_request r = {.op = STORE_OP_CLAIM, .u.claim.options = o != NULL ? o : &none};
    r.u.claim.next_boot_ms = INT64_MAX;
    store_waiters_claims(&s->waiters);
    enum err err = store_submit(s, &r, e);
    store_waiters_claimed(err, r.u.claim.next_boot_ms);
    if (err == ERR_NONE)
        *out = r.u.claim.out;
    return err;
}

void store_claim_free(struct store_claim **c)
{
    if (*c != NULL)
        free((*c)->hints);
    free(*c);
    *c = NULL;
}

enum err store_renew(struct store *s, struct store_claim *c, struct error *e)
{
    struct store_request r = {.op = STORE_OP_RENEW};
    return submit_leased(s, &r, c, e);
}

enum err store_write_begin(struct store *s, struct store_claim *c, struct error *e)
{
    struct store_request r = {.op = STORE_OP_WRITE_BEGIN};
    if (strcmp(c->key, STORE_KEY_NONE) == 0)
        return error_set(e, ERR_INVALID,
                         "hints without a campaign write nothing to the org (protocol rule 7)");
    return submit_leased(s, &r, c, e);
}

enum err store_write_end(struct store *s, struct store_claim *c,
                         const struct store_ledger_row *rows, size_t n, struct error *e)
{
    assert(n <= STORE_SLICE_MAX);
    struct store_request r = {.op = STORE_OP_WRITE_END};
    r.u.write_end.rows = rows;
    r.u.write_end.count = n;
    return submit_leased(s, &r, c, e);
}

enum err store_settle(struct store *s, struct store_claim *c, const struct store_settle *x,
                      bool *more, struct error *e)
{
    assert(x->count <= STORE_SLICE_MAX && x->hint_count <= STORE_SLICE_MAX);
    struct store_request r = {.op = STORE_OP_SETTLE, .u.settle.what = x};
    if (x->whole && strcmp(c->key, STORE_KEY_NONE) == 0)
        return error_set(e, ERR_INVALID, "hints without a campaign have no whole pass");
    enum err err = submit_leased(s, &r, c, e);
    if (err == ERR_NONE)
        *more = r.u.settle.more;
    return err;
}

enum err store_hint(struct store *s, const char *org, const struct store_new_hint *h,
                    struct error *e)
{
    struct store_request r = {.op = STORE_OP_HINT, .u.hint = {.org = org, .what = h}};
    return store_submit(s, &r, e);
}

enum err store_bulk_put(struct store *s, struct store_claim *c, const struct store_bulk_job *job,
                        struct error *e)
{
    struct store_request r = {.op = STORE_OP_BULK_PUT, .u.bulk_put = {.job = job}};
    return submit_leased(s, &r, c, e);
}

enum err store_bulk_end(struct store *s, struct store_claim *c, const char *id, struct error *e)
{
    struct store_request r = {.op = STORE_OP_BULK_END, .u.bulk_end = {.id = id}};
    return submit_leased(s, &r, c, e);
}

enum err store_bulk_list(struct store *s, struct store_claim *c, struct store_bulk_job *out,
                         size_t max, size_t *count, struct error *e)
{
    struct store_request r = {.op = STORE_OP_BULK_LIST, .u.bulk_list = {.out = out, .max = max}};
    enum err err = submit_leased(s, &r, c, e);
    if (err == ERR_NONE)
        *count = r.u.bulk_list.count;
    return err;
}

/* ------------------------------------------------------------------ delete guard and cursors */

enum err store_fingerprint(struct store *s, const char *org, const char *campaign,
                           char out[STORE_FINGERPRINT_SIZE], struct error *e)
{
    char found[STORE_FINGERPRINT_SIZE] = "";
    struct store_request r = {.op = STORE_OP_FINGERPRINT};
    r.u.fingerprint.org = org;
    r.u.fingerprint.campaign = campaign;
    r.u.fingerprint.out = found;
    enum err err = store_submit(s, &r, e);
    if (err == ERR_NONE)
        memcpy(out, found, sizeof found);
    return err;
}

enum err store_hold_put(struct store *s, struct store_claim *c, int64_t would_delete,
                        int64_t existing, struct error *e)
{
    struct store_request r = {.op = STORE_OP_HOLD_PUT};
    r.u.hold_put.would_delete = would_delete;
    r.u.hold_put.existing = existing;
    return submit_leased(s, &r, c, e);
}

enum err store_hold_get(struct store *s, const char *org, const char *campaign,
                        struct store_hold *out, bool *found, struct error *e)
{
    struct store_request r = {.op = STORE_OP_HOLD_GET};
    r.u.hold_get.org = org;
    r.u.hold_get.campaign = campaign;
    enum err err = store_submit(s, &r, e);
    if (err == ERR_NONE) {
        *found = r.u.hold_get.found;
        if (*found)
            *out = r.u.hold_get.out;
    }
    return err;
}

enum err store_hold_end(struct store *s, struct store_claim *c, struct error *e)
{
    struct store_request r = {.op = STORE_OP_HOLD_END};
    return submit_leased(s, &r, c, e);
}

enum err store_hold_list(struct store *s, struct store_hold *out, size_t max, size_t *count,
                         struct error *e)
{
    struct store_request r = {.op = STORE_OP_HOLD_LIST};
    r.u.hold_list.out = out;
    r.u.hold_list.max = max;
    enum err err = store_submit(s, &r, e);
    if (err == ERR_NONE)
        *count = r.u.hold_list.count;
    return err;
}

enum err store_hold_approve(struct store *s, int64_t id, struct error *e)
{
    struct store_request r = {.op = STORE_OP_HOLD_APPROVE, .u.hold_approve.id = id};
    return store_submit(s, &r, e);
}

enum err store_cursor_get(struct store *s, const char *org, const char *name, char *out,
                          size_t size, struct error *e)
{
    char found[STORE_CURSOR_MAX + 1] = "";
    struct store_request r = {.op = STORE_OP_CURSOR_GET};
    r.u.cursor.org = org;
    r.u.cursor.name = name;
    r.u.cursor.out = found;
    r.u.cursor.size = sizeof found;
    enum err err = store_submit(s, &r, e);
    if (err != ERR_NONE)
        return err;
    if (strlen(found) >= size)
        return error_set(e, ERR_INTERNAL, "cursor %s needs %zu bytes", name, strlen(found) + 1);
    memcpy(out, found, strlen(found) + 1);
    return ERR_NONE;
}

enum err store_cursor_set(struct store *s, const char *org, const char *name, const char *value,
                          struct error *e)
{
    struct store_request r = {.op = STORE_OP_CURSOR_SET};
    r.u.cursor.org = org;
    r.u.cursor.name = name;
    r.u.cursor.value = value;
    if (strlen(value) > STORE_CURSOR_MAX)
        return error_set(e, ERR_INVALID, "cursor %s is longer than %d bytes", name,
                         STORE_CURSOR_MAX);
    return store_submit(s, &r, e);
}

/* ------------------------------------------------------------------ looking on, upkeep */

enum err store_stats(struct store *s, struct store_org_stats *out, size_t max, size_t *count,
                     struct error *e)
{
    struct store_request r = {.op = STORE_OP_STATS};
    r.u.stats.out = out;
    r.u.stats.max = max;
    enum err err = store_submit(s, &r, e);
    if (err == ERR_NONE)
        *count = r.u.stats.count;
    return err;
}

enum err store_probe(struct store *s, struct error *e)
{
    return s->backend->probe(s, e);
}

void store_set_keep(struct store *s, int64_t keep_done_ms, int64_t keep_failed_ms,
                    int64_t keep_ledger_ms)
{
    atomic_store(&s->keep_done_ms, keep_done_ms);
    atomic_store(&s->keep_failed_ms, keep_failed_ms);
    atomic_store(&s->keep_ledger_ms, keep_ledger_ms);
}

enum err store_retain(struct store *s, bool *more, struct error *e)
{
    struct store_request r = {.op = STORE_OP_RETAIN};
    enum err err = store_submit(s, &r, e);
    if (err == ERR_NONE)
        *more = r.u.retain.more;
    return err;
}

/* ------------------------------------------------------------------ for the backends */

void store_hint_identity(const struct store_new_hint *h, char out[STORE_HINT_ID_SIZE])
{
    (void)snprintf(out, STORE_HINT_ID_SIZE, "hint:%s:%s%s%s", store_kind_name(h->kind),
                   h->campaign_id, h->record_id[0] == '\0' ? ":" : "",
                   h->record_id[0] == '\0' ? h->subject_id : "");
}

size_t store_cut(const char *text, size_t size)
{
    size_t n = strnlen(text, size);
    if (n < size)
        return n;
    n = size - 1;
    while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
        n--;
    return n;
}

const char *store_fit(const char *text, char *room, size_t size)
{
    if (text == NULL || strlen(text) < size)
        return text;
    size_t n = store_cut(text, size);
    memcpy(room, text, n);
    room[n] = '\0';
    return room;
}
