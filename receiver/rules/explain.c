/*
 * The steps of decide, told: each is carried out by decide's own function, then a teller of the
 * same number says what it saw. Nothing here decides.
 */
#include "explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "mem.h"
#include "rules_int.h"
#include "timeutil.h"

enum { SENTENCE_MAX = 4096 };

struct telling {
    const struct facts *f;
    const struct decision *d;
    struct explain_step *step;
    struct buf sentence;
};

static const char *const NAMES[] = {
#define X(id, name) name,
    EXPLAIN_STEPS(X)
#undef X
};

const char *explain_outcome_name(enum explain_outcome o)
{
    static const char *const names[] = {"pass", "stop", "skipped"};
    return names[o];
}

/* ------------------------------------------------------------------ values */

static void seen(struct telling *t, const char *name, const char *text)
{
    struct explain_step *s = t->step;
    s->values = mem_resize(s->values, s->value_count + 1, sizeof *s->values);
    s->values[s->value_count++] =
        (struct explain_value){.name = mem_strdup(name), .text = mem_strdup(text)};
}

static void seen_day(struct telling *t, const char *name, int64_t day)
{
    char text[TIME_TEXT_MAX];
    seen(t, name, day == TIME_NONE ? NULL : time_format_date(day, text));
}

static void seen_at(struct telling *t, const char *name, int64_t at_ms)
{
    char text[TIME_TEXT_MAX];
    seen(t, name, at_ms == TIME_NONE ? NULL : time_format_datetime(at_ms, text));
}

/* "Campaign.Type" */
static char *field_name(const struct policy *p, bool on_member, size_t field)
{
    const char *const *names =
        on_member ? (const char *const *)p->member_fields : (const char *const *)p->campaign_fields;
    return mem_printf("%s.%s", on_member ? "CampaignMember" : "Campaign", names[field]);
}

static void seen_fields(struct telling *t, bool on_member)
{
    const struct policy *p = t->f->p;
    size_t n = on_member ? p->member_field_count : p->campaign_field_count;
    for (size_t i = 0; i < n; i++) {
        const struct rule_value *v = fact_value(t->f, on_member, i);
        char *name = field_name(p, on_member, i);
        seen(t, name, v->type == RULE_NULL ? NULL : v->text);
        free(name);
    }
}

/* ------------------------------------------------------------------ one teller a step */

static void tell_exists(struct telling *t)
{
    seen(t, "Campaign", t->f->c->id);
    seen(t, "Campaign.Name", t->f->c->name);
    if (t->d->reason == REASON_NONE)
        buf_puts(&t->sentence, "the member and its campaign exist");
}

static void put_group(struct telling *t, const struct rule_group *g)
{
    for (size_t i = 0; g != NULL && i < g->count; i++) {
        const struct rule_condition *c = &g->conditions[i];
        char *name = field_name(t->f->p, c->on_member, c->field);
        buf_printf(&t->sentence, "%s %s %s \"%s\"", i == 0 ? ":" : " and", name,
                   rule_op_text(c->op), c->value);
        free(name);
    }
}

static void tell_rule(struct telling *t)
{
    const struct rule *r = t->d->rule;
    buf_printf(&t->sentence, "the custom rule \"%s\" %s this member", r->name,
               r->include ? "includes" : "excludes");
    put_group(t, rule_match(r, t->f));
}

static void tell_picklist(struct telling *t)
{
    const char *status = t->f->m->status == NULL ? "" : t->f->m->status;
    enum reason reason = t->d->reason;
    if (reason == REASON_NONE && t->d->sync_type == SYNC_RESPONDED)
        buf_printf(&t->sentence,
                   "responded members are included, and the status \"%s\" counts as responded",
                   status);
    else if (reason == REASON_NONE)
        buf_puts(&t->sentence, "the campaign includes all its members");
    else if (reason == REASON_NOT_RESPONDED)
        buf_printf(&t->sentence,
                   "only responded members are included, and the status \"%s\" does not count as "
                   "responded",
                   status);
    else if (reason == REASON_UNKNOWN_SYNC_TYPE)
        buf_printf(&t->sentence, "the value \"%s\" of Enable Buyer Touchpoints is not known",
                   t->f->c->sync_type);
    else
        buf_puts(&t->sentence, reason_text(reason));
}

static void tell_enabled(struct telling *t)
{
    const struct member *m = t->f->m;
    seen(t, "Enable Buyer Touchpoints", t->f->c->sync_type);
    seen(t, "Status", m->status);
    seen(t, "HasResponded", m->has_responded ? "true" : "false");
    seen_fields(t, false);
    seen_fields(t, true);
    if (t->d->rule != NULL) {
        tell_rule(t);
        return;
    }
    bool asked = t->d->sync_type != SYNC_EXCLUDE &&
                 (!t->f->p->picklist_first || t->d->sync_type == SYNC_BLANK);
    if (t->f->p->rule_count > 0 && asked)
        buf_puts(&t->sentence, "no custom rule matches; ");
    tell_picklist(t);
}

