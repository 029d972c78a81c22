/*
 * Answers that the store's thread brings: together, while the intake drains, and when the listener
 * is gone already.
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

static void draining_answers_503_and_finishes_what_waits(void **state)
{
    (void)state;
    static struct net_client waiting;
    struct fixture f;
    fixture_start(&f);
    f.store.keep = true;
    open_client(&f);
    send_member(&f, 1);
    struct store_put *p = take_kept(&f);
    waiting = client;
    intake_drain(f.intake);
    open_client(&f);
    send_member(&f, 2);
    expect_fault(503, "Server", "stopping");
    net_client_close(&client);
    p->done(p);
    assert_true(net_client_response(&waiting, &response, false));
    assert_string_equal(response.body, SOAP_ACK_TRUE);
    net_client_close(&waiting);
    assert_int_equal(f.store.put_count, 1);
    fixture_stop(&f);
}

/* The answers of a commit leave together, behind the last of them. */
static void what_one_commit_stored_is_answered_together(void **state)
{
    (void)state;
    static struct net_client first;
    struct fixture f;
    fixture_start(&f);
    f.store.keep = true;
    open_client(&f);
    send_member(&f, 1);
    struct store_put *one = take_kept(&f);
    first = client;
    open_client(&f);
    send_member(&f, 2);
    struct store_put *two = take_kept(&f);
    one->more = true;
    one->done(one);
    assert_int_equal(intake_in_flight(f.intake), 2);
    two->result = ERR_IO;
    two->done(two);
    assert_int_equal(intake_in_flight(f.intake), 0);
    expect_status(503);
    net_client_close(&client);
    assert_true(net_client_response(&first, &response, false));
    assert_string_equal(response.body, SOAP_ACK_TRUE);
    net_client_close(&first);
    fixture_stop(&f);
}

static void the_store_may_answer_after_the_listener_is_gone(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f);
    f.store.keep = true;
    open_client(&f);
    send_member(&f, 1);
    struct store_put *p = take_kept(&f);
    intake_shut(f.intake);
    listener_stop(&f.listener);
    p->done(p);
    net_client_close(&client);
    fixture_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draining_answers_503_and_finishes_what_waits),
        cmocka_unit_test(what_one_commit_stored_is_answered_together),
        cmocka_unit_test(the_store_may_answer_after_the_listener_is_gone),
    };
    /* libxml2 sets itself up before there are threads, since TSan doesn't see its own locks */
    assert_true(soap_is_ack_true(SOAP_ACK_TRUE, SOAP_ACK_TRUE_LEN));
    return cmocka_run_group_tests_name("intake end", tests, NULL, NULL);
}
