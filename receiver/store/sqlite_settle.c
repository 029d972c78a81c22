/*
 * The end of a pass, or a slice of it (sqlite_slices.c), in one transaction under the fence: what
 * became of each claimed row, the hints that it made, the slice of rows that a whole-campaign pass
 * stands for, and the lease itself.
 *
 * protocol rule 6: a whole pass settles what was due at its claim and drew its sequence number no
 * later than the watermark; all else stays READY, for its change may be younger than the read. So
 * do deletions that it did not claim: they are evidence that it did not have.
 */
#include "sqlite_int.h"

#include <string.h>

static enum err apply(struct sqlite_store *s, const struct sqlite_lease *l,
                      const struct sqlite_row *row, enum store_state from, const char *code,
                      const char *message, struct error *e)
{
    sqlite_note_sync(s, row->received_at_ms);
    return sqlite_row_end(s, l->org, l->key, row, from, STORE_DONE, code, message, e);
}

static enum err retry(struct sqlite_store *s, const struct sqlite_lease *l,
                      const struct sqlite_row *row, const struct store_outcome *o, struct error *e)
{
    struct sqlite_row again = *row;
    again.due_at_ms = sqlite_due_after(row, o->due_at_ms);
    if (o->uncounted && again.tries > 0)
        again.tries--;
    again.unsettled = 0;
    /* what came meanwhile was not looked at yet */
    bool has_news =
        row->rerun_at_ms != 0 && o->code != NULL && strcmp(o->code, STORE_CODE_BUDGET) == 0;
    return sqlite_row_ready(s, l->org, l->key, &again, has_news ? NULL : o->code, o->message, e);
}

/* A row that is not leased under this key was settled before: settling twice changes nothing. */
static enum err settle_one(struct sqlite_store *s, const struct sqlite_lease *l,
                           const struct store_outcome *o, struct error *e)
{
    struct sqlite_row row;
    struct sql_query q = sql_query(&s->db, SQL_OUTCOME, "tti", l->org, l->key, o->row);
    bool found = sql_next(&q);
    if (found)
        sqlite_read_row(&q, &row);
    enum err err = sql_done(&q, e);
    if (err != ERR_NONE || !found)
        return err;
    if (o->verdict != STORE_APPLIED && o->code != NULL)
        err = sqlite_attempt_add(s, row.id, o->verdict, o->code, o->message, e);
    if (err != ERR_NONE)
        return err;
    switch (o->verdict) {
    case STORE_APPLIED:
        return apply(s, l, &row, STORE_LEASED, o->code, o->message, e);
    case STORE_RETRY:
        return retry(s, l, &row, o, e);
    case STORE_FAIL:
    default:
        return sqlite_row_end(s, l->org, l->key, &row, STORE_LEASED, STORE_FAILED, o->code,
                              o->message, e);
    }
}

static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* How many outcomes from the first one on are the same: applied, with the same word. */
static size_t applied_alike(const struct store_outcome *o, size_t count)
{
    size_t n = 0;
    while (n < count && o[n].verdict == STORE_APPLIED && is_same_text(o[n].code, o->code) &&
           is_same_text(o[n].message, o->message))
        n++;
    return n;
}

static enum err settle_alike(struct sqlite_store *s, const struct sqlite_lease *l,
                             const struct store_outcome *o, size_t n, struct error *e)
{
    struct sqlite_ids ids = {0};
    size_t applied;
    for (size_t i = 0; i < n; i++)
        sqlite_ids_add(&ids, o[i].row);
    enum err err =
        sqlite_rows_apply(s, l->org, l->key, &ids, STORE_LEASED, o->code, o->message, &applied, e);
    bool are_all = applied == n; /* else some are to run again, or were settled before */
    for (size_t i = 0; i < n && err == ERR_NONE && !are_all; i++)
        err = settle_one(s, l, &o[i], e);
    return err;
}

static enum err settle_outcomes(struct sqlite_store *s, const struct sqlite_lease *l,
                                const struct store_settle *x, struct error *e)
{
    enum err err = ERR_NONE;
    for (size_t at = 0, n; at < x->count && err == ERR_NONE; at += n) {
        n = applied_alike(&x->outcomes[at], x->count - at);
        if (n > 1) {
            err = settle_alike(s, l, &x->outcomes[at], n, e);
        } else {
            err = settle_one(s, l, &x->outcomes[at], e);
            n = 1;
        }
    }
    return err;
}

