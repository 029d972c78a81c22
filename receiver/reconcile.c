/*
 * Starts each org's reconcile. What is remembered stands in the store's cursors: when the last one
 * was started, and under which policy; so a turn that fell into a time without a daemon is made up
 * for, and a configuration that changed decides anew about everything.
 */
#include <string.h>

#include "daemon.h"
#include "log.h"
#include "schedule.h"
#include "timeutil.h"

enum { LOOK_EACH_MS = 1000, AFTER_FAILURE_MS = 60000 };

#define STARTED "reconcile.started"
#define POLICY  "reconcile.policy"

static enum err read_state(const struct generation *g, const char *org, int64_t *last_at_ms,
                           bool *is_known, bool *policy_changed, struct error *e)
{
    char text[TIME_TEXT_MAX], policy[POLICY_FINGERPRINT_SIZE];
    enum err err = store_cursor_get(g->daemon->store, org, STARTED, text, sizeof text, e);
    if (err == ERR_NONE)
        err = store_cursor_get(g->daemon->store, org, POLICY, policy, sizeof policy, e);
    if (err != ERR_NONE)
        return err;
    *last_at_ms = TIME_NONE;
    (void)time_parse_datetime(text, strlen(text), last_at_ms);
    *is_known = policy[0] != '\0';
    *policy_changed = *is_known && strcmp(policy, g->fingerprint) != 0;
    return ERR_NONE;
}

static enum err start(const struct generation *g, const char *org, bool policy_changed,
                      struct error *e)
{
    const struct store_new_hint h = {.kind = STORE_RECONCILE,
                                     .campaign_id = "",
                                     .record_id = "",
                                     .subject_id = "",
                                     .background = true};
    char now[TIME_TEXT_MAX];
    enum err err = store_hint(g->daemon->store, org, &h, e);
    if (err == ERR_NONE)
        err = store_cursor_set(g->daemon->store, org, STARTED,
                               time_format_datetime(time_wall_ms(), now), e);
    if (err == ERR_NONE)
        err = store_cursor_set(g->daemon->store, org, POLICY, g->fingerprint, e);
    if (err == ERR_NONE)
        log_info("a reconcile begins", "org", org, "because",
                 policy_changed ? "the policy, channels or rules changed" : "it is time", NULL);
    return err;
}

static enum err look(const struct generation *g, const char *org, struct zone *zone,
                     struct error *e)
{
    int64_t last, now = time_wall_ms();
    bool is_known, policy_changed;
    enum err err = read_state(g, org, &last, &is_known, &policy_changed, e);
    if (err != ERR_NONE)
        return err;
    bool is_time = schedule_next(g->config->worker.reconcile, zone, last, now) <= now;
    if (is_time || policy_changed)
        return start(g, org, policy_changed, e);
    return is_known ? ERR_NONE : store_cursor_set(g->daemon->store, org, POLICY, g->fingerprint, e);
}

void reconcile_turn(const struct generation *g, size_t org, struct org_conn *conn,
                    int64_t *next_boot_ms)
{
    const char *id = g->config->orgs[org].id;
    struct zone *zone = NULL;
    struct error e;
    char name[64];
    if (time_boot_ms() < *next_boot_ms)
        return;
    enum err err = org_time_zone(conn, name, &e);
    if (err == ERR_NONE)
        err = zone_open(&zone, name, &e);
    if (err == ERR_NONE)
        err = look(g, id, zone, &e);
    zone_close(&zone);
    *next_boot_ms = time_boot_ms() + (err == ERR_NONE ? LOOK_EACH_MS : AFTER_FAILURE_MS);
    if (err != ERR_NONE && err != ERR_STOPPED)
        log_warn("whether a reconcile is due could not be told; trying again in a minute", "org",
                 id, "error", e.text, NULL);
}
