/*
 * All at once, for ThreadSanitizer and for the one promise that counts: no update is lost. Members
 * have a value that only grows; putters raise it and put a notification, new or resent; workers
 * read the values of a campaign and "write" them. Each time that the queue has run empty, all that
 * was written is what is true. That two workers never hold one campaign shows at once, and as a
 * data race on `written`.
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

#include "store_fixture.h"
#include "timeutil.h"

enum {
    CAMPAIGNS = 5, /* 1 … 4; 0 stands for hints that do not tell theirs */
    MEMBERS = 6,   /* of each */
    PUTTERS = 4,
    WORKERS = 4,
    EPOCHS = 60,    /* from empty queue to empty queue */
    PUTS = 5,       /* of each putter in an epoch */
    LOST_MOST = 3,  /* leases that are let run out, in the last epoch */
    PUT_BATCH = 3,  /* notifications in one put, at most */
    FIRST_NEW = 500 /* ids below are the members' own, sent again and again */
};

struct world {
    struct fixture *f;
    _Atomic unsigned truth[CAMPAIGNS][MEMBERS];
    unsigned written[CAMPAIGNS][MEMBERS]; /* owner: who holds `busy` of the campaign */
    atomic_bool busy[CAMPAIGNS];
    _Atomic unsigned next_id, lost, hints, claims;
    atomic_bool stop, may_lose;
    atomic_bool broken; /* an assertion of a thread failed */
};

struct actor {
    struct world *w;
    uint32_t random;
};

static unsigned draw(struct actor *a, unsigned below)
{
    a->random ^= a->random << 13;
    a->random ^= a->random >> 17;
    a->random ^= a->random << 5;
    return a->random % below;
}

/* Threads must not leave through cmocka. */
static void check(struct world *w, bool ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "%s\n", what);
    atomic_store(&w->broken, true);
}

/* ------------------------------------------------------------------ putters */

static unsigned member_number(unsigned campaign, unsigned member)
{
    return campaign * MEMBERS + member;
}

static void *put_many(void *arg)
{
    struct actor *a = arg;
    struct world *w = a->w;
    for (int i = 0; i < PUTS && !atomic_load(&w->broken); i++) {
        struct store_item items[PUT_BATCH];
        unsigned count = 1 + draw(a, PUT_BATCH);
        for (unsigned k = 0; k < count; k++) {
            unsigned campaign = 1 + draw(a, CAMPAIGNS - 1), member = draw(a, MEMBERS);
            bool tells = draw(a, 4) != 0;
            items[k] = member_item(member_number(campaign, member), tells ? campaign : 0);
            if (draw(a, 2) == 0)
                memcpy(items[k].notification_id,
                       id_of("04l", FIRST_NEW + atomic_fetch_add(&w->next_id, 1)), SFID_SIZE);
            atomic_fetch_add(&w->truth[campaign][member], 1);
        }
        struct put_result got = put_items(w->f, w->f->org, items, count);
        check(w, got.result == ERR_NONE, "a put failed");
        check(w, got.stored + got.duplicates == count, "a put lost an item");
    }
    return NULL;
}

/* ------------------------------------------------------------------ workers */

/* Which campaign and member an id names: its number is in characters 9 to 14. */
static unsigned number_of(const char *id)
{
    char digits[7];
    memcpy(digits, id + 9, 6);
    digits[6] = '\0';
    return (unsigned)strtoul(digits, NULL, 10);
}

static void settle(struct world *w, struct store_claim *c, const struct store_settle *x)
{
    struct store_settle part = *x;
    struct error e = {0};
    bool more = true;
    while (more) {
        enum err err = store_settle(w->f->store, c, &part, &more, &e);
        check(w, err == ERR_NONE, e.text);
        if (err != ERR_NONE)
            return;
        part.count = part.hint_count = 0;
    }
}

