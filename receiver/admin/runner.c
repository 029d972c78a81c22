/*
 * The thread that carries out the jobs no worker does: replay, discard, and the reconcile of all
 * campaigns. It takes up what is open at its start, so a job goes on after a crash from where its
 * cursor stands; each slice is one transaction with its progress, and none is done twice, however
 * many daemons share the store; of several jobs each gets a slice in turn. It also notes how many
 * messages came in each minute, for the overview.
 */
#include "store_routes.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "timeutil.h"

enum { TURN_MS = 1000, OPEN_MAX = 100, MINUTE_MS = 60000 };

struct admin_runner {
    pthread_t thread;
    struct store *store;
    struct store_job *jobs; /* OPEN_MAX; the thread's */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;
    bool stopping, woken;
    uint64_t total; /* messages at the last look */
    int64_t minute; /* that the last place of rate counts */
    uint64_t rate[RATE_MINUTES];
};

/* ------------------------------------------------------------------ replay and discard */

/* A job's parameters; false: they can't be read, and why says so. */
static enum err read_params(struct store *s, int64_t id, struct store_job *job, json_t **args,
                            struct error *e)
{
    struct buf text;
    buf_init(&text, STORE_PARAMS_MAX);
    enum err err = store_job_get(s, id, job, &text, e);
    if (err == ERR_NONE) {
        *args = json_loadb(text.len == 0 ? "" : text.data, text.len, 0, NULL);
        if (*args == NULL)
            err = error_set(e, ERR_INVALID, "its parameters can't be read");
    }
    buf_release(&text);
    return err;
}

static enum err begin_filter(struct store *s, const struct store_job *job,
                             const struct store_filter *f, struct error *e)
{
    struct store_count *c = mem_alloc(sizeof *c);
    enum store_job_state now;
    char cursor[POSITION_TEXT_MAX];
    enum err err = store_message_count(s, f, STORE_ANY, c, e);
    const struct store_move begin = {.job = job->id,
                                     .from = job->cursor,
                                     .begins = true,
                                     .total = c->is_partial ? STORE_ANY : c->count,
                                     .cursor = format_position(c->newest, cursor),
                                     .last = c->count == 0 && !c->is_partial};
    if (err == ERR_NONE)
        err = store_message_move(s, &begin, &now, e);
    free(c);
    return err;
}

static enum err filter_slice(struct store *s, const struct store_job *job,
                             const struct store_filter *f, struct error *e)
{
    struct store_position at = {0};
    enum store_job_state now;
    char cursor[POSITION_TEXT_MAX];
    size_t n;
    bool more;
    if (!parse_position(job->cursor, &at))
        return begin_filter(s, job, f, e);
    struct store_message *page = mem_array(STORE_SLICE_MAX, sizeof *page);
    int64_t *ids = mem_array(STORE_SLICE_MAX, sizeof *ids);
    enum err err = store_message_walk(s, f, &at, page, STORE_SLICE_MAX, &n, &more, e);
    for (size_t i = 0; err == ERR_NONE && i < n; i++)
        ids[i] = page[i].id;
    const struct store_move m = {.job = job->id,
                                 .from = job->cursor,
                                 .ids = ids,
                                 .count = err == ERR_NONE ? n : 0,
                                 .filter = f,
                                 .cursor = format_position(at, cursor),
                                 .last = err == ERR_NONE && !more};
    if (err == ERR_NONE)
        err = store_message_move(s, &m, &now, e);
    free(ids);
    free(page);
    return err;
}

static enum err ids_slice(struct store *s, const struct store_job *job, const struct move_params *p,
                          struct error *e)
{
    enum store_job_state now;
    char cursor[32];
    int64_t from = 0;
    if (!parse_number(job->cursor, &from)) {
        const struct store_move begin = {.job = job->id,
                                         .from = job->cursor,
                                         .begins = true,
                                         .total = (int64_t)p->count,
                                         .cursor = "0"};
        return store_message_move(s, &begin, &now, e);
    }
    size_t at = (size_t)from < p->count ? (size_t)from : p->count;
    size_t n = p->count - at < STORE_SLICE_MAX ? p->count - at : STORE_SLICE_MAX;
    (void)snprintf(cursor, sizeof cursor, "%zu", at + n);
    const struct store_move m = {.job = job->id,
                                 .from = job->cursor,
                                 .ids = p->ids + at,
                                 .count = n,
                                 .cursor = cursor,
                                 .last = at + n == p->count};
    return store_message_move(s, &m, &now, e);
}

