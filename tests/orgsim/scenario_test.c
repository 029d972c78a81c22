/*
 * Scenario files: what is carried out at the start and later, and what is refused. Hermetic: an org
 * in this process and its loop; files in a directory of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "mem.h"
#include "scenario.h"
#include "test_org.h"

static struct test_org *org;
static struct event_base *base;
static char path[120];

static int setup(void **state)
{
    (void)state;
    struct error e;
    org = test_org_new();
    sim_close(&org->sim);
    base = event_base_new();
    assert_int_equal(sim_open(&org->sim, &org->options, base, &e), ERR_NONE);
    snprintf(path, sizeof path, "%s/scenario.json", org->directory);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    test_org_free(&org);
    event_base_free(base);
    return 0;
}

static enum err open_scenario(const char *text, struct scenario **s, struct error *e)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    *e = (struct error){.kind = ERR_NONE};
    *s = NULL;
    return scenario_open(s, org->sim, path, e);
}

static size_t faults(void)
{
    json_t *json = faults_json(org->sim->faults);
    size_t n = json_array_size(json_object_get(json, "faults"));
    json_decref(json);
    return n;
}

static void steps_are_carried_out_at_their_time(void **state)
{
    (void)state;
    struct scenario *s;
    struct error e;
    assert_int_equal(
        open_scenario("{\"steps\":[{\"path\":\"/sim/load\",\"body\":{\"members\":3}},"
                      "{\"path\":\"/sim/faults\",\"body\":{\"kind\":\"reset\"}},"
                      "{\"at_ms\":1,\"path\":\"/sim/faults\",\"body\":{\"kind\":\"nope\"}},"
                      "{\"at_ms\":2,\"path\":\"/sim/faults\",\"body\":{\"kind\":\"html\"}},"
                      "{\"at_ms\":3,\"method\":\"DELETE\",\"path\":\"/sim/faults?id=1\"}]}",
                      &s, &e),
        ERR_NONE);
    assert_int_equal(faults(), 1);
    assert_int_equal(org->sim->next_record[CAMPAIGN_MEMBER], 3);
    event_base_loop(base, EVLOOP_ONCE); /* refused, and told in the log */
    assert_int_equal(faults(), 1);
    event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(faults(), 2);
    event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(faults(), 1);
    scenario_close(&s);
}

static void a_file_that_makes_no_sense_is_refused_with_its_step(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"{", ":1: "},
        {"[]", "write {\"steps\""},
        {"{\"steps\":[1]}", "step 1: it is not an object"},
        {"{\"steps\":[{\"path\":\"/sim/nope\"}]}", "step 1: no such control route"},
        {"{\"steps\":[{\"path\":\"/services/data\"}]}", "step 1: no such control route"},
        {"{\"steps\":[{\"path\":\"/sim/faults\",\"body\":[]}]}", "step 1: body is not an object"},
        {"{\"steps\":[{\"at_ms\":5,\"path\":\"/sim/stats/reset\"},{\"path\":\"/sim/faults\"}]}",
         "step 2: at_ms goes back"},
        {"{\"steps\":[{\"path\":\"/sim/stats/reset\"},{\"path\":\"/sim/faults\","
         "\"body\":{\"kind\":\"nope\"}}]}",
         "step 2: kind is missing or unknown"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct scenario *s;
        struct error e;
        assert_int_equal(open_scenario(rows[i].text, &s, &e), ERR_CONFIG);
        if (strstr(e.text, rows[i].why) == NULL || strstr(e.text, path) == NULL)
            fail_msg("%s: %s", rows[i].text, e.text);
        assert_null(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(steps_are_carried_out_at_their_time, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_makes_no_sense_is_refused_with_its_step, setup,
                                        teardown),
    };
    return cmocka_run_group_tests_name("scenario", tests, NULL, NULL);
}
