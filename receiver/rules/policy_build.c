/*
 * Configuration to policy. All memory is listed in one place and freed from there, so that no
 * failure on the way needs an unwinding of its own.
 */
#include "policy.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mem.h"
#include "rules_int.h"

enum { FIELD_NAME_MAX = 80 };

struct built {
    struct policy policy; /* first, so that the one is found by the other */
    void **blocks;
    size_t block_count, block_room;
    const struct config *config; /* while building */
};

static void *keep(struct built *b, void *block)
{
    if (b->block_count == b->block_room) {
        b->block_room = b->block_room == 0 ? 64 : b->block_room * 2;
        b->blocks = mem_resize(b->blocks, b->block_room, sizeof *b->blocks);
    }
    b->blocks[b->block_count++] = block;
    return block;
}

static const char *keep_text(struct built *b, const char *s)
{
    return s == NULL ? NULL : keep(b, mem_strdup(s));
}

static const char *keep_folded(struct built *b, const char *pattern)
{
    struct text t = text_trim(text_of(pattern));
    return pattern == NULL ? NULL : keep(b, text_fold(t.s, t.n));
}

/* ------------------------------------------------------------------ fields */

struct field {
    bool on_member;
    size_t index;
};

static bool is_api_name(const char *s)
{
    size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    bool letter = (s[0] >= 'A' && s[0] <= 'Z') || (s[0] >= 'a' && s[0] <= 'z');
    return letter && s[n] == '\0' && n <= FIELD_NAME_MAX;
}

static size_t index_of(struct built *b, const char ***names, size_t *count, const char *name)
{
    for (size_t i = 0; i < *count; i++) {
        struct folded f;
        folded_init(&f, text_of((*names)[i]));
        bool same = text_is(f.s, text_of(name));
        folded_release(&f);
        if (same)
            return i;
    }
    *names = mem_resize(*names, *count + 1, sizeof **names);
    (*names)[*count] = keep_text(b, name);
    return (*count)++;
}

/* Decisions that depend on what was written about the last one would turn back and forth. */
static bool is_written_back(const struct config *c, const char *member_field)
{
    for (size_t i = 0; i < c->org_count; i++) {
        const struct config_org *o = &c->orgs[i];
        if (o->write_back && (strcasecmp(member_field, o->schema.name[SCHEMA_STATUS_TEXT]) == 0 ||
                              strcasecmp(member_field, o->schema.name[SCHEMA_STATUS_DATE]) == 0))
            return true;
    }
    return false;
}

/* "Campaign.X" or "CampaignMember.X"; lists X among the policy's fields. */
static enum err parse_field(struct built *b, const char *text, struct field *out, struct error *e)
{
    struct policy *p = &b->policy;
    const char *dot = text == NULL ? NULL : strchr(text, '.');
    struct text object = {text, dot == NULL ? 0 : (size_t)(dot - text)};
    bool on_member = dot != NULL && text_is("campaignmember", object);

    if (dot == NULL || !is_api_name(dot + 1) || (!on_member && !text_is("campaign", object)))
        return error_set(e, ERR_CONFIG,
                         "\"%.100s\" is not a field; allowed is Campaign.FIELD or "
                         "CampaignMember.FIELD with the field's API name",
                         text == NULL ? "" : text);
    if (on_member && is_written_back(b->config, dot + 1))
        return error_set(e, ERR_CONFIG,
                         "%.100s is what write_back writes after the decision; allowed is any "
                         "other field, or write_back: false",
                         text);
    out->on_member = on_member;
    out->index = on_member ? index_of(b, &p->member_fields, &p->member_field_count, dot + 1)
                           : index_of(b, &p->campaign_fields, &p->campaign_field_count, dot + 1);
    return ERR_NONE;
}

/* ------------------------------------------------------------------ rules */

static enum err build_condition(struct built *b, const struct config_condition *from,
                                struct rule_condition *to, struct error *e)
{
    struct field field;
    enum err err = parse_field(b, from->field, &field, e);
    if (err != ERR_NONE)
        return error_wrap(e, "field");
    if (!rule_op_parse(from->op, &to->op))
        return error_set(
            e, ERR_CONFIG,
            "op: \"%.60s\" is not an operator; allowed is is, is not, contains, starts "
            "with, ends with, matches any, their not forms, <, <=, >, >=",
            from->op == NULL ? "" : from->op);
    to->on_member = field.on_member;
    to->field = field.index;
    to->value = keep_text(b, from->value == NULL ? "" : from->value);
    to->compiled = keep(b, operand_new(to->value));
    return ERR_NONE;
}

static enum err build_groups(struct built *b, const struct config_rule *from, struct rule *to,
                             struct error *e)
{
    to->any_count = from->any_count;
    to->any = keep(b, mem_array(from->any_count, sizeof *to->any));
    for (size_t g = 0; g < from->any_count; g++) {
        const struct config_group *group = &from->any[g];
        to->any[g].count = group->all_count;
        to->any[g].conditions = keep(b, mem_array(group->all_count, sizeof *to->any[g].conditions));
        for (size_t i = 0; i < group->all_count; i++) {
            enum err err = build_condition(b, &group->all[i], &to->any[g].conditions[i], e);
            if (err != ERR_NONE)
                return error_wrap(e, "rule \"%.100s\": any[%zu].all[%zu]", to->name, g, i);
        }
    }
    return ERR_NONE;
}

