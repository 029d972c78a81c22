/*
 * Entering: a notification from outside or a hint made inside becomes a READY row, or meets one
 * that is known already (protocol rule 2):
 *
 *     READY    stays. If its campaign is leased it draws a new sequence number all the same: the
 *              pass under way may have read before the change that this one stands for, and must
 *              not settle it by its watermark (rule 6).
 *     LEASED   is marked to run again.
 *     DONE, FAILED   become READY.
 *
 * An equal hint moves the due time of a READY or marked row forward; an echo, backward (rule 12).
 */
#include "sqlite_int.h"

#include <stdio.h>
#include <string.h>

#include "timeutil.h"

/* What enters. Text is borrowed. */
struct entry {
    const char *org, *notification_id, *record_id, *subject_id, *key, *object;
    enum store_kind kind;
    int background;
    int64_t due_at_ms, received_at_ms;
    const char *code, *message;
    bool is_hint;
};

/* The row that it met. */
struct known {
    bool found;
    struct sqlite_row row;
    enum store_state state;
    char key[SFID_SIZE];
    int64_t seq;
};

static enum err insert(struct sqlite_store *s, const struct entry *n, bool *inserted,
                       struct error *e)
{
    bool ignored = n->kind == STORE_IGNORED;
    enum store_state state = ignored ? STORE_DONE : STORE_READY;
    int64_t seq = 0, claim_key = 0;
    enum err err = sqlite_claim_key(s, n->org, n->key, &claim_key, e);
    if (err == ERR_NONE && !ignored)
        err = sqlite_draw(s, &s->seq, &seq, e);
    if (err != ERR_NONE)
        return err;
    int64_t before = sqlite3_total_changes64(s->db.handle);
    err = sql_run(&s->db, e, SQL_INSERT, "tttttdtddiiintti", n->org, n->notification_id,
                  n->record_id, n->subject_id, n->key, (int)n->kind, n->object, (int)state,
                  n->background, seq, n->due_at_ms, n->received_at_ms,
                  ignored ? n->received_at_ms : TIME_NONE, n->code, n->message, claim_key);
    *inserted = err == ERR_NONE && sqlite3_total_changes64(s->db.handle) > before;
    if (err != ERR_NONE || !*inserted)
        return err;
    err = sqlite_count(s, n->org, -1, (int)state, e);
    if (err == ERR_NONE && !ignored)
        err = sqlite_lane_lower(s, n->org, n->key, n->background, n->due_at_ms, e);
    return err;
}

static enum err find(struct sqlite_store *s, const struct entry *n, struct known *out,
                     struct error *e)
{
    struct sql_query q =
        sql_query(&s->db, SQL_FIND, "ttt", n->org, n->notification_id, n->record_id);
    out->found = sql_next(&q);
    if (out->found) {
        sqlite_read_row(&q, &out->row);
        out->state = (enum store_state)sqlite3_column_int(q.st, 8);
        sql_text(&q, 9, out->key, sizeof out->key);
        out->seq = sqlite3_column_int64(q.st, 10);
    }
    return sql_done(&q, e);
}

/* Of two times for one hint: the earlier; of two for an echo, the later. */
static int64_t merged_due(const struct entry *n, int64_t known_ms)
{
    bool later = n->due_at_ms > known_ms;
    return later == (n->kind == STORE_ECHO) ? n->due_at_ms : known_ms;
}

static enum err stay_ready(struct sqlite_store *s, const struct entry *n, const struct known *k,
                           struct error *e)
{
    bool leased = sqlite_lease_on(s, n->org, k->key) != NULL;
    if (!leased && !n->is_hint)
        return ERR_NONE;
    int64_t seq = TIME_NONE, due = k->row.due_at_ms, received = k->row.received_at_ms;
    int background = k->row.background;
    if (n->is_hint) {
        due = merged_due(n, due);
        received = n->received_at_ms < received ? n->received_at_ms : received;
        background = background && n->background;
    }
    enum err err = leased ? sqlite_draw(s, &s->seq, &seq, e) : ERR_NONE;
    if (err == ERR_NONE)
        err = sql_run(&s->db, e, SQL_STAY, "inidntt", k->row.id, seq, due, background, received,
                      n->code, n->message);
    return err != ERR_NONE ? err : sqlite_lane_lower(s, n->org, k->key, background, due, e);
}

static enum err mark_rerun(struct sqlite_store *s, const struct entry *n, const struct known *k,
                           struct error *e)
{
    int64_t due = k->row.rerun_at_ms != 0 ? merged_due(n, k->row.rerun_at_ms) : n->due_at_ms;
    return sql_run(&s->db, e, SQL_RERUN, "iid", k->row.id, due, k->row.background && n->background);
}

