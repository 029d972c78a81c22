/*
 * zone - an org's time zone (ICU), and Unicode case folding
 *
 * A struct zone is one IANA zone ("Europe/Berlin", as in Organization.TimeZoneSidKey).
 * Threads:   a zone is used by one thread at a time; each worker opens its own (it caches the last
 *            day).
 * Ownership: zone_open gives; zone_close takes.
 * Errors:    ERR_CONFIG for a name that ICU does not know (never silently GMT). Instants and days
 *            outside the years 1 to 9999 count as the nearest inside.
 */
#ifndef TP_ZONE_H
#define TP_ZONE_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct zone;

MUST_USE enum err zone_open(struct zone **out, const char *name, struct error *e);
void zone_close(struct zone **z);
const char *zone_name(const struct zone *z);

/* The first instant of `day` in the zone: midnight; where midnight does not exist, the first
 * instant after the gap; where it is twice, the earlier. UTC ms. */
int64_t zone_start_of_day(struct zone *z, int64_t day);

/* The calendar day in the zone at that instant. */
int64_t zone_day_at(struct zone *z, int64_t at_ms);

/* Full Unicode case folding (default, not Turkic) of n bytes of UTF-8, so that two texts are equal
 * without regard to case exactly if their folded bytes are. Invalid UTF-8 is replaced by U+FFFD.
 * Gives a NUL-terminated string (free()). */
char *text_fold(const char *s, size_t n);

/* The same into a buffer, without allocation where the text is short or plain ASCII. Gives the
 * length of the folded text; when that is >= size, out holds nothing useful and a larger one is
 * needed (size 0: out may be NULL). Otherwise out is NUL-terminated. A NUL byte in s becomes
 * U+FFFD. */
size_t text_fold_into(const char *s, size_t n, char *out, size_t size);

#endif
