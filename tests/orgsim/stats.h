/*
 * stats - what the org counted, as GET /sim/stats shows it
 *
 * API calls are counted as Salesforce counts them: a composite is one, each request of a bulk job
 * is one, a refused session is none. What is used of the daily limits in the last 24 hours (org's
 * clock) is kept apart, in hourly buckets, and survives a reset.
 */
#ifndef ORGSIM_STATS_H
#define ORGSIM_STATS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "sfid.h"

enum { STATS_OPERATIONS_MAX = 64, STATS_WRITES_MAX = 65536 };

struct stats_count {
    const char *name; /* static */
    uint64_t n;
};

struct stats_rows {
    uint64_t created, updated, upsert_created, upsert_updated, deleted, failed, unchanged;
};

/* A row that was written through /services. */
struct stats_write {
    int64_t at_ms; /* the machine's clock */
    uint64_t session;
    char record[SFID_SIZE];
};

/* One daily limit. */
struct stats_usage {
    uint64_t hour[24]; /* by hour of the org's clock */
    int64_t newest_hour;
    uint64_t base; /* set by /sim/limits */
    uint64_t limit;
};

struct stats {
    uint64_t calls, errors, tokens, userinfos, refused;
    uint64_t at_once, most_at_once; /* requests to /services without an answer yet */
    struct stats_count calls_by[STATS_OPERATIONS_MAX], sub_by[STATS_OPERATIONS_MAX];
    struct stats_rows rows;
    struct stats_usage api, batches, query_jobs;
    struct stats_write *writes; /* STATS_WRITES_MAX, the latest; the n-th at n % STATS_WRITES_MAX */
    uint64_t write_count;
};

void stats_init(struct stats *s, uint64_t api_limit);
void stats_release(struct stats *s);
void stats_reset(struct stats *s);
void stats_call(struct stats *s, const char *operation, int64_t now_ms);
void stats_begin(struct stats *s);
void stats_end(struct stats *s);
void stats_subrequest(struct stats *s, const char *operation);
uint64_t stats_used(struct stats *s, int64_t now_ms);
void stats_set_used(struct stats *s, uint64_t used);

/* Bulk API 2.0's limits: batches of loads, query jobs. */
uint64_t stats_batches_left(struct stats *s, int64_t now_ms);
void stats_add_batches(struct stats *s, uint64_t n, int64_t now_ms);
uint64_t stats_query_jobs_left(struct stats *s, int64_t now_ms);
void stats_add_query_job(struct stats *s, int64_t now_ms);

void stats_write(struct stats *s, uint64_t session, const char *record);
json_t *stats_writes(const struct stats *s);           /* the oldest first */
json_t *stats_limits(struct stats *s, int64_t now_ms); /* as /limits shows them */
json_t *stats_json(struct stats *s, int64_t now_ms);   /* "api", "oauth", "rows" */

#endif
