/*
 * channel_of, touchpoint_values, pattern_matches.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mem.h"
#include "policy.h"
#include "timeutil.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct config_channel CHANNELS[] = {
    {.type = "Trade Show", .status = "Visited*", .channel = "Events", .subchannel = "Booth"},
    {.type = "trade show", .channel = "Events", .subchannel = "Trade Show"},
    {.type = "Webinar*", .status = "Attended", .channel = "Events", .subchannel = "Webinar"},
    {.type = "Webinar*", .channel = "Mail"},
    {.type = "*direct*mail",
     .channel = "Mail",
     .subchannel = "Brief\xc3\xbc"
                   "mschlag"},
    {.type = "Online*", .channel = "NULL", .null_channel = true},
    {.type = "STRASSE", .channel = "Street"},
};

static struct policy *policy_new(void)
{
    struct policy *p = NULL;
    struct error e = {0};
    struct config c = {.file = "x.yaml", .channels = CHANNELS, .channel_count = COUNT(CHANNELS)};
    c.policy.default_channel = "Other";
    if (policy_from_config(&p, &c, &e) != ERR_NONE)
        fail_msg("%s", e.text);
    return p;
}

/* The same without what policy_from_config prepares. */
static void unprepared(const struct policy *p, struct policy *out, struct channel_map *maps)
{
    *out = *p;
    for (size_t i = 0; i < p->channel_count; i++) {
        maps[i] = p->channels[i];
        maps[i].type_folded = maps[i].status_folded = NULL;
    }
    out->channels = maps;
}

static const struct {
    const char *type, *status, *channel, *subchannel;
    bool is_default, null_channel;
} CHANNEL_ROWS[] = {
    {"Trade Show", "Visited Booth", "Events", "Booth", false, false},
    {"TRADE SHOW", "visited", "Events", "Booth", false, false},
    {"Trade Show", "Sent", "Events", "Trade Show", false, false},
    {"Trade Show", NULL, "Events", "Trade Show", false, false},
    {"Trade Shows", "Sent", "Other", NULL, true, false},
    {"Webinar", "Attended", "Events", "Webinar", false, false},
    {"Webinar series", "Registered", "Mail", NULL, false, false},
    {"My Webinar", "Attended", "Other", NULL, true, false},
    {"Direct mail", "", "Mail",
     "Brief\xc3\xbc"
     "mschlag",
     false, false},
    {"very DIRECT e-mail", "", "Mail",
     "Brief\xc3\xbc"
     "mschlag",
     false, false},
    {"Online Ad", "Sent", "NULL", NULL, false, true},
    {"stra\xc3\x9f"
     "e",
     "Sent", "Street", NULL, false, false},
    {"", "Visited", "Other", NULL, true, false},
    {NULL, "Visited", "Other", NULL, true, false},
    {"  ", "Visited", "Other", NULL, true, false},
};

static void the_first_mapping_that_matches_gives_the_channel(void **state)
{
    (void)state;
    struct policy *p = policy_new(), plain;
    struct channel_map maps[COUNT(CHANNELS)];
    unprepared(p, &plain, maps);
    for (size_t i = 0; i < COUNT(CHANNEL_ROWS); i++) {
        const struct policy *both[] = {p, &plain};
        for (size_t k = 0; k < COUNT(both); k++) {
            struct channel got;
            channel_of(both[k], CHANNEL_ROWS[i].type, CHANNEL_ROWS[i].status, &got);
            assert_string_equal(got.channel, CHANNEL_ROWS[i].channel);
            assert_int_equal(got.subchannel != NULL, CHANNEL_ROWS[i].subchannel != NULL);
            if (got.subchannel != NULL)
                assert_string_equal(got.subchannel, CHANNEL_ROWS[i].subchannel);
            assert_int_equal(got.is_default, CHANNEL_ROWS[i].is_default);
            assert_int_equal(got.null_channel, CHANNEL_ROWS[i].null_channel);
        }
    }
    policy_free(&p);
}

static void a_star_alone_matches_any_type_but_a_blank_one(void **state)
{
    (void)state;
    struct channel_map any = {.type = "*", .channel = "Any"};
    const struct policy p = {.default_channel = "Other", .channels = &any, .channel_count = 1};
    struct channel got;
    channel_of(&p, "x", NULL, &got);
    assert_string_equal(got.channel, "Any");
    channel_of(&p, "", NULL, &got);
    assert_string_equal(got.channel, "Other");
}

