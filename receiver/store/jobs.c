/*
 * Jobs: their names, and the public functions, which check what their callers promised.
 */
#include "store_int.h"

#include <assert.h>
#include <string.h>

static const char *const KINDS[] = {
#define X(id, name) [id] = name,
    STORE_JOB_KINDS(X)
#undef X
};
static const char *const STATES[] = {
#define X(id, name) [id] = name,
    STORE_JOB_STATES(X)
#undef X
};
enum {
    KIND_COUNT = sizeof KINDS / sizeof KINDS[0],
    STATE_COUNT = sizeof STATES / sizeof STATES[0],
};

const char *store_job_kind_name(enum store_job_kind k)
{
    return (size_t)k < KIND_COUNT ? KINDS[k] : "unknown";
}

const char *store_job_state_name(enum store_job_state s)
{
    return (size_t)s < STATE_COUNT ? STATES[s] : "unknown";
}

static int named(const char *const *names, int count, const char *name)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0)
            return i;
    }
    return STORE_ANY;
}

int store_job_kind_named(const char *name)
{
    return named(KINDS, KIND_COUNT, name);
}

int store_job_state_named(const char *name)
{
    return named(STATES, STATE_COUNT, name);
}

bool store_job_is_open(enum store_job_state s)
{
    return s == STORE_JOB_QUEUED || s == STORE_JOB_RUNNING;
}

/* ------------------------------------------------------------------ the operations */

enum err store_job_create(struct store *s, const struct store_job_new *n, int64_t *id,
                          struct error *e)
{
    struct store_request r = {.op = STORE_OP_JOB_CREATE, .u.job_create = {.what = n}};
    assert(n->kind != STORE_JOB_HELD && (!n->queues || n->campaign_id[0] != '\0'));
    if (strlen(n->params) > STORE_PARAMS_MAX)
        return error_set(e, ERR_INVALID,
                         "what the job asks for takes more than %d bytes: ask for less at a time",
                         STORE_PARAMS_MAX);
    enum err err = store_submit(s, &r, e);
    if (err == ERR_NONE)
        *id = r.u.job_create.id;
    return err;
}

enum err store_job_get(struct store *s, int64_t id, struct store_job *out, struct buf *params,
                       struct error *e)
{
    struct store_job job = {0};
    struct store_request r = {.op = STORE_OP_JOB_GET};
    assert(params == NULL || params->max >= STORE_PARAMS_MAX);
    r.u.job_get.id = id;
    r.u.job_get.out = &job;
    r.u.job_get.params = params;
    if (params != NULL)
        buf_clear(params);
    enum err err = store_submit(s, &r, e);
    if (err == ERR_NONE)
        *out = job;
    return err;
}

enum err store_job_walk(struct store *s, const struct store_job_filter *f, int64_t before_id,
                        struct store_job *out, size_t max, size_t *count, struct error *e)
{
    struct store_request r = {.op = STORE_OP_JOB_WALK};
    r.u.job_walk.filter = f;
    r.u.job_walk.before_id = before_id;
    r.u.job_walk.out = out;
    r.u.job_walk.max = max;
    enum err err = store_submit(s, &r, e);
    if (err == ERR_NONE)
        *count = r.u.job_walk.count;
    return err;
}

enum err store_job_cancel(struct store *s, int64_t id, struct error *e)
{
    struct store_request r = {.op = STORE_OP_JOB_CANCEL, .u.job_cancel = {.id = id}};
    return store_submit(s, &r, e);
}

enum err store_job_step(struct store *s, struct store_claim *c, const struct store_job_step *step,
                        enum store_job_state *now, struct error *e)
{
    struct store_request r = {.op = STORE_OP_JOB_STEP, .lease = c};
    assert(step->item_count <= STORE_SLICE_MAX);
    assert(step->state == STORE_JOB_RUNNING || step->state == STORE_JOB_DONE ||
           step->state == STORE_JOB_FAILED);
    assert(step->cursor == NULL || strlen(step->cursor) < STORE_JOB_CURSOR_SIZE);
    r.u.job_step.what = step;
    enum err err = store_submit(s, &r, e);
    if (err != ERR_NONE)
        return err;
    *now = r.u.job_step.now;
    if (c != NULL && r.deadline_boot_ms != 0)
        c->deadline_boot_ms = r.deadline_boot_ms;
    return ERR_NONE;
}

enum err store_job_item_walk(struct store *s, int64_t job, const char *after, int state,
                             struct store_job_item *out, size_t max, size_t *count, struct error *e)
{
    struct store_request r = {.op = STORE_OP_JOB_ITEMS};
    r.u.job_items.job = job;
    r.u.job_items.after = after;
    r.u.job_items.state = state;
    r.u.job_items.out = out;
    r.u.job_items.max = max;
    enum err err = store_submit(s, &r, e);
    if (err == ERR_NONE)
        *count = r.u.job_items.count;
    return err;
}
