#define _GNU_SOURCE
/*
 * Checkpoints: what the WAL holds moves into the database, between batches, by the committer, which
 * cannot commit meanwhile. So it is done in small steps. A step goes as far as a pin, a read
 * transaction that was begun some commits before: SQLite moves nothing that is newer, and where it
 * cannot move all it neither syncs the database nor begins the WAL anew. So what was moved is still
 * in the WAL, synced, whatever a power cut leaves of the database. After each step the kernel is
 * asked to begin writing; when the WAL is long enough, a checkpoint without a pin moves the rest,
 * syncs, and finds little left to wait for.
 */
#include "sqlite_int.h"

#include <fcntl.h>
#include <unistd.h>

#include "log.h"

enum {
    WIPE_RETRY_MS = 1000,
    IDLE_PAGES = 1024, /* 4 MiB of WAL, when nothing else is to do */
    FULL_PAGES = 8192, /* 32 MiB, in any case */
    STEP_PAGES = 2048, /* new since the last one, which a reader may have held up */
};

/* ------------------------------------------------------------------ pins */

static void unpin(struct sqlite_store *s)
{
    struct error e;
    if (s->pinned_pages > 0 && sql_run(&s->pin, &e, SQL_COMMIT, "") != ERR_NONE)
        sql_close(&s->pin); /* ends it as well */
    s->pinned_pages = 0;
}

/* Without a pin the checkpoint comes in one piece: that it failed need not be told. */
static void pin(struct sqlite_store *s)
{
    struct error e;
    enum err err = s->pin.handle != NULL ? ERR_NONE : sqlite_open_reader(s, &s->pin, &e);
    if (err == ERR_NONE)
        err = sql_run(&s->pin, &e, SQL_LOOK, "");
    if (err == ERR_NONE)
        err = sql_run(&s->pin, &e, SQL_META_GET, "t", s->seq.name); /* from here on it reads */
    if (err == ERR_NONE)
        s->pinned_pages = s->wal_pages;
    else
        sql_close(&s->pin);
}

/* ------------------------------------------------------------------ steps */

static void move(struct sqlite_store *s, int pages)
{
    int rc = sqlite3_wal_checkpoint_v2(s->db.handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    s->wal_pages_checkpointed = pages;
    if (rc != SQLITE_OK && rc != SQLITE_BUSY) {
        struct error e;
        (void)sql_error(&s->db, rc, &e);
        log_warn("a checkpoint of the store failed", "error", e.text, NULL);
    }
}

/* A hint: should writing fail, the sync to come says so. */
static void begin_writing(struct sqlite_store *s)
{
    if (s->writing_fd < 0)
        s->writing_fd = open(s->path, O_RDONLY | O_CLOEXEC);
    if (s->writing_fd >= 0)
        (void)sync_file_range(s->writing_fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

static void step(struct sqlite_store *s)
{
    if (s->pinned_pages > 0 && s->wal_pages > s->pinned_pages) {
        move(s, s->pinned_pages);
        unpin(s);
        begin_writing(s);
    }
    if (s->pinned_pages == 0 && s->wal_pages - s->wal_pages_checkpointed >= STEP_PAGES)
        pin(s);
}

void sqlite_checkpoint(struct sqlite_store *s, bool idle)
{
    if (s->db.handle == NULL || s->db.broken)
        return;
    if (s->wal_pages < s->wal_pages_checkpointed) {
        s->wal_pages_checkpointed = 0; /* the WAL began anew */
        unpin(s);
    }
    if (s->wal_pages < (idle ? IDLE_PAGES : FULL_PAGES)) {
        step(s);
        return;
    }
    unpin(s);
    if (s->wal_pages - s->wal_pages_checkpointed >= (idle ? 1 : STEP_PAGES))
        move(s, s->wal_pages);
}

/* ------------------------------------------------------------------ what must not stay */

/* The log still holds what admins had us forget, until it is written over. A reader may be in the
 * way: then a second later. */
void sqlite_wipe_wal(struct sqlite_store *s)
{
    int64_t now = store_boot_ms(&s->base);
    if (!s->wal_holds_forgotten || now < s->wipe_at_boot_ms || s->db.handle == NULL || s->db.broken)
        return;
    s->wipe_at_boot_ms = now + WIPE_RETRY_MS;
    unpin(s);
    sqlite3_busy_timeout(s->db.handle, 0);
    int rc = sqlite3_wal_checkpoint_v2(s->db.handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite3_busy_timeout(s->db.handle, SQLITE_BUSY_MS);
    s->wal_holds_forgotten = rc != SQLITE_OK;
}

/* Closing a descriptor of a database drops all locks that this process has on it, so this one is
 * closed last. */
void sqlite_checkpoint_close(struct sqlite_store *s)
{
    sql_close(&s->pin);
    s->pinned_pages = 0;
    if (s->writing_fd >= 0)
        close(s->writing_fd);
    s->writing_fd = -1;
}
