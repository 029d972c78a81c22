/* Outbound messages: who is told, batches, retries, acknowledgements. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "outbound_fixture.h"
#include "records.h"

static void read_message(size_t i, struct soap_reader *reader, struct soap_message *out)
{
    unsigned line;
    assert_true(i < seen.count);
    assert_int_equal(soap_read(reader, seen.bodies[i], strlen(seen.bodies[i]), out, &line),
                     SOAP_OK);
}

static void a_change_by_the_admin_is_told_with_the_chosen_fields(void **state)
{
    (void)state;
    char id[SFID_SIZE];
    struct soap_message m;
    struct soap_reader *reader = soap_reader_new();
    test_record(org, "Campaign", id, "{\"Name\":\"A & B\",\"Type\":\"Webinar\"}");
    drain();
    read_message(0, reader, &m);
    assert_int_equal(m.count, 1);
    assert_string_equal(m.org_id, org->sim->org_id);
    assert_string_equal(m.notifications[0].object, "Campaign");
    assert_string_equal(m.notifications[0].record_id, id);
    assert_int_equal(strncmp(m.notifications[0].id, "04l", 3), 0);
    assert_non_null(strstr(seen.bodies[0], "A &amp; B"));
    assert_null(strstr(seen.bodies[0], "StartDate"));
    configure("{\"objects\":{\"Campaign\":[\"StartDate\"]}}");
    assert_string_equal(test_change(org, id, "{\"StartDate\":\"2026-01-02\"}"), "");
    drain();
    assert_non_null(strstr(seen.bodies[1], "<sf:StartDate>2026-01-02</sf:StartDate>"));
    assert_null(strstr(seen.bodies[1], "A &amp; B"));
    configure("{\"objects\":{\"Campaign\":null}}");
    assert_string_equal(test_change(org, id, "{\"StartDate\":\"2026-01-03\"}"), "");
    assert_true(outbound_is_empty(org->sim->outbound));
    soap_reader_free(&reader);
}

static void the_shipped_flows_decide_which_changes_are_told(void **state)
{
    (void)state;
    char ids[6][SFID_SIZE];
    enum { C, L, P, M, A, NO_PERSON };
    test_record(org, "Campaign", ids[C], "{\"Name\":\"x\"}");
    test_record(org, "Lead", ids[L], "{\"LastName\":\"L\",\"Company\":\"K\"}");
    test_record(org, "Contact", ids[P], "{\"LastName\":\"L\"}");
    test_record(org, "Account", ids[A], "{\"Name\":\"x\",\"IsPersonAccount\":true}");
    test_record(org, "Account", ids[NO_PERSON], "{\"Name\":\"x\"}");
    assert_int_equal(stat_of("notifications", "queued"), 0);
    test_record(org, "CampaignMember", ids[M], "{\"CampaignId\":\"%s\",\"LeadId\":\"%s\"}", ids[C],
                ids[L]);
    static const struct {
        int of;
        const char *change;
        int told;
    } rows[] = {
        {C, "{\"Type\":\"Webinar\"}", 1},
        {C, "{\"Type\":\"Webinar\"}", 0},
        {C, "{\"StartDate\":\"2026-01-02\"}", 0},
        {C, "{\"Touchpoint_Start_Date__c\":\"2026-01-02\",\"Name\":\"y\"}", 1},
        {L, "{\"Title\":\"CEO\"}", 0},
        {L, "{\"Email\":\"a@example.com\"}", 1},
        {P, "{\"Title\":\"CEO\"}", 0},
        {P, "{\"Email\":\"a@example.com\"}", 1},
        {M, "{\"Status\":\"Responded\"}", 1},
        {M, "{\"Buyer_Touchpoint_Date__c\":\"2026-01-02T03:04:05Z\"}", 1},
        {M,
         "{\"Touchpoint_Status__c\":\"x\",\"Touchpoint_Status_Date__c\":\"2026-01-02T03:04:05Z\"}",
         0},
        {A, "{\"PersonEmail\":\"a@example.com\"}", 1},
        {NO_PERSON, "{\"PersonEmail\":\"a@example.com\"}", 0},
    };
    int64_t told = stat_of("notifications", "queued");
    assert_int_equal(told, 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_string_equal(test_change(org, ids[rows[i].of], "%s", rows[i].change), "");
        int64_t now = stat_of("notifications", "queued");
        if (now - told != rows[i].told)
            fail_msg("%s tells %d times", rows[i].change, (int)(now - told));
        told = now;
    }
    assert_string_equal(test_remove(org, ids[M]), "");
    assert_int_equal(stat_of("notifications", "queued"), told + 1);
    drain();
}

static void the_integration_user_and_failed_writes_tell_nobody(void **state)
{
    (void)state;
    json_decref(
        test_call(org, "POST", "/services/data/v64.0/sobjects/Campaign", "{\"Name\":\"x\"}", 201));
    struct writer w = {.sim = org->sim, .admin = true, .operation = "", .target = ""};
    struct row_result r;
    json_t *bad = json_pack("{s:s, s:s}", "Name", "x", "StartDate", "never");
    assert_false(record_create(&w, &OBJECTS[CAMPAIGN], bad, &r));
    json_decref(bad);
    row_result_release(&r);
    json_t *good = json_pack("{s:s}", "Name", "x");
    tx_begin(org->sim);
    assert_true(record_create(&w, &OBJECTS[CAMPAIGN], good, &r));
    tx_rollback(org->sim);
    json_decref(good);
    assert_true(outbound_is_empty(org->sim->outbound));
    assert_int_equal(stat_of("notifications", "queued"), 0);
}

static void with_the_permission_the_integration_user_is_heard_too(void **state)
{
    (void)state;
    char why[200] = "";
    json_t *body = json_pack("{s:b}", "send_outbound_messages", 1);
    assert_true(permissions_set(org->sim, body, why, sizeof why));
    json_decref(body);
    json_decref(
        test_call(org, "POST", "/services/data/v64.0/sobjects/Campaign", "{\"Name\":\"x\"}", 201));
    drain();
    assert_int_equal(stat_of("notifications", "acked"), 1);
}

static void notifications_of_one_object_are_batched_up_to_100(void **state)
{
    (void)state;
    struct soap_message m;
    struct soap_reader *reader = soap_reader_new();
    configure("{\"paused\":true}");
    for (int i = 0; i < 130; i++) {
        char id[SFID_SIZE];
        test_record(org, "Lead", id, "{\"LastName\":\"L\",\"Company\":\"K\"}");
    }
    assert_int_equal(outbound_pending(org->sim->outbound), 130);
    configure("{\"paused\":false}");
    drain();
    assert_int_equal(seen.count, 2);
    read_message(0, reader, &m);
    size_t first = m.count;
    read_message(1, reader, &m);
    assert_int_equal(first + m.count, 130);
    assert_true(first == 100 || m.count == 100);
    assert_int_equal(stat_of("notifications", "acked"), 130);
    soap_reader_free(&reader);
}

static void data_are_those_of_the_time_of_sending(void **state)
{
    (void)state;
    char id[SFID_SIZE], gone[SFID_SIZE];
    struct soap_message m;
    struct soap_reader *reader = soap_reader_new();
    configure("{\"paused\":true,\"helper_trigger\":false,"
              "\"objects\":{\"Lead\":[\"Email\"]}}");
    test_record(org, "Lead", id, "{\"LastName\":\"L\",\"Company\":\"K\",\"Email\":\"a@x.com\"}");
    test_record(org, "Lead", gone, "{\"LastName\":\"L\",\"Company\":\"K\"}");
    assert_string_equal(test_change(org, id, "{\"Email\":\"b@x.com\"}"), "");
    assert_string_equal(test_remove(org, gone), "");
    configure("{\"paused\":false}");
    drain();
    assert_null(strstr(seen.bodies[0], "a@x.com"));
    assert_non_null(strstr(seen.bodies[0], "b@x.com"));
    read_message(0, reader, &m);
    assert_int_equal(m.count, 3);
    assert_string_equal(m.notifications[0].record_id, id);
    assert_string_equal(m.notifications[1].record_id, "");
    soap_reader_free(&reader);
}

static void only_a_valid_ack_in_a_200_ends_the_retries(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *answer;
    } rows[] = {
        {200, "<html/>"}, {200, ""}, {500, NULL}, {202, NULL}, {200, "false"},
    };
    char nack[512];
    const char *true_at = strstr(SOAP_ACK_TRUE, "<Ack>");
    assert_non_null(true_at);
    snprintf(nack, sizeof nack, "%.*s<Ack>false%s", (int)(true_at - SOAP_ACK_TRUE), SOAP_ACK_TRUE,
             true_at + strlen("<Ack>true"));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char id[SFID_SIZE];
        seen.status = rows[i].status;
        seen.answer = rows[i].answer == NULL                 ? SOAP_ACK_TRUE
                      : strcmp(rows[i].answer, "false") == 0 ? nack
                                                             : rows[i].answer;
        size_t before = seen.count;
        test_record(org, "Account", id, "{\"Name\":\"x\"}");
        while (seen.count < before + 3)
            event_base_loop(base, EVLOOP_ONCE);
        seen.status = 200;
        seen.answer = SOAP_ACK_TRUE;
        drain();
        assert_int_equal(stat_of("notifications", "acked"), (int64_t)i + 1);
    }
    assert_true(stat_of("notifications", "retried") >= 10);
    assert_int_equal(stat_of("notifications", "dropped"), 0);
}

static void a_notification_keeps_its_id_and_is_dropped_in_the_end(void **state)
{
    (void)state;
    char id[SFID_SIZE], first[SFID_SIZE];
    struct soap_message m;
    struct soap_reader *reader = soap_reader_new();
    configure("{\"retry_base_ms\":1,\"retry_max_ms\":100}");
    seen.status = 500;
    test_record(org, "Account", id, "{\"Name\":\"x\"}");
    drain(); /* lives 12 × 100 ms */
    assert_true(seen.count >= 3);
    read_message(0, reader, &m);
    memcpy(first, m.notifications[0].id, sizeof first);
    read_message(seen.count - 1, reader, &m);
    assert_string_equal(m.notifications[0].id, first);
    assert_int_equal(stat_of("notifications", "dropped"), 1);
    soap_reader_free(&reader);
}

