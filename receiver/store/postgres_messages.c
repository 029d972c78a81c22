/*
 * The queue as admins see it, walked and counted by filter in the order of an index, a page of rows
 * a statement (the filter is applied there); a slice of a replay or discard; the ledger; what is
 * held of a person, found and erased.
 */
#include "postgres_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum { LOOK_ROWS = 10000 };

#define MESSAGE                                                                                    \
    "n.id, n.kind, n.state, n.background, n.tries, n.org, c.key, n.notification_id, n.record_id, " \
    "n.subject_id, n.object, n.code, n.message, n.received_at, n.due_at, n.settled_at, "           \
    "n.replayed_by"
/* $1 … $4 are where it begins and how far it looks, $5 … $12 the filter. */
#define FITS "tp_fits(p.n, c.key, $5, $6, $7, $8, $9, $10, $11, $12)"
#define BY_NUMBER                                                                                  \
    "SELECT t AS n FROM notification t WHERE id < $1 AND $2::bigint IS NOT NULL "                  \
    "AND $3::integer IS NOT NULL ORDER BY id DESC LIMIT $4"
#define BY_END                                                                                     \
    "SELECT t AS n FROM notification t WHERE state = $3 AND state >= 2 "                           \
    "AND (settled_at, id) < ($2, $1) ORDER BY settled_at DESC, id DESC LIMIT $4"

static void read_message(const PGresult *r, int row, struct store_message *out)
{
    char text[STORE_HINT_ID_SIZE];
    *out = (struct store_message){
        .id = pg_i64(r, row, 0),
        .kind = (enum store_kind)pg_i64(r, row, 1),
        .state = (enum store_state)pg_i64(r, row, 2),
        .background = pg_i64(r, row, 3) != 0,
        .tries = (int)pg_i64(r, row, 4),
        .received_at_ms = pg_i64(r, row, 13),
        .due_at_ms = pg_i64(r, row, 14),
        .settled_at_ms = pg_i64(r, row, 15),
        .replayed_by = pg_i64(r, row, 16),
    };
    pg_copy(r, row, 5, out->org, sizeof out->org);
    pg_copy(r, row, 6, text, sizeof text);
    if (strcmp(text, STORE_KEY_NONE) != 0)
        pg_copy(r, row, 6, out->campaign_id, sizeof out->campaign_id);
    pg_copy(r, row, 7, text, sizeof text);
    if (strchr(text, ':') == NULL) /* else made by a worker or by the store */
        pg_copy(r, row, 7, out->notification_id, sizeof out->notification_id);
    pg_copy(r, row, 8, out->record_id, sizeof out->record_id);
    pg_copy(r, row, 9, out->subject_id, sizeof out->subject_id);
    pg_copy(r, row, 10, out->object, sizeof out->object);
    pg_copy(r, row, 11, out->code, sizeof out->code);
    pg_copy(r, row, 12, out->message, sizeof out->message);
}

/* ------------------------------------------------------------------ one message */

static enum err read_attempts(struct pg_db *db, struct store_request *r, struct error *e)
{
    PGresult *x = pg_query(db, e,
                           "SELECT first_at, at, times, verdict, code, text FROM attempt "
                           "WHERE message = $1 ORDER BY n DESC LIMIT $2",
                           "ii", r->u.message_get.id, (int64_t)STORE_ATTEMPTS_MAX);
    if (x == NULL)
        return e->kind;
    for (int i = 0; i < PQntuples(x); i++) {
        struct store_attempt *a = &r->u.message_get.attempts[i];
        a->first_at_ms = pg_i64(x, i, 0);
        a->at_ms = pg_i64(x, i, 1);
        a->times = pg_i64(x, i, 2);
        a->verdict = (enum store_verdict)pg_i64(x, i, 3);
        pg_copy(x, i, 4, a->code, sizeof a->code);
        pg_copy(x, i, 5, a->message, sizeof a->message);
    }
    r->u.message_get.attempt_count = (size_t)PQntuples(x);
    PQclear(x);
    return ERR_NONE;
}

