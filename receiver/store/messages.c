/*
 * Messages, ledger, forgetting, pause: the public functions. What may look at the whole store does
 * so in slices, each a short read of its own.
 */
#include "store_int.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "timeutil.h"

enum { WALK_PATIENCE_MS = 2000 };

/* ------------------------------------------------------------------ messages */

enum err store_message_walk(struct store *s, const struct store_filter *f,
                            struct store_position *at, struct store_message *out, size_t max,
                            size_t *count, bool *more, struct error *e)
{
    struct store_request r = {.op = STORE_OP_MESSAGES};
    int64_t until = time_boot_ms() + WALK_PATIENCE_MS;
    size_t n = 0;
    r.u.messages.filter = f;
    r.u.messages.at = *at;
    do {
        r.u.messages.out = out + n;
        r.u.messages.max = max - n;
        enum err err = store_submit(s, &r, e);
        if (err != ERR_NONE)
            return err;
        n += r.u.messages.count;
    } while (r.u.messages.more && n < max && time_boot_ms() < until);
    *at = r.u.messages.at;
    *more = r.u.messages.more;
    *count = n;
    return ERR_NONE;
}

enum err store_message_get(struct store *s, int64_t id, struct store_message *out,
                           struct store_attempt attempts[STORE_ATTEMPTS_MAX], size_t *attempt_count,
                           struct error *e)
{
    struct store_message found;
    struct store_request r = {.op = STORE_OP_MESSAGE_GET};
    r.u.message_get.id = id;
    r.u.message_get.out = &found;
    r.u.message_get.attempts = attempts;
    enum err err = store_submit(s, &r, e);
    if (err != ERR_NONE)
        return err;
    *out = found;
    if (attempts != NULL)
        *attempt_count = r.u.message_get.attempt_count;
    return ERR_NONE;
}

bool store_may_move(enum store_kind kind, enum store_state state, enum store_job_kind how)
{
    bool waits = state == STORE_READY || state == STORE_LEASED;
    if (kind == STORE_IGNORED || kind == STORE_JOB || (kind == STORE_ECHO && waits))
        return false;
    return how == STORE_JOB_REPLAY || state == STORE_READY || state == STORE_FAILED;
}

void store_count_add(struct store_count *c, int how, enum store_kind kind, enum store_state state,
                     const char *code, const char *object)
{
    if (how != STORE_ANY && !store_may_move(kind, state, (enum store_job_kind)how)) {
        c->skipped++;
        return;
    }
    c->count++;
    c->by_state[state]++;
    size_t i = 0;
    while (i < c->code_count && strcmp(c->codes[i].name, code) != 0)
        i++;
    if (i == c->code_count && i < STORE_COUNT_NAMES) {
        (void)snprintf(c->codes[i].name, sizeof c->codes[i].name, "%s", code);
        c->code_count++;
    }
    if (i < STORE_COUNT_NAMES)
        c->codes[i].count++;
    i = 0;
    while (i < c->object_count && strcmp(c->objects[i].name, object) != 0)
        i++;
    if (i == c->object_count && i < STORE_COUNT_NAMES) {
        (void)snprintf(c->objects[i].name, sizeof c->objects[i].name, "%s", object);
        c->object_count++;
    }
    if (i < STORE_COUNT_NAMES)
        c->objects[i].count++;
}

enum err store_message_count(struct store *s, const struct store_filter *f, int how,
                             struct store_count *out, struct error *e)
{
    struct store_request r = {.op = STORE_OP_MESSAGES};
    int64_t looked_at = 0;
    *out = (struct store_count){0};
    r.u.messages.filter = f;
    r.u.messages.counted = out;
    r.u.messages.how = how;
    do {
        enum err err = store_submit(s, &r, e);
        if (err != ERR_NONE)
            return err;
        looked_at += r.u.messages.looked_at;
    } while (r.u.messages.more && looked_at < STORE_COUNT_ROWS_MAX);
    out->is_partial = r.u.messages.more;
    return ERR_NONE;
}

enum err store_message_count_ids(struct store *s, const int64_t *ids, size_t n, int how,
                                 struct store_count *out, struct error *e)
{
    struct store_request r = {.op = STORE_OP_MESSAGE_IDS};
    *out = (struct store_count){0};
    r.u.message_ids.counted = out;
    r.u.message_ids.how = how;
    enum err err = ERR_NONE;
    for (size_t i = 0; i < n && err == ERR_NONE; i += r.u.message_ids.n) {
        r.u.message_ids.ids = ids + i;
        r.u.message_ids.n = n - i < STORE_SLICE_MAX ? n - i : STORE_SLICE_MAX;
        err = store_submit(s, &r, e);
    }
    out->newest = (struct store_position){0};
    return err;
}