static enum err move_slice(struct store *s, const struct store_job *job, const json_t *args,
                           struct error *e)
{
    struct move_params p;
    struct answer why = {0};
    if (!move_params_read(args, &p, &why)) {
        free(why.text);
        return error_set(e, ERR_INVALID, "its parameters can't be understood");
    }
    enum err err = p.ids != NULL ? ids_slice(s, job, &p, e) : filter_slice(s, job, &p.filter, e);
    move_params_release(&p);
    return err;
}

/* ------------------------------------------------------------------ reconcile of all */

static enum err queue_reconcile(struct store *s, const struct store_job *job, const json_t *orgs,
                                struct error *e)
{
    static const struct store_new_hint h = {.kind = STORE_RECONCILE,
                                            .campaign_id = "",
                                            .record_id = "",
                                            .subject_id = "",
                                            .background = true};
    enum store_job_state now;
    char cursor[POSITION_TEXT_MAX];
    struct store_position at = {.at_ms = time_wall_ms()};
    enum err err = ERR_NONE;
    for (size_t i = 0; i < json_array_size(orgs) && err == ERR_NONE; i++)
        err = store_hint(s, json_string_value(json_array_get(orgs, i)), &h, e);
    const struct store_job_step step = {.job = job->id,
                                        .from = job->cursor,
                                        .state = STORE_JOB_RUNNING,
                                        .total = (int64_t)json_array_size(orgs),
                                        .cursor = format_position(at, cursor)};
    return err == ERR_NONE ? store_job_step(s, NULL, &step, &now, e) : err;
}

/* Orgs whose campaigns have been queued since then. */
static enum err count_reconciled(struct store *s, const json_t *orgs, int64_t since_ms, int64_t *n,
                                 struct error *e)
{
    enum err err = ERR_NONE;
    *n = 0;
    for (size_t i = 0; i < json_array_size(orgs) && err == ERR_NONE; i++) {
        char text[TIME_TEXT_MAX];
        int64_t at;
        err = store_cursor_get(s, json_string_value(json_array_get(orgs, i)), RECONCILE_DONE, text,
                               sizeof text, e);
        if (err == ERR_NONE && time_parse_datetime(text, strlen(text), &at) && at >= since_ms)
            (*n)++;
    }
    return err;
}

static enum err reconcile_slice(struct store *s, const struct store_job *job, const json_t *args,
                                struct error *e)
{
    const json_t *orgs = json_object_get(args, "orgs");
    enum store_job_state now;
    struct store_position at; /* when they were queued, and how many were done by the last look */
    char cursor[POSITION_TEXT_MAX];
    int64_t n;
    if (!parse_position(job->cursor, &at))
        return queue_reconcile(s, job, orgs, e);
    enum err err = count_reconciled(s, orgs, at.at_ms, &n, e);
    int64_t more = n - at.id;
    if (err != ERR_NONE || more <= 0)
        return err;
    at.id = n;
    bool last = n == (int64_t)json_array_size(orgs);
    const struct store_job_step step = {
        .job = job->id,
        .from = job->cursor,
        .state = last ? STORE_JOB_DONE : STORE_JOB_RUNNING,
        .total = STORE_ANY,
        .done = more,
        .changed = more,
        .cursor = format_position(at, cursor),
        .message = "the campaigns are queued; they are looked at behind the live work"};
    return store_job_step(s, NULL, &step, &now, e);
}

/* ------------------------------------------------------------------ the thread */

static enum err run_slice(struct store *s, struct store_job *job, struct error *e)
{
    json_t *args = NULL;
    enum err err = read_params(s, job->id, job, &args, e);
    if (err == ERR_NONE && store_job_is_open(job->state))
        err = job->kind == STORE_JOB_RECONCILE ? reconcile_slice(s, job, args, e)
                                               : move_slice(s, job, args, e);
    json_decref(args);
    return err;
}

static bool is_ours(const struct store_job *job)
{
    return job->kind == STORE_JOB_REPLAY || job->kind == STORE_JOB_DISCARD ||
           (job->kind == STORE_JOB_RECONCILE && job->campaign_id[0] == '\0');
}

