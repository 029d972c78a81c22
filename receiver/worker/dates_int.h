/*
 * dates_int - what dates.c (the job), dates_plan.c (what is asked for) and dates_look.c (what it
 * would do) share
 */
#ifndef TP_WORKER_DATES_INT_H
#define TP_WORKER_DATES_INT_H

#include "dates.h"
#include "filter.h"
#include "timeutil.h"

enum dates_value { DATES_AT, DATES_DAY, DATES_CLEAR, DATES_CAMPAIGN_START, DATES_CAMPAIGN_END };

struct dates_plan {
    struct filter *filter;
    char (*members)[SFID_SIZE]; /* in order, each once; NULL: all */
    size_t member_count;
    enum dates_value value;
    int64_t at_ms, day; /* of DATES_AT, DATES_DAY */
};

/* The new value as the org's field takes it and gives it back; "" clears. */
struct dates_target {
    char text[TIME_TEXT_MAX];
    int64_t at_ms; /* TIME_NONE: cleared */
};
/* Asks the org of what kind the fields are (1 call) and, where the value is the campaign's, for its
 * dates. ERR_INVALID as of dates_look. */
MUST_USE enum err dates_resolve(const struct look *l, const char *campaign_id,
                                const struct dates_plan *p, struct dates_target *out,
                                struct error *e);
/* The member's present value in the same form. */
const char *dates_text(const struct member *m, char out[TIME_TEXT_MAX]);
/* Of the plan, or not. m was read with the filter's fields. */
bool dates_means(const struct dates_plan *p, const struct member *m, const char *campaign_id,
                 struct zone *zone);
/* The next members behind `after`, at most max: calls back with some or none. *last: where the
 * slice ends, "" when nobody is left. */
MUST_USE enum err dates_read(struct org_conn *c, const char *campaign_id,
                             const struct dates_plan *p, const char *after, size_t max,
                             org_member_fn *each, void *ctx, char last[SFID_SIZE], struct error *e);

#endif
