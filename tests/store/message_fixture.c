#include "message_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { PAGE = 7 };

const struct store_filter ALL_MESSAGES = {.state = STORE_ANY};
const struct store_filter FAILED_MESSAGES = {.state = STORE_FAILED};

void fail_with(struct fixture *f, unsigned member, unsigned campaign, const char *code)
{
    put_member(f, member, campaign);
    struct store_claim *c = claim_on(f, campaign, 1);
    settle_all(f, &c,
               (struct store_outcome){.verdict = STORE_FAIL, .code = code, .message = "mend it"});
}

size_t walk_messages(struct fixture *f, const struct store_filter *filter,
                     struct store_message *out, size_t max)
{
    struct store_message page[PAGE];
    struct store_position at = {0};
    struct error e = {0};
    size_t n = 0, got;
    bool more = true;
    while (more) {
        EXPECT_OK(store_message_walk(f->store, filter, &at, page, PAGE, &got, &more, &e));
        assert_true(got <= PAGE && n + got <= max);
        memcpy(out + n, page, got * sizeof page[0]);
        n += got;
    }
    return n;
}

struct store_message message_of(struct fixture *f, unsigned member)
{
    static struct store_message all[100];
    struct store_filter filter = ALL_MESSAGES;
    memcpy(filter.record_id, member_id(member), SFID_SIZE);
    assert_int_equal(walk_messages(f, &filter, all, 100), 1);
    return all[0];
}

struct store_count count_messages(struct fixture *f, const struct store_filter *filter)
{
    struct error e = {0};
    struct store_count c;
    EXPECT_OK(store_message_count(f->store, filter, STORE_ANY, &c, &e));
    return c;
}
