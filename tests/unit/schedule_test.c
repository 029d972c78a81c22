/*
 * When the reconcile is due.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../receiver/schedule.h"
#include "timeutil.h"

static int64_t at(const char *text)
{
    int64_t ms = 0;
    if (strcmp(text, "never") == 0)
        return TIME_NONE;
    assert_true(time_parse_datetime(text, strlen(text), &ms));
    return ms;
}

static void the_next_turn(void **state)
{
    static const struct {
        const char *setting, *zone, *last, *now, *want;
    } rows[] = {
        {"03:30", "UTC", "never", "2026-01-15T10:00:00Z", "2026-01-15T03:30:00Z"},
        {"03:30", "UTC", "2026-01-14T03:30:01Z", "2026-01-15T10:00:00Z", "2026-01-15T03:30:00Z"},
        {"03:30", "UTC", "2026-01-15T03:30:00Z", "2026-01-15T10:00:00Z", "2026-01-16T03:30:00Z"},
        {"03:30", "UTC", "2026-01-14T03:31:00Z", "2026-01-15T03:29:59Z", "2026-01-15T03:30:00Z"},
        {"03:30", "UTC", "2026-01-15T02:00:00Z", "2026-01-15T03:30:00Z", "2026-01-15T03:30:00Z"},
        {"03:30", "Europe/Berlin", "2026-01-14T03:00:00Z", "2026-01-15T01:00:00Z",
         "2026-01-15T02:30:00Z"},
        {"23:45", "America/New_York", "2026-06-01T03:45:00Z", "2026-06-01T12:00:00Z",
         "2026-06-02T03:45:00Z"},
        /* the clock goes forward at 2 and back at 3 */
        {"03:30", "Europe/Berlin", "2026-03-28T03:00:00Z", "2026-03-29T00:30:00Z",
         "2026-03-29T01:30:00Z"},
        {"01:30", "Europe/Berlin", "2026-03-28T03:00:00Z", "2026-03-29T00:15:00Z",
         "2026-03-29T00:30:00Z"},
        {"03:30", "Europe/Berlin", "2026-10-24T03:00:00Z", "2026-10-25T01:00:00Z",
         "2026-10-25T02:30:00Z"},
        {"6h", "UTC", "never", "2026-01-15T10:00:00Z", "2026-01-15T10:00:00Z"},
        {"6h", "UTC", "2026-01-15T09:00:00Z", "2026-01-15T10:00:00Z", "2026-01-15T15:00:00Z"},
        {"90s", "UTC", "2026-01-15T09:00:00Z", "2026-01-15T10:00:00Z", "2026-01-15T09:01:30Z"},
        {"1500ms", "UTC", "2026-01-15T09:00:00Z", "2026-01-15T10:00:00Z",
         "2026-01-15T09:00:01.500Z"},
        {"15m", "UTC", "2026-01-15T09:00:00Z", "2026-01-15T09:01:00Z", "2026-01-15T09:15:00Z"},
        {"2d", "UTC", "2026-01-15T09:00:00Z", "2026-01-15T09:01:00Z", "2026-01-17T09:00:00Z"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zone *zone = NULL;
        struct error e;
        char got[TIME_TEXT_MAX], want[TIME_TEXT_MAX];
        assert_int_equal(zone_open(&zone, rows[i].zone, &e), ERR_NONE);
        int64_t next = schedule_next(rows[i].setting, zone, at(rows[i].last), at(rows[i].now));
        print_message("%s %s last %s now %s\n", rows[i].setting, rows[i].zone, rows[i].last,
                      rows[i].now);
        assert_string_equal(time_format_datetime(next, got),
                            time_format_datetime(at(rows[i].want), want));
        zone_close(&zone);
    }
}

static void off_is_never(void **state)
{
    (void)state;
    assert_int_equal(schedule_next("off", NULL, TIME_NONE, 0), INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_turn),
        cmocka_unit_test(off_is_never),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