static void tell_email(struct telling *t)
{
    const struct person *who = &t->f->m->person;
    const char *kind = who->contact_id[0] != '\0' ? "contact" : "lead";
    seen(t, "Contact", who->contact_id[0] == '\0' ? NULL : who->contact_id);
    seen(t, "Lead", who->lead_id[0] == '\0' ? NULL : who->lead_id);
    seen(t, "Email", who->email);
    if (t->d->reason == REASON_NONE)
        buf_printf(&t->sentence, "the %s has the email %s", kind, who->email);
    else if (t->d->reason == REASON_NO_EMAIL && who->is_unseen)
        buf_printf(&t->sentence,
                   "the %s is not shared with the integration user, so its email is not known and "
                   "a touchpoint that is there stays: grant Read and View All on it",
                   kind);
    else if (t->d->reason == REASON_NO_EMAIL)
        buf_printf(&t->sentence, "the %s has no email address", kind);
}

static void tell_date(struct telling *t)
{
    const struct member *m = t->f->m;
    char text[TIME_TEXT_MAX];
    if (t->d->rule != NULL) {
        for (size_t i = 0; i < t->d->rule->date_count; i++) {
            const struct rule_date *date = &t->d->rule->dates[i];
            char *name = field_name(t->f->p, date->on_member, date->field);
            const struct rule_value *v = fact_value(t->f, date->on_member, date->field);
            seen(t, name, v->type == RULE_NULL ? NULL : v->text);
            free(name);
        }
    } else {
        if (m->touchpoint_day != TIME_NONE)
            seen_day(t, "Buyer Touchpoint Date", m->touchpoint_day);
        else
            seen_at(t, "Buyer Touchpoint Date", m->touchpoint_at_ms);
        if (t->d->sync_type == SYNC_RESPONDED)
            seen_day(t, "FirstRespondedDate", m->first_responded_day);
        seen_at(t, "CreatedDate", m->created_at_ms);
    }
    if (t->d->reason == REASON_NONE)
        buf_printf(&t->sentence, "the date is %s, from %s, the first that is not empty",
                   time_format_datetime(t->d->touchpoint_at_ms, text), t->d->date_field);
    else
        buf_printf(&t->sentence, "all date fields that the rule \"%s\" names are empty",
                   t->d->rule == NULL ? "" : t->d->rule->name);
}

static void tell_window(struct telling *t)
{
    const struct campaign *c = t->f->c;
    bool has_start = c->start_day != TIME_NONE, has_end = c->end_day != TIME_NONE;
    char day[TIME_TEXT_MAX], start[TIME_TEXT_MAX] = "", end[TIME_TEXT_MAX] = "";
    seen_day(t, "Touchpoint Start Date", c->start_day);
    seen_day(t, "Touchpoint End Date", c->end_day);
    seen_day(t, t->f->p->window_on_added ? "day that it was added" : "day of the touchpoint",
             t->d->window_day);
    seen(t, "time zone", zone_name(t->f->zone));
    if (has_start)
        (void)time_format_date(c->start_day, start);
    if (has_end)
        (void)time_format_date(c->end_day, end);
    (void)time_format_date(t->d->window_day, day);
    if (t->d->reason == REASON_BEFORE_START)
        buf_printf(&t->sentence, "%s is before the Touchpoint Start Date, %s", day, start);
    else if (t->d->reason == REASON_AFTER_END)
        buf_printf(&t->sentence, "%s is not %s the Touchpoint End Date, %s", day,
                   t->f->p->end_inclusive ? "on or before" : "before", end);
    else if (!has_start && !has_end)
        buf_puts(&t->sentence, "the campaign has neither a Touchpoint Start nor End Date");
    else
        buf_printf(&t->sentence, "%s is within the campaign's window", day);
    if (has_start && has_end && c->start_day > c->end_day)
        buf_puts(&t->sentence, "; its start is after its end, so that nothing qualifies");
}

