/*
 * The commands, one function each. With --json the API's answer is printed as it is.
 */
#include "ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"

int ctl_fail(const struct error *e)
{
    (void)fprintf(stderr, "touchpointctl: %s\n", e->text);
    return CTL_FAILED;
}

int print_json(struct ctl_answer *a, int status)
{
    (void)json_dumpf(a->json, stdout, JSON_INDENT(2));
    (void)putchar('\n');
    ctl_answer_release(a);
    return status;
}

/* ------------------------------------------------------------------ status, doctor */

/* A row for each sentence, behind the cells that they share. */
static void add_sentences(struct table *t, const char *const *cells, const json_t *sentences)
{
    for (size_t i = 0; i < json_array_size(sentences); i++)
        table_add(t, (const char *[]){cells[0], cells[1], cells[2],
                                      json_string_value(json_array_get(sentences, i))});
}

/* What stands in a check besides its status: whose it is, and what is wrong. */
static void add_check(struct table *t, const char *name, const json_t *check)
{
    const char *who = ctl_text(check, "name");
    if (who[0] == '\0')
        who = ctl_text(check, "org");
    add_sentences(t, (const char *[]){name, who, coloured("degraded"), NULL},
                  json_object_get(check, "problems"));
    add_sentences(t, (const char *[]){name, who, "note", NULL}, json_object_get(check, "warnings"));
    if (json_array_size(json_object_get(check, "problems")) > 0)
        return;
    char days[64] = "";
    const json_t *left = json_object_get(check, "days_left");
    if (left != NULL)
        (void)snprintf(days, sizeof days, "%lld days left", (long long)json_integer_value(left));
    const char *text = ctl_text(check, "problem");
    if (text[0] == '\0')
        text = ctl_text(check, "detail");
    if (text[0] == '\0')
        text = days;
    const char *status = ctl_text(check, "status");
    if (text[0] == '\0' && strcmp(status, "ok") == 0 &&
        json_array_size(json_object_get(check, "warnings")) > 0)
        return; /* the notes say all that there is to say */
    if (status[0] != '\0')
        table_add(t, (const char *[]){name, who, coloured(status), text});
}

static void add_queue(struct table *t, const json_t *queue)
{
    char text[160];
    (void)snprintf(text, sizeof text, "%lld ready, %lld in work, %lld failed, oldest %.0f s",
                   (long long)json_integer_value(json_object_get(queue, "ready")),
                   (long long)json_integer_value(json_object_get(queue, "leased")),
                   (long long)json_integer_value(json_object_get(queue, "failed")),
                   json_number_value(json_object_get(queue, "oldest_seconds")));
    table_add(t, (const char *[]){"queue", ctl_text(queue, "org"), "", text});
}

/* One check, or a list of them. */
static void add_checks(struct table *t, const char *name, const json_t *check)
{
    bool is_queue = strcmp(name, "queue") == 0 && json_is_array(check);
    if (!json_is_array(check))
        add_check(t, name, check);
    for (size_t i = 0; i < json_array_size(check); i++) {
        if (is_queue)
            add_queue(t, json_array_get(check, i));
        else
            add_check(t, name, json_array_get(check, i));
    }
}

/* The document of /readyz; gives the exit status that `degraded` is to have, 1 for unavailable. */
static int print_checks(struct ctl *c, struct ctl_answer *a, int degraded)
{
    static const char *const heads[] = {"CHECK", "WHOSE", "STATUS", "WHAT"};
    const char *status = ctl_text(a->json, "status");
    int code = strcmp(status, "ok") == 0         ? CTL_WELL
               : strcmp(status, "degraded") == 0 ? degraded
                                                 : CTL_FAILED;
    if (c->json)
        return print_json(a, code);
    struct table *t = table_new(heads, 4);
    json_t *checks = json_object_get(a->json, "checks");
    for (void *at = json_object_iter(checks); at != NULL; at = json_object_iter_next(checks, at))
        add_checks(t, json_object_iter_key(at), json_object_iter_value(at));
    (void)printf("%s\n\n", coloured(status));
    table_end(&t, true);
    ctl_answer_release(a);
    return code;
}

static int run_status(struct ctl *c, int argc, char **argv)
{
    struct ctl_answer a;
    struct error e;
    (void)argc;
    (void)argv;
    if (ctl_call(c, "GET", "/readyz", NULL, &a, &e) == ERR_NONE)
        return print_checks(c, &a, CTL_WELL);
    ctl_answer_release(&a);
    return ctl_fail(&e);
}

