/*
 * A slice of a replay or discard job: each message is looked at again by number, moved, and counted
 * in the job, whose cursor goes on in the same transaction. So a crash in the middle of a job
 * repeats nothing and skips nothing (protocol rule 18: what an admin replays always runs).
 */
#include "sqlite_int.h"

#include <stdio.h>
#include <string.h>

/* The message as it is now, if it is there and still fits. */
static enum err look_again(struct sqlite_store *s, int64_t id, const struct store_filter *f,
                           struct store_message *m, bool *fits, struct error *e)
{
    struct sql_query q = sql_query(&s->db, SQL_MESSAGE_GET, "i", id);
    *fits = sql_next(&q) && (f == NULL || sqlite_message_fits(&q, f));
    if (*fits)
        sqlite_read_message(&q, m);
    return sql_done(&q, e);
}

static enum err replay(struct sqlite_store *s, const struct store_message *m, const char *key,
                       int64_t job, struct error *e)
{
    int64_t now = store_wall_ms(&s->base), seq;
    if (m->state == STORE_LEASED)
        return sql_run(&s->db, e, SQL_REPLAY_LEASED, "iii", m->id, now, job);
    enum err err = sqlite_draw(s, &s->seq, &seq, e);
    if (err == ERR_NONE)
        err = sql_run(&s->db, e, SQL_REPLAY, "iiii", m->id, seq, now, job);
    if (err == ERR_NONE && m->state != STORE_READY)
        err = sqlite_count(s, m->org, (int)m->state, STORE_READY, e);
    if (err == ERR_NONE)
        err = sqlite_lane_lower(s, m->org, key, m->background, now, e);
    return err;
}

static enum err discard(struct sqlite_store *s, const struct store_message *m, const char *key,
                        struct error *e)
{
    const struct sqlite_row row = {.id = m->id, .kind = m->kind};
    return sqlite_row_end(s, m->org, key, &row, m->state, STORE_DONE, "discarded", NULL, e);
}

static enum err move_one(struct sqlite_store *s, const struct store_move *x, int64_t id,
                         enum store_job_kind how, struct store_job_step *step, struct error *e)
{
    struct store_message m;
    bool fits;
    enum err err = look_again(s, id, x->filter, &m, &fits, e);
    if (err != ERR_NONE)
        return err;
    step->done++;
    if (!fits || !store_may_move(m.kind, m.state, how)) {
        step->skipped++;
        return ERR_NONE;
    }
    step->changed++;
    const char *key = m.campaign_id[0] != '\0' ? m.campaign_id : STORE_KEY_NONE;
    return how == STORE_JOB_REPLAY ? replay(s, &m, key, x->job, e) : discard(s, &m, key, e);
}

enum err sqlite_message_move(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    const struct store_move *x = r->u.message_move.what;
    struct store_job job = {0};
    enum err err = sqlite_job_read(&s->db, x->job, &job, e);
    if (err != ERR_NONE)
        return err;
    if (job.kind != STORE_JOB_REPLAY && job.kind != STORE_JOB_DISCARD)
        return error_set(e, ERR_INVALID, "job %lld moves no messages", (long long)x->job);
    r->u.message_move.now = job.state;
    bool is_done = x->from != NULL && strcmp(x->from, job.cursor) != 0;
    if (!store_job_is_open(job.state) || is_done)
        return ERR_NONE;
    struct store_job_step step = {.job = x->job,
                                  .state = x->last ? STORE_JOB_DONE : STORE_JOB_RUNNING,
                                  .total = x->begins ? x->total : STORE_ANY,
                                  .cursor = x->cursor};
    for (size_t i = 0; i < x->count && err == ERR_NONE; i++)
        err = move_one(s, x, x->ids[i], job.kind, &step, e);
    if (err == ERR_NONE)
        err = sqlite_job_progress(s, &step, &r->u.message_move.now, e);
    return err;
}
