/*
 * Checks of a policy that need no org. Each sentence names the rule or channel; policy_build puts
 * the file and line in front.
 */
#include "rules_int.h"

#include <string.h>

enum { NAME_MAX_BYTES = RULES_CHANNEL_MAX };

/* What is wrong with a name, or NULL. The org stores texts without white space around them, so a
 * name that has any would differ on every pass. */
static const char *problem_of(const char *name, bool dots)
{
    struct text t = text_of(name);
    if (t.n == 0)
        return "is empty; allowed are 1 to 255 bytes";
    if (t.n > NAME_MAX_BYTES)
        return "is too long; allowed are 1 to 255 bytes";
    if (text_trim(t).n != t.n)
        return "has white space around it; allowed is a name without";
    for (size_t i = 0; i < t.n; i++) {
        if ((unsigned char)t.s[i] < ' ' || t.s[i] == 0x7F)
            return "holds a control character; allowed is printable text";
    }
    if (!dots && strchr(name, '.') != NULL)
        return "holds a '.'; allowed is any text without, since the path joins channel and "
               "subchannel with it";
    return NULL;
}

static enum err check_name(const char *what, const char *name, bool dots, struct error *e)
{
    const char *problem = problem_of(name, dots);
    if (problem == NULL)
        return ERR_NONE;
    return error_set(e, ERR_CONFIG, "%s \"%.100s\" %s", what, name == NULL ? "" : name, problem);
}

enum err channel_map_check(const struct channel_map *m, struct error *e)
{
    if (text_trim(text_of(m->type)).n == 0)
        return error_set(
            e, ERR_CONFIG,
            "type is empty; allowed is a campaign type, '*' for any run of characters");
    if (m->status != NULL && text_trim(text_of(m->status)).n == 0)
        return error_set(e, ERR_CONFIG, "status is empty; leave it out to match any status");
    enum err err = check_name("channel", m->channel, false, e);
    if (err == ERR_NONE && m->subchannel != NULL)
        err = check_name("subchannel", m->subchannel, false, e);
    return err;
}

/* ------------------------------------------------------------------ rules */

static bool wants_order(enum rule_op op)
{
    return op == RULE_LT || op == RULE_LE || op == RULE_GT || op == RULE_GE;
}

static bool wants_items(enum rule_op op)
{
    return op == RULE_MATCHES || op == RULE_NOT_MATCHES;
}

static enum err check_condition(const struct rule *r, const struct rule_condition *c,
                                struct error *e)
{
    struct text value = text_of(c->value), item;
    long double number;
    const char *allowed = NULL;

    if (c->op == RULE_IS || c->op == RULE_IS_NOT)
        return ERR_NONE;
    if (wants_order(c->op)) {
        if (moment_parse(value).kind == MOMENT_NONE && !number_parse(value, &number))
            allowed = "a number, a date (2026-01-15) or a date-time (2026-01-15T09:30:00Z)";
    } else if (wants_items(c->op)) {
        if (!next_item(&value, &item))
            allowed = "a list with commas, '*' for any run of characters";
    } else if (value.n == 0) {
        allowed = "a text that is not empty";
    }
    if (allowed == NULL)
        return ERR_NONE;
    return error_set(e, ERR_CONFIG, "rule \"%s\": \"%.100s\" is no value for `%s`; allowed is %s",
                     r->name, c->value, rule_op_text(c->op), allowed);
}

static enum err check_groups(const struct rule *r, struct error *e)
{
    if (r->any_count == 0)
        return error_set(e, ERR_CONFIG,
                         "rule \"%s\": `any` is empty; allowed is at least one group of conditions",
                         r->name);
    for (size_t g = 0; g < r->any_count; g++) {
        if (r->any[g].count == 0)
            return error_set(
                e, ERR_CONFIG,
                "rule \"%s\": a group has no condition; allowed is at least one, since "
                "an empty group would match every member",
                r->name);
        for (size_t i = 0; i < r->any[g].count; i++) {
            enum err err = check_condition(r, &r->any[g].conditions[i], e);
            if (err != ERR_NONE)
                return err;
        }
    }
    return ERR_NONE;
}

enum err rule_check(const struct rule *r, struct error *e)
{
    enum err err = check_name("rule", r->name, true, e);
    if (err == ERR_NONE && strncmp(r->name, "picklist:", 9) == 0)
        err = error_set(e, ERR_CONFIG,
                        "rule \"%s\" has a name that begins with \"picklist:\"; allowed is any "
                        "other, since touchpoints made by the picklist are marked so",
                        r->name);
    if (err == ERR_NONE)
        err = check_groups(r, e);
    if (err != ERR_NONE)
        return err;
    if (r->include && r->date_count == 0)
        return error_set(e, ERR_CONFIG,
                         "rule \"%s\" includes but names no date; allowed is at least one field in "
                         "`dates`",
                         r->name);
    if (!r->include && r->date_count > 0)
        return error_set(e, ERR_CONFIG,
                         "rule \"%s\" excludes, so `dates` has no meaning; leave it out", r->name);
    return ERR_NONE;
}

/* ------------------------------------------------------------------ the whole */

static bool is_within(const struct policy *p, bool on_member, size_t field)
{
    return field < (on_member ? p->member_field_count : p->campaign_field_count);
}

static bool fields_are_within(const struct policy *p, const struct rule *r)
{
    for (size_t i = 0; i < r->date_count; i++) {
        if (!is_within(p, r->dates[i].on_member, r->dates[i].field))
            return false;
    }
    for (size_t g = 0; g < r->any_count; g++) {
        for (size_t i = 0; i < r->any[g].count; i++) {
            const struct rule_condition *c = &r->any[g].conditions[i];
            if (!is_within(p, c->on_member, c->field))
                return false;
        }
    }
    return true;
}

static enum err check_rules(const struct policy *p, struct error *e)
{
    for (size_t i = 0; i < p->rule_count; i++) {
        const struct rule *r = &p->rules[i];
        enum err err = rule_check(r, e);
        if (err != ERR_NONE)
            return err;
        if (!fields_are_within(p, r))
            return error_set(e, ERR_INTERNAL, "rule \"%s\" refers to a field that is not listed",
                             r->name);
        for (size_t before = 0; before < i; before++) {
            if (strcmp(p->rules[before].name, r->name) == 0)
                return error_set(e, ERR_CONFIG,
                                 "rule \"%s\" is there twice; allowed is a name for each", r->name);
        }
    }
    return ERR_NONE;
}

enum err policy_check(const struct policy *p, struct error *e)
{
    enum err err = check_name("default_channel", p->default_channel, false, e);
    for (size_t i = 0; err == ERR_NONE && i < p->channel_count; i++) {
        err = channel_map_check(&p->channels[i], e);
        if (err != ERR_NONE)
            (void)error_wrap(e, "channel for type \"%.100s\"", p->channels[i].type);
    }
    return err == ERR_NONE ? check_rules(p, e) : err;
}
