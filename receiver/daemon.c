/*
 * Builds the parts bottom-up: configuration, policy, certificates, org clients, store, workers,
 * the intake, and the admin's door. Takes them down in reverse: stop accepting, let the
 * replies in flight go out, let each worker end its current call, close the store last.
 */
#include "daemon.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "secret.h"
#include "timeutil.h"

enum {
    DISK_RESERVE_BYTES = 64 << 20,
    PUT_QUEUE_MAX = 10000,
    BUFFERED_BYTES_MAX = 64 << 20, /* protocol rule 4 */
    HANDSHAKE_TIMEOUT_MS = 10000,
    IDLE_TIMEOUT_MS = 120000,
    ADMIN_BODY_MAX = 1 << 20,
    ADMIN_CONNECTIONS_MAX = 64,
    ADMIN_ANSWER_MS = 180000, /* some answers wait for the org */
    WAIT_STEP_NS = 10000000,
};

static enum err load_access(struct daemon *d, struct error *e)
{
    const struct config *c = d->config;
    struct access_options o = {.allow = c->listen.allow,
                               .allow_count = c->listen.allow_count,
                               .ip_ranges_file = c->listen.ip_ranges_file};
    enum err err = access_list_new(&d->access, &o, e);
    return err == ERR_NONE ? err
                           : error_wrap(e, "%s:%u: listen.ip_ranges_file", c->file,
                                        c->listen.ip_ranges_file_line);
}

static enum err load_tls(struct daemon *d, struct error *e)
{
    const struct config *c = d->config;
    d->clients = client_auth_new(c);
    struct tls_server_options o = {.certificates = c->tls.certificate.items,
                                   .keys = c->tls.key.items,
                                   .count = c->tls.certificate.count,
                                   .clients = d->clients,
                                   .client_ca = c->tls.client_ca};
    enum err err = tls_server_new(&d->tls, &o, e);
    return err == ERR_NONE ? err : error_wrap(e, "%s:%u: tls", c->file, c->tls.line);
}

/* A file that is not there is no mistake: the admin API is off then. */
static enum err check_token(const struct config *c, struct error *e)
{
    struct secret token = {0};
    if (c->admin.token_file[0] == '\0')
        return ERR_NONE;
    enum err err = secret_read_file(&token, c->admin.token_file, e);
    secret_release(&token);
    if (err == ERR_NONE || err == ERR_NOT_FOUND)
        return ERR_NONE;
    return error_wrap(e, "%s:%u: admin.token_file", c->file, c->admin.line);
}

static enum err load_orgs(struct daemon *d, struct error *e)
{
    org_global_init();
    d->orgs = mem_array(d->config->org_count, sizeof(struct org *));
    for (size_t i = 0; i < d->config->org_count; i++) {
        enum err err = org_new(&d->orgs[i], &d->config->orgs[i], d->policy,
                               d->config->worker.request_timeout_ms, e);
        if (err != ERR_NONE)
            return error_wrap(e, "%s:%u: orgs[%zu].auth", d->config->file, d->config->orgs[i].line,
                              i);
    }
    return ERR_NONE;
}

enum err daemon_load(struct daemon *d, const char *config_file, struct error *e)
{
    enum err err = config_load(&d->config, config_file, e);
    if (err == ERR_NONE)
        err = policy_from_config(&d->policy, d->config, e);
    if (err == ERR_NONE) {
        policy_fingerprint(d->config, d->fingerprint);
        log_setup(d->config->log.level, d->config->log.format);
        err = load_access(d, e);
    }
    if (err == ERR_NONE)
        err = load_tls(d, e);
    if (err == ERR_NONE)
        err = check_token(d->config, e);
    return err == ERR_NONE ? load_orgs(d, e) : err;
}

static enum err start_store(struct daemon *d, struct error *e)
{
    const struct config *c = d->config;
    struct store_options o = {
        .url = c->store.url,
        .lease_ms = c->worker.lease_ms,
        .echo_ms = c->worker.echo_ms,
        .keep_done_ms = c->store.keep_done_ms,
        .keep_failed_ms = c->store.keep_failed_ms,
        .keep_ledger_ms = c->store.keep_ledger_ms,
        .disk_reserve_bytes = DISK_RESERVE_BYTES,
        .put_queue_max = PUT_QUEUE_MAX,
    };
    struct error why;
    enum err err = store_open(&d->store, &o, &why);
    if (err == ERR_NOT_FOUND) /* its directory */
        return error_set(e, ERR_CONFIG, "%s: store.url: %s: make the directory first", c->file,
                         why.text);
    return err == ERR_NONE ? err : error_set(e, err, "%s", why.text);
}

static enum err start_workers(struct daemon *d, struct error *e)
{
    const struct config *c = d->config;
    struct worker_options o = {
        .store = d->store,
        .orgs = d->orgs,
        .org_count = c->org_count,
        .policy = d->policy,
        .policy_fingerprint = d->fingerprint,
        .threads = c->worker.threads,
        .max_tries = c->worker.max_tries,
        .max_delete_percent = c->policy.max_delete_percent,
        .lease_ms = c->worker.lease_ms,
    };
    return worker_start(&d->workers, &o, e);
}

static const char *public_health(void *ctx, bool ready)
{
    const struct daemon *d = ctx;
    if (!ready)
        return "ok";
    return atomic_load(&d->admin_is_up) ? admin_status(d->admin) : "unavailable";
}

/* Half of all, unless two of the largest bodies need more. */
static uint64_t buffered_per_address(uint64_t max_body_bytes)
{
    uint64_t half = BUFFERED_BYTES_MAX / 2, two = 2 * max_body_bytes;
    return two <= half ? half : (two < BUFFERED_BYTES_MAX ? two : BUFFERED_BYTES_MAX);
}

