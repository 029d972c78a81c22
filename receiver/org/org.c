/*
 * The state that all connections of an org share: what is known of its health, and how long it is
 * left alone. A failure of the org as a whole holds its work for 1 s, doubling up to 5 minutes,
 * with jitter; a daily limit begins at 30 s. What a person must put right (sign-in, configuration,
 * permission) stops it, and is tried again every 5 minutes. Reports that come while a hold runs are
 * about the same trouble and do not lengthen it. After three failures in a row the breaker is open:
 * workers then try the org with one pass at a time until it answers.
 */
#include "org_int.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "call_int.h"
#include "json_int.h"
#include "mem.h"
#include "metrics.h"
#include "schema_int.h"
#include "timeutil.h"

enum {
    POLL_BASE_MS = 1000,
    HOLD_BASE_MS = 1000,
    HOLD_DAILY_LIMIT_MS = 30000,
    HOLD_MAX_MS = 5 * 60 * 1000,
    HOLD_DOUBLINGS_MAX = 16,
    BREAKER_FAILURES = 3,
};

static void setup_once(void)
{
    http_setup();
    json_setup();
}

void org_global_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, setup_once);
}

enum err org_new(struct org **out, const struct config_org *c, const struct policy *policy,
                 int64_t request_timeout_ms, struct error *e)
{
    struct org *o = mem_alloc(sizeof *o);
    o->config = c;
    o->policy = policy;
    o->request_timeout_ms = request_timeout_ms;
    o->poll_base_ms = POLL_BASE_MS;
    o->state.api_used = -1;
    o->state.api_limit = -1;
    o->state.clock_ahead_ms = TIME_NONE;
    pthread_mutex_init(&o->lock, NULL);
    time_cond_init(&o->changed);
    o->shared = mem_alloc(sizeof *o->shared);
    atomic_store(&o->shared->users, 1);
    enum err err = auth_init(o, e);
    if (err != ERR_NONE) {
        org_free(&o);
        return err;
    }
    *out = o;
    return ERR_NONE;
}

static void leave_shared(struct org_shared *s)
{
    if (atomic_fetch_sub(&s->users, 1) == 1)
        free(s);
}

void org_succeed(struct org *o, struct org *before)
{
    struct org_state known;
    org_state_get(before, &known);
    leave_shared(o->shared);
    o->shared = before->shared;
    atomic_fetch_add(&o->shared->users, 1);
    pthread_mutex_lock(&o->lock);
    o->state.reachable = known.reachable;
    o->state.authenticated = known.authenticated;
    o->state.api_used = known.api_used;
    o->state.api_limit = known.api_limit;
    o->state.clock_ahead_ms = known.clock_ahead_ms;
    pthread_mutex_unlock(&o->lock);
}

void org_pass_begins(struct org *o)
{
    atomic_fetch_add(&o->shared->passes, 1);
}

void org_pass_ended(struct org *o)
{
    atomic_fetch_sub(&o->shared->passes, 1);
}

unsigned org_passes(const struct org *o)
{
    return atomic_load(&o->shared->passes);
}

void org_free(struct org **o)
{
    if (*o == NULL)
        return;
    auth_release(*o);
    leave_shared((*o)->shared);
    pthread_cond_destroy(&(*o)->changed);
    pthread_mutex_destroy(&(*o)->lock);
    free(*o);
    *o = NULL;
}

const struct config_org *org_config(const struct org *o)
{
    return o->config;
}

void org_state_get(struct org *o, struct org_state *out)
{
    pthread_mutex_lock(&o->lock);
    *out = o->state;
    pthread_mutex_unlock(&o->lock);
}

/* ------------------------------------------------------------------ holds */

enum effect { EFFECT_NONE, EFFECT_WELL, EFFECT_HOLD, EFFECT_STOP };

static enum effect effect_of(enum err outcome)
{
    switch (outcome) {
    case ERR_NONE:
        return EFFECT_WELL;
    case ERR_BUSY:
    case ERR_TIMEOUT:
    case ERR_NETWORK:
    case ERR_LIMIT:
    case ERR_UNKNOWN_OUTCOME:
        return EFFECT_HOLD;
    case ERR_AUTH:
    case ERR_DENIED:
    case ERR_CONFIG:
        return EFFECT_STOP;
    case ERR_IO:
    case ERR_FULL:
    case ERR_STOPPED:
    case ERR_STALE:
    case ERR_INVALID:
    case ERR_NOT_FOUND:
    case ERR_CORRUPT:
    case ERR_UNSUPPORTED:
    case ERR_INTERNAL:
        return EFFECT_NONE; /* says nothing about the org */
    }
    return EFFECT_NONE;
}

