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
/* A value of the field in the same form: of a date its day, of a date-time its instant. */
const char *dates_format(int64_t day, int64_t at_ms, char out[TIME_TEXT_MAX]);
/* The member's present value. */
const char *dates_text(const struct member *m, char out[TIME_TEXT_MAX]);
/* Of the plan, or not. m was read with the filter's fields. */
bool dates_means(const struct dates_plan *p, const struct member *m, const char *campaign_id,
                 struct zone *zone);
/* The next members behind `after`, at most max: calls back with some or none. *last: where the
 * slice ends, "" when nobody is left. */
MUST_USE enum err dates_read(struct org_conn *c, const char *campaign_id,
                             const struct dates_plan *p, const char *after, size_t max,
                             org_member_fn *each, void *ctx, char last[SFID_SIZE], struct error *e);

/* ------------------------------------------------------------------ dates_write.c */

/* A request that we gave up on, and that the org may still carry out. */
struct dates_late {
    const char *org, *campaign_id; /* whose members it is about */
    int64_t until_ms;              /* 0: there is none */
    int64_t of_job;
};
MUST_USE enum err dates_late_get(struct store *s, struct dates_late *l, struct error *e);

struct pass;
/* Writes the PLANNED ones of n items, n ≤ ORG_DATES_MAX: each becomes WRITTEN, REFUSED, or LEFT,
 * where somebody else changed it at the same time. late: as it was when the job began. */
MUST_USE enum err dates_write(struct pass *p, const struct dates_late *late, int64_t job,
                              struct store_job_item *items, size_t n, struct error *e);

#endif
