/*
 * Many campaigns looked at together: one thread, a real store, an org that plays canned answers.
 */
#include "../../receiver/org/org_int.h"
#include "org_records.h"
#include "worker_fixture.h"

static void will_tell_campaigns(struct fixture *x, unsigned n, const char *sync_type)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    for (unsigned i = 0; i < n; i++) {
        char id[SFID_SIZE];
        make_id("701", i + 1, id);
        buf_printf(
            &b,
            "%s{\"Id\":\"%s\",\"Name\":\"Expo\",\"Type\":null,\"Enable_Buyer_Touchpoints__c\":"
            "%s,\"Touchpoint_Start_Date__c\":null,\"Touchpoint_End_Date__c\":null}",
            i == 0 ? "" : ",", id, sync_type);
    }
    will_page(x, (int)n, NULL, b.data);
    buf_release(&b);
}

static void start(struct fixture *x)
{
    start_workers(x, 1);
}

static struct store_org_stats stats(struct fixture *x)
{
    struct store_org_stats s = {0};
    size_t count;
    assert_int_equal(store_stats(store, &s, 1, &count, &x->e), ERR_NONE);
    return s;
}

static void wait_until_done(struct fixture *x, int64_t n)
{
    for (int waited = 0; stats(x).done < n; waited++) {
        assert_in_range(waited, 0, WAIT_MAX_MS);
        pause_ms(1);
    }
}

/* All are due again within a second, and none of their tries was counted. */
static void assert_given_back(struct fixture *x, unsigned n)
{
    assert_int_equal(stats(x).ready, n);
    assert_int_equal(stats(x).leased, 0);
    for (unsigned i = 0; i < n; i++) {
        struct store_claim *c = NULL;
        for (int waited = 0; c == NULL; waited++) {
            assert_in_range(waited, 0, WAIT_MAX_MS);
            assert_int_equal(store_claim(store, NULL, &c, &x->e), ERR_NONE);
            pause_ms(1);
        }
        assert_int_equal(c->hints[0].tries, 1);
        store_claim_free(&c);
    }
}

static int open_all(void **state)
{
    struct fixture *x = mem_alloc(sizeof *x);
    *state = x;
    fixture_prepare(x);
    x->config.time_zone = "UTC";
    fixture_start(x, 30000);
    open_store(x);
    return 0;
}

/* ------------------------------------------------------------------ the tests */

static void campaigns_that_are_not_enabled_cost_two_calls_together(void **state)
{
    static const char *const settings[] = {"null", "\"Exclude all Campaign Members\"", "\"Else\""};
    struct fixture *x = fixture_of(state);
    size_t calls = 0;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        put_members(x, 1, 100);
        will_tell_campaigns(x, 100, settings[i]);
        will_page(x, 0, NULL, "");
        start(x);
        for (int waited = 0; stats(x).done < 100 || fake_count(x->fake) < calls + 2; waited++) {
            assert_in_range(waited, 0, WAIT_MAX_MS);
            pause_ms(1);
        }
        worker_stop(&pool, WAIT_MAX_MS);
        calls += 2;
        assert_int_equal(fake_count(x->fake), calls);
        assert_contains(target(x, calls - 2), "FROM Campaign WHERE Id IN ('701");
        assert_contains(target(x, calls - 1),
                        "FROM Buyer_Touchpoint__c WHERE (Campaign__c IN ('701");
        assert_int_equal(stats(x).done, 100);
    }
}

static void others_get_a_pass_of_their_own_with_the_row_that_was_read(void **state)
{
    struct fixture *x = fixture_of(state);
    put_members(x, 1, 3);
    /* together: 1 is enabled, 2 is not, 3 is not seen */
    will_page(x, 2, NULL,
              "{\"Id\":\"701000000000001AAA\",\"Name\":\"a\",\"Type\":null,"
              "\"Enable_Buyer_Touchpoints__c\":\"Include all Campaign Members\","
              "\"Touchpoint_Start_Date__c\":null,\"Touchpoint_End_Date__c\":null},"
              "{\"Id\":\"701000000000002AAA\",\"Name\":\"b\",\"Type\":null,"
              "\"Enable_Buyer_Touchpoints__c\":null,"
              "\"Touchpoint_Start_Date__c\":null,\"Touchpoint_End_Date__c\":null}");
    will_page(x, 1, NULL,
              "{\"Id\":\"a0X000000000001EAA\",\"Campaign__c\":null,"
              "\"Ad_Campaign_Id__c\":\"701000000000002AAA\"}");
    /* 1: touchpoints, members */
    will_page(x, 0, NULL, "");
    will_page(x, 0, NULL, "");
    /* 3: the campaign, whether it was deleted, its touchpoints */
    will_page(x, 0, NULL, "");
    will_page(x, 1, NULL, "{\"Id\":\"701000000000003AAA\",\"IsDeleted\":true}");
    will_page(x, 0, NULL, "");
    /* 2: touchpoints; there is none of this member, so it is not read */
    will_page(x, 0, NULL, "");
    start(x);
    wait_until_done(x, 3);
    worker_stop(&pool, WAIT_MAX_MS);
    static const char *const want[] = {
        "FROM Campaign WHERE Id IN ('701000000000001AAA','701000000000002AAA',",
        "Ad_Campaign_Id__c IN ('701000000000002AAA')",
        "Campaign_Member_Id__c IN ('00v000000000001AAA')",
        "FROM CampaignMember WHERE Id IN ('00v000000000001AAA')",
        "FROM Campaign WHERE Id IN ('701000000000003AAA')",
        "IsDeleted",
        "Campaign__c = '701000000000003AAA'",
        "Campaign_Member_Id__c IN ('00v000000000002AAA')",
    };
    assert_int_equal(fake_count(x->fake), sizeof want / sizeof want[0]);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
        assert_contains(target(x, i), want[i]);
}

