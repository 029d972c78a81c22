/*
 * The moves of a row between states, and what must follow each of them: the lane that leads a claim
 * to it, the tally of its org, the wake-up of workers. Invariant S2 (a row is in exactly one state)
 * rests on these moves being the only ones.
 */
#include "sqlite_int.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "mem.h"
#include "timeutil.h"

enum err sqlite_draw(struct sqlite_store *s, struct sqlite_counter *c, int64_t *out,
                     struct error *e)
{
    if (c->value >= c->reserved) {
        int64_t bound = c->value + SQLITE_COUNTER_BLOCK;
        enum err err = sql_run(&s->db, e, SQL_META_SET, "ti", c->name, bound);
        if (err != ERR_NONE)
            return err;
        c->reserved = bound;
    }
    *out = ++c->value;
    return ERR_NONE;
}

void sqlite_read_row(const struct sql_query *q, struct sqlite_row *out)
{
    out->id = sqlite3_column_int64(q->st, 0);
    out->kind = (enum store_kind)sqlite3_column_int(q->st, 1);
    out->background = sqlite3_column_int(q->st, 2);
    out->due_at_ms = sqlite3_column_int64(q->st, 3);
    out->rerun_at_ms = sqlite3_column_int64(q->st, 4);
    out->received_at_ms = sqlite3_column_int64(q->st, 5);
    out->tries = sqlite3_column_int(q->st, 6);
    out->unsettled = sqlite3_column_int(q->st, 7);
}

/* ------------------------------------------------------------------ tallies */

enum err sqlite_flush_tally(struct sqlite_store *s, struct error *e)
{
    const struct sqlite_tally t = s->tally;
    s->tally = (struct sqlite_tally){0};
    bool changed = false;
    for (size_t i = 0; i < SQLITE_STATES; i++)
        changed = changed || t.change[i] != 0;
    if (!changed)
        return ERR_NONE;
    return sql_run(&s->db, e, SQL_TALLY, "tiiii", t.org, t.change[STORE_READY],
                   t.change[STORE_LEASED], t.change[STORE_DONE], t.change[STORE_FAILED]);
}

static enum err count_many(struct sqlite_store *s, const char *org, int from, int to, int64_t n,
                           struct error *e)
{
    if (strcmp(s->tally.org, org) != 0) {
        enum err err = sqlite_flush_tally(s, e);
        if (err != ERR_NONE)
            return err;
        (void)snprintf(s->tally.org, sizeof s->tally.org, "%s", org);
    }
    if (from >= 0)
        s->tally.change[from] -= n;
    if (to >= 0)
        s->tally.change[to] += n;
    return ERR_NONE;
}

enum err sqlite_count(struct sqlite_store *s, const char *org, int from, int to, struct error *e)
{
    return count_many(s, org, from, to, 1, e);
}

/* ------------------------------------------------------------------ keys and lanes */

/* Where org and key have, or would have, their memo. */
static struct sqlite_key_memo *place_of(struct sqlite_store *s, const char *org, const char *key)
{
    uint32_t h = 2166136261u;
    for (const char *p = org; *p != '\0'; p++)
        h = (h ^ (unsigned char)*p) * 16777619u;
    for (const char *p = key; *p != '\0'; p++)
        h = (h ^ (unsigned char)*p) * 16777619u;
    return &s->key_memo[(h ^ h >> 16) % SQLITE_KEY_MEMOS];
}

/* Theirs; what it held of others is forgotten. */
static struct sqlite_key_memo *memo_of(struct sqlite_store *s, const char *org, const char *key)
{
    struct sqlite_key_memo *m = place_of(s, org, key);
    if (strcmp(m->key, key) != 0 || strcmp(m->org, org) != 0) {
        *m = (struct sqlite_key_memo){.due_at_ms = {INT64_MAX, INT64_MAX}};
        (void)snprintf(m->org, sizeof m->org, "%s", org);
        (void)snprintf(m->key, sizeof m->key, "%s", key);
    }
    return m;
}

