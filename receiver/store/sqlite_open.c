#define _GNU_SOURCE
/*
 * Opening: the file and its lock, the two connections, the schema, what a former process left
 * behind; and closing. One daemon a file, by whatever path it is named: flock on FILE.lock, never
 * on the database itself, since closing any descriptor of that would drop SQLite's own locks.
 */
#include "sqlite_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "mem.h"

enum {
    APPLICATION_ID = 0x54505131, /* "TPQ1" */
    VALUE_SIZE = 32,
    BUSY_DEAD_MS = 10000, /* a batch that takes longer: the disk hangs */
};

/* ------------------------------------------------------------------ files */

/* The path without symbolic links; the file itself may be missing. Gives *out. */
static enum err resolve(const char *path, char **out, struct error *e)
{
    *out = realpath(path, NULL);
    if (*out != NULL)
        return ERR_NONE;
    if (errno != ENOENT)
        return error_errno(e, "%s", path);
    const char *name = strrchr(path, '/') + 1;
    char *directory = mem_strndup(path, (size_t)(name - path));
    char *found = realpath(directory, NULL);
    enum err err = found == NULL ? error_errno(e, "%s", directory) : ERR_NONE;
    if (found != NULL)
        *out = mem_printf("%s/%s", found, name);
    free(found);
    free(directory);
    return err;
}

/* Makes the file if it is missing; others may not read it. SQLite gives its side files the mode of
 * the database. */
static enum err make_private(const char *path, int *keep_fd, struct error *e)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(e, "%s", path);
    struct stat st;
    if (fstat(fd, &st) != 0 || ((st.st_mode & 077) != 0 && fchmod(fd, 0600) != 0)) {
        enum err err = error_errno(e, "%s: cannot be made private", path);
        close(fd);
        return err;
    }
    if (keep_fd != NULL)
        *keep_fd = fd;
    else
        close(fd);
    return ERR_NONE;
}

static enum err lock_file(struct sqlite_store *s, struct error *e)
{
    char *path = mem_printf("%s.lock", s->path);
    enum err err = make_private(path, &s->lock_fd, e);
    if (err == ERR_NONE && flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        err = errno == EWOULDBLOCK
                  ? error_set(e, ERR_BUSY, "%s: another daemon uses this store", s->path)
                  : error_errno(e, "%s", path);
        close(s->lock_fd);
        s->lock_fd = -1;
    }
    free(path);
    return err;
}

/* ------------------------------------------------------------------ connections */

static int note_wal_size(void *store, sqlite3 *handle, const char *name, int pages)
{
    struct sqlite_store *s = store;
    (void)handle;
    (void)name;
    s->wal_pages = pages;
    return SQLITE_OK;
}

static enum err read_number(struct sqlite_store *s, const char *text, int64_t *out, struct error *e)
{
    char value[VALUE_SIZE];
    enum err err = sql_value(&s->db, text, value, sizeof value, e);
    if (err == ERR_NONE)
        *out = strtoll(value, NULL, 10);
    return err;
}

/* Looked at before anything is written. */
static enum err check_owner(struct sqlite_store *s, struct error *e)
{
    int64_t id = 0, tables = 0;
    enum err err = read_number(s, "PRAGMA application_id", &id, e);
    if (err == ERR_NONE)
        err = read_number(s, "SELECT count(*) FROM sqlite_schema", &tables, e);
    if (err == ERR_NONE && tables > 0 && id != APPLICATION_ID)
        return error_set(e, ERR_CONFIG, "%s: the database of another program; name another file",
                         s->path);
    return err;
}

enum err sqlite_open_writer(struct sqlite_store *s, struct error *e)
{
    char mode[VALUE_SIZE];
    enum err err = sql_open(&s->db, s->path, SQLITE_OPEN_READWRITE, e);
    if (err == ERR_NONE)
        err = check_owner(s, e);
    if (err == ERR_NONE) {
        int rc = sqlite_incoming_install(s->db.handle, &s->incoming);
        err = rc == SQLITE_OK ? ERR_NONE : sql_error(&s->db, rc, e);
    }
    if (err == ERR_NONE)
        err = sql_value(&s->db, "PRAGMA journal_mode = WAL", mode, sizeof mode, e);
    if (err == ERR_NONE && strcmp(mode, "wal") != 0)
        err =
            error_set(e, ERR_CONFIG, "%s: the file system does not support SQLite's WAL", s->path);
    /* A small cache: after a commit that split pages SQLite walks all of it, and what is not in it
     * is in the kernel's. */
    if (err == ERR_NONE)
        err = sql_exec(&s->db,
                       "PRAGMA synchronous = FULL; PRAGMA cache_size = -12288; "
                       "PRAGMA journal_size_limit = 67108864; PRAGMA secure_delete = ON;",
                       e);
    if (err == ERR_NONE)
        sqlite3_wal_hook(s->db.handle, note_wal_size, s);
    if (err == ERR_NONE)
        atomic_store(&s->inode, sqlite_inode_of(s->path));
    s->wal_pages = s->wal_pages_checkpointed = 0;
    return err;
}