int64_t org_jittered(int64_t ceiling_ms)
{
    uint32_t random = 0;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) != (ssize_t)sizeof random)
        random = (uint32_t)time_boot_ms() * 2654435761u;
    return ceiling_ms / 2 + (int64_t)(random % (uint32_t)(ceiling_ms / 2 + 1));
}

static int64_t hold_ms(const struct org *o, enum err outcome)
{
    int64_t base = outcome == ERR_LIMIT && o->daily_limit ? HOLD_DAILY_LIMIT_MS : HOLD_BASE_MS;
    unsigned doublings = o->failures < HOLD_DOUBLINGS_MAX ? o->failures : HOLD_DOUBLINGS_MAX;
    int64_t ceiling = base << doublings; /* the first failure: 2 s, so at least the 1 s of base */
    return org_jittered(ceiling < HOLD_MAX_MS ? ceiling : HOLD_MAX_MS);
}

static void set_breaker(struct org *o, bool open)
{
    o->state.breaker_open = open;
    metric_set(metric_series(METRIC_ORG_BREAKER_OPEN, o->config->id), open ? 1 : 0);
}

static void set_problem(struct org *o, const char *text, size_t n)
{
    n = strnlen(text, n < sizeof o->state.problem ? n : sizeof o->state.problem - 1);
    memcpy(o->state.problem, text, n);
    o->state.problem[n] = '\0';
}

static void stop_for_schema(struct org *o)
{
    o->failure = ERR_CONFIG;
    o->state.stopped = true;
    o->state.held_until_boot_ms = time_boot_ms() + HOLD_MAX_MS;
    set_problem(o, o->schema.problems, strcspn(o->schema.problems, "\n"));
}

static void note_well(struct org *o)
{
    set_breaker(o, false);
    o->state.held_until_boot_ms = 0;
    o->state.stopped = false;
    o->state.problem[0] = '\0';
    o->failure = ERR_NONE;
    o->failure_of_sign_in = false;
    o->failures = 0;
    if (o->schema.problems[0] != '\0') /* only a check can end this */
        stop_for_schema(o);
}

static void note_failure(struct org *o, enum err outcome, const struct error *e)
{
    int64_t now = time_boot_ms();
    bool stops = effect_of(outcome) == EFFECT_STOP;
    bool is_held = o->state.held_until_boot_ms > now;

    if (outcome == ERR_CONFIG && o->schema.problems[0] != '\0') {
        stop_for_schema(o); /* the check says it better, and all of it */
        return;
    }
    if (stops) {
        if (!is_held || !o->state.stopped)
            o->state.held_until_boot_ms = now + HOLD_MAX_MS;
        o->state.stopped = true;
    } else if (!is_held) {
        o->failures++;
        if (o->failures >= BREAKER_FAILURES)
            set_breaker(o, true);
        o->state.held_until_boot_ms = now + hold_ms(o, outcome);
        o->state.stopped = false;
    } else if (o->state.stopped) {
        return; /* the stop is what the admin must see */
    }
    o->failure = outcome;
    o->failure_of_sign_in = false;
    const char *text = e != NULL && e->text[0] != '\0' ? e->text : err_name(outcome);
    set_problem(o, text, sizeof o->state.problem);
}

void org_report(struct org *o, enum err outcome, const struct error *e)
{
    enum effect effect = effect_of(outcome);
    pthread_mutex_lock(&o->lock);
    bool was_sign_in = o->failure_of_sign_in;
    if (effect == EFFECT_WELL)
        note_well(o);
    else if (effect != EFFECT_NONE)
        note_failure(o, outcome, e);
    if (effect == EFFECT_STOP)
        o->failure_of_sign_in = was_sign_in; /* the pass reports what the sign-in noted already */
    pthread_mutex_unlock(&o->lock);
}

/* ------------------------------------------------------------------ the schema */

void org_schema_get(struct org *o, struct org_schema *out)
{
    pthread_mutex_lock(&o->lock);
    *out = o->schema;
    pthread_mutex_unlock(&o->lock);
}

void org_note_schema(struct org *o, const struct org_schema *found, unsigned wrong_objects)
{
    pthread_mutex_lock(&o->lock);
    bool was_wrong = o->schema.problems[0] != '\0';
    o->schema = *found;
    o->state.rights_doubted = false;
    o->wrong_objects = wrong_objects;
    if (found->problems[0] != '\0')
        stop_for_schema(o);
    else if (was_wrong)
        note_well(o);
    pthread_mutex_unlock(&o->lock);
}

