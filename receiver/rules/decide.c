/*
 * The decision is five steps in a table; the first that gives a reason ends it. Each step reads the
 * case and leaves what it found in the decision, so that an explanation shows how far it came.
 */
#include "rules_int.h"

#include <string.h>

#include "timeutil.h"

/* ------------------------------------------------------------------ the picklist */

static const struct {
    const char *folded;
    enum sync_type type;
} SYNC_TYPES[] = {
    {"", SYNC_BLANK},
    {"include all campaign members", SYNC_ALL},
    {"include only \"responded\" campaign members", SYNC_RESPONDED},
    {"include \"responded\" campaign members", SYNC_RESPONDED},
    {"exclude all campaign members", SYNC_EXCLUDE},
};

enum sync_type sync_type_of(const char *picklist_value)
{
    enum sync_type type = SYNC_UNKNOWN;
    struct folded f;

    folded_init(&f, text_trim(text_of(picklist_value)));
    for (size_t i = 0; i < sizeof SYNC_TYPES / sizeof SYNC_TYPES[0]; i++) {
        if (strcmp(SYNC_TYPES[i].folded, f.s) == 0)
            type = SYNC_TYPES[i].type;
    }
    folded_release(&f);
    return type;
}

static enum reason reason_of_picklist(enum sync_type type, bool has_responded)
{
    switch (type) {
    case SYNC_ALL:
        return REASON_NONE;
    case SYNC_RESPONDED:
        return has_responded ? REASON_NONE : REASON_NOT_RESPONDED;
    case SYNC_EXCLUDE:
        return REASON_CAMPAIGN_EXCLUDED;
    case SYNC_BLANK:
        return REASON_CAMPAIGN_NOT_ENABLED;
    case SYNC_UNKNOWN:
        return REASON_UNKNOWN_SYNC_TYPE;
    }
    return REASON_UNKNOWN_SYNC_TYPE;
}

/* ------------------------------------------------------------------ the custom rules */

const struct rule_value *fact_value(const struct facts *f, bool on_member, size_t field)
{
    static const struct rule_value null = {RULE_NULL, ""};
    const struct rule_value *fields = on_member ? f->m->fields : f->c->fields;
    return fields == NULL ? &null : &fields[field];
}

static bool group_holds(const struct rule_group *g, const struct facts *f)
{
    for (size_t i = 0; i < g->count; i++) {
        const struct rule_condition *c = &g->conditions[i];
        if (!condition_holds(c, fact_value(f, c->on_member, c->field), f->zone))
            return false;
    }
    return true;
}

const struct rule_group *rule_match(const struct rule *r, const struct facts *f)
{
    for (size_t i = 0; i < r->any_count; i++) {
        if (group_holds(&r->any[i], f))
            return &r->any[i];
    }
    return NULL;
}

static const struct rule *first_match(const struct facts *f)
{
    for (size_t i = 0; i < f->p->rule_count; i++) {
        if (rule_match(&f->p->rules[i], f) != NULL)
            return &f->p->rules[i];
    }
    return NULL;
}

/* ------------------------------------------------------------------ the steps */

static enum reason step_exists(const struct facts *f, struct decision *d)
{
    (void)d;
    if (!f->m->exists)
        return REASON_MEMBER_DELETED;
    return f->c->exists ? REASON_NONE : REASON_CAMPAIGN_DELETED;
}

/* Exclude all is final under either precedence: it is the admin's deliberate flag. */
static enum reason step_enabled(const struct facts *f, struct decision *d)
{
    bool rules_first = !f->p->picklist_first || d->sync_type == SYNC_BLANK;
    if (d->sync_type != SYNC_EXCLUDE && rules_first)
        d->rule = first_match(f);
    if (d->rule != NULL)
        return d->rule->include ? REASON_NONE : REASON_RULE_EXCLUDED;
    return reason_of_picklist(d->sync_type, f->m->has_responded);
}

