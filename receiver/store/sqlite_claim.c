/*
 * A claim: of all campaigns with due rows and without a live lease, the one whose oldest row ranks
 * first. Lanes lead to it: for each org and class (live, background) the front lanes are looked at,
 * past those that are leased, of which there are no more than workers. A lane's due time is a lower
 * bound; one that turns out to be too low is refreshed and the search begins again, so that each
 * turn either claims or mends a lane.
 */
#include "sqlite_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* The best lane so far, and when to look again if there is none. */
struct search {
    bool found;
    char org[SFID_SIZE], key[SFID_SIZE];
    int64_t rank_ms;
    int64_t next_due_ms;
};

static bool names(const char (*orgs)[SFID_SIZE], size_t count, const char *org)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(orgs[i], org) == 0)
            return true;
    }
    return false;
}

static bool is_live_only(const struct store_claim_options *o, const char *org)
{
    return names(o->live_orgs, o->live_count, org);
}

static bool is_skipped(const struct store_claim_options *o, const char *org, int background)
{
    if (o->only_org != NULL && strcmp(o->only_org, org) != 0)
        return true;
    return names(o->skip_orgs, o->skip_count, org) || (background && is_live_only(o, org));
}

static bool rests(const struct store_claim_options *o, const char *org, const char *key)
{
    for (size_t i = 0; i < o->skip_key_count; i++) {
        if (strcmp(o->skip_keys[i].key, key) == 0 && strcmp(o->skip_keys[i].org, org) == 0)
            return true;
    }
    return false;
}

/* The first lane of that org and class that is neither leased nor at rest. */
static enum err look_at_front(struct sqlite_store *s, const struct store_claim_options *o,
                              const char *org, int background, int64_t now_ms, struct search *found,
                              struct error *e)
{
    struct sql_query q = sql_query(&s->db, SQL_LANE_FRONT, "td", org, background);
    while (sql_next(&q)) {
        char key[SFID_SIZE];
        int64_t due = sqlite3_column_int64(q.st, 1);
        sql_text(&q, 0, key, sizeof key);
        if (sqlite_lease_on(s, org, key) != NULL || rests(o, org, key))
            continue;
        int64_t rank = due + (background ? STORE_BACKGROUND_MS : 0);
        if (due > now_ms) {
            found->next_due_ms = due < found->next_due_ms ? due : found->next_due_ms;
        } else if (!found->found || rank < found->rank_ms) {
            found->found = true;
            found->rank_ms = rank;
            (void)snprintf(found->org, sizeof found->org, "%s", org);
            (void)snprintf(found->key, sizeof found->key, "%s", key);
        }
        break;
    }
    return sql_done(&q, e);
}

static enum err next_org(struct sqlite_store *s, char org[SFID_SIZE], bool *any, struct error *e)
{
    char after[SFID_SIZE];
    memcpy(after, org, sizeof after);
    struct sql_query q = sql_query(&s->db, SQL_LANE_ORG, "t", after);
    *any = sql_next(&q);
    if (*any)
        sql_text(&q, 0, org, SFID_SIZE);
    return sql_done(&q, e);
}

static enum err search(struct sqlite_store *s, const struct store_claim_options *o, int64_t now_ms,
                       struct search *found, struct error *e)
{
    char org[SFID_SIZE] = "";
    *found = (struct search){.next_due_ms = INT64_MAX};
    for (;;) {
        bool any;
        enum err err = next_org(s, org, &any, e);
        if (err != ERR_NONE || !any)
            return err;
        bool paused = false;
        err = sqlite_is_paused(&s->db, org, &paused, e);
        for (int background = 0; !paused && background <= 1 && err == ERR_NONE; background++) {
            if (!is_skipped(o, org, background))
                err = look_at_front(s, o, org, background, now_ms, found, e);
        }
        if (err != ERR_NONE)
            return err;
    }
}

/* ------------------------------------------------------------------ the rows of one campaign */

struct picked {
    struct store_hint *hints; /* SQLITE_SLICE_MAX */
    size_t count;
    bool has_echo, left_some, alone;
    bool goes_on;              /* others were picked before */
    struct sqlite_row *poison; /* SQLITE_SLICE_MAX */
    size_t poison_count;
};

/* The due rows of one class, in order. */
struct rows {
    struct sql_query q;
    bool any; /* row is the next one */
    struct sqlite_row row;
};

static void next_row(struct rows *r)
{
    r->any = sql_next(&r->q);
    if (r->any)
        sqlite_read_row(&r->q, &r->row);
}