/* What can't be carried out ends; what the store could not do now is tried again. */
static void note_failure(struct store *s, const struct store_job *job, enum err err,
                         const struct error *why)
{
    struct error e;
    enum store_job_state now;
    const struct store_job_step step = {
        .job = job->id, .state = STORE_JOB_FAILED, .total = STORE_ANY, .message = why->text};
    if (err == ERR_INVALID || err == ERR_NOT_FOUND)
        err = store_job_step(s, NULL, &step, &now, &e);
    if (err != ERR_NONE && err != ERR_STOPPED)
        log_warn("a job stands still; it is tried again", "job", log_num((long long)job->id),
                 "error", why->text, NULL);
}

/* One slice of each of these; *more: there is more to do at once. */
static void run_slices(struct admin_runner *r, size_t n, bool *more)
{
    struct error e;
    for (size_t i = n; i-- > 0;) { /* the oldest first */
        if (!is_ours(&r->jobs[i]))
            continue;
        enum err err = run_slice(r->store, &r->jobs[i], &e);
        if (err != ERR_NONE)
            note_failure(r->store, &r->jobs[i], err, &e);
        else
            *more = *more || r->jobs[i].kind != STORE_JOB_RECONCILE;
    }
}

/* One slice of each open job, behind however many that wait for a worker; true: there is more to do
 * at once. */
static bool run_turn(struct admin_runner *r)
{
    static const struct store_job_filter open = {
        .kind = STORE_ANY, .state = STORE_ANY, .open = true};
    struct error e;
    int64_t before = 0;
    size_t n = OPEN_MAX;
    bool more = false;
    while (n == OPEN_MAX &&
           store_job_walk(r->store, &open, before, r->jobs, OPEN_MAX, &n, &e) == ERR_NONE) {
        before = n == 0 ? 0 : r->jobs[n - 1].id;
        run_slices(r, n, &more);
    }
    return more;
}

/* Under the lock. */
static void note_rate(struct admin_runner *r)
{
    uint64_t total = metric_total(METRIC_MESSAGES_RECEIVED);
    int64_t minute = time_boot_ms() / MINUTE_MS;
    for (; r->minute < minute; r->minute++) {
        memmove(r->rate, r->rate + 1, (RATE_MINUTES - 1) * sizeof r->rate[0]);
        r->rate[RATE_MINUTES - 1] = 0;
    }
    r->rate[RATE_MINUTES - 1] += total - r->total;
    r->total = total;
}

/* False when stopping. */
static bool wait_for_turn(struct admin_runner *r, int64_t max_ms)
{
    struct timespec until = time_cond_after(max_ms);
    int rc = 0;
    pthread_mutex_lock(&r->lock);
    note_rate(r);
    while (!r->stopping && !r->woken && rc == 0 && max_ms > 0)
        rc = pthread_cond_timedwait(&r->wake, &r->lock, &until);
    r->woken = false;
    bool goes_on = !r->stopping;
    pthread_mutex_unlock(&r->lock);
    return goes_on;
}

static void *run(void *arg)
{
    struct admin_runner *r = arg;
    bool more;
    do
        more = run_turn(r);
    while (wait_for_turn(r, more ? 0 : TURN_MS));
    return NULL;
}

/* ------------------------------------------------------------------ start and stop */

enum err admin_runner_start(struct admin_runner **out, struct store *s, struct error *e)
{
    struct admin_runner *r = mem_alloc(sizeof *r);
    r->store = s;
    r->jobs = mem_array(OPEN_MAX, sizeof *r->jobs);
    r->minute = time_boot_ms() / MINUTE_MS;
    pthread_mutex_init(&r->lock, NULL);
    time_cond_init(&r->wake);
    if (pthread_create(&r->thread, NULL, run, r) != 0) {
        free(r->jobs);
        free(r);
        return error_set(e, ERR_IO, "cannot start a thread: the system refuses more threads");
    }
    *out = r;
    return ERR_NONE;
}

void admin_runner_wake(struct admin_runner *r)
{
    pthread_mutex_lock(&r->lock);
    r->woken = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
}

void admin_runner_rate(struct admin_runner *r, uint64_t out[RATE_MINUTES])
{
    pthread_mutex_lock(&r->lock);
    note_rate(r);
    memcpy(out, r->rate, sizeof r->rate);
    pthread_mutex_unlock(&r->lock);
}

void admin_runner_stop(struct admin_runner **out)
{
    struct admin_runner *r = *out;
    if (r == NULL)
        return;
    *out = NULL;
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->lock);
    free(r->jobs);
    free(r);
}
