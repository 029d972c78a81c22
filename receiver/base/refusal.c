/*
 * One gate a reason. Like the log and the metrics that it joins, it is the process's, not a
 * listener's: an admin reads one log.
 */
#include "refusal.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "log.h"
#include "metrics.h"
#include "timeutil.h"

enum { WINDOW_MS = 10000 };

static const struct {
    const char *reason, *what;
    unsigned lines;
} TABLE[REFUSAL_COUNT] = {
#define X(id, reason_, lines_, what_) [id] = {reason_, what_, lines_},
    REFUSALS(X)
#undef X
};

struct gate {
    struct metric_series *series;
    int64_t window_ends_ms; /* boot time */
    unsigned logged;        /* in this window */
    unsigned long long left_out;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct gate gates[REFUSAL_COUNT]; /* guarded by lock */

const char *refusal_reason(enum refusal why)
{
    return TABLE[why].reason;
}

/* Under lock. */
static struct metric_series *series_of(enum refusal why)
{
    if (gates[why].series == NULL)
        gates[why].series = metric_series(METRIC_REFUSED, TABLE[why].reason);
    return gates[why].series;
}

/* True if this one is logged; *left_out is how many were not since the last that was. */
static bool pass(enum refusal why, unsigned long long *left_out)
{
    struct gate *g = &gates[why];
    int64_t now = time_boot_ms();
    pthread_mutex_lock(&lock);
    metric_add(series_of(why), 1);
    if (now >= g->window_ends_ms) {
        g->window_ends_ms = now + WINDOW_MS;
        g->logged = 0;
    }
    bool passes = g->logged < TABLE[why].lines;
    *left_out = g->left_out;
    g->logged += passes;
    g->left_out = passes ? 0 : g->left_out + 1;
    pthread_mutex_unlock(&lock);
    return passes;
}

void refusal_tell(enum refusal why, const struct refusal_detail *d)
{
    unsigned long long left_out;
    char event[32];
    if (!pass(why, &left_out))
        return;
    (void)snprintf(event, sizeof event, "%s refused", TABLE[why].what);
    log_warn(event, "reason", TABLE[why].reason, "status",
             d->status == 0 ? NULL : log_num(d->status), "result", d->result, "org", d->org, "peer",
             d->peer == NULL || d->peer[0] == '\0' ? NULL : d->peer, "certificate", d->certificate,
             "text", d->text, "left_out_before",
             left_out == 0 ? NULL : log_num((long long)left_out), NULL);
}

void refusal_flush(void)
{
    int64_t now = time_boot_ms();
    for (size_t i = 0; i < REFUSAL_COUNT; i++) {
        struct gate *g = &gates[i];
        pthread_mutex_lock(&lock);
        (void)series_of((enum refusal)i); /* shown as 0 before its first, so that rates are right */
        unsigned long long left_out = now >= g->window_ends_ms ? g->left_out : 0;
        g->left_out -= left_out;
        pthread_mutex_unlock(&lock);
        if (left_out > 0)
            log_warn("refusals left out of the log", "reason", TABLE[i].reason, "count",
                     log_num((long long)left_out), NULL);
    }
}
