/*
 * One batch, one transaction. The workers' requests go first, each in a savepoint, then the puts,
 * all in one, or in none if no request is undone with them: under a savepoint SQLite copies each
 * page that is changed, so one for each put would cost more than the put. If one of them fails by
 * its data, all are undone and tried again, each in its own, so that it fails alone. What the
 * operations keep in memory (leases, counts, memos) is undone with the savepoint or with the
 * transaction that it belongs to.
 *
 * Invariant S1: a put's result is ERR_NONE only after COMMIT returned well. What comes from the
 * intake log was acknowledged before (sqlite_ahead.c).
 */
#include "sqlite_int.h"

#include <string.h>

#include "intake_payload.h"
#include "log.h"

static const struct {
    sqlite_op *run;
    enum { WRITES, READS, BROWSES } where; /* the latter two in the caller's thread */
} OPS[STORE_OP_COUNT] = {
    [STORE_OP_CLAIM] = {sqlite_claim, WRITES},
    [STORE_OP_RENEW] = {sqlite_renew, WRITES},
    [STORE_OP_WRITE_BEGIN] = {sqlite_write_begin, WRITES},
    [STORE_OP_WRITE_END] = {sqlite_write_end, WRITES},
    [STORE_OP_SETTLE] = {sqlite_settle, WRITES},
    [STORE_OP_HINT] = {sqlite_hint, WRITES},
    [STORE_OP_BULK_PUT] = {sqlite_bulk_put, WRITES},
    [STORE_OP_BULK_END] = {sqlite_bulk_end, WRITES},
    [STORE_OP_BULK_LIST] = {sqlite_bulk_list, READS},
    [STORE_OP_FINGERPRINT] = {sqlite_fingerprint, READS},
    [STORE_OP_HOLD_PUT] = {sqlite_hold_put, WRITES},
    [STORE_OP_HOLD_GET] = {sqlite_hold_get, READS},
    [STORE_OP_HOLD_END] = {sqlite_hold_end, WRITES},
    [STORE_OP_HOLD_LIST] = {sqlite_hold_list, READS},
    [STORE_OP_HOLD_APPROVE] = {sqlite_hold_approve, WRITES},
    [STORE_OP_CURSOR_GET] = {sqlite_cursor_get, READS},
    [STORE_OP_CURSOR_SET] = {sqlite_cursor_set, WRITES},
    [STORE_OP_STATS] = {sqlite_stats, READS},
    [STORE_OP_RETAIN] = {sqlite_retain, WRITES},
    [STORE_OP_QUARANTINE_WALK] = {sqlite_quarantine_walk, BROWSES},
    [STORE_OP_QUARANTINE_GET] = {sqlite_quarantine_get, BROWSES},
    [STORE_OP_JOB_CREATE] = {sqlite_job_create, WRITES},
    [STORE_OP_JOB_GET] = {sqlite_job_get, BROWSES},
    [STORE_OP_JOB_WALK] = {sqlite_job_walk, BROWSES},
    [STORE_OP_JOB_CANCEL] = {sqlite_job_cancel, WRITES},
    [STORE_OP_JOB_STEP] = {sqlite_job_step, WRITES},
    [STORE_OP_JOB_ITEMS] = {sqlite_job_items, BROWSES},
    [STORE_OP_MESSAGES] = {sqlite_messages, BROWSES},
    [STORE_OP_MESSAGE_GET] = {sqlite_message_get, BROWSES},
    [STORE_OP_MESSAGE_IDS] = {sqlite_message_ids, BROWSES},
    [STORE_OP_MESSAGE_MOVE] = {sqlite_message_move, WRITES},
    [STORE_OP_FAILURES] = {sqlite_failures, BROWSES},
    [STORE_OP_LEDGER] = {sqlite_ledger, BROWSES},
    [STORE_OP_FORGET_FIND] = {sqlite_forget_find, BROWSES},
    [STORE_OP_FORGET] = {sqlite_forget, WRITES},
    [STORE_OP_PAUSE] = {sqlite_pause, WRITES},
    [STORE_OP_PAUSED] = {sqlite_paused, READS},
};

/* ------------------------------------------------------------------ transactions */

