/*
 * worker_fixture - a real store beside an org client, and the worker's threads over both
 *
 * One of each a program; org_fixture.h's fixture is the org. Notification n is about member n of
 * campaign n.
 */
#ifndef TP_WORKER_FIXTURE_H
#define TP_WORKER_FIXTURE_H

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "org_fixture.h"
#include "worker.h"

enum { WORKER_LEASE_MS = 120000, WAIT_MAX_MS = 30000 };

static struct store *store;
static struct worker_pool *pool;
static atomic_uint stored; /* puts that were committed */

UNUSED static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

UNUSED static void make_id(const char *prefix, unsigned n, char out[SFID_SIZE])
{
    char text[16];
    (void)snprintf(text, sizeof text, "%s%012u", prefix, n);
    assert_true(sfid_normalise(text, 15, out));
}

static void put_done(struct store_put *p)
{
    if (p->result == ERR_NONE)
        atomic_fetch_add(&stored, 1);
}

/* Notifications from … from + n - 1 in one message; durable when it returns. */
UNUSED static void put_members(struct fixture *x, unsigned from, unsigned n)
{
    struct store_item *items = mem_array(n, sizeof *items);
    for (unsigned i = 0; i < n; i++) {
        items[i] = (struct store_item){.kind = STORE_MEMBER, .object = "CampaignMember"};
        make_id("04l", from + i, items[i].notification_id);
        make_id("00v", from + i, items[i].record_id);
        make_id("701", from + i, items[i].campaign_id);
    }
    struct store_put p = {.items = items, .count = n, .done = put_done};
    memcpy(p.org, x->config.id, sizeof p.org);
    unsigned before = atomic_load(&stored);
    assert_int_equal(store_put(store, &p, &x->e), ERR_NONE);
    for (int waited = 0; atomic_load(&stored) == before; waited++) {
        assert_in_range(waited, 0, WAIT_MAX_MS);
        pause_ms(1);
    }
    free(items);
}

UNUSED static void open_store(struct fixture *x)
{
    char url[64];
    (void)snprintf(url, sizeof url, "sqlite:%s/queue.db", x->dir);
    const struct store_options o = {.url = url,
                                    .lease_ms = WORKER_LEASE_MS,
                                    .echo_ms = 900000,
                                    .keep_done_ms = INT64_C(14) * 86400000,
                                    .keep_failed_ms = INT64_C(90) * 86400000,
                                    .keep_ledger_ms = INT64_C(400) * 86400000,
                                    .put_queue_max = 100};
    assert_int_equal(store_open(&store, &o, &x->e), ERR_NONE);
}

UNUSED static void start_workers(struct fixture *x, unsigned threads)
{
    const struct worker_options o = {.store = store,
                                     .orgs = &x->org,
                                     .org_count = 1,
                                     .policy = &x->policy,
                                     .policy_fingerprint = "0",
                                     .threads = threads,
                                     .max_tries = 24,
                                     .max_delete_percent = 20,
                                     .lease_ms = WORKER_LEASE_MS};
    assert_int_equal(worker_start(&pool, &o, &x->e), ERR_NONE);
}

UNUSED static int close_all(void **state)
{
    struct fixture *x = *state;
    static const char *const files[] = {"queue.db", "queue.db-wal", "queue.db-shm", "queue.db.lock",
                                        "queue.db-lock"};
    worker_stop(&pool, WAIT_MAX_MS);
    store_close(&store);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[96];
        (void)snprintf(path, sizeof path, "%s/%s", x->dir, files[i]);
        (void)unlink(path); /* which of them are left is the store's business */
    }
    fixture_close(x);
    free(x);
    return 0;
}

#endif