/* What was put off is put off again without a call, unless something new came for it. */
static void what_waits_for_the_budget_costs_no_calls_until_there_is_some(void **state)
{
    struct fixture *x = fixture_of(state);
    struct store_new_hint h = {.kind = STORE_CAMPAIGN, .subject_id = "", .code = STORE_CODE_BUDGET};
    char campaign[SFID_SIZE];
    make_id("701", 1, campaign);
    h.campaign_id = h.record_id = campaign;
    org_note_usage(x->org, 95000, 100000);
    assert_int_equal(store_hint(store, x->config.id, &h, &x->e), ERR_NONE);
    start(x);
    struct store_claim *c = NULL;
    pause_ms(300); /* enough to be taken and put back */
    worker_stop(&pool, WAIT_MAX_MS);
    assert_int_equal(fake_count(x->fake), 0);
    assert_int_equal(stats(x).ready, 1);
    assert_int_equal(store_claim(store, NULL, &c, &x->e), ERR_NONE);
    assert_null(c); /* not due */

    org_note_usage(x->org, 95000, 100000);
    h.code = NULL; /* news of the campaign */
    assert_int_equal(store_hint(store, x->config.id, &h, &x->e), ERR_NONE);
    will_tell_campaigns(x, 1, "null");
    will_page(x, 0, NULL, "");
    start(x);
    fake_wait(x->fake, 1);
}

static void a_stop_gives_back_what_was_gathered(void **state)
{
    struct fixture *x = fixture_of(state);
    const struct fake_answer silent = {.kind = FAKE_SILENT};
    put_members(x, 1, 20);
    will_tell_campaigns(x, 20, "null");
    fake_will_do(x->fake, &silent);
    start(x);
    fake_wait(x->fake, 2);
    worker_stop(&pool, 0);
    assert_given_back(x, 20);
}

static void a_stop_gives_back_what_waits_for_a_thread(void **state)
{
    struct fixture *x = fixture_of(state);
    const struct fake_answer silent = {.kind = FAKE_SILENT};
    put_members(x, 1, 20);
    will_tell_campaigns(x, 20, "\"Include all Campaign Members\"");
    fake_will_do(x->fake, &silent); /* the first campaign's touchpoints */
    start(x);
    fake_wait(x->fake, 2);
    worker_stop(&pool, 0);
    assert_given_back(x, 20);
}

static void a_failure_of_the_org_gives_all_back_and_holds_the_org_once(void **state)
{
    struct fixture *x = fixture_of(state);
    struct org_state org;
    put_members(x, 1, 20);
    will_refuse(x, 503, "SERVER_UNAVAILABLE");
    start(x);
    fake_wait(x->fake, 1);
    for (int waited = 0; stats(x).leased > 0 || stats(x).ready < 20; waited++) {
        assert_in_range(waited, 0, WAIT_MAX_MS);
        pause_ms(1);
    }
    worker_stop(&pool, WAIT_MAX_MS);
    org_state_get(x->org, &org);
    assert_false(org.breaker_open); /* one failure, not twenty */
    assert_given_back(x, 20);
}

/* Or else each try would lease all that waits for it, for nothing. */
static void an_org_that_failed_is_tried_by_one_campaign_first(void **state)
{
    struct fixture *x = fixture_of(state);
    struct error failed = {.kind = ERR_NETWORK, .text = "no answer"};
    put_members(x, 1, 20);
    org_report(x->org, ERR_NETWORK, &failed);
    will_refuse(x, 503, "SERVER_UNAVAILABLE");
    start(x);
    fake_wait(x->fake, 1);
    assert_contains(target(x, 0), "FROM Campaign WHERE Id IN ('701000000000001AAA') ");
    worker_stop(&pool, WAIT_MAX_MS);
}

int main(void)
{
#define G(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)
    const struct CMUnitTest tests[] = {
        G(campaigns_that_are_not_enabled_cost_two_calls_together),
        G(others_get_a_pass_of_their_own_with_the_row_that_was_read),
        G(what_waits_for_the_budget_costs_no_calls_until_there_is_some),
        G(a_stop_gives_back_what_was_gathered),
        G(a_stop_gives_back_what_waits_for_a_thread),
        G(a_failure_of_the_org_gives_all_back_and_holds_the_org_once),
        G(an_org_that_failed_is_tried_by_one_campaign_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
