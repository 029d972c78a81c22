/*
 * Running the claimed jobs of dates (dates.h). Each slice is written down before it is carried out,
 * and its outcome together with the cursor and the campaign's hint, so that a kill anywhere loses
 * no former value and counts nobody twice. A job that can't go on, since a field or the campaign is
 * gone, ends as failed; it is not the org's failure.
 */
#include "dates_int.h"
#include "look_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"

enum {
    SLICE = ORG_DATES_MAX,
    SLICES_AT_ONCE = 20, /* then other hints of the campaign have their turn */
};

struct run {
    struct pass *pass;
    struct look look;
    struct store_job job;
    struct dates_plan *plan; /* dates */
    struct dates_target target;
    struct dates_late late;
    struct store_job_item *planned; /* of a slice that was cut off, in order of their records */
    size_t planned_count;
    struct store_job_item *undone; /* undo: items of the other job, in order */
    size_t undone_count;

    /* the slice at hand */
    struct store_job_item *items; /* SLICE places */
    size_t item_count;
    int64_t looked, skipped;
    int64_t left;         /* of those skipped: items */
    char last[SFID_SIZE]; /* where it ends; "": nobody is left */
};

static int by_record(const void *a, const void *b)
{
    return strcmp(a, ((const struct store_job_item *)b)->record_id);
}

static const struct store_job_item *find(const struct store_job_item *items, size_t n,
                                         const char *record)
{
    return n == 0 ? NULL : bsearch(record, items, n, sizeof *items, by_record);
}

/* ------------------------------------------------------------------ what a slice plans */

static void add_item(struct run *r, const char *record, const char *before, const char *after,
                     enum dates_item state)
{
    if (r->item_count == SLICE)
        return; /* the org sent more than it was asked for: the next slice has them */
    struct store_job_item *x = &r->items[r->item_count++];
    *x = (struct store_job_item){.state = (int)state};
    memcpy(x->record_id, record, strnlen(record, SFID_LEN));
    memcpy(x->before, before, strnlen(before, sizeof x->before - 1));
    memcpy(x->after, after, strnlen(after, sizeof x->after - 1));
}

/* A former try of this slice has written it. */
static bool was_written(const struct run *r, const char *record, const char *now, const char *want)
{
    const struct store_job_item *x = find(r->planned, r->planned_count, record);
    return x != NULL && strcmp(now, want) == 0 && strcmp(x->after, want) == 0;
}

/* A former try of this slice planned it, and somebody else has given it another value since: before
 * that try wrote or after it, nobody can tell. */
static bool was_changed(const struct run *r, const char *record, const char *now)
{
    const struct store_job_item *x = find(r->planned, r->planned_count, record);
    return x != NULL && strcmp(now, x->before) != 0 && strcmp(now, x->after) != 0;
}

static void leave(struct run *r, const char *record, const char *now, const char *want,
                  const char *why)
{
    if (r->item_count == SLICE)
        return;
    add_item(r, record, now, want, DATES_LEFT);
    struct store_job_item *x = &r->items[r->item_count - 1];
    (void)snprintf(x->code, sizeof x->code, "changed_since");
    (void)snprintf(x->message, sizeof x->message, "%s", why);
    r->skipped++;
    r->left++;
}

static enum err on_members(void *ctx, const struct member *m, size_t n, struct error *e)
{
    struct run *r = ctx;
    char now[TIME_TEXT_MAX];
    (void)e;
    for (size_t i = 0; i < n; i++) {
        const char *want = r->target.text;
        (void)dates_text(&m[i], now);
        r->looked++;
        if (was_written(r, m[i].id, now, want))
            add_item(r, m[i].id, "", want, DATES_WRITTEN);
        else if (!dates_means(r->plan, &m[i], r->job.campaign_id, r->look.zone))
            continue;
        else if (strcmp(now, want) == 0)
            r->skipped++;
        else if (was_changed(r, m[i].id, now))
            leave(r, m[i].id, now, want,
                  "the date was changed while the job was cut off: it stays as it is");
        else
            add_item(r, m[i].id, now, want, DATES_PLANNED);
    }
    return ERR_NONE;
}

