/*
 * The committer: takes all puts that wait and enters them with one transaction in one round trip;
 * group commit, so that the more load, the larger the batch (postgres_put.c). If the data of one put
 * are refused, each is tried alone.
 *
 * Invariant S1: a put's result is ERR_NONE only after COMMIT returned well and without a warning.
 * While the server cannot be reached puts are refused at once with the reason.
 */
#include "postgres_int.h"

#include <time.h>

#include "log.h"
#include "timeutil.h"

enum { IDLE_MS = 1000, RETRY_MS = 200 };

/* ------------------------------------------------------------------ one transaction */

static enum err enter_singly(struct pg_store *s, struct store_put *puts, struct error *e)
{
    for (struct store_put *p = puts; p != NULL; p = p->next) {
        p->result = pg_put(s, p, p->next, e);
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
        err = pg_put(s, puts, NULL, e);
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
