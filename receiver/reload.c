/*
 * Reload (protocol rule 22). The next generation is made whole before anything changes: a
 * configuration that is refused, certificates that don't fit, or a change that only a restart can
 * make leave all as it was. Then requests go to the new one from each loop's next turn; its workers
 * claim, and those of the old end their passes with what they began with. A policy that differs
 * starts a reconcile by itself, and the probe checks each org's schema at once.
 *
 * Certificates, keys and lists in files of their own are watched, once a second by their times and
 * sizes: when they have changed and then stayed the same for a second, it is time.
 */
#include "daemon.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "hash.h"
#include "log.h"
#include "timeutil.h"

enum { TAKE_OVER_MAX_MS = 1000, WAIT_STEP_NS = 1000000 };

/* ------------------------------------------------------------------ what only a restart changes */

static bool differ(const char *a, const char *b)
{
    return strcmp(a, b) != 0;
}

static enum err refuse_fixed(const struct config *now, const struct config *next, struct error *e)
{
    const struct {
        const char *key;
        bool differs;
    } fixed[] = {
        {"listen.address", differ(now->listen.address, next->listen.address)},
        {"listen.threads", now->listen.threads != next->listen.threads},
        {"store.url", differ(now->store.url, next->store.url)},
        {"store.allow_asynchronous_commit",
         now->store.allow_asynchronous_commit != next->store.allow_asynchronous_commit},
        {"admin.address", differ(now->admin.address, next->admin.address)},
        {"worker.lease", now->worker.lease_ms != next->worker.lease_ms},
        {"worker.echo", now->worker.echo_ms != next->worker.echo_ms},
    };
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        if (fixed[i].differs)
            return error_set(e, ERR_CONFIG,
                             "%s: %s differs from what the daemon was started with, and only a "
                             "restart can change it",
                             next->file, fixed[i].key);
    }
    return ERR_NONE;
}

/* ------------------------------------------------------------------ watched files */