static enum reason step_email(const struct facts *f, struct decision *d)
{
    const struct person *who = &f->m->person;
    (void)d;
    if (who->contact_id[0] == '\0' && who->lead_id[0] == '\0')
        return REASON_NOT_A_PERSON;
    return text_trim(text_of(who->email)).n > 0 ? REASON_NONE : REASON_NO_EMAIL;
}

static bool take_date(struct decision *d, int64_t at_ms, const char *field)
{
    if (at_ms == TIME_NONE)
        return false;
    d->touchpoint_at_ms = at_ms;
    d->date_field = field;
    return true;
}

static int64_t start_of(const struct facts *f, int64_t day)
{
    return day == TIME_NONE ? TIME_NONE : zone_start_of_day(f->zone, day);
}

static const char *date_name(const struct rule_date *date, const struct policy *p)
{
    if (date->name != NULL)
        return date->name;
    return date->on_member ? p->member_fields[date->field] : p->campaign_fields[date->field];
}

/* A text that is neither a date nor a date-time counts as empty. */
static bool date_of_rule(const struct facts *f, struct decision *d)
{
    for (size_t i = 0; i < d->rule->date_count; i++) {
        const struct rule_date *date = &d->rule->dates[i];
        const struct rule_value *v = fact_value(f, date->on_member, date->field);
        if (v->type != RULE_TEXT)
            continue;
        int64_t at_ms = moment_at_ms(moment_parse(text_of(v->text)), f->zone);
        if (take_date(d, at_ms, date_name(date, f->p)))
            return true;
    }
    return false;
}

static bool date_of_picklist(const struct facts *f, struct decision *d)
{
    const struct member *m = f->m;
    return take_date(d, m->touchpoint_at_ms, "Buyer Touchpoint Date") ||
           take_date(d, start_of(f, m->touchpoint_day), "Buyer Touchpoint Date") ||
           (d->sync_type == SYNC_RESPONDED &&
            take_date(d, start_of(f, m->first_responded_day), "FirstRespondedDate")) ||
           take_date(d, m->created_at_ms, "CreatedDate");
}

static enum reason step_date(const struct facts *f, struct decision *d)
{
    bool found = d->rule != NULL ? date_of_rule(f, d) : date_of_picklist(f, d);
    return found ? REASON_NONE : REASON_NO_DATE;
}

static enum reason step_window(const struct facts *f, struct decision *d)
{
    int64_t at_ms = f->p->window_on_added ? f->m->created_at_ms : d->touchpoint_at_ms;
    int64_t start = f->c->start_day, end = f->c->end_day;

    d->window_day = zone_day_at(f->zone, at_ms);
    if (start != TIME_NONE && d->window_day < start)
        return REASON_BEFORE_START;
    if (end != TIME_NONE && (f->p->end_inclusive ? d->window_day > end : d->window_day >= end))
        return REASON_AFTER_END;
    return REASON_NONE;
}

static enum reason (*const STEPS[DECIDE_STEPS])(const struct facts *f, struct decision *d) = {
    step_exists, step_enabled, step_email, step_date, step_window,
};

void decision_begin(const struct facts *f, struct decision *d)
{
    *d = (struct decision){
        .reason = REASON_NONE,
        .sync_type = sync_type_of(f->c->sync_type),
        .touchpoint_at_ms = TIME_NONE,
        .window_day = TIME_NONE,
    };
}

enum reason decide_step(size_t step, const struct facts *f, struct decision *d)
{
    d->reason = STEPS[step](f, d);
    return d->reason;
}

void decide(const struct campaign *c, const struct member *m, const struct policy *p,
            struct zone *zone, struct decision *out)
{
    const struct facts f = {c, m, p, zone};
    decision_begin(&f, out);
    for (size_t i = 0; i < DECIDE_STEPS && out->reason == REASON_NONE; i++)
        (void)decide_step(i, &f, out);
}

bool campaign_can_include(const struct campaign *c, const struct policy *p)
{
    enum sync_type type = sync_type_of(c->sync_type);
    if (type == SYNC_ALL || type == SYNC_RESPONDED)
        return true;
    for (size_t i = 0; i < p->rule_count; i++) {
        if (p->rules[i].include)
            return true;
    }
    return false;
}
