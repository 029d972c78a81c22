#define _GNU_SOURCE /* getline */
/*
 * set-date, undo: the dates of many members at once. Both first ask the daemon what would be done,
 * show it, and ask.
 */
#include "ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "where.h"

static void set_text(json_t *body, const char *name, const char *text)
{
    if (text != NULL)
        json_object_set_new(body, name, json_string(text));
}

static void show_warnings(const json_t *answer)
{
    const json_t *list = json_object_get(answer, "warnings");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *w = json_array_get(list, i);
        (void)printf("%s: %s %s\n", coloured("warning"), number_text(w, "count"),
                     ctl_text(w, "sentence"));
    }
}

static void show_outlook(const json_t *answer)
{
    static const char *const heads[] = {"MEMBER", "NAME", "STATUS", "FROM", "TO"};
    const json_t *sample = json_object_get(answer, "sample");
    (void)printf("%s members, %s match, %s would change\n", number_text(answer, "members"),
                 number_text(answer, "match"), number_text(answer, "change"));
    show_warnings(answer);
    struct table *t = table_new(heads, sizeof heads / sizeof heads[0]);
    for (size_t i = 0; i < json_array_size(sample); i++) {
        const json_t *s = json_array_get(sample, i);
        table_add(t, (const char *[]){ctl_text(s, "member"), cut_text(ctl_text(s, "name"), 30),
                                      cut_text(ctl_text(s, "status"), 20), ctl_text(s, "from"),
                                      ctl_text(s, "to")});
    }
    table_end(&t, json_array_size(sample) > 0);
}

/* ------------------------------------------------------------------ what is asked */

/* Ids, one a line, of standard input or a file; NULL: told. */
static json_t *read_members(const char *from)
{
    FILE *f = strcmp(from, "-") == 0 ? stdin : fopen(from, "r");
    json_t *list = json_array();
    char *line = NULL;
    size_t room = 0;
    if (f == NULL) {
        (void)fprintf(stderr, "touchpointctl: %s can't be read\n", from);
        json_decref(list);
        return NULL;
    }
    while (getline(&line, &room, f) >= 0) {
        const char *id = line + strspn(line, " \t");
        size_t n = strcspn(id, " \t\r\n,;");
        if (n > 0)
            json_array_append_new(list, json_stringn(id, n));
    }
    free(line);
    if (f != stdin)
        (void)fclose(f);
    return list;
}

/* Adds whom it means; false: told. */
static bool add_whom(json_t *body, const char *where, const char *members)
{
    struct error e;
    json_t *filter = NULL;
    if (where == NULL && members == NULL) {
        (void)ctl_usage("set-date changes whom --where or --members names; all members are "
                        "--where ALL");
        return false;
    }
    if (where != NULL && strcmp(where, "ALL") != 0) {
        if (where_parse(where, &filter, &e) != ERR_NONE) {
            (void)fprintf(stderr, "touchpointctl: --where: %s\n", e.text);
            return false;
        }
        json_object_set_new(body, "filter", filter);
    }
    json_t *ids = members == NULL ? NULL : read_members(members);
    if (ids != NULL)
        json_object_set_new(body, "members", ids);
    return members == NULL || ids != NULL;
}

/* Posts the dry run; its answer is the caller's. */
static enum err ask_first(struct ctl *c, const char *path, json_t *body, struct ctl_answer *out,
                          struct error *e)
{
    json_t *dry = json_copy(body);
    json_object_del(dry, "reason");
    json_object_set_new(dry, "dry_run", json_true());
    return ctl_call(c, "POST", path, dry, out, e);
}

/* Makes the job; takes body. */
static int make(struct ctl *c, const char *path, json_t *body, bool wait)
{
    struct ctl_answer a;
    struct error e;
    if (ctl_call(c, "POST", path, body, &a, &e) == ERR_NONE)
        return ctl_follow(c, &a, wait);
    ctl_answer_release(&a);
    return ctl_fail(&e);
}

