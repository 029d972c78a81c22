/*
 * POST /api/v1/preview: what a pass over the campaign would do, under its setting or another one.
 * GET /api/v1/members: the same member by member, a page at a time.
 */
#include "look_json.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "timeutil.h"

/* ------------------------------------------------------------------ the preview */

static json_t *counts(const struct preview *p)
{
    const int64_t *n = p->actions;
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "members", (json_int_t)p->members, "get",
                     (json_int_t)n[LOOK_CREATE], "keep", (json_int_t)n[LOOK_KEEP], "change",
                     (json_int_t)n[LOOK_UPDATE], "lose", (json_int_t)n[LOOK_DELETE], "none",
                     (json_int_t)n[LOOK_NONE]);
}

static json_t *reasons(const struct preview *p)
{
    json_t *list = json_array();
    for (size_t r = 0; r < PREVIEW_REASON_COUNT; r++) {
        if (p->reasons[r] > 0)
            json_array_append_new(
                list, json_pack("{s:s, s:s, s:I}", "code", reason_code((enum reason)r), "sentence",
                                reason_text((enum reason)r), "count", (json_int_t)p->reasons[r]));
    }
    return list;
}

static json_t *warnings(const struct preview *p)
{
    json_t *list = json_array();
    for (size_t w = 0; w < PREVIEW_WARNING_COUNT; w++) {
        char sentence[PREVIEW_SENTENCE_MAX];
        if (p->warnings[w] == 0)
            continue;
        preview_sentence(p, (enum preview_warning)w, sentence);
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:I}", "code",
                                        preview_warning_code((enum preview_warning)w), "sentence",
                                        sentence, "count", (json_int_t)p->warnings[w]));
    }
    return list;
}

static json_t *channels(const struct preview *p)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->channel_count; i++)
        json_array_append_new(list, json_pack("{s:s, s:I}", "channel_path", p->channels[i].path,
                                              "count", (json_int_t)p->channels[i].count));
    return list;
}

static json_t *samples(const struct preview *p)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->sample_count; i++) {
        const struct preview_sample *s = &p->samples[i];
        json_array_append_new(
            list, json_pack("{s:s, s:o, s:o, s:s, s:s, s:o, s:o}", "member", s->member, "name",
                            json_or_null(s->name), "status", json_or_null(s->status), "action",
                            look_action_name(s->action), "reason", reason_code(s->reason), "date",
                            json_at(s->at_ms), "channel_path", json_or_null(s->channel_path)));
    }
    return list;
}

json_t *preview_json(const struct preview *p)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "counts", counts(p), "reasons", reasons(p),
                     "warnings", warnings(p), "channels", channels(p), "sample", samples(p));
}

struct previewing {
    struct preview preview;
    json_t *campaign, *setting;
};

static enum err on_campaign(void *ctx, const struct look_campaign *c, struct error *e)
{
    struct previewing *x = ctx;
    (void)e;
    preview_begin(&x->preview, c);
    x->campaign = json_campaign(c->campaign, c->sync_type);
    x->setting = json_or_null(c->campaign->sync_type);
    return ERR_NONE;
}

static enum err on_row(void *ctx, const struct look_row *row, struct error *e)
{
    struct previewing *x = ctx;
    (void)e;
    preview_add(&x->preview, row);
    return ERR_NONE;
}

static void on_held(void *ctx, int64_t would_delete, int64_t existing)
{
    struct previewing *x = ctx;
    preview_held(&x->preview, would_delete, existing);
}

void run_preview(struct ask *k, struct answer *out)
{
    char campaign[SFID_SIZE];
    const char *setting;
    struct error e = {0};
    struct look look;
    if (!argument_id(k->args, "campaign", "701", campaign, out) ||
        !argument_setting(k->args, &setting, out) ||
        !ask_look(k, argument_text(k->args, "org"), true, &look, out))
        return;
    struct previewing *x = mem_alloc(sizeof *x);
    struct look_sink sink = {on_campaign, on_row, x, on_held};
    preview_init(&x->preview, &look, time_wall_ms());
    enum err err = look_campaign(&look, campaign, setting, &sink, &e);
    if (err == ERR_NONE) {
        json_t *told = preview_json(&x->preview);
        json_object_set(told, "campaign", x->campaign);
        json_object_set(told, "setting", x->setting);
        answer_json(out, 200, told);
    } else {
        answer_error(out, err, &e);
    }
    json_decref(x->campaign);
    json_decref(x->setting);
    free(x);
}

