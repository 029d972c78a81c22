/*
 * A filter is a rule that decides nothing: its groups are those of rules.h, and so are the checks
 * and the conditions.
 */
#include "filter.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mem.h"
#include "rules_int.h"

enum { FIELD_NAME_MAX = 80, CONDITIONS_MAX = 100 };

#define OBJECT "CampaignMember."

struct filter {
    struct rule rule;
    char **fields;
    size_t field_count, condition_count;
};

struct filter *filter_new(void)
{
    struct filter *f = mem_alloc(sizeof *f);
    f->rule.name = "filter";
    return f;
}

void filter_free(struct filter **out)
{
    struct filter *f = *out;
    if (f == NULL)
        return;
    *out = NULL;
    for (size_t g = 0; g < f->rule.any_count; g++) {
        struct rule_group *group = &f->rule.any[g];
        for (size_t i = 0; i < group->count; i++) {
            free((char *)(uintptr_t)group->conditions[i].value);
            free((struct rule_operand *)(uintptr_t)group->conditions[i].compiled);
        }
        free(group->conditions);
    }
    free(f->rule.any);
    for (size_t i = 0; i < f->field_count; i++)
        free(f->fields[i]);
    free(f->fields);
    free(f);
}

void filter_add_group(struct filter *f)
{
    f->rule.any = mem_resize(f->rule.any, f->rule.any_count + 1, sizeof *f->rule.any);
    f->rule.any[f->rule.any_count++] = (struct rule_group){0};
}

static bool is_api_name(const char *s)
{
    size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    bool letter = (s[0] >= 'A' && s[0] <= 'Z') || (s[0] >= 'a' && s[0] <= 'z');
    return letter && s[n] == '\0' && n <= FIELD_NAME_MAX;
}

static size_t index_of(struct filter *f, const char *field)
{
    for (size_t i = 0; i < f->field_count; i++) {
        if (strcasecmp(f->fields[i], field) == 0)
            return i;
    }
    f->fields = mem_resize(f->fields, f->field_count + 1, sizeof *f->fields);
    f->fields[f->field_count] = mem_strdup(field);
    return f->field_count++;
}

enum err filter_add(struct filter *f, const char *field, const char *op, const char *value,
                    struct error *e)
{
    size_t skip = strncasecmp(field, OBJECT, sizeof OBJECT - 1) == 0 ? sizeof OBJECT - 1 : 0;
    struct rule_condition c = {.on_member = true};
    if (!is_api_name(field + skip))
        return error_set(e, ERR_INVALID,
                         "\"%.100s\" is not a field of CampaignMember: give its API name, such as "
                         "Status or Buyer_Touchpoint_Date__c",
                         field);
    if (!rule_op_parse(op, &c.op))
        return error_set(e, ERR_INVALID,
                         "\"%.60s\" is not an operator: there are is, is not, contains, starts "
                         "with, ends with, matches any, their not forms, <, <=, >, >=",
                         op);
    if (f->rule.any_count == 0)
        filter_add_group(f);
    if (f->condition_count++ == CONDITIONS_MAX)
        return error_set(e, ERR_INVALID, "a filter has at most %d conditions", CONDITIONS_MAX);
    c.field = index_of(f, field + skip);
    c.value = mem_strdup(value);
    c.compiled = operand_new(c.value);
    struct rule_group *g = &f->rule.any[f->rule.any_count - 1];
    g->conditions = mem_resize(g->conditions, g->count + 1, sizeof *g->conditions);
    g->conditions[g->count++] = c;
    return ERR_NONE;
}

enum err filter_check(const struct filter *f, struct error *e)
{
    if (f->rule.any_count == 0 || rule_check(&f->rule, e) == ERR_NONE)
        return ERR_NONE;
    e->kind = ERR_INVALID; /* nobody's configuration */
    return ERR_INVALID;
}

const char *const *filter_fields(const struct filter *f, size_t *count)
{
    *count = f->field_count;
    return (const char *const *)f->fields;
}

bool filter_holds(const struct filter *f, const struct rule_value *values, struct zone *zone)
{
    if (f->rule.any_count == 0)
        return true;
    for (size_t g = 0; g < f->rule.any_count; g++) {
        const struct rule_group *group = &f->rule.any[g];
        size_t held = 0;
        while (held < group->count && condition_holds(&group->conditions[held],
                                                      &values[group->conditions[held].field], zone))
            held++;
        if (held == group->count)
            return true;
    }
    return false;
}
