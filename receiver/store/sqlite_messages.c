/*
 * The queue as admins see it: walked and counted by filter, in reads that are short, so that
 * checkpoints get through; moved by a replay or discard job, a slice a transaction.
 *
 * A filter is applied to rows in an order that an index has: those that ended by the time they did
 * (a page of the failed ones among millions of others costs a page), all others by number. No other
 * index is kept for it, since each notification that enters would pay. The rows of a slice are
 * looked for on the browsing connection and looked at again by the writer, which so never scans.
 */
#include "sqlite_int.h"

#include <string.h>

#include "timeutil.h"

struct sqlite_look sqlite_look_start(void)
{
    return (struct sqlite_look){.until_boot_ms = time_boot_ms() + SQLITE_LOOK_MS_MAX};
}

bool sqlite_look_on(struct sqlite_look *look)
{
    enum { ROWS_BETWEEN_CLOCKS = 256 };
    look->rows++;
    if (look->rows % ROWS_BETWEEN_CLOCKS == 0 && time_boot_ms() >= look->until_boot_ms)
        return false;
    return look->rows < SQLITE_LOOK_ROWS_MAX;
}

/* ------------------------------------------------------------------ one message */

enum column {
    ID,
    KIND,
    STATE,
    BACKGROUND,
    TRIES,
    ORG,
    KEY,
    NOTIFICATION,
    RECORD,
    SUBJECT,
    OBJECT,
    CODE,
    MESSAGE,
    RECEIVED_AT,
    DUE_AT,
    SETTLED_AT,
    REPLAYED_BY
}; /* of SQL_MESSAGE */

static const char *text_of(const struct sql_query *q, enum column c)
{
    const char *text = (const char *)sqlite3_column_text(q->st, (int)c);
    return text == NULL ? "" : text;
}

void sqlite_read_message(const struct sql_query *q, struct store_message *out)
{
    *out = (struct store_message){
        .id = sqlite3_column_int64(q->st, ID),
        .kind = (enum store_kind)sqlite3_column_int(q->st, KIND),
        .state = (enum store_state)sqlite3_column_int(q->st, STATE),
        .background = sqlite3_column_int(q->st, BACKGROUND) != 0,
        .tries = sqlite3_column_int(q->st, TRIES),
        .received_at_ms = sqlite3_column_int64(q->st, RECEIVED_AT),
        .due_at_ms = sqlite3_column_int64(q->st, DUE_AT),
        .settled_at_ms = sqlite3_column_int64(q->st, SETTLED_AT),
        .replayed_by = sqlite3_column_int64(q->st, REPLAYED_BY),
    };
    sql_text(q, ORG, out->org, sizeof out->org);
    if (strcmp(text_of(q, KEY), STORE_KEY_NONE) != 0)
        sql_text(q, KEY, out->campaign_id, sizeof out->campaign_id);
    if (strchr(text_of(q, NOTIFICATION), ':') == NULL) /* else made by a worker or by the store */
        sql_text(q, NOTIFICATION, out->notification_id, sizeof out->notification_id);
    sql_text(q, RECORD, out->record_id, sizeof out->record_id);
    sql_text(q, SUBJECT, out->subject_id, sizeof out->subject_id);
    sql_text(q, OBJECT, out->object, sizeof out->object);
    sql_text(q, CODE, out->code, sizeof out->code);
    sql_text(q, MESSAGE, out->message, sizeof out->message);
}

static bool text_fits(const struct sql_query *q, enum column c, const char *want)
{
    return want[0] == '\0' || strcmp(text_of(q, c), want) == 0;
}

bool sqlite_message_fits(const struct sql_query *q, const struct store_filter *f)
{
    if (f->state != STORE_ANY && sqlite3_column_int(q->st, STATE) != f->state)
        return false;
    int64_t received = sqlite3_column_int64(q->st, RECEIVED_AT);
    if ((f->since_ms != 0 && received < f->since_ms) ||
        (f->until_ms != 0 && received >= f->until_ms))
        return false;
    return text_fits(q, CODE, f->code) && text_fits(q, KEY, f->campaign_id) &&
           text_fits(q, OBJECT, f->object) && text_fits(q, ORG, f->org) &&
           (text_fits(q, RECORD, f->record_id) || text_fits(q, SUBJECT, f->record_id));
}

