/*
 * metrics - the table of everything that is counted, and its Prometheus text form
 *
 * The X-macro below is the master copy: code, HELP text and manual come from it. A series is a
 * metric with the values of its labels, in the order of the table ("org,result" → two values).
 *
 * Threads:   any; counters and histograms are atomics once the series exists, look-up takes a short
 *            lock. A hot path keeps the handle (metric_series) instead of looking it up each time.
 * Bounds:    at most 4,096 series in all; further label combinations are counted in one series
 *            whose labels are "other".
 */
#ifndef TP_METRICS_H
#define TP_METRICS_H

#include <stdint.h>

#include "buf.h"

/* id, kind, name (without the prefix touchpoint_), labels, help */
#define METRICS(X)                                                                                 \
    X(METRIC_MESSAGES_RECEIVED, COUNTER, "messages_received_total", "org,result",                  \
      "Requests to the outbound-message path by organisation and result")                          \
    X(METRIC_NOTIFICATIONS_RECEIVED, COUNTER, "notifications_received_total", "org,object",        \
      "Notifications stored, by organisation and object")                                          \
    X(METRIC_NOTIFICATIONS_DUPLICATE, COUNTER, "notifications_duplicate_total", "org",             \
      "Notifications whose id was already known")                                                  \
    X(METRIC_INTAKE_SECONDS, HISTOGRAM, "intake_seconds", "",                                      \
      "Time from the request being read whole to the reply being written")                         \
    X(METRIC_STORE_COMMIT_SECONDS, HISTOGRAM, "store_commit_seconds", "", "Time of one commit")    \
    X(METRIC_STORE_BATCH_SIZE, HISTOGRAM, "store_batch_size", "",                                  \
      "Notifications that one commit made durable")                                                \
    X(METRIC_CONNECTIONS, GAUGE, "connections", "state", "Open connections by state")              \
    X(METRIC_REFUSED, COUNTER, "refused_total", "reason",                                          \
      "Connections, clients and messages refused, by reason")                                      \
    X(METRIC_TLS_HANDSHAKES, COUNTER, "tls_handshakes_total", "result",                            \
      "TLS handshakes by result")                                                                  \
    X(METRIC_QUEUE_NOTIFICATIONS, GAUGE, "queue_notifications", "org,state",                       \
      "Notifications in the store by organisation and state (ready, leased, failed)")              \
    X(METRIC_QUEUE_OLDEST, GAUGE, "queue_oldest_seconds", "org",                                   \
      "Age of the oldest notification that is due and not yet done")                               \
    X(METRIC_SYNC_SECONDS, HISTOGRAM, "sync_seconds", "", "Time from received to applied")         \
    X(METRIC_TOUCHPOINTS_WRITTEN, COUNTER, "touchpoints_written_total", "org,action",              \
      "Touchpoint records written: created, updated, deleted")                                     \
    X(METRIC_STATUSES_WRITTEN, COUNTER, "statuses_written_total", "org,result",                    \
      "Status texts written back to campaign members: written, refused")                           \
    X(METRIC_ORG_REQUESTS, COUNTER, "org_requests_total", "org,operation,result",                  \
      "Requests to the org by operation and result")                                               \
    X(METRIC_ORG_REQUEST_SECONDS, HISTOGRAM, "org_request_seconds", "", "Time of one org request") \
    X(METRIC_ORG_API_USED, GAUGE, "org_api_used", "org", "API calls used in the last 24 hours")    \
    X(METRIC_ORG_API_LIMIT, GAUGE, "org_api_limit", "org", "API calls allowed in 24 hours")        \
    X(METRIC_ORG_BREAKER_OPEN, GAUGE, "org_breaker_open", "org",                                   \
      "1 while the org fails time after time and is tried by one pass at a time")                  \
    X(METRIC_RECONCILE_DRIFT, COUNTER, "reconcile_drift_total", "org,kind",                        \
      "Touchpoints that only a reconcile found to differ: created, updated, deleted")              \
    X(METRIC_RECONCILE_AGE, GAUGE, "reconcile_age_seconds", "org",                                 \
      "Time since all campaigns were last queued to be looked at again")                           \
    X(METRIC_CERTIFICATE_EXPIRY, GAUGE, "certificate_expiry_seconds", "name",                      \
      "Seconds until the server certificate expires")                                              \
    X(METRIC_QUARANTINED, COUNTER, "quarantined_total", "result",                                  \
      "Refused documents on their way into the quarantine: kept, dropped")                         \
    X(METRIC_HELD_PASSES, GAUGE, "held_passes", "org", "Campaign passes held by the delete guard") \
    X(METRIC_CHECK, GAUGE, "check_failing", "check",                                               \
      "What /readyz says of each check: 0 ok, 1 degraded, 2 unavailable")                          \
    X(METRIC_NODES, GAUGE, "nodes", "", "Daemons at work on this store")                           \
    X(METRIC_BUILD_INFO, GAUGE, "build_info", "version,node",                                      \
      "Always 1; node: host name and port, to tell daemons that share a store")

enum metric_id {
#define X(id, kind, name, labels, help) id,
    METRICS(X)
#undef X
        METRIC_COUNT
};

struct metric_series;

/* Finds or makes a series; label values in table order, exactly as many as the table names. Never
 * NULL; lives for ever. */
struct metric_series *metric_series(enum metric_id id, ...);

void metric_add(struct metric_series *s, uint64_t n);      /* counter */
void metric_set(struct metric_series *s, double v);        /* gauge */
void metric_gauge_add(struct metric_series *s, int64_t n); /* gauge, integral */
void metric_observe(struct metric_series *s,
                    double v);            /* histogram: seconds, or a size for store_batch_size */
uint64_t metric_total(enum metric_id id); /* counter: the sum of its series */
uint64_t metric_value(const struct metric_series *s); /* counter, for tests and the status page */

#define metric_inc(id, ...) metric_add(metric_series((id), __VA_ARGS__), 1)

/* Appends the whole table in Prometheus text format 0.0.4. */
void metrics_write(struct buf *out);

#endif