enum err sqlite_open_reader(struct sqlite_store *s, struct sql_db *db, struct error *e)
{
    enum err err = sql_open(db, s->path, SQLITE_OPEN_READONLY, e);
    if (err == ERR_NONE)
        err = sql_exec(db, "PRAGMA query_only = ON; PRAGMA cache_size = -2048;", e);
    if (err != ERR_NONE)
        sql_close(db);
    return err;
}

/* ------------------------------------------------------------------ schema */

static enum err migrate_one(struct sqlite_store *s, const struct store_migration *m,
                            struct error *e)
{
    char version[80];
    (void)snprintf(version, sizeof version, "PRAGMA user_version = %d; PRAGMA application_id = %d;",
                   m->number, APPLICATION_ID);
    enum err err = sqlite_begin(s, e);
    if (err == ERR_NONE)
        err = sql_exec(&s->db, m->sql, e);
    if (err == ERR_NONE)
        err = sql_exec(&s->db, version, e);
    if (err == ERR_NONE)
        return sqlite_commit(s, e);
    sqlite_rollback(s);
    return error_wrap(e, "%s: migration %s", s->path, m->name);
}

enum err sqlite_migrate(struct sqlite_store *s, struct error *e)
{
    int64_t version = 0;
    enum err err = read_number(s, "PRAGMA user_version", &version, e);
    if (err != ERR_NONE)
        return err;
    if (version > store_sqlite_migration_count)
        return error_set(e, ERR_CONFIG,
                         "%s: written by a newer version of this program (schema %lld, known is "
                         "%d); use that version",
                         s->path, (long long)version, store_sqlite_migration_count);
    for (int64_t i = version; i < store_sqlite_migration_count && err == ERR_NONE; i++)
        err = migrate_one(s, &store_sqlite_migrations[i], e);
    return err;
}

static enum err read_meta(struct sqlite_store *s, const char *name, int64_t *out, struct error *e)
{
    struct sql_query q = sql_query(&s->db, SQL_META_GET, "t", name);
    bool found = sql_next(&q);
    if (found)
        *out = sqlite3_column_int64(q.st, 0);
    enum err err = sql_done(&q, e);
    if (err == ERR_NONE && !found)
        return error_set(e, ERR_CORRUPT, "%s: meta has no row '%s'", s->path, name);
    return err;
}

static enum err set_clean(struct sqlite_store *s, int64_t clean, struct error *e)
{
    enum err err = sqlite_begin(s, e);
    if (err == ERR_NONE)
        err = sql_run(&s->db, e, SQL_META_SET, "ti", "clean", clean);
    if (err == ERR_NONE)
        return sqlite_commit(s, e);
    sqlite_rollback(s);
    return err;
}

/* ------------------------------------------------------------------ open */

static enum err read_state(struct sqlite_store *s, struct error *e)
{
    int64_t clean = 0;
    s->seq.name = "seq";
    s->fence.name = "fence";
    enum err err = read_meta(s, s->seq.name, &s->seq.value, e);
    if (err == ERR_NONE)
        err = read_meta(s, s->fence.name, &s->fence.value, e);
    if (err == ERR_NONE)
        err = read_meta(s, "logged", &s->logged, e);
    if (err == ERR_NONE)
        err = read_meta(s, "log_of", &s->log_of, e);
    if (err == ERR_NONE)
        err = read_meta(s, "clean", &clean, e);
    s->seq.reserved = s->seq.value;
    s->fence.reserved = s->fence.value;
    s->unclean = clean == 0;
    return err;
}

static enum err open_all(struct sqlite_store *s, struct error *e)
{
    enum err err = lock_file(s, e);
    if (err == ERR_NONE)
        err = make_private(s->path, NULL, e);
    if (err == ERR_NONE)
        err = sqlite_open_writer(s, e);
    if (err == ERR_NONE)
        err = sqlite_migrate(s, e);
    if (err == ERR_NONE)
        err = read_state(s, e);
    if (err == ERR_NONE)
        err = sqlite_recover(s, e);
    if (err == ERR_NONE)
        err = set_clean(s, 0, e);
    if (err == ERR_NONE)
        err = sqlite_ahead_recover(s, e);
    if (err == ERR_NONE)
        err = sqlite_open_reader(s, &s->reader.db, e);
    if (err == ERR_NONE && s->unclean)
        sqlite_check_start(s);
    return err;
}

static void release(struct sqlite_store *s)
{
    sqlite_check_stop(s);
    sql_close(&s->reader.db);
    sql_close(&s->browser.db);
    sql_close(&s->db);
    sqlite_checkpoint_close(s);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    store_queue_release(&s->queue);
    pthread_mutex_destroy(&s->reader.lock);
    pthread_mutex_destroy(&s->browser.lock);
    pthread_mutex_destroy(&s->look_lock);
    store_release(&s->base);
    sqlite_incoming_release(&s->incoming);
    free(s->sync_ms);
    free(s->path);
    free(s);
}

