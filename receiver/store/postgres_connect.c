/*
 * Connecting: to whichever server of the URL takes writes, with time-outs on all that may hang, and
 * only to one that keeps what it says it has committed.
 *
 * What the URL does not say has a default here; host, user, password (PGPASSFILE, passfile=,
 * ~/.pgpass), TLS (sslmode=verify-full with sslrootcert=) and several hosts are libpq's matter.
 */
#include "postgres_sql.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "store_int.h"

/* ------------------------------------------------------------------ a new connection */

/* A WARNING at the end of a transaction says that it may not be on the standby. */
static void notice(void *db, const PGresult *r)
{
    const char *severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (severity != NULL && strcmp(severity, "WARNING") == 0)
        ((struct pg_db *)db)->warned = true;
}

/* Plans are told to use the indexes whatever the statistics say: a claim meets tables that were
 * empty when they were last looked at. */
static enum err set_up(struct pg_db *db, struct error *e)
{
    char text[700];
    (void)snprintf(text, sizeof text,
                   "SET statement_timeout = %d; SET lock_timeout = %d; "
                   "SET idle_in_transaction_session_timeout = %d; "
                   "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 5; "
                   "SET tcp_keepalives_count = 3; " /* no timeout ends a COPY without data */
                   "SET default_transaction_isolation = 'read committed'; "
                   "SET client_min_messages = warning; SET jit = off; SET enable_seqscan = off; "
                   "SET enable_bitmapscan = off; SET plan_cache_mode = force_generic_plan",
                   PG_STATEMENT_MS, PG_LOCK_MS, PG_PATIENCE_MS);
    return pg_exec(db, text, e);
}

/* What would let a commit be lost that the server has confirmed; NULL: nothing. */
static const char *laxity(const char *commit, const char *sync, bool has_standby)
{
    if (strcmp(commit, "off") == 0)
        return "synchronous_commit = off, so that a crash";
    if (strcmp(sync, "off") == 0)
        return "fsync = off, so that a crash";
    if (strcmp(commit, "local") == 0 && has_standby)
        return "synchronous_commit = local beside a synchronous standby, so that its promotion";
    return NULL;
}

/* Whether a commit outlives a power cut there, and the promotion of its standby. */
static enum err check_durable(struct pg_db *db, const struct pg_rules *rules, struct error *e)
{
    PGresult *r =
        pg_query(db, e,
                 "SELECT current_setting('synchronous_commit'), current_setting('fsync'), "
                 "current_setting('synchronous_standby_names') <> '', current_schema()",
                 "");
    if (r == NULL)
        return e->kind;
    const char *lax = laxity(PQgetvalue(r, 0, 0), PQgetvalue(r, 0, 1), pg_bool(r, 0, 2));
    bool has_schema = !PQgetisnull(r, 0, 3);
    pg_copy(r, 0, 3, db->schema, sizeof db->schema);
    PQclear(r);
    if (!has_schema)
        return error_set(e, ERR_CONFIG,
                         "store.url: none of the schemas of search_path is there; create one");
    if (lax != NULL && !rules->allow_asynchronous_commit)
        return error_set(e, ERR_CONFIG,
                         "the database server has %s can lose messages that were acknowledged; "
                         "set it to on, or allow it with store.allow_asynchronous_commit",
                         lax);
    return ERR_NONE;
}

static enum err check_version(struct pg_db *db, const struct pg_rules *rules, struct error *e)
{
    if (rules->schema_version == 0)
        return ERR_NONE;
    PGresult *r = pg_query(db, e, "SELECT version FROM schema_version", "");
    if (r == NULL)
        return e->kind;
    int64_t version = PQntuples(r) == 1 ? pg_i64(r, 0, 0) : 0;
    PQclear(r);
    if (version == rules->schema_version)
        return ERR_NONE;
    return error_set(e, ERR_CONFIG,
                     "the database has schema %lld now, and this program knows %d; run the version "
                     "that fits on every host",
                     (long long)version, rules->schema_version);
}