enum err store_message_move(struct store *s, const struct store_move *m, enum store_job_state *now,
                            struct error *e)
{
    struct store_request r = {.op = STORE_OP_MESSAGE_MOVE, .u.message_move = {.what = m}};
    assert(m->count <= STORE_SLICE_MAX);
    assert(m->cursor == NULL || strlen(m->cursor) < STORE_JOB_CURSOR_SIZE);
    enum err err = store_submit(s, &r, e);
    if (err == ERR_NONE)
        *now = r.u.message_move.now;
    return err;
}

enum err store_failures(struct store *s, struct store_failure *out, size_t max, size_t *count,
                        struct error *e)
{
    struct store_request r = {.op = STORE_OP_FAILURES, .u.failures = {.out = out, .max = max}};
    enum err err = store_submit(s, &r, e);
    if (err == ERR_NONE)
        *count = r.u.failures.count;
    return err;
}

/* ------------------------------------------------------------------ ledger */

enum err store_ledger_walk(struct store *s, const char *org, const char *campaign,
                           const char *member, int64_t *before_id, struct store_ledger_entry *out,
                           size_t max, size_t *count, bool *more, struct error *e)
{
    struct store_request r = {.op = STORE_OP_LEDGER};
    int64_t until = time_boot_ms() + WALK_PATIENCE_MS;
    size_t n = 0;
    r.u.ledger.org = org;
    r.u.ledger.campaign = campaign;
    r.u.ledger.member = member;
    r.u.ledger.before_id = *before_id;
    do {
        r.u.ledger.out = out + n;
        r.u.ledger.max = max - n;
        r.u.ledger.count = 0;
        enum err err = store_submit(s, &r, e);
        n += r.u.ledger.count;
        if (err != ERR_NONE) {
            store_ledger_release(out, n);
            return err;
        }
    } while (r.u.ledger.more && n < max && time_boot_ms() < until);
    *before_id = r.u.ledger.before_id;
    *more = r.u.ledger.more;
    *count = n;
    return ERR_NONE;
}

void store_ledger_release(struct store_ledger_entry *entries, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(entries[i].before_json);
        free(entries[i].after_json);
        entries[i].before_json = entries[i].after_json = NULL;
    }
}

/* ------------------------------------------------------------------ forgetting */

/* Once even if nothing is found: what is gone from the tables may be in a file yet. */
static bool is_to_be_erased(const struct store_forget_slice *found)
{
    return found->count > 0 || (found->from == STORE_FORGET_MESSAGES && !found->more);
}

static enum err forget_in(struct store *s, struct store_request *find, bool dry_run,
                          int64_t *forgotten, struct error *e)
{
    do {
        enum err err = store_submit(s, find, e);
        if (err == ERR_NONE && !dry_run && is_to_be_erased(&find->u.forget)) {
            struct store_request erase = *find;
            erase.op = STORE_OP_FORGET;
            err = store_submit(s, &erase, e);
        }
        if (err != ERR_NONE)
            return err;
        *forgotten += (int64_t)find->u.forget.count;
    } while (find->u.forget.more);
    return ERR_NONE;
}

enum err store_forget(struct store *s, const char *org, const char *record, const char *email,
                      bool dry_run, struct store_forgotten *out, struct error *e)
{
    int64_t *ids = mem_array(STORE_SLICE_MAX, sizeof *ids);
    int64_t *const counts[STORE_FORGET_PLACES] = {
        [STORE_FORGET_LEDGER] = &out->ledger,       [STORE_FORGET_MESSAGES] = &out->messages,
        [STORE_FORGET_DOCUMENTS] = &out->documents, [STORE_FORGET_JOBS] = &out->items,
        [STORE_FORGET_EMAIL] = &out->items,
    };
    enum err err = ERR_NONE;
    *out = (struct store_forgotten){0};
    for (int i = 0; i < STORE_FORGET_PLACES && err == ERR_NONE; i++) {
        struct store_request r = {.op = STORE_OP_FORGET_FIND};
        const char *what = i == STORE_FORGET_EMAIL ? email : record;
        if (what[0] == '\0')
            continue;
        r.u.forget = (struct store_forget_slice){
            .org = org, .record = what, .from = (enum store_forget_from)i, .ids = ids};
        err = forget_in(s, &r, dry_run, counts[i], e);
    }
    free(ids);
    return err;
}

/* ------------------------------------------------------------------ pause */

enum err store_pause(struct store *s, const char *org, const char *reason, struct error *e)
{
    struct store_request r = {.op = STORE_OP_PAUSE, .u.pause = {.org = org, .reason = reason}};
    return store_submit(s, &r, e);
}

enum err store_paused(struct store *s, const char *org, bool *paused,
                      char reason[STORE_REASON_SIZE], struct error *e)
{
    char found[STORE_REASON_SIZE] = "";
    struct store_request r = {.op = STORE_OP_PAUSED, .u.paused = {.org = org, .reason = found}};
    enum err err = store_submit(s, &r, e);
    if (err != ERR_NONE)
        return err;
    *paused = r.u.paused.paused;
    memcpy(reason, found, sizeof found);
    return ERR_NONE;
}
