/*
 * Two daemons on one PostgreSQL, as two stores in one process: leases, wake-ups, policies, schemas.
 * Runs where TP_STORE_URL names a PostgreSQL (cluster.py).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <libpq-fe.h>

#include "../../receiver/store/store_int.h"
#include "store_fixture.h"
#include "timeutil.h"

enum { NODES = 3, CAMPAIGNS = 40 };

/* Another daemon on the fixture's schema. */
static struct store *open_other(struct fixture *f)
{
    struct store *other = NULL;
    struct error e = {0};
    EXPECT_OK(store_open(&other, &f->options, &e));
    return other;
}

static void run_sql(struct fixture *f, const char *text)
{
    PGconn *c = PQconnectdb(f->url);
    PGresult *r = PQexec(c, text);
    if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
        fail_msg("%s", PQerrorMessage(c));
    PQclear(r);
    PQfinish(c);
}

static struct store_claim *claim_in(struct store *s, const char *policy)
{
    struct error e = {0};
    struct store_claim *c = NULL;
    const struct store_claim_options o = {.policy = policy};
    EXPECT_OK(store_claim(s, &o, &c, &e));
    return c;
}

static void a_campaign_is_one_daemons_until_its_lease_ends(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    put_member(f, 1, 1);
    struct store *other = open_other(f);
    struct store_claim *mine = claim_on(f, 1, 1);
    assert_null(claim_in(other, NULL));
    store_shift_clock(other, 0, LEASE_MS); /* for the other, time is up */
    struct store_claim *theirs = claim_in(other, NULL);
    assert_non_null(theirs);
    assert_true(theirs->fence > mine->fence);
    EXPECT_ERR(store_write_begin(f->store, mine, &e), ERR_STALE); /* woken up late: no write */
    EXPECT_ERR(store_renew(f->store, mine, &e), ERR_STALE);
    lose(&mine);
    lose(&theirs);
    store_close(&other);
    mine = claim_on(f, 1, 1); /* who closes gives its leases up */
    settle_applied(f, &mine);
}

static void a_put_on_one_daemon_ends_anothers_wait(void **state)
{
    struct fixture *f = *state;
    struct store *other = open_other(f);
    for (int i = 0; i < 3; i++) {
        struct store_claim *c;
        while ((c = claim_in(other, NULL)) != NULL)
            store_claim_free(&c);
        store_wait(other, 0);
        assert_null(claim_in(other, NULL));
        put_member(f, 1 + (unsigned)i, 1 + (unsigned)i);
        int64_t start = time_boot_ms();
        store_wait(other, PATIENCE_S * 1000);
        assert_true(time_boot_ms() - start < 4000); /* before the polling */
    }
    store_close(&other);
}

static void a_daemon_with_an_older_policy_claims_nothing(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    put_member(f, 1, 1);
    EXPECT_OK(store_cursor_set(f->store, f->org, STORE_CURSOR_POLICY, "new", &e));
    assert_null(claim_in(f->store, "old"));
    struct store_claim *c = claim_in(f->store, "new");
    assert_non_null(c);
    settle_applied(f, &c);
}

static void an_org_that_one_pauses_is_paused_for_all(void **state)
{
    struct fixture *f = *state;
    struct error e = {0};
    struct store *other = open_other(f);
    put_member(f, 1, 1);
    EXPECT_OK(store_pause(f->store, f->org, "because", &e));
    assert_null(claim_in(other, NULL));
    EXPECT_OK(store_pause(other, f->org, NULL, &e));
    struct store_claim *c = claim_on(f, 1, 1);
    settle_applied(f, &c);
    store_close(&other);
}

static void a_schema_that_a_newer_version_wrote_is_refused_at_the_start(void **state)
{
    struct fixture *f = *state;
    struct store *other = NULL;
    struct error e = {0};
    run_sql(f, "UPDATE schema_version SET version = version + 1");
    EXPECT_ERR(store_open(&other, &f->options, &e), ERR_CONFIG);
    assert_non_null(strstr(e.text, "newer version of this program"));
    run_sql(f, "UPDATE schema_version SET version = version - 1");
}

/* What the store says of itself, as soon as it is that. */
static enum err probe_until(struct fixture *f, enum err want, struct error *e)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    int64_t give_up = time_boot_ms() + PATIENCE_S * 1000;
    enum err err;
    while ((err = store_probe(f->store, e)) != want && time_boot_ms() < give_up)
        nanosleep(&pause, NULL);
    return err;
}