static uint64_t mix_file(uint64_t h, const char *path)
{
    struct stat s;
    char text[100];
    if (path == NULL || path[0] == '\0' || stat(path, &s) != 0)
        return hash_text(h, NULL);
    (void)snprintf(text, sizeof text, "%llu %lld %lld.%09ld", (unsigned long long)s.st_ino,
                   (long long)s.st_size, (long long)s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
    return hash_text(h, text);
}

uint64_t watched_files(const struct config *c)
{
    uint64_t h = HASH_START;
    for (size_t i = 0; i < c->tls.certificate.count; i++)
        h = mix_file(h, c->tls.certificate.items[i]);
    for (size_t i = 0; i < c->tls.key.count; i++)
        h = mix_file(h, c->tls.key.items[i]);
    h = mix_file(h, c->admin.certificate);
    h = mix_file(h, c->admin.key);
    h = mix_file(h, c->tls.client_ca);
    return mix_file(h, c->listen.ip_ranges_file);
}

/* ------------------------------------------------------------------ the change */

static void succeed_orgs(struct generation *g, const struct generation *before)
{
    for (size_t i = 0; i < g->config->org_count; i++) {
        for (size_t k = 0; k < before->config->org_count; k++) {
            if (strcmp(g->config->orgs[i].id, before->config->orgs[k].id) == 0)
                org_succeed(g->orgs[i], before->orgs[k]);
        }
    }
}

/* Everything that can fail; NULL if it did. */
static struct generation *make_next(struct daemon *d, struct error *e)
{
    struct generation *g = NULL;
    enum err err = generation_load(&g, d, e);
    if (err == ERR_NONE)
        err = refuse_fixed(d->now->config, g->config, e);
    if (err == ERR_NONE)
        err = generation_make(g, e);
    if (err == ERR_NONE) {
        succeed_orgs(g, d->now);
        err = generation_work(g, e);
    }
    if (err != ERR_NONE)
        generation_free(&g);
    return g;
}

static bool loops_are_current(const struct daemon *d)
{
    return listener_is_current(d->intake_listener) && listener_is_current(d->admin_listener);
}

/* Who is told that the new configuration is loaded may have taken a certificate's or an address's
 * trust away, and relies on that. A loop that takes longer than this is stuck. */
static void await_loops(const struct daemon *d)
{
    int64_t until_boot_ms = time_boot_ms() + TAKE_OVER_MAX_MS;
    while (!loops_are_current(d) && time_boot_ms() < until_boot_ms)
        nanosleep(&(struct timespec){.tv_nsec = WAIT_STEP_NS}, NULL);
}

static void change_to(struct daemon *d, struct generation *g)
{
    const struct config *c = g->config;
    struct generation *old = d->now;
    struct error e;
    struct listener_options intake = generation_intake_options(g);
    struct listener_options admin = generation_admin_options(g);
    worker_retire(old->workers);
    prober_stop(old->prober); /* two would queue each reconcile twice */
    if (prober_start(&g->prober, g, &e) != ERR_NONE)
        log_error("the probe has ended, with it the reconcile and the schema's check: restart the "
                  "daemon",
                  "error", e.text, NULL);
    listener_reload(d->intake_listener, &intake, g->intake);
    listener_reload(d->admin_listener, &admin, g->admin);
    store_set_keep(d->store, c->store.keep_done_ms, c->store.keep_failed_ms,
                   c->store.keep_ledger_ms);
    store_set_quarantine(d->store, c->store.quarantine_max_bytes);
    log_setup(c->log.level, c->log.format);
    d->now = g;
    old->older = d->retired;
    d->retired = old;
}

static size_t take_asked(struct daemon *d, struct listener_token out[RELOADS_ASKED_MAX])
{
    pthread_mutex_lock(&d->reload_lock);
    size_t count = d->reload_asked_count;
    memcpy(out, d->reload_asked, count * sizeof *out);
    d->reload_asked_count = 0;
    pthread_mutex_unlock(&d->reload_lock);
    return count;
}

/* The old generation's claims go back into the store, so a store that does not answer would hold up
 * main, whose signs of life the system's manager waits for. */
static bool store_hangs(const struct daemon *d, struct error *e)
{
    enum err err = store_probe(d->store, e);
    if (err != ERR_BUSY && err != ERR_IO)
        return false;
    error_wrap(e, "the store does not answer now, try again once it does");
    return true;
}

void daemon_reload(struct daemon *d, const char *because)
{
    struct listener_token asked[RELOADS_ASKED_MAX];
    struct error e = {0};
    size_t count = take_asked(d, asked);
    uint64_t files = watched_files(d->now->config); /* before they are read */
    if (count > 0)
        because = "an admin asked for it";

    notify_reloading();
    enum admin_reloaded how = store_hangs(d, &e) ? RELOAD_NOT_NOW : RELOAD_REFUSED;
    struct generation *g = how == RELOAD_NOT_NOW ? NULL : make_next(d, &e);
    if (g != NULL) {
        change_to(d, g);
        await_loops(d);
        files = g->files;
        how = RELOAD_DONE;
        log_info("configuration loaded anew", "because", because, "file", d->config_file, NULL);
    } else {
        log_error(how == RELOAD_NOT_NOW
                      ? "the configuration can't be changed now; all goes on as before"
                      : "the new configuration is refused; all goes on as before",
                  "because", because, "error", e.text, NULL);
    }
    d->files_seen = d->files_changing = files;
    notify_ready();
    for (size_t i = 0; i < count; i++)
        admin_answer_reloaded(asked[i], how, e.text);
}

bool reload_ask(void *daemon, struct listener_token token)
{
    struct daemon *d = daemon;
    pthread_mutex_lock(&d->reload_lock);
    bool ok = d->reload_asked_count < RELOADS_ASKED_MAX;
    if (ok)
        d->reload_asked[d->reload_asked_count++] = token;
    pthread_mutex_unlock(&d->reload_lock);
    if (ok)
        (void)kill(getpid(), SIGHUP); /* main waits for it */
    return ok;
}

/* ------------------------------------------------------------------ each second */

/* The loops first: one that has not taken over may still hand a message to the old intake, after
 * that was seen to have none. */
static bool has_ended(const struct daemon *d, const struct generation *g)
{
    return loops_are_current(d) && intake_in_flight(g->intake) == 0 &&
           admin_in_flight(g->admin) == 0 && worker_has_ended(g->workers);
}

static void free_ended(struct daemon *d)
{
    for (struct generation **at = &d->retired; *at != NULL;) {
        struct generation *g = *at;
        if (!has_ended(d, g)) {
            at = &g->older;
            continue;
        }
        *at = g->older;
        generation_free(&g);
    }
}

void reload_turn(struct daemon *d)
{
    struct error e;
    uint64_t state = watched_files(d->now->config);
    if (state != d->files_seen && state == d->files_changing && !store_hangs(d, &e))
        daemon_reload(d, "a certificate, key or list has changed");
    d->files_changing = state;
    free_ended(d);
}
