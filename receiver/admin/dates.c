/*
 * POST /api/v1/touchpoint-dates: the dates of many members at once; POST /api/v1/jobs/ID/undo:
 * back. Both are asked first what they would do; then they make a job that a worker runs.
 */
#include "look_json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dates.h"
#include "mem.h"
#include "timeutil.h"

/* ------------------------------------------------------------------ what it would do */

static void warn(json_t *list, bool holds, const char *code, const char *sentence, int64_t count)
{
    if (holds)
        json_array_append_new(list, json_pack("{s:s, s:s, s:I}", "code", code, "sentence", sentence,
                                              "count", (json_int_t)count));
}

static json_t *warnings(const struct dates_outlook *x)
{
    json_t *list = json_array();
    warn(
        list, x->outside_window, "outside_window",
        "members would have a date outside the campaign's Touchpoint Start and End Date, and so no "
        "touchpoint",
        x->match);
    warn(list, x->in_future, "future_date", "members would have a date in the future", x->match);
    warn(
        list, x->not_enabled, "campaign_not_enabled",
        "members of a campaign that is not enabled get no touchpoint; their dates count once it is",
        x->match);
    return list;
}

static json_t *outlook_json(const struct dates_outlook *x)
{
    json_t *list = json_array();
    for (size_t i = 0; i < x->sample_count; i++) {
        const struct dates_sample *s = &x->samples[i];
        json_array_append_new(list,
                              json_pack("{s:s, s:o, s:o, s:o, s:o}", "member", s->member, "name",
                                        json_or_null(s->name), "status", json_or_null(s->status),
                                        "from", json_or_null(s->from), "to", json_or_null(s->to)));
    }
    return json_pack("{s:I, s:I, s:I, s:o, s:o}", "members", (json_int_t)x->members, "match",
                     (json_int_t)x->match, "change", (json_int_t)x->change, "warnings", warnings(x),
                     "sample", list);
}

/* ------------------------------------------------------------------ making the job */

static void make_job(struct ask *k, const struct store_job_new *n, struct answer *out)
{
    struct store *s = k->admin->options.store;
    struct store_job job;
    struct error e = {0};
    int64_t id = 0;
    enum err err = store_job_create(s, n, &id, &e);
    if (err == ERR_NONE)
        err = store_job_get(s, id, &job, NULL, &e);
    if (err == ERR_NONE)
        answer_json(out, 202, json_job(s, &job));
    else if (err == ERR_INVALID)
        answer_problem(out, 409, "The job can't be made", e.text);
    else
        answer_error(out, err, &e);
}

/* What the job keeps of the request. */
static char *params_of(const json_t *args)
{
    static const char *const kept[] = {"filter", "members", "value"};
    json_t *params = json_object();
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        json_t *value = json_object_get(args, kept[i]);
        if (value != NULL)
            json_object_set(params, kept[i], value);
    }
    char *text = json_dumps(params, JSON_COMPACT);
    json_decref(params);
    return text;
}

static void look_or_make(struct ask *k, const char *campaign, const struct dates_plan *plan,
                         const char *params, struct answer *out)
{
    struct error e = {0};
    struct look look;
    bool dry_run;
    if (!argument_bool(k->args, "dry_run", &dry_run, out) ||
        !ask_look(k, argument_text(k->args, "org"), dry_run, &look, out))
        return;
    struct dates_outlook *x = mem_alloc(sizeof *x);
    enum err err = dates_look(&look, campaign, plan, !dry_run, time_wall_ms(), x, &e);
    if (err != ERR_NONE)
        answer_error(out, err, &e);
    else if (dry_run)
        answer_json(out, 200, outlook_json(x));
    else
        make_job(k,
                 &(struct store_job_new){.kind = STORE_JOB_DATES,
                                         .org = org_config(look.org)->id,
                                         .campaign_id = campaign,
                                         .params = params,
                                         .reason = argument_text(k->args, "reason"),
                                         .queues = true},
                 out);
    free(x);
}

