/*
 * Starts each org's reconcile. What is remembered stands in the store's cursors: when the last one
 * was started, under which policy and in which time zone of the org; so a turn that fell into a
 * time without a daemon is made up for, and a configuration or a zone that changed (the days of
 * campaigns are days there) decides anew about everything.
 */
#include <string.h>

#include "daemon.h"
#include "log.h"
#include "schedule.h"
#include "timeutil.h"

enum { LOOK_EACH_MS = 1000, AFTER_FAILURE_MS = 60000 };

#define STARTED "reconcile.started"
#define POLICY  "reconcile.policy"
#define ZONE    "reconcile.time_zone"

enum { ZONE_SIZE = 64 };

struct remembered {
    int64_t last_at_ms;                                    /* TIME_NONE: never */
    char policy[POLICY_FINGERPRINT_SIZE], zone[ZONE_SIZE]; /* "": not yet */
};

static enum err read_state(const struct generation *g, const char *org, struct remembered *out,
                           struct error *e)
{
    char text[TIME_TEXT_MAX];
    struct store *store = g->daemon->store;
    enum err err = store_cursor_get(store, org, STARTED, text, sizeof text, e);
    if (err == ERR_NONE)
        err = store_cursor_get(store, org, POLICY, out->policy, sizeof out->policy, e);
    if (err == ERR_NONE)
        err = store_cursor_get(store, org, ZONE, out->zone, sizeof out->zone, e);
    if (err != ERR_NONE)
        return err;
    out->last_at_ms = TIME_NONE;
    (void)time_parse_datetime(text, strlen(text), &out->last_at_ms);
    return ERR_NONE;
}

/* Remembers what everything is decided under from now on. */
static enum err remember(const struct generation *g, const char *org, const char *zone,
                         struct error *e)
{
    enum err err = store_cursor_set(g->daemon->store, org, POLICY, g->fingerprint, e);
    return err == ERR_NONE ? store_cursor_set(g->daemon->store, org, ZONE, zone, e) : err;
}

static enum err start(const struct generation *g, const char *org, const char *zone,
                      const char *because, struct error *e)
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
        err = remember(g, org, zone, e);
    if (err == ERR_NONE)
        log_info("a reconcile begins", "org", org, "because", because, NULL);
    return err;
}

static bool has_changed(const char *was, const char *is)
{
    return was[0] != '\0' && strcmp(was, is) != 0;
}

static enum err look(const struct generation *g, const char *org, struct zone *zone,
                     struct error *e)
{
    struct remembered was;
    enum err err = read_state(g, org, &was, e);
    if (err != ERR_NONE)
        return err;
    int64_t now = time_wall_ms();
    const char *because = NULL;
    if (has_changed(was.policy, g->fingerprint))
        because = "the policy, channels or rules changed";
    else if (has_changed(was.zone, zone_name(zone)))
        because = "the org's time zone changed";
    else if (schedule_next(g->config->worker.reconcile, zone, was.last_at_ms, now) <= now)
        because = "it is time";
    if (because != NULL)
        return start(g, org, zone_name(zone), because, e);
    bool is_known = was.policy[0] != '\0' && was.zone[0] != '\0';
    return is_known ? ERR_NONE : remember(g, org, zone_name(zone), e);
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