void sqlite_keys_forget(struct sqlite_store *s)
{
    memset(s->key_memo, 0, sizeof s->key_memo);
}

enum err sqlite_claim_key(struct sqlite_store *s, const char *org, const char *key, int64_t *out,
                          struct error *e)
{
    struct sqlite_key_memo *m = memo_of(s, org, key);
    static const enum sql WAYS[] = {SQL_KEY_GET, SQL_KEY_ADD};
    for (size_t i = 0; i < sizeof WAYS / sizeof WAYS[0] && m->id == 0; i++) {
        struct sql_query q = sql_query(&s->db, WAYS[i], "tt", org, key);
        int64_t id = sql_next(&q) ? sqlite3_column_int64(q.st, 0) : 0;
        enum err err = sql_done(&q, e);
        if (err != ERR_NONE)
            return err;
        m->id = id;
    }
    *out = m->id;
    return ERR_NONE;
}

enum err sqlite_lane_lower(struct sqlite_store *s, const char *org, const char *key, int background,
                           int64_t due_at_ms, struct error *e)
{
    int64_t *known = &memo_of(s, org, key)->due_at_ms[background != 0];
    s->wakes = true;
    if (*known <= due_at_ms)
        return ERR_NONE;
    enum err err = sql_run(&s->db, e, SQL_LANE_LOWER, "ttdi", org, key, background, due_at_ms);
    if (err == ERR_NONE)
        *known = due_at_ms;
    return err;
}

enum err sqlite_lane_refresh(struct sqlite_store *s, const char *org, const char *key,
                             int64_t *due_at_ms, struct error *e)
{
    *due_at_ms = INT64_MAX;
    for (int background = 0; background <= 1; background++) {
        int64_t due = INT64_MAX;
        struct sql_query q = sql_query(&s->db, SQL_LANE_FIRST_DUE, "ttd", org, key, background);
        if (sql_next(&q))
            due = sqlite3_column_int64(q.st, 0);
        enum err err = sql_done(&q, e);
        if (err != ERR_NONE)
            return err;
        memo_of(s, org, key)->due_at_ms[background] = INT64_MAX;
        if (due == INT64_MAX)
            err = sql_run(&s->db, e, SQL_LANE_DROP, "ttd", org, key, background);
        else
            err = sql_run(&s->db, e, SQL_LANE_SET, "ttdi", org, key, background, due);
        if (err != ERR_NONE)
            return err;
        if (due < *due_at_ms)
            *due_at_ms = due;
    }
    return ERR_NONE;
}

/* ------------------------------------------------------------------ moves */

int64_t sqlite_due_after(const struct sqlite_row *row, int64_t due_at_ms)
{
    if (row->rerun_at_ms == 0 || (row->rerun_at_ms > due_at_ms) != (row->kind == STORE_ECHO))
        return due_at_ms;
    return row->rerun_at_ms;
}

enum err sqlite_row_ready(struct sqlite_store *s, const char *org, const char *key,
                          const struct sqlite_row *row, const char *code, const char *message,
                          struct error *e)
{
    int64_t seq;
    struct store_texts t;
    enum err err = sqlite_draw(s, &s->seq, &seq, e);
    if (err == ERR_NONE)
        err = sql_run(&s->db, e, SQL_READY, "iiiddtt", row->id, seq, row->due_at_ms, row->tries,
                      row->unsettled, store_fit(code, t.code, sizeof t.code),
                      store_fit(message, t.message, sizeof t.message));
    if (err == ERR_NONE)
        err = sqlite_count(s, org, STORE_LEASED, STORE_READY, e);
    if (err == ERR_NONE)
        err = sqlite_lane_lower(s, org, key, row->background, row->due_at_ms, e);
    return err;
}

/* protocol rule 2: its id came again while it was leased, so it runs again, as if it had come after
 * the end. */
