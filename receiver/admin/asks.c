/*
 * Calls that wait for an org, or longer for the store than the admin's loop may: some threads take
 * them in the order of their coming; of more than WAITING_MAX the next is refused. Each thread
 * keeps a connection to each org it was asked about.
 *
 * An org that does not answer must not keep questions to others waiting: of one org EACH_RUNNING
 * calls run at once, one of all orgs together, and so a thread is always left; where there are
 * several, one org's calls take half of the waiting places at most.
 *
 * Before each request to the org it is asked whether the call is still wanted: the daemon may stop,
 * the asker may have hung up or been answered by the time-out. And a person's question is never
 * worth more than the org's work: an org that is held back or at its limits is not asked.
 */
#include "admin_int.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "look.h"
#include "mem.h"

enum {
    EACH_RUNNING = 2,
    ALL_RUNNING = 1,
    THREADS = EACH_RUNNING + ALL_RUNNING + 1,
    WAITING_MAX = 32,
    EACH_WAITING = WAITING_MAX / 2,
};

#define RETRY_LATER                                                                                \
    "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nRetry-After: 5\r\n"

struct ask_thread {
    struct asks *asks;
    pthread_t thread;
    struct ask_org *orgs; /* options.org_count; conn is made under the lock, since asks_stop aborts
                             it */
    struct ask *current;  /* this thread only */
    struct org *asked;    /* of the gate; this thread only */
    bool is_whole;        /* likewise */
};

struct asks {
    struct admin *admin;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;
    bool stopping;
    struct ask *first, **last;
    size_t waiting, running;
    size_t *waiting_of, *running_of; /* by ask.whose; org_count + 2 places */
    unsigned started;
    struct ask_thread threads[THREADS];
};

/* ------------------------------------------------------------------ errors */

/* What a kind of error means to who asked. */
static const struct {
    enum err kind;
    int status;
    const char *title;
} STATUSES[] = {
    {ERR_BUSY, 503, "Not now"},
    {ERR_LIMIT, 503, "Not now"},
    {ERR_STOPPED, 503, "The daemon is stopping"},
    {ERR_IO, 503, "The store does not answer"},
    {ERR_FULL, 503, "The store does not answer"},
    {ERR_NETWORK, 502, "The org does not answer"},
    {ERR_TIMEOUT, 504, "The org does not answer"},
    {ERR_UNKNOWN_OUTCOME, 502, "The org does not answer"},
    {ERR_AUTH, 502, "The org refuses us"},
    {ERR_DENIED, 502, "The org refuses us"},
    {ERR_CONFIG, 502, "The org is not as configured"},
    {ERR_INVALID, 400, "The request can't be carried out"},
    {ERR_NOT_FOUND, 404, "Not found"},
};

void answer_error(struct answer *out, enum err err, const struct error *e)
{
    int status = 500;
    const char *title = "The request failed";
    for (size_t i = 0; i < sizeof STATUSES / sizeof STATUSES[0]; i++) {
        if (STATUSES[i].kind == err) {
            status = STATUSES[i].status;
            title = STATUSES[i].title;
        }
    }
    answer_problem(out, status, title, e->text);
    if (status == 503)
        out->extra = RETRY_LATER;
}

/* ------------------------------------------------------------------ the org */

static bool is_stopping(struct asks *s)
{
    pthread_mutex_lock(&s->lock);
    bool stopping = s->stopping;
    pthread_mutex_unlock(&s->lock);
    return stopping;
}

static enum err before_request(void *ctx, struct error *e)
{
    struct ask_thread *t = ctx;
    if (is_stopping(t->asks))
        return error_set(e, ERR_STOPPED, "ask again once it has started");
    if (listener_wait_is_over(t->current->wait))
        return error_set(e, ERR_STOPPED, "nobody waits for the answer any more");
    return t->current->despite_hold ? look_has_calls(t->asked, t->is_whole, e)
                                    : look_may_ask(t->asked, t->is_whole, e);
}

