/*
 * The queue between the callers' threads and a committer: puts are handed over and forgotten,
 * requests are waited for. Puts are bounded in number, and refused while the oldest of them waits
 * for too long: a disk that stalls then costs its senders a 503 at once, not a time-out. Requests
 * have their own list, so that a flood of puts never delays the workers; each caller waits for its
 * own one, so that list is as long as there are threads. Documents for the quarantine have a third,
 * which nobody waits for.
 */
#include "queue_ahead.h"

#include <assert.h>
#include <errno.h>

#include "timeutil.h"

enum {
    DOCUMENTS_WAIT_MAX = 4 << 20,
    GATHERED_NOTIFICATIONS = 200,
};

/* A commit costs some 150 µs of CPU (a sync 125) and a flush of the disk, however many puts it
 * takes. So where puts come so thick that the last batch had `busy`, the next one is given a moment
 * to grow, unless it is large already: about as long as a flush takes. Nobody waits for it where
 * there are fewer. */
struct gathering {
    size_t busy, puts;
    long us;
};
/* Of the committer, while whose commits, which take longer, the next batch grows anyway. */
static const struct gathering DIRECT = {.busy = 4, .puts = 24, .us = 400};
static const struct gathering AHEAD = {.busy = 12, .puts = 40, .us = 600};

void store_queue_init(struct store_queue *q, size_t put_max)
{
    pthread_mutex_init(&q->lock, NULL);
    time_cond_init(&q->work);
    time_cond_init(&q->help);
    pthread_cond_init(&q->answered, NULL);
    q->put_first = NULL;
    q->put_last = &q->put_first;
    q->put_count = q->put_notifications = 0;
    q->put_max = put_max;
    q->is_busy = q->is_committing = q->helper_waits = false;
    q->gathers = 0;
    store_ahead_init(&q->ahead);
    q->request_first = NULL;
    q->request_last = &q->request_first;
    q->document_first = NULL;
    q->document_last = &q->document_first;
    q->document_bytes = 0;
    q->stopping = false;
    q->refusal = (struct error){.kind = ERR_NONE};
}

void store_queue_release(struct store_queue *q)
{
    assert(q->put_first == NULL && q->request_first == NULL && q->document_first == NULL);
    store_ahead_release(&q->ahead);
    pthread_cond_destroy(&q->answered);
    pthread_cond_destroy(&q->help);
    pthread_cond_destroy(&q->work);
    pthread_mutex_destroy(&q->lock);
}

static bool is_enough(const struct store_queue *q)
{
    return q->put_count >= q->gathers || q->put_notifications >= GATHERED_NOTIFICATIONS;
}

static enum err admit(const struct store_queue *q, int64_t now_boot_ms, struct error *e)
{
    const struct store_put *oldest = q->put_first;
    const struct store_logged *logged = q->ahead.first;
    if (q->stopping)
        return error_set(e, ERR_STOPPED, "the store is closing");
    if (q->refusal.kind != ERR_NONE)
        return error_set(e, q->refusal.kind, "%s", q->refusal.text);
    if (q->put_count >= q->put_max)
        return error_set(e, ERR_BUSY, "%zu messages wait for the disk already", q->put_count);
    if (oldest != NULL && now_boot_ms - oldest->queued_boot_ms >= STORE_PUT_WAIT_MAX_MS)
        return error_set(e, ERR_BUSY, "messages have waited for the disk for %lld ms",
                         (long long)(now_boot_ms - oldest->queued_boot_ms));
    if (logged != NULL && time_boot_ms() - logged->logged_boot_ms >= STORE_PUT_WAIT_MAX_MS)
        return error_set(e, ERR_BUSY,
                         "what was acknowledged has not entered the database for "
                         "%lld ms",
                         (long long)(time_boot_ms() - logged->logged_boot_ms));
    return ERR_NONE;
}

/* Wakes whose the puts are that wait. A committer that is at work looks by itself afterwards; the
 * other thread is to know from when on the first of them waits. */
