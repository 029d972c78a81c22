#define _GNU_SOURCE /* getrandom */
/*
 * How each claimed hint ended, in transactions of at most STORE_SLICE_MAX rows under the fence; the
 * last one gives the lease up.
 *
 *   the pass ended well     member hints by their own row's result, all others applied; failed rows
 *                           that no claimed hint stands for become member hints (protocol rule 15)
 *   the org as a whole      ready again, the try given back (rule 17)
 *   this machine's disk     as well, and the campaign waits (trouble.c)
 *   anything else           ready again later, or FAILED after max_tries
 *   the lease was lost      nothing: the rows are another's business
 */
#include "worker_int.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "mem.h"
#include "timeutil.h"

enum {
    GAP_AGAIN_MS = 65 * 1000,
    GAP_PATIENCE_MS = 15 * 60 * 1000,
    BUDGET_WAIT_MS = 15 * 60 * 1000,
    BEHIND_OTHERS_MS = 30 * 1000
};

static uint64_t random_bits(void)
{
    uint64_t bits = 0;
    if (getrandom(&bits, sizeof bits, 0) != (ssize_t)sizeof bits)
        bits = (uint64_t)time_boot_ms() * 6364136223846793005u;
    return bits;
}

static const struct failure *failure_of(const struct pass *p, const char *member_id)
{
    for (size_t i = 0; i < p->failure_count; i++) {
        if (strcmp(p->failures[i].member_id, member_id) == 0)
            return &p->failures[i];
    }
    return NULL;
}

static bool stands_for_member(const struct store_hint *h)
{
    return h->kind == STORE_MEMBER || h->kind == STORE_DELETION;
}

static const char *member_of(const struct store_hint *h)
{
    return h->kind == STORE_DELETION ? h->subject_id : h->record_id;
}

/* A counted failure: later, or for good. */
static void retry_or_fail(const struct pass *p, const struct store_hint *h, int tries_max,
                          struct store_outcome *o)
{
    if (h->tries >= tries_max) {
        o->verdict = STORE_FAIL;
        return;
    }
    o->verdict = STORE_RETRY;
    o->due_at_ms = time_wall_ms() + retry_delay_ms(h->tries, p->jitter);
}

/* getDeleted is complete up to the last whole minute only, and what was deleted for good is nowhere
 * else. Not for ever: the org's clock may be behind. */
static bool looks_again(const struct pass *p, const struct store_hint *h)
{
    return p->gap_covered_ms < h->received_at_ms &&
           time_wall_ms() - h->received_at_ms < GAP_PATIENCE_MS;
}

/* Of more failed rows than are kept the campaign's own hint tells, so that its tries are counted,
 * with growing pauses, and end. NULL: none was claimed, and one is made. */
static const struct store_hint *answers_for_all(const struct pass *p)
{
    const struct store_hint *found = NULL;
    for (size_t i = 0; p->failures_overflow && i < p->claim->count; i++) {
        const struct store_hint *h = &p->claim->hints[i];
        if (h->kind == STORE_CAMPAIGN && (found == NULL || h->tries > found->tries))
            found = h;
    }
    return found;
}

/* While the org is held back what others wait for becomes older than this, so that the next attempt
 * is made with another campaign: the trouble may be with this one alone. Without its org nothing
 * holds the work back but its due time. */
static int64_t org_pause_ms(const struct pass *p)
{
    struct org_state state;
    if (p->org == NULL)
        return RETRY_CAP_MS;
    org_state_get(p->org, &state);
    int64_t left = state.held_until_boot_ms - time_boot_ms();
    if (left < 0)
        return 0;
    return left < BEHIND_OTHERS_MS ? left : BEHIND_OTHERS_MS;
}

static bool is_of_a_deletion(const struct store_hint *h)
{
    return h->kind == STORE_DELETION || h->kind == STORE_CAMPAIGN_GONE;
}

