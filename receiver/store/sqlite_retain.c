/*
 * Upkeep, in slices: rows past their time are removed, due times that a stepping clock left too far
 * ahead are pulled in (protocol rule 19). A leap of the wall clock pauses the removing, since what
 * seems old then may be young, and moves the echoes along, since they must wait their full time
 * (rule 12).
 */
#include "sqlite_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"

#define DAY_MS INT64_C(86400000)
#ifdef TP_TEST_BUILD
#define KEEP_DONE_LEAST_MS INT64_C(0)
#else
#define KEEP_DONE_LEAST_MS (7 * DAY_MS) /* an admin can resend ids that old */
#endif

struct old_row {
    int64_t id;
    char org[SFID_SIZE];
};

/* ------------------------------------------------------------------ the clock */

static size_t read_orgs(struct sqlite_store *s, struct old_row *orgs, size_t max, enum err *err,
                        struct error *e)
{
    size_t n = 0;
    struct sql_query q = sql_query(&s->db, SQL_TALLIES, "i", (int64_t)max);
    while (n < max && sql_next(&q))
        sql_text(&q, 0, orgs[n++].org, SFID_SIZE);
    *err = sql_done(&q, e);
    return n;
}

static enum err shift_echoes(struct sqlite_store *s, int64_t by_ms, struct error *e)
{
    struct old_row *orgs = mem_array(STORE_SLICE_MAX, sizeof *orgs);
    enum err err;
    size_t n = read_orgs(s, orgs, STORE_SLICE_MAX, &err, e);
    for (size_t i = 0; i < n && err == ERR_NONE; i++) {
        err = sql_run(&s->db, e, SQL_ECHO_SHIFT, "ti", orgs[i].org, by_ms);
        if (err == ERR_NONE)
            err = sql_run(&s->db, e, SQL_ECHO_LANES, "t", orgs[i].org);
    }
    free(orgs);
    return err;
}

enum err sqlite_watch_clock(struct sqlite_store *s, struct error *e)
{
    int64_t boot = store_boot_ms(&s->base);
    int64_t base = store_base_ms(&s->base);
    int64_t leap = base - s->clock_base_ms;
    if (leap <= STORE_LEAP_MS && leap >= -STORE_LEAP_MS) {
        s->clock_base_ms = base; /* slewing adds up to nothing */
        return ERR_NONE;
    }
    enum err err = sqlite_begin(s, e);
    if (err == ERR_NONE)
        err = shift_echoes(s, leap, e);
    if (err == ERR_NONE)
        err = sqlite_commit(s, e);
    else
        sqlite_rollback(s);
    if (err != ERR_NONE)
        return err;
    /* else a pass under way would absorb an echo that the shift brought before its claim */
    for (size_t i = 0; i < s->leases.count; i++)
        s->leases.v[i].claimed_at_ms += leap;
    s->clock_base_ms = base;
    s->leapt_at_boot_ms = boot;
    sqlite_keys_forget(s);
    store_waiters_wake(&s->base.waiters);
    log_warn("the wall clock leapt; nothing is removed from the store for an hour", "seconds",
             log_num((long long)(leap / 1000)), NULL);
    return ERR_NONE;
}

/* ------------------------------------------------------------------ removing */

static enum err remove_ended(struct sqlite_store *s, enum store_state state, int64_t before_ms,
                             size_t *budget, struct error *e)
{
    struct old_row *rows = mem_array(STORE_SLICE_MAX, sizeof *rows);
    size_t n = 0;
    struct sql_query q =
        sql_query(&s->db, SQL_ENDED_OLD, "dii", (int)state, before_ms, (int64_t)*budget);
    while (n < *budget && sql_next(&q)) {
        rows[n].id = sqlite3_column_int64(q.st, 0);
        sql_text(&q, 1, rows[n++].org, SFID_SIZE);
    }
    enum err err = sql_done(&q, e);
    for (size_t i = 0; i < n && err == ERR_NONE; i++) {
        err = sqlite_row_remove(s, rows[i].id, e);
        if (err == ERR_NONE)
            err = sqlite_count(s, rows[i].org, (int)state, -1, e);
    }
    free(rows);
    *budget -= n;
    return err;
}

static enum err trim_ledger(struct sqlite_store *s, int64_t before_ms, size_t *budget,
                            struct error *e)
{
    enum err err = sql_run(&s->db, e, SQL_LEDGER_TRIM, "ii", before_ms, (int64_t)*budget);
    if (err == ERR_NONE)
        *budget -= (size_t)sqlite3_changes64(s->db.handle);
    return err;
}

