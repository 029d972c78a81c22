/*
 * The values of a touchpoint. The org stores texts without white space around them and refuses
 * those that are too long, so each is brought into the form that it will be read back in: otherwise
 * the comparison would find a difference on every pass. Where that form is the text itself, as
 * nearly always, it is borrowed.
 */
#include "rules_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "timeutil.h"

/* Lengths of Buyer_Touchpoint__c's fields in the `standard` schema; 0: an id or a date-time. The
 * email's and the name's are those of Contact.Email and Campaign.Name. */
static const size_t LENGTHS[TV_COUNT] = {
    [TV_EMAIL] = 80,         [TV_CHANNEL] = 255,      [TV_SUBCHANNEL] = 255,
    [TV_CHANNEL_PATH] = 255, [TV_MEDIUM] = 255,       [TV_SOURCE] = 255,
    [TV_TYPE] = 255,         [TV_AD_CAMPAIGN_ID] = 0, [TV_AD_CAMPAIGN_NAME] = 80,
    [TV_RULE] = 255,
};

/* How many of the n bytes make at most `max` UTF-16 units of whole characters. The org counts a
 * character outside the BMP as two. */
static size_t cut(const char *s, size_t n, size_t max)
{
    size_t units = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if ((c & 0xC0) == 0x80)
            continue;
        units += c >= 0xF0 ? 2 : 1;
        if (units > max)
            return i;
    }
    return n;
}

static void put(struct touchpoint *t, enum touchpoint_value v, const char *value)
{
    struct text whole = text_of(value);
    struct text fit = text_trim(whole);

    if (LENGTHS[v] > 0) {
        fit.n = cut(fit.s, fit.n, LENGTHS[v]);
        fit = text_trim(fit);
    }
    if (fit.n != whole.n)
        t->owned[v] = mem_strndup(fit.s, fit.n);
    t->value[v] = t->owned[v] != NULL ? t->owned[v] : whole.s;
}

static void put_channel(struct touchpoint *t, const struct campaign *c, const struct member *m,
                        const struct policy *p)
{
    struct channel found;
    channel_of(p, c->type, m->status, &found);
    bool has_sub = found.subchannel != NULL && found.subchannel[0] != '\0';
    (void)snprintf(t->channel_path, sizeof t->channel_path, "%s%s%s", found.channel,
                   has_sub ? "." : "", has_sub ? found.subchannel : "");
    put(t, TV_CHANNEL, found.channel);
    put(t, TV_SUBCHANNEL, found.subchannel);
    put(t, TV_CHANNEL_PATH, t->channel_path);
}

static const char *rule_name(const struct decision *d)
{
    if (d->rule != NULL)
        return d->rule->name;
    return d->sync_type == SYNC_RESPONDED ? "picklist:responded" : "picklist:all";
}

void touchpoint_values(const struct campaign *c, const struct member *m, const struct policy *p,
                       const struct decision *d, struct touchpoint *out)
{
    bool is_contact = m->person.contact_id[0] != '\0';

    *out = (struct touchpoint){0};
    put(out, TV_KEY, m->id);
    put(out, TV_CAMPAIGN, c->id);
    put(out, TV_LEAD, is_contact ? "" : m->person.lead_id);
    put(out, TV_CONTACT, m->person.contact_id);
    put(out, TV_EMAIL, m->person.email);
    put(out, TV_DATE, time_format_datetime(d->touchpoint_at_ms, out->date));
    put_channel(out, c, m, p);
    put(out, TV_MEDIUM, c->type);
    put(out, TV_SOURCE, "CRM Campaign");
    put(out, TV_TYPE, "CRM");
    put(out, TV_AD_CAMPAIGN_ID, c->id);
    put(out, TV_AD_CAMPAIGN_NAME, c->name);
    put(out, TV_RULE, rule_name(d));
}

void touchpoint_release(struct touchpoint *t)
{
    for (size_t i = 0; i < TV_COUNT; i++) {
        free(t->owned[i]);
        t->owned[i] = NULL;
    }
}
