#define _GNU_SOURCE
/*
 * Opening: the schema, brought up to date by whichever daemon comes first while the others wait for
 * its advisory lock; the threads; and closing, which gives up the leases that this daemon holds, so
 * that others need not wait until they run out.
 */
#include "postgres_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "log.h"
#include "mem.h"
#include "timeutil.h"

enum { MIGRATE_MS = 300000, BUSY_DEAD_MS = 10000 };

/* ------------------------------------------------------------------ schema */

/* *version 0: the schema is empty. */
/* By a look into pg_class: to_regclass would say once more what it said before the transaction
 * waited for another daemon, which has made the tables meanwhile. */
static enum err read_version(struct pg_db *db, int *version, struct error *e)
{
    PGresult *r = pg_query(db, e,
                           "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class "
                           "WHERE relname = 'schema_version' "
                           "AND pg_catalog.pg_table_is_visible(oid))",
                           "");
    if (r == NULL)
        return e->kind;
    bool is_there = pg_bool(r, 0, 0);
    PQclear(r);
    *version = 0;
    if (!is_there)
        return ERR_NONE;
    r = pg_query(db, e, "SELECT version FROM schema_version", "");
    if (r == NULL)
        return e->kind;
    if (PQntuples(r) == 1)
        *version = (int)pg_i64(r, 0, 0);
    PQclear(r);
    return ERR_NONE;
}

static enum err check_newer(int version, struct error *e)
{
    if (version <= store_postgres_migration_count)
        return ERR_NONE;
    return error_set(e, ERR_CONFIG,
                     "the database was written by a newer version of this program (schema %d, "
                     "known is %d); use that version",
                     version, store_postgres_migration_count);
}

/* Within the transaction that holds the lock. */
static enum err migrate_from(struct pg_db *db, int version, struct error *e)
{
    char text[100];
    enum err err = ERR_NONE;
    if (version == 0)
        err = pg_exec(db,
                      "CREATE TABLE schema_version (version integer NOT NULL); "
                      "INSERT INTO schema_version VALUES (0)",
                      e);
    for (int i = version; i < store_postgres_migration_count && err == ERR_NONE; i++) {
        err = pg_exec(db, store_postgres_migrations[i].sql, e);
        if (err != ERR_NONE)
            return error_wrap(e, "migration %s", store_postgres_migrations[i].name);
    }
    (void)snprintf(text, sizeof text, "UPDATE schema_version SET version = %d",
                   store_postgres_migration_count);
    return err == ERR_NONE ? pg_exec(db, text, e) : err;
}

static enum err migrate_locked(struct pg_db *db, struct error *e)
{
    int version = 0;
    enum err err = pg_exec(db,
                           "BEGIN; SET LOCAL lock_timeout = 300000; SET LOCAL statement_timeout = "
                           "300000; SELECT pg_advisory_xact_lock(hashtext('touchpointd.schema'), "
                           "hashtext(current_schema()))",
                           e);
    if (err == ERR_NONE)
        err = read_version(db, &version, e);
    if (err == ERR_NONE)
        err = check_newer(version, e);
    if (err == ERR_NONE && version < store_postgres_migration_count)
        err = migrate_from(db, version, e);
    if (err == ERR_NONE)
        return pg_exec(db, "COMMIT", e);
    db->broken = true; /* its transaction goes with it */
    return err;
}

enum err pg_migrate(struct pg_db *db, bool may_be_new, struct error *e)
{
    int version = 0;
    enum err err = read_version(db, &version, e);
    if (err == ERR_NONE)
        err = check_newer(version, e);
    if (err == ERR_NONE && version == 0 && !may_be_new)
        err = error_set(e, ERR_NOT_FOUND, "the database has no tables of this program");
    if (err == ERR_NONE && version < store_postgres_migration_count) {
        db->patience_ms = MIGRATE_MS + PG_PATIENCE_MS;
        err = migrate_locked(db, e);
        db->patience_ms = PG_PATIENCE_MS;
    }
    return err;
}

/* ------------------------------------------------------------------ open */

static void name_owner(struct pg_store *s)
{
    char host[48] = "";
    uint64_t number = 0;
    (void)gethostname(host, sizeof host - 1);
    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        number = (uint64_t)time_boot_ms();
    (void)snprintf(s->owner, sizeof s->owner, "%s:%d:%016llx", host, (int)getpid(),
                   (unsigned long long)number);
}

static enum err open_all(struct pg_store *s, struct error *e)
{
    static const struct pg_rules any = {0};
    struct pg_rules first = any;
    first.allow_asynchronous_commit = s->rules.allow_asynchronous_commit;
    enum err err = pg_connect(&s->committer.db, s->url, &first, e);
    if (err == ERR_NONE)
        err = pg_migrate(&s->committer.db, true, e);
    if (err == ERR_NONE)
        err = pg_watch_clock(s, &s->committer.db, e);
    if (err == ERR_NONE)
        err = pg_beat(s, &s->committer.db, e);
    if (err == ERR_NONE)
        err = pg_ears_start(s, e);
    if (err == ERR_NONE && s->rules.allow_asynchronous_commit)
        log_warn("the store may be on a server that loses what it has committed "
                 "(store.allow_asynchronous_commit)",
                 NULL);
    return err;
}