static enum err on_undone(void *ctx, const struct member *m, size_t n, struct error *e)
{
    struct run *r = ctx;
    char now[TIME_TEXT_MAX];
    (void)e;
    for (size_t i = 0; i < n; i++) {
        const struct store_job_item *of = find(r->undone, r->undone_count, m[i].id);
        if (of == NULL || (of->state != DATES_WRITTEN && of->state != DATES_PLANNED))
            continue;
        (void)dates_text(&m[i], now);
        r->looked++;
        if (was_written(r, m[i].id, now, of->before))
            add_item(r, m[i].id, of->after, of->before, DATES_WRITTEN);
        else if (strcmp(now, of->after) == 0)
            add_item(r, m[i].id, now, of->before, DATES_PLANNED);
        else if (strcmp(now, of->before) == 0)
            r->skipped++;
        else
            leave(r, of->record_id, now, of->before,
                  "the date was changed after the job that is undone: it stays as it is");
    }
    return ERR_NONE;
}

/* ------------------------------------------------------------------ steps */

static enum err step(struct run *r, struct store_job_step *s, struct error *e)
{
    s->job = r->job.id;
    return store_job_step(r->pass->options->store, r->pass->claim, s, &r->job.state, e);
}

/* The items before anything is written; false in *go_on: the job was cancelled meanwhile. */
static enum err keep_plan(struct run *r, bool *go_on, struct error *e)
{
    struct store_job_step s = {.state = STORE_JOB_RUNNING, .total = STORE_ANY};
    struct store_job_item *plan = mem_array(r->item_count, sizeof *plan);
    *go_on = true;
    for (size_t i = 0; i < r->item_count; i++) {
        if (r->items[i].state == DATES_PLANNED)
            plan[s.item_count++] = r->items[i];
    }
    s.items = plan;
    enum err err = s.item_count == 0 ? ERR_NONE : step(r, &s, e);
    if (err == ERR_NONE)
        *go_on = store_job_is_open(r->job.state);
    free(plan);
    return err;
}

/* What somebody else changed between read and write was not counted as skipped by the read. */
static int64_t left_by_write(const struct run *r)
{
    int64_t n = -r->left;
    for (size_t i = 0; i < r->item_count; i++)
        n += r->items[i].state == DATES_LEFT;
    return n;
}

static enum err keep_outcome(struct run *r, struct error *e)
{
    bool is_last = r->last[0] == '\0';
    struct store_job_step s = {
        .state = is_last ? STORE_JOB_DONE : STORE_JOB_RUNNING,
        .total = STORE_ANY,
        .done = r->looked,
        .skipped = r->skipped + left_by_write(r),
        .cursor = is_last ? NULL : r->last,
        .items = r->items,
        .item_count = r->item_count,
    };
    char message[STORE_MESSAGE_SIZE];
    for (size_t i = 0; i < r->item_count; i++) {
        const struct store_job_item *x = &r->items[i];
        s.changed += x->state == DATES_WRITTEN;
        s.failed += x->state == DATES_REFUSED;
        if (x->state != DATES_REFUSED || s.message != NULL || r->job.message[0] != '\0')
            continue;
        (void)snprintf(message, sizeof message, "%s refuses: %.100s %.300s", x->record_id, x->code,
                       x->message);
        s.message = message;
    }
    s.hints = s.changed > 0;
    r->planned_count = 0;
    return step(r, &s, e);
}

/* Of the members whose dates are to come back those that the org does not show any more. */
static void skip_gone(struct run *r)
{
    int64_t gone = -r->looked;
    for (size_t i = 0; i < r->undone_count; i++)
        gone += r->undone[i].state == DATES_WRITTEN || r->undone[i].state == DATES_PLANNED;
    r->looked += gone;
    r->skipped += gone;
}

