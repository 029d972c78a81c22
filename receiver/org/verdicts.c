/*
 * From the verdicts on rows to the outcome of the call. Errors about the org as a whole (object,
 * storage, budget) become the call's error where no row was written; beside rows that were, their
 * rows are retried, and the next call tells. Where access or a trigger refuses all rows, that may
 * be about their campaign alone: the call fails, which only its campaign pays for, and the
 * schema's check tells whether the user lacks a right. A single such row is mostly about a person
 * who was hidden since it was read: the next pass reads again, so it gets a few tries.
 */
#include "classify_int.h"

#include <string.h>

static enum org_row_class class_of(enum row_rule rule)
{
    switch (rule) {
    case ROW_DONE:
        return ORG_ROW_DONE;
    case ROW_RETRY_FEW:
    case ROW_RETRY:
    case ROW_SUSPECT:
    case ROW_ORG:
        return ORG_ROW_RETRY;
    case ROW_PARK:
        return ORG_ROW_PARK;
    }
    return ORG_ROW_RETRY;
}

void verdict_settle(const struct verdict *v, struct org_row_result *out)
{
    out->class = class_of(v->rule);
    out->is_brief = v->rule == ROW_RETRY_FEW || v->rule == ROW_SUSPECT;
}

void tally_add(struct tally *t, const struct verdict *v, const struct org_row_result *r)
{
    t->rows++;
    if (t->count[v->rule]++ > 0)
        return;
    t->first[v->rule].verdict = *v;
    memcpy(t->first[v->rule].code, r->code, sizeof r->code);
    memcpy(t->first[v->rule].message, r->message, sizeof r->message);
}

/* The rule that speaks for the org as a whole; ROW_DONE: none does. */
static enum row_rule speaker(const struct tally *t)
{
    const size_t *count = t->count;
    if (count[ROW_DONE] > 0)
        return ROW_DONE;
    if (count[ROW_ORG] > 0)
        return ROW_ORG;
    return count[ROW_SUSPECT] == t->rows && t->rows > 1 ? ROW_SUSPECT : ROW_DONE;
}

enum err tally_judge(const struct tally *t, struct org *o, const char *operation,
                     const char *object, struct error *e)
{
    enum row_rule rule = speaker(t);
    if (t->rows > 0 && t->count[ROW_SUSPECT] == t->rows)
        org_note_rights_doubted(o);
    if (rule == ROW_DONE)
        return ERR_NONE;
    const struct verdict *v = &t->first[rule].verdict;
    if (v->org_err == ERR_LIMIT)
        org_note_limit_kind(o, v->daily_limit);
    enum err err = rule == ROW_SUSPECT ? ERR_INVALID : v->org_err;
    return error_set(e, err, "%s %s: %s (%s)", operation, object, t->first[rule].message,
                     t->first[rule].code);
}
