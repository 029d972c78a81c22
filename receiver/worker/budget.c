/*
 * What the org's API calls of the last 24 hours still allow: background work stops at the
 * configured part, everything but deletions at nine tenths.
 */
#include "worker_int.h"

enum { DELETES_ONLY_PERCENT = 90 };

enum budget budget_of(int64_t used, int64_t limit, unsigned reserve_percent)
{
    if (used < 0 || limit <= 0)
        return BUDGET_FREE; /* not told yet */
    double percent = 100.0 * (double)used / (double)limit;
    if (percent >= DELETES_ONLY_PERCENT)
        return BUDGET_DELETES_ONLY;
    return percent >= reserve_percent ? BUDGET_LIVE_ONLY : BUDGET_FREE;
}
