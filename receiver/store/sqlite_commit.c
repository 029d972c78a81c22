/*
 * The committer: the one thread that writes and checkpoints. Each turn takes all that waits and
 * runs it as one transaction (sqlite_batch.c); group commit, so that the more load, the larger the
 * batch. After a failure the connection is closed, opened again and tried with a write of its own;
 * until that succeeds puts are refused with what went wrong (protocol rule 1).
 *
 * After an fsync that failed, Linux may keep pages that look clean in its cache and are not on the
 * disk. A later commit would rest on them, and a power cut would take it along: the WAL is read up
 * to the first frame that does not fit. So all connections are closed, which makes SQLite read the
 * WAL anew, and everything in it is moved into the database and synced before work goes on.
 */
#include "sqlite_int.h"

#include "log.h"

enum {
    IDLE_MS = 1000,
    RETRY_MS = 200,
};

/* ------------------------------------------------------------------ after a failure */

static enum err try_write(struct sqlite_store *s, struct error *e)
{
    enum err err = sqlite_begin(s, e);
    if (err == ERR_NONE)
        err = sql_run(&s->db, e, SQL_META_ADD, "t", "probe");
    if (err == ERR_NONE)
        return sqlite_commit(s, e);
    sqlite_rollback(s);
    return err;
}

/* At one moment no connection is open. */
static void close_all(struct sqlite_store *s)
{
    sqlite_check_stop(s);
    pthread_mutex_lock(&s->reader.lock);
    pthread_mutex_lock(&s->browser.lock);
    sql_close(&s->reader.db);
    sql_close(&s->browser.db);
    sql_close(&s->db);
    sqlite_checkpoint_close(s);
    pthread_mutex_unlock(&s->browser.lock);
    pthread_mutex_unlock(&s->reader.lock);
}

/* A full disk refuses a write; any other failure leaves it open what became of one. */
static bool makes_suspect(enum err failure)
{
    return failure != ERR_FULL && failure != ERR_BUSY;
}

static enum err empty_wal(struct sqlite_store *s, struct error *e)
{
    int rc = sqlite3_wal_checkpoint_v2(s->db.handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return rc == SQLITE_OK ? ERR_NONE : sql_error(&s->db, rc, e);
}

static enum err open_again(struct sqlite_store *s, struct error *e)
{
    s->suspect = s->suspect || makes_suspect(s->db.broken_by);
    s->unclean = s->unclean || s->suspect;
    close_all(s);
    enum err err = sqlite_open_writer(s, e);
    if (err == ERR_NONE && s->suspect)
        err = empty_wal(s, e);
    if (err == ERR_NONE)
        err = sqlite_recover(s, e);
    if (err == ERR_NONE)
        err = try_write(s, e);
    if (err != ERR_NONE) {
        s->db.broken = true;
        s->db.broken_by = err;
        return err;
    }
    s->suspect = false;
    if (s->unclean)
        sqlite_check_start(s);
    return ERR_NONE;
}

/* Tells store_put what to say from now on. */
static void refuse_or_accept(struct sqlite_store *s, const struct error *failure)
{
    struct error why = {.kind = ERR_NONE};
    enum err refused = sqlite_may_put(s, &why);
    if (failure != NULL && refused != ERR_CORRUPT)
        why = *failure;
    s->refusing = why.kind != ERR_NONE;
    store_queue_refuse(&s->queue, s->refusing ? &why : NULL);
}

/* True when the database may be used. */
static bool mend(struct sqlite_store *s, struct error *e)
{
    if (!s->db.broken) {
        refuse_or_accept(s, NULL);
        return true;
    }
    if (store_boot_ms(&s->base) < s->retry_at_boot_ms && !store_queue_is_stopping(&s->queue)) {
        store_queue_refusal(&s->queue, e);
        return false;
    }
    if (open_again(s, e) == ERR_NONE) {
        s->retry_at_boot_ms = 0;
        refuse_or_accept(s, NULL);
        log_info("the store's database was opened again", "file", s->path, NULL);
        return true;
    }
    if (e->kind == ERR_CORRUPT)
        sqlite_damaged(s, e->text);
    if (s->retry_at_boot_ms == 0)
        log_error("the store's database failed; it is tried again until it works", "file", s->path,
                  "error", e->text, NULL);
    s->retry_at_boot_ms = store_boot_ms(&s->base) + RETRY_MS;
    refuse_or_accept(s, e);
    return false;
}

/* ------------------------------------------------------------------ the thread */

static void run(struct sqlite_store *s, struct store_batch *b)
{
    struct error e = {.kind = ERR_NONE};
    enum err err = mend(s, &e) ? ERR_NONE : e.kind;
    if (err == ERR_NONE)
        err = sqlite_watch_clock(s, &e);
    if (err == ERR_NONE)
        err = sqlite_run_batch(s, b, &e);
    if (err == ERR_CORRUPT)
        sqlite_damaged(s, e.text);
    if (err != ERR_NONE)
        sqlite_fail_batch(b, &e);
    if (err != ERR_NONE && b->logged_count > 0)
        store_ahead_put_off(&s->queue, RETRY_MS);
    else
        store_ahead_entered(&s->queue, b->logged_count);
    if (s->db.broken && s->retry_at_boot_ms == 0)
        (void)mend(s, &e); /* at once: the next put meets a store that works, or a refusal */
    sqlite_answer_batch(s, b);
}

void *sqlite_committer(void *store)
{
    struct sqlite_store *s = store;
    struct store_batch b;
    refuse_or_accept(s, NULL);
    while (store_queue_take(&s->queue, &b, SQLITE_BATCH_MAX, s->refusing ? RETRY_MS : IDLE_MS)) {
        atomic_store(&s->busy_since_boot_ms, store_boot_ms(&s->base));
        run(s, &b);
        atomic_store(&s->busy_since_boot_ms, 0);
        sqlite_checkpoint(s, b.requests == NULL && b.logged_count == 0 && b.puts == NULL);
        sqlite_wipe_wal(s);
    }
    return NULL;
}
