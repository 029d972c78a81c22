/*
 * What a replay or discard is asked for, as the API and a job's parameters say it; pages' keys.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../receiver/admin/store_routes.h"

static void a_page_key_comes_back_as_it_went_out(void **state)
{
    (void)state;
    const struct store_position cases[] = {{0, 1}, {0, INT64_MAX}, {1764115200000, 42}};
    char text[POSITION_TEXT_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct store_position got = {0};
        assert_true(parse_position(format_position(cases[i], text), &got));
        assert_true(got.at_ms == cases[i].at_ms && got.id == cases[i].id);
    }
}

static void what_is_no_page_key_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"",
                                        ".",
                                        "1",
                                        "1.",
                                        ".1",
                                        "1.x",
                                        "x.1",
                                        "-1.1",
                                        "1.-1",
                                        "1.2.3",
                                        " 1.2",
                                        "99999999999999999999.1",
                                        "1.99999999999999999999",
                                        "00000000000000000000000000000000001.1"};
    struct store_position at;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (parse_position(cases[i], &at))
            fail_msg("'%s' was taken", cases[i]);
    }
}

static void what_is_asked_for_is_ids_or_a_filter(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool want;
        size_t ids;
    } cases[] = {
        {"{\"ids\":[1,2,9007199254740993]}", true, 3},
        {"{\"filter\":{}}", true, 0},
        {"{\"filter\":{\"state\":\"failed\",\"org\":\"00D000000000001\",\"error\":\"X\"}}", true,
         0},
        {"{\"filter\":{\"since\":\"2026-11-26T09:00:00Z\"}}", true, 0},
        {"{}", false, 0},
        {"{\"ids\":[1],\"filter\":{}}", false, 0},
        {"{\"ids\":[]}", false, 0},
        {"{\"ids\":[1,0]}", false, 0},
        {"{\"ids\":[1,-1]}", false, 0},
        {"{\"ids\":[1.5]}", false, 0},
        {"{\"ids\":{\"1\":1}}", false, 0},
        {"{\"filter\":null}", false, 0},
        {"{\"filter\":{\"limit\":1}}", false, 0},
        {"{\"filter\":{\"state\":\"any\"}}", false, 0},
        {"{\"filter\":{\"org\":\"\"}}", false, 0},
        {"{\"filter\":{\"object\":7}}", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct move_params p;
        struct answer why = {0};
        json_t *args = json_loads(cases[i].text, 0, NULL);
        assert_non_null(args);
        bool got = move_params_read(args, &p, &why);
        if (got != cases[i].want || (got && p.count != cases[i].ids))
            fail_msg("%s: %s", cases[i].text, got ? "was taken" : why.text);
        if (got)
            move_params_release(&p);
        else
            assert_int_equal(why.status, 400);
        free(why.text);
        json_decref(args);
    }
}

static void a_filter_is_read_whole(void **state)
{
    (void)state;
    struct store_filter f;
    struct answer why = {0};
    json_t *args = json_loads(
        "{\"state\":\"done\",\"org\":\"00D000000000001\",\"campaign\":\"701000000000001\","
        "\"record\":\"00v000000000001\",\"object\":\"CampaignMember\",\"error\":\"E\","
        "\"since\":\"1970-01-01T00:00:01Z\",\"until\":\"1970-01-01T00:00:02Z\"}",
        0, NULL);
    assert_true(filter_read(args, &f, &why));
    assert_int_equal(f.state, STORE_DONE);
    assert_int_equal(strlen(f.org), SFID_LEN);
    assert_int_equal(strlen(f.campaign_id), SFID_LEN);
    assert_int_equal(strlen(f.record_id), SFID_LEN);
    assert_string_equal(f.object, "CampaignMember");
    assert_string_equal(f.code, "E");
    assert_true(f.since_ms == 1000 && f.until_ms == 2000);
    json_decref(args);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_key_comes_back_as_it_went_out),
        cmocka_unit_test(what_is_no_page_key_is_refused),
        cmocka_unit_test(what_is_asked_for_is_ids_or_a_filter),
        cmocka_unit_test(a_filter_is_read_whole),
    };
    return cmocka_run_group_tests_name("admin filter", tests, NULL, NULL);
}
