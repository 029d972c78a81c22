/*
 * Which way of reading costs the fewest API calls; the arithmetic is in org.h. Pure.
 */
#include "org.h"

static int64_t parts(int64_t n, int64_t size)
{
    return n / size + (n % size > 0);
}

enum org_way org_read_way(size_t ids, int64_t members)
{
    int64_t by_ids = ids == 0 ? INT64_MAX : parts((int64_t)ids, ORG_IN_MAX);
    if (members < 0)
        return ids == 0 ? ORG_WAY_PAGES : ORG_WAY_IDS;
    int64_t by_pages = members == 0 ? 1 : parts(members, ORG_PAGE);
    int64_t in_bulk = ORG_BULK_CALLS + parts(members, ORG_BULK_PAGE);
    if (by_ids <= by_pages && by_ids <= in_bulk)
        return ORG_WAY_IDS;
    return by_pages <= in_bulk ? ORG_WAY_PAGES : ORG_WAY_BULK;
}
