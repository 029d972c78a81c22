#define _GNU_SOURCE
/*
 * Claims, leases, write marks and verdicts: each one statement, a function of schema/postgres/0003.
 * A lease's deadline here is counted from before the request was sent, its end there from when it
 * was carried out, so that a holder always stops first.
 */
#include "postgres_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "mem.h"
#include "timeutil.h"

enum err pg_stale(const struct store_claim *c, struct error *e)
{
    return error_set(e, ERR_STALE, "the lease %lld on campaign %s ran out", (long long)c->fence,
                     c->key);
}

/* ------------------------------------------------------------------ claim */

/* Columns of tp_claim. */
enum column {
    ORG,
    KEY,
    FENCE,
    WATERMARK,
    MORE,
    NEXT_MS,
    WAKES,
    ROW,
    KIND,
    NOTIFICATION,
    RECORD,
    SUBJECT,
    TRIES,
    BACKGROUND,
    WITHHELD,
    REPLAYED_BY,
    RECEIVED_AT
};

static void read_hint(const PGresult *r, int row, const char *key, struct store_hint *h)
{
    char identity[STORE_HINT_ID_SIZE];
    *h = (struct store_hint){.row = pg_i64(r, row, ROW),
                             .kind = (enum store_kind)pg_i64(r, row, KIND),
                             .tries = (int)pg_i64(r, row, TRIES),
                             .background = pg_i64(r, row, BACKGROUND) != 0,
                             .withheld = pg_bool(r, row, WITHHELD),
                             .replayed_by = pg_i64(r, row, REPLAYED_BY),
                             .received_at_ms = pg_i64(r, row, RECEIVED_AT)};
    pg_copy(r, row, NOTIFICATION, identity, sizeof identity);
    if (strchr(identity, ':') == NULL) /* else made by a worker or by the store */
        (void)snprintf(h->notification_id, sizeof h->notification_id, "%.*s", SFID_LEN, identity);
    pg_copy(r, row, RECORD, h->record_id, sizeof h->record_id);
    pg_copy(r, row, SUBJECT, h->subject_id, sizeof h->subject_id);
    if (strcmp(key, STORE_KEY_NONE) != 0)
        (void)snprintf(h->campaign_id, sizeof h->campaign_id, "%s", key);
}

static struct store_claim *read_claim(const PGresult *r, int64_t deadline_boot_ms)
{
    struct store_claim *c = mem_alloc(sizeof *c);
    size_t n = (size_t)PQntuples(r);
    pg_copy(r, 0, ORG, c->org, sizeof c->org);
    pg_copy(r, 0, KEY, c->key, sizeof c->key);
    c->fence = pg_i64(r, 0, FENCE);
    c->watermark = pg_i64(r, 0, WATERMARK);
    c->deadline_boot_ms = deadline_boot_ms;
    c->more = pg_bool(r, 0, MORE);
    c->hints = mem_array(n, sizeof *c->hints);
    c->count = n;
    for (size_t i = 0; i < n; i++) {
        read_hint(r, (int)i, c->key, &c->hints[i]);
        c->has_echo = c->has_echo || c->hints[i].kind == STORE_ECHO;
    }
    return c;
}

static void put_orgs(struct buf *b, const char (*orgs)[SFID_SIZE], size_t n)
{
    pg_array(b);
    for (size_t i = 0; i < n; i++)
        pg_put_text(b, orgs[i]);
}

static int64_t draw_nonce(void)
{
    uint64_t n = 0;
    if (getrandom(&n, sizeof n, 0) != (ssize_t)sizeof n)
        n = (uint64_t)time_boot_ms();
    return (int64_t)(n >> 1) | 1;
}

enum err pg_claim(struct pg_store *s, struct pg_db *db, struct store_request *r, struct error *e)
{
    const struct store_claim_options *o = r->u.claim.options;
    struct buf skip, live, rest_orgs, rest_keys;
    int64_t begun = store_boot_ms(&s->base);
    r->u.claim.out = NULL;
    r->u.claim.nonce = draw_nonce();
    put_orgs(&skip, o->skip_orgs, o->skip_count);
    put_orgs(&live, o->live_orgs, o->live_count);
    pg_array(&rest_orgs);
    pg_array(&rest_keys);
    for (size_t i = 0; i < o->skip_key_count; i++) {
        pg_put_text(&rest_orgs, o->skip_keys[i].org);
        pg_put_text(&rest_keys, o->skip_keys[i].key);
    }
    PGresult *x = pg_query(
        db, e,
        "SELECT * FROM tp_claim($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        "tiiidataaadtii", s->owner, r->u.claim.nonce, s->base.options.lease_ms,
        s->base.options.echo_ms, (int)STORE_SLICE_MAX, &skip, o->only_org, &rest_orgs, &rest_keys,
        &live, (int)o->gathered, o->policy, PG_WALL(s), PG_BOOT(s));
    buf_release(&skip);
    buf_release(&live);
    buf_release(&rest_orgs);
    buf_release(&rest_keys);
    if (x == NULL)
        return e->kind;
    if (PQntuples(x) > 0 && pg_bool(x, 0, WAKES))
        pg_wake(s); /* leases ran out: their campaigns can be claimed by whoever waits */
    if (PQntuples(x) > 0 && !PQgetisnull(x, 0, ROW))
        r->u.claim.out = read_claim(x, begun + s->base.options.lease_ms);
    else if (PQntuples(x) > 0 && !PQgetisnull(x, 0, NEXT_MS))
        r->u.claim.next_boot_ms = store_boot_ms(&s->base) + pg_i64(x, 0, NEXT_MS);
    PQclear(x);
    return ERR_NONE;
}

