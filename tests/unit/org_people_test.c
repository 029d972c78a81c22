/*
 * From people to memberships, and what is gone: deleted records and their helper records.
 */
#include "org_records.h"

#include "timeutil.h"

/* ------------------------------------------------------------------ people */

static enum err see_memberships(void *ctx, const struct org_membership *m, size_t n,
                                struct error *e)
{
    struct seen *s = ctx;
    (void)e;
    s->batches++;
    for (size_t i = 0; i < n; i++)
        buf_printf(&s->text, "%s %s %s\n", m[i].member_id, m[i].campaign_id, m[i].person_id);
    return ERR_NONE;
}

static void memberships_name_the_person_that_was_asked_for(void **state)
{
#define C1 "003000000000001AAA"
#define C2 "003000000000002AAA"
    static const struct {
        enum org_membership_by by;
        const char *id, *records, *want, *soql;
        int n;
    } rows[] = {
        {ORG_BY_LEAD, L1,
         "{\"Id\":\"" M1 "\",\"CampaignId\":\"701000000000001\",\"LeadId\":\"00Q000000000001\"}",
         M1 " " CAMPAIGN " " L1 "\n",
         "SELECT Id,CampaignId,LeadId FROM CampaignMember WHERE LeadId IN ('" L1 "') ORDER BY Id",
         1},
        {ORG_BY_MEMBER, M1, "{\"Id\":\"" M1 "\",\"CampaignId\":\"" CAMPAIGN "\"}",
         M1 " " CAMPAIGN " " M1 "\n",
         "SELECT Id,CampaignId FROM CampaignMember WHERE Id IN ('" M1 "') ORDER BY Id", 1},
        {ORG_BY_CONTACT, C1,
         "{\"Id\":\"" M1 "\",\"CampaignId\":\"" CAMPAIGN "\",\"ContactId\":\"" C1
         "\",\"Lead\":null},{\"Id\":\"" M2 "\",\"CampaignId\":\"" CAMPAIGN
         "\",\"ContactId\":null,\"Lead\":{\"ConvertedContactId\":\"" C1 "\"}},{\"Id\":\"" M3
         "\",\"CampaignId\":\"" CAMPAIGN "\",\"ContactId\":\"" C2
         "\",\"Lead\":{\"ConvertedContactId\":\"" C1 "\"}}",
         M1 " " CAMPAIGN " " C1 "\n" M2 " " CAMPAIGN " " C1 "\n" M3 " " CAMPAIGN " " C1 "\n",
         "SELECT Id,CampaignId,ContactId,Lead.ConvertedContactId FROM CampaignMember WHERE "
         "(ContactId IN ('" C1 "') OR Lead.ConvertedContactId IN ('" C1 "')) ORDER BY Id",
         3},
    };
    struct fixture *x = fixture_of(state);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seen s = seen_new();
        char id[1][SFID_SIZE];
        memcpy(id[0], rows[i].id, SFID_SIZE);
        will_page(x, rows[i].n, NULL, rows[i].records);
        assert_int_equal(org_read_memberships(x->conn, rows[i].by, (const char(*)[SFID_SIZE])id, 1,
                                              see_memberships, &s, &x->e),
                         ERR_NONE);
        assert_string_equal(s.text.data, rows[i].want);
        assert_string_equal(target(x, i) + strlen(QUERYALL), rows[i].soql);
        buf_release(&s.text);
    }
}

static void person_accounts_have_contacts_where_the_org_knows_them(void **state)
{
    struct fixture *x = fixture_of(state);
    static const char accounts[2][SFID_SIZE] = {"001000000000001AAA", "001000000000002AAA"};
    char contact[2][SFID_SIZE];
    will_page(x, 1, NULL, "{\"Id\":\"003000000000001\",\"AccountId\":\"001000000000002AAA\"}");
    assert_int_equal(org_read_person_contacts(x->conn, accounts, 2, contact, &x->e), ERR_NONE);
    assert_string_equal(contact[0], "");
    assert_string_equal(contact[1], "003000000000001AAA");
    assert_string_equal(target(x, 0),
                        QUERY "SELECT Id,AccountId FROM Contact WHERE AccountId IN "
                              "('001000000000001AAA','001000000000002AAA') AND IsPersonAccount = "
                              "true ORDER BY Id");
    fake_will(x->fake, 400,
              "[{\"errorCode\":\"INVALID_FIELD\",\"message\":\"No such column 'IsPersonAccount' on "
              "entity 'Contact'.\"}]");
    assert_int_equal(org_read_person_contacts(x->conn, accounts, 2, contact, &x->e), ERR_NONE);
    assert_string_equal(contact[1], "");
    fake_will(x->fake, 400,
              "[{\"errorCode\":\"INVALID_FIELD\",\"message\":\"No such column 'AccountId' on "
              "entity 'Contact'.\"}]");
    assert_int_equal(org_read_person_contacts(x->conn, accounts, 2, contact, &x->e), ERR_CONFIG);
    assert_contains(x->e.text, "AccountId");
}

