/*
 * filter - which members of a campaign are meant, by their fields
 *
 * The groups and operators of a custom rule (rules.h) over the fields of CampaignMember: OR of
 * groups, AND within each.
 *
 * Ownership: filter_free takes all; texts passed in are copied.
 * Threads:   pure; a filter is shared read-only once it is made.
 * Errors:    ERR_INVALID, the text says which condition and what is allowed.
 */
#ifndef TP_FILTER_H
#define TP_FILTER_H

#include "rules.h"

struct filter;

struct filter *filter_new(void);
void filter_free(struct filter **f);
/* Begins a group; the conditions that follow belong to it. */
void filter_add_group(struct filter *f);
/* field: API name, "CampaignMember." before it or not. */
MUST_USE enum err filter_add(struct filter *f, const char *field, const char *op, const char *value,
                             struct error *e);
/* After the last condition: no group without one, values that their operators can use. */
MUST_USE enum err filter_check(const struct filter *f, struct error *e);

/* The fields to be read, each once. */
const char *const *filter_fields(const struct filter *f, size_t *count);
/* values: in their order. A filter without groups holds for everybody. */
bool filter_holds(const struct filter *f, const struct rule_value *values, struct zone *zone);

#endif
