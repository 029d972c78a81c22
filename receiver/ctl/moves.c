/*
 * replay and discard: by numbers, by numbers from standard input, by filter, or ALL, which must be
 * spelled out. Numbers that are named are not asked about; many are, with their count.
 */
#include "ctl.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum { IDS_MAX = 5000, IDS_FROM_INPUT_MAX = 1000000 };

struct move {
    const char *verb; /* "replay" */
    const char *reason;
    bool yes, dry_run, wait;
    bool many;   /* not named one by one */
    json_t *ids; /* NULL: filter */
    json_t *filter;
};

/* False: it is no number, told. */
static bool add_id(json_t *ids, const char *text)
{
    if (text[0] == '\0' || strlen(text) > 18 || text[strspn(text, "0123456789")] != '\0') {
        (void)fprintf(stderr, "touchpointctl: %s is no message's number; `messages` lists them\n",
                      text);
        return false;
    }
    json_array_append_new(ids, json_integer(strtoll(text, NULL, 10)));
    return true;
}

static bool read_input(json_t *ids)
{
    char word[32];
    while (scanf("%31s", word) == 1) {
        if (!add_id(ids, word))
            return false;
        if (json_array_size(ids) > IDS_FROM_INPUT_MAX)
            return ctl_usage("more than a million numbers: use a filter") == CTL_WELL;
    }
    if (json_array_size(ids) > 0)
        return true;
    (void)fputs("touchpointctl: standard input names no message\n", stderr);
    return false;
}

static int read_words(struct move *m, int n, char **words)
{
    bool all = n == 1 && strcmp(words[0], "ALL") == 0;
    bool input = n == 1 && strcmp(words[0], "-") == 0;
    size_t terms = json_object_size(m->filter);
    if (n > 0 && terms > 0)
        return ctl_usage("name messages, or a filter, not both");
    if (n == 0 && terms == 0)
        return ctl_usage("name messages, a filter, or ALL");
    m->many = n == 0 || all || input;
    if (n == 0 || all)
        return CTL_WELL;
    m->ids = json_array();
    if (input)
        return read_input(m->ids) ? CTL_WELL : CTL_USAGE;
    for (int i = 0; i < n; i++) {
        if (!add_id(m->ids, words[i]))
            return CTL_USAGE;
    }
    return CTL_WELL;
}

/* ------------------------------------------------------------------ asking the daemon */

/* ids: a part of them, borrowed. */
static json_t *body_of(const struct move *m, json_t *ids, bool dry_run)
{
    json_t *body = json_object();
    json_object_set(body, ids != NULL ? "ids" : "filter", ids != NULL ? ids : m->filter);
    if (dry_run)
        json_object_set_new(body, "dry_run", json_true());
    else if (m->reason != NULL)
        json_object_set_new(body, "reason", json_string(m->reason));
    return body;
}

static enum err ask(struct ctl *c, const struct move *m, json_t *ids, bool dry_run,
                    struct ctl_answer *out, struct error *e)
{
    char *path = mem_printf("/api/v1/messages/%s", m->verb);
    enum err err = ctl_call(c, "POST", path, body_of(m, ids, dry_run), out, e);
    free(path);
    return err;
}

static void show_group(const char *head, const json_t *counts)
{
    for (void *at = json_object_iter((json_t *)(uintptr_t)counts); at != NULL;
         at = json_object_iter_next((json_t *)(uintptr_t)counts, at))
        (void)printf("  %-8s %-40s %lld\n", head, json_object_iter_key(at),
                     (long long)json_integer_value(json_object_iter_value(at)));
}

static void show_count(const char *verb, const json_t *counts)
{
    bool partial = json_is_true(json_object_get(counts, "is_partial"));
    (void)printf("%s: %s%s messages\n", verb, partial ? "more than " : "",
                 number_text(counts, "count"));
    show_group("state", json_object_get(counts, "by_state"));
    show_group("error", json_object_get(counts, "by_code"));
    show_group("object", json_object_get(counts, "by_object"));
}