static void tell_channel(struct telling *t)
{
    const struct campaign *c = t->f->c;
    struct channel found;
    channel_of(t->f->p, c->type, t->f->m->status, &found);
    bool has_sub = found.subchannel != NULL && found.subchannel[0] != '\0';
    const char *type = c->type == NULL ? "" : c->type;
    seen(t, "Campaign.Type", c->type);
    seen(t, "Status", t->f->m->status);
    seen(t, "channel", found.channel);
    seen(t, "subchannel", has_sub ? found.subchannel : NULL);
    if (text_trim(text_of(type)).n == 0)
        buf_puts(&t->sentence, "the campaign has no Type");
    else
        buf_printf(&t->sentence, "the Type \"%s\"", type);
    if (found.map == NULL) {
        buf_printf(&t->sentence, "%s, so the channel is the default one, %s",
                   text_trim(text_of(type)).n == 0 ? "" : " is in no row of `channels`",
                   found.channel);
        return;
    }
    buf_printf(&t->sentence, " is mapped to %s%s%s by row %zu of `channels`, \"%s\"", found.channel,
               has_sub ? "." : "", has_sub ? found.subchannel : "",
               (size_t)(found.map - t->f->p->channels) + 1, found.map->type);
    if (found.map->status != NULL)
        buf_printf(&t->sentence, " with status \"%s\"", found.map->status);
    if (found.null_channel)
        buf_puts(&t->sentence, ": a null channel, so the campaign was probably enabled by mistake");
}

/* ------------------------------------------------------------------ the steps */

static void end_step(struct telling *t, bool stops)
{
    t->step->outcome = stops ? EXPLAIN_STOP : EXPLAIN_PASS;
    if (t->sentence.len == 0)
        buf_puts(&t->sentence, reason_text(t->d->reason));
    t->step->sentence = buf_take(&t->sentence);
    buf_release(&t->sentence);
}

static struct telling begin_step(const struct facts *f, struct explanation *x,
                                 enum explain_step_id id)
{
    struct telling t = {.f = f, .d = &x->decision, .step = &x->steps[id]};
    buf_init(&t.sentence, SENTENCE_MAX);
    return t;
}

static void explain_duplicates(const struct facts *f, const struct explain_duplicates *dup,
                               struct explanation *x)
{
    struct telling t = begin_step(f, x, EXPLAIN_DUPLICATES);
    bool loses =
        f->p->dedupe_email && dup != NULL && dup->kept_by != NULL && dup->kept_by[0] != '\0';
    seen(&t, "dedupe", f->p->dedupe_email ? "email" : "none");
    if (loses) {
        x->decision.reason = REASON_DUPLICATE_EMAIL;
        seen(&t, "kept by", dup->kept_by);
        buf_printf(&t.sentence,
                   "%zu members of the campaign share this email, and %s has the earliest date",
                   dup->others + 1, dup->kept_by);
    } else if (!f->p->dedupe_email) {
        buf_puts(&t.sentence, "members are not compared (policy.dedupe is none)");
    } else if (dup == NULL) {
        buf_puts(&t.sentence, "the campaign's other members were not compared");
    } else if (dup->others == 0) {
        buf_puts(&t.sentence, "no other member of the campaign has this email");
    } else {
        buf_printf(&t.sentence,
                   "%zu members of the campaign share this email, and this one has the earliest "
                   "date",
                   dup->others + 1);
    }
    end_step(&t, loses);
}

void explain(const struct campaign *c, const struct member *m, const struct policy *p,
             struct zone *zone, const struct explain_duplicates *duplicates,
             struct explanation *out)
{
    static void (*const tellers[DECIDE_STEPS])(struct telling * t) = {
        tell_exists, tell_enabled, tell_email, tell_date, tell_window,
    };
    const struct facts f = {c, m, p, zone};
    *out = (struct explanation){0};
    decision_begin(&f, &out->decision);
    for (size_t i = 0; i < DECIDE_STEPS && out->decision.reason == REASON_NONE; i++) {
        struct telling t = begin_step(&f, out, (enum explain_step_id)i);
        bool stops = decide_step(i, &f, &out->decision) != REASON_NONE;
        tellers[i](&t);
        end_step(&t, stops);
    }
    if (out->decision.reason == REASON_NONE)
        explain_duplicates(&f, duplicates, out);
    if (out->decision.reason == REASON_NONE) {
        struct telling t = begin_step(&f, out, EXPLAIN_CHANNEL);
        tell_channel(&t);
        end_step(&t, false);
    }
    for (size_t i = 0; i < EXPLAIN_STEP_COUNT; i++) {
        struct explain_step *s = &out->steps[i];
        s->name = NAMES[i];
        if (s->sentence == NULL) {
            s->outcome = EXPLAIN_SKIPPED;
            s->sentence = mem_strdup("not looked at, since a step before it decided");
        }
    }
}

void explanation_release(struct explanation *x)
{
    for (size_t i = 0; i < EXPLAIN_STEP_COUNT; i++) {
        struct explain_step *s = &x->steps[i];
        for (size_t k = 0; k < s->value_count; k++) {
            free(s->values[k].name);
            free(s->values[k].text);
        }
        free(s->values);
        free(s->sentence);
        *s = (struct explain_step){0};
    }
}