/* Where there is but one it need not be named. org_count: none of ours, or several. */
static size_t org_index(const struct admin *a, const char *name)
{
    char id[SFID_SIZE] = "";
    size_t i = 0;
    if (name[0] == '\0' && a->options.org_count == 1)
        return 0;
    (void)sfid_normalise(name, strlen(name), id);
    while (i < a->options.org_count && strcmp(org_config(a->options.orgs[i])->id, id) != 0)
        i++;
    return i;
}

static enum err connect(struct ask_thread *t, struct ask_org *x, struct error *e)
{
    struct org_conn *conn = x->conn;
    char name[64];
    enum err err = conn == NULL ? org_conn_new(&conn, x->org, e) : ERR_NONE;
    if (err != ERR_NONE)
        return err;
    pthread_mutex_lock(&t->asks->lock);
    x->conn = conn;
    if (t->asks->stopping)
        org_conn_abort(conn);
    pthread_mutex_unlock(&t->asks->lock);
    struct org_gate gate = {before_request, t, NULL};
    org_conn_gate(conn, &gate);
    err = org_time_zone(conn, name, e);
    if (err != ERR_NONE || (x->zone != NULL && strcmp(zone_name(x->zone), name) == 0))
        return err;
    zone_close(&x->zone);
    return zone_open(&x->zone, name, e);
}

bool ask_org(struct ask *k, const char *id, bool whole, struct ask_org *x, struct answer *out)
{
    struct error e = {0};
    struct ask_thread *t = k->thread;
    size_t i = org_index(k->admin, id);
    if (i == k->admin->options.org_count) {
        answer_problem(out, 404, "No such organisation", "the configuration has no org of that id");
        return false;
    }
    t->orgs[i].org = t->asked = k->admin->options.orgs[i];
    t->is_whole = whole;
    enum err err = connect(t, &t->orgs[i], &e);
    if (err != ERR_NONE) {
        answer_error(out, err, &e);
        return false;
    }
    *x = t->orgs[i];
    return true;
}

/* ------------------------------------------------------------------ the threads */

static void ask_free(struct ask **k)
{
    json_decref((*k)->args);
    listener_wait_free(&(*k)->wait);
    free(*k);
    *k = NULL;
}

static void answer_ask(struct ask *k)
{
    struct answer out = {0};
    struct error e;
    if (is_stopping(k->thread->asks)) {
        (void)error_set(&e, ERR_STOPPED, "ask again once it has started");
        answer_error(&out, ERR_STOPPED, &e);
    } else {
        k->run(k, &out);
    }
    answer_send(&out, k->token);
}

static size_t most_running(const struct asks *s, size_t whose)
{
    size_t orgs = s->admin->options.org_count;
    return whose < orgs ? EACH_RUNNING : whose == orgs ? ALL_RUNNING : THREADS;
}

/* The first whose org has a place left; when stopping, the first, which is told so. */
static struct ask **find(struct asks *s)
{
    struct ask **at = &s->first;
    while (*at != NULL && !s->stopping &&
           s->running_of[(*at)->whose] >= most_running(s, (*at)->whose))
        at = &(*at)->next;
    return at;
}

static struct ask *take(struct asks *s)
{
    struct ask **at = find(s);
    while (*at == NULL && !s->stopping) {
        (void)pthread_cond_wait(&s->wake, &s->lock);
        at = find(s);
    }
    struct ask *k = *at;
    if (k == NULL)
        return NULL;
    *at = k->next;
    if (*at == NULL)
        s->last = at;
    s->waiting--;
    s->waiting_of[k->whose]--;
    s->running++;
    s->running_of[k->whose]++;
    return k;
}

