/*
 * intake: what is admitted, what each notification becomes, and that an Ack follows the store's
 * word and nothing else. The store is the test's own. Hermetic: port 0, own threads.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "intake.h"
#include "intake_fixture.h"
#include "log.h"
#include "metrics.h"
#include "net_help.h"

#define XML_TYPE "Content-Type: text/xml\r\n"

/* ------------------------------------------------------------------ admission */

static void the_head_decides_who_may_send_a_body(void **state)
{
    (void)state;
    static const struct {
        const char *name, *line, *fields;
        int want;
        const char *want_field; /* or NULL */
    } rows[] = {
        {"another path", "POST /other", XML_TYPE, 404, NULL},
        {"the path without its secret", "POST /salesforce/outbound", XML_TYPE, 404, NULL},
        {"a wrong secret", "POST /salesforce/outbound/secret-par", XML_TYPE, 403, NULL},
        {"an empty secret", "POST /salesforce/outbound/", XML_TYPE, 403, NULL},
        {"the path and more", "POST " ORG_PATH "/", XML_TYPE, 404, NULL},
        {"the path in another case", "POST /Salesforce/outbound/secret-part", XML_TYPE, 404, NULL},
        {"an escaped secret", "POST /salesforce/outbound/secret%2Dpart", XML_TYPE, 403, NULL},
        {"GET", "GET " ORG_PATH, XML_TYPE, 405, "\r\nAllow: POST\r\n"},
        {"PUT", "PUT " ORG_PATH, XML_TYPE, 405, "\r\nAllow: POST\r\n"},
        {"no type", "POST " ORG_PATH, "", 415, NULL},
        {"SOAP 1.2", "POST " ORG_PATH, "Content-Type: application/soap+xml\r\n", 415, NULL},
        {"a longer type", "POST " ORG_PATH, "Content-Type: text/xml2\r\n", 415, NULL},
        {"Latin-1", "POST " ORG_PATH, "Content-Type: text/xml; charset=iso-8859-1\r\n", 415, NULL},
        {"an empty charset", "POST " ORG_PATH, "Content-Type: text/xml; charset=\r\n", 415, NULL},
        {"a compressed body", "POST " ORG_PATH, XML_TYPE "Content-Encoding: gzip\r\n", 415, NULL},
        {"plain", "POST " ORG_PATH, XML_TYPE, 400, NULL},
        {"a query", "POST " ORG_PATH "?a=b", XML_TYPE, 400, NULL},
        {"an absolute URI", "POST https://a" ORG_PATH, XML_TYPE, 400, NULL},
        {"UTF-8 in quotes", "POST " ORG_PATH,
         "Content-Type: Text/XML ; action=\"x\"; CHARSET=\"Utf-8\"\r\n", 400, NULL},
        {"identity", "POST " ORG_PATH, XML_TYPE "Content-Encoding: identity\r\n", 400, NULL},
    };
    struct fixture f;
    fixture_start(&f);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char request[512];
        (void)snprintf(request, sizeof request,
                       "%s HTTP/1.1\r\nHost: a\r\n%sContent-Length: 4\r\n\r\n<a/>", rows[i].line,
                       rows[i].fields);
        open_client(&f);
        net_client_text(&client, request);
        assert_true(net_client_response(&client, &response, false));
        if (response.status != rows[i].want)
            fail_msg("%s: want %d, got %d", rows[i].name, rows[i].want, response.status);
        if (rows[i].want_field != NULL)
            assert_non_null(strstr(response.head, rows[i].want_field));
        assert_null(strstr(response.body, "secret"));
        net_client_close(&client);
    }
    assert_int_equal(f.store.put_count, 0);
    fixture_stop(&f);
}

