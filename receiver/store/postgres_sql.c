/*
 * Statements go out without blocking and their results are waited for with poll, so that a server
 * that says nothing costs a bounded time. Statements are not prepared: what runs often is a
 * function of the schema (schema/postgres/), whose plans the session keeps. A pooler in between
 * must leave sessions whole: they have settings, a share of an advisory lock, and LISTEN.
 */
#include "postgres_sql.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_int.h"
#include "timeutil.h"

static enum err no_end(struct pg_db *db, struct error *e)
{
    db->broken = true;
    return error_set(e, ERR_UNKNOWN_OUTCOME, "the database did not answer for %lld s",
                     (long long)(db->patience_ms / 1000));
}

/* ------------------------------------------------------------------ arguments */

struct args {
    int count;
    const char *values[PG_ARGS_MAX];
    int lengths[PG_ARGS_MAX], formats[PG_ARGS_MAX];
    char numbers[PG_ARGS_MAX][24];
};

void pg_array(struct buf *b)
{
    buf_init(b, 64 << 20);
    buf_putc(b, '{');
}

static void separate(struct buf *b)
{
    if (b->len > 1)
        buf_putc(b, ',');
}

void pg_put_text(struct buf *b, const char *text)
{
    separate(b);
    if (text == NULL) {
        buf_puts(b, "NULL");
        return;
    }
    buf_putc(b, '"');
    for (size_t n; *text != '\0'; text += n) {
        n = strcspn(text, "\"\\");
        buf_put(b, text, n);
        if (text[n] != '\0') {
            buf_putc(b, '\\');
            buf_putc(b, text[n++]);
        }
    }
    buf_putc(b, '"');
}

void pg_put_i64(struct buf *b, int64_t n)
{
    separate(b);
    buf_printf(b, "%lld", (long long)n);
}

static const char *whole(struct buf *b)
{
    if (b == NULL)
        return NULL;
    buf_put(b, "}", 2); /* with the NUL behind it */
    return b->data;
}

static void collect(struct args *a, const char *types, va_list ap)
{
    *a = (struct args){0};
    for (; types[a->count] != '\0'; a->count++) {
        int i = a->count;
        char *number = a->numbers[i];
        switch (types[i]) {
        case 't':
            a->values[i] = va_arg(ap, const char *);
            break;
        case 'a':
            a->values[i] = whole(va_arg(ap, struct buf *));
            break;
        case 'b':
            a->values[i] = va_arg(ap, const void *);
            a->lengths[i] = (int)va_arg(ap, size_t);
            a->formats[i] = 1;
            break;
        case 'i':
            (void)snprintf(number, sizeof a->numbers[i], "%lld", (long long)va_arg(ap, int64_t));
            a->values[i] = number;
            break;
        default:
            (void)snprintf(number, sizeof a->numbers[i], "%d", va_arg(ap, int));
            a->values[i] = number;
            break;
        }
    }
}

static bool send(struct pg_db *db, const char *text, const struct args *a)
{
    return PQsendQueryParams(db->conn, text, a->count, NULL, a->values, a->lengths, a->formats,
                             0) == 1;
}

/* ------------------------------------------------------------------ results */

/* True when a result can be taken without waiting. */
static bool await(struct pg_db *db, int64_t until_boot_ms, struct error *e)
{
    while (PQisBusy(db->conn)) {
        int flushed = PQflush(db->conn);
        int64_t left = until_boot_ms - time_boot_ms();
        if (flushed < 0) {
            (void)pg_error(db, NULL, e);
            return false;
        }
        if (left <= 0) {
            (void)no_end(db, e);
            return false;
        }
        struct pollfd fd = {.fd = PQsocket(db->conn),
                            .events = (short)(POLLIN | (flushed > 0 ? POLLOUT : 0))};
        int rc = poll(&fd, 1, (int)left);
        if (rc > 0 && !PQconsumeInput(db->conn)) {
            (void)pg_error(db, NULL, e);
            return false;
        }
        if (rc < 0 && errno != EINTR) {
            db->broken = true;
            (void)error_errno(e, "the connection to the database");
            return false;
        }
    }
    return true;
}

static bool is_good(const PGresult *r)
{
    ExecStatusType status = PQresultStatus(r);
    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_PIPELINE_SYNC;
}

static void forget(PGresult **r)
{
    PQclear(*r);
    *r = NULL;
}

