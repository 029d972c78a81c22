/*
 * Leases and write marks. The lease row (fence, mark) is durable; the deadline is not: it dies with
 * the process, and so does every lease (protocol rule 20).
 *
 *     claim ─▶ lease ─┬─ settle with release ─▶ gone; mark set: echo
 *                     └─ deadline passed, or the process died ─▶ gone; rows READY; mark set: echo
 *
 * Invariants: S3 one live lease a campaign, since the table's key is the campaign and
 * sqlite_lease_on is asked before each claim; S4 each operation under a lease asks
 * sqlite_lease_of; S5 sqlite_lease_end and sqlite_write_begin turn a mark that they find into an
 * echo.
 */
#include "sqlite_int.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum { ALONE_BACKOFF_MS = 1000 };

void sqlite_copy_leases(struct sqlite_leases *to, const struct sqlite_leases *from)
{
    to->count = from->count;
    memcpy(to->v, from->v, from->count * sizeof from->v[0]);
}

struct sqlite_lease *sqlite_lease_on(struct sqlite_store *s, const char *org, const char *key)
{
    for (size_t i = 0; i < s->leases.count; i++) {
        struct sqlite_lease *l = &s->leases.v[i];
        if (strcmp(l->key, key) == 0 && strcmp(l->org, org) == 0)
            return l;
    }
    return NULL;
}

struct sqlite_lease *sqlite_lease_of(struct sqlite_store *s, const struct store_claim *c)
{
    struct sqlite_lease *l = sqlite_lease_on(s, c->org, c->key);
    return l != NULL && l->fence == c->fence ? l : NULL;
}

enum err sqlite_stale(const struct store_claim *c, struct error *e)
{
    return error_set(e, ERR_STALE, "the lease %lld on campaign %s ran out", (long long)c->fence,
                     c->key);
}

/* As sqlite_lease_of, and its deadline has not passed. */
static struct sqlite_lease *live_lease_of(struct sqlite_store *s, const struct store_claim *c)
{
    struct sqlite_lease *l = sqlite_lease_of(s, c);
    return l != NULL && store_boot_ms(&s->base) < l->deadline_boot_ms ? l : NULL;
}

static void renew(struct sqlite_store *s, struct sqlite_lease *l, struct store_request *r)
{
    l->deadline_boot_ms = store_boot_ms(&s->base) + s->base.options.lease_ms;
    r->deadline_boot_ms = l->deadline_boot_ms;
}

enum err sqlite_lease_add(struct sqlite_store *s, const struct sqlite_lease *lease, struct error *e)
{
    enum err err = sql_run(&s->db, e, SQL_LEASE_PUT, "tti", lease->org, lease->key, lease->fence);
    if (err == ERR_NONE)
        s->leases.v[s->leases.count++] = *lease;
    return err;
}

/* ------------------------------------------------------------------ the end of a lease */

static void forget(struct sqlite_store *s, int64_t fence)
{
    for (size_t i = 0; i < s->leases.count; i++) {
        if (s->leases.v[i].fence == fence) {
            s->leases.v[i] = s->leases.v[--s->leases.count];
            return;
        }
    }
}

/* When a row whose pass was lost may be claimed again: at once; a row that is to run alone waits
 * longer each time. */
static int64_t due_after_loss(struct sqlite_store *s, const struct sqlite_row *row)
{
    int64_t due = sqlite_due_after(row, row->due_at_ms);
    if (row->unsettled >= STORE_ALONE_AFTER) {
        int doublings = row->unsettled - STORE_ALONE_AFTER;
        int64_t alone = store_wall_ms(&s->base) +
                        ((int64_t)ALONE_BACKOFF_MS
                         << (doublings < STORE_ALONE_AFTER ? doublings : STORE_ALONE_AFTER));
        due = alone > due ? alone : due;
    }
    return due;
}

static size_t read_leased(struct sqlite_store *s, const char *org, const char *key,
                          struct sqlite_row *rows, enum err *err, struct error *e)
{
    size_t n = 0;
    struct sql_query q = sql_query(&s->db, SQL_LEASED_ROWS, "ttd", org, key, (int)STORE_SLICE_MAX);
    while (sql_next(&q))
        sqlite_read_row(&q, &rows[n++]);
    *err = sql_done(&q, e);
    return n;
}

enum err sqlite_lease_end(struct sqlite_store *s, const struct sqlite_lease *lease, struct error *e)
{
    const struct sqlite_lease l = *lease; /* it may lie in the array that shrinks below */
    struct sqlite_row *rows = mem_array(STORE_SLICE_MAX, sizeof *rows);
    enum err err;
    size_t n = read_leased(s, l.org, l.key, rows, &err, e);
    for (size_t i = 0; i < n && err == ERR_NONE; i++) {
        rows[i].due_at_ms = due_after_loss(s, &rows[i]);
        err = sqlite_row_ready(s, l.org, l.key, &rows[i], NULL, NULL, e);
    }
    free(rows);
    if (err == ERR_NONE && l.in_flight)
        err = sqlite_add_echo(s, l.org, l.key, e);
    if (err == ERR_NONE)
        err = sql_run(&s->db, e, SQL_LEASE_DROP, "tt", l.org, l.key);
    if (err == ERR_NONE) {
        forget(s, l.fence);
        s->wakes = true; /* what waited behind the lease is claimable */
    }
    return err;
}

