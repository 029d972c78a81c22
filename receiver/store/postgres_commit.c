/*
 * The committer: takes all puts that wait and enters them with one transaction in one round trip;
 * group commit, so that the more load, the larger the batch. The rows go in in the order of their
 * identity (protocol rule 21), so that two nodes that were sent the same messages do not meet head
 * on. If the data of one put are refused, each is tried alone.
 *
 * Invariant S1: a put's result is ERR_NONE only after COMMIT returned well and without a warning.
 * While the server cannot be reached puts are refused at once with the reason.
 */
#include "postgres_int.h"

#include <time.h>

#include "log.h"
#include "timeutil.h"

enum { IDLE_MS = 1000, RETRY_MS = 200, TRIES = 6 };

/* ------------------------------------------------------------------ the rows of a batch */

enum { PUT, ORG, ID, RECORD, SUBJECT, KEY, OBJECT, KIND, COLUMNS };

static void add_row(struct buf c[COLUMNS], int put, const char *org, const struct store_item *item)
{
    pg_put_i64(&c[PUT], put);
    pg_put_text(&c[ORG], org);
    pg_put_text(&c[ID], item->notification_id);
    pg_put_text(&c[RECORD], item->record_id);
    pg_put_text(&c[SUBJECT], item->subject_id);
    pg_put_text(&c[KEY], item->campaign_id[0] != '\0' ? item->campaign_id : STORE_KEY_NONE);
    pg_put_text(&c[OBJECT], item->object);
    pg_put_i64(&c[KIND], (int64_t)item->kind);
}

/* Of the puts before `end`; how many there are. */
static size_t fill_columns(struct buf c[COLUMNS], const struct store_put *puts,
                           const struct store_put *end)
{
    size_t n = 0;
    int number = 0;
    for (int i = 0; i < COLUMNS; i++)
        pg_array(&c[i]);
    for (const struct store_put *p = puts; p != end; p = p->next, number++) {
        for (size_t i = 0; i < p->count; i++, n++)
            add_row(c, number, p->org, &p->items[i]);
    }
    return n;
}

static void tell_counts(struct store_put *puts, const struct store_put *end, const PGresult *r)
{
    int number = 0;
    for (struct store_put *p = puts; p != end; p = p->next, number++) {
        p->result = ERR_NONE;
        p->stored = 0;
        for (int i = 0; i < PQntuples(r); i++) {
            if (pg_i64(r, i, 0) == number)
                p->stored = (size_t)pg_i64(r, i, 1);
        }
        p->duplicates = p->count - p->stored;
    }
}

/* ------------------------------------------------------------------ one transaction */

static enum err enter(struct pg_store *s, struct store_put *puts, const struct store_put *end,
                      struct error *e)
{
    struct buf c[COLUMNS];
    size_t n = 0;
    double begun = store_seconds();
    PGresult *r = NULL;
    for (int i = 0; i < TRIES && r == NULL; i++) {
        n = fill_columns(c, puts, end);
        r = pg_transaction(&s->writer, e,
                           "SELECT put, stored FROM tp_put($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                           "aaaaaaaai", &c[PUT], &c[ORG], &c[ID], &c[RECORD], &c[SUBJECT], &c[KEY],
                           &c[OBJECT], &c[KIND], PG_WALL(s));
        for (int k = 0; k < COLUMNS; k++)
            buf_release(&c[k]);
        if (r == NULL && !s->writer.again)
            break;
    }
    if (r == NULL)
        return e->kind;
    tell_counts(puts, end, r);
    PQclear(r);
    metric_observe(s->base.commit_seconds, store_seconds() - begun);
    if (n > 0) {
        metric_observe(s->base.batch_size, (double)n);
        pg_wake(s);
    }
    return ERR_NONE;
}

static enum err enter_singly(struct pg_store *s, struct store_put *puts, struct error *e)
{
    for (struct store_put *p = puts; p != NULL; p = p->next) {
        p->result = enter(s, p, p->next, e);
        if (p->result == ERR_INVALID) /* its owner learns the kind only */
            log_warn("a message was refused by the store", "org", p->org, "error", e->text, NULL);
        else if (p->result != ERR_NONE)
            return p->result;
    }
    return ERR_NONE;
}

/* ------------------------------------------------------------------ the connection */

static void refuse(struct pg_store *s, const struct error *why)
{
    if (why != NULL && !s->refusing)
        log_error("the store's database failed; it is tried again until it works", "error",
                  why->text, NULL);
    else if (why == NULL && s->refusing)
        log_info("the store's database works again", NULL);
    s->refusing = why != NULL;
    store_queue_refuse(&s->queue, why);
}

static enum err mend(struct pg_store *s, struct error *e)
{
    if (s->writer.conn != NULL &&
        (s->writer.broken || atomic_load(&s->distrusted) || !pg_is_alive(&s->writer)))
        pg_close(&s->writer);
    enum err err = s->writer.conn != NULL ? ERR_NONE : pg_connect(&s->writer, s->url, &s->rules, e);
    if (err == ERR_NONE && s->refusing)
        err = pg_exec(&s->writer, "UPDATE meta SET value = value WHERE name = 'leapt_at'", e);
    refuse(s, err != ERR_NONE ? e : NULL);
    return err;
}

/* What keeps all puts from entering, as against the data of one. */
static bool concerns_all(enum err err)
{
    return err != ERR_NONE && err != ERR_INVALID;
}

/* ------------------------------------------------------------------ the thread */

static enum err run_puts(struct pg_store *s, struct store_put *puts, struct error *e)
{
    enum err err = pg_clock_seems_still(s) ? ERR_NONE : pg_watch_clock(s, &s->writer, e);
    if (err == ERR_NONE)
        err = enter(s, puts, NULL, e);
    return err == ERR_INVALID ? enter_singly(s, puts, e) : err;
}

/* From the first that has no result yet. */
static void fail(struct store_put *puts, enum err err)
{
    for (struct store_put *p = puts; p != NULL; p = p->next) {
        p->result = err;
        p->stored = p->duplicates = 0;
    }
}

static void run_document(struct pg_store *s, struct store_batch *b)
{
    struct error e;
    if (b->document != NULL && s->writer.conn != NULL && !s->writer.broken &&
        pg_quarantine_put(s, &s->writer, b->document, &b->document_kept, &e) != ERR_NONE)
        b->document_kept = false;
}

static void answer(struct pg_store *s, struct store_batch *b)
{
    store_queue_answer(&s->queue, b->requests);
    if (b->document != NULL)
        store_count_document(&s->base, b->document_kept);
    store_document_free(&b->document);
    store_hand_back(b->puts);
}

static void run(struct pg_store *s, struct store_batch *b)
{
    struct error e = {.kind = ERR_NONE};
    enum err err = mend(s, &e);
    if (err == ERR_NONE && b->puts != NULL)
        err = run_puts(s, b->puts, &e);
    if (concerns_all(err)) {
        fail(b->puts, err);
        if (s->writer.broken || s->writer.conn == NULL)
            (void)mend(s, &e); /* at once: the next put meets a store that works, or a refusal */
    }
    run_document(s, b);
    answer(s, b);
}

void *pg_committer(void *store)
{
    struct pg_store *s = store;
    struct store_batch b;
    while (store_queue_take(&s->queue, &b, PG_BATCH_MAX, s->refusing ? RETRY_MS : IDLE_MS)) {
        atomic_store(&s->busy_since_boot_ms, time_boot_ms());
        run(s, &b);
        atomic_store(&s->busy_since_boot_ms, 0);
    }
    return NULL;
}
