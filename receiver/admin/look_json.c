/*
 * What looks see, as JSON: campaigns, days, instants. And the words of a setting.
 */
#include "look_json.h"

#include <string.h>

json_t *json_campaign(const struct campaign *c, const char *sync_type)
{
    return json_pack("{s:s, s:b, s:o, s:o, s:o, s:o, s:o}", "id", c->id, "exists", c->exists,
                     "name", json_or_null(c->name), "type", json_or_null(c->type), "setting",
                     json_or_null(sync_type), "start", json_day(c->start_day), "end",
                     json_day(c->end_day));
}

static const struct {
    const char *word, *value;
} SETTINGS[] = {
    {"all", "Include all Campaign Members"},
    {"responded", "Include only \"Responded\" Campaign Members"},
    {"exclude", "Exclude all Campaign Members"},
    {"blank", ""},
};

bool argument_setting(const json_t *args, const char **value, struct answer *out)
{
    const char *word = argument_text(args, "setting");
    *value = NULL;
    if (json_object_get(args, "setting") == NULL)
        return true;
    for (size_t i = 0; i < sizeof SETTINGS / sizeof SETTINGS[0]; i++) {
        if (strcmp(SETTINGS[i].word, word) == 0)
            *value = SETTINGS[i].value;
    }
    return *value != NULL || argument_refuse(out, "setting", "is all, responded, exclude or blank");
}

bool ask_look(struct ask *k, const char *org, bool whole, struct look *l, struct answer *out)
{
    struct ask_org x;
    if (!ask_org(k, org, whole, &x, out))
        return false;
    const struct admin_options *o = &k->admin->options;
    *l = (struct look){.org = x.org,
                       .conn = x.conn,
                       .zone = x.zone,
                       .policy = o->policy,
                       .store = o->store,
                       .policy_fingerprint = o->policy_fingerprint,
                       .max_delete_percent = o->config->policy.max_delete_percent};
    return true;
}
