/*
 * An admin's words to the queue: pause and resume an org, look at a campaign or at all of them
 * again, take a document as if it had been received.
 */
#include "store_routes.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* ------------------------------------------------------------------ orgs */

static bool is_configured(const struct admin *a, const char *id)
{
    for (size_t i = 0; i < a->options.org_count; i++) {
        if (strcmp(org_config(a->options.orgs[i])->id, id) == 0)
            return true;
    }
    return false;
}

bool argument_org(const struct admin *a, const json_t *args, char org[SFID_SIZE],
                  struct answer *out)
{
    if (json_object_get(args, "org") == NULL && a->options.org_count == 1) {
        memcpy(org, org_config(a->options.orgs[0])->id, SFID_SIZE);
        return true;
    }
    if (!argument_id(args, "org", "00D", org, out))
        return false;
    if (is_configured(a, org))
        return true;
    answer_problem(out, 404, "No such organisation", "the configuration has no org of that id");
    return false;
}

/* ------------------------------------------------------------------ pause */

static json_t *orgs_json(const struct admin *a, enum err *err, struct error *e)
{
    json_t *list = json_array();
    char reason[STORE_REASON_SIZE];
    for (size_t i = 0; i < a->options.org_count && *err == ERR_NONE; i++) {
        const char *id = org_config(a->options.orgs[i])->id;
        bool paused = false;
        *err = store_paused(a->options.store, id, &paused, reason, e);
        json_array_append_new(list, json_pack("{s:s, s:b, s:o}", "id", id, "paused", paused,
                                              "reason", json_or_null(reason)));
    }
    return list;
}

/* The org that is named, or all. reason NULL: it goes on. */
static void set_pause(struct ask *k, const char *reason, struct answer *out)
{
    const struct admin *a = k->admin;
    bool all = json_object_get(k->args, "org") == NULL;
    char org[SFID_SIZE] = "";
    struct error e;
    enum err err = ERR_NONE;
    if (!argument_reason(k->args, out) || (!all && !argument_org(a, k->args, org, out)))
        return;
    for (size_t i = 0; i < a->options.org_count && err == ERR_NONE; i++) {
        const char *id = org_config(a->options.orgs[i])->id;
        if (all || strcmp(id, org) == 0)
            err = store_pause(a->options.store, id, reason, &e);
    }
    json_t *orgs = orgs_json(a, &err, &e);
    if (err == ERR_NONE) {
        answer_json(out, 200, json_pack("{s:o}", "orgs", orgs));
        return;
    }
    json_decref(orgs);
    answer_error(out, err, &e);
}

static void run_pause(struct ask *k, struct answer *out)
{
    set_pause(k, argument_text(k->args, "reason"), out);
}

static void run_resume(struct ask *k, struct answer *out)
{
    set_pause(k, NULL, out);
}

static const char *const PAUSE_NAMES[] = {"org", "reason", NULL};

void route_pause(struct admin *a, const struct request *q, struct answer *out)
{
    json_t *args = arguments_of_body(q, PAUSE_NAMES, out);
    if (args != NULL)
        ask_store_later(a, q, args, run_pause, out);
}

void route_resume(struct admin *a, const struct request *q, struct answer *out)
{
    json_t *args = arguments_of_body(q, PAUSE_NAMES, out);
    if (args != NULL)
        ask_store_later(a, q, args, run_resume, out);
}

/* ------------------------------------------------------------------ reconcile */

static void reconcile_campaign(struct ask *k, bool dry_run, struct answer *out)
{
    char org[SFID_SIZE], campaign[SFID_SIZE];
    if (!argument_org(k->admin, k->args, org, out) ||
        !argument_id(k->args, "campaign", "701", campaign, out))
        return;
    if (dry_run) {
        run_preview(k, out);
        return;
    }
    const struct store_job_new n = {.kind = STORE_JOB_RECONCILE,
                                    .org = org,
                                    .campaign_id = campaign,
                                    .params = "{}",
                                    .reason = argument_text(k->args, "reason"),
                                    .queues = true};
    answer_new_job(k->admin, &n, out);
}

/* How many campaigns the org tells of that may have touchpoints. */
static enum err on_campaign(void *ctx, const char *id, struct error *e)
{
    size_t *n = ctx;
    (void)id;
    (void)e;
    (*n)++;
    return ERR_NONE;
}