static void take(struct picked *p, const struct rows *from, const char *key)
{
    const struct sql_query *q = &from->q;
    const struct sqlite_row *row = &from->row;
    struct store_hint *h = &p->hints[p->count++];
    *h = (struct store_hint){.row = row->id,
                             .kind = row->kind,
                             .tries = row->tries + 1,
                             .background = row->background,
                             .received_at_ms = row->received_at_ms};
    char identity[STORE_HINT_ID_SIZE];
    sql_text(q, 8, identity, sizeof identity);
    if (strchr(identity, ':') == NULL) /* else made by a worker or by the store */
        (void)snprintf(h->notification_id, sizeof h->notification_id, "%.*s", SFID_LEN, identity);
    sql_text(q, 9, h->record_id, sizeof h->record_id);
    sql_text(q, 10, h->subject_id, sizeof h->subject_id);
    h->withheld = sqlite3_column_int(q->st, 11) != 0;
    h->replayed_by = sqlite3_column_int64(q->st, 12);
    if (strcmp(key, STORE_KEY_NONE) != 0)
        (void)snprintf(h->campaign_id, sizeof h->campaign_id, "%s", key);
    p->has_echo = p->has_echo || row->kind == STORE_ECHO;
    p->alone = row->unsettled >= STORE_ALONE_AFTER;
}

/* A row that never settled comes alone; one that did not even so is poison. */
static void judge(struct picked *p, const struct rows *r, const char *key)
{
    if (r->row.unsettled >= 2 * STORE_ALONE_AFTER)
        p->poison[p->poison_count++] = r->row;
    else if (r->row.unsettled >= STORE_ALONE_AFTER && (p->count > 0 || p->goes_on))
        p->left_some = true;
    else
        take(p, r, key);
}

/* Oldest first, a background row as if it were younger. */
static enum err pick(struct sqlite_store *s, const char *org, const char *key, int64_t now_ms,
                     bool live_only, struct picked *p, struct error *e)
{
    const int most = SQLITE_SLICE_MAX + 1; /* one more tells that some are left */
    struct rows live = {.q = sql_query(&s->db, SQL_CLAIM_LIVE, "ttid", org, key, now_ms, most)};
    struct rows background = {
        .q = sql_query(&s->db, SQL_CLAIM_BACKGROUND, "ttid", org, key, now_ms, most)};
    next_row(&live);
    if (!live_only)
        next_row(&background);
    while (!p->alone && (live.any || background.any)) {
        if (p->count == SQLITE_SLICE_MAX || p->poison_count == SQLITE_SLICE_MAX) {
            p->left_some = true;
            break;
        }
        bool takes_live =
            live.any && (!background.any ||
                         live.row.due_at_ms <= background.row.due_at_ms + STORE_BACKGROUND_MS);
        struct rows *first = takes_live ? &live : &background;
        judge(p, first, key);
        next_row(first);
    }
    struct error other;
    enum err err = sql_done(&live.q, e);
    enum err err_background = sql_done(&background.q, err == ERR_NONE ? e : &other);
    return err != ERR_NONE ? err : err_background;
}

static enum err fail_poison(struct sqlite_store *s, const char *org, const char *key,
                            const struct sqlite_row *row, struct error *e)
{
    char why[STORE_MESSAGE_SIZE];
    (void)snprintf(why, sizeof why,
                   "%d passes with this notification ended without a result, the last %d of them "
                   "with nothing else in them; look into the log for what stopped them, then "
                   "replay it",
                   row->unsettled, STORE_ALONE_AFTER);
    enum err err = sqlite_attempt_add(s, row->id, STORE_FAIL, "poison", why, e);
    if (err != ERR_NONE)
        return err;
    return sqlite_row_end(s, org, key, row, STORE_READY, STORE_FAILED, "poison", why, e);
}

/* Moves what was picked and brings the campaign's lanes up to date. If the process dies with many
 * claims that it gathered, that is hardly the fault of any: each is counted when it stands alone.
 */
static enum err move(struct sqlite_store *s, const char *org, const char *key, int64_t now_ms,
                     bool gathered, struct picked *p, struct error *e)
{
    enum err err = ERR_NONE;
    struct sqlite_ids taken = {0};
    for (size_t i = 0; i < p->poison_count && err == ERR_NONE; i++)
        err = fail_poison(s, org, key, &p->poison[i], e);
    for (size_t i = 0; i < p->count && err == ERR_NONE; i++)
        sqlite_ids_add(&taken, p->hints[i].row);
    if (err == ERR_NONE)
        err = sqlite_rows_take(s, org, &taken, gathered, e);
    int64_t next_due = INT64_MAX;
    if (err == ERR_NONE)
        err = sqlite_lane_refresh(s, org, key, &next_due, e);
    p->left_some = p->left_some || next_due <= now_ms;
    return err;
}

