/*
 * Ahead of the committer: where puts come faster than it takes them, or it is at work on something
 * long, a second thread writes them to the intake log, which is one write and one sync of a file
 * that does not grow, and acknowledges them. They enter the database within some 50 ms,
 * hundreds or thousands in one transaction, which costs a fraction of as many small ones, and no
 * Ack waits for it.
 *
 *     few puts  ──▶ committer ─▶ database ─▶ done()
 *     many puts ──▶ log, sync ─▶ done()
 *                    └▶ logged list ──▶ committer ─▶ database
 *
 * As long as something is logged all puts take the second way, so that the first is found again
 * only when there is time. The order in which two equal notifications enter does not matter: each
 * is a hint, and what enters later than it came is looked at later (protocol rules 2 and 6).
 */
#include "queue_ahead.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "timeutil.h"

enum { FOR_EVER_MS = 3600 * 1000 };

void store_ahead_init(struct store_ahead *a)
{
    *a = (struct store_ahead){.crowd = AHEAD_CROWD};
    a->last = &a->first;
    time_cond_init(&a->work);
    time_cond_init(&a->moved);
}

void store_logged_free(struct store_logged **l)
{
    if (*l != NULL)
        free((*l)->orgs);
    free(*l);
    *l = NULL;
}

/* What has not entered is in the file. */
void store_ahead_release(struct store_ahead *a)
{
    for (struct store_logged *l = a->first, *next; l != NULL; l = next) {
        next = l->next;
        store_logged_free(&l);
    }
    pthread_cond_destroy(&a->work);
    pthread_cond_destroy(&a->moved);
}

/* ------------------------------------------------------------------ whose is what */

static bool is_crowded(const struct store_queue *q, int64_t now_boot_ms)
{
    return q->put_count >= q->ahead.crowd || q->put_notifications >= AHEAD_CROWD_NOTIFICATIONS ||
           (q->is_committing && now_boot_ms - q->put_first->queued_boot_ms > AHEAD_WAIT_MS);
}

/* Whether the log would take them, were there one. */
static bool would_take(const struct store_queue *q, int64_t now_boot_ms)
{
    const struct store_ahead *a = &q->ahead;
    return a->runs && q->put_first != NULL && q->put_first->may_go_ahead &&
           a->notifications < AHEAD_LOGGED_MAX && (a->first != NULL || is_crowded(q, now_boot_ms));
}

bool store_ahead_takes(const struct store_queue *q, int64_t now_boot_ms)
{
    return q->ahead.usable && would_take(q, now_boot_ms);
}

bool store_ahead_is_due(const struct store_queue *q, int64_t now_boot_ms, int64_t *in_ms)
{
    const struct store_ahead *a = &q->ahead;
    if (a->first == NULL)
        return false;
    int64_t at = a->first->logged_boot_ms + AHEAD_ENTER_AFTER_MS;
    if (a->added_boot_ms + AHEAD_QUIET_MS < at)
        at = a->added_boot_ms + AHEAD_QUIET_MS;
    if (q->stopping || !a->usable || a->readers > 0 || a->notifications >= AHEAD_ENTER_AT)
        at = now_boot_ms;
    if (at < a->enter_boot_ms)
        at = a->enter_boot_ms;
    if (at - now_boot_ms < *in_ms)
        *in_ms = at - now_boot_ms;
    return at <= now_boot_ms;
}

/* ------------------------------------------------------------------ the thread's side */

static bool is_to_be_opened(const struct store_queue *q, int64_t now)
{
    const struct store_ahead *a = &q->ahead;
    return !a->usable && !a->wants_reset && !q->stopping && now >= a->open_boot_ms &&
           q->refusal.kind == ERR_NONE && would_take(q, now);
}

/* Also when it was not needed for a while, so that what people had is not there for longer. */
static bool is_to_be_removed(const struct store_ahead *a, int64_t now)
{
    bool is_idle = a->usable && now - a->added_boot_ms >= AHEAD_IDLE_MS;
    return a->first == NULL && (a->wants_reset || is_idle);
}

