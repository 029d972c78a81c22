/*
 * What one reading of the configuration makes, bottom-up: policy, certificates, org clients, then
 * the intake, the admin's part, workers and the probe over the store that is there. Nothing of it
 * changes afterwards; a change is another generation.
 */
#include "daemon.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "access.h"
#include "client_auth.h"
#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "secret.h"
#include "timeutil.h"

enum {
    BUFFERED_BYTES_MAX = 64 << 20, /* protocol rule 4 */
    HANDSHAKE_TIMEOUT_MS = 10000,
    IDLE_TIMEOUT_MS = 120000,
    ADMIN_BODY_MAX = 4 << 20,
    ADMIN_BUFFERED_MAX = 16 << 20,
    ADMIN_CONNECTIONS_MAX = 64,
    ADMIN_ANSWER_MS = 180000, /* some answers wait for the org */
    RANGES_OLD_DAYS = 90,
    DAY_S = 86400,
    DESCRIPTORS_OF_OTHERS = 128, /* the store, the admin's listener, who has yet to make room */
    DESCRIPTORS_OF_WORKER = 4,   /* of each */
    DESCRIPTORS_OF_LOOP = 64,    /* of each: one accepts as many before it closes who made room */
};

/* ------------------------------------------------------------------ load */

void generation_warn_of_old_ranges(const struct generation *g)
{
    const char *file = g->config->listen.ip_ranges_file;
    struct stat s;
    if (file == NULL || file[0] == '\0' || stat(file, &s) != 0)
        return; /* none, or a reload will say what is wrong */
    int64_t days = (time_wall_ms() / 1000 - s.st_mtim.tv_sec) / DAY_S;
    if (days > RANGES_OLD_DAYS)
        log_warn("listen.ip_ranges_file was written long ago, and Salesforce adds addresses often: "
                 "see whether the job that fetches it still runs",
                 "file", file, "days", log_num((long long)days), NULL);
}

static enum err load_access(struct generation *g, struct error *e)
{
    const struct config *c = g->config;
    struct access_options o = {.allow = c->listen.allow,
                               .allow_count = c->listen.allow_count,
                               .ip_ranges_file = c->listen.ip_ranges_file};
    struct access_options proxies = {.allow = c->listen.proxies,
                                     .allow_count = c->listen.proxy_count};
    enum err err = ERR_NONE;
    if (proxies.allow_count > 0) /* an empty list means everybody */
        err = access_list_new(&g->proxies, &proxies, e);
    if (err != ERR_NONE)
        return err;
    err = access_list_new(&g->access, &o, e);
    if (err != ERR_NONE)
        return error_wrap(e, "%s:%u: listen.ip_ranges_file", c->file,
                          c->listen.ip_ranges_file_line);
    generation_warn_of_old_ranges(g);
    return ERR_NONE;
}

static enum err load_tls(struct generation *g, struct error *e)
{
    const struct config *c = g->config;
    g->clients = client_auth_new(c);
    struct tls_server_options o = {.certificates = c->tls.certificate.items,
                                   .keys = c->tls.key.items,
                                   .count = c->tls.certificate.count,
                                   .tickets = g->daemon->tickets,
                                   .name = c->tls.name,
                                   .clients = g->clients,
                                   .client_ca = c->tls.client_ca};
    enum err err = tls_server_new(&g->tls, &o, e);
    if (err == ERR_NONE && c->tls.client_certificate == CONFIG_CLIENT_OPTIONAL)
        log_warn("client certificates are optional: whoever shows none is let in", NULL);
    return err == ERR_NONE ? err : error_wrap(e, "%s:%u: tls", c->file, c->tls.line);
}

/* Who is not on this machine would send the token over the wire as it is. */
static bool is_far(const char *address)
{
    static const char *const near[] = {"unix:", "127.", "[::1]", "localhost:"};
    for (size_t i = 0; i < sizeof near / sizeof near[0]; i++) {
        if (strncmp(address, near[i], strlen(near[i])) == 0)
            return false;
    }
    return true;
}