static enum err read_slice(struct run *r, struct error *e)
{
    const char *after = r->job.cursor;
    if (r->job.kind == STORE_JOB_DATES)
        return dates_read(r->look.conn, r->job.campaign_id, r->plan, after, SLICE, on_members, r,
                          r->last, e);
    enum err err = store_job_item_walk(r->pass->options->store, r->job.undo_of, after, STORE_ANY,
                                       r->undone, SLICE, &r->undone_count, e);
    if (err != ERR_NONE || r->undone_count == 0)
        return err;
    char(*ids)[SFID_SIZE] = mem_array(r->undone_count, sizeof *ids);
    for (size_t i = 0; i < r->undone_count; i++)
        memcpy(ids[i], r->undone[i].record_id, SFID_SIZE);
    struct org_member_read read = {.ids = (const char(*)[SFID_SIZE])ids, .n = r->undone_count};
    err = org_read_members_as(r->look.conn, &read, on_undone, r, e);
    skip_gone(r);
    if (r->undone_count == SLICE)
        memcpy(r->last, ids[SLICE - 1], SFID_SIZE);
    free(ids);
    return err;
}

static enum err run_slice(struct run *r, struct error *e)
{
    bool go_on = false;
    r->item_count = 0;
    r->looked = r->skipped = r->left = 0;
    r->last[0] = '\0';
    enum err err = read_slice(r, e);
    if (err == ERR_NONE)
        err = keep_plan(r, &go_on, e);
    if (err == ERR_NONE && go_on)
        err = dates_write(r->pass, &r->late, r->job.id, r->items, r->item_count, e);
    if (err == ERR_NONE && go_on) {
        err = keep_outcome(r, e);
        memcpy(r->job.cursor, r->last, sizeof r->last);
    }
    return err;
}

/* ------------------------------------------------------------------ one job */

static enum err begin_dates(struct run *r, const char *params, struct error *e)
{
    enum err err = dates_plan_read(&r->plan, params, e);
    return err == ERR_NONE ? dates_resolve(&r->look, r->job.campaign_id, r->plan, &r->target, e)
                           : err;
}

static enum err on_counted(void *ctx, const struct org_campaign_row *rows, size_t n,
                           struct error *e)
{
    int64_t *members = ctx;
    (void)e;
    if (n > 0)
        *members = rows[0].members;
    return ERR_NONE;
}

/* How many members there are to look at, once. */
static enum err tell_total(struct run *r, struct error *e)
{
    struct store_job of;
    struct store_job_step s = {.state = STORE_JOB_RUNNING, .total = -1, .message = ""};
    enum err err = ERR_NONE;
    if (r->job.total >= 0)
        return ERR_NONE;
    r->job.message[0] = '\0'; /* that it waited */
    if (r->job.kind == STORE_JOB_UNDO) {
        err = store_job_get(r->pass->options->store, r->job.undo_of, &of, NULL, e);
        s.total = err == ERR_NONE ? of.changed : -1;
    } else if (r->plan->members != NULL) {
        s.total = (int64_t)r->plan->member_count;
    } else {
        err = org_search_campaigns(r->look.conn, r->job.campaign_id, on_counted, &s.total, e);
    }
    return err == ERR_NONE ? step(r, &s, e) : err;
}

static enum err load(struct run *r, int64_t id, struct buf *params, struct error *e)
{
    struct store *s = r->pass->options->store;
    enum err err = store_job_get(s, id, &r->job, params, e);
    if (err == ERR_NONE)
        err = store_job_item_walk(s, id, r->job.cursor, DATES_PLANNED, r->planned, STORE_SLICE_MAX,
                                  &r->planned_count, e);
    return err;
}

/* A slice that was cut off, of a job that has ended since: it may have been written. */
static enum err mend_ended(struct run *r, struct error *e)
{
    struct store_job_step s = {.state = STORE_JOB_RUNNING, .total = STORE_ANY, .hints = true};
    return r->planned_count == 0 ? ERR_NONE : step(r, &s, e);
}

/* The admin's word counts from the next slice on: what is left waits in the queue. */
static enum err is_paused(const struct run *r, bool *paused, struct error *e)
{
    char reason[STORE_REASON_SIZE];
    return store_paused(r->pass->options->store, r->job.org, paused, reason, e);
}

static enum err carry_out(struct run *r, const char *params, bool *goes_on, struct error *e)
{
    enum err err = r->job.kind == STORE_JOB_DATES ? begin_dates(r, params, e) : ERR_NONE;
    if (err == ERR_NONE)
        err = tell_total(r, e);
    for (int i = 0; err == ERR_NONE && store_job_is_open(r->job.state); i++) {
        bool paused = false;
        err = is_paused(r, &paused, e);
        if (paused || i == SLICES_AT_ONCE) {
            *goes_on = true;
            break;
        }
        if (err == ERR_NONE)
            err = run_slice(r, e);
    }
    return err;
}