static void release(struct pg_store *s)
{
    pg_ears_stop(s);
    pg_close(&s->committer.db);
    pg_close(&s->helper.db);
    pg_pool_release(&s->pool);
    store_queue_release(&s->queue);
    pthread_mutex_destroy(&s->clock.lock);
    store_release(&s->base);
    free(s->url);
    free(s);
}

static enum err start_writers(struct pg_store *s, struct error *e)
{
    bool runs = pthread_create(&s->committer.thread, NULL, pg_committer, s) == 0;
    if (runs && pthread_create(&s->helper.thread, NULL, pg_helper, s) == 0)
        return ERR_NONE;
    store_queue_stop(&s->queue);
    if (runs)
        pthread_join(s->committer.thread, NULL);
    return error_set(e, ERR_INTERNAL, "the store's threads cannot be started");
}

static enum err open_store(struct store **out, const struct store_options *o, struct error *e)
{
    const char *rest = o->url + strlen(store_postgres.scheme);
    struct pg_store *s = mem_alloc(sizeof *s);
    store_init(&s->base, &store_postgres, o);
    s->url = mem_strdup(strncmp(rest, "//", 2) == 0 ? o->url : rest); /* "host=…" */
    s->base.options.url = NULL;                                       /* the caller's */
    s->ears_fd = -1;
    s->rules = (struct pg_rules){.allow_asynchronous_commit = o->allow_asynchronous_commit,
                                 .schema_version = store_postgres_migration_count};
    s->clock.local_base_ms = store_base_ms(&s->base);
    s->clock.server_base_ms = TIME_NONE;
    pthread_mutex_init(&s->clock.lock, NULL);
    store_queue_init(&s->queue, o->put_queue_max);
    pg_pool_init(&s->pool);
    name_owner(s);
    enum err err = open_all(s, e);
    if (err == ERR_NONE)
        err = start_writers(s, e);
    if (err != ERR_NONE) {
        release(s);
        return err;
    }
    *out = &s->base;
    return ERR_NONE;
}

/* ------------------------------------------------------------------ close */

/* Leases of this process: nobody works under them any more. */
static void give_leases_up(struct pg_store *s)
{
    struct error e;
    struct pg_db *db = pg_take(s, &e);
    PGresult *r = db == NULL
                      ? NULL
                      : pg_query(db, &e,
                                 "SELECT tp_lease_end(id, $2, $3) FROM (SELECT id FROM campaign "
                                 "WHERE fence > 0 AND owner = $1 ORDER BY id FOR UPDATE) AS held",
                                 "tii", s->owner, s->base.options.echo_ms, PG_WALL(s));
    if (r == NULL)
        log_warn("the leases of this daemon run out by themselves", "error", e.text, NULL);
    PQclear(r);
    if (db == NULL)
        return;
    pg_beat_no_more(s, db);
    pg_give(s, db);
}

static void close_store(struct store *store)
{
    struct pg_store *s = (struct pg_store *)store;
    store_queue_stop(&s->queue);
    store_waiters_close(&store->waiters);
    pthread_join(s->committer.thread, NULL);
    pthread_join(s->helper.thread, NULL);
    pg_ears_stop(s); /* who beats */
    give_leases_up(s);
    release(s);
}

static enum err put(struct store *store, struct store_put *p, struct error *e)
{
    return store_queue_put(&((struct pg_store *)store)->queue, p, store_boot_ms(store), e);
}

static bool quarantine(struct store *store, struct store_document *d)
{
    return store_queue_document(&((struct pg_store *)store)->queue, d);
}

static int64_t busy_ms_of(struct pg_writer *w)
{
    int64_t since = atomic_load(&w->busy_since_boot_ms);
    return since == 0 ? 0 : time_boot_ms() - since;
}

static enum err probe(struct store *store, struct error *e)
{
    struct pg_store *s = (struct pg_store *)store;
    enum err err = store_queue_probe(&s->queue, store_boot_ms(store), e);
    if (err != ERR_NONE)
        return err;
    int64_t committing = busy_ms_of(&s->committer), helping = busy_ms_of(&s->helper);
    int64_t busy_ms = committing > helping ? committing : helping;
    if (busy_ms > BUSY_DEAD_MS)
        return error_set(e, ERR_IO,
                         "the database has not answered a write for %lld s (its standby, its disk "
                         "or the network)",
                         (long long)(busy_ms / 1000));
    return ERR_NONE;
}

const struct store_backend store_postgres = {
    .scheme = "postgresql:",
    .open = open_store,
    .close = close_store,
    .put = put,
    .submit = pg_submit,
    .probe = probe,
    .quarantine = quarantine,
    .export_rows = pg_export,
    .import_rows = pg_import,
};
