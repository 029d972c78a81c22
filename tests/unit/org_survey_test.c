/*
 * Which campaigns a reconcile looks at.
 */
#include "org_records.h"

#define C1 "701000000000001AAA"
#define C2 "701000000000002AAA"
#define C3 "701000000000003AAA"

static enum err see_campaign(void *ctx, const char *id, struct error *e)
{
    struct seen *s = ctx;
    (void)e;
    buf_printf(&s->text, "campaign %s\n", id);
    return ERR_NONE;
}

static enum err see_member(void *ctx, const char *id, struct error *e)
{
    struct seen *s = ctx;
    (void)e;
    buf_printf(&s->text, "member %s\n", id);
    return ERR_NONE;
}

/* told: what members of a campaign without a setting are told, or NULL. */
static enum err survey(struct fixture *x, struct seen *s, const char *told)
{
    struct org_survey out = {
        .campaign = see_campaign, .member = see_member, .ctx = s, .told_of_blank = told};
    return org_survey_campaigns(x->conn, &out, &x->e);
}

static void enabled_campaigns_and_those_of_touchpoints_come(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s = seen_new();
    will_page(x, 1, NULL, "{\"Id\":\"" C1 "\"}");
    will_page(x, 3, NULL,
              "{\"Id\":\"a0X000000000001\",\"Ad_Campaign_Id__c\":\"" C1 "\"},"
              "{\"Id\":\"a0X000000000002\",\"Ad_Campaign_Id__c\":\"" C2 "\"},"
              "{\"Id\":\"a0X000000000003\",\"Ad_Campaign_Id__c\":\"" C2 "\"}");
    will_page(x, 1, NULL, "{\"Id\":\"a0X000000000004\",\"Ad_Campaign_Id__c\":\"zz, by hand\"}");
    will_page(x, 0, NULL, "");
    will_page(x, 2, NULL,
              "{\"Id\":\"a0X000000000005\",\"Campaign_Member_Id__c\":\"" M1
              "\",\"Campaign__c\":null},"
              "{\"Id\":\"a0X000000000006\",\"Campaign_Member_Id__c\":\"" M2
              "\",\"Campaign__c\":\"" C3 "\"}");
    assert_int_equal(survey(x, &s, NULL), ERR_NONE);
    assert_string_equal(s.text.data, "campaign " C1 "\ncampaign " C1 "\ncampaign " C2 "\nmember " M1
                                     "\ncampaign " C3 "\n");
    assert_int_equal(fake_count(x->fake), 5);
    assert_contains(target(x, 0), "FROM Campaign WHERE Enable_Buyer_Touchpoints__c != null");
    assert_contains(target(x, 1),
                    "Ad_Campaign_Id__c != null ORDER BY Ad_Campaign_Id__c LIMIT 2000");
    assert_contains(target(x, 2), "Ad_Campaign_Id__c > '" C2 "'");
    assert_contains(target(x, 3), "Ad_Campaign_Id__c > 'zz, by hand'");
    assert_contains(target(x, 4), "Ad_Campaign_Id__c = null");
    buf_release(&s.text);
}

static void all_campaigns_come_where_a_rule_can_include_them(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s = seen_new();
    struct rule rule = {.name = "Booth", .include = true};
    x->policy.rules = &rule;
    x->policy.rule_count = 1;
    for (int i = 0; i < 3; i++)
        will_page(x, 0, NULL, "");
    assert_int_equal(survey(x, &s, NULL), ERR_NONE);
    assert_contains(target(x, 0), "FROM Campaign ORDER BY Id");
    buf_release(&s.text);
}

static void campaigns_whose_members_are_told_what_is_no_longer_so_come_too(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s = seen_new();
    for (int i = 0; i < 3; i++)
        will_page(x, 0, NULL, "");
    will_page(x, 2, NULL,
              "{\"Id\":\"00v000000000001\",\"CampaignId\":\"" C1 "\"},"
              "{\"Id\":\"00v000000000002\",\"CampaignId\":\"" C1 "\"}");
    will_page(x, 0, NULL, "");
    assert_int_equal(survey(x, &s, "No Touchpoint: it's blank"), ERR_NONE);
    assert_string_equal(s.text.data, "campaign " C1 "\n");
    assert_contains(target(x, 3),
                    "FROM CampaignMember WHERE Campaign.Enable_Buyer_Touchpoints__c = null AND "
                    "Touchpoint_Status__c != null AND Touchpoint_Status__c != "
                    "'No Touchpoint: it\\'s blank' AND CampaignId != null ORDER BY CampaignId");
    assert_contains(target(x, 4), "AND CampaignId > '" C1 "'");
    buf_release(&s.text);
}

static void a_status_that_cannot_be_filtered_by_is_no_failure(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s = seen_new();
    for (int i = 0; i < 3; i++)
        will_page(x, 0, NULL, "");
    will_refuse(x, 400, "INVALID_FIELD");
    assert_int_equal(survey(x, &s, "blank"), ERR_NONE);
    buf_release(&s.text);
}

static void a_failure_ends_the_survey(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s = seen_new();
    will_page(x, 0, NULL, "");
    will_refuse(x, 503, "SERVER_UNAVAILABLE");
    assert_int_equal(survey(x, &s, NULL), ERR_BUSY);
    buf_release(&s.text);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(enabled_campaigns_and_those_of_touchpoints_come),
        T(all_campaigns_come_where_a_rule_can_include_them),
        T(campaigns_whose_members_are_told_what_is_no_longer_so_come_too),
        T(a_status_that_cannot_be_filtered_by_is_no_failure),
        T(a_failure_ends_the_survey),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