/* All results of what was sent; the last one with rows, or the last. NULL: one failed. */
static PGresult *take_all(struct pg_db *db, int64_t until_boot_ms, struct error *e)
{
    PGresult *kept = NULL, *r;
    bool failed = false;
    for (;;) {
        if (!await(db, until_boot_ms, e)) {
            forget(&kept);
            return NULL;
        }
        r = PQgetResult(db->conn);
        if (r == NULL)
            break;
        if (!failed && !is_good(r)) {
            failed = true;
            (void)pg_error(db, r, e);
        }
        if (kept == NULL || PQresultStatus(r) == PGRES_TUPLES_OK) {
            PQclear(kept);
            kept = r;
        } else {
            PQclear(r);
        }
    }
    if (!failed && kept == NULL)
        (void)pg_error(db, NULL, e);
    if (failed)
        forget(&kept);
    return kept;
}

/* What was sent may have been carried out although its end was not seen. */
static void mark_unknown(struct pg_db *db, struct error *e)
{
    if (db->broken && e->kind == ERR_IO)
        (void)error_set(e, ERR_UNKNOWN_OUTCOME, "%s", e->text);
}

static enum err warned(struct error *e)
{
    return error_set(e, ERR_UNKNOWN_OUTCOME,
                     "the database committed without its standby having confirmed");
}

static void start(struct pg_db *db)
{
    db->again = db->warned = db->existed = false;
}

static PGresult *run(struct pg_db *db, struct error *e, const char *text, const struct args *a)
{
    start(db);
    if (!send(db, text, a)) {
        (void)pg_error(db, NULL, e);
        return NULL;
    }
    PGresult *r = take_all(db, time_boot_ms() + db->patience_ms, e);
    if (r == NULL)
        mark_unknown(db, e);
    else if (db->warned) {
        (void)warned(e);
        forget(&r);
    }
    return r;
}

PGresult *pg_query(struct pg_db *db, struct error *e, const char *text, const char *types, ...)
{
    struct args a;
    va_list ap;
    va_start(ap, types);
    collect(&a, types, ap);
    va_end(ap);
    return run(db, e, text, &a);
}

PGresult *pg_query_texts(struct pg_db *db, struct error *e, const char *text,
                         const char *const *values, size_t n)
{
    struct args a = {.count = (int)n};
    for (size_t i = 0; i < n; i++)
        a.values[i] = values[i];
    return run(db, e, text, &a);
}

enum err pg_exec(struct pg_db *db, const char *text, struct error *e)
{
    start(db);
    if (PQsendQuery(db->conn, text) != 1)
        return pg_error(db, NULL, e);
    struct error own = {.kind = ERR_INTERNAL};
    PGresult *r = take_all(db, time_boot_ms() + db->patience_ms, &own);
    if (r == NULL) {
        mark_unknown(db, &own);
        return error_set(e, own.kind, "%s", own.text);
    }
    PQclear(r);
    return db->warned ? warned(e) : ERR_NONE;
}

/* ------------------------------------------------------------------ in one round trip */

/* The result of one statement of a pipeline, its end included. NULL: the connection is lost. */
static PGresult *take_one(struct pg_db *db, int64_t until_boot_ms, struct error *e)
{
    if (!await(db, until_boot_ms, e))
        return NULL;
    PGresult *r = PQgetResult(db->conn);
    if (r == NULL) {
        (void)pg_error(db, NULL, e);
        return NULL;
    }
    if (PQresultStatus(r) == PGRES_PIPELINE_SYNC)
        return r;
    PGresult *end = await(db, until_boot_ms, e) ? PQgetResult(db->conn) : NULL;
    PQclear(end); /* NULL stands between two statements */
    return r;
}

/* A COMMIT of a transaction that failed says so by its tag alone. */
static bool is_committed(const PGresult *r)
{
    return PQresultStatus(r) == PGRES_COMMAND_OK &&
           strcmp(PQcmdStatus((PGresult *)(uintptr_t)r), "COMMIT") == 0;
}

enum { BEGUN, RAN, COMMITTED, SYNCED, STEPS };

static PGresult *take_transaction(struct pg_db *db, bool commits, struct error *e)
{
    PGresult *r[STEPS] = {0};
    bool good = true;
    for (int i = 0; i < STEPS; i++) {
        if (i == COMMITTED && !commits)
            continue;
        r[i] = take_one(db, db->until_boot_ms, e);
        if (r[i] == NULL) {
            good = false;
            break;
        }
        if (good && !is_good(r[i])) {
            good = false;
            (void)pg_error(db, r[i], e);
        }
    }
    if (good && commits && !is_committed(r[COMMITTED])) {
        good = false;
        (void)error_set(e, ERR_INTERNAL, "the database rolled a transaction back");
    }
    PGresult *rows = good ? r[RAN] : NULL;
    for (int i = 0; i < STEPS; i++) {
        if (r[i] != rows)
            PQclear(r[i]);
    }
    return rows;
}

static void roll_back(struct pg_db *db)
{
    struct error e;
    if (!db->broken && PQtransactionStatus(db->conn) != PQTRANS_IDLE &&
        pg_exec(db, "ROLLBACK", &e) != ERR_NONE)
        db->broken = true;
}

