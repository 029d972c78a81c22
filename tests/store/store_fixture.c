#define _GNU_SOURCE
#include "store_fixture.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <libpq-fe.h>

#include "../../receiver/store/store_int.h"
#include "timeutil.h"

void expect_err(enum err err, enum err want, const struct error *e, const char *file, int line)
{
    if (err != want)
        fail_msg("%s:%d: want %s, got %s: %s", file, line, want == ERR_NONE ? "ok" : err_name(want),
                 err == ERR_NONE ? "ok" : err_name(err), err == ERR_NONE ? "" : e->text);
}

/* ------------------------------------------------------------------ the store */

static void choose_url(struct fixture *f)
{
    static unsigned number;
    const char *given = getenv("TP_STORE_URL");
    const char *hole = given == NULL ? NULL : strstr(given, "{}");
    if (hole != NULL) {
        (void)snprintf(f->url, sizeof f->url, "%.*s%d_%u%s", (int)(hole - given), given,
                       (int)getpid(), number++, hole + 2);
        return;
    }
    if (given != NULL)
        fail_msg("TP_STORE_URL needs {} where each test's own number goes");
    const char *tmp = getenv("TMPDIR");
    char template[256];
    (void)snprintf(template, sizeof template, "%s/store-test-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(template));
    f->dir = strdup(template);
    (void)snprintf(f->url, sizeof f->url, "sqlite:%s/queue.db", f->dir);
}

bool fixture_is_sqlite(const struct fixture *f)
{
    return strncmp(f->url, "sqlite:", 7) == 0;
}

/* A database's schema of this test's own, which the URL's search_path names. */
static void in_schema(const struct fixture *f, const char *what, const char *how)
{
    char text[200];
    if (fixture_is_sqlite(f))
        return;
    PGconn *c = PQconnectdb(f->url);
    if (PQstatus(c) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(c));
    PQclear(PQexec(c, "SET client_min_messages = error"));
    PGresult *r = PQexec(c, "SHOW search_path");
    (void)snprintf(text, sizeof text, "%s SCHEMA %s %s", what, PQgetvalue(r, 0, 0), how);
    PQclear(r);
    r = PQexec(c, text);
    if (PQresultStatus(r) != PGRES_COMMAND_OK)
        fail_msg("%s", PQerrorMessage(c));
    PQclear(r);
    PQfinish(c);
}

void fixture_open(struct fixture *f)
{
    struct error e = {0};
    f->options.url = f->url;
    EXPECT_OK(store_open(&f->store, &f->options, &e));
}

void fixture_close(struct fixture *f)
{
    store_close(&f->store);
    assert_null(f->store);
}

void fixture_reopen(struct fixture *f)
{
    fixture_close(f);
    fixture_open(f);
}

int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->options = (struct store_options){.lease_ms = LEASE_MS,
                                        .echo_ms = ECHO_MS,
                                        .keep_done_ms = 14 * DAY_MS,
                                        .keep_failed_ms = 90 * DAY_MS,
                                        .keep_ledger_ms = 400 * DAY_MS,
                                        .put_queue_max = 1000};
    memcpy(f->org, org_id(1), sizeof f->org);
    choose_url(f);
    in_schema(f, "CREATE", "");
    fixture_open(f);
    *state = f;
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    store_close(&f->store);
    in_schema(f, "DROP", "CASCADE");
    if (f->dir != NULL)
        (void)nftw(f->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(f->dir);
    free(f);
    *state = NULL;
    return 0;
}

const char *fixture_path(const struct fixture *f)
{
    assert_non_null(f->dir);
    return f->url + strlen("sqlite:");
}

void shift(struct fixture *f, int64_t ms)
{
    store_shift_clock(f->store, ms, ms);
}

int64_t wall_ms(struct fixture *f)
{
    return store_wall_ms(f->store);
}

/* ------------------------------------------------------------------ ids */

const char *id_of(const char *prefix, unsigned n)
{
    enum { SLOTS = 256 };
    static _Thread_local char slots[SLOTS][SFID_SIZE];
    static _Thread_local unsigned next;
    char text[32];
    char *slot = slots[next++ % SLOTS];
    (void)snprintf(text, sizeof text, "%s000000%06u", prefix, n);
    assert_true(sfid_normalise(text, 15, slot));
    return slot;
}

const char *org_id(unsigned n)
{
    return id_of("00D", n);
}

const char *campaign_id(unsigned n)
{
    return id_of("701", n);
}

const char *member_id(unsigned n)
{
    return id_of("00v", n);
}

/* ------------------------------------------------------------------ putting in */

struct store_item member_item(unsigned n, unsigned campaign)
{
    struct store_item item = {.kind = STORE_MEMBER, .object = "CampaignMember"};
    memcpy(item.notification_id, id_of("04l", n), SFID_SIZE);
    memcpy(item.record_id, member_id(n), SFID_SIZE);
    if (campaign != 0)
        memcpy(item.campaign_id, campaign_id(campaign), SFID_SIZE);
    return item;
}

static void on_done(struct store_put *put)
{
    struct pending *p = put->owner;
    pthread_mutex_lock(&p->lock);
    p->done_count++;
    pthread_cond_broadcast(&p->changed);
    while (p->blocks && !p->opened)
        pthread_cond_wait(&p->changed, &p->lock);
    p->opened = false; /* from here on the put is its owner's again */
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

bool fixture_may_go_ahead;

void pending_init(struct pending *p, const char *org, const struct store_item *items, size_t count)
{
    *p = (struct pending){.put = {.items = items,
                                  .count = count,
                                  .done = on_done,
                                  .owner = p,
                                  .wants_counts = !fixture_may_go_ahead}};
    memcpy(p->put.org, org, SFID_SIZE);
    pthread_mutex_init(&p->lock, NULL);
    time_cond_init(&p->changed);
}

void pending_release(struct pending *p)
{
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
}

void pending_start(struct fixture *f, struct pending *p)
{
    struct error e = {0};
    EXPECT_OK(store_put(f->store, &p->put, &e));
}

void pending_wait(struct pending *p)
{
    struct timespec until = time_cond_after(PATIENCE_S * SECOND_MS);
    int rc = 0;
    pthread_mutex_lock(&p->lock);
    while (p->done_count == 0 && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&p->changed, &p->lock, &until);
    pthread_mutex_unlock(&p->lock);
    if (rc == ETIMEDOUT)
        fail_msg("a put was not done in %d s", PATIENCE_S);
}

int pending_done_count(struct pending *p)
{
    pthread_mutex_lock(&p->lock);
    int n = p->done_count;
    pthread_mutex_unlock(&p->lock);
    return n;
}

struct put_result put_items(struct fixture *f, const char *org, const struct store_item *items,
                            size_t count)
{
    struct pending p;
    pending_init(&p, org, items, count);
    pending_start(f, &p);
    pending_wait(&p);
    struct put_result result = {p.put.result, p.put.stored, p.put.duplicates};
    pending_release(&p);
    return result;
}

void expect_put(struct fixture *f, const struct store_item *items, size_t count, size_t stored)
{
    struct put_result got = put_items(f, f->org, items, count);
    assert_int_equal(got.result, ERR_NONE);
    assert_int_equal(got.stored, stored);
    assert_int_equal(got.duplicates, count - stored);
}

void put_members(struct fixture *f, unsigned from, unsigned count, unsigned campaign)
{
    struct store_item *items = calloc(count, sizeof *items);
    assert_non_null(items);
    for (unsigned i = 0; i < count; i++)
        items[i] = member_item(from + i, campaign);
    expect_put(f, items, count, count);
    free(items);
}

void put_member(struct fixture *f, unsigned n, unsigned campaign)
{
    put_members(f, n, 1, campaign);
}

void resend_member(struct fixture *f, unsigned n, unsigned campaign)
{
    const struct store_item item = member_item(n, campaign);
    expect_put(f, &item, 1, 0);
}

/* ------------------------------------------------------------------ the gate */

void gate_shut(struct fixture *f, struct pending *gate)
{
    pending_init(gate, f->org, NULL, 0);
    gate->blocks = true;
    pending_start(f, gate);
    pending_wait(gate);
}

void gate_open(struct pending *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->opened = true;
    pthread_cond_broadcast(&gate->changed);
    while (gate->opened)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
    pending_release(gate);
}

/* ------------------------------------------------------------------ claiming */

struct store_claim *claim_any(struct fixture *f)
{
    struct error e = {0};
    struct store_claim *c = NULL;
    EXPECT_OK(store_claim(f->store, NULL, &c, &e));
    return c;
}

struct store_claim *claim_some(struct fixture *f)
{
    struct store_claim *c = claim_any(f);
    if (c == NULL)
        fail_msg("there is nothing to claim");
    return c;
}

struct store_claim *claim_on(struct fixture *f, unsigned campaign, size_t count)
{
    struct store_claim *c = claim_some(f);
    assert_string_equal(c->key, campaign == 0 ? "*" : campaign_id(campaign));
    assert_int_equal(c->count, count);
    return c;
}

void expect_record(const struct store_claim *c, size_t i, unsigned member)
{
    assert_true(i < c->count);
    assert_string_equal(c->hints[i].record_id, member_id(member));
}

void expect_no_claim(struct fixture *f)
{
    struct store_claim *c = claim_any(f);
    if (c != NULL)
        fail_msg("%zu hints of campaign %s can be claimed", c->count, c->key);
}

void lose(struct store_claim **c)
{
    store_claim_free(c);
    assert_null(*c);
}

/* ------------------------------------------------------------------ settling */

void settle_all(struct fixture *f, struct store_claim **c, struct store_outcome outcome)
{
    struct error e = {0};
    bool more = true;
    struct store_outcome *outcomes = calloc((*c)->count, sizeof *outcomes);
    assert_non_null(outcomes);
    for (size_t i = 0; i < (*c)->count; i++) {
        outcomes[i] = outcome;
        outcomes[i].row = (*c)->hints[i].row;
    }
    const struct store_settle x = {.outcomes = outcomes, .count = (*c)->count, .release = true};
    enum err err = store_settle(f->store, *c, &x, &more, &e);
    free(outcomes);
    EXPECT_OK(err);
    assert_false(more);
    store_claim_free(c);
}

void settle_applied(struct fixture *f, struct store_claim **c)
{
    settle_all(f, c, (struct store_outcome){.verdict = STORE_APPLIED});
}

void settle_failed(struct fixture *f, struct store_claim **c)
{
    settle_all(f, c, (struct store_outcome){.verdict = STORE_FAIL, .code = "CODE"});
}

void settle_retry(struct fixture *f, struct store_claim **c, int64_t in_ms)
{
    settle_all(f, c,
               (struct store_outcome){.verdict = STORE_RETRY, .due_at_ms = wall_ms(f) + in_ms});
}

void add_hints(struct fixture *f, struct store_claim *c, const struct store_new_hint *h, size_t n)
{
    struct error e = {0};
    bool more = true;
    const struct store_settle x = {.hints = h, .hint_count = n};
    EXPECT_OK(store_settle(f->store, c, &x, &more, &e));
    assert_false(more);
}

unsigned settle_whole(struct fixture *f, struct store_claim **c)
{
    struct error e = {0};
    const struct store_settle x = {.whole = true, .release = true};
    bool more = true;
    unsigned calls = 0;
    while (more) {
        EXPECT_OK(store_settle(f->store, *c, &x, &more, &e));
        calls++;
    }
    store_claim_free(c);
    return calls;
}

size_t drain(struct fixture *f)
{
    size_t hints = 0;
    for (;;) {
        struct store_claim *c = claim_any(f);
        if (c == NULL)
            return hints;
        hints += c->count;
        settle_applied(f, &c);
    }
}

/* ------------------------------------------------------------------ looking on */

struct store_org_stats stats_of(struct fixture *f, const char *org)
{
    struct error e = {0};
    struct store_org_stats all[8], none = {.oldest_due_received_at_ms = TIME_NONE};
    size_t count = 0;
    EXPECT_OK(store_stats(f->store, all, 8, &count, &e));
    for (size_t i = 0; i < count; i++) {
        if (strcmp(all[i].org, org) == 0)
            return all[i];
    }
    return none;
}

void expect_counts(struct fixture *f, int64_t ready, int64_t leased, int64_t done, int64_t failed)
{
    struct store_org_stats got = stats_of(f, f->org);
    if (got.ready != ready || got.leased != leased || got.done != done || got.failed != failed)
        fail_msg("want %lld ready, %lld leased, %lld done, %lld failed; got %lld, %lld, %lld, %lld",
                 (long long)ready, (long long)leased, (long long)done, (long long)failed,
                 (long long)got.ready, (long long)got.leased, (long long)got.done,
                 (long long)got.failed);
}
