/*
 * dates - Buyer Touchpoint Dates of many members of a campaign at once, and undoing it
 *
 * A job of the store (STORE_JOB_DATES, STORE_JOB_UNDO) that a worker runs in slices under its
 * campaign's lease:
 *
 *   read up to 800 members ▶ keep their values as items of the job, durably ▶ write between
 *   marks ▶ one transaction: what became of each, the cursor, a hint for the campaign ▶ next slice
 *
 * A slice that was cut off begins again: who has the new value already and an item that planned it
 * was written then. The job is cancelled between slices. An undo goes through the items: a value
 * that is still the one that was written gets its former one back, any other is left.
 *
 * What somebody else sets between that read and the write is put back (dates_write.c). While a
 * request of another job of the campaign may still be carried out, a job waits.
 *
 * Ownership: a plan is its reader's.
 * Threads:   as look.h.
 */
#ifndef TP_DATES_H
#define TP_DATES_H

#include "look.h"
#include "store_admin.h"

/* State of an item of such a job. */
enum dates_item { DATES_PLANNED, DATES_WRITTEN, DATES_REFUSED, DATES_LEFT };

/* What the job is to do, as its params say: {filter?, members?, value}. */
struct dates_plan;
/* ERR_INVALID: the text says what is wrong and what is allowed. */
MUST_USE enum err dates_plan_read(struct dates_plan **out, const char *json, struct error *e);
void dates_plan_free(struct dates_plan **p);

/* What it would do. */
struct dates_sample {
    char member[SFID_SIZE];
    char name[128], status[128];
    char from[32], to[32]; /* "": blank */
};
enum { DATES_SAMPLE_MAX = 50 };
struct dates_outlook {
    int64_t members, match, change;
    bool outside_window, in_future; /* the new date is */
    bool not_enabled;               /* the campaign would have no touchpoints in any case */
    struct dates_sample samples[DATES_SAMPLE_MAX]; /* of those that change */
    size_t sample_count;
};
/* Everything is checked: the campaign, the filter's fields, that the date may be written.
 * ERR_INVALID: a field is not there or can't be compared, the campaign has no such date;
 * ERR_NOT_FOUND. With only_check nobody is counted, and the calls that would take are saved. */
MUST_USE enum err dates_look(const struct look *l, const char *campaign_id,
                             const struct dates_plan *p, bool only_check, int64_t now_ms,
                             struct dates_outlook *out, struct error *e);
/* How many members an undo of the job would give their former date, and how many have another one
 * since. */
MUST_USE enum err dates_undo_look(const struct look *l, struct store *s, int64_t job,
                                  int64_t *restore, int64_t *changed_since, struct error *e);

#endif