/* Counts, and asks a person; CTL_WELL: go on. */
static int confirm(struct ctl *c, const struct move *m)
{
    struct ctl_answer a;
    struct error e;
    char question[160];
    long long count = (long long)json_array_size(m->ids);
    if (!m->many || m->yes)
        return CTL_WELL;
    if (m->ids == NULL) {
        if (ask(c, m, NULL, true, &a, &e) != ERR_NONE) {
            ctl_answer_release(&a);
            return ctl_fail(&e);
        }
        count = (long long)json_integer_value(json_object_get(a.json, "count"));
        ctl_answer_release(&a);
    }
    (void)snprintf(question, sizeof question, "%s %lld message%s?", m->verb, count,
                   count == 1 ? "" : "s");
    question[0] = (char)toupper((unsigned char)question[0]);
    return ctl_confirm(false, question) ? CTL_WELL : CTL_FAILED;
}

static int dry_run(struct ctl *c, const struct move *m, json_t *ids)
{
    struct ctl_answer a;
    struct error e;
    enum err err = ask(c, m, ids, true, &a, &e);
    if (err == ERR_NONE && c->json)
        return print_json(&a, CTL_WELL);
    if (err == ERR_NONE)
        show_count(m->verb, a.json);
    ctl_answer_release(&a);
    return err == ERR_NONE ? CTL_WELL : ctl_fail(&e);
}

static int move(struct ctl *c, const struct move *m, json_t *ids)
{
    struct ctl_answer a;
    struct error e;
    if (m->dry_run)
        return dry_run(c, m, ids);
    if (ask(c, m, ids, false, &a, &e) == ERR_NONE)
        return ctl_follow(c, &a, m->wait);
    ctl_answer_release(&a);
    return ctl_fail(&e);
}

/* As many jobs as the numbers need. */
static int move_all(struct ctl *c, const struct move *m)
{
    int status = m->dry_run ? CTL_WELL : confirm(c, m);
    if (status != CTL_WELL || m->ids == NULL)
        return status != CTL_WELL ? status : move(c, m, NULL);
    for (size_t i = 0; i < json_array_size(m->ids); i += IDS_MAX) {
        json_t *part = json_array();
        for (size_t k = i; k < json_array_size(m->ids) && k < i + IDS_MAX; k++)
            json_array_append(part, json_array_get(m->ids, k));
        int got = move(c, m, part);
        json_decref(part);
        status = got > status ? got : status;
    }
    return status;
}

/* ------------------------------------------------------------------ the commands */

static void add_term(json_t *filter, const char *name, const char *value)
{
    if (value != NULL)
        json_object_set_new(filter, name, json_string(value));
}

static void add_time(json_t *filter, const char *name, const char *value)
{
    char *at = value == NULL ? NULL : ctl_time(value);
    add_term(filter, name, at);
    free(at);
}

static int run_move(struct ctl *c, const char *verb, int argc, char **argv)
{
    struct move m = {.verb = verb};
    const char *state = NULL, *org = NULL, *object = NULL, *record = NULL, *campaign = NULL,
               *error = NULL, *since = NULL, *until = NULL;
    const struct ctl_option options[] = {
        {"state", &state, NULL, NULL},       {"org", &org, NULL, NULL},
        {"object", &object, NULL, NULL},     {"record", &record, NULL, NULL},
        {"campaign", &campaign, NULL, NULL}, {"error", &error, NULL, NULL},
        {"since", &since, NULL, NULL},       {"until", &until, NULL, NULL},
        {"reason", &m.reason, NULL, NULL},   {"yes", NULL, &m.yes, NULL},
        {"dry-run", NULL, &m.dry_run, NULL}, {"wait", NULL, &m.wait, NULL},
    };
    int n = ctl_options(c, argc, argv, options, sizeof options / sizeof options[0], 0, -1);
    if (n < 0)
        return CTL_USAGE;
    m.filter = json_object();
    add_term(m.filter, "state", state);
    add_term(m.filter, "org", org);
    add_term(m.filter, "object", object);
    add_term(m.filter, "record", record);
    add_term(m.filter, "campaign", campaign);
    add_term(m.filter, "error", error);
    add_time(m.filter, "since", since);
    add_time(m.filter, "until", until);
    int status = read_words(&m, n, argv);
    if (status == CTL_WELL)
        status = move_all(c, &m);
    json_decref(m.ids);
    json_decref(m.filter);
    return status;
}

int run_replay(struct ctl *c, int argc, char **argv)
{
    return run_move(c, "replay", argc, argv);
}

int run_discard(struct ctl *c, int argc, char **argv)
{
    return run_move(c, "discard", argc, argv);
}