static struct store_outcome outcome_of(const struct pass *p, const struct store_hint *h,
                                       enum err result, const struct error *why)
{
    struct store_outcome o = {
        .row = h->row, .verdict = STORE_APPLIED, .code = p->held ? "held" : NULL};
    bool has_failed = stands_for_member(h) && failure_of(p, member_of(h)) != NULL;
    if (result == ERR_NONE && p->withheld && !is_of_a_deletion(h) && !has_failed) {
        o.verdict = STORE_RETRY;
        o.uncounted = true;
        o.due_at_ms = time_wall_ms() + BUDGET_WAIT_MS;
        o.code = STORE_CODE_BUDGET;
        o.message = "nine tenths of the org's daily API calls are used: only deletions are carried "
                    "out until it is less";
        return o;
    }
    if (result == ERR_NONE && h->kind == STORE_JOB &&
        (size_t)(h - p->claim->hints) >= p->jobs_left) {
        o.verdict = STORE_RETRY;
        o.uncounted = true;
        o.due_at_ms = p->jobs_due_ms > 0 ? p->jobs_due_ms : time_wall_ms();
        return o;
    }
    if (result == ERR_NONE && h->kind == STORE_GAP && looks_again(p, h)) {
        o.verdict = STORE_RETRY;
        o.uncounted = true;
        o.due_at_ms = time_wall_ms() + GAP_AGAIN_MS;
        return o;
    }
    if (result == ERR_NONE) {
        const struct failure *f =
            stands_for_member(h) && p->claim->key[0] != '*' ? failure_of(p, member_of(h)) : NULL;
        if (f == NULL && hint_has_helper(h))
            f = failure_of(p, h->record_id);
        if (f != NULL) {
            retry_or_fail(p, h, f->tries_max, &o);
            o.code = f->code;
            o.message = f->message;
        } else if (answers_for_all(p) == h) {
            retry_or_fail(p, h, p->tries_max, &o);
            o.code = p->failures[0].code;
            o.message = p->failures[0].message;
        }
        return o;
    }
    o.code = err_name(result);
    o.message = why->text;
    if (is_org_failure(result)) {
        o.verdict = STORE_RETRY;
        o.uncounted = true;
        o.due_at_ms = time_wall_ms() + (p->local_pause_ms > 0
                                            ? p->local_pause_ms
                                            : org_pause_ms(p) + retry_delay_ms(1, p->jitter));
    } else {
        retry_or_fail(p, h, p->options->max_tries, &o);
    }
    return o;
}

/* ------------------------------------------------------------------ new hints */

bool settle_is_claimed(const struct pass *p, const char *member_id)
{
    for (size_t i = 0; i < p->claim->count; i++) {
        const struct store_hint *h = &p->claim->hints[i];
        if (stands_for_member(h) && strcmp(member_of(h), member_id) == 0)
            return true;
        if (hint_has_helper(h) && strcmp(h->record_id, member_id) == 0)
            return true;
    }
    return false;
}

static struct store_new_hint hint_of_move(const struct move *m)
{
    return (struct store_new_hint){
        .kind = m->kind,
        .background = m->background,
        .campaign_id = m->campaign_id,
        .record_id = m->record_id,
        .subject_id = m->subject_id,
        .received_at_ms = m->received_at_ms,
    };
}