void org_note_sees_all(struct org *o, bool sees_all)
{
    pthread_mutex_lock(&o->lock);
    o->state.sees_all = sees_all;
    pthread_mutex_unlock(&o->lock);
}

/* ------------------------------------------------------------------ what requests tell */

void org_note_answer(struct org *o, bool reached)
{
    pthread_mutex_lock(&o->lock);
    o->state.reachable = reached;
    pthread_mutex_unlock(&o->lock);
}

void org_note_accepted(struct org *o)
{
    pthread_mutex_lock(&o->lock);
    o->state.authenticated = true;
    pthread_mutex_unlock(&o->lock);
}

void org_note_usage(struct org *o, int64_t used, int64_t limit)
{
    pthread_mutex_lock(&o->lock);
    o->state.api_used = used;
    o->state.api_limit = limit;
    pthread_mutex_unlock(&o->lock);
    metric_set(metric_series(METRIC_ORG_API_USED, o->config->id), (double)used);
    metric_set(metric_series(METRIC_ORG_API_LIMIT, o->config->id), (double)limit);
}

void org_note_clock(struct org *o, int64_t ahead_ms)
{
    pthread_mutex_lock(&o->lock);
    o->state.clock_ahead_ms = ahead_ms;
    pthread_mutex_unlock(&o->lock);
}

void org_note_limit_kind(struct org *o, bool daily)
{
    pthread_mutex_lock(&o->lock);
    o->daily_limit = daily;
    pthread_mutex_unlock(&o->lock);
}

void org_note_rights_doubted(struct org *o)
{
    pthread_mutex_lock(&o->lock);
    o->state.rights_doubted = true;
    pthread_mutex_unlock(&o->lock);
}

void org_note_signed_in(struct org *o)
{
    if (o->failure_of_sign_in)
        note_well(o);
}

void org_note_sign_in_failed(struct org *o, enum err err, const struct error *e)
{
    o->state.authenticated = false;
    if (effect_of(err) != EFFECT_STOP)
        return; /* the pass reports it */
    note_failure(o, err, e);
    o->failure_of_sign_in = true;
}

/* ------------------------------------------------------------------ connections */

enum err org_conn_new(struct org_conn **out, struct org *o, struct error *e)
{
    struct org_conn *c = mem_alloc(sizeof *c);
    c->org = o;
    c->curl = http_open();
    if (c->curl == NULL) {
        free(c);
        return error_set(e, ERR_INTERNAL, "the HTTP client can't be set up (libcurl refuses)");
    }
    *out = c;
    return ERR_NONE;
}

void org_conn_free(struct org_conn **c)
{
    if (*c == NULL)
        return;
    http_close(&(*c)->curl);
    free(*c);
    *c = NULL;
}

void org_conn_gate(struct org_conn *c, const struct org_gate *gate)
{
    static const struct org_gate none;
    c->gate = gate == NULL ? none : *gate;
}

void org_conn_abort(struct org_conn *c)
{
    atomic_store(&c->aborted, true);
    pthread_mutex_lock(&c->org->lock);
    pthread_cond_broadcast(&c->org->changed);
    pthread_mutex_unlock(&c->org->lock);
}

uint64_t org_conn_calls(const struct org_conn *c)
{
    return c->calls;
}

/* ------------------------------------------------------------------ the probe */

/* What a working probe disproves: that the org can't be reached or does not let us in. A
 * configuration that a pass found wrong stays found. */
static bool is_disproved(enum err failure)
{
    return effect_of(failure) == EFFECT_HOLD || failure == ERR_AUTH;
}

enum err org_probe(struct org_conn *c, struct error *e)
{
    struct org *o = c->org;
    struct answer a;
    struct buf path;
    call_path(&path, o, "/limits");
    enum err err = org_call(c, &(struct call){.operation = "limits", .path = path.data}, &a, e);
    /* the user may lack the permission to see the limits, yet the org has answered a known user */
    if ((err == ERR_DENIED || err == ERR_CONFIG) && (a.status == 403 || a.status == 404) &&
        strcmp(a.code, "API_DISABLED_FOR_ORG") != 0)
        err = ERR_NONE;
    answer_release(&a);
    buf_release(&path);

    if (err == ERR_NONE) {
        org_note_accepted(o);
        pthread_mutex_lock(&o->lock);
        if (is_disproved(o->failure))
            note_well(o);
        pthread_mutex_unlock(&o->lock);
    } else {
        org_report(o, err, e);
    }
    return err;
}
