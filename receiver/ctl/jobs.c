/*
 * jobs, job, cancel, approve.
 */
#include "ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum { LIMIT_DEFAULT = 100 };

static const char *progress(const json_t *job, char *out, size_t size)
{
    const char *total = number_text(job, "total");
    if (strcmp(ctl_text(job, "kind"), "held_deletions") == 0)
        (void)snprintf(out, size, "would delete %s of %s touchpoints",
                       number_text(job, "would_delete"), number_text(job, "existing"));
    else
        (void)snprintf(out, size, "%s of %s, %s changed, %s skipped, %s failed",
                       number_text(job, "done"), total[0] == '\0' ? "?" : total,
                       number_text(job, "changed"), number_text(job, "skipped"),
                       number_text(job, "failed"));
    return out;
}

static void show_jobs(const json_t *answer)
{
    static const char *const heads[] = {"JOB", "KIND", "STATE", "ORG", "CAMPAIGN", "SINCE", "WHAT"};
    const json_t *jobs = json_object_get(answer, "jobs");
    struct table *t = table_new(heads, sizeof heads / sizeof heads[0]);
    for (size_t i = 0; i < json_array_size(jobs); i++) {
        const json_t *job = json_array_get(jobs, i);
        char text[200];
        table_add(t, (const char *[]){number_text(job, "id"), ctl_text(job, "kind"),
                                      coloured(ctl_text(job, "state")), ctl_text(job, "org"),
                                      ctl_text(job, "campaign"),
                                      cut_text(ctl_text(job, "created_at"), 19),
                                      progress(job, text, sizeof text)});
    }
    if (json_array_size(jobs) == 0)
        (void)puts("no jobs");
    table_end(&t, json_array_size(jobs) > 0);
}

int run_jobs(struct ctl *c, int argc, char **argv)
{
    const char *kind = NULL, *state = NULL, *org = NULL, *limit = NULL;
    const struct ctl_option options[] = {{"kind", &kind, NULL, "kind"},
                                         {"state", &state, NULL, "state"},
                                         {"org", &org, NULL, "org"},
                                         {"limit", &limit, NULL, NULL}};
    struct ctl_answer a;
    struct error e;
    if (ctl_options(c, argc, argv, options, 4, 0, 0) < 0)
        return CTL_USAGE;
    size_t most = ctl_number(limit, LIMIT_DEFAULT);
    if (most == 0)
        return CTL_USAGE;
    char *query = ctl_query(options, 4);
    enum err err = ctl_pages(c, "/api/v1/jobs", query, "jobs", most, &a, &e);
    free(query);
    if (err == ERR_NONE && c->json)
        return print_json(&a, CTL_WELL);
    if (err == ERR_NONE)
        show_jobs(a.json);
    ctl_answer_release(&a);
    return err == ERR_NONE ? CTL_WELL : ctl_fail(&e);
}

/* ------------------------------------------------------------------ one */

static void show_job(const json_t *job)
{
    static const char *const texts[] = {"org",        "campaign",   "reason",  "message",
                                        "created_at", "started_at", "ended_at"};
    char text[200];
    (void)printf("%-11s %s, %s %s\n", "job", number_text(job, "id"), ctl_text(job, "kind"),
                 coloured(ctl_text(job, "state")));
    (void)printf("%-11s %s\n", "progress", progress(job, text, sizeof text));
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (ctl_text(job, texts[i])[0] != '\0')
            (void)printf("%-11s %s\n", texts[i], ctl_text(job, texts[i]));
    }
    if (number_text(job, "undone_by")[0] != '\0')
        (void)printf("%-11s job %s\n", "undone_by", number_text(job, "undone_by"));
}

static bool is_number(const char *word)
{
    if (word[0] != '\0' && word[strspn(word, "0123456789")] == '\0')
        return true;
    (void)fprintf(stderr, "touchpointctl: %s is no job's number; `jobs` lists them\n", word);
    return false;
}

int run_job(struct ctl *c, int argc, char **argv)
{
    bool wait = false;
    const struct ctl_option options[] = {{"wait", NULL, &wait, NULL}};
    struct ctl_answer a;
    struct error e;
    if (ctl_options(c, argc, argv, options, 1, 1, 1) < 0 || !is_number(argv[0]))
        return CTL_USAGE;
    char *path = mem_printf("/api/v1/jobs/%s", argv[0]);
    int status = wait ? CTL_WELL : ctl_do(c, "GET", path, NULL, show_job);
    enum err err = wait ? ctl_call(c, "GET", path, NULL, &a, &e) : ERR_NONE;
    free(path);
    if (!wait || err == ERR_NONE)
        return wait ? ctl_follow(c, &a, true) : status;
    ctl_answer_release(&a);
    return ctl_fail(&e);
}

static void tell_cancelled(const json_t *job)
{
    (void)printf("job %s: cancelled\n", number_text(job, "id"));
}

static void tell_approved(const json_t *job)
{
    (void)printf("job %s: its deletions may be carried out\n", number_text(job, "id"));
}

static int act_on_each(struct ctl *c, int argc, char **argv, const char *verb,
                       void (*tell)(const json_t *job))
{
    int n = ctl_options(c, argc, argv, NULL, 0, 1, -1), status = CTL_WELL;
    for (int i = 0; i < n && status == CTL_WELL; i++) {
        if (!is_number(argv[i]))
            return CTL_USAGE;
        char *path = mem_printf("/api/v1/jobs/%s/%s", argv[i], verb);
        status = ctl_do(c, "POST", path, NULL, tell);
        free(path);
    }
    return n < 0 ? CTL_USAGE : status;
}

int run_cancel(struct ctl *c, int argc, char **argv)
{
    return act_on_each(c, argc, argv, "cancel", tell_cancelled);
}

int run_approve(struct ctl *c, int argc, char **argv)
{
    return act_on_each(c, argc, argv, "approve", tell_approved);
}