static void wake(struct store_queue *q, int64_t now_boot_ms)
{
    if (!is_enough(q)) /* of what is gathered */
        return;
    bool may_matter_ahead = q->ahead.runs && (q->put_count == 1 || !q->ahead.usable);
    if (store_ahead_takes(q, now_boot_ms) || (q->is_committing && may_matter_ahead))
        pthread_cond_signal(&q->ahead.work);
    else if (!q->is_committing)
        pthread_cond_signal(&q->work);
    else if (q->helper_waits && store_queue_needs_help(q))
        pthread_cond_signal(&q->help);
}

enum err store_queue_put(struct store_queue *q, struct store_put *p, int64_t now_boot_ms,
                         struct error *e)
{
    pthread_mutex_lock(&q->lock);
    enum err err = admit(q, now_boot_ms, e);
    if (err == ERR_NONE) {
        p->next = NULL;
        p->queued_boot_ms = now_boot_ms;
        *q->put_last = p;
        q->put_last = &p->next;
        q->put_count++;
        q->put_notifications += p->count;
        wake(q, now_boot_ms);
    }
    pthread_mutex_unlock(&q->lock);
    return err;
}

enum err store_queue_probe(struct store_queue *q, int64_t now_boot_ms, struct error *e)
{
    pthread_mutex_lock(&q->lock);
    enum err err = admit(q, now_boot_ms, e);
    pthread_mutex_unlock(&q->lock);
    return err;
}

bool store_queue_document(struct store_queue *q, struct store_document *d)
{
    size_t bytes = sizeof *d + d->n;
    pthread_mutex_lock(&q->lock);
    bool fits = !q->stopping && q->document_bytes + bytes <= DOCUMENTS_WAIT_MAX;
    if (fits) {
        d->next = NULL;
        *q->document_last = d;
        q->document_last = &d->next;
        q->document_bytes += bytes;
        pthread_cond_signal(&q->work);
    }
    pthread_mutex_unlock(&q->lock);
    return fits;
}

void store_queue_call(struct store_queue *q, struct store_request *r)
{
    pthread_mutex_lock(&q->lock);
    if (q->stopping) {
        r->result = error_set(&r->error, ERR_STOPPED, "the store is closing");
    } else {
        r->answered = false;
        r->next = NULL;
        *q->request_last = r;
        q->request_last = &r->next;
        pthread_cond_signal(&q->work);
        while (!r->answered)
            pthread_cond_wait(&q->answered, &q->lock);
    }
    pthread_mutex_unlock(&q->lock);
}

void store_queue_refuse(struct store_queue *q, const struct error *why)
{
    static const struct error none = {.kind = ERR_NONE};
    pthread_mutex_lock(&q->lock);
    q->refusal = none;
    if (why != NULL)
        q->refusal = *why;
    pthread_mutex_unlock(&q->lock);
}

void store_queue_refusal(struct store_queue *q, struct error *out)
{
    pthread_mutex_lock(&q->lock);
    *out = q->refusal;
    pthread_mutex_unlock(&q->lock);
}

void store_queue_stop(struct store_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->stopping = true;
    q->ahead.enter_boot_ms = 0; /* what failed to enter is tried once more */
    pthread_cond_broadcast(&q->work);
    pthread_cond_broadcast(&q->help);
    pthread_cond_broadcast(&q->ahead.work);
    pthread_cond_broadcast(&q->ahead.moved);
    pthread_mutex_unlock(&q->lock);
}

void store_queue_cut(struct store_queue *q, struct store_batch *out, size_t notifications_max,
                     bool ahead)
{
    struct store_put **end = &q->put_first;
    size_t puts = 0, logged = out->notifications;
    while (*end != NULL && (!ahead || (*end)->may_go_ahead) &&
           (out->puts == NULL || out->notifications + (*end)->count <= notifications_max)) {
        out->puts = q->put_first;
        out->notifications += (*end)->count;
        q->put_count--;
        puts++;
        end = &(*end)->next;
    }
    q->put_notifications -= out->notifications - logged;
    q->is_busy = puts >= (ahead ? &AHEAD : &DIRECT)->busy;
    struct store_put *rest = *end;
    *end = NULL;
    q->put_first = rest;
    if (rest == NULL)
        q->put_last = &q->put_first;
}

