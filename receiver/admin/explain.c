/*
 * GET /api/v1/explain: why a member has a touchpoint, or none.
 */
#include "look_json.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

static json_t *values_object(const struct explain_step *s)
{
    json_t *o = json_object();
    for (size_t i = 0; i < s->value_count; i++)
        json_object_set_new(o, s->values[i].name,
                            s->values[i].text == NULL ? json_null()
                                                      : json_string(s->values[i].text));
    return o;
}

static json_t *steps(const struct explanation *x)
{
    json_t *list = json_array();
    for (size_t i = 0; i < EXPLAIN_STEP_COUNT; i++) {
        const struct explain_step *s = &x->steps[i];
        json_array_append_new(list,
                              json_pack("{s:i, s:s, s:s, s:s, s:o}", "step", (int)i + 1, "name",
                                        s->name, "outcome", explain_outcome_name(s->outcome),
                                        "sentence", s->sentence, "values", values_object(s)));
    }
    return list;
}

static json_t *texts(const char *const *values)
{
    json_t *o = json_object();
    for (size_t v = 0; values != NULL && v < TV_COUNT; v++) {
        if (values[v][0] != '\0')
            json_object_set_new(o, touchpoint_value_name((enum touchpoint_value)v),
                                json_string(values[v]));
    }
    return o;
}

/* Between what exists and what is due; empty where either is missing. */
static json_t *difference(const struct look_explained *x)
{
    json_t *list = json_array();
    for (size_t v = 0; x->is != NULL && x->becomes != NULL && v < TV_COUNT; v++) {
        if (strcmp(x->is[v], x->becomes->value[v]) != 0)
            json_array_append_new(list,
                                  json_pack("{s:s, s:s, s:s}", "value",
                                            touchpoint_value_name((enum touchpoint_value)v), "is",
                                            x->is[v], "should_be", x->becomes->value[v]));
    }
    return list;
}

static json_t *member_json(const struct member *m)
{
    return json_pack("{s:s, s:b, s:o, s:o, s:b, s:o, s:o, s:o}", "id", m->id, "exists", m->exists,
                     "name", json_or_null(m->name), "status", json_or_null(m->status), "responded",
                     m->has_responded, "lead", json_or_null(m->person.lead_id), "contact",
                     json_or_null(m->person.contact_id), "email", json_or_null(m->person.email));
}

static json_t *verdict(const struct look_explained *x)
{
    enum reason reason = x->explanation->decision.reason;
    return json_pack("{s:b, s:s, s:s, s:o}", "has_touchpoint", reason == REASON_NONE, "reason",
                     reason_code(reason), "sentence", reason_text(reason), "values",
                     texts(x->becomes == NULL ? NULL : x->becomes->value));
}

static json_t *touchpoint_json(const struct look_explained *x)
{
    if (x->is == NULL)
        return json_null();
    return json_pack("{s:s, s:o}", "id", x->touchpoint_id, "values", texts(x->is));
}

/* ------------------------------------------------------------------ what the store knows of it */

enum { HISTORY_MAX = 50, MESSAGES_MAX = 20 };

static enum err read_history(struct store *s, const char *org, const char *member, json_t *list,
                             struct error *e)
{
    struct store_ledger_entry *entries = mem_array(HISTORY_MAX, sizeof *entries);
    int64_t before = 0;
    size_t count = 0;
    bool more = true;
    enum err err = ERR_NONE;
    while (err == ERR_NONE && more && json_array_size(list) < HISTORY_MAX) {
        size_t room = HISTORY_MAX - json_array_size(list);
        count = 0;
        err = store_ledger_walk(s, org, NULL, member, &before, entries, room, &count, &more, e);
        for (size_t i = 0; err == ERR_NONE && i < count; i++)
            json_array_append_new(list, json_ledger(&entries[i]));
        store_ledger_release(entries, err == ERR_NONE ? count : 0);
    }
    free(entries);
    return err;
}

static enum err read_messages(struct store *s, const char *org, const char *member, json_t *list,
                              struct error *e)
{
    struct store_filter filter = {.state = STORE_ANY};
    struct store_position at = {0};
    struct store_message *found = mem_array(MESSAGES_MAX, sizeof *found);
    size_t count = 0;
    bool more;
    memcpy(filter.org, org, SFID_SIZE);
    memcpy(filter.record_id, member, SFID_SIZE);
    enum err err = store_message_walk(s, &filter, &at, found, MESSAGES_MAX, &count, &more, e);
    for (size_t i = 0; err == ERR_NONE && i < count; i++)
        json_array_append_new(list, json_message(&found[i]));
    free(found);
    return err;
}

static enum err add_past(struct ask *k, const struct look *l, const char *member, json_t *told,
                         struct error *e)
{
    struct store *s = k->admin->options.store;
    const char *org = org_config(l->org)->id;
    enum err err = read_history(s, org, member, json_object_get(told, "history"), e);
    return err == ERR_NONE ? read_messages(s, org, member, json_object_get(told, "messages"), e)
                           : err;
}

static enum err on_explained(void *ctx, const struct look_explained *x, struct error *e)
{
    json_t **out = ctx;
    (void)e;
    *out = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:[], s:[]}", "member", member_json(x->member),
        "campaign", json_campaign(x->campaign, x->campaign->sync_type), "steps",
        steps(x->explanation), "verdict", verdict(x), "touchpoint", touchpoint_json(x),
        "difference", difference(x), "action", look_action_name(x->action), "history", "messages");
    return ERR_NONE;
}

static void run(struct ask *k, struct answer *out)
{
    char member[SFID_SIZE];
    struct error e = {0};
    struct look look;
    json_t *told = NULL;
    if (!argument_id(k->args, "member", "00v", member, out) ||
        !ask_look(k, argument_text(k->args, "org"), k->admin->options.policy->dedupe_email, &look,
                  out))
        return;
    enum err err = look_explain(&look, member, on_explained, &told, &e);
    if (err == ERR_NONE)
        err = add_past(k, &look, member, told, &e);
    if (err == ERR_NONE)
        answer_json(out, 200, json_incref(told));
    else
        answer_error(out, err, &e);
    json_decref(told);
}

void route_explain(struct admin *a, const struct request *q, struct answer *out)
{
    static const char *const names[] = {"org", "member", NULL};
    json_t *args = arguments_of_query(q, names, out);
    if (args != NULL)
        ask_later(a, q, args, run, out);
}