/* Moves and failed rows as hints; free() the result. */
static struct store_new_hint *gather_hints(const struct pass *p, bool ended_well, size_t *count)
{
    struct store_new_hint *hints = mem_array(p->move_count + p->failure_count + 2, sizeof *hints);
    size_t n = 0;
    for (size_t i = 0; i < p->move_count; i++)
        hints[n++] = hint_of_move(&p->moves[i]);
    for (size_t i = 0; ended_well && !p->failures_overflow && i < p->failure_count; i++) {
        const struct failure *f = &p->failures[i];
        if (settle_is_claimed(p, f->member_id))
            continue;
        hints[n++] = (struct store_new_hint){
            .kind = STORE_MEMBER,
            .campaign_id = p->claim->key,
            .record_id = f->member_id,
            .subject_id = "",
            .due_at_ms = time_wall_ms() + retry_delay_ms(1, p->jitter),
            .code = f->code,
            .message = f->message,
        };
    }
    if (ended_well && p->asks_again)
        hints[n++] = (struct store_new_hint){
            .kind = STORE_GAP,
            .campaign_id = "",
            .record_id = "",
            .subject_id = "",
            .due_at_ms = time_wall_ms() + GAP_AGAIN_MS,
        };
    if (ended_well && p->failures_overflow && answers_for_all(p) == NULL)
        hints[n++] = (struct store_new_hint){
            .kind = STORE_CAMPAIGN,
            .campaign_id = p->claim->key,
            .record_id = p->claim->key,
            .subject_id = "",
            .due_at_ms = time_wall_ms() + retry_delay_ms(1, p->jitter),
            .code = p->failures[0].code,
            .message = p->failures[0].message,
        };
    *count = n;
    return hints;
}

/* All but the last slice of the hints; what is left is *count from the new *hints. */
static enum err settle_hint_slices(struct pass *p, const struct store_new_hint **hints,
                                   size_t *count, struct error *e)
{
    bool more;
    while (*count > STORE_SLICE_MAX) {
        struct store_settle x = {.hints = *hints, .hint_count = STORE_SLICE_MAX};
        enum err err = store_settle(p->options->store, p->claim, &x, &more, e);
        if (err != ERR_NONE)
            return err;
        *hints += STORE_SLICE_MAX;
        *count -= STORE_SLICE_MAX;
    }
    return ERR_NONE;
}

enum err settle_moves(struct pass *p, struct error *e)
{
    size_t count;
    bool more;
    struct store_new_hint *all = gather_hints(p, false, &count);
    const struct store_new_hint *hints = all;
    enum err err = settle_hint_slices(p, &hints, &count, e);
    if (err == ERR_NONE && count > 0) {
        struct store_settle x = {.hints = hints, .hint_count = count};
        err = store_settle(p->options->store, p->claim, &x, &more, e);
    }
    if (err == ERR_NONE)
        p->move_count = 0;
    free(all);
    return err;
}

enum err settle_many_moves(struct pass *p, struct error *e)
{
    return p->move_count >= MOVES_FLUSH ? settle_moves(p, e) : ERR_NONE;
}

/* ------------------------------------------------------------------ the settle */

static enum err settle_last(struct pass *p, struct store_settle *x, struct error *e)
{
    bool more = true;
    enum err err = store_settle(p->options->store, p->claim, x, &more, e);
    while (err == ERR_NONE && more) {
        x->outcomes = NULL;
        x->hints = NULL;
        x->count = x->hint_count = 0;
        err = store_settle(p->options->store, p->claim, x, &more, e);
    }
    return err;
}

enum err settle_pass(struct pass *p, enum err result, const struct error *why, struct error *e)
{
    if (result == ERR_STALE)
        return ERR_NONE;
    bool well = result == ERR_NONE;
    size_t hint_count;
    p->jitter = random_bits();
    struct store_new_hint *all = gather_hints(p, well, &hint_count);
    const struct store_new_hint *hints = all;
    struct store_outcome *outcomes = mem_array(p->claim->count, sizeof *outcomes);
    for (size_t i = 0; i < p->claim->count; i++)
        outcomes[i] = outcome_of(p, &p->claim->hints[i], result, why);
    enum err err = settle_hint_slices(p, &hints, &hint_count, e);
    if (err == ERR_NONE) {
        struct store_settle x = {
            .outcomes = outcomes,
            .count = p->claim->count,
            .hints = hints,
            .hint_count = hint_count,
            .whole = well && p->whole && !p->withheld,
            .release = true,
            .fingerprint =
                well && p->whole && !p->held && !p->withheld && p->campaign->campaign.exists
                    ? p->fingerprint
                    : NULL,
        };
        err = settle_last(p, &x, e);
    }
    free(outcomes);
    free(all);
    return err;
}