static void take_document(struct store_queue *q, struct store_batch *out)
{
    struct store_document *d = q->document_first;
    if (d == NULL)
        return;
    out->document = d;
    q->document_bytes -= sizeof *d + d->n;
    q->document_first = d->next;
    if (d->next == NULL)
        q->document_last = &q->document_first;
}

static struct timespec after_us(long us)
{
    struct timespec at = time_cond_after(0);
    at.tv_nsec += us * 1000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_nsec -= 1000000000;
        at.tv_sec++;
    }
    return at;
}

/* A worker that waits for its request is not kept waiting. */
void store_queue_gather(struct store_queue *q, pthread_cond_t *work)
{
    bool is_committer = work == &q->work;
    const struct gathering *g = is_committer ? &DIRECT : &AHEAD;
    struct timespec until = after_us(g->us);
    int rc = 0;
    q->gathers = g->puts;
    while (rc != ETIMEDOUT && !(is_committer && q->request_first != NULL) && !is_enough(q) &&
           !q->stopping)
        rc = pthread_cond_timedwait(work, &q->lock, &until);
    q->gathers = 0;
}

/* What the committer finds. */
struct finding {
    bool puts, logged;
    int64_t in_ms; /* something may be found by waiting so long */
};

static struct finding look(const struct store_queue *q, int64_t max_ms)
{
    int64_t now = time_boot_ms();
    struct finding f = {.in_ms = max_ms};
    f.puts = q->put_first != NULL && !store_ahead_takes(q, now);
    f.logged = store_ahead_is_due(q, now, &f.in_ms);
    return f;
}

static bool is_something(const struct store_queue *q, const struct finding *f)
{
    return f->puts || f->logged || q->request_first != NULL || q->document_first != NULL;
}

/* Nobody hands anything in any more. */
static bool is_over(const struct store_queue *q)
{
    return q->stopping && !q->ahead.runs;
}

static void take_logged(struct store_queue *q, struct store_batch *out)
{
    const struct store_logged *l = out->logged = q->ahead.first;
    for (; l != NULL && out->notifications < AHEAD_ENTER_MAX; l = l->next) {
        out->notifications += l->notifications;
        out->logged_count++;
    }
}

bool store_queue_take(struct store_queue *q, struct store_batch *out, size_t notifications_max,
                      int64_t max_ms)
{
    int64_t end = time_boot_ms() + max_ms, left = max_ms;
    *out = (struct store_batch){0};
    pthread_mutex_lock(&q->lock);
    q->is_committing = false;
    struct finding f = look(q, left);
    while (!is_something(q, &f) && !is_over(q) && left > 0) {
        struct timespec until = time_cond_after(f.in_ms);
        (void)pthread_cond_timedwait(&q->work, &q->lock, &until);
        left = end - time_boot_ms();
        f = look(q, left);
    }
    if (f.puts && q->is_busy)
        store_queue_gather(q, &q->work);
    out->requests = q->request_first;
    q->request_first = NULL;
    q->request_last = &q->request_first;
    if (f.logged)
        take_logged(q, out);
    if (f.puts)
        store_queue_cut(q, out, notifications_max, false);
    take_document(q, out);
    q->is_committing = true;
    if (q->helper_waits && store_queue_needs_help(q))
        pthread_cond_signal(&q->help);
    bool going_on = !is_over(q) || out->requests != NULL || out->logged_count > 0 ||
                    out->puts != NULL || out->document != NULL;
    pthread_mutex_unlock(&q->lock);
    return going_on;
}

bool store_queue_is_stopping(struct store_queue *q)
{
    pthread_mutex_lock(&q->lock);
    bool stopping = q->stopping;
    pthread_mutex_unlock(&q->lock);
    return stopping;
}

void store_hand_back(struct store_put *puts)
{
    for (struct store_put *p = puts, *next; p != NULL; p = next) {
        next = p->next;
        p->more = next != NULL && next->done == p->done;
        p->done(p);
    }
}

void store_queue_answer(struct store_queue *q, struct store_request *requests)
{
    if (requests == NULL)
        return;
    pthread_mutex_lock(&q->lock);
    for (struct store_request *r = requests, *next; r != NULL; r = next) {
        next = r->next;
        r->answered = true;
    }
    pthread_cond_broadcast(&q->answered);
    pthread_mutex_unlock(&q->lock);
}
