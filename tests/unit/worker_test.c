/*
 * The pure pieces of the worker: back-off, delete guard, and the table of existing touchpoints.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../receiver/worker/worker_int.h"

static void the_back_off_doubles_with_full_jitter_up_to_two_hours(void **state)
{
    (void)state;
    static const struct {
        int tries;
        int64_t ceiling_ms;
    } rows[] = {{1, 1000},     {2, 2000},     {3, 4000},     {11, 1024000},
                {13, 4096000}, {14, 7200000}, {24, 7200000}, {1000, 7200000}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t floor_ms = rows[i].ceiling_ms / 10;
        assert_int_equal(retry_delay_ms(rows[i].tries, 0), floor_ms);
        assert_int_equal(retry_delay_ms(rows[i].tries, (uint64_t)(rows[i].ceiling_ms - floor_ms)),
                         rows[i].ceiling_ms);
        for (uint64_t random = 1; random < 1000000007u * 50; random += 1000000007u) {
            int64_t got = retry_delay_ms(rows[i].tries, random);
            assert_in_range(got, floor_ms, rows[i].ceiling_ms);
        }
    }
}

static void twenty_four_tries_last_about_a_day(void **state)
{
    (void)state;
    int64_t mean_ms = 0;
    for (int tries = 1; tries <= 24;
         tries++) /* the mean lies between floor (a tenth) and ceiling */
        mean_ms += retry_delay_ms(tries, 0) * 11 / 2;
    assert_in_range(mean_ms / 3600000, 10, 26);
}

static void the_guard_holds_only_what_no_setting_explains(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct guard_input in;
        bool want;
    } rows[] = {
        {"few deletions pass", {100, 100, 20, "a", "a", SYNC_ALL, false}, false},
        {"more than a fifth and than 100 are held",
         {101, 500, 20, "a", "a", SYNC_ALL, false},
         true},
        {"a fifth exactly passes", {200, 1000, 20, "a", "a", SYNC_ALL, false}, false},
        {"just above a fifth is held", {201, 1000, 20, "a", "a", SYNC_ALL, false}, true},
        {"a changed setting explains them", {500, 500, 20, "a", "b", SYNC_BLANK, false}, false},
        {"approval lets them pass", {500, 500, 20, "a", "a", SYNC_ALL, true}, false},
        {"without an earlier pass they are held", {500, 500, 20, "", "a", SYNC_BLANK, false}, true},
        {"without an earlier pass Exclude all is deliberate",
         {500, 500, 20, "", "a", SYNC_EXCLUDE, false},
         false},
        {"100 percent never holds", {500, 500, 100, "a", "a", SYNC_ALL, false}, false},
        {"0 percent holds beyond 100", {101, 100000, 0, "a", "a", SYNC_ALL, false}, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (guard_holds(&rows[i].in) != rows[i].want)
            fail_msg("%s", rows[i].name);
    }
}

static void the_fingerprint_changes_with_setting_dates_type_and_policy(void **state)
{
    (void)state;
    const struct campaign base = {
        .exists = true, .name = "n", .type = "t", .sync_type = "s", .start_day = 1, .end_day = 2};
    struct campaign c[5] = {base, base, base, base, base};
    char first[STORE_FINGERPRINT_SIZE], other[STORE_FINGERPRINT_SIZE];
    c[0].sync_type = NULL;
    c[1].start_day = 3;
    c[2].end_day = 1;
    c[3].type = "u";
    c[4].name = "renamed";
    guard_fingerprint(&base, "p", first);
    for (size_t i = 0; i < 5; i++) {
        guard_fingerprint(&c[i], "p", other);
        assert_int_equal(strcmp(first, other) != 0, i != 4);
    }
    guard_fingerprint(&base, "q", other);
    assert_string_not_equal(first, other);
}

static void fill(struct org_touchpoint *t, int number)
{
    for (size_t v = 0; v < TV_COUNT; v++)
        t->value[v] = "";
    (void)snprintf(t->key, sizeof t->key, "00v%012dAAA", number);
    (void)snprintf(t->id, sizeof t->id, "a0X%012dAAA", number);
    t->value[TV_CAMPAIGN] = "701000000000001";
}

static void every_touchpoint_is_found_by_its_key(void **state)
{
    (void)state;
    struct existing x;
    struct org_touchpoint t;
    existing_init(&x);
    assert_null(existing_find(&x, "00v000000000001AAA"));
    for (int i = 0; i < 30000; i++) {
        fill(&t, i);
        existing_add(&x, &t);
    }
    existing_add(&x, &t);
    assert_int_equal(x.count, 30000);
    for (int i = 0; i < 30000; i += 7) {
        fill(&t, i);
        const struct existing_row *row = existing_find(&x, t.key);
        assert_non_null(row);
        assert_string_equal(row->id, t.id);
        assert_string_equal(row->campaign_id, "701000000000001AAA");
        assert_null(row->values); /* beyond EXISTING_KEEP_MAX only hashes are kept */
        assert_int_equal(row->hash, values_hash(t.value));
    }
    fill(&t, 30000);
    assert_null(existing_find(&x, t.key));
    existing_release(&x);
}

static void only_values_that_differ_go_to_the_ledger(void **state)
{
    (void)state;
    struct org_touchpoint a, b;
    fill(&a, 1);
    fill(&b, 1);
    a.value[TV_EMAIL] = "old@example.com";
    b.value[TV_EMAIL] = "new@\"example\".com";
    assert_true(values_hash(a.value) != values_hash(b.value));
    char *json = values_json(b.value, a.value);
    assert_string_equal(json, "{\"email\":\"new@\\\"example\\\".com\"}");
    free(json);
    json = values_json(a.value, NULL);
    assert_string_equal(json, "{\"campaign\":\"701000000000001\",\"email\":\"old@example.com\"}");
    free(json);
}

static void the_budget_follows_the_usage(void **state)
{
    static const struct {
        int64_t used, limit;
        unsigned reserve;
        enum budget want;
    } rows[] = {
        {-1, -1, 60, BUDGET_FREE},
        {0, 0, 60, BUDGET_FREE},
        {0, 100000, 60, BUDGET_FREE},
        {59999, 100000, 60, BUDGET_FREE},
        {60000, 100000, 60, BUDGET_LIVE_ONLY},
        {89999, 100000, 60, BUDGET_LIVE_ONLY},
        {90000, 100000, 60, BUDGET_DELETES_ONLY},
        {120000, 100000, 60, BUDGET_DELETES_ONLY},
        {0, 100000, 0, BUDGET_LIVE_ONLY},
        {89999, 100000, 100, BUDGET_FREE},
        {90000, 100000, 100, BUDGET_DELETES_ONLY},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(budget_of(rows[i].used, rows[i].limit, rows[i].reserve), rows[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_back_off_doubles_with_full_jitter_up_to_two_hours),
        cmocka_unit_test(twenty_four_tries_last_about_a_day),
        cmocka_unit_test(the_guard_holds_only_what_no_setting_explains),
        cmocka_unit_test(the_fingerprint_changes_with_setting_dates_type_and_policy),
        cmocka_unit_test(every_touchpoint_is_found_by_its_key),
        cmocka_unit_test(the_budget_follows_the_usage),
        cmocka_unit_test(only_values_that_differ_go_to_the_ledger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
