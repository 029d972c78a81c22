/*
 * Writing the differences. Each call to the org stands between two marks in the store:
 * store_write_begin checks the fence and says durably that a write is in flight; only a complete
 * and understood answer lets store_write_end clear it (protocol rule 12). A call whose outcome is
 * unknown leaves the mark, and the settle or the next owner turns it into an echo.
 */
#include "worker_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "store_admin.h"

/* Packs the values into one block, since those of the decision live for the page only. */
static char *copy_touchpoint(const struct touchpoint *from, struct touchpoint *to)
{
    size_t bytes = 0, length[TV_COUNT];
    for (size_t v = 0; v < TV_COUNT; v++) {
        length[v] = strlen(from->value[v]) + 1;
        bytes += length[v];
    }
    char *text = mem_alloc(bytes), *at = text;
    *to = (struct touchpoint){0};
    for (size_t v = 0; v < TV_COUNT; v++) {
        memcpy(at, from->value[v], length[v]);
        to->value[v] = at;
        at += length[v];
    }
    return text;
}

static void forget_wanted(struct pass *p)
{
    for (size_t i = 0; i < p->wanted_count; i++) {
        free(p->wanted[i].text);
        free(p->wanted[i].before_json);
        free(p->wanted[i].after_json);
    }
    p->wanted_count = 0;
}

void pass_release(struct pass *p)
{
    forget_wanted(p);
    org_campaign_free(&p->campaign);
    existing_release(&p->existing);
    spool_release(&p->spool);
    status_release(&p->statuses);
    duplicates_release(p);
    free(p->wanted);
    free(p->rows);
    free(p->results);
    free(p->doomed);
    free(p->failures);
    free(p->moves);
    free(p->replays);
    *p = (struct pass){0};
}

void pass_move(struct pass *p, enum store_kind kind, const char *campaign, const char *record,
               const char *subject, int64_t received_at_ms)
{
    if (p->move_count == p->move_room) {
        p->move_room = p->move_room == 0 ? 64 : p->move_room * 2;
        p->moves = mem_resize(p->moves, p->move_room, sizeof *p->moves);
    }
    struct move *m = &p->moves[p->move_count++];
    *m = (struct move){
        .kind = kind, .background = p->moves_in_background, .received_at_ms = received_at_ms};
    memcpy(m->campaign_id, campaign, strnlen(campaign, SFID_LEN));
    memcpy(m->record_id, record, strnlen(record, SFID_LEN));
    memcpy(m->subject_id, subject, strnlen(subject, SFID_LEN));
}

/* An admin's job that changed members (dates) queued this pass; else the job replayed the row. */
static void name_cause(const struct pass *p, const struct store_hint *h, char out[CAUSE_SIZE])
{
    struct store_job job;
    struct error e;
    bool of_worker = h->kind == STORE_CAMPAIGN && h->notification_id[0] == '\0' &&
                     store_job_get(p->options->store, h->replayed_by, &job, NULL, &e) == ERR_NONE;
    if (of_worker && (job.kind == STORE_JOB_DATES || job.kind == STORE_JOB_UNDO))
        (void)snprintf(out, CAUSE_SIZE, "%s:%lld", store_job_kind_name(job.kind),
                       (long long)job.id);
    else
        (void)snprintf(out, CAUSE_SIZE, "replay:%lld:%lld", (long long)h->replayed_by,
                       (long long)h->row);
}

void pass_note_replays(struct pass *p)
{
    for (size_t i = 0; i < p->claim->count; i++) {
        const struct store_hint *h = &p->claim->hints[i];
        if (h->replayed_by == 0)
            continue;
        if (p->replays == NULL)
            p->replays = mem_array(p->claim->count, sizeof *p->replays);
        name_cause(p, h, p->replays[i]);
    }
}

static const char *cause_name(const struct pass *p, size_t i)
{
    const struct store_hint *h = &p->claim->hints[i];
    if (h->replayed_by != 0 && p->replays != NULL)
        return p->replays[i];
    return h->notification_id[0] != '\0' ? h->notification_id : store_kind_name(h->kind);
}

int64_t pass_received(const struct pass *p)
{
    return p->claim->count > 0 ? p->claim->hints[0].received_at_ms : 0;
}