static void what_the_reader_refuses_is_a_fault_too(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        int want;
    } rows[] = {
        {"POST " ORG_PATH " HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n", 413},
        {"POST " ORG_PATH " HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        {"POST " ORG_PATH " HTTP/1.1\r\nHost: a\r\nExpect: more\r\n\r\n", 417},
        {"POST " ORG_PATH " HTTP/2.0\r\n", 505},
    };
    struct fixture f;
    fixture_start(&f);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        open_client(&f);
        net_client_text(&client, rows[i].request);
        expect_fault(rows[i].want, "Client", "");
        assert_true(net_client_is_ended(&client));
        net_client_close(&client);
    }
    fixture_stop(&f);
}

static void health_is_public_only_where_it_is_wanted(void **state)
{
    (void)state;
    static const struct {
        const char *line, *word;
        bool is_public;
        int want;
        const char *body;
    } rows[] = {
        {"GET /healthz", "ok", true, 200, "{\"status\":\"ok\"}"},
        {"GET /readyz", "degraded", true, 200, "{\"status\":\"degraded\"}"},
        {"GET /readyz", "unavailable", true, 503, "{\"status\":\"unavailable\"}"},
        {"GET /healthz", "unavailable", true, 200, "{\"status\":\"ok\"}"},
        {"POST /healthz", "ok", true, 404, "not found\n"},
        {"GET /healthz", "ok", false, 404, "not found\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fixture f;
        char request[128];
        fixture_start(&f);
        f.health = rows[i].word;
        f.config.admin.public_health = rows[i].is_public;
        open_client(&f);
        (void)snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: a\r\n\r\n", rows[i].line);
        net_client_text(&client, request);
        expect_status(rows[i].want);
        assert_string_equal(response.body, rows[i].body);
        net_client_close(&client);
        fixture_stop(&f);
    }
}

/* ------------------------------------------------------------------ messages */

static void every_notification_becomes_what_its_object_asks_for(void **state)
{
    (void)state;
    static const struct {
        const char *name, *object, *prefix; /* prefix NULL: an empty sObject */
        bool with_member, with_campaign, with_person;
        enum store_kind want;
        bool want_subject, want_campaign;
    } rows[] = {
        {"campaign", "Campaign", "701", false, false, false, STORE_CAMPAIGN, false, true},
        {"member", "CampaignMember", "00v", false, true, false, STORE_MEMBER, false, true},
        {"bare member", "CampaignMember", "00v", false, false, false, STORE_MEMBER, false, false},
        {"lead", "Lead", "00Q", false, false, false, STORE_LEAD, false, false},
        {"contact", "Contact", "003", false, false, false, STORE_CONTACT, false, false},
        {"person account", "Account", "001", false, false, true, STORE_ACCOUNT, true, false},
        {"account", "Account", "001", false, false, false, STORE_ACCOUNT, false, false},
        {"deletion", "Campaign_Member_Deletion__c", "a00", true, true, false, STORE_DELETION, true,
         true},
        {"packaged deletion", "ns__Campaign_Member_Deletion__c", "a00", true, true, false,
         STORE_DELETION, true, true},
        {"campaign's end", "Campaign_Member_Deletion__c", "a00", false, true, false,
         STORE_CAMPAIGN_GONE, false, true},
        {"bare deletion", "Campaign_Member_Deletion__c", "a00", true, false, false, STORE_HELPER,
         false, false},
        {"another deletion", "X_Campaign_Member_Deletion__c", "a00", true, true, false,
         STORE_IGNORED, false, false},
        {"opportunity", "Opportunity", "006", false, true, false, STORE_IGNORED, false, false},
        {"a prefix that does not fit", "Lead", "701", false, false, false, STORE_LEAD, false,
         false},
        {"empty member", "CampaignMember", NULL, false, false, false, STORE_GAP, false, false},
        {"empty campaign", "Campaign", NULL, false, false, false, STORE_GAP, false, false},
        {"empty opportunity", "Opportunity", NULL, false, false, false, STORE_IGNORED, false,
         false},
    };
    enum { COUNT = sizeof rows / sizeof rows[0] };
    struct soap_out_notification list[COUNT];
    struct soap_field fields[COUNT][3];
    static char ids[COUNT][5][SFID_SIZE];
    struct fixture f;
    fixture_start(&f);
    for (unsigned i = 0; i < COUNT; i++) {
        bool deletion = strstr(rows[i].object, "Deletion") != NULL;
        size_t n = 0;
        memcpy(ids[i][0], id_of("04l", i), SFID_SIZE);
        memcpy(ids[i][1], id_of(rows[i].prefix == NULL ? "000" : rows[i].prefix, i), SFID_SIZE);
        memcpy(ids[i][2], id_of("701", 100 + i), SFID_SIZE);
        memcpy(ids[i][3], id_of("00v", 100 + i), SFID_SIZE);
        memcpy(ids[i][4], id_of("003", 100 + i), SFID_SIZE);
        if (rows[i].with_campaign)
            fields[i][n++] =
                (struct soap_field){deletion ? "Campaign_Id__c" : "CampaignId", ids[i][2]};
        if (rows[i].with_member)
            fields[i][n++] = (struct soap_field){"Campaign_Member_Id__c", ids[i][3]};
        if (rows[i].with_person)
            fields[i][n++] = (struct soap_field){"PersonContactId", ids[i][4]};
        list[i] =
            (struct soap_out_notification){.id = ids[i][0],
                                           .object = rows[i].object,
                                           .record_id = rows[i].prefix == NULL ? NULL : ids[i][1],
                                           .fields = fields[i],
                                           .field_count = n};
    }
    open_client(&f);
    send_message(f.org.id, list, COUNT);
    expect_ack();
    assert_string_equal(f.store.org, f.org.id);
    assert_int_equal(f.store.item_count, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        const struct store_item *got = &f.store.items[i];
        const char *subject = rows[i].with_person ? ids[i][4] : ids[i][3];
        const char *campaign = rows[i].want == STORE_CAMPAIGN ? ids[i][1] : ids[i][2];
        if (got->kind != rows[i].want)
            fail_msg("%s: kind %d", rows[i].name, (int)got->kind);
        assert_string_equal(got->notification_id, ids[i][0]);
        assert_string_equal(got->object, rows[i].object);
        assert_string_equal(got->record_id, rows[i].prefix == NULL ? "" : ids[i][1]);
        assert_string_equal(got->subject_id, rows[i].want_subject ? subject : "");
        assert_string_equal(got->campaign_id, rows[i].want_campaign ? campaign : "");
    }
    net_client_close(&client);
    fixture_stop(&f);
}

static void a_message_of_100_is_stored_as_one(void **state)
{
    (void)state;
    static struct soap_out_notification list[101];
    static char ids[101][2][SFID_SIZE];
    struct fixture f;
    fixture_start(&f);
    for (unsigned i = 0; i < 101; i++) {
        memcpy(ids[i][0], id_of("04l", i / 2), SFID_SIZE); /* ids twice: both records are kept */
        memcpy(ids[i][1], id_of("00v", i), SFID_SIZE);
        list[i] = (struct soap_out_notification){
            .id = ids[i][0], .object = "CampaignMember", .record_id = ids[i][1]};
    }
    open_client(&f);
    send_message(f.org.id, list, 100);
    expect_ack();
    assert_int_equal(f.store.put_count, 1);
    assert_int_equal(f.store.item_count, 100);
    for (size_t i = 0; i < 100; i++)
        assert_string_equal(f.store.items[i].record_id, ids[i][1]);
    send_message(f.org.id, list, 101);
    expect_fault(400, "Client", "more than 100");
    assert_int_equal(f.store.put_count, 1);
    net_client_close(&client);
    fixture_stop(&f);
}

static void an_invalid_message_is_told_why_and_where(void **state)
{
    (void)state;
    static const struct {
        const char *body, *want;
    } rows[] = {
        {"", "the body is empty"},
        {"<a>\n<b>\n", "line "},
        {"<!DOCTYPE a [<!ENTITY b \"c\">]><a/>", "document type"},
        {"<a/>", "not_envelope"},
    };
    struct fixture f;
    fixture_start(&f);
    open_client(&f);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        send_body(rows[i].body, strlen(rows[i].body));
        expect_fault(400, "Client", rows[i].want);
    }
    send_member(&f, 1); /* the connection is kept, and the reader too */
    expect_ack();
    assert_int_equal(f.store.put_count, 1);
    net_client_close(&client);
    fixture_stop(&f);
}