static void *thread_main(void *arg)
{
    struct ask_thread *t = arg;
    struct asks *s = t->asks;
    pthread_mutex_lock(&s->lock);
    for (struct ask *k = take(s); k != NULL; k = take(s)) {
        pthread_mutex_unlock(&s->lock);
        k->thread = t;
        t->current = k;
        size_t whose = k->whose;
        if (!listener_wait_is_over(k->wait))
            answer_ask(k);
        ask_free(&k);
        pthread_mutex_lock(&s->lock);
        s->running--;
        s->running_of[whose]--;
        pthread_cond_signal(&s->wake); /* one of its org may have waited for this */
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* The first call starts them: a daemon that nobody asks has none. Under the lock. */
static bool has_threads(struct asks *s)
{
    while (s->started < THREADS && !s->stopping) {
        struct ask_thread *t = &s->threads[s->started];
        if (pthread_create(&t->thread, NULL, thread_main, t) != 0)
            break;
        s->started++;
    }
    return s->started > 0;
}

static bool has_place(const struct asks *s, size_t whose)
{
    size_t orgs = s->admin->options.org_count;
    bool shared = orgs > 1 && whose <= orgs;
    return s->waiting < WAITING_MAX && (!shared || s->waiting_of[whose] < EACH_WAITING);
}

static void enqueue(struct asks *s, size_t whose, const struct request *q, json_t *args,
                    void (*run)(struct ask *k, struct answer *out), struct answer *out)
{
    struct ask *k = mem_alloc(sizeof *k);
    *k = (struct ask){.admin = s->admin,
                      .args = args,
                      .token = q->token,
                      .wait = listener_wait_new(q->token),
                      .whose = whose,
                      .run = run};
    pthread_mutex_lock(&s->lock);
    bool taken = !s->stopping && has_place(s, whose) && has_threads(s);
    if (taken) {
        *s->last = k;
        s->last = &k->next;
        s->waiting++;
        s->waiting_of[whose]++;
        pthread_cond_signal(&s->wake);
    }
    pthread_mutex_unlock(&s->lock);
    if (taken) {
        out->status = ANSWER_LATER;
        return;
    }
    ask_free(&k);
    answer_problem(out, 503, "Too many at once",
                   "as many such calls wait as may: ask again when some are answered");
    out->extra = RETRY_LATER;
}

void ask_later(struct admin *a, const struct request *q, json_t *args,
               void (*run)(struct ask *k, struct answer *out), struct answer *out)
{
    enqueue(a->asks, org_index(a, argument_text(args, "org")), q, args, run, out);
}

void ask_store_later(struct admin *a, const struct request *q, json_t *args,
                     void (*run)(struct ask *k, struct answer *out), struct answer *out)
{
    enqueue(a->lookups, a->options.org_count + 1, q, args, run, out);
}

size_t asks_in_flight(struct asks *s)
{
    pthread_mutex_lock(&s->lock);
    size_t n = s->waiting + s->running;
    pthread_mutex_unlock(&s->lock);
    return n;
}

/* ------------------------------------------------------------------ start and stop */

struct asks *asks_new(struct admin *a)
{
    struct asks *s = mem_alloc(sizeof *s);
    s->admin = a;
    s->last = &s->first;
    s->waiting_of = mem_array(a->options.org_count + 2, sizeof *s->waiting_of);
    s->running_of = mem_array(a->options.org_count + 2, sizeof *s->running_of);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    for (size_t i = 0; i < THREADS; i++) {
        s->threads[i].asks = s;
        s->threads[i].orgs = mem_array(a->options.org_count, sizeof *s->threads[i].orgs);
    }
    return s;
}

void asks_stop(struct asks *s)
{
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_broadcast(&s->wake);
    for (unsigned i = 0; i < s->started; i++) {
        for (size_t k = 0; k < s->admin->options.org_count; k++) {
            if (s->threads[i].orgs[k].conn != NULL)
                org_conn_abort(s->threads[i].orgs[k].conn);
        }
    }
    unsigned started = s->started;
    s->started = 0;
    pthread_mutex_unlock(&s->lock);
    for (unsigned i = 0; i < started; i++)
        pthread_join(s->threads[i].thread, NULL);
}

void asks_free(struct asks **out)
{
    struct asks *s = *out;
    if (s == NULL)
        return;
    *out = NULL;
    asks_stop(s);
    for (size_t i = 0; i < THREADS; i++) {
        for (size_t k = 0; k < s->admin->options.org_count; k++) {
            org_conn_free(&s->threads[i].orgs[k].conn);
            zone_close(&s->threads[i].orgs[k].zone);
        }
        free(s->threads[i].orgs);
    }
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s->waiting_of);
    free(s->running_of);
    free(s);
}
