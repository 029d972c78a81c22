/*
 * One bulk job from its creation to its last result, and jobs that a former pass left.
 *
 *   create ▶ id durable ▶ upload ▶ mark ▶ close ▶ polls ▶ results and ledger ▶ mark cleared,
 *   id gone
 *
 * Nothing is written before the close. Whatever ends the pass after that leaves mark and id where
 * they are: the next pass over the campaign brings the job to its end before it reads anything
 * (protocol rule 14), and the mark becomes an echo. A job whose end the org can't tell (its answers
 * are no job, no results) counts tries, and after RESUMES_MAX of them is given up.
 */
#include "worker_int.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"

enum { JOBS_MAX = 16, RESUMES_MAX = 5 };

/* ------------------------------------------------------------------ results */

struct results {
    struct pass *pass;
    org_ingest_row_fn *each;
    void *ctx;
};

static enum err wait_for_end(struct pass *p, struct org_job *job, struct error *e)
{
    enum err err = ERR_NONE;
    for (unsigned polls = 0; err == ERR_NONE && !org_job_has_ended(job); polls++) {
        err = org_wait(p->conn, org_poll_delay_ms(p->org, polls), e);
        if (err == ERR_NONE)
            err = org_ingest_state(p->conn, job->id, job, e);
    }
    return err;
}

/* The job has ended: its results, then its mark and id go. */
static enum err take_results(struct pass *p, enum org_ingest kind, const struct org_job *job,
                             int64_t rows, org_ingest_row_fn *each, void *ctx, struct error *e)
{
    enum err err = ERR_NONE;
    if (job->state != ORG_JOB_GONE)
        err = org_ingest_results(p->conn, kind, job, rows, each, ctx, e);
    bool looks_again =
        err == ERR_CORRUPT || (is_org_failure(err) && err != ERR_DENIED && err != ERR_CONFIG);
    if (looks_again)
        return err; /* the next pass reads them */
    struct error also;
    enum err ended = store_write_end(p->options->store, p->claim, NULL, 0, &also);
    if (ended == ERR_NONE)
        ended = store_bulk_end(p->options->store, p->claim, job->id, &also);
    if (err != ERR_NONE)
        return err;
    return ended == ERR_NONE ? ERR_NONE : error_set(e, ended, "%s", also.text);
}

/* ------------------------------------------------------------------ a new job */

/* What was created and not closed is of no use. Where the abort fails, too, the id stays and the
 * next pass sees to it. */
static enum err give_up(struct pass *p, const char *id, enum err why)
{
    struct org_job job;
    struct error e;
    if (why == ERR_STALE || why == ERR_STOPPED)
        return why;
    enum err err = org_ingest_abort(p->conn, id, &job, &e);
    if (err == ERR_NONE)
        err = store_bulk_end(p->options->store, p->claim, id, &e);
    if (err != ERR_NONE)
        log_warn("a bulk job that is of no use was not aborted; the next pass does it", "org",
                 p->claim->org, "campaign", p->claim->key, "job", id, "error", e.text, NULL);
    return why;
}

static enum err close_job(struct pass *p, struct org_job *job, struct error *e)
{
    enum err err = store_write_begin(p->options->store, p->claim, e);
    if (err != ERR_NONE)
        return err;
    err = org_ingest_close(p->conn, job->id, job, e);
    if (err == ERR_NONE || err == ERR_UNKNOWN_OUTCOME || err == ERR_STALE)
        return err;
    struct error also; /* nothing was carried out */
    if (store_write_end(p->options->store, p->claim, NULL, 0, &also) != ERR_NONE)
        return error_set(e, ERR_STALE, "%s", also.text);
    return give_up(p, job->id, err);
}

enum err bulk_run_job(struct pass *p, enum org_ingest kind, FILE *csv, int64_t rows,
                      org_ingest_row_fn *each, void *ctx, struct error *e)
{
    struct org_job job;
    enum err err = org_ingest_create(p->conn, kind, &job, e);
    if (err != ERR_NONE)
        return err;
    struct store_bulk_job known = {.kind = (int)kind, .rows = rows};
    memcpy(known.id, job.id, sizeof known.id);
    err = store_bulk_put(p->options->store, p->claim, &known, e);
    if (err != ERR_NONE)
        return err;
    err = org_ingest_upload(p->conn, job.id, csv, e);
    if (err != ERR_NONE)
        return give_up(p, job.id, err);
    err = close_job(p, &job, e);
    if (err == ERR_NONE)
        err = wait_for_end(p, &job, e);
    if (err == ERR_NONE)
        err = take_results(p, kind, &job, rows, each, ctx, e);
    if (err == ERR_NONE && job.state != ORG_JOB_COMPLETE && job.failure != ERR_NONE)
        return error_set(e, job.failure, "%s", job.why.text);
    return err;
}

