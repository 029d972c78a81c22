/*
 * The ledger as admins see it; the erasing of what is held of a person, found on the browsing
 * connection and erased by the writer, a slice at a time; and the pause of an org, which is one of
 * its cursors.
 */
#include "sqlite_int.h"

#include <stdio.h>
#include <string.h>

#include "mem.h"

#define PAUSED "paused"

/* ------------------------------------------------------------------ ledger */

static char *copy_of(const struct sql_query *q, int column)
{
    const char *text = (const char *)sqlite3_column_text(q->st, column);
    return text == NULL ? NULL : mem_strdup(text);
}

static void read_entry(const struct sql_query *q, struct store_ledger_entry *out)
{
    out->id = sqlite3_column_int64(q->st, 0);
    out->at_ms = sqlite3_column_int64(q->st, 1);
    sql_text(q, 2, out->org, sizeof out->org);
    sql_text(q, 3, out->campaign_id, sizeof out->campaign_id);
    sql_text(q, 4, out->member_id, sizeof out->member_id);
    sql_text(q, 5, out->touchpoint_id, sizeof out->touchpoint_id);
    sql_text(q, 6, out->action, sizeof out->action);
    sql_text(q, 7, out->cause, sizeof out->cause);
    sql_text(q, 8, out->reason, sizeof out->reason);
    out->before_json = copy_of(q, 9);
    out->after_json = copy_of(q, 10);
}

static bool is_or_any(const struct sql_query *q, int column, const char *want)
{
    const char *text = (const char *)sqlite3_column_text(q->st, column);
    return want == NULL || (text != NULL && strcmp(text, want) == 0);
}

enum err sqlite_ledger(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    const char *campaign = r->u.ledger.campaign, *member = r->u.ledger.member;
    int64_t before = r->u.ledger.before_id > 0 ? r->u.ledger.before_id : INT64_MAX;
    struct sql_db *db = &s->browser.db;
    struct sqlite_look look = sqlite_look_start();
    struct sql_query q = member != NULL ? sql_query(db, SQL_LEDGER_OF_MEMBER, "it", before, member)
                         : campaign != NULL
                             ? sql_query(db, SQL_LEDGER_OF_CAMPAIGN, "it", before, campaign)
                             : sql_query(db, SQL_LEDGER_WALK, "i", before);
    size_t n = 0;
    bool goes_on = true;
    r->u.ledger.more = false;
    while (goes_on && sql_next(&q)) {
        if (is_or_any(&q, 2, r->u.ledger.org) && is_or_any(&q, 3, campaign))
            read_entry(&q, &r->u.ledger.out[n++]);
        r->u.ledger.before_id = sqlite3_column_int64(q.st, 0);
        goes_on = sqlite_look_on(&look) && n < r->u.ledger.max;
        r->u.ledger.more = !goes_on;
    }
    r->u.ledger.count = n;
    return sql_done(&q, e);
}

/* ------------------------------------------------------------------ forgetting */

enum err sqlite_forget_find(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    static const enum sql FIND[STORE_FORGET_PLACES] = {
        [STORE_FORGET_LEDGER] = SQL_FIND_IN_LEDGER,
        [STORE_FORGET_MESSAGES] = SQL_FIND_IN_MESSAGES,
        [STORE_FORGET_DOCUMENTS] = SQL_FIND_IN_DOCUMENTS,
        [STORE_FORGET_JOBS] = SQL_FIND_IN_JOBS,
        [STORE_FORGET_EMAIL] = SQL_FIND_EMAIL,
    };
    struct store_forget_slice *x = &r->u.forget;
    char short_id[SFID_SIZE]; /* begins the long one, too */
    (void)snprintf(short_id, sizeof short_id, "%.15s", x->record);
    struct sqlite_look look = sqlite_look_start();
    struct sql_query q =
        sql_query(&s->browser.db, FIND[x->from], "ittt", x->after_id, x->org, x->record, short_id);
    bool goes_on = true;
    x->count = 0;
    x->more = false;
    while (goes_on && sql_next(&q)) {
        x->after_id = sqlite3_column_int64(q.st, 0);
        if (sqlite3_column_int(q.st, 1) != 0)
            x->ids[x->count++] = x->after_id;
        goes_on = sqlite_look_on(&look) && x->count < STORE_SLICE_MAX;
        x->more = !goes_on;
    }
    return sql_done(&q, e);
}

/* It may have become READY since it was found. */
static enum err forget_message(struct sqlite_store *s, int64_t id, struct error *e)
{
    struct store_message m;
    struct sql_query q = sql_query(&s->db, SQL_MESSAGE_GET, "i", id);
    bool found = sql_next(&q);
    if (found)
        sqlite_read_message(&q, &m);
    enum err err = sql_done(&q, e);
    if (err != ERR_NONE || !found || (m.state != STORE_DONE && m.state != STORE_FAILED))
        return err;
    err = sqlite_row_remove(s, id, e);
    return err == ERR_NONE ? sqlite_count(s, m.org, (int)m.state, -1, e) : err;
}

enum err sqlite_forget(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    static const enum sql FORGET[STORE_FORGET_PLACES] = {
        [STORE_FORGET_LEDGER] = SQL_FORGET_LEDGER,
        [STORE_FORGET_DOCUMENTS] = SQL_FORGET_DOCUMENT,
        [STORE_FORGET_JOBS] = SQL_FORGET_ITEM,
        [STORE_FORGET_EMAIL] = SQL_FORGET_EMAIL,
    };
    const struct store_forget_slice *x = &r->u.forget;
    char short_id[SFID_SIZE];
    (void)snprintf(short_id, sizeof short_id, "%.15s", x->record);
    enum err err = ERR_NONE;
    for (size_t i = 0; i < x->count && err == ERR_NONE; i++) {
        err = x->from == STORE_FORGET_MESSAGES
                  ? forget_message(s, x->ids[i], e)
                  : sql_run(&s->db, e, FORGET[x->from], "it", x->ids[i], x->record);
        if (err == ERR_NONE && x->from == STORE_FORGET_JOBS)
            err = sql_run(&s->db, e, SQL_FORGET_JOB, "it", x->ids[i], short_id);
    }
    s->wal_holds_forgotten = true;
    store_ahead_reset(&s->queue);
    return err;
}

/* ------------------------------------------------------------------ pause */

enum err sqlite_pause(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    s->wakes = true;
    if (r->u.pause.reason == NULL)
        return sql_run(&s->db, e, SQL_CURSOR_DROP, "tt", r->u.pause.org, PAUSED);
    return sql_run(&s->db, e, SQL_CURSOR_SET, "ttt", r->u.pause.org, PAUSED, r->u.pause.reason);
}

enum err sqlite_is_paused(struct sql_db *db, const char *org, bool *paused, struct error *e)
{
    struct sql_query q = sql_query(db, SQL_CURSOR_GET, "tt", org, PAUSED);
    *paused = sql_next(&q);
    return sql_done(&q, e);
}

enum err sqlite_paused(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    struct sql_query q = sql_query(&s->reader.db, SQL_CURSOR_GET, "tt", r->u.paused.org, PAUSED);
    r->u.paused.paused = sql_next(&q);
    if (r->u.paused.paused)
        sql_text(&q, 0, r->u.paused.reason, STORE_REASON_SIZE);
    return sql_done(&q, e);
}