static void an_organisation_that_is_not_configured_is_refused_and_counted(void **state)
{
    (void)state;
    const char *stranger = id_of("00D", 4711);
    struct soap_out_notification n = {
        .id = id_of("04l", 1), .object = "Campaign", .record_id = id_of("701", 1)};
    struct metric_series *s = metric_series(METRIC_MESSAGES_RECEIVED, stranger, "unknown_org");
    uint64_t before = metric_value(s);
    struct fixture f;
    fixture_start(&f);
    open_client(&f);
    send_message(stranger, &n, 1);
    expect_fault(403, "Client", stranger);
    assert_int_equal(metric_value(s), before + 1);
    assert_int_equal(f.store.put_count, 0);
    net_client_close(&client);
    fixture_stop(&f);
}

static void peers_cannot_fill_the_metrics_with_ids(void **state)
{
    (void)state;
    struct metric_series *other = metric_series(METRIC_MESSAGES_RECEIVED, "other", "unknown_org");
    struct metric_series *many = NULL;
    uint64_t before = metric_value(other);
    struct fixture f;
    fixture_start(&f);
    open_client(&f);
    for (unsigned i = 0; i < 70; i++) {
        struct soap_out_notification n = {
            .id = id_of("04l", 1), .object = "Campaign", .record_id = id_of("701", 1)};
        send_message(id_of("00D", 1000 + i), &n, 1);
        expect_status(403);
        char object[32];
        (void)snprintf(object, sizeof object, "Thing_%u__c", i);
        n.object = object;
        send_message(f.org.id, &n, 1);
        expect_ack();
    }
    assert_in_range(metric_value(other), before + 6, before + 70); /* other tests had some */
    many = metric_series(METRIC_NOTIFICATIONS_RECEIVED, f.org.id, "other");
    assert_in_range(metric_value(many), 6, 70);
    net_client_close(&client);
    fixture_stop(&f);

    before = metric_value(other); /* nor by having the configuration loaded anew */
    fixture_start(&f);
    open_client(&f);
    struct soap_out_notification n = {
        .id = id_of("04l", 1), .object = "Campaign", .record_id = id_of("701", 1)};
    send_message(id_of("00D", 2000), &n, 1);
    expect_status(403);
    assert_int_equal(metric_value(other), before + 1);
    net_client_close(&client);
    fixture_stop(&f);
}

