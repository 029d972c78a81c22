/*
 * Jobs: listed, looked at, cancelled; and the word that lets a pass run which the delete guard
 * holds.
 */
#include "store_routes.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

void answer_new_job(struct admin *a, const struct store_job_new *n, struct answer *out)
{
    struct store *s = a->options.store;
    struct store_job job = {0};
    struct error e;
    int64_t id;
    enum err err = store_job_create(s, n, &id, &e);
    if (err == ERR_NONE)
        err = store_job_get(s, id, &job, NULL, &e);
    if (err != ERR_NONE) {
        answer_error(out, err, &e);
        return;
    }
    if (a->options.runner != NULL)
        admin_runner_wake(a->options.runner);
    answer_json(out, 202, json_job(s, &job));
}

/* ------------------------------------------------------------------ the list */

static bool read_filter(const json_t *args, struct store_job_filter *f, char org[SFID_SIZE],
                        struct answer *out)
{
    const char *kind = argument_text(args, "kind"), *state = argument_text(args, "state");
    *f = (struct store_job_filter){.kind = store_job_kind_named(kind),
                                   .state = store_job_state_named(state),
                                   .open = strcmp(state, "open") == 0};
    if (json_object_get(args, "kind") != NULL && f->kind == STORE_ANY)
        return argument_refuse(out, "kind", "is no kind of job");
    if (json_object_get(args, "state") != NULL && f->state == STORE_ANY && !f->open)
        return argument_refuse(out, "state", "is no state of a job, nor open");
    if (json_object_get(args, "org") != NULL && !argument_id(args, "org", "00D", org, out))
        return false;
    f->org = json_object_get(args, "org") != NULL ? org : NULL;
    return true;
}

static void run_jobs(struct ask *k, struct answer *out)
{
    struct store_job_filter f;
    struct error e;
    char org[SFID_SIZE], next[32];
    int64_t after;
    size_t limit, n;
    if (!read_filter(k->args, &f, org, out) || !argument_limit(k->args, &limit, out) ||
        !argument_after(k->args, &after, out))
        return;
    struct store_job *page = mem_array(limit, sizeof *page);
    enum err err = store_job_walk(k->admin->options.store, &f, after, page, limit, &n, &e);
    if (err != ERR_NONE) {
        answer_error(out, err, &e);
    } else {
        json_t *jobs = json_array();
        for (size_t i = 0; i < n; i++)
            json_array_append_new(jobs, json_job(k->admin->options.store, &page[i]));
        (void)snprintf(next, sizeof next, "%lld", (long long)(n > 0 ? page[n - 1].id : 0));
        answer_json(out, 200,
                    json_pack("{s:o, s:o}", "jobs", jobs, "next",
                              n == limit ? json_string(next) : json_null()));
    }
    free(page);
}

void route_jobs(struct admin *a, const struct request *q, struct answer *out)
{
    static const char *const names[] = {"org", "kind", "state", "limit", "after", NULL};
    json_t *args = arguments_of_query(q, names, out);
    if (args != NULL)
        ask_store_later(a, q, args, run_jobs, out);
}

/* ------------------------------------------------------------------ one job */

/* Does `act` (NULL: nothing) to the job that the path names, and shows it. */
static void act_on(struct ask *k, enum err (*act)(struct store *, int64_t, struct error *),
                   struct answer *out)
{
    struct store *s = k->admin->options.store;
    struct store_job job = {0};
    struct error e;
    int64_t id;
    if (!parse_number(argument_text(k->args, "id"), &id)) {
        answer_problem(out, 404, "No such job", "a job's id is a number, as the list shows it");
        return;
    }
    enum err err = act == NULL ? ERR_NONE : act(s, id, &e);
    if (err == ERR_NONE)
        err = store_job_get(s, id, &job, NULL, &e);
    if (err == ERR_NONE)
        answer_json(out, 200, json_job(s, &job));
    else if (err == ERR_INVALID)
        answer_problem(out, 409, "Not in this state", e.text);
    else if (err == ERR_NOT_FOUND)
        answer_problem(out, 404, "No such job", e.text);
    else
        answer_error(out, err, &e);
}

static void run_job(struct ask *k, struct answer *out)
{
    act_on(k, NULL, out);
}

static void run_cancel(struct ask *k, struct answer *out)
{
    act_on(k, store_job_cancel, out);
}

static void run_approve(struct ask *k, struct answer *out)
{
    act_on(k, store_hold_approve, out);
}

void route_job(struct admin *a, const struct request *q, struct answer *out)
{
    ask_store_later(a, q, json_pack("{s:s}", "id", q->id), run_job, out);
}

void route_cancel(struct admin *a, const struct request *q, struct answer *out)
{
    ask_store_later(a, q, json_pack("{s:s}", "id", q->id), run_cancel, out);
}

void route_approve(struct admin *a, const struct request *q, struct answer *out)
{
    ask_store_later(a, q, json_pack("{s:s}", "id", q->id), run_approve, out);
}