/* The intake's listener is made before the admin's handler, which shows it; it accepts when all
 * else stands. */
static enum err start_intake(struct daemon *d, struct error *e)
{
    const struct config *c = d->config;
    struct intake_options io = {.config = c,
                                .store = d->store,
                                .clients = d->clients,
                                .health_status = public_health,
                                .health_ctx = d};
    struct listener_options lo = {
        .address = c->listen.address,
        .tls = d->tls,
        .access = d->access,
        .threads = c->listen.threads,
        .max_body_bytes = c->listen.max_body_bytes,
        .max_buffered_bytes = BUFFERED_BYTES_MAX,
        .max_buffered_per_address_bytes = buffered_per_address(c->listen.max_body_bytes),
        .request_timeout_ms = c->listen.request_timeout_ms,
        .handshake_timeout_ms = HANDSHAKE_TIMEOUT_MS,
        .idle_timeout_ms = IDLE_TIMEOUT_MS,
        .max_connections = c->listen.max_connections,
        .max_connections_per_address = c->listen.max_connections_per_address,
        .name = "intake",
        .answer_seconds = metric_series(METRIC_INTAKE_SECONDS),
    };
    enum err err = intake_new(&d->intake, &io, e);
    if (err == ERR_NONE)
        err = listener_start(&d->intake_listener, &lo, intake_handler(), d->intake, e);
    return err;
}

static bool look_again(void *ctx, struct listener_token token)
{
    struct daemon *d = ctx;
    return prober_look_again(d->prober, token);
}

static enum err start_admin(struct daemon *d, struct error *e)
{
    const struct config *c = d->config;
    struct admin_options ao = {
        .config = c,
        .store = d->store,
        .set_gauges = janitor_set_gauges,
        .gauges_ctx = d,
        .intake_listener = d->intake_listener,
        .tls = d->tls,
        .workers = d->workers,
        .orgs = d->orgs,
        .org_count = c->org_count,
        .look_again = look_again,
        .look_ctx = d,
    };
    struct listener_options lo = {
        .address = c->admin.address,
        .threads = 1,
        .max_body_bytes = ADMIN_BODY_MAX,
        .max_buffered_bytes = 16u << 20,
        .max_buffered_per_address_bytes = 16u << 20,
        .request_timeout_ms = c->listen.request_timeout_ms,
        .handshake_timeout_ms = HANDSHAKE_TIMEOUT_MS,
        .idle_timeout_ms = IDLE_TIMEOUT_MS,
        .answer_timeout_ms = ADMIN_ANSWER_MS,
        .max_connections = ADMIN_CONNECTIONS_MAX,
        .max_connections_per_address = ADMIN_CONNECTIONS_MAX,
        .name = "admin",
    };
    enum err err = admin_new(&d->admin, &ao, e);
    if (err == ERR_NONE)
        err = listener_start(&d->admin_listener, &lo, admin_handler(), d->admin, e);
    atomic_store(&d->admin_is_up, err == ERR_NONE);
    return err;
}

enum err daemon_start(struct daemon *d, struct error *e)
{
    enum err err = start_store(d, e);
    if (err == ERR_NONE)
        err = start_workers(d, e);
    if (err == ERR_NONE)
        err = start_intake(d, e);
    if (err == ERR_NONE)
        err = prober_start(&d->prober, d, e);
    if (err == ERR_NONE) /* which asks the prober */
        err = start_admin(d, e);
    if (err == ERR_NONE)
        /* not the path, which may hold a secret part */
        log_info("receiving", "version", TP_VERSION, "address",
                 listener_address(d->intake_listener), "admin", listener_address(d->admin_listener),
                 "orgs", log_num((long long)d->config->org_count), NULL);
    return err;
}

/* ------------------------------------------------------------------ stop */

static bool replies_are_out(const struct daemon *d)
{
    return d->intake == NULL || d->intake_listener == NULL ||
           (intake_in_flight(d->intake) == 0 && listener_is_drained(d->intake_listener));
}

void daemon_stop(struct daemon *d, bool (*hurry)(void))
{
    int64_t until = time_boot_ms() + (d->config == NULL ? 0 : d->config->shutdown_timeout_ms);
    /* half of the time for peers that are slow to go, the rest for the workers' calls */
    int64_t replies_until = time_boot_ms() + (until - time_boot_ms()) / 2;
    if (d->intake_listener != NULL)
        listener_drain(d->intake_listener);
    if (d->intake != NULL)
        intake_drain(d->intake);
    while (!replies_are_out(d) && time_boot_ms() < replies_until && !hurry())
        nanosleep(&(struct timespec){.tv_nsec = WAIT_STEP_NS}, NULL);
    /* who looks at the workers goes before them */
    prober_stop(d->prober);
    listener_stop(&d->admin_listener);
    listener_stop(&d->intake_listener);
    int64_t left = until - time_boot_ms();
    worker_stop(&d->workers, left < 0 || hurry() ? 0 : left);
}

void daemon_release(struct daemon *d)
{
    store_close(&d->store); /* answers what waits; the intake must still be there */
    intake_free(&d->intake);
    prober_free(&d->prober);
    admin_free(&d->admin);
    for (size_t i = 0; d->orgs != NULL && i < d->config->org_count; i++)
        org_free(&d->orgs[i]);
    free(d->orgs);
    d->orgs = NULL;
    tls_server_free(&d->tls);
    client_auth_free(&d->clients);
    access_list_free(&d->access);
    policy_free(&d->policy);
    config_free(&d->config);
}