/* What no later try mends. Access and configuration are about this job's fields here, and the
 * org's check of its schema tells of those that everything needs. */
static bool ends_job(enum err err)
{
    return err == ERR_CONFIG || err == ERR_DENIED ||
           (err != ERR_NONE && err != ERR_STALE && !is_org_failure(err));
}

static enum err fail_job(struct run *r, const struct error *why, struct error *e)
{
    struct store_job_step s = {.state = STORE_JOB_FAILED,
                               .total = STORE_ANY,
                               .message = why->text,
                               .hints = r->planned_count > 0 || r->item_count > 0};
    log_warn("a job of dates can't go on", "org", r->job.org, "campaign", r->job.campaign_id, "job",
             log_num((long long)r->job.id), "why", why->text, NULL);
    return step(r, &s, e);
}

/* A request of another job may still change what this one writes: it waits until that is over. */
static enum err has_to_wait(struct run *r, bool *waits, struct error *e)
{
    char at[TIME_TEXT_MAX], message[STORE_MESSAGE_SIZE];
    struct store_job_step s = {.state = STORE_JOB_RUNNING, .total = STORE_ANY, .message = message};
    r->late.org = r->job.org;
    r->late.campaign_id = r->job.campaign_id;
    enum err err = dates_late_get(r->pass->options->store, &r->late, e);
    *waits = err == ERR_NONE && r->late.until_ms > 0 && r->late.of_job != r->job.id;
    if (!*waits)
        return err;
    r->pass->jobs_due_ms = r->late.until_ms;
    (void)snprintf(message, sizeof message,
                   "it waits until %s: a request of job %lld got no answer, and the org may carry "
                   "it out until then",
                   time_format_datetime(r->late.until_ms, at), (long long)r->late.of_job);
    return step(r, &s, e);
}

static enum err run_open(struct run *r, const char *params, bool *goes_on, struct error *e)
{
    enum err err = has_to_wait(r, goes_on, e);
    if (err != ERR_NONE || *goes_on)
        return err;
    err = carry_out(r, params, goes_on, e);
    struct error why = *e;
    return ends_job(err) ? fail_job(r, &why, e) : err;
}

static enum err run_job(struct pass *p, int64_t id, bool *goes_on, struct error *e)
{
    struct run r = {
        .pass = p,
        .look = {.org = p->org, .conn = p->conn, .zone = p->zone, .policy = p->options->policy},
        .planned = mem_array(STORE_SLICE_MAX, sizeof *r.planned),
        .undone = mem_array(SLICE, sizeof *r.undone),
        .items = mem_array(SLICE, sizeof *r.items)};
    struct buf params;
    buf_init(&params, STORE_PARAMS_MAX);
    enum err err = load(&r, id, &params, e);
    if (err == ERR_NONE && r.job.kind == STORE_JOB_RECONCILE) {
        p->reconciles = store_job_is_open(r.job.state) || p->reconciles;
    } else if (err == ERR_NONE && !store_job_is_open(r.job.state)) {
        err = mend_ended(&r, e);
    } else if (err == ERR_NONE) {
        err = run_open(&r, params.data, goes_on, e);
    }
    if (err == ERR_NOT_FOUND)
        err = ERR_NONE; /* removed with its time */
    dates_plan_free(&r.plan);
    buf_release(&params);
    free(r.items);
    free(r.undone);
    free(r.planned);
    return err;
}

enum err dates_run(struct pass *p, struct error *e)
{
    p->jobs_left = p->claim->count;
    for (size_t i = 0; i < p->claim->count; i++) {
        const struct store_hint *h = &p->claim->hints[i];
        bool goes_on = false;
        if (h->kind != STORE_JOB)
            continue;
        if (p->deletes_only) {
            p->withheld = true;
            return ERR_NONE;
        }
        enum err err = run_job(p, strtoll(h->record_id, NULL, 10), &goes_on, e);
        if (err != ERR_NONE)
            return err;
        if (goes_on) {
            p->jobs_left = i;
            return ERR_NONE;
        }
    }
    return ERR_NONE;
}