/* ------------------------------------------------------------------ jobs of a former pass */

struct resumed {
    struct pass *pass;
    enum org_ingest kind;
    struct store_ledger_row *ledger; /* STORE_SLICE_MAX */
};

/* What was there before is no longer known; what became of it is. */
static enum err on_resumed(void *ctx, const struct org_ingest_row *rows, size_t n, struct error *e)
{
    struct resumed *r = ctx;
    struct pass *p = r->pass;
    for (size_t at = 0; at < n;) {
        size_t count = 0;
        for (; at < n && count < STORE_SLICE_MAX; at++) {
            if (rows[at].result.class != ORG_ROW_DONE)
                continue; /* the pass that follows decides anew */
            const char *action = r->kind == ORG_INGEST_DELETE ? "deleted"
                                 : rows[at].result.created    ? "created"
                                                              : "updated";
            bool is_upsert = r->kind == ORG_INGEST_UPSERT;
            r->ledger[count++] = (struct store_ledger_row){
                .campaign_id = p->claim->key,
                .member_id = is_upsert ? rows[at].key : "",
                .action = action,
                .touchpoint_id = is_upsert ? rows[at].result.id : rows[at].key,
                .cause = "bulk job of a former pass",
            };
            write_count(p, action, 1);
        }
        enum err err = store_write_end(p->options->store, p->claim, r->ledger, count, e);
        if (err != ERR_NONE)
            return err;
    }
    return ERR_NONE;
}

static enum err resume_one(struct pass *p, const struct store_bulk_job *known, struct error *e)
{
    struct org_job job;
    enum err err = org_ingest_state(p->conn, known->id, &job, e);
    if (err == ERR_NONE && job.state == ORG_JOB_OPEN)
        err = org_ingest_abort(p->conn, known->id, &job, e);
    if (err == ERR_NONE)
        err = wait_for_end(p, &job, e);
    if (err != ERR_NONE)
        return err;
    log_info("a bulk job of a former pass has ended", "org", p->claim->org, "campaign",
             p->claim->key, "job", known->id, "processed", log_num((long long)job.processed), NULL);
    struct resumed r = {.pass = p, .kind = (enum org_ingest)known->kind};
    r.ledger = mem_array(STORE_SLICE_MAX, sizeof *r.ledger);
    err = take_results(p, r.kind, &job, known->rows, on_resumed, &r, e);
    free(r.ledger);
    return err;
}

/* How often a pass over this work has begun: what fails for the job's sake counts. */
static int tries_of(const struct pass *p)
{
    int tries = 0;
    for (size_t i = 0; i < p->claim->count; i++) {
        if (p->claim->hints[i].tries > tries)
            tries = p->claim->hints[i].tries;
    }
    return tries;
}

/* The org answers, but not so that the job's end could be told, and time does not mend it. */
static bool is_hopeless(const struct pass *p, enum err err)
{
    int max = p->options->max_tries < RESUMES_MAX ? p->options->max_tries : RESUMES_MAX;
    return err != ERR_NONE && err != ERR_STALE && !is_org_failure(err) && tries_of(p) >= max;
}

/* What the job has done, or will, is not known: so the lease is in flight, which becomes an echo,
 * and the campaign is decided from what is there. */
static enum err abandon(struct pass *p, const struct store_bulk_job *known, struct error *e)
{
    struct org_job job;
    struct error why = *e;
    enum err err = org_ingest_abort(p->conn, known->id, &job, e);
    if (err != ERR_NONE && (err == ERR_STALE || is_org_failure(err)))
        return err;
    err = store_write_begin(p->options->store, p->claim, e);
    if (err == ERR_NONE)
        err = store_bulk_end(p->options->store, p->claim, known->id, e);
    if (err == ERR_NONE)
        log_warn("a bulk job of a former pass is given up: what became of its rows can't be told; "
                 "the campaign is decided anew, and once more when the job can do no more",
                 "org", p->claim->org, "campaign", p->claim->key, "job", known->id, "error",
                 why.text, NULL);
    return err;
}

enum err bulk_resume(struct pass *p, struct error *e)
{
    struct store_bulk_job jobs[JOBS_MAX];
    size_t count = 0;
    enum err err = store_bulk_list(p->options->store, p->claim, jobs, JOBS_MAX, &count, e);
    for (size_t i = 0; err == ERR_NONE && i < count; i++) {
        err = resume_one(p, &jobs[i], e);
        if (is_hopeless(p, err))
            err = abandon(p, &jobs[i], e);
    }
    return err;
}
