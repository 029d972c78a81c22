/*
 * Admins' jobs that a pass is claimed for: a hint of kind STORE_JOB stands for a slice of one. The
 * reconcile of a campaign is the whole pass itself, so it only needs to be told how that ended,
 * before the hint is settled: dying in between repeats a pass, not a job.
 */
#include "worker_int.h"

#include <stdlib.h>

#include "log.h"

static struct store_job_step step_of(const struct pass *p, const struct store_hint *h, int64_t job,
                                     enum err result, const struct error *why)
{
    struct store_job_step x = {
        .job = job, .state = STORE_JOB_RUNNING, .total = STORE_ANY, .message = why->text};
    if (result == ERR_NONE && !p->withheld) {
        x.state = STORE_JOB_DONE;
        x.total = x.done = (int64_t)p->members;
        x.changed = (int64_t)(p->created + p->updated + p->deleted);
        x.failed = (int64_t)p->failure_count;
        x.message =
            p->held ? "the delete guard holds deletions: see the jobs, and approve them" : "";
    } else if (result == ERR_NONE) {
        x.message = "it waits until the org's API calls allow it";
    } else if (!is_org_failure(result) && h->tries >= p->options->max_tries) {
        x.state = STORE_JOB_FAILED;
    }
    return x;
}

static enum err note_one(struct pass *p, const struct store_hint *h, enum err result,
                         const struct error *why, struct error *e)
{
    struct store *s = p->options->store;
    struct store_job job = {0};
    enum store_job_state now;
    enum err err = store_job_get(s, strtoll(h->record_id, NULL, 10), &job, NULL, e);
    if (err != ERR_NONE || job.kind != STORE_JOB_RECONCILE || !store_job_is_open(job.state))
        return err;
    const struct store_job_step x = step_of(p, h, job.id, result, why);
    return store_job_step(s, p->claim, &x, &now, e);
}

void jobs_note_pass(struct pass *p, enum err result, const struct error *why)
{
    struct error e;
    if (result == ERR_STALE || (result == ERR_NONE && !p->withheld && !p->reconciles))
        return;
    for (size_t i = 0; i < p->claim->count; i++) {
        const struct store_hint *h = &p->claim->hints[i];
        bool was_left = result == ERR_NONE && i >= p->jobs_left; /* for the next pass */
        enum err err =
            h->kind == STORE_JOB && !was_left ? note_one(p, h, result, why, &e) : ERR_NONE;
        if (err != ERR_NONE && err != ERR_STALE && err != ERR_NOT_FOUND)
            log_warn("how a job ended could not be noted", "job", h->record_id, "error", e.text,
                     NULL);
    }
}