static void dice_make_duplicates_losses_and_lost_answers(void **state)
{
    (void)state;
    char id[SFID_SIZE];
    configure("{\"duplicate\":1}");
    test_record(org, "Account", id, "{\"Name\":\"x\"}");
    drain();
    assert_int_equal(seen.count, 2);
    assert_int_equal(stat_of("notifications", "duplicated"), 1);
    assert_int_equal(stat_of("notifications", "acked"), 1);
    configure("{\"duplicate\":0,\"lose\":1}");
    test_record(org, "Account", id, "{\"Name\":\"x\"}");
    drain();
    assert_int_equal(seen.count, 2);
    assert_int_equal(stat_of("notifications", "lost"), 1);
    configure("{\"lose\":0,\"lose_ack\":0.5,\"reorder\":true,\"seed\":3}");
    for (int i = 0; i < 20; i++)
        test_record(org, "Account", id, "{\"Name\":\"x\"}");
    drain();
    assert_int_equal(stat_of("notifications", "acked"), 21);
    assert_true(stat_of("notifications", "retried") > 0);
}

static void settings_that_make_no_sense_change_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"duplicate\":2}",
        "{\"batch_max\":101}",
        "{\"paused\":true,\"nope\":1}",
        "{\"paused\":true,\"objects\":{\"Lead\":[\"Nope\"]}}",
        "{\"objects\":{\"User\":[]}}",
    };
    json_t *before = outbound_settings(org->sim->outbound);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char why[200] = "";
        json_t *json = json_loads(bad[i], 0, NULL);
        assert_false(outbound_configure(org->sim->outbound, json, why, sizeof why));
        assert_true(why[0] != '\0');
        json_decref(json);
    }
    json_t *after = outbound_settings(org->sim->outbound);
    assert_true(json_equal(before, after));
    json_decref(before);
    json_decref(after);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_shipped_flows_decide_which_changes_are_told,
                                        setup_flows, teardown),
        T(a_change_by_the_admin_is_told_with_the_chosen_fields),
        T(the_integration_user_and_failed_writes_tell_nobody),
        T(with_the_permission_the_integration_user_is_heard_too),
        T(notifications_of_one_object_are_batched_up_to_100),
        T(data_are_those_of_the_time_of_sending),
        T(only_a_valid_ack_in_a_200_ends_the_retries),
        T(a_notification_keeps_its_id_and_is_dropped_in_the_end),
        T(dice_make_duplicates_losses_and_lost_answers),
        T(settings_that_make_no_sense_change_nothing),
    };
#undef T
    return run_group("outbound", tests, sizeof tests / sizeof tests[0]);
}
