#define _GNU_SOURCE
/*
 * Chores on main's thread: the watchdog, keys of session tickets, what was left out of the log; and
 * the gauges, set on the admin's thread as they are asked for. None of them waits for the org, and
 * those of main not for the store either.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "log.h"
#include "metrics.h"
#include "daemon.h"
#include "refusal.h"
#include "timeutil.h"

enum { CROWD = 512 };
enum {
    RANGES_EACH_MS = 86400000,
    TICKETS_EACH_MS = 60000,
    WATCHDOG_EACH_MS = 5000,
    ORGS_MAX = 256,
    HOLDS_MAX = 100
};

static bool is_due(int64_t *next_boot_ms, int64_t each_ms)
{
    int64_t now = time_boot_ms();
    if (now < *next_boot_ms)
        return false;
    *next_boot_ms = now + each_ms;
    return true;
}

static void set_queue_gauges(const struct store_org_stats *s)
{
    int64_t now = time_wall_ms(), oldest = s->oldest_due_received_at_ms;
    double age = oldest == TIME_NONE || oldest > now ? 0 : (double)(now - oldest) / 1000;
    metric_set(metric_series(METRIC_QUEUE_NOTIFICATIONS, s->org, "ready"), (double)s->ready);
    metric_set(metric_series(METRIC_QUEUE_NOTIFICATIONS, s->org, "leased"), (double)s->leased);
    metric_set(metric_series(METRIC_QUEUE_NOTIFICATIONS, s->org, "failed"), (double)s->failed);
    metric_set(metric_series(METRIC_QUEUE_OLDEST, s->org), age);
}

static void set_holds_gauge(const struct generation *g)
{
    static struct store_hold holds[HOLDS_MAX]; /* the admin's thread only */
    struct error e;
    size_t count = 0;
    if (store_hold_list(g->daemon->store, holds, HOLDS_MAX, &count, &e) != ERR_NONE)
        return; /* readiness says what is wrong with the store */
    for (size_t i = 0; i < g->config->org_count; i++) {
        double held = 0;
        for (size_t k = 0; k < count; k++)
            held += config_org_by_id(g->config, holds[k].org) == &g->config->orgs[i];
        metric_set(metric_series(METRIC_HELD_PASSES, g->config->orgs[i].id), held);
    }
}

/* Certificates of one name (RSA and ECDSA side by side) share a series: the first to expire. */
static void set_certificate_gauges(const struct tls_server *tls)
{
    size_t count = tls_server_certificate_count(tls);
    for (size_t i = 0; i < count; i++) {
        const char *name, *other;
        int64_t first_ms = tls_server_expires_at_ms(tls, i, &name);
        for (size_t k = 0; k < count; k++) {
            int64_t at_ms = tls_server_expires_at_ms(tls, k, &other);
            if (strcmp(name, other) == 0 && at_ms < first_ms)
                first_ms = at_ms;
        }
        metric_set(metric_series(METRIC_CERTIFICATE_EXPIRY, name),
                   (double)(first_ms - time_wall_ms()) / 1000);
    }
}

static void set_reconcile_ages(const struct generation *g)
{
    for (size_t i = 0; i < g->config->org_count; i++) {
        const char *org = g->config->orgs[i].id;
        char text[TIME_TEXT_MAX];
        struct error e;
        int64_t at_ms;
        if (store_cursor_get(g->daemon->store, org, RECONCILE_DONE, text, sizeof text, &e) ==
                ERR_NONE &&
            time_parse_datetime(text, strlen(text), &at_ms))
            metric_set(metric_series(METRIC_RECONCILE_AGE, org),
                       (double)(time_wall_ms() - at_ms) / 1000);
    }
}

static void set_node_gauges(const struct daemon *d)
{
    char host[64] = "", node[80];
    unsigned rank, nodes;
    (void)gethostname(host, sizeof host - 1);
    const char *port = strrchr(listener_address(d->intake_listener), ':');
    (void)snprintf(node, sizeof node, "%s%s", host, port != NULL ? port : "");
    metric_set(metric_series(METRIC_BUILD_INFO, TP_VERSION, node), 1);
    store_place(d->store, &rank, &nodes);
    metric_set(metric_series(METRIC_NODES), nodes);
}

void janitor_set_gauges(void *generation)
{
    const struct generation *g = generation;
    struct store_org_stats stats[ORGS_MAX];
    struct error e;
    size_t count = 0;
    if (store_stats(g->daemon->store, stats, ORGS_MAX, &count, &e) == ERR_NONE) {
        for (size_t i = 0; i < g->config->org_count;
             i++) { /* an org without rows has zeroes, not silence */
            struct store_org_stats none = {.oldest_due_received_at_ms = TIME_NONE};
            const struct store_org_stats *found = &none;
            for (size_t k = 0; k < count; k++)
                found = config_org_by_id(g->config, stats[k].org) == &g->config->orgs[i] ? &stats[k]
                                                                                         : found;
            struct store_org_stats row = *found;
            (void)sfid_normalise(g->config->orgs[i].id, SFID_LEN, row.org);
            set_queue_gauges(&row);
        }
    }
    set_certificate_gauges(g->tls);
    set_node_gauges(g->daemon);
    set_holds_gauge(g);
    set_reconcile_ages(g);
}

/* After a crowd of connections the C library keeps their memory, in pieces that it could give back:
 * it does so when told. */
static void give_back_memory(const struct listener *l)
{
    static unsigned most; /* open at once since the last time; main's thread only */
    unsigned open = listener_connections(l), peak = listener_take_peak(l);
    most = peak > most ? peak : most;
    if (most < CROWD || open > most / 2)
        return;
    most = open;
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}

void janitor_turn(const struct daemon *d)
{
    static int64_t watchdog_at, tickets_at, ranges_at; /* main's thread only */
    if (ranges_at == 0)
        (void)is_due(&ranges_at, RANGES_EACH_MS); /* the start has looked */
    else if (is_due(&ranges_at, RANGES_EACH_MS))
        generation_warn_of_old_ranges(d->now);
    refusal_flush();
    if (is_due(&tickets_at, TICKETS_EACH_MS))
        tls_tickets_turn(d->tickets);
    give_back_memory(d->intake_listener);
    if (is_due(&watchdog_at, WATCHDOG_EACH_MS) && listener_is_alive(d->intake_listener))
        notify_watchdog();
}