enum err sqlite_expire_leases(struct sqlite_store *s, struct error *e)
{
    int64_t now = store_boot_ms(&s->base);
    for (size_t i = s->leases.count; i-- > 0;) {
        if (s->leases.v[i].deadline_boot_ms > now)
            continue;
        enum err err = sqlite_lease_end(s, &s->leases.v[i], e);
        if (err != ERR_NONE)
            return err;
    }
    return ERR_NONE;
}

/* ------------------------------------------------------------------ recovery */

static enum err read_durable(struct sqlite_store *s, struct sqlite_leases *out, struct error *e)
{
    struct sql_query q = sql_query(&s->db, SQL_LEASE_ALL, "");
    out->count = 0;
    while (out->count < SQLITE_LEASES_MAX && sql_next(&q)) {
        struct sqlite_lease *l = &out->v[out->count++];
        *l = (struct sqlite_lease){.fence = sqlite3_column_int64(q.st, 2),
                                   .in_flight = sqlite3_column_int(q.st, 3) != 0};
        sql_text(&q, 0, l->org, sizeof l->org);
        sql_text(&q, 1, l->key, sizeof l->key);
    }
    return sql_done(&q, e);
}

/* A claim or a settle of unknown outcome shows here: the fence is the claim's nonce (rule 9). */
enum err sqlite_recover_leases(struct sqlite_store *s, struct error *e)
{
    struct sqlite_leases *durable = mem_alloc(sizeof *durable);
    struct sqlite_leases *kept = mem_alloc(sizeof *kept);
    enum err err = read_durable(s, durable, e);
    for (size_t i = 0; i < durable->count && err == ERR_NONE; i++) {
        const struct sqlite_lease *d = &durable->v[i];
        const struct sqlite_lease *known = sqlite_lease_on(s, d->org, d->key);
        if (known != NULL && known->fence == d->fence) {
            kept->v[kept->count] = *known;
            kept->v[kept->count++].in_flight = d->in_flight;
        } else {
            err = sqlite_lease_end(s, d, e);
        }
    }
    if (err == ERR_NONE)
        sqlite_copy_leases(&s->leases, kept);
    free(kept);
    free(durable);
    return err;
}

/* ------------------------------------------------------------------ operations */

enum err sqlite_renew(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    struct sqlite_lease *l = live_lease_of(s, r->lease);
    if (l == NULL)
        return sqlite_stale(r->lease, e);
    renew(s, l, r);
    return ERR_NONE;
}

/* protocol rule 12, first half. A mark that is still set stands for an earlier write whose outcome
 * is unknown; the new write will clear it, so its echo is made now. */
enum err sqlite_write_begin(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    struct sqlite_lease *l = live_lease_of(s, r->lease);
    if (l == NULL)
        return sqlite_stale(r->lease, e);
    enum err err = l->in_flight ? sqlite_add_echo(s, l->org, l->key, e)
                                : sql_run(&s->db, e, SQL_LEASE_MARK, "ttd", l->org, l->key, 1);
    if (err != ERR_NONE)
        return err;
    l->in_flight = true;
    renew(s, l, r);
    return ERR_NONE;
}

static enum err add_ledger(struct sqlite_store *s, const struct store_claim *c,
                           const struct store_ledger_row *row, struct error *e)
{
    return sql_run(&s->db, e, SQL_LEDGER, "ttttttttti", c->org, row->campaign_id, row->member_id,
                   row->action, row->touchpoint_id, row->before_json, row->after_json, row->cause,
                   row->reason, store_wall_ms(&s->base));
}

/* What was written was written: the ledger rows stay though the lease may be lost. */
enum err sqlite_write_end(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    enum err err = ERR_NONE;
    for (size_t i = 0; i < r->u.write_end.count && err == ERR_NONE; i++)
        err = add_ledger(s, r->lease, &r->u.write_end.rows[i], e);
    if (err != ERR_NONE)
        return err;
    struct sqlite_lease *l = sqlite_lease_of(s, r->lease);
    if (l == NULL)
        return sqlite_stale(r->lease, e);
    if (l->in_flight)
        err = sql_run(&s->db, e, SQL_LEASE_MARK, "ttd", l->org, l->key, 0);
    if (err == ERR_NONE && !l->progressed)
        err = sql_run(&s->db, e, SQL_PROGRESS, "tt", l->org, l->key);
    if (err == ERR_NONE) {
        l->in_flight = false;
        l->progressed = true;
    }
    return err;
}