enum err pg_message_get(struct pg_store *s, struct pg_db *db, struct store_request *r,
                        struct error *e)
{
    (void)s;
    PGresult *x = pg_query(db, e,
                           "SELECT " MESSAGE " FROM notification n JOIN campaign c ON "
                           "c.id = n.campaign WHERE n.id = $1",
                           "i", r->u.message_get.id);
    if (x == NULL)
        return e->kind;
    bool found = PQntuples(x) == 1;
    if (found)
        read_message(x, 0, r->u.message_get.out);
    PQclear(x);
    if (!found)
        return error_set(e, ERR_NOT_FOUND,
                         "no message has the number %lld; it may be past its time",
                         (long long)r->u.message_get.id);
    return r->u.message_get.attempts != NULL ? read_attempts(db, r, e) : ERR_NONE;
}

/* ------------------------------------------------------------------ many */

static bool ends(int state)
{
    return state == STORE_DONE || state == STORE_FAILED;
}

static const char *or_null(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

static const char *state_or_null(int state, char room[12])
{
    (void)snprintf(room, 12, "%d", state);
    return state == STORE_ANY ? NULL : room;
}

static PGresult *query_page(struct pg_db *db, const char *text, const struct store_filter *f,
                            struct store_position at, struct error *e)
{
    char state[12];
    return pg_query(db, e, text, "iidittttttii", at.id == 0 ? INT64_MAX : at.id,
                    at.id == 0 ? INT64_MAX : at.at_ms, f->state, (int64_t)LOOK_ROWS,
                    state_or_null(f->state, state), or_null(f->org), or_null(f->campaign_id),
                    or_null(f->record_id), or_null(f->object), or_null(f->code), f->since_ms,
                    f->until_ms);
}

/* Columns from `first` on: rows looked at, the last one's number and end. */
static void move_on(struct store_request *r, const PGresult *x, int first)
{
    int64_t looked = PQntuples(x) > 0 ? pg_i64(x, 0, first) : 0;
    r->u.messages.looked_at = looked;
    r->u.messages.more = looked == LOOK_ROWS;
    if (looked > 0)
        r->u.messages.at = (struct store_position){
            .at_ms = ends(r->u.messages.filter->state) ? pg_i64(x, 0, first + 2) : 0,
            .id = pg_i64(x, 0, first + 1)};
}

#define LOOKED                                                                                     \
    "looked AS (SELECT count(*) AS n, (array_agg((n).id))[count(*)] AS last_id, "                  \
    "(array_agg((n).settled_at))[count(*)] AS last_at FROM page) "
#define COUNT_IN(page)                                                                             \
    "WITH page AS MATERIALIZED (" page "), " LOOKED                                                \
    "SELECT l.n, l.last_id, l.last_at, g.* FROM looked l LEFT JOIN (SELECT n.state, "              \
    "coalesce(n.code, ''), n.object, count(*), max(n.id), max(n.settled_at), "                     \
    "(array_agg(n.id ORDER BY n.settled_at DESC, n.id DESC))[1], n.kind FROM page p, "             \
    "LATERAL (SELECT (p.n).*) AS n "                                                               \
    "JOIN campaign c ON c.id = n.campaign WHERE " FITS " GROUP BY 1, 2, 3, n.kind) AS g ON true"
#define WALK_IN(page)                                                                              \
    "WITH page AS MATERIALIZED (" page "), " LOOKED                                                \
    "SELECT m.*, l.n, l.last_id, l.last_at FROM looked l LEFT JOIN LATERAL (SELECT " MESSAGE       \
    " FROM page p, LATERAL (SELECT (p.n).*) AS n JOIN campaign c ON c.id = n.campaign WHERE " FITS \
    " ORDER BY %s LIMIT %zu) AS m ON true"

static void count_groups(struct store_request *r, const PGresult *x)
{
    struct store_count *c = r->u.messages.counted;
    bool first = c->count == 0, by_end = ends(r->u.messages.filter->state);
    struct store_position newest = {0};
    char code[STORE_CODE_SIZE], object[STORE_OBJECT_SIZE];
    for (int i = 0; i < PQntuples(x) && !PQgetisnull(x, i, 3); i++) {
        struct store_position at = {.at_ms = by_end ? pg_i64(x, i, 8) : 0,
                                    .id = pg_i64(x, i, by_end ? 9 : 7)};
        if (at.at_ms > newest.at_ms || (at.at_ms == newest.at_ms && at.id > newest.id))
            newest = at;
        pg_copy(x, i, 4, code, sizeof code);
        pg_copy(x, i, 5, object, sizeof object);
        for (int64_t k = pg_i64(x, i, 6); k > 0; k--)
            store_count_add(c, r->u.messages.how, (enum store_kind)pg_i64(x, i, 10),
                            (enum store_state)pg_i64(x, i, 3), code, object);
    }
    if (first && c->count > 0)
        c->newest = (struct store_position){.at_ms = newest.at_ms, .id = newest.id + 1};
}

static enum err count(struct pg_db *db, struct store_request *r, struct error *e)
{
    const struct store_filter *f = r->u.messages.filter;
    PGresult *x = query_page(db, ends(f->state) ? COUNT_IN(BY_END) : COUNT_IN(BY_NUMBER), f,
                             r->u.messages.at, e);
    if (x == NULL)
        return e->kind;
    count_groups(r, x);
    move_on(r, x, 0);
    PQclear(x);
    return ERR_NONE;
}

static enum err walk(struct pg_db *db, struct store_request *r, struct error *e)
{
    enum { LOOKED_AT = 17 };
    const struct store_filter *f = r->u.messages.filter;
    char text[2000];
    if (ends(f->state))
        (void)snprintf(text, sizeof text, WALK_IN(BY_END), "n.settled_at DESC, n.id DESC",
                       r->u.messages.max);
    else
        (void)snprintf(text, sizeof text, WALK_IN(BY_NUMBER), "n.id DESC", r->u.messages.max);
    PGresult *x = query_page(db, text, f, r->u.messages.at, e);
    if (x == NULL)
        return e->kind;
    size_t n = 0;
    for (int i = 0; i < PQntuples(x) && !PQgetisnull(x, i, 0); i++)
        read_message(x, i, &r->u.messages.out[n++]);
    move_on(r, x, LOOKED_AT);
    PQclear(x);
    r->u.messages.count = n;
    if (n == r->u.messages.max && n > 0) { /* there may be more on this page */
        const struct store_message *last = &r->u.messages.out[n - 1];
        r->u.messages.more = true;
        r->u.messages.at = (struct store_position){
            .at_ms = ends(f->state) ? last->settled_at_ms : 0, .id = last->id};
    }
    return ERR_NONE;
}

enum err pg_messages(struct pg_store *s, struct pg_db *db, struct store_request *r, struct error *e)
{
    (void)s;
    return r->u.messages.counted != NULL ? count(db, r, e) : walk(db, r, e);
}

static void put_ids(struct buf *b, const int64_t *ids, size_t n)
{
    pg_array(b);
    for (size_t i = 0; i < n; i++)
        pg_put_i64(b, ids[i]);
}

enum err pg_message_ids(struct pg_store *s, struct pg_db *db, struct store_request *r,
                        struct error *e)
{
    (void)s;
    struct buf ids;
    char code[STORE_CODE_SIZE], object[STORE_OBJECT_SIZE];
    put_ids(&ids, r->u.message_ids.ids, r->u.message_ids.n);
    PGresult *x = pg_query(db, e,
                           "SELECT n.state, coalesce(n.code, ''), n.object, n.kind FROM "
                           "unnest($1::bigint[]) AS i (id) JOIN notification n USING (id)",
                           "a", &ids);
    buf_release(&ids);
    if (x == NULL)
        return e->kind;
    for (int i = 0; i < PQntuples(x); i++) {
        pg_copy(x, i, 1, code, sizeof code);
        pg_copy(x, i, 2, object, sizeof object);
        store_count_add(r->u.message_ids.counted, r->u.message_ids.how,
                        (enum store_kind)pg_i64(x, i, 3), (enum store_state)pg_i64(x, i, 0), code,
                        object);
    }
    PQclear(x);
    return ERR_NONE;
}

enum err pg_failures(struct pg_store *s, struct pg_db *db, struct store_request *r, struct error *e)
{
    (void)s;
    PGresult *x = pg_query(db, e,
                           "SELECT org, coalesce(code, ''), count(*) FROM notification WHERE "
                           "state = 3 GROUP BY org, code ORDER BY 3 DESC, 1, 2 LIMIT $1",
                           "i", (int64_t)r->u.failures.max);
    if (x == NULL)
        return e->kind;
    for (int i = 0; i < PQntuples(x); i++) {
        pg_copy(x, i, 0, r->u.failures.out[i].org, sizeof r->u.failures.out[i].org);
        pg_copy(x, i, 1, r->u.failures.out[i].code, sizeof r->u.failures.out[i].code);
        r->u.failures.out[i].count = pg_i64(x, i, 2);
    }
    r->u.failures.count = (size_t)PQntuples(x);
    PQclear(x);
    return ERR_NONE;
}

enum err pg_message_move(struct pg_store *s, struct pg_db *db, struct store_request *r,
                         struct error *e)
{
    static const struct store_filter any = {.state = STORE_ANY};
    const struct store_move *m = r->u.message_move.what;
    const struct store_filter *f = m->filter != NULL ? m->filter : &any;
    char state[12];
    struct buf ids;
    put_ids(&ids, m->ids, m->count);
    PGresult *x = pg_query(
        db, e,
        "SELECT * FROM tp_message_move($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, "
        "$13, $14, $15, $16)",
        "iatddttttttiiiti", m->job, &ids, m->cursor, (int)m->last, (int)(m->filter != NULL),
        state_or_null(f->state, state), or_null(f->org), or_null(f->campaign_id),
        or_null(f->record_id), or_null(f->object), or_null(f->code), f->since_ms, f->until_ms,
        PG_WALL(s), m->from, m->begins ? m->total : (int64_t)STORE_ANY);
    buf_release(&ids);
    if (x == NULL)
        return e->kind;
    bool found = !PQgetisnull(x, 0, 0);
    int64_t kind = pg_i64(x, 0, 0);
    r->u.message_move.now = (enum store_job_state)pg_i64(x, 0, 1);
    PQclear(x);
    if (!found)
        return error_set(e, ERR_NOT_FOUND, "no job has the number %lld", (long long)m->job);
    if (kind != STORE_JOB_REPLAY && kind != STORE_JOB_DISCARD)
        return error_set(e, ERR_INVALID, "job %lld moves no messages", (long long)m->job);
    return ERR_NONE;
}

/* ------------------------------------------------------------------ ledger */

static char *copy_of(const PGresult *r, int row, int column)
{
    return PQgetisnull(r, row, column) ? NULL : mem_strdup(PQgetvalue(r, row, column));
}

static void read_entry(const PGresult *r, int row, struct store_ledger_entry *out)
{
    out->id = pg_i64(r, row, 0);
    out->at_ms = pg_i64(r, row, 1);
    pg_copy(r, row, 2, out->org, sizeof out->org);
    pg_copy(r, row, 3, out->campaign_id, sizeof out->campaign_id);
    pg_copy(r, row, 4, out->member_id, sizeof out->member_id);
    pg_copy(r, row, 5, out->touchpoint_id, sizeof out->touchpoint_id);
    pg_copy(r, row, 6, out->action, sizeof out->action);
    pg_copy(r, row, 7, out->cause, sizeof out->cause);
    pg_copy(r, row, 8, out->reason, sizeof out->reason);
    out->before_json = copy_of(r, row, 9);
    out->after_json = copy_of(r, row, 10);
}

#define LEDGER                                                                                     \
    "SELECT id, at, org, campaign_id, member_id, touchpoint_id, action, cause, reason, "           \
    "before_json, after_json FROM ledger WHERE id < $1 AND ($2::text IS NULL OR org = $2) "        \
    "AND ($3::text IS NULL OR campaign_id = $3) AND ($4::text IS NULL OR member_id = $4) "         \
    "AND "
#define LEDGER_END " ORDER BY id DESC LIMIT $5"

enum err pg_ledger(struct pg_store *s, struct pg_db *db, struct store_request *r, struct error *e)
{
    (void)s;
    const char *campaign = r->u.ledger.campaign, *member = r->u.ledger.member;
    int64_t before = r->u.ledger.before_id > 0 ? r->u.ledger.before_id : INT64_MAX;
    const char *text = member != NULL     ? LEDGER "member_id = $4" LEDGER_END
                       : campaign != NULL ? LEDGER "campaign_id = $3" LEDGER_END
                                          : LEDGER "true" LEDGER_END;
    PGresult *x = pg_query(db, e, text, "ittti", before, r->u.ledger.org, campaign, member,
                           (int64_t)r->u.ledger.max);
    if (x == NULL)
        return e->kind;
    size_t n = (size_t)PQntuples(x);
    for (size_t i = 0; i < n; i++)
        read_entry(x, (int)i, &r->u.ledger.out[i]);
    PQclear(x);
    r->u.ledger.more = n == r->u.ledger.max && n > 0;
    if (n > 0)
        r->u.ledger.before_id = r->u.ledger.out[n - 1].id;
    r->u.ledger.count = n;
    return ERR_NONE;
}

/* ------------------------------------------------------------------ forgetting */

/* $1 the number before, $2 org, $3 the record, $4 its first 15 characters, $5 how many to look at.
 */
#define FIND(table, which)                                                                         \
    "WITH page AS MATERIALIZED (SELECT * FROM " table " WHERE id > $1 ORDER BY id LIMIT $5) "      \
    "SELECT array_to_string(ARRAY(SELECT id FROM page t WHERE (" which ") AND $2::text IS NOT "    \
    "NULL AND $3::text IS NOT NULL AND $4::text IS NOT NULL ORDER BY id), ','), "                  \
    "(SELECT max(id) FROM page), (SELECT count(*) FROM page)"

static const char *const FINDS[STORE_FORGET_PLACES] = {
    [STORE_FORGET_LEDGER] =
        FIND("ledger", "t.org = $2 AND (before_json IS NOT NULL OR after_json IS NOT NULL) AND "
                       "(member_id = $3 OR strpos(coalesce(before_json, ''), $4) > 0 OR "
                       "strpos(coalesce(after_json, ''), $4) > 0)"),
    [STORE_FORGET_MESSAGES] = FIND(
        "notification", "t.state >= 2 AND t.org = $2 AND (t.record_id = $3 OR t.subject_id = $3)"),
    [STORE_FORGET_DOCUMENTS] =
        FIND("quarantine", "t.org IN ($2, '') AND position(convert_to($4, 'UTF8') IN t.body) > 0"),
    [STORE_FORGET_JOBS] =
        FIND("job", "t.org IN ($2, '') AND (EXISTS (SELECT 1 FROM job_item i WHERE i.job = t.id "
                    "AND i.record_id = $3) OR (t.state > 1 AND (strpos(t.params, $4) > 0 OR "
                    "strpos(t.message, $4) > 0 OR strpos(t.reason, $4) > 0)))"),
    [STORE_FORGET_EMAIL] =
        FIND("job", "t.org IN ($2, '') AND t.state > 1 AND "
                    "(strpos(lower(t.params), lower($3)) > 0 OR strpos(lower(t.message), "
                    "lower($3)) > 0 OR strpos(lower(t.reason), lower($3)) > 0)"),
};

enum err pg_forget_find(struct pg_store *s, struct pg_db *db, struct store_request *r,
                        struct error *e)
{
    (void)s;
    struct store_forget_slice *x = &r->u.forget;
    char short_id[SFID_SIZE]; /* begins the long one, too */
    (void)snprintf(short_id, sizeof short_id, "%.15s", x->record);
    PGresult *got = pg_query(db, e, FINDS[x->from], "ittti", x->after_id, x->org, x->record,
                             short_id, (int64_t)STORE_SLICE_MAX);
    if (got == NULL)
        return e->kind;
    const char *at = PQgetvalue(got, 0, 0);
    x->count = 0;
    while (*at != '\0' && x->count < STORE_SLICE_MAX) {
        char *end;
        x->ids[x->count++] = strtoll(at, &end, 10);
        at = *end == ',' ? end + 1 : end;
    }
    if (!PQgetisnull(got, 0, 1))
        x->after_id = pg_i64(got, 0, 1);
    x->more = pg_i64(got, 0, 2) == STORE_SLICE_MAX;
    PQclear(got);
    return ERR_NONE;
}

enum err pg_forget(struct pg_store *s, struct pg_db *db, struct store_request *r, struct error *e)
{
    (void)s;
    const struct store_forget_slice *x = &r->u.forget;
    struct buf ids;
    put_ids(&ids, x->ids, x->count);
    PGresult *got =
        x->from == STORE_FORGET_EMAIL
            ? pg_query(db, e,
                       "UPDATE job SET params = CASE WHEN strpos(lower(params), lower($2)) > 0 "
                       "THEN '' ELSE params END, message = CASE WHEN strpos(lower(message), "
                       "lower($2)) > 0 THEN '' ELSE message END, reason = CASE WHEN "
                       "strpos(lower(reason), lower($2)) > 0 THEN '' ELSE reason END "
                       "WHERE id = ANY ($1) AND state > 1",
                       "at", &ids, x->record)
            : pg_query(db, e, "SELECT tp_forget($1, $2, $3)", "dat", (int)x->from, &ids, x->record);
    buf_release(&ids);
    if (got == NULL)
        return e->kind;
    PQclear(got);
    return ERR_NONE;
}
