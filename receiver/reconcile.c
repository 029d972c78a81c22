/*
 * Starts each org's reconcile. What is remembered stands in the store's cursors: when the last one
 * was started, under which policy and in which time zone of the org; so a turn that fell into a
 * time without a daemon is made up for, and a configuration or a zone that changed (the days of
 * campaigns are days there) decides anew about everything.
 *
 * Of several daemons on one store the one that loaded its configuration last sets the policy, once,
 * as it first looks (protocol rule 22). One that finds another's later on is the older one: it
 * starts no reconcile, and the store gives it no claim.
 */
#include <string.h>

#include "daemon.h"
#include "log.h"
#include "schedule.h"
#include "timeutil.h"

enum { LOOK_EACH_MS = 1000, AFTER_FAILURE_MS = 60000 };

#define STARTED "reconcile.started"
#define POLICY  STORE_CURSOR_POLICY
#define ZONE    "reconcile.time_zone"

enum { ZONE_SIZE = 64 };

struct remembered {
    int64_t last_at_ms;   /* TIME_NONE: never */
    char zone[ZONE_SIZE]; /* "": not yet */
};

static enum err read_state(const struct generation *g, const char *org, struct remembered *out,
                           struct error *e)
{
    char text[TIME_TEXT_MAX];
    struct store *store = g->daemon->store;
    enum err err = store_cursor_get(store, org, STARTED, text, sizeof text, e);
    if (err == ERR_NONE)
        err = store_cursor_get(store, org, ZONE, out->zone, sizeof out->zone, e);
    if (err != ERR_NONE)
        return err;
    out->last_at_ms = TIME_NONE;
    (void)time_parse_datetime(text, strlen(text), &out->last_at_ms);
    return ERR_NONE;
}

static enum err start(const struct generation *g, const char *org, const char *because,
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
        log_info("a reconcile begins", "org", org, "because", because, NULL);
    return err;
}

static bool has_changed(const char *was, const char *is)
{
    return was[0] != '\0' && strcmp(was, is) != 0;
}

/* ------------------------------------------------------------------ the policy */

static enum err take_policy(const struct generation *g, const char *org, struct reconcile_watch *w,
                            struct error *e)
{
    char was[POLICY_FINGERPRINT_SIZE] = "";
    enum err err = store_cursor_get(g->daemon->store, org, POLICY, was, sizeof was, e);
    if (err != ERR_NONE)
        return err;
    bool is_older = w->took_policy && has_changed(was, g->fingerprint);
    if (is_older && !w->is_older)
        log_warn("another daemon decides by a newer policy, channels or rules; this one leaves the "
                 "org's campaigns to it until it has the same: reload it",
                 "org", org, NULL);
    w->is_older = is_older;
    if (is_older || strcmp(was, g->fingerprint) == 0)
        return ERR_NONE;
    if (was[0] != '\0')
        err = start(g, org, "the policy, channels or rules changed", e);
    return err == ERR_NONE ? store_cursor_set(g->daemon->store, org, POLICY, g->fingerprint, e)
                           : err;
}

void reconcile_policy_turn(const struct generation *g, size_t org, struct reconcile_watch *w)
{
    const char *id = g->config->orgs[org].id;
    struct error e;
    if (time_boot_ms() < w->next_policy_boot_ms)
        return;
    enum err err = take_policy(g, id, w, &e);
    w->took_policy = w->took_policy || err == ERR_NONE;
    w->next_policy_boot_ms = time_boot_ms() + LOOK_EACH_MS;
    if (err != ERR_NONE && err != ERR_STOPPED)
        log_debug("the newest policy could not be told", "org", id, "error", e.text, NULL);
}

/* ------------------------------------------------------------------ the time */

static enum err look(const struct generation *g, const char *org, struct zone *zone,
                     struct error *e)
{
    struct remembered was;
    enum err err = read_state(g, org, &was, e);
    if (err != ERR_NONE)
        return err;
    int64_t now = time_wall_ms();
    const char *because = NULL;
    if (has_changed(was.zone, zone_name(zone)))
        because = "the org's time zone changed";
    else if (schedule_next(g->config->worker.reconcile, zone, was.last_at_ms, now) <= now)
        because = "it is time";
    if (because != NULL)
        err = start(g, org, because, e);
    if (err == ERR_NONE && strcmp(was.zone, zone_name(zone)) != 0)
        err = store_cursor_set(g->daemon->store, org, ZONE, zone_name(zone), e);
    return err;
}

void reconcile_turn(const struct generation *g, size_t org, struct org_conn *conn,
                    struct reconcile_watch *w)
{
    const char *id = g->config->orgs[org].id;
    struct zone *zone = NULL;
    struct error e;
    char name[64];
    if (w->is_older || time_boot_ms() < w->next_boot_ms)
        return;
    enum err err = org_time_zone(conn, name, &e);
    if (err == ERR_NONE)
        err = zone_open(&zone, name, &e);
    if (err == ERR_NONE)
        err = look(g, id, zone, &e);
    zone_close(&zone);
    w->next_boot_ms = time_boot_ms() + (err == ERR_NONE ? LOOK_EACH_MS : AFTER_FAILURE_MS);
    if (err != ERR_NONE && err != ERR_STOPPED)
        log_warn("whether a reconcile is due could not be told; trying again in a minute", "org",
                 id, "error", e.text, NULL);
}