/* What was drawn stays drawn; what was reserved in a transaction that is undone was not. */
static void forget_uncommitted(struct sqlite_store *s)
{
    s->seq.reserved = s->seq.value;
    s->fence.reserved = s->fence.value;
    s->tally = (struct sqlite_tally){0};
    sqlite_keys_forget(s);
}

enum err sqlite_begin(struct sqlite_store *s, struct error *e)
{
    sqlite_copy_leases(&s->before_batch, &s->leases);
    s->sync_count = 0;
    s->wakes = false;
    s->changes_before = sqlite3_total_changes64(s->db.handle);
    return sql_run(&s->db, e, SQL_BEGIN, "");
}

enum err sqlite_commit(struct sqlite_store *s, struct error *e)
{
    double start = store_seconds();
    enum err err = sqlite_flush_tally(s, e);
    bool wrote = sqlite3_total_changes64(s->db.handle) != s->changes_before;
    if (err == ERR_NONE)
        err = sql_run(&s->db, e, SQL_COMMIT, "");
    if (err != ERR_NONE) {
        sqlite_rollback(s);
        return err;
    }
    if (wrote)
        metric_observe(s->base.commit_seconds, store_seconds() - start);
    if (s->wakes)
        store_waiters_wake(&s->base.waiters);
    return ERR_NONE;
}

static enum err roll_back(struct sqlite_store *s, struct error *e)
{
    enum err err = ERR_NONE;
    if (s->db.handle != NULL && sqlite3_get_autocommit(s->db.handle) == 0)
        err = sql_run(&s->db, e, SQL_ROLLBACK, "");
    s->db.broken = s->db.broken || err != ERR_NONE;
    sqlite_copy_leases(&s->leases, &s->before_batch);
    forget_uncommitted(s);
    return err;
}

void sqlite_rollback(struct sqlite_store *s)
{
    struct error e; /* the connection is closed next if this fails */
    (void)(roll_back(s, &e) == ERR_NONE);
}

enum err sqlite_recover(struct sqlite_store *s, struct error *e)
{
    enum err err = sqlite_begin(s, e);
    if (err == ERR_NONE)
        err = sqlite_recover_leases(s, e);
    if (err == ERR_NONE)
        return sqlite_commit(s, e);
    sqlite_rollback(s);
    return err;
}

/* ------------------------------------------------------------------ one operation */

/* An answer that says no without anything having gone wrong: what was written before it stays. */
static bool keeps_writes(enum err err)
{
    return err == ERR_NONE || err == ERR_STALE || err == ERR_NOT_FOUND;
}

static enum err close_savepoint(struct sqlite_store *s, enum err err, struct error *e)
{
    if (keeps_writes(err)) {
        struct error own;
        enum err ended = sqlite_flush_tally(s, &own);
        if (ended == ERR_NONE)
            ended = sql_run(&s->db, &own, SQL_RELEASE, "");
        return ended == ERR_NONE ? err : error_set(e, ended, "%s", own.text);
    }
    forget_uncommitted(s);
    if (s->db.broken)
        return err;
    struct error own;
    if (sql_run(&s->db, &own, SQL_ROLLBACK_TO, "") != ERR_NONE ||
        sql_run(&s->db, &own, SQL_RELEASE, "") != ERR_NONE) {
        s->db.broken = true; /* by this, which fails the whole batch */
        *e = own;
        return own.kind;
    }
    return err;
}

static void drop_claim(struct store_request *r)
{
    if (r->op == STORE_OP_CLAIM)
        store_claim_free(&r->u.claim.out);
}

static void run_request(struct sqlite_store *s, struct store_request *r)
{
    size_t sync_count = s->sync_count;
    sqlite_copy_leases(&s->before_op, &s->leases);
    r->result = sql_run(&s->db, &r->error, SQL_SAVEPOINT, "");
    if (r->result == ERR_NONE) {
        r->result = OPS[r->op].run(s, r, &r->error);
        r->result = close_savepoint(s, r->result, &r->error);
    }
    if (!keeps_writes(r->result)) {
        sqlite_copy_leases(&s->leases, &s->before_op);
        s->sync_count = sync_count;
        drop_claim(r);
    }
}