static enum err load_admin_tls(struct generation *g, struct error *e)
{
    const struct config *c = g->config;
    if (c->admin.certificate[0] == '\0') {
        if (is_far(c->admin.address))
            log_warn("admin.address can be reached from other machines, and the token would go "
                     "over the wire as it is: set admin.certificate and admin.key",
                     "address", c->admin.address, NULL);
        return ERR_NONE;
    }
    struct tls_server_options o = {.certificates = &c->admin.certificate,
                                   .keys = &c->admin.key,
                                   .count = 1,
                                   .tickets = g->daemon->tickets};
    enum err err = tls_server_new(&g->admin_tls, &o, e);
    return err == ERR_NONE ? err : error_wrap(e, "%s:%u: admin", c->file, c->admin.line);
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

static enum err load_orgs(struct generation *g, struct error *e)
{
    org_global_init();
    g->orgs = mem_array(g->config->org_count, sizeof(struct org *));
    for (size_t i = 0; i < g->config->org_count; i++) {
        enum err err = org_new(&g->orgs[i], &g->config->orgs[i], g->policy,
                               g->config->worker.request_timeout_ms, e);
        if (err != ERR_NONE)
            return error_wrap(e, "%s:%u: orgs[%zu].auth", g->config->file, g->config->orgs[i].line,
                              i);
    }
    return ERR_NONE;
}

enum err generation_load(struct generation **out, struct daemon *d, struct error *e)
{
    struct generation *g = mem_alloc(sizeof *g);
    g->daemon = d;
    enum err err = config_load(&g->config, d->config_file, e);
    if (err == ERR_NONE)
        err = policy_from_config(&g->policy, g->config, e);
    if (err == ERR_NONE) {
        policy_fingerprint(g->config, g->fingerprint);
        g->files = watched_files(g->config); /* before they are read */
        err = load_access(g, e);
    }
    if (err == ERR_NONE)
        err = load_tls(g, e);
    if (err == ERR_NONE)
        err = load_admin_tls(g, e);
    if (err == ERR_NONE)
        err = check_token(g->config, e);
    if (err == ERR_NONE)
        err = load_orgs(g, e);
    if (err == ERR_NONE)
        *out = g;
    else
        generation_free(&g);
    return err;
}

/* ------------------------------------------------------------------ make */

static const char *public_health(void *ctx, bool ready)
{
    const struct generation *g = ctx;
    if (!ready)
        return "ok";
    return atomic_load(&g->daemon->is_up) ? admin_status(g->admin) : "unavailable";
}

static bool look_again(void *ctx, struct listener_token token)
{
    const struct generation *g = ctx;
    return g->prober != NULL && prober_look_again(g->prober, token);
}

static enum err make_admin(struct generation *g, struct error *e)
{
    struct admin_options o = {
        .config = g->config,
        .policy = g->policy,
        .policy_fingerprint = g->fingerprint,
        .store = g->daemon->store,
        .set_gauges = janitor_set_gauges,
        .gauges_ctx = g,
        .intake_listener = &g->daemon->intake_listener,
        .intake = g->intake,
        .runner = g->daemon->runner,
        .started_at_ms = g->daemon->started_at_ms,
        .tls = g->tls,
        .workers = &g->workers,
        .orgs = g->orgs,
        .org_count = g->config->org_count,
        .look_again = look_again,
        .look_ctx = g,
        .reload = reload_ask,
        .reload_ctx = g->daemon,
    };
    return admin_new(&g->admin, &o, e);
}

enum err generation_make(struct generation *g, struct error *e)
{
    struct intake_options o = {.config = g->config,
                               .store = g->daemon->store,
                               .clients = g->clients,
                               .health_status = public_health,
                               .health_ctx = g};
    enum err err = intake_new(&g->intake, &o, e);
    return err == ERR_NONE ? make_admin(g, e) : err;
}

enum err generation_work(struct generation *g, struct error *e)
{
    const struct config *c = g->config;
    struct worker_options o = {
        .store = g->daemon->store,
        .orgs = g->orgs,
        .org_count = c->org_count,
        .policy = g->policy,
        .policy_fingerprint = g->fingerprint,
        .threads = c->worker.threads,
        .max_tries = c->worker.max_tries,
        .max_delete_percent = c->policy.max_delete_percent,
        .lease_ms = c->worker.lease_ms,
        .echo_ms = c->worker.echo_ms,
    };
    return worker_start(&g->workers, &o, e);
}

/* ------------------------------------------------------------------ the listeners' options */

/* Half of all, unless two of the largest bodies need more. */
static uint64_t buffered_per_address(uint64_t max_body_bytes)
{
    uint64_t half = BUFFERED_BYTES_MAX / 2, two = 2 * max_body_bytes;
    return two <= half ? half : (two < BUFFERED_BYTES_MAX ? two : BUFFERED_BYTES_MAX);
}

/* As many as there are descriptors for that nothing else needs. With none left the store and the
 * workers would fail, and no silent connection would make room, since the cap would not be reached.
 */
static unsigned max_connections(const struct config *c)
{
    struct rlimit files;
    rlim_t others = DESCRIPTORS_OF_OTHERS + DESCRIPTORS_OF_WORKER * (rlim_t)c->worker.threads +
                    DESCRIPTORS_OF_LOOP * (rlim_t)c->listen.threads;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY)
        return c->listen.max_connections;
    rlim_t left = files.rlim_cur > 2 * others ? files.rlim_cur - others : files.rlim_cur / 2;
    if (c->listen.max_connections <= left)
        return c->listen.max_connections;
    log_warn("there are too few descriptors for listen.max_connections: raise their limit "
             "(LimitNOFILE of systemd, ulimit -n)",
             "descriptors", log_num((long long)files.rlim_cur), "max_connections",
             log_num((long long)left), NULL);
    return (unsigned)left;
}