static enum err on_member(void *ctx, const char *id, struct error *e)
{
    (void)ctx;
    (void)id;
    (void)e;
    return ERR_NONE;
}

static void count_campaigns(struct ask *k, const char *only, struct answer *out)
{
    size_t n = 0;
    struct org_survey survey = {.campaign = on_campaign, .member = on_member, .ctx = &n};
    struct error e;
    for (size_t i = 0; i < k->admin->options.org_count; i++) {
        const char *id = org_config(k->admin->options.orgs[i])->id;
        struct ask_org x;
        if (only != NULL && strcmp(only, id) != 0)
            continue;
        if (!ask_org(k, id, true, &x, out))
            return;
        enum err err = org_survey_campaigns(x.conn, &survey, &e);
        if (err != ERR_NONE) {
            answer_error(out, err, &e);
            return;
        }
    }
    answer_json(out, 200, json_pack("{s:I}", "campaigns", (json_int_t)n));
}

static void reconcile_all(struct ask *k, bool dry_run, struct answer *out)
{
    const struct admin *a = k->admin;
    char org[SFID_SIZE];
    bool one = json_object_get(k->args, "org") != NULL;
    if (one && !argument_org(a, k->args, org, out))
        return;
    if (dry_run) {
        count_campaigns(k, one ? org : NULL, out);
        return;
    }
    json_t *orgs = json_array();
    for (size_t i = 0; i < a->options.org_count; i++) {
        const char *id = org_config(a->options.orgs[i])->id;
        if (!one || strcmp(id, org) == 0)
            json_array_append_new(orgs, json_string(id));
    }
    json_t *params = json_pack("{s:o}", "orgs", orgs);
    char *text = json_dumps(params, JSON_COMPACT);
    const struct store_job_new n = {.kind = STORE_JOB_RECONCILE,
                                    .org = one ? org : "",
                                    .campaign_id = "",
                                    .params = text,
                                    .reason = argument_text(k->args, "reason")};
    answer_new_job(k->admin, &n, out);
    free(text);
    json_decref(params);
}

static void run_reconcile(struct ask *k, struct answer *out)
{
    bool all, dry_run;
    if (!argument_bool(k->args, "all", &all, out) ||
        !argument_bool(k->args, "dry_run", &dry_run, out) || !argument_reason(k->args, out))
        return;
    if (all == (json_object_get(k->args, "campaign") != NULL))
        (void)argument_refuse(out, "campaign", "or all must be given, and not both");
    else if (all)
        reconcile_all(k, dry_run, out);
    else
        reconcile_campaign(k, dry_run, out);
}

void route_reconcile(struct admin *a, const struct request *q, struct answer *out)
{
    static const char *const names[] = {"org", "campaign", "all", "dry_run", "reason", NULL};
    json_t *args = arguments_of_body(q, names, out);
    if (args != NULL)
        ask_later(a, q, args, run_reconcile, out);
}

/* ------------------------------------------------------------------ inject */

static void run_inject(struct ask *k, struct answer *out)
{
    char org[SFID_SIZE];
    size_t stored, duplicates;
    struct error e;
    const json_t *body = json_object_get(k->args, "body");
    if (!argument_org(k->admin, k->args, org, out))
        return;
    enum err err = intake_inject(k->admin->options.intake, org, json_string_value(body),
                                 json_string_length(body), &stored, &duplicates, &e);
    if (err == ERR_NONE)
        answer_json(out, 200,
                    json_pack("{s:I, s:I}", "stored", (json_int_t)stored, "duplicates",
                              (json_int_t)duplicates));
    else
        answer_error(out, err, &e);
}

void route_inject(struct admin *a, const struct request *q, struct answer *out)
{
    static const char *const names[] = {"org", NULL};
    json_t *args = arguments_of_query(q, names, out);
    if (args == NULL)
        return;
    json_t *body = json_stringn(q->body_len == 0 ? "" : q->body, q->body_len);
    if (body == NULL) {
        json_decref(args);
        (void)argument_refuse(out, "the body", "is not UTF-8");
        return;
    }
    json_object_set_new(args, "body", body);
    ask_store_later(a, q, args, run_inject, out);
}
