/*
 * A second thread that enters puts while the committer is at work. Only where much waits: it costs
 * a commit of its own, which many notifications outweigh, while a few do better in the committer's
 * next, larger batch.
 */
#include "store_int.h"

#include <errno.h>

#include "timeutil.h"

enum { HELP_NOTIFICATIONS = 200 };

bool store_queue_needs_help(const struct store_queue *q)
{
    return q->put_notifications >= HELP_NOTIFICATIONS && q->is_committing && !q->stopping;
}

bool store_queue_help(struct store_queue *q, struct store_batch *out, size_t notifications_max,
                      int64_t max_ms)
{
    struct timespec until = time_cond_after(max_ms);
    int rc = 0;
    *out = (struct store_batch){0};
    pthread_mutex_lock(&q->lock);
    q->helper_waits = true;
    while (rc != ETIMEDOUT && !store_queue_needs_help(q) && !q->stopping)
        rc = pthread_cond_timedwait(&q->help, &q->lock, &until);
    q->helper_waits = false;
    if (store_queue_needs_help(q))
        store_queue_cut(q, out, notifications_max, false);
    bool going_on = !q->stopping || out->puts != NULL;
    pthread_mutex_unlock(&q->lock);
    return going_on;
}

bool store_queue_rest(struct store_queue *q, int64_t ms)
{
    struct timespec until = time_cond_after(ms);
    int rc = 0;
    pthread_mutex_lock(&q->lock);
    while (rc != ETIMEDOUT && !q->stopping)
        rc = pthread_cond_timedwait(&q->help, &q->lock, &until);
    bool going_on = !q->stopping;
    pthread_mutex_unlock(&q->lock);
    return going_on;
}
