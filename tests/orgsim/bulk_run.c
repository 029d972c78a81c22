/*
 * Jobs take turns, one slice each, so that two of them run side by side as in an org. Faults are
 * chosen when a job is closed, and lie in wait in the job.
 */
#include "bulk_int.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faults.h"
#include "locks.h"
#include "mem.h"
#include "timeutil.h"

static void arm(struct bulk *b, int64_t ms);

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct bulk *b = arg;
    int64_t ms = bulk_step(b);
    if (ms >= 0)
        arm(b, ms);
}

static void arm(struct bulk *b, int64_t ms)
{
    struct timeval wait = {ms / 1000, ms % 1000 * 1000};
    if (b->timer != NULL)
        event_add(b->timer, &wait);
}

struct bulk *bulk_new(struct sim *sim)
{
    struct bulk *b = mem_alloc(sizeof *b);
    b->sim = sim;
    if (sim->base != NULL)
        b->timer = evtimer_new(sim->base, on_timer, b);
    return b;
}

void bulk_free(struct bulk **b)
{
    if (*b == NULL)
        return;
    if ((*b)->timer != NULL)
        event_free((*b)->timer);
    for (size_t i = 0; i < (*b)->count; i++)
        job_free(&(*b)->jobs[i]);
    free(*b);
    *b = NULL;
}

static bool is_waiting(const struct job *j)
{
    return j->state == JOB_UPLOADED || j->state == JOB_RUNNING;
}

/* The job that is due and has waited longest for its turn; else NULL and when the next is due. */
static struct job *next_job(const struct bulk *b, int64_t now, int64_t *due)
{
    struct job *best = NULL;
    *due = INT64_MAX;
    for (size_t i = 0; i < b->count; i++) {
        struct job *j = b->jobs[i];
        if (!is_waiting(j))
            continue;
        if (j->due_boot_ms < *due)
            *due = j->due_boot_ms;
        if (j->due_boot_ms <= now && (best == NULL || j->turn < best->turn))
            best = j;
    }
    return best;
}

static void run_slice(struct bulk *b, struct job *j, int64_t now)
{
    j->turn = ++b->turn;
    j->due_boot_ms = now + j->faults.slow_ms;
    j->changed_ms = sim_clock_second_ms(&b->sim->clock);
    if (j->state == JOB_UPLOADED) {
        j->state = JOB_RUNNING; /* its first rows come with the next slice, so that this is seen */
        return;
    }
    locks_release(b->sim->locks, j->lock);
    if (job_is_query(j))
        job_run_query(b, j);
    else
        job_run_load(b, j);
    if (job_is_over(j))
        locks_release(b->sim->locks, j->lock);
    j->active_ms += time_boot_ms() - now;
}

int64_t bulk_step(struct bulk *b)
{
    int64_t due, now = time_boot_ms();
    struct job *j = next_job(b, now, &due);
    if (j != NULL) {
        run_slice(b, j, now);
        next_job(b, now, &due);
    }
    return due == INT64_MAX ? -1 : due <= now ? 0 : due - now;
}

static void choose_faults(struct bulk *b, struct job *j)
{
    const char *operation = job_operation_name(j->operation);
    struct job_faults *f = &j->faults;
    static const struct {
        enum fault_kind kind;
        enum job_state state;
    } stops[] = {{FAULT_BULK_FAIL, JOB_FAILED},
                 {FAULT_BULK_ABORT, JOB_ABORTED},
                 {FAULT_BULK_UNPROCESSED, JOB_COMPLETE}};
    struct fault_hit hit =
        faults_pick_job(b->sim->faults, FAULT_BULK_DELAY, operation, j->object->name);
    f->delay_ms = hit.kind == FAULT_NONE ? 0 : fault_number(&hit, 1000);
    fault_hit_release(&hit);
    hit = faults_pick_job(b->sim->faults, FAULT_BULK_SLOW, operation, j->object->name);
    f->slow_ms = hit.kind == FAULT_NONE ? 0 : fault_number(&hit, 1000);
    fault_hit_release(&hit);
    f->stop_after = -1;
    for (size_t i = 0; i < sizeof stops / sizeof stops[0] && f->stop_after < 0; i++) {
        hit = faults_pick_job(b->sim->faults, stops[i].kind, operation, j->object->name);
        if (hit.kind != FAULT_NONE) {
            const char *message = json_string_value(json_object_get(hit.value, "errorMessage"));
            f->stop_state = stops[i].state;
            f->stop_after = json_integer_value(json_object_get(hit.value, "after_rows"));
            snprintf(f->message, sizeof f->message, "%s",
                     message != NULL ? message : "InternalServerError : the job was given up");
        }
        fault_hit_release(&hit);
    }
}

void job_enqueue(struct bulk *b, struct job *j)
{
    choose_faults(b, j);
    j->state = JOB_UPLOADED;
    j->changed_ms = sim_clock_second_ms(&b->sim->clock);
    j->due_boot_ms = time_boot_ms() + j->faults.delay_ms;
    j->lock = ++b->sim->next_request;
    arm(b, 0);
}

void job_finish(struct bulk *b, struct job *j, enum job_state state, const char *error)
{
    bool query = job_is_query(j);
    j->state = state;
    j->changed_ms = sim_clock_second_ms(&b->sim->clock);
    if (state == JOB_FAILED)
        snprintf(j->error, sizeof j->error, "%s", error);
    b->stats[query].complete += state == JOB_COMPLETE;
    b->stats[query].failed += state == JOB_FAILED;
    b->stats[query].aborted += state == JOB_ABORTED;
    b->stats[query].rows += j->processed;
    b->stats[query].rows_failed += j->load.failed;
}
