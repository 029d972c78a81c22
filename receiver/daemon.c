/*
 * Start and stop. Bottom-up: the store, the first generation's parts, the listeners. In reverse:
 * stop accepting, let the replies in flight go out, let each worker end its current call, close the
 * store last.
 */
#include "daemon.h"

#include <time.h>

#include "log.h"
#include "timeutil.h"

enum {
    DISK_RESERVE_BYTES = 64 << 20,
    PUT_QUEUE_MAX = 10000,
    QUARANTINE_PACE = 1 << 20,
    WAIT_STEP_NS = 10000000,
};

enum err daemon_load(struct daemon *d, const char *config_file, struct error *e)
{
    d->config_file = config_file;
    pthread_mutex_init(&d->reload_lock, NULL);
    enum err err = tls_tickets_new(&d->tickets, NULL, e);
    if (err == ERR_NONE)
        err = generation_load(&d->now, d, e);
    if (err == ERR_NONE)
        log_setup(d->now->config->log.level, d->now->config->log.format);
    return err;
}

struct store_options daemon_store_options(const struct config *c)
{
    return (struct store_options){
        .url = c->store.url,
        .lease_ms = c->worker.lease_ms,
        .echo_ms = c->worker.echo_ms,
        .keep_done_ms = c->store.keep_done_ms,
        .keep_failed_ms = c->store.keep_failed_ms,
        .keep_ledger_ms = c->store.keep_ledger_ms,
        .quarantine_max_bytes = c->store.quarantine_max_bytes,
        .quarantine_pace = QUARANTINE_PACE,
        .disk_reserve_bytes = DISK_RESERVE_BYTES,
        .put_queue_max = PUT_QUEUE_MAX,
        .allow_asynchronous_commit = c->store.allow_asynchronous_commit,
    };
}

static enum err start_store(struct daemon *d, struct error *e)
{
    const struct config *c = d->now->config;
    struct store_options o = daemon_store_options(c);
    struct error why;
    enum err err = store_open(&d->store, &o, &why);
    if (err == ERR_NOT_FOUND) /* its directory */
        return error_set(e, ERR_CONFIG, "%s: store.url: %s: make the directory first", c->file,
                         why.text);
    return err == ERR_NONE ? err : error_set(e, err, "%s", why.text);
}

static enum err start_listeners(struct daemon *d, struct error *e)
{
    struct listener_options intake = generation_intake_options(d->now);
    struct listener_options admin = generation_admin_options(d->now);
    enum err err =
        listener_start(&d->intake_listener, &intake, intake_handler(), d->now->intake, e);
    if (err == ERR_NONE)
        err = listener_start(&d->admin_listener, &admin, admin_handler(), d->now->admin, e);
    return err;
}

enum err daemon_start(struct daemon *d, struct error *e)
{
    enum err err = start_store(d, e);
    d->started_at_ms = time_wall_ms();
    if (err == ERR_NONE)
        err = admin_runner_start(&d->runner, d->store, e);
    if (err == ERR_NONE)
        err = generation_make(d->now, e);
    if (err == ERR_NONE)
        err = generation_work(d->now, e);
    if (err == ERR_NONE)
        err = prober_start(&d->now->prober, d->now, e);
    if (err == ERR_NONE)
        err = retainer_start(&d->retainer, d->store, e);
    if (err == ERR_NONE)
        err = start_listeners(d, e);
    d->files_seen = d->files_changing = d->now->files;
    atomic_store(&d->is_up, err == ERR_NONE);
    if (err == ERR_NONE)
        /* not the path, which may hold a secret part */
        log_info("receiving", "version", TP_VERSION, "address",
                 listener_address(d->intake_listener), "admin", listener_address(d->admin_listener),
                 "orgs", log_num((long long)d->now->config->org_count), NULL);
    return err;
}

/* ------------------------------------------------------------------ stop */

static size_t in_flight(const struct daemon *d)
{
    size_t count = d->now->intake == NULL ? 0 : intake_in_flight(d->now->intake);
    for (const struct generation *g = d->retired; g != NULL; g = g->older)
        count += intake_in_flight(g->intake);
    return count;
}

static bool replies_are_out(const struct daemon *d)
{
    return d->intake_listener == NULL ||
           (in_flight(d) == 0 && listener_is_drained(d->intake_listener));
}

static void finish_replies(struct daemon *d, int64_t until_boot_ms, bool (*hurry)(void))
{
    if (d->intake_listener != NULL)
        listener_drain(d->intake_listener);
    if (d->now->intake != NULL)
        intake_drain(d->now->intake);
    for (struct generation *g = d->retired; g != NULL; g = g->older)
        intake_drain(g->intake);
    while (!replies_are_out(d) && time_boot_ms() < until_boot_ms && !hurry())
        nanosleep(&(struct timespec){.tv_nsec = WAIT_STEP_NS}, NULL);
}

static void shut_intakes(struct daemon *d)
{
    if (d->now->intake != NULL)
        intake_shut(d->now->intake);
    for (struct generation *g = d->retired; g != NULL; g = g->older)
        intake_shut(g->intake);
}

void daemon_stop(struct daemon *d, bool (*hurry)(void))
{
    int64_t until = time_boot_ms() + d->now->config->shutdown_timeout_ms;
    /* half of the time for peers that are slow to go, the rest for the workers' calls */
    finish_replies(d, time_boot_ms() + (until - time_boot_ms()) / 2, hurry);
    prober_stop(d->now->prober);
    shut_intakes(d);
    if (d->now->admin != NULL)
        admin_stop(d->now->admin);
    for (struct generation *g = d->retired; g != NULL; g = g->older)
        admin_stop(g->admin);
    listener_stop(&d->admin_listener); /* who looks at the workers goes before them */
    listener_stop(&d->intake_listener);
    for (struct generation *g = d->retired; g != NULL; g = g->older)
        worker_stop_soon(g->workers);
    int64_t left = until - time_boot_ms();
    worker_stop(&d->now->workers, left < 0 || hurry() ? 0 : left);
    for (struct generation *g = d->retired; g != NULL; g = g->older) {
        left = until - time_boot_ms();
        worker_stop(&g->workers, left < 0 || hurry() ? 0 : left);
    }
    admin_runner_stop(&d->runner);
    retainer_stop(&d->retainer);
}

void daemon_release(struct daemon *d)
{
    store_close(&d->store); /* answers what waits; the intakes must still be there */
    while (d->retired != NULL) {
        struct generation *g = d->retired;
        d->retired = g->older;
        generation_free(&g);
    }
    generation_free(&d->now);
    tls_tickets_free(&d->tickets);
    pthread_mutex_destroy(&d->reload_lock);
}