static void a_daemon_at_work_whose_schema_changes_says_so_and_stops_until_it_fits(void **state)
{
    static const char *const changes[][2] = {{"+ 1", "- 1"}, {"- 1", "+ 1"}};
    struct fixture *f = *state;
    struct error e = {0};
    char text[80];
    for (unsigned i = 0; i < 2; i++) {
        struct store_item item = member_item(i + 10, 1);
        struct store_claim *c = NULL;
        struct pending refused;
        put_member(f, i + 1, 1);
        (void)snprintf(text, sizeof text, "UPDATE schema_version SET version = version %s",
                       changes[i][0]);
        run_sql(f, text);
        EXPECT_ERR(probe_until(f, ERR_CONFIG, &e), ERR_CONFIG);
        assert_non_null(strstr(e.text, "run the version that fits on every host"));
        EXPECT_ERR(store_claim(f->store, NULL, &c, &e), ERR_IO);
        pending_init(&refused, f->org, &item, 1);
        EXPECT_ERR(store_put(f->store, &refused.put, &e), ERR_CONFIG);
        pending_release(&refused);
        (void)snprintf(text, sizeof text, "UPDATE schema_version SET version = version %s",
                       changes[i][1]);
        run_sql(f, text);
        EXPECT_OK(probe_until(f, ERR_NONE, &e));
        c = claim_on(f, 1, 1);
        settle_applied(f, &c);
    }
}

/* ------------------------------------------------------------------ racing */

struct racer {
    struct fixture *f;
    struct store *store;
    atomic_bool *taken; /* of each campaign */
    _Atomic unsigned *hints;
    bool failed;
};

/* Of a campaign's id: characters 9 to 14. */
static unsigned number_of(const char *id)
{
    char digits[7];
    memcpy(digits, id + 9, 6);
    digits[6] = '\0';
    return (unsigned)strtoul(digits, NULL, 10);
}

static void *race(void *arg)
{
    struct racer *r = arg;
    struct error e = {0};
    for (int idle = 0; idle < 3;) {
        struct store_claim *c = NULL;
        if (store_claim(r->store, NULL, &c, &e) != ERR_NONE)
            r->failed = true;
        if (c == NULL) {
            idle++;
            continue;
        }
        unsigned k = number_of(c->key) % CAMPAIGNS;
        r->failed = r->failed || atomic_exchange(&r->taken[k], true);
        *r->hints += (unsigned)c->count;
        struct store_outcome *o = calloc(c->count, sizeof *o);
        for (size_t i = 0; i < c->count; i++)
            o[i] = (struct store_outcome){.row = c->hints[i].row, .verdict = STORE_APPLIED};
        const struct store_settle x = {.outcomes = o, .count = c->count, .release = true};
        bool more;
        atomic_store(&r->taken[k], false);
        r->failed = r->failed || store_settle(r->store, c, &x, &more, &e) != ERR_NONE;
        free(o);
        store_claim_free(&c);
    }
    return NULL;
}

static void daemons_that_race_settle_each_once(void **state)
{
    struct fixture *f = *state;
    struct racer racers[2 * NODES];
    pthread_t threads[2 * NODES];
    atomic_bool taken[CAMPAIGNS] = {0};
    _Atomic unsigned hints = 0;
    struct store *nodes[NODES] = {f->store};
    for (unsigned i = 1; i < NODES; i++)
        nodes[i] = open_other(f);
    for (unsigned i = 0; i < CAMPAIGNS; i++)
        put_members(f, 1 + i * 100, 10, i + 1);
    for (int i = 0; i < 2 * NODES; i++) {
        racers[i] = (struct racer){f, nodes[i % NODES], taken, &hints, false};
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < 2 * NODES; i++) {
        pthread_join(threads[i], NULL);
        assert_false(racers[i].failed);
    }
    assert_int_equal(hints, CAMPAIGNS * 10);
    expect_counts(f, 0, 0, CAMPAIGNS * 10, 0);
    for (unsigned i = 1; i < NODES; i++)
        store_close(&nodes[i]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_campaign_is_one_daemons_until_its_lease_ends),
        TEST(a_put_on_one_daemon_ends_anothers_wait),
        TEST(a_daemon_with_an_older_policy_claims_nothing),
        TEST(an_org_that_one_pauses_is_paused_for_all),
        TEST(a_schema_that_a_newer_version_wrote_is_refused_at_the_start),
        TEST(a_daemon_at_work_whose_schema_changes_says_so_and_stops_until_it_fits),
        TEST(daemons_that_race_settle_each_once),
    };
    return cmocka_run_group_tests_name("store postgres", tests, NULL, NULL);
}
