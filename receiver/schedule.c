/*
 * The next turn follows from the setting, the last turn and the zone alone, so that a turn that was
 * missed while the daemon was down is due at once, and a changed setting counts from the last turn.
 */
#include "schedule.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "timeutil.h"

static const int64_t SECOND_MS = 1000, MINUTE_MS = 60000, HOUR_MS = 3600000, DAY_MS = 86400000;

/* That time of day. A day whose clock changes is an hour shorter or
 * longer from early morning on. */
static int64_t instant(struct zone *zone, int64_t day, int64_t of_day_ms)
{
    int64_t start = zone_start_of_day(zone, day);
    int64_t change = zone_start_of_day(zone, day + 1) - start - DAY_MS;
    bool after_change = of_day_ms >= 3 * HOUR_MS;
    return start + of_day_ms + (after_change ? change : 0);
}

static int64_t next_daily(int64_t of_day_ms, struct zone *zone, int64_t last_at_ms, int64_t now_ms)
{
    int64_t day = zone_day_at(zone, now_ms);
    int64_t latest = instant(zone, day, of_day_ms);
    if (latest > now_ms)
        latest = instant(zone, --day, of_day_ms);
    bool missed = last_at_ms == TIME_NONE || last_at_ms < latest;
    return missed ? latest : instant(zone, day + 1, of_day_ms);
}

static int64_t unit_ms(const char *unit)
{
    if (strcmp(unit, "ms") == 0)
        return 1;
    switch (unit[0]) {
    case 's':
        return SECOND_MS;
    case 'm':
        return MINUTE_MS;
    case 'h':
        return HOUR_MS;
    default:
        return DAY_MS;
    }
}

int64_t schedule_next(const char *setting, struct zone *zone, int64_t last_at_ms, int64_t now_ms)
{
    char *end;
    if (strcmp(setting, "off") == 0)
        return INT64_MAX;
    int64_t n = strtoll(setting, &end, 10);
    if (*end == ':')
        return next_daily(n * HOUR_MS + strtoll(end + 1, NULL, 10) * MINUTE_MS, zone, last_at_ms,
                          now_ms);
    return last_at_ms == TIME_NONE ? now_ms : last_at_ms + n * unit_ms(end);
}