const char *pass_cause(const struct pass *p, const char *member_id)
{
    const char *cause = p->claim->count > 0 ? cause_name(p, 0) : "hint";
    bool by_campaign = false;
    for (size_t i = 0; i < p->claim->count; i++) {
        const struct store_hint *h = &p->claim->hints[i];
        const char *subject = h->kind == STORE_DELETION ? h->subject_id : h->record_id;
        if (strcmp(subject, member_id) == 0)
            return cause_name(p, i);
        if (!by_campaign && (h->kind == STORE_CAMPAIGN || h->kind == STORE_ECHO)) {
            cause = cause_name(p, i);
            by_campaign = true;
        }
    }
    return cause;
}

static int tries_max_of(const struct pass *p, const struct org_row_result *r)
{
    int max = p->options->max_tries;
    if (r->class == ORG_ROW_PARK)
        return 0;
    return r->is_brief && max > BRIEF_TRIES_MAX ? BRIEF_TRIES_MAX : max;
}

void write_failed(struct pass *p, const char *member_id, const struct org_row_result *r)
{
    status_unsure(p, member_id);
    if (p->failures == NULL)
        p->failures = mem_array(FAILURES_MAX, sizeof *p->failures);
    int tries_max = tries_max_of(p, r);
    if (tries_max > p->tries_max)
        p->tries_max = tries_max;
    if (p->failure_count == FAILURES_MAX) {
        p->failures_overflow = true;
        return;
    }
    struct failure *f = &p->failures[p->failure_count++];
    *f = (struct failure){.tries_max = tries_max};
    memcpy(f->member_id, member_id, sizeof f->member_id);
    memcpy(f->code, r->code, strnlen(r->code, sizeof f->code - 1));
    memcpy(f->message, r->message, strnlen(r->message, sizeof f->message - 1));
}

/* After a call: the mark is cleared where the answer was understood, or where it is known that
 * nothing was carried out. */
enum err write_end(struct pass *p, enum err outcome, const struct store_ledger_row *ledger,
                   size_t n, struct error *e)
{
    if (outcome == ERR_UNKNOWN_OUTCOME || outcome == ERR_STALE)
        return outcome;
    if (outcome == ERR_NONE)
        return store_write_end(p->options->store, p->claim, ledger, n, e);
    struct error also;
    enum err cleared = store_write_end(p->options->store, p->claim, NULL, 0, &also);
    if (cleared == ERR_STALE) {
        (void)error_set(e, ERR_STALE, "%s", also.text);
        return ERR_STALE;
    }
    return outcome;
}

void write_count(struct pass *p, const char *action, size_t n)
{
    *(action[0] == 'c' ? &p->created : action[0] == 'u' ? &p->updated : &p->deleted) += n;
    if (n > 0)
        metric_add(metric_series(METRIC_TOUCHPOINTS_WRITTEN, p->claim->org, action), n);
    reconcile_count_drift(p, action, n);
}

struct org_row_result *write_results(struct pass *p)
{
    if (p->results == NULL)
        p->results = mem_array(ORG_WRITE_MAX, sizeof *p->results);
    memset(p->results, 0, ORG_WRITE_MAX * sizeof *p->results);
    return p->results;
}

/* Access or a trigger refused all rows of a call. That fails the pass, unless a claimed hint stands
 * for each of them: those count their own tries, and what else is to be done goes on. rows: structs
 * of this size that begin with their member's id. */
static bool have_own_hints(const struct pass *p, enum err outcome, const void *rows,
                           size_t row_bytes, size_t n)
{
    const char *member = rows;
    bool all = outcome == ERR_INVALID && p->results[0].code[0] != '\0';
    for (size_t i = 0; all && i < n; i++, member += row_bytes)
        all = settle_is_claimed(p, member);
    return all;
}

static size_t upsert_ledger(struct pass *p, struct store_ledger_row *ledger)
{
    size_t n = 0, created = 0;
    for (size_t i = 0; i < p->wanted_count; i++) {
        const struct wanted *w = &p->wanted[i];
        const struct org_row_result *r = &p->results[i];
        if (r->class != ORG_ROW_DONE) {
            write_failed(p, w->member_id, r);
            continue;
        }
        created += r->created;
        ledger[n++] = (struct store_ledger_row){
            .campaign_id = p->rows[i].value[TV_CAMPAIGN],
            .member_id = w->member_id,
            .action = r->created ? "created" : "updated",
            .touchpoint_id = r->id,
            .before_json = w->before_json,
            .after_json = w->after_json,
            .cause = pass_cause(p, w->member_id),
        };
    }
    write_count(p, "created", created);
    write_count(p, "updated", n - created);
    return n;
}