static int run_doctor(struct ctl *c, int argc, char **argv)
{
    struct ctl_answer a;
    struct error e;
    (void)argc;
    (void)argv;
    if (ctl_call(c, "POST", "/api/v1/doctor", NULL, &a, &e) == ERR_NONE)
        return print_checks(c, &a, CTL_FAILED);
    ctl_answer_release(&a);
    return ctl_fail(&e);
}

/* ------------------------------------------------------------------ reload, check-config */

static int run_reload(struct ctl *c, int argc, char **argv)
{
    struct ctl_answer a;
    struct error e;
    (void)argc;
    (void)argv;
    enum err err = ctl_call(c, "POST", "/api/v1/reload", NULL, &a, &e);
    if (err == ERR_NONE && c->json)
        return print_json(&a, CTL_WELL);
    ctl_answer_release(&a);
    if (err != ERR_NONE)
        return ctl_fail(&e);
    (void)puts("the configuration was loaded anew");
    return CTL_WELL;
}

/* touchpointd --check of the program beside this one, else of the PATH. */
static int run_check_config(struct ctl *c, int argc, char **argv)
{
    char own[4096];
    (void)c;
    (void)argc;
    ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);
    own[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(own, '/');
    char *beside = mem_printf("%.*s/touchpointd", slash == NULL ? 0 : (int)(slash - own), own);
    char *const words[] = {(char[]){"touchpointd"}, (char[]){"--config"}, argv[0],
                           (char[]){"--check"}, NULL};
    if (access(beside, X_OK) == 0)
        (void)execv(beside, words);
    (void)execvp("touchpointd", words);
    (void)fprintf(stderr, "touchpointctl: there is no touchpointd beside this program or in the "
                          "PATH that could check it\n");
    free(beside);
    return CTL_FAILED;
}

/* ------------------------------------------------------------------ the table */

const struct command COMMANDS[] = {
    {"status", "", "whether the daemon is well: each check, each org, the queue", 0, 0, run_status},
    {"doctor", "", "look at the whole chain now, and say what to do", 0, 0, run_doctor},
    {"messages", "[FILTER]", "the queue: what failed, what waits, what was done", -1, -1,
     run_messages},
    {"show", "MESSAGE…", "one message: what was tried, what to do, what it wrote", -1, -1,
     run_show},
    {"replay", "MESSAGE…|-|ALL|FILTER", "have messages carried out again", -1, -1, run_replay},
    {"discard", "MESSAGE…|-|ALL|FILTER", "have messages not carried out", -1, -1, run_discard},
    {"inject", "FILE|-", "take a document as if it had been received", -1, -1, run_inject},
    {"quarantine", "[DOCUMENT]", "documents that were refused", -1, -1, run_quarantine},
    {"ledger", "[--campaign …]", "what was written to the org, when and why", -1, -1, run_ledger},
    {"explain", "MEMBER", "why a member has a touchpoint, or none", -1, -1, run_explain},
    {"preview", "CAMPAIGN [--setting …]", "what a setting would do: all, responded, exclude, blank",
     -1, -1, run_preview},
    {"channels", "", "Campaign Types in use, and their channels", -1, -1, run_channels},
    {"set-date", "CAMPAIGN --date …", "members' Buyer Touchpoint Date: --where CONDITION|ALL", -1,
     -1, run_set_date},
    {"undo", "JOB", "give members the date back that a job changed", -1, -1, run_undo},
    {"jobs", "[--state …]", "jobs, and deletions that the guard holds", -1, -1, run_jobs},
    {"job", "JOB", "one job", -1, -1, run_job},
    {"cancel", "JOB…", "end jobs before their time", -1, -1, run_cancel},
    {"approve", "JOB…", "let held deletions be carried out", -1, -1, run_approve},
    {"reconcile", "CAMPAIGN|ALL", "look at a campaign again, or at all", -1, -1, run_reconcile},
    {"pause", "ORG|ALL", "let an org's work wait", -1, -1, run_pause},
    {"resume", "ORG|ALL", "let it go on", -1, -1, run_resume},
    {"forget", "RECORD", "erase what is held of a member, lead or contact", -1, -1, run_forget},
    {"reload", "", "load the configuration anew, whole or not at all", 0, 0, run_reload},
    {"check-config", "FILE", "what touchpointd --check says of a configuration", 1, 1,
     run_check_config},
};
const size_t COMMAND_COUNT = sizeof COMMANDS / sizeof COMMANDS[0];