static void run_dates(struct ask *k, struct answer *out)
{
    char campaign[SFID_SIZE];
    struct error e = {0};
    struct dates_plan *plan = NULL;
    if (!argument_id(k->args, "campaign", "701", campaign, out) || !argument_reason(k->args, out))
        return;
    char *params = params_of(k->args);
    enum err err = dates_plan_read(&plan, params, &e);
    if (err == ERR_NONE && strlen(params) > STORE_PARAMS_MAX)
        err = error_set(&e, ERR_INVALID,
                        "filter and members take more than %d bytes: change fewer members at once, "
                        "or find them by a filter",
                        STORE_PARAMS_MAX);
    if (err == ERR_NONE)
        look_or_make(k, campaign, plan, params, out);
    else
        answer_error(out, err, &e);
    dates_plan_free(&plan);
    free(params);
}

void route_dates(struct admin *a, const struct request *q, struct answer *out)
{
    static const char *const names[] = {"org",   "campaign", "filter", "members",
                                        "value", "dry_run",  "reason", NULL};
    json_t *args = arguments_of_body(q, names, out);
    if (args != NULL)
        ask_later(a, q, args, run_dates, out);
}

/* ------------------------------------------------------------------ undo */

static bool read_number(const char *text, int64_t *id)
{
    char *end = NULL;
    errno = 0;
    *id = text[0] >= '0' && text[0] <= '9' ? strtoll(text, &end, 10) : -1;
    return errno == 0 && end != NULL && *end == '\0';
}

static bool may_be_undone(const struct store_job *job, struct answer *out)
{
    const char *why = NULL;
    if (job->kind != STORE_JOB_DATES)
        why =
            "only jobs that changed dates can be undone; an undo is made good by another such job";
    else if (store_job_is_open(job->state))
        why = "it is still under way: cancel it first, or wait for its end";
    if (why != NULL)
        answer_problem(out, 409, "The job can't be undone", why);
    return why == NULL;
}

static void answer_undo_look(struct ask *k, const struct store_job *job, struct answer *out)
{
    struct error e = {0};
    struct look look;
    int64_t restore, changed_since;
    if (!ask_look(k, job->org, true, &look, out))
        return;
    enum err err =
        dates_undo_look(&look, k->admin->options.store, job->id, &restore, &changed_since, &e);
    if (err == ERR_NONE)
        answer_json(out, 200,
                    json_pack("{s:I, s:I}", "restore", (json_int_t)restore, "changed_since",
                              (json_int_t)changed_since));
    else
        answer_error(out, err, &e);
}

static void run_undo(struct ask *k, struct answer *out)
{
    struct error e = {0};
    struct store_job job;
    bool dry_run;
    int64_t id = json_integer_value(json_object_get(k->args, "job"));
    if (!argument_bool(k->args, "dry_run", &dry_run, out) || !argument_reason(k->args, out))
        return;
    enum err err = store_job_get(k->admin->options.store, id, &job, NULL, &e);
    if (err != ERR_NONE)
        answer_error(out, err, &e);
    else if (!may_be_undone(&job, out))
        return;
    else if (dry_run)
        answer_undo_look(k, &job, out);
    else
        make_job(k,
                 &(struct store_job_new){.kind = STORE_JOB_UNDO,
                                         .org = job.org,
                                         .campaign_id = job.campaign_id,
                                         .params = "{}",
                                         .reason = argument_text(k->args, "reason"),
                                         .undo_of = id,
                                         .queues = true},
                 out);
}

void route_undo(struct admin *a, const struct request *q, struct answer *out)
{
    static const char *const names[] = {"dry_run", "reason", NULL};
    int64_t id;
    if (!read_number(q->id, &id)) {
        answer_problem(out, 404, "No such job",
                       "a job's id is a number, as GET /api/v1/jobs shows it");
        return;
    }
    json_t *args = arguments_of_body(q, names, out);
    if (args == NULL)
        return;
    json_object_set_new(args, "job", json_integer(id));
    ask_later(a, q, args, run_undo, out);
}