enum err sqlite_open_alone(struct sqlite_store **out, const struct store_options *o,
                           struct error *e)
{
    const char *path = o->url + strlen(store_sqlite.scheme);
    if (path[0] != '/')
        return error_set(e, ERR_CONFIG, "store.url: sqlite: needs an absolute path");
    char *resolved;
    enum err err = resolve(path, &resolved, e);
    if (err != ERR_NONE)
        return err;
    struct sqlite_store *s = mem_alloc(sizeof *s);
    store_init(&s->base, &store_sqlite, o);
    s->path = resolved;
    s->base.options.url = NULL; /* the caller's */
    s->lock_fd = s->writing_fd = -1;
    s->clock_base_ms = store_base_ms(&s->base);
    store_queue_init(&s->queue, o->put_queue_max);
    pthread_mutex_init(&s->reader.lock, NULL);
    pthread_mutex_init(&s->browser.lock, NULL);
    pthread_mutex_init(&s->look_lock, NULL);
    err = open_all(s, e);
    if (err == ERR_NONE)
        *out = s;
    else
        release(s);
    return err;
}

static bool start_threads(struct sqlite_store *s)
{
    s->queue.ahead.runs = true;
    if (pthread_create(&s->ahead, NULL, sqlite_ahead, s) != 0)
        return false;
    if (pthread_create(&s->committer, NULL, sqlite_committer, s) == 0)
        return true;
    store_queue_stop(&s->queue);
    pthread_join(s->ahead, NULL);
    return false;
}

static enum err open_store(struct store **out, const struct store_options *o, struct error *e)
{
    struct sqlite_store *s = NULL;
    enum err err = sqlite_open_alone(&s, o, e);
    if (err != ERR_NONE || s == NULL)
        return err;
    if (!start_threads(s)) {
        release(s);
        return error_set(e, ERR_INTERNAL, "the store's threads cannot be started");
    }
    *out = &s->base;
    return ERR_NONE;
}

/* ------------------------------------------------------------------ close */

void sqlite_close_alone(struct sqlite_store *s)
{
    struct error e;
    sqlite_check_stop(s);
    sql_close(&s->reader.db);
    sql_close(&s->browser.db);
    sql_close(&s->pin);
    bool sound = !atomic_load(&s->damaged) && (!s->unclean || atomic_load(&s->check_passed));
    if (s->db.handle != NULL && sound) {
        if (set_clean(s, 1, &e) != ERR_NONE)
            log_warn("the store will be checked at the next start", "error", e.text, NULL);
        (void)sqlite3_wal_checkpoint_v2(s->db.handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    }
    sqlite_ahead_close(s);
    release(s);
}

static void close_store(struct store *store)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    store_queue_stop(&s->queue);
    store_waiters_close(&store->waiters);
    pthread_join(s->ahead, NULL);
    pthread_join(s->committer, NULL);
    sqlite_close_alone(s);
}

static enum err put(struct store *store, struct store_put *p, struct error *e)
{
    p->may_go_ahead = sqlite_may_go_ahead(p);
    return store_queue_put(&((struct sqlite_store *)store)->queue, p, store_boot_ms(store), e);
}

static bool quarantine(struct store *store, struct store_document *d)
{
    return store_queue_document(&((struct sqlite_store *)store)->queue, d);
}

/* 0: nothing is under way. */
static int64_t ms_since(const struct sqlite_store *s, const _Atomic int64_t *boot_ms)
{
    int64_t since = atomic_load(boot_ms);
    return since == 0 ? 0 : store_boot_ms(&s->base) - since;
}

static enum err probe(struct store *store, struct error *e)
{
    struct sqlite_store *s = (struct sqlite_store *)store;
    enum err err = sqlite_may_put(s, e);
    if (err == ERR_NONE)
        err = store_queue_probe(&s->queue, store_boot_ms(store), e);
    if (err != ERR_NONE)
        return err;
    int64_t busy_ms = ms_since(s, &s->busy_since_boot_ms);
    int64_t ahead_ms = ms_since(s, &s->ahead_since_boot_ms);
    busy_ms = ahead_ms > busy_ms ? ahead_ms : busy_ms;
    if (busy_ms > BUSY_DEAD_MS)
        return error_set(e, ERR_IO, "a write to %s has been under way for %lld s: the disk hangs",
                         s->path, (long long)(busy_ms / 1000));
    return ERR_NONE;
}

const struct store_backend store_sqlite = {
    .scheme = "sqlite:",
    .open = open_store,
    .close = close_store,
    .put = put,
    .submit = sqlite_submit,
    .probe = probe,
    .quarantine = quarantine,
    .export_rows = sqlite_export,
    .import_rows = sqlite_import,
};