/* Hints that do not tell their campaign become hints that do. */
static void expand(struct world *w, struct store_claim *c)
{
    struct store_new_hint *hints = calloc(c->count, sizeof *hints);
    struct store_outcome *outcomes = calloc(c->count, sizeof *outcomes);
    char(*ids)[SFID_SIZE] = calloc(c->count, sizeof *ids);
    for (size_t i = 0; i < c->count; i++) {
        memcpy(ids[i], campaign_id(number_of(c->hints[i].record_id) / MEMBERS), SFID_SIZE);
        hints[i] = (struct store_new_hint){.kind = STORE_MEMBER,
                                           .campaign_id = ids[i],
                                           .record_id = c->hints[i].record_id,
                                           .subject_id = ""};
        outcomes[i] = (struct store_outcome){.row = c->hints[i].row, .verdict = STORE_APPLIED};
    }
    const struct store_settle x = {.outcomes = outcomes,
                                   .count = c->count,
                                   .hints = hints,
                                   .hint_count = c->count,
                                   .release = true};
    settle(w, c, &x);
    free(ids);
    free(outcomes);
    free(hints);
}

/* The members that a pass is about: all, or those that its hints name. */
static bool is_named(const struct store_claim *c, unsigned number)
{
    for (size_t i = 0; i < c->count; i++) {
        if (number_of(c->hints[i].record_id) == number)
            return true;
    }
    return false;
}

/* Reads, then writes; whatever is put in between must not be settled by this pass. */
static void read_and_write(struct world *w, struct store_claim *c, unsigned campaign, bool whole)
{
    unsigned truth[MEMBERS];
    struct error e = {0};
    for (unsigned m = 0; m < MEMBERS; m++)
        truth[m] = atomic_load(&w->truth[campaign][m]);
    check(w, store_write_begin(w->f->store, c, &e) == ERR_NONE, e.text);
    for (unsigned m = 0; m < MEMBERS; m++) {
        if (whole || is_named(c, member_number(campaign, m)))
            w->written[campaign][m] = truth[m];
    }
    check(w, store_write_end(w->f->store, c, NULL, 0, &e) == ERR_NONE, e.text);
}

static void sync_campaign(struct actor *a, struct store_claim *c, unsigned campaign)
{
    struct world *w = a->w;
    bool whole = draw(a, 3) == 0, retry = draw(a, 5) == 0, fail = draw(a, 10) == 0;
    enum store_verdict verdict = retry ? STORE_RETRY : fail ? STORE_FAIL : STORE_APPLIED;
    if (!retry)
        read_and_write(w, c, campaign, whole);
    struct store_outcome *outcomes = calloc(c->count, sizeof *outcomes);
    for (size_t i = 0; i < c->count; i++)
        outcomes[i] = (struct store_outcome){.row = c->hints[i].row,
                                             .verdict = verdict,
                                             .uncounted = draw(a, 2) == 0,
                                             .due_at_ms = wall_ms(w->f) + draw(a, 3)};
    const struct store_settle x = {
        .outcomes = outcomes, .count = c->count, .whole = whole && !retry, .release = true};
    atomic_store(&w->busy[campaign], false);
    settle(w, c, &x);
    free(outcomes);
}

static void run_claim(struct actor *a, struct store_claim *c)
{
    struct world *w = a->w;
    unsigned campaign = c->key[0] == '*' ? 0 : number_of(c->key);
    atomic_fetch_add(&w->claims, 1);
    atomic_fetch_add(&w->hints, (unsigned)c->count);
    check(w, !atomic_exchange(&w->busy[campaign], true), "two live leases on a campaign");
    if (atomic_load(&w->may_lose) && draw(a, 3) == 0 && atomic_fetch_add(&w->lost, 1) < LOST_MOST) {
        atomic_store(&w->busy[campaign], false); /* this worker dies */
    } else if (campaign == 0) {
        atomic_store(&w->busy[campaign], false);
        expand(w, c);
    } else {
        sync_campaign(a, c, campaign);
    }
    store_claim_free(&c);
}

static void *work(void *arg)
{
    struct actor *a = arg;
    struct world *w = a->w;
    while (!atomic_load(&w->stop)) {
        struct error e = {0};
        struct store_claim *c = NULL;
        check(w, store_claim(w->f->store, NULL, &c, &e) == ERR_NONE, e.text);
        if (c != NULL)
            run_claim(a, c);
        else
            store_wait(w->f->store, PATIENCE_S * 1000);
    }
    return NULL;
}