enum err write_flush(struct pass *p, struct error *e)
{
    if (p->wanted_count == 0)
        return ERR_NONE;
    enum err err = store_write_begin(p->options->store, p->claim, e);
    if (err != ERR_NONE)
        return err;
    struct store_ledger_row *ledger = mem_array(p->wanted_count, sizeof *ledger);
    err = org_upsert(p->conn, p->rows, p->wanted_count, write_results(p), e);
    if (have_own_hints(p, err, p->wanted, sizeof *p->wanted, p->wanted_count))
        err = ERR_NONE;
    size_t n = err == ERR_NONE ? upsert_ledger(p, ledger) : 0;
    err = write_end(p, err, ledger, n, e);
    free(ledger);
    forget_wanted(p);
    return err;
}

enum err write_by_call(struct pass *p, const struct touchpoint *t, const char *member_id,
                       char *before_json, char *after_json, struct error *e)
{
    if (p->wanted == NULL) {
        p->wanted = mem_array(ORG_WRITE_MAX, sizeof *p->wanted);
        p->rows = mem_array(ORG_WRITE_MAX, sizeof *p->rows);
    }
    struct wanted *w = &p->wanted[p->wanted_count];
    *w = (struct wanted){.before_json = before_json, .after_json = after_json};
    memcpy(w->member_id, member_id, strnlen(member_id, sizeof w->member_id - 1));
    w->text = copy_touchpoint(t, &p->rows[p->wanted_count]);
    p->wanted_count++;
    return p->wanted_count == ORG_WRITE_MAX ? write_flush(p, e) : ERR_NONE;
}

/* The first thousands go at once, so that they are there in seconds; how many will follow is not
 * known yet. */
enum err write_want(struct pass *p, const struct touchpoint *t, const char *member_id,
                    const struct existing_row *old, struct error *e)
{
    if (p->deletes_only) {
        p->withheld = true;
        return ERR_NONE;
    }
    const char *const *was = old == NULL ? NULL : (const char *const *)old->values;
    char *before = was == NULL ? NULL : values_json(was, t->value);
    char *after = values_json(t->value, was);
    if (p->by_call < BULK_FROM_ROWS) {
        p->by_call++;
        return write_by_call(p, t, member_id, before, after, e);
    }
    enum err err = spool_add(&p->spool, t, before == NULL ? "" : before, after, e);
    free(before);
    free(after);
    return err;
}

/* ------------------------------------------------------------------ deletions */

void write_doom(struct pass *p, const char *member_id, const char *touchpoint_id,
                enum reason reason, bool confirmed)
{
    if (p->doomed_count == p->doomed_room) {
        p->doomed_room = p->doomed_room == 0 ? 64 : p->doomed_room * 2;
        p->doomed = mem_resize(p->doomed, p->doomed_room, sizeof *p->doomed);
    }
    struct doomed *d = &p->doomed[p->doomed_count++];
    *d = (struct doomed){.reason = reason, .confirmed = confirmed};
    memcpy(d->member_id, member_id, sizeof d->member_id);
    memcpy(d->id, touchpoint_id, sizeof d->id);
}

static void put_deleted(struct pass *p, const struct doomed *d, struct store_ledger_row *out)
{
    const struct existing_row *old = existing_find(&p->existing, d->member_id);
    const char *const *was = old == NULL ? NULL : (const char *const *)old->values;
    *out = (struct store_ledger_row){
        .campaign_id = p->claim->key,
        .member_id = d->member_id,
        .action = "deleted",
        .touchpoint_id = d->id,
        .before_json = was == NULL ? NULL : values_json(was, NULL),
        .cause = pass_cause(p, d->member_id),
        .reason = reason_code(d->reason),
    };
}

static void free_deleted(struct store_ledger_row *ledger, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free((void *)(uintptr_t)ledger[i].before_json);
    free(ledger);
}

enum err write_deleted(struct pass *p, const struct doomed *d, size_t n, struct error *e)
{
    struct store_ledger_row *ledger = mem_array(n, sizeof *ledger);
    for (size_t i = 0; i < n; i++)
        put_deleted(p, &d[i], &ledger[i]);
    write_count(p, "deleted", n);
    enum err err = store_write_end(p->options->store, p->claim, ledger, n, e);
    free_deleted(ledger, n);
    return err;
}

