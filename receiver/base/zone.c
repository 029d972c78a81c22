/*
 * A zone is a sequence of spans in which the offset from UTC is constant; ICU is asked only where
 * one span ends and the next begins, and all arithmetic is done here. That keeps the two questions
 * cheap (spans are remembered, by their time, in a small direct-mapped table) and makes the start
 * of a day one definition for midnights that are missing or come twice: the earliest instant whose
 * local time is midnight or later.
 */
#include "zone.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <unicode/ucal.h>
#include <unicode/ustring.h>

#include "mem.h"

enum {
    NAME_MAX_LEN = 63, /* IANA names are shorter; Organization.TimeZoneSidKey is at most 40 */
    SPAN_SLOTS = 256,  /* × 25 days: 17 years before two times share a slot */
    SPAN_SHIFT = 31,   /* 2^31 ms are 24.9 days */
};
#define MS_PER_DAY INT64_C(86400000)
#define AT_MIN     INT64_C(-62135596800000) /* 0001-01-01 */
#define AT_MAX     INT64_C(253402300799999) /* 9999-12-31 */

struct span {
    int64_t from, to; /* from <= at < to; both 0: an empty slot */
    int64_t offset;   /* ms east of Greenwich */
};

struct zone {
    UCalendar *calendar;
    char name[NAME_MAX_LEN + 1];
    struct span last;
    struct span slots[SPAN_SLOTS];
    int64_t last_day, last_start;
    bool has_last_day;
};

/* ICU takes any text for GMT, so a name is first looked up among the names that it knows. */
static bool is_known(const UChar *name)
{
    UChar canonical[NAME_MAX_LEN + 1];
    UBool is_system = 0;
    UErrorCode status = U_ZERO_ERROR;
    (void)ucal_getCanonicalTimeZoneID(name, -1, canonical, NAME_MAX_LEN, &is_system, &status);
    if (U_FAILURE(status) || !is_system)
        return false;
    char plain[NAME_MAX_LEN + 1];
    u_UCharsToChars(canonical, plain, (int32_t)sizeof plain);
    return strcmp(plain, UCAL_UNKNOWN_ZONE_ID) != 0;
}

static bool is_plain(const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < n; i++) {
        if (name[i] <= ' ' || name[i] > '~')
            return false;
    }
    return n > 0 && n <= NAME_MAX_LEN;
}

enum err zone_open(struct zone **out, const char *name, struct error *e)
{
    UChar wide[NAME_MAX_LEN + 1] = {0};
    UErrorCode status = U_ZERO_ERROR;

    if (is_plain(name))
        u_charsToUChars(name, wide, (int32_t)strlen(name));
    if (wide[0] == 0 || !is_known(wide))
        return error_set(e, ERR_CONFIG,
                         "\"%.64s\" is not a time zone; allowed is an IANA name such as "
                         "Europe/Berlin",
                         name);
    UCalendar *calendar = ucal_open(wide, -1, "", UCAL_GREGORIAN, &status);
    if (U_FAILURE(status))
        return error_set(e, ERR_CONFIG, "time zone %s cannot be opened: %s", name,
                         u_errorName(status));
    struct zone *z = mem_alloc(sizeof *z);
    z->calendar = calendar;
    memcpy(z->name, name, strlen(name) + 1);
    *out = z;
    return ERR_NONE;
}

void zone_close(struct zone **z)
{
    if (*z == NULL)
        return;
    ucal_close((*z)->calendar);
    free(*z);
    *z = NULL;
}

const char *zone_name(const struct zone *z)
{
    return z->name;
}

static int64_t clamp(int64_t at_ms)
{
    return at_ms < AT_MIN ? AT_MIN : at_ms > AT_MAX ? AT_MAX : at_ms;
}

static int64_t floor_day(int64_t local_ms)
{
    int64_t day = local_ms / MS_PER_DAY;
    return local_ms % MS_PER_DAY < 0 ? day - 1 : day;
}

/* ICU cannot fail here but for want of memory, which mem.h treats as the end of the process. */
static struct span ask(struct zone *z, int64_t at_ms)
{
    UErrorCode status = U_ZERO_ERROR;
    struct span s = {.from = INT64_MIN, .to = INT64_MAX};
    UDate edge = 0;

    ucal_setMillis(z->calendar, (UDate)at_ms, &status);
    s.offset = (int64_t)ucal_get(z->calendar, UCAL_ZONE_OFFSET, &status) +
               (int64_t)ucal_get(z->calendar, UCAL_DST_OFFSET, &status);
    if (ucal_getTimeZoneTransitionDate(z->calendar, UCAL_TZ_TRANSITION_PREVIOUS_INCLUSIVE, &edge,
                                       &status))
        s.from = (int64_t)llround(edge);
    if (ucal_getTimeZoneTransitionDate(z->calendar, UCAL_TZ_TRANSITION_NEXT, &edge, &status))
        s.to = (int64_t)llround(edge);
    assert(U_SUCCESS(status));
    return s;
}

static bool holds(const struct span *s, int64_t at_ms)
{
    return s->from <= at_ms && at_ms < s->to;
}

static const struct span *span_at(struct zone *z, int64_t at_ms)
{
    if (holds(&z->last, at_ms))
        return &z->last;
    struct span *slot = &z->slots[(uint64_t)(at_ms - AT_MIN) >> SPAN_SHIFT & (SPAN_SLOTS - 1)];
    if (!holds(slot, at_ms))
        *slot = ask(z, at_ms);
    z->last = *slot;
    return &z->last;
}

int64_t zone_day_at(struct zone *z, int64_t at_ms)
{
    int64_t at = clamp(at_ms);
    return floor_day(at + span_at(z, at)->offset);
}

/* The earliest instant whose local time is `local_ms` or later: walks the spans from a day before,
 * which is before it in every zone. */
static int64_t first_at(struct zone *z, int64_t local_ms)
{
    int64_t at = clamp(local_ms - MS_PER_DAY);
    for (;;) {
        struct span s = *span_at(z, at);
        int64_t wanted = local_ms - s.offset;
        if (wanted < at)
            wanted = at; /* the gap before this span holds local_ms */
        if (wanted < s.to)
            return wanted;
        at = s.to;
    }
}

int64_t zone_start_of_day(struct zone *z, int64_t day)
{
    if (z->has_last_day && z->last_day == day)
        return z->last_start;
    int64_t at = day < floor_day(AT_MIN)   ? AT_MIN
                 : day > floor_day(AT_MAX) ? AT_MAX
                                           : first_at(z, day * MS_PER_DAY);
    z->last_day = day;
    z->last_start = at;
    z->has_last_day = true;
    return at;
}
