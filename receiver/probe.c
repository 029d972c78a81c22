/*
 * Readiness tells whether each org can be reached and signs us in, from cached state. This thread
 * keeps that state true when no message comes: it asks each org at the start, every 30 seconds
 * while one is unwell, and every 15 minutes otherwise (one API call each). It also keeps the times
 * of the schema's check and of the reconcile. An admin can have both looks at once (doctor).
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"
#include "daemon.h"
#include "timeutil.h"

enum { UNWELL_MS = 30000, WELL_MS = 15 * 60000, ASKED_MAX = 8 };

struct probed {
    struct org_conn *conn; /* made by the thread, aborted by prober_stop */
    int64_t next_boot_ms, reconcile_boot_ms;
    struct schema_watch schema;
    bool was_well;
};

struct prober {
    pthread_t thread;
    pthread_mutex_t lock; /* guards stopping, asked, and conn while it is made */
    pthread_cond_t wake;
    bool stopping;
    struct listener_token asked[ASKED_MAX]; /* who waits for a look at all orgs */
    size_t asked_count;
    const struct generation *generation;
    struct org **orgs; /* the generation's */
    size_t count;
    struct probed *probed;
};

static void report_change(struct probed *x, const struct org *o, bool well, const struct error *e)
{
    if (well && !x->was_well)
        log_info("org is reachable and signs us in", "org", org_config(o)->id, "name",
                 org_config(o)->name, NULL);
    if (!well && (x->was_well || x->next_boot_ms == 0))
        log_warn("org does not answer or refuses us; its work waits", "org", org_config(o)->id,
                 "name", org_config(o)->name, "error", e->text, NULL);
    x->was_well = well;
}

static void probe_one(struct prober *p, size_t i)
{
    struct error e = {0};
    struct probed *x = &p->probed[i];
    struct org_conn *conn = x->conn;
    enum err err = ERR_NONE;
    if (conn == NULL)
        err = org_conn_new(&conn, p->orgs[i], &e);
    pthread_mutex_lock(&p->lock);
    x->conn = conn;
    bool stopping = p->stopping;
    pthread_mutex_unlock(&p->lock);
    if (stopping)
        return;
    if (err == ERR_NONE)
        err = org_probe(conn, &e);
    report_change(x, p->orgs[i], err == ERR_NONE, &e);
    x->next_boot_ms = time_boot_ms() + (err == ERR_NONE ? WELL_MS : UNWELL_MS);
}

/* Waits at most a second under the lock; false when stopping. */
static bool wait_a_second(struct prober *p)
{
    struct timespec until = time_cond_after(1000);
    pthread_mutex_lock(&p->lock);
    if (!p->stopping && p->asked_count == 0)
        (void)pthread_cond_timedwait(&p->wake, &p->lock, &until);
    bool go_on = !p->stopping;
    pthread_mutex_unlock(&p->lock);
    return go_on;
}

static bool is_unwell(struct org *o)
{
    struct org_state state;
    org_state_get(o, &state);
    return !state.reachable || !state.authenticated;
}

static void turn(struct prober *p, size_t i)
{
    struct probed *x = &p->probed[i];
    int64_t now = time_boot_ms();
    bool turned_bad = x->next_boot_ms > now + UNWELL_MS && is_unwell(p->orgs[i]);
    if (x->next_boot_ms <= now || turned_bad)
        probe_one(p, i);
    if (x->conn == NULL || !x->was_well || is_unwell(p->orgs[i]))
        return;
    schema_turn(p->orgs[i], x->conn, &x->schema);
    reconcile_turn(p->generation, i, x->conn, &x->reconcile_boot_ms);
}

/* Takes those who wait; with any, everything is due. */
static size_t take_asked(struct prober *p, struct listener_token out[ASKED_MAX])
{
    pthread_mutex_lock(&p->lock);
    size_t count = p->asked_count;
    memcpy(out, p->asked, count * sizeof *out);
    p->asked_count = 0;
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; count > 0 && i < p->count; i++)
        p->probed[i].next_boot_ms = p->probed[i].schema.next_boot_ms = 0;
    return count;
}

static void *prober_main(void *arg)
{
    struct prober *p = arg;
    struct listener_token asked[ASKED_MAX];
    do {
        size_t count = take_asked(p, asked);
        for (size_t i = 0; i < p->count; i++)
            turn(p, i);
        for (size_t i = 0; i < count; i++)
            admin_answer_looked(p->generation->admin, asked[i]);
    } while (wait_a_second(p));
    return NULL;
}

bool prober_look_again(struct prober *p, struct listener_token token)
{
    pthread_mutex_lock(&p->lock);
    bool ok = !p->stopping && p->asked_count < ASKED_MAX;
    if (ok)
        p->asked[p->asked_count++] = token;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    return ok;
}

enum err prober_start(struct prober **out, const struct generation *g, struct error *e)
{
    struct prober *p = mem_alloc(sizeof *p);
    p->generation = g;
    p->orgs = g->orgs;
    p->count = g->config->org_count;
    p->probed = mem_array(p->count, sizeof *p->probed);
    pthread_mutex_init(&p->lock, NULL);
    time_cond_init(&p->wake);
    if (pthread_create(&p->thread, NULL, prober_main, p) != 0) {
        free(p->probed);
        free(p);
        return error_set(e, ERR_IO,
                         "cannot start the probe thread: the system refuses more threads");
    }
    *out = p;
    return ERR_NONE;
}

void prober_stop(struct prober *p)
{
    if (p == NULL || p->stopping)
        return;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_signal(&p->wake);
    for (size_t i = 0; i < p->count; i++) {
        if (p->probed[i].conn != NULL)
            org_conn_abort(p->probed[i].conn);
    }
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    for (size_t i = 0; i < p->asked_count; i++) /* with what is known */
        admin_answer_looked(p->generation->admin, p->asked[i]);
    p->asked_count = 0;
}

void prober_free(struct prober **out)
{
    struct prober *p = *out;
    if (p == NULL)
        return;
    *out = NULL;
    for (size_t i = 0; i < p->count; i++)
        org_conn_free(&p->probed[i].conn);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p->probed);
    free(p);
}