/* ------------------------------------------------------------------ the Ack */

static void an_ack_waits_for_the_store(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f);
    f.store.keep = true;
    open_client(&f);
    send_member(&f, 1);
    struct store_put *p = take_kept(&f);
    assert_int_equal(intake_in_flight(f.intake), 1);
    assert_int_equal(client.n, 0);
    p->done(p);
    expect_ack();
    assert_int_equal(intake_in_flight(f.intake), 0);
    net_client_close(&client);
    fixture_stop(&f);
}

static void nothing_is_acknowledged_that_was_not_stored(void **state)
{
    (void)state;
    static const struct {
        enum err refuse, result;
    } rows[] = {{ERR_BUSY, ERR_NONE}, {ERR_FULL, ERR_NONE},   {ERR_STOPPED, ERR_NONE},
                {ERR_IO, ERR_NONE},   {ERR_NONE, ERR_IO},     {ERR_NONE, ERR_UNKNOWN_OUTCOME},
                {ERR_NONE, ERR_FULL}, {ERR_NONE, ERR_INVALID}};
    struct fixture f;
    fixture_start(&f);
    open_client(&f);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        f.store.refuse = rows[i].refuse;
        f.store.result = rows[i].result;
        enum err why = rows[i].refuse != ERR_NONE ? rows[i].refuse : rows[i].result;
        struct metric_series *s = metric_series(METRIC_MESSAGES_RECEIVED, f.org.id, err_name(why));
        uint64_t before = metric_value(s);
        send_member(&f, 1);
        expect_fault(503, "Server", "sent again");
        assert_non_null(strstr(response.head, "\r\nRetry-After: 30\r\n"));
        assert_int_equal(metric_value(s), before + 1);
    }
    f.store.refuse = f.store.result = ERR_NONE;
    send_member(&f, 1);
    expect_ack();
    net_client_close(&client);
    fixture_stop(&f);
}

