/*
 * The committer: takes all puts that wait and enters them with one transaction in a round trip or
 * two; group commit, so that the more load, the larger the batch (postgres_put.c). If the data of
 * one put are refused, each is tried alone. A helper does the same while it is at work and much
 * waits.
 *
 * Invariant S1: a put's result is ERR_NONE only after COMMIT returned well and without a warning.
 * While the server cannot be reached puts are refused at once with the reason.
 */
#include "postgres_int.h"

#include <time.h>

#include "log.h"
#include "timeutil.h"

enum { IDLE_MS = 1000, RETRY_MS = 200, HELPER_TELLS_AFTER = 5 };

/* ------------------------------------------------------------------ one transaction */

static enum err enter_singly(struct pg_store *s, struct pg_db *db, struct store_put *puts,
                             struct error *e)
{
    for (struct store_put *p = puts; p != NULL; p = p->next) {
        p->result = pg_put(s, db, p, p->next, e);
        if (p->result == ERR_INVALID) /* its owner learns the kind only */
            log_warn("a message was refused by the store", "org", p->org, "error", e->text, NULL);
        else if (p->result != ERR_NONE)
            return p->result;
    }
    return ERR_NONE;
}

/* What keeps all puts from entering, as against the data of one. */
static bool concerns_all(enum err err)
{
    return err != ERR_NONE && err != ERR_INVALID;
}

static void fail(struct store_put *puts, enum err err)
{
    for (struct store_put *p = puts; p != NULL; p = p->next) {
        p->result = err;
        p->stored = p->duplicates = 0;
    }
}

/* Each put has its result afterwards. */
static void run_puts(struct pg_store *s, struct pg_db *db, struct store_put *puts, struct error *e)
{
    enum err err = pg_clock_seems_still(s) ? ERR_NONE : pg_watch_clock(s, db, e);
    if (err == ERR_NONE)
        err = pg_put(s, db, puts, NULL, e);
    if (err == ERR_INVALID)
        err = enter_singly(s, db, puts, e);
    if (concerns_all(err))
        fail(puts, err);
}

/* ------------------------------------------------------------------ the connection */

static bool is_good(struct pg_store *s, struct pg_db *db)
{
    return db->conn != NULL && !db->broken && !atomic_load(&s->distrusted) && pg_is_alive(db);
}

static enum err connect_anew(struct pg_store *s, struct pg_db *db, struct error *e)
{
    if (is_good(s, db))
        return ERR_NONE;
    pg_close(db);
    return pg_connect(db, s->url, &s->rules, e);
}

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
    struct pg_db *db = &s->committer.db;
    enum err err = connect_anew(s, db, e);
    if (err == ERR_NONE && s->refusing)
        err = pg_exec(db, "UPDATE meta SET value = value WHERE name = 'leapt_at'", e);
    refuse(s, err != ERR_NONE ? e : NULL);
    return err;
}

/* ------------------------------------------------------------------ the committer */

static void run_document(struct pg_store *s, struct store_batch *b)
{
    struct error e;
    struct pg_db *db = &s->committer.db;
    if (b->document != NULL && db->conn != NULL && !db->broken &&
        pg_quarantine_put(s, db, b->document, &b->document_kept, &e) != ERR_NONE)
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
    struct pg_db *db = &s->committer.db;
    enum err err = mend(s, &e);
    if (err != ERR_NONE)
        fail(b->puts, err);
    else if (b->puts != NULL)
        run_puts(s, db, b->puts, &e);
    if (db->broken || db->conn == NULL)
        (void)mend(s, &e); /* at once: the next put meets a store that works, or a refusal */
    run_document(s, b);
    answer(s, b);
}

void *pg_committer(void *store)
{
    struct pg_store *s = store;
    struct store_batch b;
    while (store_queue_take(&s->queue, &b, PG_BATCH_MAX, s->refusing ? RETRY_MS : IDLE_MS)) {
        atomic_store(&s->committer.busy_since_boot_ms, time_boot_ms());
        run(s, &b);
        atomic_store(&s->committer.busy_since_boot_ms, 0);
    }
    return NULL;
}

/* ------------------------------------------------------------------ the helper */

/* While it has no connection the committer does everything, and says what is wrong; but where that
 * works on for some seconds, only this one can. */
static bool has_connection(struct pg_store *s, unsigned *failures)
{
    struct error e, refusal;
    if (connect_anew(s, &s->helper.db, &e) == ERR_NONE) {
        *failures = 0;
        return true;
    }
    store_queue_refusal(&s->queue, &refusal);
    if (refusal.kind != ERR_NONE)
        *failures = 0;
    else if (++*failures == HELPER_TELLS_AFTER)
        log_warn("the store has no second connection for messages, which lowers the rate; it is "
                 "tried again until there is one",
                 "error", e.text, NULL);
    return false;
}

static void help(struct pg_store *s, struct store_put *puts)
{
    struct error e;
    struct pg_db *db = &s->helper.db;
    enum err err = connect_anew(s, db, &e); /* the server may have closed it meanwhile */
    if (err == ERR_NONE)
        run_puts(s, db, puts, &e);
    else
        fail(puts, err);
    store_hand_back(puts);
}

void *pg_helper(void *store)
{
    struct pg_store *s = store;
    struct store_batch b;
    unsigned failures = 0;
    bool going_on = true;
    while (going_on) {
        if (!has_connection(s, &failures)) {
            going_on = store_queue_rest(&s->queue, IDLE_MS);
            continue;
        }
        going_on = store_queue_help(&s->queue, &b, PG_BATCH_MAX, IDLE_MS);
        if (b.puts == NULL)
            continue;
        atomic_store(&s->helper.busy_since_boot_ms, time_boot_ms());
        help(s, b.puts);
        atomic_store(&s->helper.busy_since_boot_ms, 0);
    }
    return NULL;
}