/* After roll_back, which is a statement of its own. */
static void give_up(struct pg_db *db)
{
    bool again = db->again, existed = db->existed;
    roll_back(db);
    db->again = again && !db->broken;
    db->existed = existed;
}

static PGresult *transaction(struct pg_db *db, struct error *e, const char *text,
                             const struct args *a, bool commits)
{
    static const struct args none = {0};
    start(db);
    db->until_boot_ms = time_boot_ms() + db->patience_ms;
    if (!PQenterPipelineMode(db->conn) || !send(db, "BEGIN", &none) || !send(db, text, a) ||
        (commits && !send(db, "COMMIT", &none)) || !PQpipelineSync(db->conn)) {
        (void)pg_error(db, NULL, e);
        db->broken = true;
        return NULL;
    }
    PGresult *r = take_transaction(db, commits, e);
    bool was_warned = db->warned;
    if (!PQexitPipelineMode(db->conn))
        db->broken = true;
    if (r == NULL) {
        if (commits)
            mark_unknown(db, e);
        give_up(db);
    } else if (commits && was_warned) {
        (void)warned(e);
        forget(&r);
    }
    return r;
}

PGresult *pg_transaction(struct pg_db *db, struct error *e, const char *text, const char *types,
                         ...)
{
    struct args a;
    va_list ap;
    va_start(ap, types);
    collect(&a, types, ap);
    va_end(ap);
    return transaction(db, e, text, &a, true);
}

PGresult *pg_begin(struct pg_db *db, struct error *e, const char *text, const char *types, ...)
{
    struct args a;
    va_list ap;
    va_start(ap, types);
    collect(&a, types, ap);
    va_end(ap);
    return transaction(db, e, text, &a, false);
}

/* ------------------------------------------------------------------ COPY */

/* True: the server waits for the data. */
static bool await_copy_in(struct pg_db *db, int64_t until_boot_ms, struct error *e)
{
    if (!await(db, until_boot_ms, e))
        return false;
    PGresult *r = PQgetResult(db->conn);
    bool waits = r != NULL && PQresultStatus(r) == PGRES_COPY_IN;
    if (!waits)
        (void)pg_error(db, r, e);
    PQclear(r);
    while (!waits && !db->broken && r != NULL && await(db, until_boot_ms, e)) {
        r = PQgetResult(db->conn);
        PQclear(r);
    }
    return waits;
}

static bool take_commit(struct pg_db *db, int64_t until_boot_ms, struct error *e)
{
    bool good = true, committed = false;
    while (await(db, until_boot_ms, e)) {
        PGresult *r = PQgetResult(db->conn);
        if (r == NULL) {
            if (good && !committed)
                (void)error_set(e, ERR_INTERNAL, "the database rolled a transaction back");
            return good && committed;
        }
        if (good && !is_good(r)) {
            good = false;
            (void)pg_error(db, r, e);
        }
        committed = is_committed(r);
        PQclear(r);
    }
    return false;
}

enum err pg_commit_rows(struct pg_db *db, const char *text, const struct buf *data, struct error *e)
{
    int64_t until = db->until_boot_ms; /* the listener waits for both */
    start(db);
    if (PQsendQuery(db->conn, text) != 1)
        return pg_error(db, NULL, e);
    bool good = await_copy_in(db, until, e);
    if (good) {
        if (PQputCopyData(db->conn, data->data, (int)data->len) == 1 &&
            PQputCopyEnd(db->conn, NULL) == 1) {
            good = take_commit(db, until, e);
        } else {
            (void)pg_error(db, NULL, e);
            good = false;
        }
        if (!good)
            mark_unknown(db, e);
    }
    if (good)
        return db->warned ? warned(e) : ERR_NONE;
    give_up(db);
    return e->kind;
}

/* ------------------------------------------------------------------ reading rows */

int64_t pg_i64(const PGresult *r, int row, int column)
{
    return strtoll(PQgetvalue(r, row, column), NULL, 10);
}

bool pg_bool(const PGresult *r, int row, int column)
{
    return PQgetvalue(r, row, column)[0] == 't';
}

bool pg_i64s(const PGresult *r, int row, int column, int64_t *out, size_t n)
{
    const char *at = PQgetvalue(r, row, column); /* {1,2,3} */
    for (size_t i = 0; i < n; i++) {
        char *end;
        if (*at != (i == 0 ? '{' : ','))
            return false;
        out[i] = strtoll(at + 1, &end, 10);
        at = end;
    }
    return *at == '}' || (n == 0 && strcmp(at, "{}") == 0);
}

void pg_copy(const PGresult *r, int row, int column, char *out, size_t size)
{
    const char *text = PQgetvalue(r, row, column);
    size_t n = store_cut(text, size);
    memcpy(out, text, n);
    out[n] = '\0';
}
