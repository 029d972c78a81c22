/*
 * decide - decisions a second on one core
 *
 *     decide SECONDS
 *
 * Decides over a campaign of members that differ in response, dates and email, with a window, in a
 * zone with daylight saving, and prints decisions and decisions with their values a second as JSON.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rules.h"
#include "timeutil.h"

enum { MEMBERS = 1000 };

static struct member members[MEMBERS];

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A third has not responded, a fifth has a date of its own, one in ten no email; over a year. */
static void fill(int64_t first_day)
{
    const int64_t ms_a_day = 86400000;
    for (int i = 0; i < MEMBERS; i++) {
        struct member *m = &members[i];
        snprintf(m->id, sizeof m->id, "00v%012dAAA", i);
        snprintf(m->person.lead_id, sizeof m->person.lead_id, "00Q%012dAAA", i);
        m->person.email = i % 10 == 0 ? NULL : "someone@example.com";
        m->exists = true;
        m->has_responded = i % 3 != 0;
        m->status = m->has_responded ? "Responded" : "Sent";
        m->created_at_ms = (first_day + i % 365) * ms_a_day + i * 37000;
        m->first_responded_day = m->has_responded ? first_day + i % 365 : TIME_NONE;
        m->touchpoint_at_ms = i % 5 == 0 ? m->created_at_ms - ms_a_day : TIME_NONE;
        m->touchpoint_day = TIME_NONE;
    }
}

static double measure(const struct campaign *c, const struct policy *p, struct zone *zone,
                      bool with_values, double seconds)
{
    double start = cpu_s(), took;
    uint64_t decisions = 0;
    do {
        for (int i = 0; i < MEMBERS; i++) {
            struct decision d;
            decide(c, &members[i], p, zone, &d);
            if (with_values && d.reason == REASON_NONE) {
                struct touchpoint t;
                touchpoint_values(c, &members[i], p, &d, &t);
                touchpoint_release(&t);
            }
        }
        decisions += MEMBERS;
        took = cpu_s() - start;
    } while (took < seconds);
    return (double)decisions / took;
}

int main(int argc, char **argv)
{
    double seconds = argc == 2 ? strtod(argv[1], NULL) : 0;
    if (seconds <= 0) {
        fprintf(stderr, "usage: %s SECONDS\n", argv[0]);
        return 2;
    }
    struct error e;
    struct zone *zone = NULL;
    if (zone_open(&zone, "Europe/Berlin", &e) != ERR_NONE) {
        fprintf(stderr, "decide: %s\n", e.text);
        return 1;
    }
    int64_t day = time_day_from_civil(2026, 1, 1);
    struct channel_map channels[] = {
        {.type = "Conference", .channel = "Events"},
        {.type = "Trade Show", .channel = "Events", .subchannel = "Trade Show"},
    };
    struct policy policy = {.default_channel = "Other", .channels = channels, .channel_count = 2};
    struct campaign campaign = {.id = "701000000000001AAA",
                                .exists = true,
                                .name = "Expo",
                                .type = "Trade Show",
                                .sync_type = "Include only \"Responded\" Campaign Members",
                                .start_day = day + 10,
                                .end_day = day + 300};
    fill(day);
    double alone = measure(&campaign, &policy, zone, false, seconds);
    double with_values = measure(&campaign, &policy, zone, true, seconds);
    printf("{\"rate\":%.0f,\"with_values\":%.0f}\n", alone, with_values);
    zone_close(&zone);
    return 0;
}
