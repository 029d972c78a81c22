/*
 * Readiness tells whether each org can be reached and signs us in, from cached state. A thread for
 * each org keeps that state true when no message comes: it asks the org at the start, every 30
 * seconds while it is unwell, and every 15 minutes otherwise (one API call each). It also keeps
 * the times of the schema's check and of the reconcile; so an org that is silent until its
 * requests time out delays no other's.
 *
 * An admin can have all orgs looked at at once (doctor): looks are numbered, each thread says
 * which one it began its last turn after, and the answer comes when all have passed that number,
 * or after LOOK_MAX_MS with what is known by then.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"
#include "daemon.h"
#include "timeutil.h"

enum { UNWELL_MS = 30000, WELL_MS = 15 * 60000, ASKED_MAX = 8, LOOK_MAX_MS = 30000 };

struct probed {
    struct prober *prober;
    size_t org; /* its place in the generation's list */
    pthread_t thread;
    uint64_t looked; /* number of the last look that was carried out; under the lock */
    /* the thread's; conn is made under the lock, since prober_stop aborts it */
    struct org_conn *conn;
    int64_t next_boot_ms;
    struct reconcile_watch reconcile;
    struct schema_watch schema;
    bool was_well;
};

struct asked { /* who waits for a look at all orgs */
    struct listener_token token;
    uint64_t look;
    int64_t until_boot_ms;
};

struct prober {
    pthread_mutex_t lock; /* guards stopping, looks, asked */
    pthread_cond_t wake;
    bool stopping;
    uint64_t looks; /* number of the last one that was asked for */
    struct asked asked[ASKED_MAX];
    size_t asked_count;
    const struct generation *generation;
    struct org **orgs; /* the generation's */
    size_t count, started;
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

static void probe(struct probed *x)
{
    struct error e = {0};
    struct prober *p = x->prober;
    struct org *o = p->orgs[x->org];
    struct org_conn *conn = x->conn;
    enum err err = ERR_NONE;
    if (conn == NULL)
        err = org_conn_new(&conn, o, &e);
    pthread_mutex_lock(&p->lock);
    x->conn = conn;
    bool stopping = p->stopping;
    pthread_mutex_unlock(&p->lock);
    if (stopping)
        return;
    if (err == ERR_NONE)
        err = org_probe(conn, &e);
    report_change(x, o, err == ERR_NONE, &e);
    x->next_boot_ms = time_boot_ms() + (err == ERR_NONE ? WELL_MS : UNWELL_MS);
}

static bool is_unwell(struct org *o)
{
    struct org_state state;
    org_state_get(o, &state);
    return !state.reachable || !state.authenticated;
}

static void turn(struct probed *x)
{
    struct prober *p = x->prober;
    struct org *o = p->orgs[x->org];
    int64_t now = time_boot_ms();
    reconcile_policy_turn(p->generation, x->org, &x->reconcile);
    bool turned_bad = x->next_boot_ms > now + UNWELL_MS && is_unwell(o);
    if (x->next_boot_ms <= now || turned_bad)
        probe(x);
    if (x->conn == NULL || !x->was_well || is_unwell(o))
        return;
    schema_turn(o, x->conn, &x->schema);
    reconcile_turn(p->generation, x->org, x->conn, &x->reconcile);
}

/* The number of the look that this turn carries out; with a new one, everything is due. */
static uint64_t begin_look(struct probed *x)
{
    pthread_mutex_lock(&x->prober->lock);
    uint64_t look = x->prober->looks;
    bool is_new = look != x->looked;
    pthread_mutex_unlock(&x->prober->lock);
    if (is_new)
        x->next_boot_ms = x->schema.next_boot_ms = 0;
    return look;
}

static void end_look(struct probed *x, uint64_t look)
{
    pthread_mutex_lock(&x->prober->lock);
    x->looked = look;
    pthread_mutex_unlock(&x->prober->lock);
    prober_turn(x->prober);
}

/* Waits at most a second; false when stopping. */
static bool pause_after(const struct probed *x, uint64_t look)
{
    struct prober *p = x->prober;
    struct timespec until = time_cond_after(1000);
    pthread_mutex_lock(&p->lock);
    if (!p->stopping && p->looks == look)
        (void)pthread_cond_timedwait(&p->wake, &p->lock, &until);
    bool go_on = !p->stopping;
    pthread_mutex_unlock(&p->lock);
    return go_on;
}

static void *probe_main(void *arg)
{
    struct probed *x = arg;
    uint64_t look;
    do {
        look = begin_look(x);
        turn(x);
        end_look(x, look);
    } while (pause_after(x, look));
    return NULL;
}

/* ------------------------------------------------------------------ who asked */

/* All orgs have been looked at, but for those that let us wait too long. Under the lock. */
static bool is_answerable(const struct prober *p, const struct asked *a)
{
    if (p->stopping || a->until_boot_ms <= time_boot_ms())
        return true;
    for (size_t i = 0; i < p->count; i++) {
        if (p->probed[i].looked < a->look)
            return false;
    }
    return true;
}

void prober_turn(struct prober *p)
{
    struct listener_token ready[ASKED_MAX];
    size_t count = 0, kept = 0;
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->asked_count; i++) {
        const struct asked a = p->asked[i];
        if (is_answerable(p, &a))
            ready[count++] = a.token;
        else
            p->asked[kept++] = a;
    }
    p->asked_count = kept;
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < count; i++)
        admin_answer_looked(p->generation->admin, ready[i]);
}

bool prober_look_again(struct prober *p, struct listener_token token)
{
    pthread_mutex_lock(&p->lock);
    bool ok = !p->stopping && p->asked_count < ASKED_MAX;
    if (ok)
        p->asked[p->asked_count++] =
            (struct asked){token, ++p->looks, time_boot_ms() + LOOK_MAX_MS};
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    return ok;
}

/* ------------------------------------------------------------------ start and stop */

enum err prober_start(struct prober **out, const struct generation *g, struct error *e)
{
    struct prober *p = mem_alloc(sizeof *p);
    p->generation = g;
    p->orgs = g->orgs;
    p->count = g->config->org_count;
    p->probed = mem_array(p->count, sizeof *p->probed);
    pthread_mutex_init(&p->lock, NULL);
    time_cond_init(&p->wake);
    for (size_t i = 0; i < p->count; i++) {
        p->probed[i] = (struct probed){.prober = p, .org = i};
        if (pthread_create(&p->probed[i].thread, NULL, probe_main, &p->probed[i]) != 0) {
            prober_stop(p);
            prober_free(&p);
            return error_set(e, ERR_IO,
                             "cannot start a probe thread: the system refuses more threads");
        }
        p->started++;
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
    pthread_cond_broadcast(&p->wake);
    for (size_t i = 0; i < p->started; i++) {
        if (p->probed[i].conn != NULL)
            org_conn_abort(p->probed[i].conn);
    }
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < p->started; i++)
        pthread_join(p->probed[i].thread, NULL);
    prober_turn(p); /* with what is known */
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
