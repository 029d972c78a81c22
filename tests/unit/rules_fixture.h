/*
 * rules_fixture - a campaign and a member, told by what differs from those that have a touchpoint
 *
 * Texts of dates are read by timeutil. To be included once a test program, after cmocka.h.
 */
#ifndef TP_TEST_RULES_FIXTURE_H
#define TP_TEST_RULES_FIXTURE_H

#include <string.h>

#include "rules.h"
#include "timeutil.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define ALL       "Include all Campaign Members"
#define RESPONDED "Include only \"Responded\" Campaign Members"
#define EXCLUDE   "Exclude all Campaign Members"

enum { NO_PERSON = 1, LEAD = 2 }; /* 0: a contact */
enum { PICKLIST_FIRST = 1, END_INCLUSIVE = 2, ON_ADDED = 4 };

struct row {
    const char *name;
    const char *sync; /* NULL: Include all; "null": NULL */
    const char *zone; /* NULL: UTC */
    const char *start, *end;
    const char *created;   /* NULL: 2026-01-15T09:30:00Z */
    const char *responded; /* FirstRespondedDate; not NULL: has responded */
    const char *at, *day;  /* Buyer Touchpoint Date: date-time, or date */
    const char *email;     /* NULL: a@example.com; "null": NULL */
    int person, policy;
    enum reason want;
    const char *want_at;    /* NULL: not compared */
    const char *want_field; /* NULL: not compared */
    const char *want_day;   /* the window's; NULL: not compared */
};

static bool seen[REASON_DUPLICATE_EMAIL + 1];

static inline int64_t day_of(const char *text)
{
    int64_t day = TIME_NONE;
    if (text != NULL)
        assert_true(time_parse_date(text, strlen(text), &day));
    return day;
}

static inline int64_t at_of(const char *text)
{
    int64_t at = TIME_NONE;
    if (text != NULL)
        assert_true(time_parse_datetime(text, strlen(text), &at));
    return at;
}

static inline const char *or_null(const char *text, const char *otherwise)
{
    if (text == NULL)
        return otherwise;
    return strcmp(text, "null") == 0 ? NULL : text;
}

static inline struct campaign campaign_of(const struct row *r)
{
    return (struct campaign){
        .id = "701000000000001AAA",
        .exists = true,
        .name = "Fair",
        .type = "Trade Show",
        .sync_type = or_null(r->sync, ALL),
        .start_day = day_of(r->start),
        .end_day = day_of(r->end),
    };
}

static inline struct member member_of(const struct row *r)
{
    struct member m = {
        .id = "00v000000000001AAA",
        .exists = true,
        .campaign_id = "701000000000001AAA",
        .person.email = or_null(r->email, "a@example.com"),
        .has_responded = r->responded != NULL,
        .status = "Sent",
        .created_at_ms = at_of(r->created != NULL ? r->created : "2026-01-15T09:30:00Z"),
        .first_responded_day = day_of(r->responded),
        .touchpoint_at_ms = at_of(r->at),
        .touchpoint_day = day_of(r->day),
    };
    if (r->person == 0)
        memcpy(m.person.contact_id, "003000000000001AAA", SFID_SIZE);
    else if (r->person == LEAD)
        memcpy(m.person.lead_id, "00Q000000000001AAA", SFID_SIZE);
    return m;
}

static inline struct decision run(const struct campaign *c, const struct member *m,
                                  const struct policy *p, const char *zone_name)
{
    struct zone *zone = NULL;
    struct error e = {0};
    struct decision d;
    if (zone_open(&zone, zone_name != NULL ? zone_name : "UTC", &e) != ERR_NONE)
        fail_msg("%s", e.text);
    decide(c, m, p, zone, &d);
    zone_close(&zone);
    seen[d.reason] = true;
    return d;
}

#endif
