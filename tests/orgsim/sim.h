/*
 * sim - the state of one simulated org
 *
 * All of it belongs to the thread that runs the event loop; the outbound senders see only the jobs
 * that are handed to them (outbound_send.h).
 */
#ifndef ORGSIM_SIM_H
#define ORGSIM_SIM_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "error.h"
#include "objects.h"
#include "permissions.h"
#include "sfid.h"

struct sdb;
struct event_base;
struct sim_options;
struct auth;
struct bulk;
struct cursors;
struct faults;
struct outbound;
struct locks;
struct stats;

struct behaviour {
    bool convert_keeps_lead;
    bool cascade_leaves_trace;
    bool helper_trigger;
    int64_t date_ahead_ms;  /* of the Date header, before our clock */
    int64_t query_job_page; /* rows of a part of a query job's result, at most */
};

enum { TX_DEPTH_MAX = 24 };

struct sim {
    const struct sim_options *options; /* borrowed */
    struct event_base *base;           /* borrowed; NULL in tests without a loop */
    struct sdb *db;
    struct zone *zone; /* of the org */
    struct sim_clock clock;
    struct auth *auth;
    struct cursors *cursors;
    struct faults *faults;
    struct outbound *outbound;
    struct locks *locks;
    struct stats *stats;
    struct bulk *bulk;
    struct access access;
    json_t *schema_changes; /* by "Object.Field": attributes that describe shows instead */
    struct behaviour behaviour;
    uint64_t next_record[OBJECT_COUNT]; /* sequence of the last id given, by object */
    uint64_t next_request;
    uint64_t session; /* of the request being carried out: which token that was given */
    char org_id[SFID_SIZE];
    char token_org_id[SFID_SIZE]; /* the one that token answers name */
    char admin_id[SFID_SIZE], user_id[SFID_SIZE], system_id[SFID_SIZE];
    char address[64]; /* http://127.0.0.1:port */
    unsigned latency_ms;
    size_t tx_marks[TX_DEPTH_MAX]; /* of outbound, by depth */
    size_t tx_depth;
};

/* Opens the org with its two users; options are borrowed and outlive it. base may be NULL (tests
 * without a loop). */
MUST_USE enum err sim_open(struct sim **out, const struct sim_options *options,
                           struct event_base *base, struct error *e);
void sim_close(struct sim **sim);

#endif