/* The dry run, shown and, but for --dry-run, asked about. *go_on: the change is wanted. */
static int look_first(struct ctl *c, const char *path, json_t *body, bool dry_run, bool yes,
                      char *(*question)(const json_t *answer), void (*show)(const json_t *answer),
                      bool *go_on)
{
    struct ctl_answer a;
    struct error e;
    *go_on = false;
    if (ask_first(c, path, body, &a, &e) != ERR_NONE) {
        ctl_answer_release(&a);
        return ctl_fail(&e);
    }
    if (dry_run && c->json)
        return print_json(&a, CTL_WELL);
    if (!c->json)
        show(a.json);
    int status = CTL_WELL;
    if (!dry_run) {
        char *text = question(a.json);
        *go_on = ctl_confirm(yes, text);
        status = *go_on ? CTL_WELL : CTL_FAILED;
        free(text);
    }
    ctl_answer_release(&a);
    return status;
}

/* ------------------------------------------------------------------ set-date */

static char *ask_change(const json_t *answer)
{
    return mem_printf("Change the Buyer Touchpoint Date of %s members?",
                      number_text(answer, "change"));
}

int run_set_date(struct ctl *c, int argc, char **argv)
{
    static const char path[] = "/api/v1/touchpoint-dates";
    const char *where = NULL, *members = NULL, *date = NULL, *reason = NULL, *org = NULL;
    bool dry_run = false, wait = false, yes = false, go_on;
    const struct ctl_option options[] = {
        {"where", &where, NULL, NULL}, {"members", &members, NULL, NULL},
        {"date", &date, NULL, NULL},   {"reason", &reason, NULL, NULL},
        {"org", &org, NULL, NULL},     {"dry-run", NULL, &dry_run, NULL},
        {"wait", NULL, &wait, NULL},   {"yes", NULL, &yes, NULL},
    };
    if (ctl_options(c, argc, argv, options, sizeof options / sizeof options[0], 1, 1) < 0)
        return CTL_USAGE;
    if (date == NULL)
        return ctl_usage("--date is missing: a date, a date-time, clear, campaign_start or "
                         "campaign_end");
    json_t *body = json_object();
    set_text(body, "campaign", argv[0]);
    set_text(body, "value", date);
    set_text(body, "org", org);
    set_text(body, "reason", reason);
    if (!add_whom(body, where, members)) {
        json_decref(body);
        return CTL_USAGE;
    }
    int status = look_first(c, path, body, dry_run, yes, ask_change, show_outlook, &go_on);
    if (go_on)
        return make(c, path, body, wait);
    json_decref(body);
    return status;
}

/* ------------------------------------------------------------------ undo */

static void show_undo(const json_t *answer)
{
    (void)printf("%s members would get their former date back; %s were changed since and stay\n",
                 number_text(answer, "restore"), number_text(answer, "changed_since"));
}

static char *ask_undo(const json_t *answer)
{
    return mem_printf("Give %s members their former date back?", number_text(answer, "restore"));
}

int run_undo(struct ctl *c, int argc, char **argv)
{
    const char *reason = NULL;
    bool dry_run = false, wait = false, yes = false, go_on;
    const struct ctl_option options[] = {{"reason", &reason, NULL, NULL},
                                         {"dry-run", NULL, &dry_run, NULL},
                                         {"wait", NULL, &wait, NULL},
                                         {"yes", NULL, &yes, NULL}};
    if (ctl_options(c, argc, argv, options, 4, 1, 1) < 0)
        return CTL_USAGE;
    if (argv[0][0] == '\0' || argv[0][strspn(argv[0], "0123456789")] != '\0')
        return ctl_usage("undo takes a job's number; `jobs` lists them");
    char *path = mem_printf("/api/v1/jobs/%s/undo", argv[0]);
    json_t *body = json_object();
    set_text(body, "reason", reason);
    int status = look_first(c, path, body, dry_run, yes, ask_undo, show_undo, &go_on);
    if (go_on)
        status = make(c, path, body, wait);
    else
        json_decref(body);
    free(path);
    return status;
}