/* ------------------------------------------------------------------ the whole campaign */

/* Reads up to `room` more rows of one kind; adds to *n. */
static enum err read_rows(struct sql_query q, struct sqlite_row *rows, size_t *n, struct error *e)
{
    while (sql_next(&q))
        sqlite_read_row(&q, &rows[(*n)++]);
    return sql_done(&q, e);
}

/* All of them are in the state `from`. */
static enum err apply_rows(struct sqlite_store *s, const struct sqlite_lease *l,
                           const struct sqlite_row *rows, size_t n, enum store_state from,
                           struct error *e)
{
    struct sqlite_ids ids = {0};
    enum err err = ERR_NONE;
    size_t alike = 0, applied;
    for (size_t i = 0; i < n && err == ERR_NONE; i++) {
        if (rows[i].rerun_at_ms != 0)
            err = apply(s, l, &rows[i], from, NULL, NULL, e);
    }
    if (err != ERR_NONE)
        return err;
    for (size_t i = 0; i < n; i++) {
        if (rows[i].rerun_at_ms == 0) {
            sqlite_ids_add(&ids, rows[i].id);
            alike++;
        }
    }
    err = sqlite_rows_apply(s, l->org, l->key, &ids, from, NULL, NULL, &applied, e);
    if (err == ERR_NONE && applied != alike)
        err = error_set(e, ERR_INTERNAL, "%zu of %zu rows changed while they were settled",
                        alike - applied, alike);
    return err;
}

static enum err settle_slice(struct sqlite_store *s, const struct sqlite_lease *l, bool *more,
                             struct error *e)
{
    struct sqlite_row rows[SQLITE_SLICE_MAX];
    size_t n = 0;
    enum err err = read_rows(
        sql_query(&s->db, SQL_LEASED_ROWS, "ttd", l->org, l->key, SQLITE_SLICE_MAX), rows, &n, e);
    size_t leased = n;
    for (int background = 0; background <= 1 && err == ERR_NONE; background++)
        err = read_rows(sql_query(&s->db, SQL_WHOLE_ROWS, "ttdiid", l->org, l->key, background,
                                  l->claimed_at_ms, l->watermark, SQLITE_SLICE_MAX - (int)n),
                        rows, &n, e);
    if (err == ERR_NONE)
        err = apply_rows(s, l, rows, leased, STORE_LEASED, e);
    if (err == ERR_NONE)
        err = apply_rows(s, l, rows + leased, n - leased, STORE_READY, e);
    *more = n == SQLITE_SLICE_MAX;
    return err;
}

static enum err finish(struct sqlite_store *s, struct sqlite_lease *l, const struct store_settle *x,
                       struct error *e)
{
    enum err err = ERR_NONE;
    int64_t due;
    if (x->fingerprint != NULL)
        err = sql_run(&s->db, e, SQL_PASS_PUT, "ttti", l->org, l->key, x->fingerprint,
                      store_wall_ms(&s->base));
    if (err == ERR_NONE && x->whole)
        err = sqlite_lane_refresh(s, l->org, l->key, &due, e);
    if (err == ERR_NONE && x->release)
        err = sqlite_lease_end(s, l, e);
    return err;
}

enum err sqlite_settle(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    const struct store_settle *x = r->u.settle.what;
    struct sqlite_lease *l = sqlite_lease_of(s, r->lease);
    if (l == NULL)
        return sqlite_stale(r->lease, e);
    enum err err = settle_outcomes(s, l, x, e);
    for (size_t i = 0; i < x->hint_count && err == ERR_NONE; i++)
        err = sqlite_add_hint(s, l->org, &x->hints[i], e);
    r->u.settle.more = false;
    if (err == ERR_NONE && x->whole)
        err = settle_slice(s, l, &r->u.settle.more, e);
    if (err != ERR_NONE)
        return err;
    if (!r->u.settle.more)
        return finish(s, l, x, e);
    l->deadline_boot_ms = store_boot_ms(&s->base) + s->base.options.lease_ms;
    r->deadline_boot_ms = l->deadline_boot_ms;
    return ERR_NONE;
}