/* Takes the hints. */
static struct store_claim *claim_of(const struct sqlite_lease *l, struct picked *p)
{
    struct store_claim *c = mem_alloc(sizeof *c);
    *c = (struct store_claim){.fence = l->fence,
                              .watermark = l->watermark,
                              .deadline_boot_ms = l->deadline_boot_ms,
                              .has_echo = p->has_echo,
                              .more = p->left_some,
                              .count = p->count};
    memcpy(c->org, l->org, sizeof c->org);
    memcpy(c->key, l->key, sizeof c->key);
    if (p->count > 0) {
        c->hints = mem_resize(p->hints, p->count, sizeof *p->hints);
        p->hints = NULL;
    }
    return c;
}

static enum err lease(struct sqlite_store *s, const char *org, const char *key, int64_t now_ms,
                      struct store_request *r, struct picked *p, struct error *e)
{
    struct sqlite_lease l = {.watermark = s->seq.value, .claimed_at_ms = now_ms};
    enum err err = sqlite_draw(s, &s->fence, &l.fence, e);
    if (err != ERR_NONE)
        return err;
    l.deadline_boot_ms = store_boot_ms(&s->base) + s->base.options.lease_ms;
    (void)snprintf(l.org, sizeof l.org, "%s", org);
    (void)snprintf(l.key, sizeof l.key, "%s", key);
    err = sqlite_lease_add(s, &l, e);
    if (err == ERR_NONE)
        r->u.claim.out = claim_of(&l, p);
    return err;
}

/* ------------------------------------------------------------------ the operation */

static enum err pick_and_move(struct sqlite_store *s, const struct store_claim_options *o,
                              const char *org, const char *key, int64_t now_ms, struct picked *p,
                              struct error *e)
{
    p->hints = mem_array(SQLITE_SLICE_MAX, sizeof *p->hints);
    p->poison = mem_array(SQLITE_SLICE_MAX, sizeof *p->poison);
    enum err err = pick(s, org, key, now_ms, is_live_only(o, org), p, e);
    return err != ERR_NONE ? err : move(s, org, key, now_ms, o->gathered, p, e);
}

static void release(struct picked *p)
{
    free(p->hints);
    free(p->poison);
}

static enum err try_lane(struct sqlite_store *s, const struct search *at, int64_t now_ms,
                         struct store_request *r, struct error *e)
{
    struct picked p = {0};
    enum err err = pick_and_move(s, r->u.claim.options, at->org, at->key, now_ms, &p, e);
    if (err == ERR_NONE && p.count > 0)
        err = lease(s, at->org, at->key, now_ms, r, &p, e);
    release(&p);
    return err;
}

/* What else was due at the claim. */
static enum err claim_more(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    const struct sqlite_lease *l = sqlite_lease_of(s, r->lease);
    if (l == NULL)
        return sqlite_stale(r->lease, e);
    struct picked p = {.goes_on = true};
    enum err err = pick_and_move(s, r->u.claim.options, l->org, l->key, l->claimed_at_ms, &p, e);
    if (err == ERR_NONE)
        r->u.claim.out = claim_of(l, &p);
    release(&p);
    return err;
}

/* The boot time of the next event: a row becomes due, or a lease runs out. */
static int64_t next_event(struct sqlite_store *s, int64_t next_due_ms, int64_t now_ms)
{
    int64_t boot = store_boot_ms(&s->base);
    int64_t next = next_due_ms == INT64_MAX ? INT64_MAX : boot + (next_due_ms - now_ms);
    for (size_t i = 0; i < s->leases.count; i++) {
        if (s->leases.v[i].deadline_boot_ms < next)
            next = s->leases.v[i].deadline_boot_ms;
    }
    return next;
}

enum err sqlite_claim(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    r->u.claim.out = NULL;
    if (r->lease != NULL)
        return claim_more(s, r, e);
    enum err err = sqlite_expire_leases(s, e);
    while (err == ERR_NONE) {
        struct search at;
        int64_t now = store_wall_ms(&s->base);
        err = search(s, r->u.claim.options, now, &at, e);
        if (err != ERR_NONE)
            return err;
        if (!at.found || s->leases.count == SQLITE_LEASES_MAX) {
            r->u.claim.next_boot_ms = next_event(s, at.next_due_ms, now);
            return ERR_NONE;
        }
        err = try_lane(s, &at, now, r, e);
        if (err != ERR_NONE || r->u.claim.out != NULL)
            return err;
    }
    return err;
}