static enum err remove_old(struct sqlite_store *s, int64_t now_ms, size_t *budget, struct error *e)
{
    int64_t keep_done = atomic_load(&s->base.keep_done_ms);
    if (keep_done < KEEP_DONE_LEAST_MS)
        keep_done = KEEP_DONE_LEAST_MS;
    enum err err = remove_ended(s, STORE_DONE, now_ms - keep_done, budget, e);
    if (err == ERR_NONE && *budget > 0)
        err =
            remove_ended(s, STORE_FAILED, now_ms - atomic_load(&s->base.keep_failed_ms), budget, e);
    if (err == ERR_NONE && *budget > 0)
        err = trim_ledger(s, now_ms - atomic_load(&s->base.keep_ledger_ms), budget, e);
    if (err == ERR_NONE && *budget > 0)
        err = sqlite_quarantine_trim(s, now_ms - atomic_load(&s->base.keep_failed_ms), budget, e);
    if (err == ERR_NONE && *budget > 0)
        err = sqlite_job_trim(s, now_ms - atomic_load(&s->base.keep_ledger_ms), budget, e);
    return err;
}

/* ------------------------------------------------------------------ clamping */

struct lane_key {
    char key[SFID_SIZE];
};

static enum err clamp_lane(struct sqlite_store *s, const char *org, const char *key, int background,
                           int64_t limit_ms, size_t *budget, struct error *e)
{
    int64_t due;
    enum err err =
        sql_run(&s->db, e, SQL_CLAMP, "ttdii", org, key, background, limit_ms, (int64_t)*budget);
    size_t n = err == ERR_NONE ? (size_t)sqlite3_changes64(s->db.handle) : 0;
    *budget -= n;
    if (n == 0)
        return err;
    s->wakes = true;
    return sqlite_lane_refresh(s, org, key, &due, e);
}

/* Lanes whose first row is due beyond the limit; rows behind a nearer one come to light when that
 * one has been claimed. */
static enum err clamp_org(struct sqlite_store *s, const char *org, int64_t limit_ms, size_t *budget,
                          struct error *e)
{
    struct lane_key *keys = mem_array(STORE_SLICE_MAX, sizeof *keys);
    enum err err = ERR_NONE;
    for (int background = 0; background <= 1 && err == ERR_NONE && *budget > 0; background++) {
        size_t n = 0;
        struct sql_query q = sql_query(&s->db, SQL_LANE_FAR, "tdii", org, background, limit_ms,
                                       (int64_t)STORE_SLICE_MAX);
        while (n < STORE_SLICE_MAX && sql_next(&q))
            sql_text(&q, 0, keys[n++].key, SFID_SIZE);
        err = sql_done(&q, e);
        for (size_t i = 0; i < n && err == ERR_NONE && *budget > 0; i++)
            err = clamp_lane(s, org, keys[i].key, background, limit_ms, budget, e);
    }
    free(keys);
    return err;
}

static enum err clamp(struct sqlite_store *s, int64_t now_ms, size_t *budget, struct error *e)
{
    int64_t most = s->base.options.echo_ms > STORE_BACKOFF_MAX_MS ? s->base.options.echo_ms
                                                                  : STORE_BACKOFF_MAX_MS;
    struct old_row *orgs = mem_array(STORE_SLICE_MAX, sizeof *orgs);
    enum err err;
    size_t n = read_orgs(s, orgs, STORE_SLICE_MAX, &err, e);
    for (size_t i = 0; i < n && err == ERR_NONE && *budget > 0; i++)
        err = clamp_org(s, orgs[i].org, now_ms + most, budget, e);
    free(orgs);
    return err;
}

enum err sqlite_retain(struct sqlite_store *s, struct store_request *r, struct error *e)
{
    int64_t now = store_wall_ms(&s->base);
    size_t budget = STORE_SLICE_MAX;
    enum err err = clamp(s, now, &budget, e);
    bool paused = s->leapt_at_boot_ms != 0 &&
                  store_boot_ms(&s->base) - s->leapt_at_boot_ms < STORE_LEAP_PAUSE_MS;
    if (err == ERR_NONE && !paused && budget > 0)
        err = remove_old(s, now, &budget, e);
    r->u.retain.more = budget == 0;
    return err;
}