static enum err run_again(struct sqlite_store *s, const char *org, const char *key,
                          const struct sqlite_row *row, struct error *e)
{
    struct sqlite_row again = *row;
    again.due_at_ms = row->rerun_at_ms;
    again.tries = again.unsettled = 0;
    return sqlite_row_ready(s, org, key, &again, NULL, NULL, e);
}

enum err sqlite_row_end(struct sqlite_store *s, const char *org, const char *key,
                        const struct sqlite_row *row, enum store_state from, enum store_state to,
                        const char *code, const char *message, struct error *e)
{
    if (from == STORE_LEASED && row->rerun_at_ms != 0)
        return run_again(s, org, key, row, e);
    struct store_texts t;
    const char *why = store_fit(message, t.message, sizeof t.message);
    enum err err = sql_run(&s->db, e, SQL_END, "iditt", row->id, (int)to, store_wall_ms(&s->base),
                           store_fit(code, t.code, sizeof t.code), why);
    if (err == ERR_NONE && row->kind == STORE_JOB && to == STORE_FAILED) /* nobody runs it on */
        err = sql_run(&s->db, e, SQL_JOB_LOST, "iti", row->id, why, store_wall_ms(&s->base));
    return err != ERR_NONE ? err : sqlite_count(s, org, (int)from, (int)to, e);
}

/* ------------------------------------------------------------------ many at once */

void sqlite_ids_add(struct sqlite_ids *ids, int64_t id)
{
    if (ids->count++ == 0)
        buf_init(&ids->json, (STORE_SLICE_MAX + 1) * (size_t)24);
    buf_printf(&ids->json, "%c%lld", ids->count == 1 ? '[' : ',', (long long)id);
}

static const char *json_of(struct sqlite_ids *ids)
{
    buf_putc(&ids->json, ']');
    assert(!ids->json.overflow);
    return ids->json.data;
}

static void release(struct sqlite_ids *ids)
{
    buf_release(&ids->json);
    *ids = (struct sqlite_ids){0};
}

enum err sqlite_rows_take(struct sqlite_store *s, const char *org, struct sqlite_ids *ids,
                          bool gathered, struct error *e)
{
    if (ids->count == 0)
        return ERR_NONE;
    int64_t n = (int64_t)ids->count;
    enum err err = sql_run(&s->db, e, SQL_TAKE, "td", json_of(ids), gathered ? 0 : 1);
    release(ids);
    return err != ERR_NONE ? err : count_many(s, org, STORE_READY, STORE_LEASED, n, e);
}

void sqlite_note_sync(struct sqlite_store *s, int64_t received_at_ms)
{
    if (s->sync_count == s->sync_room) {
        s->sync_room = s->sync_room == 0 ? 256 : s->sync_room * 2;
        s->sync_ms = mem_resize(s->sync_ms, s->sync_room, sizeof *s->sync_ms);
    }
    int64_t took = store_wall_ms(&s->base) - received_at_ms;
    s->sync_ms[s->sync_count++] = took > 0 ? took : 0;
}

enum err sqlite_rows_apply(struct sqlite_store *s, const char *org, const char *key,
                           struct sqlite_ids *ids, enum store_state from, const char *code,
                           const char *message, size_t *applied, struct error *e)
{
    *applied = 0;
    if (ids->count == 0)
        return ERR_NONE;
    struct store_texts t;
    struct sql_query q = sql_query(&s->db, SQL_APPLY, "tttditt", json_of(ids), org, key, (int)from,
                                   store_wall_ms(&s->base), store_fit(code, t.code, sizeof t.code),
                                   store_fit(message, t.message, sizeof t.message));
    for (; sql_next(&q); (*applied)++)
        sqlite_note_sync(s, sqlite3_column_int64(q.st, 0));
    enum err err = sql_done(&q, e);
    release(ids);
    if (err != ERR_NONE)
        return err;
    return count_many(s, org, (int)from, STORE_DONE, (int64_t)*applied, e);
}
