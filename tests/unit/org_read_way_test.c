/*
 * Which way of reading costs the fewest API calls.
 */
#include "org_fixture.h"

static void the_cheapest_way_is_chosen(void **state)
{
    static const struct {
        const char *name;
        size_t ids;
        int64_t members;
        enum org_way want;
    } rows[] = {
        {"one id of an unknown campaign", 1, -1, ORG_WAY_IDS},
        {"many ids of an unknown campaign", 100000, -1, ORG_WAY_IDS},
        {"an unknown campaign whole", 0, -1, ORG_WAY_PAGES},
        {"an empty campaign whole", 0, 0, ORG_WAY_PAGES},
        {"an id of an empty campaign costs as much as its page", 1, 0, ORG_WAY_IDS},
        {"a small campaign whole", 0, 1, ORG_WAY_PAGES},
        {"400 ids are one call, as one page", 400, 2000, ORG_WAY_IDS},
        {"401 ids are two calls", 401, 2000, ORG_WAY_PAGES},
        {"401 ids against two pages", 401, 2001, ORG_WAY_IDS},
        {"1,000 ids against three pages", 1000, 6000, ORG_WAY_IDS},
        {"1,201 ids against three pages", 1201, 6000, ORG_WAY_PAGES},
        {"13 pages against a job of 13 calls", 0, 26000, ORG_WAY_PAGES},
        {"14 pages against a job of 13 calls", 0, 26001, ORG_WAY_BULK},
        {"5,200 ids against 14 pages and a job of 13 calls", 5200, 28000, ORG_WAY_IDS},
        {"5,201 ids against 14 pages and a job of 13 calls", 5201, 28000, ORG_WAY_BULK},
        {"a large campaign", 0, 100000, ORG_WAY_BULK},
        {"few ids of a large campaign", 4000, 100000, ORG_WAY_IDS},
        {"a million", 0, 1000000, ORG_WAY_BULK},
        {"as many as there can be", 0, INT64_MAX, ORG_WAY_BULK},
        {"as many ids as there can be", SIZE_MAX / 2, INT64_MAX, ORG_WAY_BULK},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum org_way got = org_read_way(rows[i].ids, rows[i].members);
        if (got != rows[i].want)
            fail_msg("%s: got %d, want %d", rows[i].name, (int)got, (int)rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cheapest_way_is_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