static void wait(struct store_queue *q)
{
    /* With a put under way to a committer that is at work its age decides. */
    bool looks_again = q->is_committing && q->put_first != NULL;
    struct timespec until = time_cond_after(looks_again       ? AHEAD_WAIT_MS
                                            : q->ahead.usable ? AHEAD_IDLE_MS
                                                              : FOR_EVER_MS);
    (void)pthread_cond_timedwait(&q->ahead.work, &q->lock, &until);
}

static enum store_ahead_turn turn(struct store_queue *q, struct store_put **puts)
{
    for (;; wait(q)) {
        int64_t now = time_boot_ms();
        if (store_ahead_takes(q, now)) {
            if (q->is_busy)
                store_queue_gather(q, &q->ahead.work);
            struct store_batch b = {0};
            store_queue_cut(q, &b, AHEAD_BATCH_MAX, true);
            *puts = b.puts;
            if (q->put_first != NULL && !store_ahead_takes(q, now))
                pthread_cond_signal(&q->work); /* what is left is the committer's */
            if (b.puts != NULL)                /* else the committer was quicker */
                return AHEAD_LOG;
        }
        if (is_to_be_opened(q, now))
            return AHEAD_OPEN;
        if (is_to_be_removed(&q->ahead, now)) {
            q->ahead.usable = false;
            return AHEAD_RESET;
        }
        if (q->stopping)
            return AHEAD_STOP;
    }
}

enum store_ahead_turn store_ahead_wait(struct store_queue *q, struct store_put **puts)
{
    pthread_mutex_lock(&q->lock);
    enum store_ahead_turn t = turn(q, puts);
    pthread_mutex_unlock(&q->lock);
    return t;
}

void store_ahead_opened(struct store_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->ahead.usable = !q->ahead.wants_reset; /* which may have come meanwhile */
    q->ahead.added_boot_ms = time_boot_ms();
    pthread_cond_broadcast(&q->ahead.moved);
    pthread_mutex_unlock(&q->lock);
}

void store_ahead_failed(struct store_queue *q, int64_t retry_ms)
{
    pthread_mutex_lock(&q->lock);
    q->ahead.usable = false;
    q->ahead.wants_reset = true;
    q->ahead.open_boot_ms = time_boot_ms() + retry_ms;
    pthread_cond_signal(&q->work); /* the puts are the committer's */
    pthread_mutex_unlock(&q->lock);
}

void store_ahead_removed(struct store_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->ahead.wants_reset = false;
    pthread_mutex_unlock(&q->lock);
}

void store_ahead_logged(struct store_queue *q, struct store_logged *logged)
{
    struct store_ahead *a = &q->ahead;
    logged->next = NULL;
    logged->logged_boot_ms = time_boot_ms();
    pthread_mutex_lock(&q->lock);
    a->added_boot_ms = logged->logged_boot_ms;
    bool was_due = a->notifications >= AHEAD_ENTER_AT;
    bool was_empty = a->first == NULL;
    *a->last = logged;
    a->last = &logged->next;
    a->notifications += logged->notifications;
    if (was_empty || was_due != (a->notifications >= AHEAD_ENTER_AT))
        pthread_cond_signal(&q->work);
    pthread_mutex_unlock(&q->lock);
}

int64_t store_ahead_last_entered(struct store_queue *q)
{
    pthread_mutex_lock(&q->lock);
    int64_t entered = q->ahead.entered;
    pthread_mutex_unlock(&q->lock);
    return entered;
}