/* ------------------------------------------------------------------ who else is there */

static void *look_on(void *arg)
{
    struct world *w = arg;
    struct error e = {0};
    while (!atomic_load(&w->stop)) {
        struct store_org_stats stats[2];
        struct store_hold holds[2];
        size_t n;
        bool more;
        check(w, store_stats(w->f->store, stats, 2, &n, &e) == ERR_NONE, e.text);
        check(w, n == 0 || (stats[0].ready >= 0 && stats[0].leased >= 0), "a count is negative");
        check(w, store_hold_list(w->f->store, holds, 2, &n, &e) == ERR_NONE, e.text);
        check(w, store_probe(w->f->store, &e) == ERR_NONE, e.text);
        check(w, store_retain(w->f->store, &more, &e) == ERR_NONE, e.text);
        const struct timespec pause = {.tv_nsec = 2000000};
        (void)nanosleep(&pause, NULL);
    }
    return NULL;
}

static void check_all_written(struct world *w)
{
    for (unsigned c = 1; c < CAMPAIGNS; c++) {
        for (unsigned m = 0; m < MEMBERS; m++)
            check(w, w->written[c][m] == atomic_load(&w->truth[c][m]), "an update is lost");
    }
}

static void run_putters(struct world *w, uint32_t epoch)
{
    struct actor putters[PUTTERS];
    pthread_t threads[PUTTERS];
    for (uint32_t i = 0; i < PUTTERS; i++) {
        putters[i] = (struct actor){w, 77 + i + epoch * PUTTERS};
        assert_int_equal(pthread_create(&threads[i], NULL, put_many, &putters[i]), 0);
    }
    for (size_t i = 0; i < PUTTERS; i++)
        pthread_join(threads[i], NULL);
}

/* This thread is one more worker, so that it waits when there is nothing to do. */
static void until_empty(struct world *w)
{
    struct actor me = {w, 4711};
    int64_t give_up = time_boot_ms() + 2 * PATIENCE_S * 1000;
    for (;;) {
        struct store_claim *c = claim_any(w->f);
        struct store_org_stats now = stats_of(w->f, w->f->org);
        check(w, time_boot_ms() < give_up, "the queue does not get empty");
        if (atomic_load(&w->broken)) {
            store_claim_free(&c);
            return;
        }
        if (c != NULL)
            run_claim(&me, c);
        else if (now.ready + now.leased == 0)
            return;
        else
            store_wait(w->f->store, PATIENCE_S * 1000);
    }
}

static void stop(struct world *w, pthread_t *threads, size_t n)
{
    atomic_store(&w->stop, true);
    store_wake(w->f->store);
    for (size_t i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
}

static void no_update_is_lost(void **state)
{
    static struct world w;
    struct actor workers[WORKERS];
    pthread_t threads[WORKERS + 1];
    w.f = *state;
    for (uint32_t i = 0; i < WORKERS; i++) {
        workers[i] = (struct actor){&w, 1000 + i};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    assert_int_equal(pthread_create(&threads[WORKERS], NULL, look_on, &w), 0);
    for (uint32_t epoch = 0; epoch < EPOCHS && !atomic_load(&w.broken); epoch++) {
        run_putters(&w, epoch);
        until_empty(&w);
        check_all_written(&w);
    }
    atomic_store(&w.may_lose, true);
    run_putters(&w, EPOCHS);
    stop(&w, threads, WORKERS + 1);
    atomic_store(&w.may_lose, false);
    shift(w.f, LEASE_MS); /* only those of the dead are left */
    until_empty(&w);
    check_all_written(&w);
    assert_false(atomic_load(&w.broken));
    struct store_org_stats end = stats_of(w.f, w.f->org);
    assert_true(end.done + end.failed >= atomic_load(&w.next_id)); /* and what came again */
    print_message("%u ids, %u claims of %u hints, %u lost\n", atomic_load(&w.next_id),
                  atomic_load(&w.claims), atomic_load(&w.hints), atomic_load(&w.lost));
}

int main(void)
{
    fixture_may_go_ahead = true;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_update_is_lost, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