void route_preview(struct admin *a, const struct request *q, struct answer *out)
{
    static const char *const names[] = {"org", "campaign", "setting", NULL};
    json_t *args = arguments_of_body(q, names, out);
    if (args != NULL)
        ask_later(a, q, args, run_preview, out);
}

/* ------------------------------------------------------------------ a page of members */

static enum err no_campaign(void *ctx, const struct look_campaign *c, struct error *e)
{
    (void)ctx;
    (void)c;
    (void)e;
    return ERR_NONE;
}

static enum err on_member(void *ctx, const struct look_row *row, struct error *e)
{
    json_t *list = ctx;
    const struct member *m = row->member;
    (void)e;
    json_array_append_new(
        list,
        json_pack("{s:s, s:o, s:o, s:o, s:b, s:o, s:s, s:s, s:s}", "member", m->id, "name",
                  json_or_null(m->name), "email", json_or_null(m->person.email), "status",
                  json_or_null(m->status), "responded", m->has_responded, "date",
                  json_at(row->decision->touchpoint_at_ms), "action", look_action_name(row->action),
                  "reason", reason_code(row->reason), "sentence", reason_text(row->reason)));
    return ERR_NONE;
}

/* "" or "none": those that have a touchpoint. */
static bool argument_code(const json_t *args, int *reason, struct answer *out)
{
    const char *code = argument_text(args, "reason");
    *reason = -1;
    if (json_object_get(args, "reason") == NULL)
        return true;
    for (size_t r = 0; r < PREVIEW_REASON_COUNT; r++) {
        bool is_it = r == REASON_NONE ? strcmp(code, "none") == 0
                                      : strcmp(code, reason_code((enum reason)r)) == 0;
        if (is_it)
            *reason = (int)r;
    }
    return *reason >= 0 ||
           argument_refuse(out, "reason",
                           "is one of the codes that members are shown with, or none for those "
                           "that have a touchpoint");
}

static bool read_page(const json_t *args, struct look_page *page, char ids[2][SFID_SIZE],
                      struct answer *out)
{
    ids[1][0] = '\0';
    bool ok =
        argument_id(args, "campaign", "701", ids[0], out) &&
        argument_limit(args, &page->limit, out) && argument_code(args, &page->reason, out) &&
        (json_object_get(args, "after") == NULL || argument_id(args, "after", "00v", ids[1], out));
    page->campaign_id = ids[0];
    page->after = ids[1];
    return ok;
}

static void run_members(struct ask *k, struct answer *out)
{
    char ids[2][SFID_SIZE], next[SFID_SIZE];
    struct look_page page = {0};
    struct error e = {0};
    struct look look;
    bool whole = k->admin->options.policy->dedupe_email;
    if (!read_page(k->args, &page, ids, out) ||
        !ask_look(k, argument_text(k->args, "org"), whole, &look, out))
        return;
    json_t *list = json_array();
    struct look_sink sink = {no_campaign, on_member, list, NULL};
    enum err err = look_members(&look, &page, &sink, next, &e);
    if (err == ERR_NONE)
        answer_json(out, 200, json_pack("{s:O, s:o}", "members", list, "next", json_or_null(next)));
    else
        answer_error(out, err, &e);
    json_decref(list);
}

void route_members(struct admin *a, const struct request *q, struct answer *out)
{
    static const char *const names[] = {"org", "campaign", "reason", "limit", "after", NULL};
    json_t *args = arguments_of_query(q, names, out);
    if (args != NULL)
        ask_later(a, q, args, run_members, out);
}