static enum err make_ready_again(struct sqlite_store *s, const struct entry *n,
                                 const struct known *k, struct error *e)
{
    int64_t seq, claim_key = 0;
    enum err err = sqlite_draw(s, &s->seq, &seq, e);
    if (err == ERR_NONE)
        err = sqlite_claim_key(s, n->org, n->key, &claim_key, e);
    if (err == ERR_NONE)
        err = sql_run(&s->db, e, SQL_AGAIN, "ittdtdiiitti", k->row.id, n->subject_id, n->key,
                      (int)n->kind, n->object, n->background, seq, n->due_at_ms, n->received_at_ms,
                      n->code, n->message, claim_key);
    if (err == ERR_NONE)
        err = sqlite_count(s, n->org, (int)k->state, STORE_READY, e);
    if (err == ERR_NONE)
        err = sqlite_lane_lower(s, n->org, n->key, n->background, n->due_at_ms, e);
    return err;
}

/* *seq: the number that this very entry drew, if it may have been the one that entered. */
static enum err meet(struct sqlite_store *s, const struct entry *n, const int64_t *seq,
                     bool *inserted, struct error *e)
{
    struct known k;
    enum err err = find(s, n, &k, e);
    if (err != ERR_NONE)
        return err;
    if (!k.found)
        return error_set(e, ERR_INTERNAL, "a row that was known cannot be found");
    *inserted = seq != NULL && k.seq == *seq;
    if (*inserted || n->kind == STORE_IGNORED)
        return ERR_NONE;
    switch (k.state) {
    case STORE_READY:
        return stay_ready(s, n, &k, e);
    case STORE_LEASED:
        return mark_rerun(s, n, &k, e);
    case STORE_DONE:
    case STORE_FAILED:
    default:
        return make_ready_again(s, n, &k, e);
    }
}

static enum err enter(struct sqlite_store *s, const struct entry *n, bool *inserted,
                      struct error *e)
{
    enum err err = insert(s, n, inserted, e);
    return err != ERR_NONE || *inserted ? err : meet(s, n, NULL, inserted, e);
}

static const char *key_of(const char *campaign)
{
    return campaign[0] != '\0' ? campaign : STORE_KEY_NONE;
}

static struct entry entry_of(const struct store_put *p, const struct store_item *item, int64_t now)
{
    int64_t received = p->received_at_ms != 0 ? p->received_at_ms : now;
    return (struct entry){.org = p->org,
                          .notification_id = item->notification_id,
                          .record_id = item->record_id,
                          .subject_id = item->subject_id,
                          .key = key_of(item->campaign_id),
                          .object = item->object,
                          .kind = item->kind,
                          .due_at_ms = received,
                          .received_at_ms = received};
}

enum err sqlite_put(struct sqlite_store *s, struct store_put *p, struct error *e)
{
    int64_t now = store_wall_ms(&s->base);
    size_t stored = 0;
    for (size_t i = 0; i < p->count; i++) {
        const struct entry n = entry_of(p, &p->items[i], now);
        bool inserted;
        enum err err = enter(s, &n, &inserted, e);
        if (err != ERR_NONE)
            return err;
        stored += inserted;
    }
    p->stored = stored;
    p->duplicates = p->count - stored;
    return ERR_NONE;
}

/* ------------------------------------------------------------------ a batch at once */

static bool is_of_same_key(const struct sqlite_incoming_row *a, const struct sqlite_incoming_row *b)
{
    return strcmp(a->key, b->key) == 0 && strcmp(a->org, b->org) == 0;
}

/* All numbers are drawn first, since no other statement may run while the rows are read. An ignored
 * one draws one too, by which it is known again. */
static enum err lay_out(struct sqlite_store *s, const struct store_put *puts, int64_t now,
                        struct error *e)
{
    s->incoming.count = 0;
    enum err err = ERR_NONE;
    for (const struct store_put *p = puts; p != NULL; p = p->next) {
        for (size_t i = 0; i < p->count && err == ERR_NONE; i++) {
            struct sqlite_incoming_row *r = sqlite_incoming_add(&s->incoming);
            r->org = p->org;
            r->received_at_ms = p->received_at_ms != 0 ? p->received_at_ms : now;
            r->item = &p->items[i];
            r->key = key_of(r->item->campaign_id);
            r->state = r->item->kind == STORE_IGNORED ? STORE_DONE : STORE_READY;
            if (s->incoming.count > 1 && is_of_same_key(r, r - 1))
                r->claim_key = r[-1].claim_key;
            else
                err = sqlite_claim_key(s, r->org, r->key, &r->claim_key, e);
            if (err == ERR_NONE)
                err = sqlite_draw(s, &s->seq, &r->seq, e);
        }
    }
    return err;
}