struct listener_options generation_intake_options(const struct generation *g)
{
    const struct config *c = g->config;
    return (struct listener_options){
        .address = c->listen.address,
        .tls = g->tls,
        .access = g->access,
        .proxies = g->proxies,
        .threads = c->listen.threads,
        .max_body_bytes = c->listen.max_body_bytes,
        .max_buffered_bytes = BUFFERED_BYTES_MAX,
        .max_buffered_per_address_bytes = buffered_per_address(c->listen.max_body_bytes),
        .request_timeout_ms = c->listen.request_timeout_ms,
        .handshake_timeout_ms = HANDSHAKE_TIMEOUT_MS,
        .idle_timeout_ms = IDLE_TIMEOUT_MS,
        .max_connections = max_connections(c),
        .max_connections_per_address = c->listen.max_connections_per_address,
        .max_new_per_address = c->listen.max_new_connections_per_address,
        .name = "intake",
        .answer_seconds = metric_series(METRIC_INTAKE_SECONDS),
    };
}

struct listener_options generation_admin_options(const struct generation *g)
{
    const struct config *c = g->config;
    return (struct listener_options){
        .address = c->admin.address,
        .tls = g->admin_tls,
        .threads = 1,
        .max_body_bytes = ADMIN_BODY_MAX,
        .max_buffered_bytes = ADMIN_BUFFERED_MAX,
        .max_buffered_per_address_bytes = ADMIN_BUFFERED_MAX,
        .request_timeout_ms = c->listen.request_timeout_ms,
        .handshake_timeout_ms = HANDSHAKE_TIMEOUT_MS,
        .idle_timeout_ms = IDLE_TIMEOUT_MS,
        .answer_timeout_ms = ADMIN_ANSWER_MS,
        .max_connections = ADMIN_CONNECTIONS_MAX,
        .max_connections_per_address = ADMIN_CONNECTIONS_MAX,
        .name = "admin",
    };
}

void generation_free(struct generation **out)
{
    struct generation *g = *out;
    if (g == NULL)
        return;
    *out = NULL;
    worker_stop(&g->workers, 0);
    prober_free(&g->prober);
    intake_free(&g->intake);
    admin_free(&g->admin);
    for (size_t i = 0; g->orgs != NULL && i < g->config->org_count; i++)
        org_free(&g->orgs[i]);
    free(g->orgs);
    access_list_free(&g->access);
    access_list_free(&g->proxies);
    client_auth_free(&g->clients);
    tls_server_free(&g->tls);
    tls_server_free(&g->admin_tls);
    policy_free(&g->policy);
    config_free(&g->config);
    free(g);
}