enum err pg_check(struct pg_db *db, const struct pg_rules *rules, struct error *e)
{
    enum err err = check_durable(db, rules, e);
    return err == ERR_NONE ? check_version(db, rules, e) : err;
}

/* Every connection of a daemon holds a share of one advisory lock as long as it lives; an export or
 * an import wants the whole. */
#define LOCK_KEYS "(hashtext('touchpointd.store'), hashtext(current_schema()))"

static enum err not_alone(struct pg_db *db, struct error *e)
{
    PGresult *r = pg_query(db, e,
                           "SELECT count(*), coalesce(string_agg(DISTINCT "
                           "coalesce(host(a.client_addr), 'this host'), ', '), '?') "
                           "FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE "
                           "l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND "
                           "l.classid = (hashtext('touchpointd.store')::bigint & 4294967295)::oid "
                           "AND l.objid = (hashtext(current_schema())::bigint & 4294967295)::oid",
                           "");
    if (r == NULL)
        return e->kind;
    (void)error_set(e, ERR_BUSY,
                    "daemons are connected to this database (%lld connections, from %s); stop them "
                    "all first",
                    (long long)pg_i64(r, 0, 0), PQgetvalue(r, 0, 1));
    PQclear(r);
    return ERR_BUSY;
}

static enum err take_place(struct pg_db *db, const struct pg_rules *rules, struct error *e)
{
    PGresult *r = pg_query(db, e,
                           rules->alone ? "SELECT pg_try_advisory_lock" LOCK_KEYS
                                        : "SELECT pg_try_advisory_lock_shared" LOCK_KEYS,
                           "");
    if (r == NULL)
        return e->kind;
    bool is_ours = pg_bool(r, 0, 0);
    PQclear(r);
    if (is_ours)
        return ERR_NONE;
    return rules->alone ? not_alone(db, e)
                        : error_set(e, ERR_BUSY,
                                    "the database is being exported or imported; wait for the end "
                                    "of that");
}

enum err pg_connect(struct pg_db *db, const char *url, const struct pg_rules *rules,
                    struct error *e)
{
    /* what comes before dbname yields to the URL, what comes after does not */
    static const char *const KEYS[] = {"fallback_application_name", "connect_timeout",
                                       "keepalives_idle",           "keepalives_interval",
                                       "keepalives_count",          "tcp_user_timeout",
                                       "target_session_attrs",      "dbname",
                                       "client_encoding",           NULL};
    const char *const values[] = {"touchpointd", "5",          "5", "2",    "3",
                                  "10000",       "read-write", url, "UTF8", NULL};
    *db = (struct pg_db){.patience_ms = PG_PATIENCE_MS};
    db->conn = PQconnectdbParams(KEYS, values, 1);
    if (PQstatus(db->conn) != CONNECTION_OK) {
        const char *why = PQerrorMessage(db->conn);
        (void)error_set(e, ERR_IO, "the database cannot be reached: %.*s", (int)strcspn(why, "\n"),
                        why);
        pg_close(db);
        return ERR_IO;
    }
    (void)PQsetNoticeReceiver(db->conn, notice, db);
    (void)PQsetnonblocking(db->conn, 1);
    enum err err = set_up(db, e);
    if (err == ERR_NONE)
        err = check_durable(db, rules, e);
    if (err == ERR_NONE)
        err = take_place(db, rules, e);
    if (err == ERR_NONE)
        err = check_version(db, rules, e);
    if (err != ERR_NONE)
        pg_close(db);
    return err;
}

void pg_close(struct pg_db *db)
{
    PQfinish(db->conn);
    *db = (struct pg_db){0};
}

bool pg_is_alive(struct pg_db *db)
{
    struct pollfd fd = {.fd = PQsocket(db->conn), .events = POLLIN};
    while (poll(&fd, 1, 0) > 0) { /* the end stands behind the server's last words */
        if (PQconsumeInput(db->conn) != 1)
            return false;
    }
    return PQstatus(db->conn) == CONNECTION_OK;
}