/* What must follow a row that entered. */
static enum err follow(struct sqlite_store *s, const struct sqlite_incoming_row *r,
                       const struct sqlite_incoming_row *before, struct error *e)
{
    enum err err = sqlite_count(s, r->org, -1, (int)r->state, e);
    if (err != ERR_NONE || r->state != STORE_READY)
        return err;
    if (before != NULL && before->state == STORE_READY && is_of_same_key(r, before) &&
        before->received_at_ms <= r->received_at_ms)
        return ERR_NONE; /* its lane is low enough */
    return sqlite_lane_lower(s, r->org, r->key, 0, r->received_at_ms, e);
}

/* all: every row is new. */
static enum err follow_all(struct sqlite_store *s, struct store_put *puts, bool all, int64_t now,
                           struct error *e)
{
    const struct sqlite_incoming_row *r = s->incoming.v, *before = NULL;
    for (struct store_put *p = puts; p != NULL; p = p->next) {
        p->stored = 0;
        for (size_t i = 0; i < p->count; i++, r++) {
            const struct entry n = entry_of(p, r->item, now);
            bool inserted = true;
            enum err err = all ? ERR_NONE : meet(s, &n, &r->seq, &inserted, e);
            if (err == ERR_NONE && inserted)
                err = follow(s, r, before, e);
            if (err != ERR_NONE)
                return err;
            p->stored += inserted;
            before = inserted ? r : before;
        }
        p->duplicates = p->count - p->stored;
    }
    return ERR_NONE;
}

enum err sqlite_put_all(struct sqlite_store *s, struct store_put *puts, struct error *e)
{
    int64_t now = store_wall_ms(&s->base);
    enum err err = lay_out(s, puts, now, e);
    int64_t before = sqlite3_total_changes64(s->db.handle);
    if (err == ERR_NONE)
        err = sql_run(&s->db, e, SQL_INSERT_ALL, "");
    bool all = sqlite3_total_changes64(s->db.handle) - before == (sqlite3_int64)s->incoming.count;
    if (err == ERR_NONE)
        err = follow_all(s, puts, all, now, e);
    s->incoming.count = 0; /* what it points to is the puts' */
    for (struct store_put *p = puts; p != NULL; p = p->next)
        p->result = err;
    return err;
}

/* ------------------------------------------------------------------ hints */

enum err sqlite_add_hint(struct sqlite_store *s, const char *org, const struct store_new_hint *h,
                         struct error *e)
{
    int64_t now = store_wall_ms(&s->base);
    char identity[STORE_HINT_ID_SIZE], code[STORE_CODE_SIZE], message[STORE_MESSAGE_SIZE];
    store_hint_identity(h, identity);
    if (h->code != NULL)
        (void)snprintf(code, sizeof code, "%.*s", (int)store_cut(h->code, sizeof code), h->code);
    if (h->message != NULL)
        (void)snprintf(message, sizeof message, "%.*s", (int)store_cut(h->message, sizeof message),
                       h->message);
    const struct entry n = {.org = org,
                            .notification_id = identity,
                            .record_id = h->record_id,
                            .subject_id = h->subject_id,
                            .key = key_of(h->campaign_id),
                            .object = "",
                            .kind = h->kind,
                            .background = h->background,
                            .due_at_ms = h->due_at_ms != 0 ? h->due_at_ms : now,
                            .received_at_ms = h->received_at_ms != 0 ? h->received_at_ms : now,
                            .code = h->code != NULL ? code : NULL,
                            .message = h->message != NULL ? message : NULL,
                            .is_hint = true};
    bool inserted;
    return enter(s, &n, &inserted, e);
}

enum err sqlite_hint(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    return sqlite_add_hint(s, r->u.hint.org, r->u.hint.what, e);
}

enum err sqlite_add_echo(struct sqlite_store *s, const char *org, const char *key, struct error *e)
{
    const struct store_new_hint h = {.kind = STORE_ECHO,
                                     .campaign_id = key,
                                     .record_id = key,
                                     .subject_id = "",
                                     .due_at_ms =
                                         store_wall_ms(&s->base) + s->base.options.echo_ms};
    return sqlite_add_hint(s, org, &h, e);
}