static enum err read_attempts(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    size_t n = 0;
    struct sql_query q = sql_query(&s->browser.db, SQL_ATTEMPTS, "ii", r->u.message_get.id,
                                   (int64_t)STORE_ATTEMPTS_MAX);
    while (n < STORE_ATTEMPTS_MAX && sql_next(&q)) {
        struct store_attempt *a = &r->u.message_get.attempts[n++];
        a->first_at_ms = sqlite3_column_int64(q.st, 0);
        a->at_ms = sqlite3_column_int64(q.st, 1);
        a->times = sqlite3_column_int64(q.st, 2);
        a->verdict = (enum store_verdict)sqlite3_column_int(q.st, 3);
        sql_text(&q, 4, a->code, sizeof a->code);
        sql_text(&q, 5, a->message, sizeof a->message);
    }
    r->u.message_get.attempt_count = n;
    return sql_done(&q, e);
}

enum err sqlite_message_get(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    struct sql_query q = sql_query(&s->browser.db, SQL_MESSAGE_GET, "i", r->u.message_get.id);
    bool found = sql_next(&q);
    if (found)
        sqlite_read_message(&q, r->u.message_get.out);
    enum err err = sql_done(&q, e);
    if (err == ERR_NONE && !found)
        return error_set(e, ERR_NOT_FOUND,
                         "no message has the number %lld; it may be past its time",
                         (long long)r->u.message_get.id);
    return err == ERR_NONE && r->u.message_get.attempts != NULL ? read_attempts(s, r, e) : err;
}

/* ------------------------------------------------------------------ many */

static bool ends(int state)
{
    return state == STORE_DONE || state == STORE_FAILED;
}

static struct sql_query from(struct sql_db *db, const struct store_filter *f,
                             struct store_position at)
{
    int64_t id = at.id == 0 ? INT64_MAX : at.id;
    if (ends(f->state))
        return sql_query(db, SQL_MESSAGES_ENDED, "dii", f->state, at.id == 0 ? INT64_MAX : at.at_ms,
                         id);
    return sql_query(db, SQL_MESSAGES, "i", id);
}

static void count_one(const struct sql_query *q, struct store_count *c, int how,
                      struct store_position at)
{
    if (c->count == 0)
        c->newest = (struct store_position){.at_ms = at.at_ms, .id = at.id + 1};
    store_count_add(c, how, (enum store_kind)sqlite3_column_int(q->st, KIND),
                    (enum store_state)sqlite3_column_int(q->st, STATE), text_of(q, CODE),
                    text_of(q, OBJECT));
}

enum err sqlite_messages(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    const struct store_filter *f = r->u.messages.filter;
    struct store_count *counted = r->u.messages.counted;
    struct sqlite_look look = sqlite_look_start();
    struct sql_query q = from(&s->browser.db, f, r->u.messages.at);
    size_t n = 0;
    bool goes_on = true;
    r->u.messages.more = false;
    while (goes_on && sql_next(&q)) {
        struct store_position at = {.at_ms =
                                        ends(f->state) ? sqlite3_column_int64(q.st, SETTLED_AT) : 0,
                                    .id = sqlite3_column_int64(q.st, ID)};
        bool fits = sqlite_message_fits(&q, f);
        if (fits && counted != NULL)
            count_one(&q, counted, r->u.messages.how, at);
        else if (fits)
            sqlite_read_message(&q, &r->u.messages.out[n++]);
        r->u.messages.at = at;
        goes_on = sqlite_look_on(&look) && (counted != NULL || n < r->u.messages.max);
        r->u.messages.more = !goes_on;
    }
    r->u.messages.count = n;
    r->u.messages.looked_at = (int64_t)look.rows;
    return sql_done(&q, e);
}

enum err sqlite_message_ids(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    enum err err = ERR_NONE;
    for (size_t i = 0; i < r->u.message_ids.n && err == ERR_NONE; i++) {
        struct sql_query q =
            sql_query(&s->browser.db, SQL_MESSAGE_GET, "i", r->u.message_ids.ids[i]);
        if (sql_next(&q))
            count_one(&q, r->u.message_ids.counted, r->u.message_ids.how,
                      (struct store_position){0});
        err = sql_done(&q, e);
    }
    return err;
}

enum err sqlite_failures(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    size_t n = 0;
    struct sql_query q = sql_query(&s->browser.db, SQL_FAILURES, "i", (int64_t)r->u.failures.max);
    while (n < r->u.failures.max && sql_next(&q)) {
        struct store_failure *x = &r->u.failures.out[n++];
        sql_text(&q, 0, x->org, sizeof x->org);
        sql_text(&q, 1, x->code, sizeof x->code);
        x->count = sqlite3_column_int64(q.st, 2);
    }
    r->u.failures.count = n;
    return sql_done(&q, e);
}
