/*
 * Calls and disk faults in random order: what the store keeps beside the rows agrees with them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "sqlite_disk.h"

static uint32_t seed = 2463534242u;

static unsigned draw(unsigned below)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % below;
}

static void some_fault(void)
{
    static const struct {
        enum fault_op op;
        int code;
    } kinds[] = {{FAULT_WRITE, SQLITE_FULL},
                 {FAULT_WRITE, SQLITE_IOERR_WRITE},
                 {FAULT_SYNC, SQLITE_IOERR_FSYNC},
                 {FAULT_READ, SQLITE_IOERR_READ}};
    unsigned i = draw(4);
    fault_clear();
    fault_set(kinds[i].op, draw(4) == 0 ? "" : "-wal", kinds[i].code, (int)draw(20),
              1 + (int)draw(2));
}

/* Any call may fail; what it does then is asserted elsewhere. */
static void some_settle(struct fixture *f, struct store_claim *c)
{
    struct error e = {0};
    bool more = true;
    struct store_outcome outcomes[20];
    size_t n = 0;
    for (; n < c->count && n < 20; n++)
        outcomes[n] = (struct store_outcome){.row = c->hints[n].row,
                                             .verdict = (enum store_verdict)draw(3),
                                             .uncounted = draw(2) == 0,
                                             .due_at_ms = wall_ms(f) + draw(3) * HOUR_MS};
    const struct store_new_hint h = {.kind = draw(2) == 0 ? STORE_MEMBER : STORE_CAMPAIGN,
                                     .campaign_id = campaign_id(1 + draw(5)),
                                     .record_id = member_id(draw(9)),
                                     .subject_id = "",
                                     .background = draw(2) == 0,
                                     .due_at_ms = wall_ms(f) + draw(3) * MINUTE_MS};
    struct store_settle x = {.outcomes = outcomes,
                             .count = n,
                             .hints = &h,
                             .hint_count = draw(2),
                             .whole = draw(2) == 0 && c->key[0] != '*',
                             .release = draw(4) != 0};
    (void)(store_settle(f->store, c, &x, &more, &e) == ERR_NONE);
}

static void some_work(struct fixture *f)
{
    struct error e = {0};
    struct store_claim *c = NULL;
    if (store_claim(f->store, NULL, &c, &e) != ERR_NONE || c == NULL)
        return;
    if (draw(3) == 0)
        (void)(store_write_begin(f->store, c, &e) == ERR_NONE);
    if (draw(3) == 0)
        (void)(store_write_end(f->store, c, NULL, 0, &e) == ERR_NONE);
    if (draw(5) != 0)
        some_settle(f, c);
    store_claim_free(&c);
}

static void some_step(struct fixture *f)
{
    static const int64_t shifts[] = {SECOND_MS, MINUTE_MS, LEASE_MS, ECHO_MS, DAY_MS};
    struct error e = {0};
    bool more;
    switch (draw(10)) {
    case 0:
    case 1:
    case 2:
        (void)(try_put(f, draw(300), 1 + draw(8)) == ERR_NONE);
        break;
    case 3:
        shift(f, shifts[draw(5)]);
        break;
    case 4:
        (void)(store_retain(f->store, &more, &e) == ERR_NONE);
        break;
    case 5:
        store_wake(f->store);
        break;
    default:
        some_work(f);
        break;
    }
}

/* The search of a claim goes by lanes, the numbers by tallies: if they went astray, rows would be
 * forgotten without anyone noticing. */
static void lanes_and_tallies_agree_with_the_rows_whatever_happens(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    for (int round = 0; round < 60; round++) {
        for (int i = 0; i < 15; i++) {
            if (draw(6) == 0)
                some_fault();
            some_step(f);
        }
        fault_clear();
        until_mended(f);
        if (draw(8) == 0)
            fixture_reopen(f);
        sqlite_expect_sound(fixture_path(f));
    }
    for (int i = 0; i < 4; i++) { /* reopening set the clock back: some rows are due far ahead */
        for (bool more = true; more;)
            EXPECT_OK(store_retain(f->store, &more, &e));
        shift(f, 3 * HOUR_MS);
        (void)drain(f);
    }
    struct store_org_stats end = stats_of(f, f->org);
    assert_int_equal(end.ready + end.leased, 0);
    sqlite_expect_sound(fixture_path(f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lanes_and_tallies_agree_with_the_rows_whatever_happens,
                                        disk_setup, fixture_teardown),
    };
    (void)unsetenv("TP_STORE_URL"); /* for SQLite alone */
    return cmocka_run_group_tests_name("store sqlite random", tests, NULL, NULL);
}