static void what_was_stored_is_counted(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f);
    struct metric_series *ok = metric_series(METRIC_MESSAGES_RECEIVED, f.org.id, "ok");
    struct metric_series *members =
        metric_series(METRIC_NOTIFICATIONS_RECEIVED, f.org.id, "CampaignMember");
    struct metric_series *leads = metric_series(METRIC_NOTIFICATIONS_RECEIVED, f.org.id, "Lead");
    struct metric_series *twice = metric_series(METRIC_NOTIFICATIONS_DUPLICATE, f.org.id);
    struct metric_series *seconds = metric_series(METRIC_INTAKE_SECONDS);
    uint64_t before[] = {metric_value(ok), metric_value(members), metric_value(leads),
                         metric_value(twice), metric_value(seconds)};
    const struct soap_out_notification list[] = {
        {.id = id_of("04l", 1), .object = "CampaignMember", .record_id = id_of("00v", 1)},
        {.id = id_of("04l", 2), .object = "Lead", .record_id = id_of("00Q", 1)},
        {.id = id_of("04l", 3), .object = "CampaignMember", .record_id = id_of("00v", 2)},
        {.id = id_of("04l", 4), .object = "CampaignMember", .record_id = NULL},
    };
    f.store.duplicates = 3;
    open_client(&f);
    send_message(f.org.id, list, 4);
    expect_ack();
    send_body("<nonsense/>", 11);
    expect_status(400);
    net_client_close(&client);
    fixture_stop(&f);
    assert_int_equal(metric_value(ok), before[0] + 1);
    assert_int_equal(metric_value(members), before[1] + 3);
    assert_int_equal(metric_value(leads), before[2] + 1);
    assert_int_equal(metric_value(twice), before[3] + 3);
    assert_int_equal(metric_value(seconds), before[4] + 2); /* the refusal was an answer too */
}

static void a_path_that_does_not_begin_with_a_slash_is_a_configuration_error(void **state)
{
    (void)state;
    struct config config = {.listen = {.path = "salesforce"}};
    struct intake *i = NULL;
    struct error e = {0};
    assert_int_equal(
        intake_new(&i, &(struct intake_options){.config = &config, .put = fake_put}, &e),
        ERR_CONFIG);
    assert_null(i);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    soap_global_init();
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_head_decides_who_may_send_a_body),
        cmocka_unit_test(what_the_reader_refuses_is_a_fault_too),
        cmocka_unit_test(health_is_public_only_where_it_is_wanted),
        cmocka_unit_test(every_notification_becomes_what_its_object_asks_for),
        cmocka_unit_test(a_message_of_100_is_stored_as_one),
        cmocka_unit_test(an_invalid_message_is_told_why_and_where),
        cmocka_unit_test(an_organisation_that_is_not_configured_is_refused_and_counted),
        cmocka_unit_test(peers_cannot_fill_the_metrics_with_ids),
        cmocka_unit_test(an_ack_waits_for_the_store),
        cmocka_unit_test(nothing_is_acknowledged_that_was_not_stored),
        cmocka_unit_test(what_was_stored_is_counted),
        cmocka_unit_test(a_path_that_does_not_begin_with_a_slash_is_a_configuration_error),
    };
    return cmocka_run_group_tests_name("intake", tests, NULL, NULL);
}