/* Renewed as it is found, since nobody knows when it was made. */
enum err pg_claim_again(struct pg_store *s, struct pg_db *db, struct store_request *r,
                        struct error *e)
{
    int64_t begun = store_boot_ms(&s->base);
    PGresult *x = pg_query(
        db, e, "UPDATE campaign SET until = tp_now() + $2 + $3 WHERE fence > 0 AND nonce = $1",
        "iii", r->u.claim.nonce, PG_BOOT(s), s->base.options.lease_ms);
    if (x == NULL)
        return e->kind;
    PQclear(x);
    x = pg_query(db, e, "SELECT * FROM tp_claimed($1)", "i", r->u.claim.nonce);
    if (x == NULL)
        return e->kind;
    if (PQntuples(x) > 0)
        r->u.claim.out = read_claim(x, begun + s->base.options.lease_ms);
    else
        r->u.claim.next_boot_ms = begun;
    PQclear(x);
    return ERR_NONE;
}

/* ------------------------------------------------------------------ leases and write marks */

/* One boolean: the fence held. */
static enum err fenced(const struct store_request *r, PGresult *x, struct error *e)
{
    if (x == NULL)
        return e->kind;
    bool holds = pg_bool(x, 0, 0);
    PQclear(x);
    return holds ? ERR_NONE : pg_stale(r->lease, e);
}

static enum err renew(struct pg_store *s, struct pg_db *db, struct store_request *r, bool marks,
                      struct error *e)
{
    int64_t begun = store_boot_ms(&s->base);
    PGresult *x =
        pg_query(db, e, "SELECT tp_renew($1, $2, $3, $4, $5, $6, $7, $8)", "ttidiiii",
                 r->lease->org, r->lease->key, r->lease->fence, (int)marks,
                 s->base.options.lease_ms, s->base.options.echo_ms, PG_WALL(s), PG_BOOT(s));
    enum err err = fenced(r, x, e);
    if (err == ERR_NONE)
        r->deadline_boot_ms = begun + s->base.options.lease_ms;
    return err;
}

enum err pg_renew(struct pg_store *s, struct pg_db *db, struct store_request *r, struct error *e)
{
    return renew(s, db, r, false, e);
}

enum err pg_write_begin(struct pg_store *s, struct pg_db *db, struct store_request *r,
                        struct error *e)
{
    return renew(s, db, r, true, e);
}

enum err pg_write_end(struct pg_store *s, struct pg_db *db, struct store_request *r,
                      struct error *e)
{
    enum { CAMPAIGN, MEMBER, ACTION, TOUCHPOINT, BEFORE, AFTER, CAUSE, REASON, COLUMNS };
    struct buf c[COLUMNS];
    for (int i = 0; i < COLUMNS; i++)
        pg_array(&c[i]);
    for (size_t i = 0; i < r->u.write_end.count; i++) {
        const struct store_ledger_row *l = &r->u.write_end.rows[i];
        const char *const texts[COLUMNS] = {l->campaign_id,   l->member_id,   l->action,
                                            l->touchpoint_id, l->before_json, l->after_json,
                                            l->cause,         l->reason};
        for (int k = 0; k < COLUMNS; k++)
            pg_put_text(&c[k], texts[k]);
    }
    PGresult *x = pg_query(
        db, e, "SELECT tp_write_end($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        "ttiaaaaaaaai", r->lease->org, r->lease->key, r->lease->fence, &c[CAMPAIGN], &c[MEMBER],
        &c[ACTION], &c[TOUCHPOINT], &c[BEFORE], &c[AFTER], &c[CAUSE], &c[REASON], PG_WALL(s));
    for (int i = 0; i < COLUMNS; i++)
        buf_release(&c[i]);
    return fenced(r, x, e);
}

/* ------------------------------------------------------------------ settle */

enum { O_ROW, O_VERDICT, O_UNCOUNTED, O_DUE, O_CODE, O_MESSAGE, OUTCOME_COLUMNS };

static void fill_outcomes(struct buf c[OUTCOME_COLUMNS], const struct store_settle *x)
{
    struct store_texts t;
    for (int i = 0; i < OUTCOME_COLUMNS; i++)
        pg_array(&c[i]);
    for (size_t i = 0; i < x->count; i++) {
        const struct store_outcome *o = &x->outcomes[i];
        pg_put_i64(&c[O_ROW], o->row);
        pg_put_i64(&c[O_VERDICT], (int64_t)o->verdict);
        pg_put_text(&c[O_UNCOUNTED], o->uncounted ? "t" : "f");
        pg_put_i64(&c[O_DUE], o->due_at_ms);
        pg_put_text(&c[O_CODE], store_fit(o->code, t.code, sizeof t.code));
        pg_put_text(&c[O_MESSAGE], store_fit(o->message, t.message, sizeof t.message));
    }
}

