/*
 * quarantine, ledger, forget: what else the daemon holds.
 */
#include "ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum { LIMIT_DEFAULT = 100, MESSAGE_WIDTH = 70 };

/* Prints a list that was read by pages. */
static int list(struct ctl *c, const char *path, const char *query, const char *member,
                const char *limit, void (*show)(const json_t *answer))
{
    struct ctl_answer a;
    struct error e;
    size_t most = ctl_number(limit, LIMIT_DEFAULT);
    if (most == 0)
        return CTL_USAGE;
    enum err err = ctl_pages(c, path, query, member, most, &a, &e);
    if (err == ERR_NONE && c->json)
        return print_json(&a, CTL_WELL);
    if (err == ERR_NONE)
        show(a.json);
    ctl_answer_release(&a);
    return err == ERR_NONE ? CTL_WELL : ctl_fail(&e);
}

/* ------------------------------------------------------------------ quarantine */

static void show_documents(const json_t *answer)
{
    static const char *const heads[] = {"DOCUMENT", "AT", "PEER", "BYTES", "REASON", "WHY"};
    const json_t *documents = json_object_get(answer, "documents");
    struct table *t = table_new(heads, sizeof heads / sizeof heads[0]);
    for (size_t i = 0; i < json_array_size(documents); i++) {
        const json_t *d = json_array_get(documents, i);
        table_add(t, (const char *[]){number_text(d, "id"), cut_text(ctl_text(d, "at"), 19),
                                      ctl_text(d, "peer"), number_text(d, "size"),
                                      ctl_text(d, "reason"),
                                      cut_text(ctl_text(d, "message"), MESSAGE_WIDTH)});
    }
    if (json_array_size(documents) == 0)
        (void)puts("no documents");
    table_end(&t, json_array_size(documents) > 0);
}

static void show_document(const json_t *d)
{
    (void)printf("document %s of %s, from %s: %s (%s)\n%s bytes, of which %s are kept\n\n",
                 number_text(d, "id"), ctl_text(d, "at"), ctl_text(d, "peer"),
                 ctl_text(d, "message"), ctl_text(d, "reason"), number_text(d, "size"),
                 number_text(d, "kept"));
    for (const char *s = ctl_text(d, "body"); *s != '\0'; s++) {
        bool is_plain = (unsigned char)*s >= ' ' || *s == '\n' || *s == '\t';
        (void)putchar(is_plain && *s != 0x7f ? *s : '?'); /* it may hold words for the terminal */
    }
    (void)putchar('\n');
}

int run_quarantine(struct ctl *c, int argc, char **argv)
{
    const char *limit = NULL;
    const struct ctl_option options[] = {{"limit", &limit, NULL, NULL}};
    int n = ctl_options(c, argc, argv, options, 1, 0, 1);
    if (n <= 0)
        return n < 0 ? CTL_USAGE
                     : list(c, "/api/v1/quarantine", "", "documents", limit, show_documents);
    if (argv[0][0] == '\0' || argv[0][strspn(argv[0], "0123456789")] != '\0')
        return ctl_usage("a document is named by its number; `quarantine` lists them");
    char *path = mem_printf("/api/v1/quarantine/%s", argv[0]);
    int status = ctl_do(c, "GET", path, NULL, show_document);
    free(path);
    return status;
}

/* ------------------------------------------------------------------ ledger */

static void show_ledger(const json_t *answer)
{
    static const char *const heads[] = {"AT",         "ACTION", "CAMPAIGN", "MEMBER",
                                        "TOUCHPOINT", "CAUSE",  "WHY"};
    const json_t *entries = json_object_get(answer, "ledger");
    struct table *t = table_new(heads, sizeof heads / sizeof heads[0]);
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *x = json_array_get(entries, i);
        table_add(t, (const char *[]){cut_text(ctl_text(x, "at"), 19), ctl_text(x, "action"),
                                      ctl_text(x, "campaign"), ctl_text(x, "member"),
                                      ctl_text(x, "touchpoint"), ctl_text(x, "cause"),
                                      ctl_text(x, "reason")});
    }
    if (json_array_size(entries) == 0)
        (void)puts("nothing was written");
    table_end(&t, json_array_size(entries) > 0);
}

int run_ledger(struct ctl *c, int argc, char **argv)
{
    const char *org = NULL, *campaign = NULL, *member = NULL, *limit = NULL;
    const struct ctl_option options[] = {{"org", &org, NULL, "org"},
                                         {"campaign", &campaign, NULL, "campaign"},
                                         {"member", &member, NULL, "member"},
                                         {"limit", &limit, NULL, NULL}};
    if (ctl_options(c, argc, argv, options, 4, 0, 0) < 0)
        return CTL_USAGE;
    char *query = ctl_query(options, 4);
    int status = list(c, "/api/v1/ledger", query, "ledger", limit, show_ledger);
    free(query);
    return status;
}

/* ------------------------------------------------------------------ forget */

static void show_forgotten(const json_t *x)
{
    (void)printf("%s ledger entries' values, %s messages, %s refused documents, %s job items\n",
                 number_text(x, "ledger"), number_text(x, "messages"), number_text(x, "documents"),
                 number_text(x, "job_items"));
}

static json_t *forget_body(const char *org, const char *record, const char *email, bool dry_run)
{
    json_t *body = json_pack("{s:s, s:b}", "record", record, "dry_run", dry_run);
    if (org != NULL)
        json_object_set_new(body, "org", json_string(org));
    if (email != NULL)
        json_object_set_new(body, "email", json_string(email));
    return body;
}

int run_forget(struct ctl *c, int argc, char **argv)
{
    const char *org = NULL, *email = NULL;
    bool yes = false, dry_run = false;
    const struct ctl_option options[] = {{"org", &org, NULL, NULL},
                                         {"email", &email, NULL, NULL},
                                         {"yes", NULL, &yes, NULL},
                                         {"dry-run", NULL, &dry_run, NULL}};
    char question[160];
    if (ctl_options(c, argc, argv, options, sizeof options / sizeof options[0], 1, 1) < 0)
        return CTL_USAGE;
    (void)snprintf(question, sizeof question, "Erase what is held of %.18s, for good?", argv[0]);
    if (!dry_run && !ctl_confirm(yes, question))
        return CTL_FAILED;
    return ctl_do(c, "POST", "/api/v1/forget", forget_body(org, argv[0], email, dry_run),
                  show_forgotten);
}