/* After requests: all in one savepoint. */
static enum err run_behind(struct sqlite_store *s, struct store_put *puts, struct error *e)
{
    enum err err = sql_run(&s->db, e, SQL_SAVEPOINT, "");
    return err != ERR_NONE ? err : close_savepoint(s, sqlite_put_all(s, puts, e), e);
}

/* With nothing before them in the transaction, which then begins again if one fails. Their counts
 * go in at once: a document that fails behind them forgets those that wait. */
static enum err run_first(struct sqlite_store *s, struct store_put *puts, struct error *e)
{
    enum err err = sqlite_put_all(s, puts, e);
    if (err == ERR_NONE)
        err = sqlite_flush_tally(s, e);
    if (err == ERR_NONE || s->db.broken)
        return err;
    struct error own;
    if (roll_back(s, &own) != ERR_NONE || sqlite_begin(s, &own) != ERR_NONE) {
        s->db.broken = true;
        *e = own;
        return own.kind;
    }
    return err;
}

static void run_put(struct sqlite_store *s, struct store_put *p, struct error *e)
{
    p->result = sql_run(&s->db, e, SQL_SAVEPOINT, "");
    if (p->result == ERR_NONE) {
        p->result = sqlite_put(s, p, e);
        p->result = close_savepoint(s, p->result, e);
    }
    if (p->result == ERR_NONE || s->db.broken)
        return;
    if (p->received_at_ms != 0)
        sqlite_ahead_refused(s, p, e->text);
    else if (p->result == ERR_INVALID) /* its owner learns the kind only */
        log_warn("a message was refused by the store", "org", p->org, "error", e->text, NULL);
}

/* ------------------------------------------------------------------ the batch */

/* Both stop when the connection broke, which e then describes. */
static void run_requests(struct sqlite_store *s, struct store_batch *b, struct error *e)
{
    for (struct store_request *r = b->requests; r != NULL && !s->db.broken; r = r->next) {
        run_request(s, r);
        if (s->db.broken)
            *e = r->error;
    }
}

/* What was acknowledged enters whatever the disk's room is; the others only if they may. */
static size_t run_puts(struct sqlite_store *s, struct store_batch *b, struct store_put *logged,
                       struct error *e)
{
    struct error why;
    enum err refused = b->puts == NULL ? ERR_NONE : sqlite_may_put(s, &why);
    struct store_put *puts = refused == ERR_NONE ? b->puts : NULL, *all = puts, *tail = logged;
    size_t notifications = 0;
    bool entered = false;
    while (tail != NULL && tail->next != NULL)
        tail = tail->next;
    if (tail != NULL) {
        tail->next = puts;
        all = logged;
    }
    if (all != NULL)
        entered = (b->requests == NULL ? run_first : run_behind)(s, all, e) == ERR_NONE;
    for (struct store_put *p = all; p != NULL && !entered && !s->db.broken; p = p->next)
        run_put(s, p, e);
    for (struct store_put *p = b->puts; p != NULL; p = p->next) {
        if (refused != ERR_NONE)
            p->result = refused; /* the next store_put says why */
        if (p->result == ERR_NONE)
            notifications += p->count;
    }
    if (tail != NULL)
        tail->next = NULL;
    if (logged != NULL && !s->db.broken &&
        sql_run(&s->db, e, SQL_META_SET, "ti", "logged", sqlite_ahead_number(b)) != ERR_NONE)
        s->db.broken = true;
    return notifications;
}

/* Last, so that what it meets with is nobody else's matter, unless the connection breaks. */
static void run_document(struct sqlite_store *s, struct store_batch *b, struct error *e)
{
    struct error own;
    if (b->document == NULL || s->db.broken || sqlite_may_put(s, &own) != ERR_NONE)
        return;
    enum err err = sql_run(&s->db, &own, SQL_SAVEPOINT, "");
    if (err == ERR_NONE) {
        err = sqlite_quarantine_put(s, b->document, &b->document_kept, &own);
        err = close_savepoint(s, err, &own);
    }
    b->document_kept = b->document_kept && err == ERR_NONE;
    if (s->db.broken)
        *e = own;
}

