/*
 * timeutil - clocks, ISO 8601 as Salesforce writes it, and calendar days
 *
 * Three kinds of time, told apart by their names:
 *   _at_ms / wall   milliseconds since 1970-01-01T00:00:00Z, may step; shown to people, stored
 *   boot            CLOCK_BOOTTIME milliseconds; counts through suspension and never steps; leases
 *                   and deadlines
 *   day             days since 1970-01-01 in the proleptic Gregorian calendar (no zone)
 * Range of parsed years: 1700 to 4000 (Salesforce's own range for dates).
 *
 * Threads: pure, but for the clocks.
 */
#ifndef TP_TIMEUTIL_H
#define TP_TIMEUTIL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define TIME_NONE INT64_MIN /* "no instant" and "no day" */

int64_t time_wall_ms(void);
int64_t time_boot_ms(void);

/* A condition variable whose timed waits no set clock moves, and the moment in ms (>= 0) from now
 * to wait until. */
void time_cond_init(pthread_cond_t *c);
struct timespec time_cond_after(int64_t ms);

/* Exactly n bytes: 2026-01-15T09:30:00.000Z | …+0000 | …+01:00 | without fraction. False leaves
 * *at_ms alone. */
bool time_parse_datetime(const char *s, size_t n, int64_t *at_ms);
/* Exactly n bytes: 2026-01-15. */
bool time_parse_date(const char *s, size_t n, int64_t *day);

enum { TIME_TEXT_MAX = 32 };
/* "2026-01-15T09:30:00.000Z"; gives out. */
char *time_format_datetime(int64_t at_ms, char out[TIME_TEXT_MAX]);
/* "2026-01-15"; gives out. */
char *time_format_date(int64_t day, char out[TIME_TEXT_MAX]);

int64_t time_day_from_civil(int year, unsigned month, unsigned day);
void time_civil_from_day(int64_t day, int *year, unsigned *month, unsigned *dom);

#endif