void store_ahead_give_back(struct store_queue *q, struct store_put *puts)
{
    assert(puts != NULL);
    struct store_put **end = &puts->next;
    pthread_mutex_lock(&q->lock);
    for (struct store_put *p = puts; p != NULL; p = p->next) {
        p->may_go_ahead = false;
        p->received_at_ms = 0;
        q->put_count++;
        q->put_notifications += p->count;
        end = &p->next;
    }
    *end = q->put_first;
    if (q->put_first == NULL)
        q->put_last = end;
    q->put_first = puts;
    pthread_cond_signal(&q->work);
    pthread_mutex_unlock(&q->lock);
}

void store_ahead_ended(struct store_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->ahead.runs = q->ahead.usable = false;
    pthread_cond_signal(&q->work);
    pthread_mutex_unlock(&q->lock);
}

/* ------------------------------------------------------------------ the committer's side */

void store_ahead_entered(struct store_queue *q, size_t count)
{
    struct store_ahead *a = &q->ahead;
    if (count == 0)
        return;
    pthread_mutex_lock(&q->lock);
    for (; count > 0; count--) {
        struct store_logged *l = a->first;
        assert(l != NULL);
        a->notifications -= l->notifications;
        a->entered = l->number;
        a->first = l->next;
        store_logged_free(&l);
    }
    if (a->first == NULL)
        a->last = &a->first;
    if (a->first == NULL || q->put_first != NULL)
        pthread_cond_signal(&a->work); /* the file may be wanted away; or there is room for a put */
    pthread_cond_broadcast(&a->moved);
    pthread_mutex_unlock(&q->lock);
}

void store_ahead_put_off(struct store_queue *q, int64_t ms)
{
    pthread_mutex_lock(&q->lock);
    q->ahead.enter_boot_ms = time_boot_ms() + ms;
    pthread_cond_signal(&q->work);
    pthread_mutex_unlock(&q->lock);
}

void store_ahead_reset(struct store_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->ahead.usable = false;
    q->ahead.wants_reset = q->ahead.runs;
    pthread_cond_signal(&q->ahead.work);
    pthread_mutex_unlock(&q->lock);
}

/* ------------------------------------------------------------------ who looks on */

/* The row of that org, made if it is missing. NULL: there is no room. */
static struct store_org_stats *stats_of(struct store_org_stats *out, size_t max, size_t *count,
                                        const char *org)
{
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(out[i].org, org) == 0)
            return &out[i];
    }
    if (*count >= max)
        return NULL;
    struct store_org_stats *o = &out[(*count)++];
    *o = (struct store_org_stats){.oldest_due_received_at_ms = TIME_NONE};
    memcpy(o->org, org, SFID_SIZE);
    return o;
}

bool store_ahead_count(struct store_queue *q, int64_t logged, struct store_org_stats *out,
                       size_t max, size_t *count)
{
    pthread_mutex_lock(&q->lock);
    bool fits = q->ahead.entered <= logged;
    for (const struct store_logged *l = q->ahead.first; l != NULL; l = l->next) {
        for (size_t i = 0; i < l->org_count && l->number > logged; i++) {
            struct store_org_stats *o = stats_of(out, max, count, l->orgs[i].org);
            if (o != NULL)
                o->ready += (int64_t)l->orgs[i].notifications;
        }
    }
    pthread_mutex_unlock(&q->lock);
    return fits;
}

bool store_ahead_catch_up(struct store_queue *q)
{
    struct store_ahead *a = &q->ahead;
    bool has_entered = true;
    pthread_mutex_lock(&q->lock);
    if (a->first != NULL) {
        const struct store_logged *newest = a->first;
        while (newest->next != NULL)
            newest = newest->next;
        int64_t number = newest->number;
        struct timespec until = time_cond_after(AHEAD_READER_WAITS_MS);
        int rc = 0;
        a->readers++;
        pthread_cond_signal(&q->work);
        while (a->entered < number && rc != ETIMEDOUT)
            rc = pthread_cond_timedwait(&a->moved, &q->lock, &until);
        a->readers--;
        has_entered = a->entered >= number;
    }
    pthread_mutex_unlock(&q->lock);
    return has_entered;
}