static enum err build_dates(struct built *b, const struct config_rule *from, struct rule *to,
                            struct error *e)
{
    to->date_count = from->dates_count;
    to->dates = keep(b, mem_array(from->dates_count, sizeof *to->dates));
    for (size_t i = 0; i < from->dates_count; i++) {
        struct field field;
        enum err err = parse_field(b, from->dates[i], &field, e);
        if (err != ERR_NONE)
            return error_wrap(e, "rule \"%.100s\": dates[%zu]", to->name, i);
        to->dates[i] = (struct rule_date){.on_member = field.on_member,
                                          .field = field.index,
                                          .name = keep_text(b, from->dates[i])};
    }
    return ERR_NONE;
}

static enum err build_rule(struct built *b, const struct config_rule *from, struct rule *to,
                           struct error *e)
{
    const char *action = from->action == NULL ? "" : from->action;

    to->name = keep_text(b, from->name == NULL ? "" : from->name);
    to->include = strcmp(action, "include") == 0;
    if (!to->include && strcmp(action, "exclude") != 0)
        return error_set(e, ERR_CONFIG,
                         "rule \"%.100s\": action: \"%.60s\" is unknown; allowed is include or "
                         "exclude",
                         to->name, action);
    enum err err = build_groups(b, from, to, e);
    if (err == ERR_NONE)
        err = build_dates(b, from, to, e);
    return err == ERR_NONE ? rule_check(to, e) : err;
}

static enum err build_rules(struct built *b, struct error *e)
{
    const struct config *c = b->config;
    struct policy *p = &b->policy;

    p->rule_count = c->rule_count;
    p->rules = keep(b, mem_array(c->rule_count, sizeof *p->rules));
    for (size_t i = 0; i < c->rule_count; i++) {
        enum err err = build_rule(b, &c->rules[i], &p->rules[i], e);
        for (size_t before = 0; err == ERR_NONE && before < i; before++) {
            if (strcmp(p->rules[before].name, p->rules[i].name) == 0)
                err = error_set(e, ERR_CONFIG,
                                "rule \"%.100s\" is there twice, first in line %u; allowed is a "
                                "name for each",
                                p->rules[i].name, c->rules[before].line);
        }
        if (err != ERR_NONE)
            return error_wrap(e, "%s:%u: rules[%zu]", c->file, c->rules[i].line, i);
    }
    return ERR_NONE;
}

/* ------------------------------------------------------------------ channels */

static enum err build_channels(struct built *b, struct error *e)
{
    const struct config *c = b->config;
    struct policy *p = &b->policy;

    p->channel_count = c->channel_count;
    p->channels = keep(b, mem_array(c->channel_count, sizeof *p->channels));
    for (size_t i = 0; i < c->channel_count; i++) {
        const struct config_channel *from = &c->channels[i];
        p->channels[i] = (struct channel_map){
            .type = keep_text(b, from->type == NULL ? "" : from->type),
            .status = keep_text(b, from->status),
            .channel = keep_text(b, from->channel == NULL ? "" : from->channel),
            .subchannel = keep_text(b, from->subchannel),
            .null_channel = from->null_channel,
            .type_folded = keep_folded(b, from->type),
            .status_folded = keep_folded(b, from->status),
        };
        enum err err = channel_map_check(&p->channels[i], e);
        if (err != ERR_NONE)
            return error_wrap(e, "%s:%u: channels[%zu]", c->file, from->line, i);
    }
    return ERR_NONE;
}

enum err policy_from_config(struct policy **out, const struct config *c, struct error *e)
{
    struct built *b = mem_alloc(sizeof *b);
    struct policy *p = &b->policy;

    b->config = c;
    p->picklist_first = c->policy.picklist_first;
    p->end_inclusive = c->policy.end_inclusive;
    p->window_on_added = c->policy.window_on_added;
    p->dedupe_email = c->policy.dedupe_email;
    p->default_channel = keep_text(b, c->policy.default_channel);
    enum err err = build_channels(b, e);
    if (err == ERR_NONE)
        err = build_rules(b, e);
    if (err == ERR_NONE) {
        err = policy_check(p, e);
        if (err != ERR_NONE)
            (void)error_wrap(e, "%s", c->file);
    }
    b->config = NULL;
    if (err != ERR_NONE) {
        policy_free(&p);
        return err;
    }
    *out = p;
    return ERR_NONE;
}

void policy_free(struct policy **p)
{
    if (*p == NULL)
        return;
    struct built *b = (struct built *)*p;
    for (size_t i = 0; i < b->block_count; i++)
        free(b->blocks[i]);
    free(b->blocks);
    free(b->policy.campaign_fields);
    free(b->policy.member_fields);
    free(b);
    *p = NULL;
}
