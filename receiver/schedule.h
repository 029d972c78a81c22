/*
 * schedule - when the reconcile is due
 *
 *   off      never                     06:30   daily at that time in the org's zone
 *   6h       so long after the last    (never run before: now)
 *
 * Threads: pure, but for the zone, which is its owner's.
 */
#ifndef TP_SCHEDULE_H
#define TP_SCHEDULE_H

#include <stdint.h>

#include "zone.h"

/* Wall-clock ms of the next turn; it may lie in the past: then it was missed and is due now.
 * INT64_MAX: never. setting: worker.reconcile as the configuration checked it. last_at_ms: start of
 * the last turn, TIME_NONE if there was none. */
int64_t schedule_next(const char *setting, struct zone *zone, int64_t last_at_ms, int64_t now_ms);

#endif
