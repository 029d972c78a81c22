/*
 * dedupe_by_email: of those who share an email the earliest keeps the touchpoint.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mem.h"
#include "rules.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The entries in their order, with `keeps` as wanted. */
static void check(const struct dedupe_entry *want, size_t n)
{
    struct dedupe_entry *got = mem_array(n, sizeof *got);
    for (size_t i = 0; i < n; i++) {
        got[i] = want[i];
        got[i].email = dedupe_key(want[i].email);
        got[i].keeps = !want[i].keeps;
    }
    dedupe_by_email(got, n);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(got[i].member_id, want[i].member_id);
        if (got[i].keeps != want[i].keeps)
            fail_msg("%s %s: want %d", want[i].member_id, want[i].email, want[i].keeps);
        free((void *)(uintptr_t)got[i].email);
    }
    free(got);
}

static void the_earliest_date_keeps(void **state)
{
    (void)state;
    static const struct dedupe_entry rows[] = {
        {"00v000000000001AAA", "a@example.com", 300, false},
        {"00v000000000002AAA", "b@example.com", 900, true},
        {"00v000000000003AAA", "a@example.com", 100, true},
        {"00v000000000004AAA", "a@example.com", 200, false},
        {"00v000000000005AAA", "c@example.com", -5, true},
        {"00v000000000006AAA", "c@example.com", 0, false},
    };
    check(rows, COUNT(rows));
}

static void of_equal_dates_the_smallest_id_keeps(void **state)
{
    (void)state;
    static const struct dedupe_entry rows[] = {
        {"00v00000000000bAAA", "a@example.com", 100, false},
        {"00v00000000000BAAA", "a@example.com", 100, true},
        {"00v00000000000CAAA", "a@example.com", 100, false},
    };
    check(rows, COUNT(rows));
}

static void emails_are_compared_without_case_and_white_space(void **state)
{
    (void)state;
    static const struct dedupe_entry rows[] = {
        {"00v000000000001AAA", "Eva@Example.COM", 100, true},
        {"00v000000000002AAA", " eva@example.com\xc2\xa0", 200, false},
        {"00v000000000003AAA", "J\xc3\x9cRGEN@example.com", 200, false},
        {"00v000000000004AAA", "j\xc3\xbcrgen@example.com", 100, true},
        {"00v000000000005AAA", "eva@example.co", 300, true},
    };
    check(rows, COUNT(rows));
}

static void entries_without_an_email_never_share_one(void **state)
{
    (void)state;
    static const struct dedupe_entry rows[] = {
        {"00v000000000001AAA", "", 100, true},
        {"00v000000000002AAA", NULL, 100, true},
        {"00v000000000003AAA", "  ", 100, true},
    };
    check(rows, COUNT(rows));
    check(rows, 0);
    check(rows, 1);
}

/* 20,000 members, 100 emails: exactly one of each keeps, and it is the first by date. */
static void a_large_campaign_keeps_one_of_each(void **state)
{
    (void)state;
    enum { MEMBERS = 20000, EMAILS = 100 };
    struct dedupe_entry *all = mem_array(MEMBERS, sizeof *all);
    char(*emails)[32] = mem_array(EMAILS, sizeof *emails);
    for (size_t i = 0; i < EMAILS; i++) {
        char *text = mem_printf("p%zu@example.com", i);
        memcpy(emails[i], text, strlen(text) + 1);
        free(text);
    }
    for (size_t i = 0; i < MEMBERS; i++) {
        all[i].member_id = "00v000000000001AAA";
        all[i].email = emails[i % EMAILS];
        all[i].touchpoint_at_ms = (int64_t)((i * 7919 + 13) % MEMBERS); /* a permutation */
    }
    dedupe_by_email(all, MEMBERS);
    size_t keep = 0;
    for (size_t i = 0; i < MEMBERS; i++) {
        if (!all[i].keeps)
            continue;
        keep++;
        for (size_t k = i % EMAILS; k < MEMBERS; k += EMAILS)
            assert_true(all[i].touchpoint_at_ms <= all[k].touchpoint_at_ms);
    }
    assert_int_equal(keep, EMAILS);
    free(emails);
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_earliest_date_keeps),
        cmocka_unit_test(of_equal_dates_the_smallest_id_keeps),
        cmocka_unit_test(emails_are_compared_without_case_and_white_space),
        cmocka_unit_test(entries_without_an_email_never_share_one),
        cmocka_unit_test(a_large_campaign_keeps_one_of_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
