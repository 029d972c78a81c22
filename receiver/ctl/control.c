/*
 * inject, pause, resume, reconcile.
 */
#include "ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "mem.h"

enum { DOCUMENT_MAX = 4 << 20 };

/* ------------------------------------------------------------------ inject */

static bool read_all(FILE *f, struct buf *out)
{
    char bytes[65536];
    size_t n;
    while ((n = fread(bytes, 1, sizeof bytes, f)) > 0 && out->len + n <= DOCUMENT_MAX)
        buf_put(out, bytes, n);
    return ferror(f) == 0 && n == 0;
}

static bool read_file(const char *name, struct buf *out)
{
    FILE *f = fopen(name, "rb");
    if (f == NULL)
        return false;
    bool well = read_all(f, out);
    int why = errno;
    (void)fclose(f);
    errno = why;
    return well;
}

static bool read_document(const char *name, struct buf *out)
{
    errno = 0;
    if (strcmp(name, "-") == 0 ? read_all(stdin, out) : read_file(name, out))
        return true;
    (void)fprintf(stderr, "touchpointctl: %s: %s\n", name,
                  errno != 0 ? strerror(errno) : "larger than 4 MiB");
    return false;
}

int run_inject(struct ctl *c, int argc, char **argv)
{
    const char *org = NULL;
    const struct ctl_option options[] = {{"org", &org, NULL, "org"}};
    struct ctl_answer a = {0};
    struct error e;
    struct buf document;
    if (ctl_options(c, argc, argv, options, 1, 1, 1) < 0)
        return CTL_USAGE;
    buf_init(&document, DOCUMENT_MAX);
    if (!read_document(argv[0], &document)) {
        buf_release(&document);
        return CTL_FAILED;
    }
    char *query = ctl_query(options, 1);
    char *path = mem_printf("/api/v1/inject%s%s", query[0] == '\0' ? "" : "?", query);
    enum err err =
        ctl_send(c, "POST", path, document.len == 0 ? "" : document.data, document.len, &a, &e);
    free(path);
    free(query);
    buf_release(&document);
    if (err == ERR_NONE && c->json)
        return print_json(&a, CTL_WELL);
    if (err == ERR_NONE)
        (void)printf("%s notifications stored, %s known already\n", number_text(a.json, "stored"),
                     number_text(a.json, "duplicates"));
    ctl_answer_release(&a);
    return err == ERR_NONE ? CTL_WELL : ctl_fail(&e);
}

/* ------------------------------------------------------------------ pause */

static void show_orgs(const json_t *answer)
{
    static const char *const heads[] = {"ORG", "STATE", "REASON"};
    const json_t *orgs = json_object_get(answer, "orgs");
    struct table *t = table_new(heads, 3);
    for (size_t i = 0; i < json_array_size(orgs); i++) {
        const json_t *o = json_array_get(orgs, i);
        bool paused = json_is_true(json_object_get(o, "paused"));
        table_add(t, (const char *[]){ctl_text(o, "id"), paused ? "paused" : "works",
                                      ctl_text(o, "reason")});
    }
    table_end(&t, true);
}

static int set_pause(struct ctl *c, const char *path, int argc, char **argv)
{
    const char *reason = NULL;
    const struct ctl_option options[] = {{"reason", &reason, NULL, NULL}};
    if (ctl_options(c, argc, argv, options, 1, 1, 1) < 0)
        return CTL_USAGE;
    json_t *body = json_object();
    if (strcmp(argv[0], "ALL") != 0)
        json_object_set_new(body, "org", json_string(argv[0]));
    if (reason != NULL)
        json_object_set_new(body, "reason", json_string(reason));
    return ctl_do(c, "POST", path, body, show_orgs);
}

int run_pause(struct ctl *c, int argc, char **argv)
{
    return set_pause(c, "/api/v1/pause", argc, argv);
}

int run_resume(struct ctl *c, int argc, char **argv)
{
    return set_pause(c, "/api/v1/resume", argc, argv);
}

/* ------------------------------------------------------------------ reconcile */

static void show_would(const json_t *x)
{
    const json_t *n = json_object_get(x, "counts");
    if (n == NULL)
        (void)printf("%s campaigns would be looked at\n", number_text(x, "campaigns"));
    else
        (void)printf("%s members: %s touchpoints would be made, %s changed, %s deleted, %s stay\n",
                     number_text(n, "members"), number_text(n, "get"), number_text(n, "change"),
                     number_text(n, "lose"), number_text(n, "keep"));
}

int run_reconcile(struct ctl *c, int argc, char **argv)
{
    const char *org = NULL, *reason = NULL;
    bool yes = false, dry_run = false, wait = false, all = false;
    const struct ctl_option options[] = {
        {"org", &org, NULL, NULL}, {"reason", &reason, NULL, NULL},   {"yes", NULL, &yes, NULL},
        {"all", NULL, &all, NULL}, {"dry-run", NULL, &dry_run, NULL}, {"wait", NULL, &wait, NULL},
    };
    struct ctl_answer a;
    struct error e;
    int n = ctl_options(c, argc, argv, options, sizeof options / sizeof options[0], 0, 1);
    all = all || (n == 1 && strcmp(argv[0], "ALL") == 0);
    if (n < 0 || (n == 0 && !all))
        return n < 0 ? CTL_USAGE : ctl_usage("name a campaign, or ALL");
    if (all && !dry_run &&
        !ctl_confirm(yes, "Look at all campaigns again? It costs API calls of the org."))
        return CTL_FAILED;
    json_t *body = json_pack("{s:b}", "dry_run", dry_run);
    json_object_set_new(body, all ? "all" : "campaign", all ? json_true() : json_string(argv[0]));
    if (org != NULL)
        json_object_set_new(body, "org", json_string(org));
    if (reason != NULL)
        json_object_set_new(body, "reason", json_string(reason));
    if (dry_run)
        return ctl_do(c, "POST", "/api/v1/reconcile", body, show_would);
    if (ctl_call(c, "POST", "/api/v1/reconcile", body, &a, &e) == ERR_NONE)
        return ctl_follow(c, &a, wait);
    ctl_answer_release(&a);
    return ctl_fail(&e);
}