static enum err run_all(struct sqlite_store *s, struct store_batch *b, struct store_put *logged,
                        size_t *notifications, struct error *e)
{
    enum err err = sqlite_begin(s, e);
    if (err != ERR_NONE)
        return err;
    run_requests(s, b, e);
    if (!s->db.broken)
        *notifications = run_puts(s, b, logged, e);
    run_document(s, b, e);
    if (s->db.broken) {
        sqlite_rollback(s);
        return e->kind;
    }
    return sqlite_commit(s, e);
}

/* Which of them were known was not known yet as they were acknowledged. */
static void count_duplicates(const struct store_put *logged)
{
    for (const struct store_put *p = logged; p != NULL; p = p->next) {
        if (p->duplicates > 0)
            metric_add(metric_series(METRIC_NOTIFICATIONS_DUPLICATE, p->org), p->duplicates);
    }
}

enum err sqlite_run_batch(struct sqlite_store *s, struct store_batch *b, struct error *e)
{
    if (b->requests == NULL && b->logged_count == 0 && b->puts == NULL && b->document == NULL)
        return ERR_NONE;
    size_t notifications = 0;
    struct store_put *logged = sqlite_ahead_puts(b);
    enum err err = run_all(s, b, logged, &notifications, e);
    if (err == ERR_NONE) {
        count_duplicates(logged);
        if (b->logged_count > 0)
            s->logged = sqlite_ahead_number(b);
        if (notifications > 0)
            metric_observe(s->base.batch_size, (double)notifications);
        for (size_t i = 0; i < s->sync_count; i++)
            metric_observe(s->base.sync_seconds, (double)s->sync_ms[i] / 1000);
    }
    intake_payload_free(logged);
    return err;
}

void sqlite_fail_batch(struct store_batch *b, const struct error *why)
{
    b->document_kept = false;
    for (struct store_request *r = b->requests; r != NULL; r = r->next) {
        drop_claim(r);
        r->result = why->kind;
        r->error = *why;
    }
    for (struct store_put *p = b->puts; p != NULL; p = p->next) {
        p->result = why->kind;
        p->stored = p->duplicates = 0;
    }
}

/* Everyone goes on; nothing of the batch may be touched afterwards. */
void sqlite_answer_batch(struct sqlite_store *s, struct store_batch *b)
{
    store_queue_answer(&s->queue, b->requests);
    if (b->document != NULL)
        store_count_document(&s->base, b->document_kept);
    store_document_free(&b->document);
    store_hand_back(b->puts);
}

/* ------------------------------------------------------------------ in the caller's thread */

static void run_reader(struct sqlite_store *s, struct sqlite_reader *reader,
                       struct store_request *r)
{
    /* People look for what they just sent; and what is not found is not forgotten. */
    bool sees_all = reader != &s->browser || store_ahead_catch_up(&s->queue);
    pthread_mutex_lock(&reader->lock);
    r->result = ERR_NONE;
    if (!sees_all && r->op == STORE_OP_FORGET_FIND)
        r->result = error_set(&r->error, ERR_BUSY,
                              "messages that were acknowledged have yet to enter the database; "
                              "not all was forgotten, try again when the store works");
    else if (reader->db.handle == NULL)
        r->result = sqlite_open_reader(s, &reader->db, &r->error);
    if (r->result == ERR_NONE)
        r->result = OPS[r->op].run(s, r, &r->error);
    if (reader->db.broken)
        sql_close(&reader->db); /* opened again by the next one who looks */
    if (r->result == ERR_CORRUPT)
        sqlite_damaged(s, r->error.text);
    pthread_mutex_unlock(&reader->lock);
}

void sqlite_submit(struct store *store, struct store_request *r)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    if (r->op == STORE_OP_CLAIM)
        sqlite_claim_in_slices(s, r);
    else if (r->op == STORE_OP_SETTLE)
        sqlite_settle_in_slices(s, r);
    else if (OPS[r->op].where == WRITES)
        store_queue_call(&s->queue, r);
    else
        run_reader(s, OPS[r->op].where == READS ? &s->reader : &s->browser, r);
}