enum {
    H_ID,
    H_RECORD,
    H_SUBJECT,
    H_KEY,
    H_KIND,
    H_BACKGROUND,
    H_DUE,
    H_RECEIVED,
    H_CODE,
    H_MESSAGE,
    HINT_COLUMNS
};

static void fill_hints(struct buf c[HINT_COLUMNS], const struct store_new_hint *hints, size_t n)
{
    struct store_texts t;
    char identity[STORE_HINT_ID_SIZE];
    for (int i = 0; i < HINT_COLUMNS; i++)
        pg_array(&c[i]);
    for (size_t i = 0; i < n; i++) {
        const struct store_new_hint *h = &hints[i];
        store_hint_identity(h, identity);
        pg_put_text(&c[H_ID], identity);
        pg_put_text(&c[H_RECORD], h->record_id);
        pg_put_text(&c[H_SUBJECT], h->subject_id);
        pg_put_text(&c[H_KEY], h->campaign_id[0] != '\0' ? h->campaign_id : STORE_KEY_NONE);
        pg_put_i64(&c[H_KIND], (int64_t)h->kind);
        pg_put_i64(&c[H_BACKGROUND], h->background);
        pg_put_i64(&c[H_DUE], h->due_at_ms);
        pg_put_i64(&c[H_RECEIVED], h->received_at_ms);
        pg_put_text(&c[H_CODE], store_fit(h->code, t.code, sizeof t.code));
        pg_put_text(&c[H_MESSAGE], store_fit(h->message, t.message, sizeof t.message));
    }
}

static void release(struct buf *c, int n)
{
    for (int i = 0; i < n; i++)
        buf_release(&c[i]);
}

/* "{12,345,…}" of milliseconds. */
static void observe_sync(struct pg_store *s, const char *took)
{
    if (*took == '{')
        took++;
    while (*took >= '0' && *took <= '9') {
        char *end;
        metric_observe(s->base.sync_seconds, (double)strtoll(took, &end, 10) / 1000);
        took = *end == ',' ? end + 1 : end;
    }
}

enum err pg_settle(struct pg_store *s, struct pg_db *db, struct store_request *r, struct error *e)
{
    const struct store_settle *x = r->u.settle.what;
    struct buf o[OUTCOME_COLUMNS], h[HINT_COLUMNS];
    int64_t begun = store_boot_ms(&s->base);
    fill_outcomes(o, x);
    fill_hints(h, x->hints, x->hint_count);
    PGresult *got = pg_query(
        db, e,
        "SELECT * FROM tp_settle($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, "
        "$16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27)",
        "ttiaaaaaaaaaaaaaaaaddtdiiii", r->lease->org, r->lease->key, r->lease->fence, &o[O_ROW],
        &o[O_VERDICT], &o[O_UNCOUNTED], &o[O_DUE], &o[O_CODE], &o[O_MESSAGE], &h[H_ID],
        &h[H_RECORD], &h[H_SUBJECT], &h[H_KEY], &h[H_KIND], &h[H_BACKGROUND], &h[H_DUE],
        &h[H_RECEIVED], &h[H_CODE], &h[H_MESSAGE], (int)x->whole, (int)x->release, x->fingerprint,
        (int)STORE_SLICE_MAX, s->base.options.lease_ms, s->base.options.echo_ms, PG_WALL(s),
        PG_BOOT(s));
    release(o, OUTCOME_COLUMNS);
    release(h, HINT_COLUMNS);
    if (got == NULL)
        return e->kind;
    bool holds = pg_bool(got, 0, 0);
    r->u.settle.more = pg_bool(got, 0, 1);
    observe_sync(s, PQgetvalue(got, 0, 2));
    PQclear(got);
    if (!holds)
        return pg_stale(r->lease, e);
    if (r->u.settle.more)
        r->deadline_boot_ms = begun + s->base.options.lease_ms;
    return ERR_NONE;
}

enum err pg_hint(struct pg_store *s, struct pg_db *db, struct store_request *r, struct error *e)
{
    struct buf h[HINT_COLUMNS];
    fill_hints(h, r->u.hint.what, 1);
    PGresult *x = pg_query(db, e,
                           "SELECT tp_enter($1, NULL, NULL, $2, $3, $4, $5, NULL, $6, $7, $8, $9, "
                           "$10, $11, true, $12)",
                           "taaaaaaaaaai", r->u.hint.org, &h[H_ID], &h[H_RECORD], &h[H_SUBJECT],
                           &h[H_KEY], &h[H_KIND], &h[H_BACKGROUND], &h[H_DUE], &h[H_RECEIVED],
                           &h[H_CODE], &h[H_MESSAGE], PG_WALL(s));
    release(h, HINT_COLUMNS);
    if (x == NULL)
        return e->kind;
    PQclear(x);
    return ERR_NONE;
}