/* ------------------------------------------------------------------ deletions */

static enum err see_ids(void *ctx, const char *id, struct error *e)
{
    struct seen *s = ctx;
    (void)e;
    buf_printf(&s->text, "%s\n", id);
    return ERR_NONE;
}

static void converted_leads_have_contacts(void **state)
{
    struct fixture *x = fixture_of(state);
    static const char leads[2][SFID_SIZE] = {L1, "00Q000000000002EAA"};
    char contact[2][SFID_SIZE];
    will_page(x, 1, NULL,
              "{\"Id\":\"00Q000000000002\",\"ConvertedContactId\":\"003000000000001\"}");
    assert_int_equal(org_read_converted_contacts(x->conn, leads, 2, contact, &x->e), ERR_NONE);
    assert_string_equal(contact[0], "");
    assert_string_equal(contact[1], "003000000000001AAA");
    assert_string_equal(target(x, 0),
                        QUERY "SELECT Id,ConvertedContactId FROM Lead WHERE Id IN ('" L1
                              "','00Q000000000002EAA') AND IsConverted = true ORDER BY Id");
}

static void deleted_ids_come_with_the_time_they_cover(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s = seen_new();
    int64_t to = time_wall_ms(), from = to - 3600 * 1000, covered = 0;
    char now[TIME_TEXT_MAX];
    char *body = mem_printf("{\"deletedRecords\":[{\"id\":\"00v000000000001\"}],\"latestDateCovered"
                            "\":\"%s\"}",
                            time_format_datetime(to - 120000, now));
    fake_will(x->fake, 200, body);
    free(body);
    assert_int_equal(
        org_read_deleted(x->conn, "CampaignMember", from, to, see_ids, &s, &covered, &x->e),
        ERR_NONE);
    assert_string_equal(s.text.data, M1 "\n");
    assert_int_equal(covered, to - 120000); /* the next window begins there, not at `to` */
    assert_contains(target(x, 0), "/services/data/v64.0/sobjects/CampaignMember/deleted/?start=20");
    assert_contains(fake_request(x->fake, 0)->raw_target, "%2B00%3A00&end=20");
    buf_release(&s.text);
}

static void an_empty_window_is_widened_and_too_old_ones_are_moved_up(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s = seen_new();
    int64_t to = time_wall_ms(), covered, start, end;
    static const int64_t back[] = {0, 1000, (int64_t)40 * 86400 * 1000};
    for (size_t i = 0; i < 3; i++) {
        fake_will(x->fake, 200, DELETED(""));
        assert_int_equal(
            org_read_deleted(x->conn, "Campaign", to - back[i], to, see_ids, &s, &covered, &x->e),
            ERR_NONE);
        const char *at = strstr(target(x, i), "start=") + 6;
        assert_true(time_parse_datetime(at, 25, &start));
        assert_true(time_parse_datetime(strstr(at, "end=") + 4, 25, &end));
        assert_true(end - start >= 60000);
        assert_true(end - start < (int64_t)15 * 86400 * 1000);
        assert_int_equal(covered, to);
    }
    buf_release(&s.text);
}

static void too_many_deleted_ids_are_asked_for_in_halves(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s = seen_new();
    int64_t to = time_wall_ms(), covered;
    will_refuse(x, 400, "EXCEEDED_ID_LIMIT");
    fake_will(x->fake, 200, DELETED("{\"id\":\"" M1 "\"}"));
    fake_will(x->fake, 200, DELETED("{\"id\":\"" M2 "\"}"));
    assert_int_equal(
        org_read_deleted(x->conn, "CampaignMember", to - 7200000, to, see_ids, &s, &covered, &x->e),
        ERR_NONE);
    assert_string_equal(s.text.data, M1 "\n" M2 "\n");
    assert_int_equal(covered, to);
    assert_int_equal(fake_count(x->fake), 3);
    buf_release(&s.text);
}

static void a_deleted_answer_that_is_not_understood_covers_nothing(void **state)
{
    static const char *const bad[] = {
        "{}",
        "[]",
        "{\"deletedRecords\":[]}",
        "{\"latestDateCovered\":\"2026-01-15T09:30:00Z\"}",
        "{\"deletedRecords\":[{\"id\":5}],\"latestDateCovered\":\"2026-01-15T09:30:00Z\"}",
        "{\"deletedRecords\":[],\"latestDateCovered\":null}",
    };
    struct fixture *x = fixture_of(state);
    struct seen s = seen_new();
    int64_t to = time_wall_ms(), covered = -7;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        fake_will(x->fake, 200, bad[i]);
        assert_int_equal(org_read_deleted(x->conn, "CampaignMember", to - 7200000, to, see_ids, &s,
                                          &covered, &x->e),
                         ERR_NETWORK);
    }
    assert_int_equal(covered, -7);
    buf_release(&s.text);
}