static void patterns_match_whole_texts(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool want;
    } rows[] = {
        {"", "", true},
        {"", "a", false},
        {"*", "", true},
        {"**", "abc", true},
        {"a", "A", true},
        {"a*", "a", true},
        {"a*", "ba", false},
        {"*a", "ba", true},
        {"*a", "ab", false},
        {"*a*", "xay", true},
        {"a*b*c", "a-b-b-c", true},
        {"a*b*c", "a-c-b", false},
        {"*ab", "aab", true},
        {"\xc3\x84*", "\xc3\xa4pfel", true},
        {"*\xf0\x9f\x8e\x89", "party \xf0\x9f\x8e\x89", true},
        {"?", "a", false},
        {"ss", "\xc3\x9f", true},
        {"i", "\xc4\xb0", false}, /* Turkish dotted I folds to i and a combining dot */
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (pattern_matches(rows[i].pattern, rows[i].text) != rows[i].want)
            fail_msg("pattern \"%s\" text \"%s\"", rows[i].pattern, rows[i].text);
    }
    char *long_text = mem_alloc(5001);
    memset(long_text, 'A', 5000);
    assert_true(pattern_matches("a*a*a*a", long_text));
    assert_false(pattern_matches("a*a*a*b", long_text));
    free(long_text);
}

/* ------------------------------------------------------------------ values */

static struct campaign CAMPAIGN = {
    .id = "701000000000001AAA", .exists = true, .name = "Hannover Messe", .type = "Trade Show"};

static struct member member_with(const char *contact, const char *lead, const char *email)
{
    struct member m = {.id = "00v000000000001AAA", .exists = true, .status = "Visited Booth"};
    m.person.email = email;
    memcpy(m.person.contact_id, contact, strlen(contact) + 1);
    memcpy(m.person.lead_id, lead, strlen(lead) + 1);
    return m;
}

static void each_value_comes_from_its_place(void **state)
{
    (void)state;
    static const char *const want[TV_COUNT] = {
        [TV_KEY] = "00v000000000001AAA",
        [TV_CAMPAIGN] = "701000000000001AAA",
        [TV_LEAD] = "00Q000000000001AAA",
        [TV_CONTACT] = "",
        [TV_EMAIL] = "Eva@Example.com",
        [TV_DATE] = "2026-01-15T09:30:00.000Z",
        [TV_CHANNEL] = "Events",
        [TV_SUBCHANNEL] = "Booth",
        [TV_CHANNEL_PATH] = "Events.Booth",
        [TV_MEDIUM] = "Trade Show",
        [TV_SOURCE] = "CRM Campaign",
        [TV_TYPE] = "CRM",
        [TV_AD_CAMPAIGN_ID] = "701000000000001AAA",
        [TV_AD_CAMPAIGN_NAME] = "Hannover Messe",
        [TV_RULE] = "picklist:all",
    };
    struct policy *p = policy_new();
    struct member m = member_with("", "00Q000000000001AAA", "\xc2\xa0 Eva@Example.com \n");
    struct decision d = {.sync_type = SYNC_ALL, .touchpoint_at_ms = 1768469400000};
    struct touchpoint t;
    touchpoint_values(&CAMPAIGN, &m, p, &d, &t);
    for (size_t i = 0; i < TV_COUNT; i++) {
        if (strcmp(t.value[i], want[i]) != 0)
            fail_msg("%s: want \"%s\", got \"%s\"", touchpoint_value_name((enum touchpoint_value)i),
                     want[i], t.value[i]);
    }
    touchpoint_release(&t);
    touchpoint_release(&t);
    policy_free(&p);
}

static void a_converted_lead_counts_as_its_contact(void **state)
{
    (void)state;
    struct policy *p = policy_new();
    struct member m = member_with("003000000000001AAA", "00Q000000000001AAA", "a@example.com");
    struct decision d = {.sync_type = SYNC_RESPONDED, .touchpoint_at_ms = 0};
    struct touchpoint t;
    touchpoint_values(&CAMPAIGN, &m, p, &d, &t);
    assert_string_equal(t.value[TV_CONTACT], "003000000000001AAA");
    assert_string_equal(t.value[TV_LEAD], "");
    assert_string_equal(t.value[TV_RULE], "picklist:responded");
    assert_ptr_equal(t.value[TV_EMAIL], m.person.email);
    touchpoint_release(&t);
    policy_free(&p);
}

