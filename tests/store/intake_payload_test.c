/*
 * Messages as bytes: what was written is read again, and bytes that make no sense never are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../receiver/store/intake_payload.h"
#include "store_fixture.h"

enum { PUTS = 3, ITEMS = 4, PAYLOAD_MAX = 100000 };

static struct store_item items[PUTS][ITEMS];
static struct store_put given[PUTS];

static void write_all(struct buf *b)
{
    buf_init(b, PAYLOAD_MAX);
    for (unsigned i = 0; i < PUTS; i++) {
        for (unsigned k = 0; k < ITEMS; k++) {
            struct store_item *item = &items[i][k];
            *item = member_item(i * ITEMS + k, i == 1 ? 0 : k + 1);
            item->kind = k == 0 ? STORE_IGNORED : STORE_DELETION;
            memcpy(item->subject_id, i == 2 ? id_of("00v", k) : "", i == 2 ? SFID_SIZE : 1);
            memset(item->object, 'o', k * 26);
        }
        memset(items[i][3].object, 'o', STORE_OBJECT_SIZE - 1); /* as long as may be */
        given[i] = (struct store_put){
            .items = items[i], .count = i + 1, .received_at_ms = INT64_C(1700000000000) + i};
        memcpy(given[i].org, org_id(i + 1), SFID_SIZE);
        intake_payload_add(b, &given[i]);
    }
    assert_false(b->overflow);
}

static void what_was_written_is_read_again(void **state)
{
    struct buf b;
    struct store_put *read = NULL, **last = &read;
    (void)state;
    write_all(&b);
    assert_true(intake_payload_read(b.data, b.len, &last));
    const struct store_put *p = read;
    for (unsigned i = 0; i < PUTS; i++, p = p->next) {
        assert_non_null(p);
        assert_string_equal(p->org, given[i].org);
        assert_int_equal(p->received_at_ms, given[i].received_at_ms);
        assert_int_equal(p->count, given[i].count);
        for (size_t k = 0; k < p->count; k++) {
            const struct store_item *got = &p->items[k], *want = &items[i][k];
            assert_int_equal(got->kind, want->kind);
            assert_string_equal(got->notification_id, want->notification_id);
            assert_string_equal(got->object, want->object);
            assert_string_equal(got->record_id, want->record_id);
            assert_string_equal(got->subject_id, want->subject_id);
            assert_string_equal(got->campaign_id, want->campaign_id);
        }
    }
    assert_null(p);
    intake_payload_free(read);
    buf_release(&b);
}

/* In a block of just that size, so that ASan sees what is read behind it. */
static bool read_copy(const char *bytes, size_t n)
{
    char *copy = malloc(n > 0 ? n : 1);
    struct store_put *read = NULL, **last = &read;
    assert_non_null(copy);
    memcpy(copy, bytes, n);
    bool is_sound = intake_payload_read(copy, n, &last);
    intake_payload_free(read);
    free(copy);
    return is_sound;
}

static void what_is_cut_off_is_no_payload(void **state)
{
    struct buf b;
    unsigned sound = 0;
    (void)state;
    write_all(&b);
    for (size_t n = 0; n < b.len; n++)
        sound += read_copy(b.data, n);
    assert_int_equal(sound, PUTS); /* nothing, one, and two messages */
    buf_release(&b);
}

static void no_bytes_lead_beyond_their_end(void **state)
{
    struct buf b;
    (void)state;
    write_all(&b);
    for (size_t at = 0; at < b.len; at++) {
        static const unsigned char values[] = {0, 1, 0x7f, 0x80, 0xff};
        char kept = b.data[at];
        for (size_t i = 0; i < sizeof values; i++) {
            b.data[at] = (char)values[i];
            (void)read_copy(b.data, b.len);
        }
        b.data[at] = kept;
    }
    assert_true(read_copy(b.data, b.len));
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read_again),
        cmocka_unit_test(what_is_cut_off_is_no_payload),
        cmocka_unit_test(no_bytes_lead_beyond_their_end),
    };
    return cmocka_run_group_tests_name("store intake payload", tests, NULL, NULL);
}