static void the_bin_tells_of_the_present_minute(void **state)
{
    struct fixture *x = fixture_of(state);
    struct seen s = seen_new();
    int64_t since = 0;
    assert_true(time_parse_datetime("2026-01-15T09:30:00Z", 20, &since));
    will_page(x, 2, NULL, "{\"Id\":\"" M1 "\"},{\"Id\":\"" M2 "\"}");
    assert_int_equal(org_read_bin(x->conn, "CampaignMember", since, see_ids, &s, &x->e), ERR_NONE);
    assert_string_equal(s.text.data, M1 "\n" M2 "\n");
    assert_contains(target(x, 0),
                    "/queryAll?q=SELECT Id FROM CampaignMember WHERE IsDeleted = true "
                    "AND SystemModstamp >= 2026-01-15T09:30:00");
    assert_contains(target(x, 0), "Z ORDER BY Id");
    buf_release(&s.text);
}

static void deletions_are_confirmed_one_by_one(void **state)
{
    struct fixture *x = fixture_of(state);
    static const char ids[4][SFID_SIZE] = {M3, M1, M2, "00v000000000004AAA"};
    bool confirmed[4];
    will_page(x, 2, NULL,
              "{\"Id\":\"" M1 "\",\"IsDeleted\":true},{\"Id\":\"" M2 "\",\"IsDeleted\":false}");
    /* getDeleted also names M2, which was restored since: queryAll has the last word */
    fake_will(x->fake, 200, DELETED("{\"id\":\"" M2 "\"},{\"id\":\"" M3 "\"}"));
    assert_int_equal(org_confirm_deleted(x->conn, "CampaignMember", ids, 4, confirmed, &x->e),
                     ERR_NONE);
    assert_true(confirmed[0]);
    assert_true(confirmed[1]);
    assert_false(confirmed[2]);
    assert_false(confirmed[3]);
    assert_int_equal(fake_count(x->fake), 2);
}

static void helper_records_tell_member_and_campaign(void **state)
{
    struct fixture *x = fixture_of(state);
    static const char ids[2][SFID_SIZE] = {"a0Y000000000001EAA", "a0Y000000000002EAA"};
    struct org_helper h[2];
    will_page(x, 1, NULL,
              "{\"Id\":\"a0Y000000000002\",\"Campaign_Member_Id__c\":\"00v000000000001\","
              "\"Campaign_Id__c\":\"typed by hand\"}");
    assert_int_equal(org_read_helpers(x->conn, ids, 2, h, &x->e), ERR_NONE);
    assert_false(h[0].found);
    assert_true(h[1].found);
    assert_string_equal(h[1].member_id, M1);
    assert_string_equal(h[1].campaign_id, "");
    assert_contains(target(x, 0), "SELECT Id,Campaign_Member_Id__c,Campaign_Id__c FROM "
                                  "Campaign_Member_Deletion__c WHERE Id IN (");
}

static enum err on_survey(void *ctx, const struct org_helper *h, size_t n, struct error *e)
{
    struct org_helper *out = ctx;
    (void)e;
    assert_int_equal(n, 2);
    memcpy(out, h, n * sizeof *h);
    return ERR_NONE;
}

static void helper_records_that_were_left_are_found_by_their_age(void **state)
{
    struct fixture *x = fixture_of(state);
    struct org_helper h[2];
    int64_t before;
    assert_true(time_parse_datetime("2026-03-01T10:00:00Z", 20, &before));
    will_page(x, 2, NULL,
              "{\"Id\":\"a0Y000000000001\",\"Campaign_Member_Id__c\":\"00v000000000001\","
              "\"Campaign_Id__c\":\"701000000000001\"},"
              "{\"Id\":\"a0Y000000000002\",\"Campaign_Member_Id__c\":null,"
              "\"Campaign_Id__c\":\"701000000000001\"}");
    assert_int_equal(org_survey_helpers(x->conn, before, on_survey, h, &x->e), ERR_NONE);
    assert_string_equal(h[0].id, "a0Y000000000001EAA");
    assert_string_equal(h[0].member_id, M1);
    assert_string_equal(h[1].member_id, "");
    assert_string_equal(h[1].campaign_id, "701000000000001AAA");
    assert_contains(target(x, 0),
                    "Campaign_Member_Deletion__c WHERE CreatedDate < 2026-03-01T10:00:00");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(memberships_name_the_person_that_was_asked_for),
        T(person_accounts_have_contacts_where_the_org_knows_them),
        T(converted_leads_have_contacts),
        T(deleted_ids_come_with_the_time_they_cover),
        T(an_empty_window_is_widened_and_too_old_ones_are_moved_up),
        T(too_many_deleted_ids_are_asked_for_in_halves),
        T(a_deleted_answer_that_is_not_understood_covers_nothing),
        T(the_bin_tells_of_the_present_minute),
        T(deletions_are_confirmed_one_by_one),
        T(helper_records_tell_member_and_campaign),
        T(helper_records_that_were_left_are_found_by_their_age),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