static void null_texts_become_empty_and_the_path_has_no_dot_without_subchannel(void **state)
{
    (void)state;
    struct policy *p = policy_new();
    const struct campaign c = {.id = "701000000000001AAA", .exists = true};
    struct member m = member_with("003000000000001AAA", "", "a@example.com");
    const struct rule rule = {.name = "Booth visitors", .include = true};
    struct decision d = {.sync_type = SYNC_ALL, .rule = &rule, .touchpoint_at_ms = 0};
    struct touchpoint t;
    m.status = NULL;
    touchpoint_values(&c, &m, p, &d, &t);
    assert_string_equal(t.value[TV_MEDIUM], "");
    assert_string_equal(t.value[TV_AD_CAMPAIGN_NAME], "");
    assert_string_equal(t.value[TV_CHANNEL], "Other");
    assert_string_equal(t.value[TV_SUBCHANNEL], "");
    assert_string_equal(t.value[TV_CHANNEL_PATH], "Other");
    assert_string_equal(t.value[TV_RULE], "Booth visitors");
    touchpoint_release(&t);
    policy_free(&p);
}

static char *repeated(const char *piece, size_t times)
{
    size_t n = strlen(piece);
    char *s = mem_alloc(n * times + 1);
    for (size_t i = 0; i < times; i++)
        memcpy(s + i * n, piece, n);
    return s;
}

/* piece repeated `times`; name is cut to `want_bytes` */
static void a_text_that_is_too_long_is_cut_at_a_whole_character(void **state)
{
    (void)state;
    static const struct {
        const char *piece;
        size_t times, want_bytes;
    } rows[] = {
        {"a", 80, 80},                    /* fits */
        {"a", 81, 80},                    /* one too many */
        {"\xc3\xa4", 80, 160},            /* 80 characters fit, whatever their bytes */
        {"\xc3\xa4", 81, 160},            /* */
        {"\xe2\x82\xac", 81, 240},        /* three bytes each */
        {"\xf0\x9f\x8e\x89", 41, 160},    /* an emoji counts as two: 40 fit */
        {"ab ", 27, 80},                  /* 81 characters, the last a space: trimmed */
        {"abc\xf0\x9f\x8e\x89", 17, 112}, /* 5 units each: 16 make 80 */
        {"a       ", 11, 73},             /* cut at 80, then the white space goes */
    };
    struct policy *p = policy_new();
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *name = repeated(rows[i].piece, rows[i].times);
        struct campaign c = CAMPAIGN;
        struct member m = member_with("003000000000001AAA", "", "a@example.com");
        struct decision d = {.sync_type = SYNC_ALL};
        struct touchpoint t;
        c.name = name;
        touchpoint_values(&c, &m, p, &d, &t);
        assert_int_equal(strlen(t.value[TV_AD_CAMPAIGN_NAME]), rows[i].want_bytes);
        assert_memory_equal(t.value[TV_AD_CAMPAIGN_NAME], name, rows[i].want_bytes);
        touchpoint_release(&t);
        free(name);
    }
    policy_free(&p);
}

static void the_longest_channel_path_is_cut_to_its_field(void **state)
{
    (void)state;
    char *name = repeated("n", RULES_CHANNEL_MAX);
    struct channel_map map = {.type = "*", .channel = name, .subchannel = name};
    const struct policy p = {.default_channel = "Other", .channels = &map, .channel_count = 1};
    struct member m = member_with("003000000000001AAA", "", "a@example.com");
    struct decision d = {.sync_type = SYNC_ALL};
    struct touchpoint t;
    touchpoint_values(&CAMPAIGN, &m, &p, &d, &t);
    assert_int_equal(strlen(t.value[TV_CHANNEL]), 255);
    assert_int_equal(strlen(t.value[TV_SUBCHANNEL]), 255);
    assert_int_equal(strlen(t.value[TV_CHANNEL_PATH]), 255);
    touchpoint_release(&t);
    free(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_mapping_that_matches_gives_the_channel),
        cmocka_unit_test(a_star_alone_matches_any_type_but_a_blank_one),
        cmocka_unit_test(patterns_match_whole_texts),
        cmocka_unit_test(each_value_comes_from_its_place),
        cmocka_unit_test(a_converted_lead_counts_as_its_contact),
        cmocka_unit_test(null_texts_become_empty_and_the_path_has_no_dot_without_subchannel),
        cmocka_unit_test(a_text_that_is_too_long_is_cut_at_a_whole_character),
        cmocka_unit_test(the_longest_channel_path_is_cut_to_its_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