static size_t delete_ledger(struct pass *p, const struct doomed *d, size_t count,
                            struct store_ledger_row *ledger)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (p->results[i].class == ORG_ROW_DONE)
            put_deleted(p, &d[i], &ledger[n++]);
        else
            write_failed(p, d[i].member_id, &p->results[i]);
    }
    write_count(p, "deleted", n);
    return n;
}

static enum err delete_slice(struct pass *p, const struct doomed *d, size_t count, struct error *e)
{
    char(*ids)[SFID_SIZE] = mem_array(count, sizeof *ids);
    struct store_ledger_row *ledger = mem_array(count, sizeof *ledger);
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        memcpy(ids[i], d[i].id, SFID_SIZE);
    enum err err = store_write_begin(p->options->store, p->claim, e);
    if (err == ERR_NONE) {
        err = org_delete_touchpoints(p->conn, (const char(*)[SFID_SIZE])ids, count,
                                     write_results(p), e);
        if (have_own_hints(p, err, d, sizeof *d, count))
            err = ERR_NONE;
        n = err == ERR_NONE ? delete_ledger(p, d, count, ledger) : 0;
        err = write_end(p, err, ledger, n, e);
    }
    free_deleted(ledger, n);
    free(ids);
    return err;
}

enum err write_deletes(struct pass *p, struct error *e)
{
    enum err bulk = bulk_deletes(p, e);
    if (bulk != ERR_NONE)
        return bulk;
    for (size_t at = 0; at < p->doomed_count;) {
        size_t n = p->doomed_count - at;
        if (n > ORG_WRITE_MAX)
            n = ORG_WRITE_MAX;
        enum err err = delete_slice(p, p->doomed + at, n, e);
        if (err != ERR_NONE)
            return err;
        at += n;
    }
    p->doomed_count = 0;
    return ERR_NONE;
}

static bool has_failed(const struct pass *p, const char *member_id)
{
    for (size_t i = 0; i < p->failure_count; i++) {
        if (strcmp(p->failures[i].member_id, member_id) == 0)
            return true;
    }
    return false;
}

/* Helper records of the claimed hints that were applied, each once. */
static size_t applied_helpers(const struct pass *p, char (*ids)[SFID_SIZE])
{
    size_t n = 0;
    for (size_t i = 0; i < p->claim->count; i++) {
        const struct store_hint *h = &p->claim->hints[i];
        if (hint_has_helper(h) && !has_failed(p, h->subject_id))
            memcpy(ids[n++], h->record_id, SFID_SIZE);
    }
    return sfid_sort_unique(ids, n);
}

bool hint_has_helper(const struct store_hint *h)
{
    return (h->kind == STORE_DELETION || h->kind == STORE_CAMPAIGN_GONE) && h->record_id[0] != '\0';
}

/* Helper records that were applied go away. A row that may go later makes its hints wait for
 * another try; one that will not is no failure of the pass: the record
 * does no harm where it lies. */
static void judge_helpers(struct pass *p, const char (*ids)[SFID_SIZE], size_t n)
{
    size_t left = 0;
    for (size_t i = 0; i < n; i++) {
        if (p->results[i].class == ORG_ROW_RETRY)
            write_failed(p, ids[i], &p->results[i]);
        left += p->results[i].class == ORG_ROW_PARK;
    }
    if (left > 0)
        log_warn("deletion helper records stay in the org; grant the integration user Delete on "
                 "them",
                 "org", p->claim->org, "campaign", p->claim->key, "records",
                 log_num((long long)left), NULL);
}

enum err write_delete_helpers(struct pass *p, struct error *e)
{
    char(*ids)[SFID_SIZE] = mem_array(p->claim->count, sizeof *ids);
    size_t n = applied_helpers(p, ids);
    enum err err = n == 0 ? ERR_NONE : store_write_begin(p->options->store, p->claim, e);
    if (err == ERR_NONE && n > 0) {
        err = org_delete_helpers(p->conn, (const char(*)[SFID_SIZE])ids, n, write_results(p), e);
        if (err == ERR_NONE)
            judge_helpers(p, (const char(*)[SFID_SIZE])ids, n);
        err = write_end(p, err, NULL, 0, e);
    }
    free(ids);
    return err;
}
