/*
 * messages and show: the queue as a table, one message as a page.
 */
#include "ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum { LIMIT_DEFAULT = 100, MESSAGE_WIDTH = 60 };

static void show_messages(const json_t *answer)
{
    static const char *const heads[] = {"MESSAGE",  "STATE", "RECEIVED", "WHAT", "RECORD",
                                        "CAMPAIGN", "TRIES", "ERROR",    "WHY"};
    const json_t *list = json_object_get(answer, "messages");
    struct table *t = table_new(heads, sizeof heads / sizeof heads[0]);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *m = json_array_get(list, i);
        const char *object = ctl_text(m, "object");
        table_add(t, (const char *[]){number_text(m, "id"), coloured(ctl_text(m, "state")),
                                      cut_text(ctl_text(m, "received_at"), 19),
                                      object[0] != '\0' ? object : ctl_text(m, "kind"),
                                      ctl_text(m, "record"), ctl_text(m, "campaign"),
                                      number_text(m, "tries"), ctl_text(m, "code"),
                                      cut_text(ctl_text(m, "message"), MESSAGE_WIDTH)});
    }
    if (json_array_size(list) == 0)
        (void)puts("no messages");
    table_end(&t, json_array_size(list) > 0);
}

static void print_ids(const json_t *answer)
{
    const json_t *list = json_object_get(answer, "messages");
    for (size_t i = 0; i < json_array_size(list); i++)
        (void)puts(number_text(json_array_get(list, i), "id"));
}

int run_messages(struct ctl *c, int argc, char **argv)
{
    const char *state = NULL, *org = NULL, *object = NULL, *record = NULL, *campaign = NULL,
               *error = NULL, *since = NULL, *until = NULL, *limit = NULL;
    bool ids = false;
    const struct ctl_option options[] = {
        {"state", &state, NULL, "state"},
        {"org", &org, NULL, "org"},
        {"object", &object, NULL, "object"},
        {"record", &record, NULL, "record"},
        {"campaign", &campaign, NULL, "campaign"},
        {"error", &error, NULL, "error"},
        {"since", &since, NULL, "since"},
        {"until", &until, NULL, "until"},
        {"limit", &limit, NULL, NULL},
        {"ids", NULL, &ids, NULL},
    };
    const size_t n = sizeof options / sizeof options[0];
    struct ctl_answer a;
    struct error e;
    if (ctl_options(c, argc, argv, options, n, 0, 0) < 0)
        return CTL_USAGE;
    size_t most = ctl_number(limit, LIMIT_DEFAULT);
    if (most == 0)
        return CTL_USAGE;
    char *from = since == NULL ? NULL : ctl_time(since),
         *to = until == NULL ? NULL : ctl_time(until);
    since = from;
    until = to;
    char *query = ctl_query(options, n);
    enum err err = ctl_pages(c, "/api/v1/messages", query, "messages", most, &a, &e);
    free(query);
    free(from);
    free(to);
    if (err == ERR_NONE && c->json)
        return print_json(&a, CTL_WELL);
    if (err == ERR_NONE)
        (ids ? print_ids : show_messages)(a.json);
    ctl_answer_release(&a);
    return err == ERR_NONE ? CTL_WELL : ctl_fail(&e);
}

/* ------------------------------------------------------------------ show */

static void show_attempts(const json_t *list)
{
    static const char *const heads[] = {"AT", "TIMES", "RESULT", "ERROR", "WHY"};
    if (json_array_size(list) == 0)
        return;
    struct table *t = table_new(heads, sizeof heads / sizeof heads[0]);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *x = json_array_get(list, i);
        table_add(t, (const char *[]){cut_text(ctl_text(x, "at"), 19), number_text(x, "times"),
                                      ctl_text(x, "result"), ctl_text(x, "code"),
                                      ctl_text(x, "message")});
    }
    (void)putchar('\n');
    table_end(&t, true);
}

static void show_message(const json_t *m)
{
    static const char *const texts[] = {"org",        "notification", "object",      "kind",
                                        "record",     "campaign",     "received_at", "due_at",
                                        "settled_at", "code",         "message",     "what_to_do"};
    (void)printf("%-13s %s, %s (tries: %s)\n", "message", number_text(m, "id"),
                 coloured(ctl_text(m, "state")), number_text(m, "tries"));
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (ctl_text(m, texts[i])[0] != '\0')
            (void)printf("%-13s %s\n", texts[i], ctl_text(m, texts[i]));
    }
    if (number_text(m, "replayed_by")[0] != '\0')
        (void)printf("%-13s job %s\n", "replayed_by", number_text(m, "replayed_by"));
    show_attempts(json_object_get(m, "attempts"));
    const json_t *ledger = json_object_get(m, "ledger");
    for (size_t i = 0; i < json_array_size(ledger); i++) {
        const json_t *x = json_array_get(ledger, i);
        (void)printf("%s %s touchpoint %s of member %s\n", cut_text(ctl_text(x, "at"), 19),
                     ctl_text(x, "action"), ctl_text(x, "touchpoint"), ctl_text(x, "member"));
    }
}

int run_show(struct ctl *c, int argc, char **argv)
{
    int n = ctl_options(c, argc, argv, NULL, 0, 1, -1), status = CTL_WELL;
    for (int i = 0; i < n && status == CTL_WELL; i++) {
        if (argv[i][0] == '\0' || argv[i][strspn(argv[i], "0123456789")] != '\0')
            return ctl_usage("a message is named by its number; `messages` lists them");
        char *path = mem_printf("/api/v1/messages/%s", argv[i]);
        status = ctl_do(c, "GET", path, NULL, show_message);
        free(path);
    }
    return n < 0 ? CTL_USAGE : status;
}
