/*
 * Calendar arithmetic after Howard Hinnant's description of the civil calendar (days counted in
 * eras of 400 years, the year beginning in March), so that no C library zone or locale is involved.
 */
#include "timeutil.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { YEAR_MIN = 1700, YEAR_MAX = 4000, MS_PER_DAY = 86400000 };

static int64_t clock_ms(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t time_wall_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

int64_t time_boot_ms(void)
{
#ifdef CLOCK_BOOTTIME
    return clock_ms(CLOCK_BOOTTIME);
#else
    return clock_ms(CLOCK_MONOTONIC);
#endif
}

void time_cond_init(pthread_cond_t *c)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(c, &attr);
    pthread_condattr_destroy(&attr);
}

struct timespec time_cond_after(int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + ms % 1000 * 1000000;
    until.tv_sec += (time_t)(ms / 1000 + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    return until;
}

int64_t time_day_from_civil(int year, unsigned month, unsigned day)
{
    int64_t y = (int64_t)year - (month <= 2 ? 1 : 0);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t shifted = (month + 9) % 12;
    int64_t day_of_year = (153 * shifted + 2) / 5 + (int64_t)day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

void time_civil_from_day(int64_t day, int *year, unsigned *month, unsigned *dom)
{
    int64_t z = day + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *dom = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
    *month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
    *year = (int)(yoe + era * 400 + (*month <= 2 ? 1 : 0));
}

/* Exactly `digits` decimal digits at s; -1 if one is missing. */
static int number(const char *s, size_t digits)
{
    int value = 0;
    for (size_t i = 0; i < digits; i++) {
        if (s[i] < '0' || s[i] > '9')
            return -1;
        value = value * 10 + (s[i] - '0');
    }
    return value;
}

static unsigned days_in_month(int year, int month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

bool time_parse_date(const char *s, size_t n, int64_t *day)
{
    if (n != 10 || s[4] != '-' || s[7] != '-')
        return false;
    int y = number(s, 4), m = number(s + 5, 2), d = number(s + 8, 2);
    if (y < YEAR_MIN || y > YEAR_MAX || m < 1 || m > 12 || d < 1 ||
        (unsigned)d > days_in_month(y, m))
        return false;
    *day = time_day_from_civil(y, (unsigned)m, (unsigned)d);
    return true;
}

/* "Z", "+hhmm", "+hh:mm" at s; minutes east of Greenwich. */
static bool parse_offset(const char *s, size_t n, int *minutes)
{
    if (n == 1 && s[0] == 'Z') {
        *minutes = 0;
        return true;
    }
    if ((n != 5 && n != 6) || (s[0] != '+' && s[0] != '-') || (n == 6 && s[3] != ':'))
        return false;
    int h = number(s + 1, 2), m = number(s + n - 2, 2);
    if (h < 0 || h > 18 || m < 0 || m > 59)
        return false;
    *minutes = (s[0] == '-' ? -1 : 1) * (h * 60 + m);
    return true;
}

bool time_parse_datetime(const char *s, size_t n, int64_t *at_ms)
{
    int64_t day;
    if (n < 20 || s[10] != 'T' || s[13] != ':' || s[16] != ':' || !time_parse_date(s, 10, &day))
        return false;
    int h = number(s + 11, 2), m = number(s + 14, 2), sec = number(s + 17, 2);
    if (h < 0 || h > 23 || m < 0 || m > 59 || sec < 0 || sec > 60)
        return false;
    size_t at = 19;
    int ms = 0, scale = 100, offset;
    if (s[at] == '.') {
        size_t from = ++at;
        for (; at < n && s[at] >= '0' && s[at] <= '9'; at++, scale /= 10)
            ms += (s[at] - '0') * scale; /* digits past the third count nothing: scale is 0 */
        if (at == from)
            return false;
    }
    if (at >= n || !parse_offset(s + at, n - at, &offset))
        return false;
    *at_ms =
        day * MS_PER_DAY + ((int64_t)h * 3600 + m * 60 + sec) * 1000 + ms - (int64_t)offset * 60000;
    return true;
}

char *time_format_date(int64_t day, char out[TIME_TEXT_MAX])
{
    int year;
    unsigned month, dom;
    time_civil_from_day(day, &year, &month, &dom);
    (void)snprintf(out, TIME_TEXT_MAX, "%04d-%02u-%02u", year, month, dom);
    return out;
}

char *time_format_datetime(int64_t at_ms, char out[TIME_TEXT_MAX])
{
    int64_t day = at_ms / MS_PER_DAY;
    int64_t rest = at_ms % MS_PER_DAY;
    if (rest < 0) {
        rest += MS_PER_DAY;
        day--;
    }
    int year;
    unsigned month, dom;
    time_civil_from_day(day, &year, &month, &dom);
    unsigned ms = (unsigned)(rest % 1000), s = (unsigned)(rest / 1000);
    (void)snprintf(out, TIME_TEXT_MAX, "%04d-%02u-%02uT%02u:%02u:%02u.%03uZ", year, month, dom,
                   s / 3600, s / 60 % 60, s % 60, ms);
    return out;
}
