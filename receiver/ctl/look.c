/*
 * explain, preview, channels: what would be done, and why.
 */
#include "ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "mem.h"

enum { PATH_MAX_BYTES = 4096 };

static const char *or_dash(const char *text)
{
    return text[0] == '\0' ? "–" : text;
}

/* ------------------------------------------------------------------ explain */

static void show_steps(const json_t *steps)
{
    static const char *const heads[] = {"STEP", "OUTCOME", "WHY"};
    struct table *t = table_new(heads, 3);
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *s = json_array_get(steps, i);
        table_add(t, (const char *[]){ctl_text(s, "name"), ctl_text(s, "outcome"),
                                      ctl_text(s, "sentence")});
    }
    table_end(&t, true);
}

static void show_difference(const json_t *list)
{
    static const char *const heads[] = {"VALUE", "IS", "SHOULD BE"};
    struct table *t = table_new(heads, 3);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *d = json_array_get(list, i);
        table_add(t, (const char *[]){ctl_text(d, "value"), or_dash(ctl_text(d, "is")),
                                      or_dash(ctl_text(d, "should_be"))});
    }
    if (json_array_size(list) > 0)
        (void)puts("");
    table_end(&t, json_array_size(list) > 0);
}

static void show_history(const json_t *list)
{
    static const char *const heads[] = {"WRITTEN", "ACTION", "CAUSE", "REASON"};
    struct table *t = table_new(heads, 4);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *x = json_array_get(list, i);
        table_add(t, (const char *[]){cut_text(ctl_text(x, "at"), 19), ctl_text(x, "action"),
                                      ctl_text(x, "cause"), ctl_text(x, "reason")});
    }
    if (json_array_size(list) > 0)
        (void)puts("");
    table_end(&t, json_array_size(list) > 0);
}

static void show_explained(const json_t *answer)
{
    const json_t *member = json_object_get(answer, "member");
    const json_t *campaign = json_object_get(answer, "campaign");
    const json_t *verdict = json_object_get(answer, "verdict");
    const char *action = ctl_text(answer, "action");
    (void)printf("%s %s in %s (%s)\n", or_dash(ctl_text(member, "name")), ctl_text(member, "id"),
                 or_dash(ctl_text(campaign, "name")), ctl_text(campaign, "id"));
    if (json_is_true(json_object_get(verdict, "has_touchpoint")))
        (void)printf("has a touchpoint, %s, dated %s\n\n",
                     ctl_text(json_object_get(verdict, "values"), "channel_path"),
                     ctl_text(json_object_get(verdict, "values"), "date"));
    else
        (void)printf("has no touchpoint: %s\n\n", ctl_text(verdict, "sentence"));
    show_steps(json_object_get(answer, "steps"));
    if (strcmp(action, "none") != 0 && strcmp(action, "keep") != 0)
        (void)printf("\nthe next pass will %s it\n", action);
    show_difference(json_object_get(answer, "difference"));
    show_history(json_object_get(answer, "history"));
}

int run_explain(struct ctl *c, int argc, char **argv)
{
    const char *org = NULL;
    const struct ctl_option options[] = {{"org", &org, NULL, NULL}};
    struct buf path;
    if (ctl_options(c, argc, argv, options, 1, 1, 1) < 0)
        return CTL_USAGE;
    buf_init(&path, PATH_MAX_BYTES);
    buf_puts(&path, "/api/v1/explain?member=");
    buf_put_url(&path, argv[0]);
    if (org != NULL) {
        buf_puts(&path, "&org=");
        buf_put_url(&path, org);
    }
    int status = ctl_do(c, "GET", path.data, NULL, show_explained);
    buf_release(&path);
    return status;
}

/* ------------------------------------------------------------------ preview */

static void show_counted(const json_t *list, const char *head, const char *name)
{
    const char *const heads[] = {"MEMBERS", head};
    struct table *t = table_new(heads, 2);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *x = json_array_get(list, i);
        table_add(t, (const char *[]){number_text(x, "count"), ctl_text(x, name)});
    }
    if (json_array_size(list) > 0)
        (void)puts("");
    table_end(&t, json_array_size(list) > 0);
}

static void show_preview(const json_t *answer)
{
    const json_t *campaign = json_object_get(answer, "campaign");
    const json_t *counts = json_object_get(answer, "counts");
    const json_t *warnings = json_object_get(answer, "warnings");
    (void)printf("%s (%s), under \"%s\"\n", or_dash(ctl_text(campaign, "name")),
                 ctl_text(campaign, "id"), ctl_text(answer, "setting"));
    (void)printf("%s members: %s would get a touchpoint, %s keep theirs, %s change, %s lose it, %s "
                 "have none\n",
                 number_text(counts, "members"), number_text(counts, "get"),
                 number_text(counts, "keep"), number_text(counts, "change"),
                 number_text(counts, "lose"), number_text(counts, "none"));
    for (size_t i = 0; i < json_array_size(warnings); i++)
        (void)printf("%s: %s\n", coloured("warning"),
                     ctl_text(json_array_get(warnings, i), "sentence"));
    show_counted(json_object_get(answer, "reasons"), "WHY", "sentence");
    show_counted(json_object_get(answer, "channels"), "CHANNEL", "channel_path");
}

int run_preview(struct ctl *c, int argc, char **argv)
{
    const char *org = NULL, *setting = NULL;
    const struct ctl_option options[] = {{"org", &org, NULL, NULL},
                                         {"setting", &setting, NULL, NULL}};
    if (ctl_options(c, argc, argv, options, 2, 1, 1) < 0)
        return CTL_USAGE;
    json_t *body = json_pack("{s:s}", "campaign", argv[0]);
    if (org != NULL)
        json_object_set_new(body, "org", json_string(org));
    if (setting != NULL)
        json_object_set_new(body, "setting", json_string(setting));
    return ctl_do(c, "POST", "/api/v1/preview", body, show_preview);
}

/* ------------------------------------------------------------------ channels */

static const char *note_of(const json_t *type)
{
    if (json_is_true(json_object_get(type, "null_channel")))
        return "null channel: enabled by mistake?";
    if (!json_is_true(json_object_get(type, "is_default")))
        return "";
    return json_array_size(json_object_get(type, "by_status")) > 0 ? "by status, else the default"
                                                                   : "in no row: the default";
}

static void show_channels(const json_t *answer)
{
    static const char *const heads[] = {"TYPE",    "CAMPAIGNS",  "ENABLED", "MEMBERS",
                                        "CHANNEL", "SUBCHANNEL", "NOTE"};
    const json_t *types = json_object_get(answer, "types");
    struct table *t = table_new(heads, sizeof heads / sizeof heads[0]);
    for (size_t i = 0; i < json_array_size(types); i++) {
        const json_t *x = json_array_get(types, i);
        table_add(t,
                  (const char *[]){or_dash(ctl_text(x, "type")), number_text(x, "campaigns"),
                                   number_text(x, "enabled"), number_text(x, "members"),
                                   ctl_text(x, "channel"), ctl_text(x, "subchannel"), note_of(x)});
    }
    table_end(&t, true);
}

int run_channels(struct ctl *c, int argc, char **argv)
{
    const char *org = NULL;
    const struct ctl_option options[] = {{"org", &org, NULL, "org"}};
    if (ctl_options(c, argc, argv, options, 1, 0, 0) < 0)
        return CTL_USAGE;
    char *query = ctl_query(options, 1);
    char *path = mem_printf("/api/v1/channels%s%s", query[0] == '\0' ? "" : "?", query);
    int status = ctl_do(c, "GET", path, NULL, show_channels);
    free(path);
    free(query);
    return status;
}
