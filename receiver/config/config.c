/*
 * Loading in order: bytes and document (source), shape and raw texts (raw, libcyaml), settings,
 * lists, orgs, and last what concerns several keys at once.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply.h"
#include "mem.h"

enum { DIR_MAX = 4096 };

/* What config.private points to. */
struct loaded {
    struct config config;
    struct raw_config *raw;
    struct loading loading;
    char *file, *dir;
};

/* ------------------------------------------------------------------ lists */

/* File names made absolute; `fallback` alone where the key is absent. */
static void take_files(struct loading *l, const char *const *names, unsigned count,
                       const char *fallback, struct config_list *out)
{
    out->count = names == NULL ? 1 : count;
    out->items = loading_keep(l, mem_array(out->count, sizeof *out->items));
    for (size_t i = 0; i < out->count; i++)
        out->items[i] = loading_path(l, names == NULL ? fallback : names[i]);
}

static enum err check_files(struct loading *l, const char *path, const char *const *names,
                            unsigned count, struct error *e)
{
    for (unsigned i = 0; i < count; i++) {
        char below[SOURCE_PATH_MAX];
        (void)source_item(below, path, i);
        if (names[i][0] == '\0')
            return loading_refuse(l, below, e, "is empty; allowed is a file's name");
    }
    return ERR_NONE;
}

static enum err apply_tls_files(struct loading *l, const struct raw_tls *raw, struct config *c,
                                struct error *e)
{
    enum err err = check_files(l, "tls.certificate", raw->certificate, raw->certificate_count, e);
    if (err == ERR_NONE)
        err = check_files(l, "tls.key", raw->key, raw->key_count, e);
    if (err != ERR_NONE)
        return err;
    take_files(l, raw->certificate, raw->certificate_count, "certs/server.pem",
               &c->tls.certificate);
    take_files(l, raw->key, raw->key_count, "certs/server.key", &c->tls.key);
    c->tls.line = source_line(l->source, "tls.certificate");
    if (c->tls.certificate.count != c->tls.key.count)
        return loading_refuse(l, "tls.key", e,
                              "names %zu files for %zu certificates; allowed is one for each, in "
                              "their order",
                              c->tls.key.count, c->tls.certificate.count);
    return ERR_NONE;
}

/* Who may say that it speaks for any address must not be just anybody. */
static enum err apply_proxies(struct loading *l, const struct raw_listen *raw, struct config *c,
                              struct error *e)
{
    static const char path[] = "listen.proxy_protocol";
    enum err err = apply_networks(l, path, raw->proxy_protocol, raw->proxy_protocol_count,
                                  &c->listen.proxies, e);
    c->listen.proxy_count = raw->proxy_protocol_count;
    for (size_t i = 0; i < c->listen.proxy_count && err == ERR_NONE; i++) {
        char item[SOURCE_PATH_MAX];
        if (cidr_is_all(&c->listen.proxies[i]))
            err = loading_refuse(l, source_item(item, path, i), e,
                                 "would let everybody claim any address; allowed are the addresses "
                                 "of your proxies");
    }
    return err;
}

static enum err apply_lists(struct loading *l, const struct raw_config *raw, struct config *c,
                            struct error *e)
{
    enum err err = apply_networks(l, "listen.allow", raw->listen.allow, raw->listen.allow_count,
                                  &c->listen.allow, e);
    c->listen.allow_count = raw->listen.allow_count;
    if (err == ERR_NONE)
        err = apply_proxies(l, &raw->listen, c, e);
    c->listen.ip_ranges_file_line = source_line(l->source, "listen.ip_ranges_file");
    if (err == ERR_NONE)
        err = apply_pins(l, "tls.client_pins", raw->tls.client_pins, raw->tls.client_pins_count,
                         &c->tls.client_pins, e);
    c->tls.client_pin_count = raw->tls.client_pins_count;
    return err == ERR_NONE ? apply_tls_files(l, &raw->tls, c, e) : err;
}

/* ------------------------------------------------------------------ rules and channels */

static const struct setting CHANNEL_NAME = {.key = "channel", .set = set_channel};

static enum err check_channel_name(struct loading *l, size_t i, const char *key, const char *name,
                                   struct error *e)
{
    char item[SOURCE_PATH_MAX], path[SOURCE_PATH_MAX];
    const char *same;
    (void)source_join(path, source_item(item, "channels", i), key);
    const struct place at = {l, path, &CHANNEL_NAME, e};
    return name == NULL ? ERR_NONE : set_channel(&at, name, &same);
}

static enum err apply_channels(struct loading *l, const struct raw_config *raw, struct config *c,
                               struct error *e)
{
    c->channels = raw->channels;
    c->channel_count = raw->channels_count;
    for (size_t i = 0; i < c->channel_count; i++) {
        char path[SOURCE_PATH_MAX];
        (void)source_item(path, "channels", i);
        c->channels[i].line = source_line(l->source, path);
        enum err err = check_channel_name(l, i, "channel", c->channels[i].channel, e);
        if (err == ERR_NONE)
            err = check_channel_name(l, i, "subchannel", c->channels[i].subchannel, e);
        if (err != ERR_NONE)
            return err;
    }
    return ERR_NONE;
}

static void apply_rules(struct loading *l, const struct raw_config *raw, struct config *c)
{
    c->rules = raw->rules;
    c->rule_count = raw->rules_count;
    for (size_t i = 0; i < c->rule_count; i++) {
        char path[SOURCE_PATH_MAX];
        (void)source_item(path, "rules", i);
        c->rules[i].line = source_line(l->source, path);
    }
}

/* ------------------------------------------------------------------ the whole */

/* Protocol rule 9: a request that runs into its time-out must still be within the lease. */
static enum err check_together(struct loading *l, const struct config *c, struct error *e)
{
    const char *path = source_find(l->source, "worker.request_timeout") != NULL
                           ? "worker.request_timeout"
                           : "worker.lease";
    if (c->worker.request_timeout_ms * 2 <= c->worker.lease_ms)
        return ERR_NONE;
    return loading_refuse(
        l, path, e,
        "worker.request_timeout (%lld ms) is more than half of worker.lease (%lld "
        "ms); allowed is at most half",
        (long long)c->worker.request_timeout_ms, (long long)c->worker.lease_ms);
}

static enum err check_admin_tls(struct loading *l, const struct config *c, struct error *e)
{
    bool has_certificate = c->admin.certificate[0] != '\0', has_key = c->admin.key[0] != '\0';
    if (has_certificate != has_key)
        return loading_refuse(l, has_key ? "admin.key" : "admin.certificate", e,
                              "admin.certificate and admin.key belong together; allowed is both or "
                              "neither");
    if (has_key && strncmp(c->admin.address, "unix:", 5) == 0)
        return loading_refuse(l, "admin.certificate", e,
                              "a unix socket needs no TLS; allowed is HOST:PORT in admin.address, "
                              "or to leave admin.certificate and admin.key out");
    return ERR_NONE;
}

static enum err apply(struct loaded *o, struct error *e)
{
    struct loading *l = &o->loading;
    struct config *c = &o->config;
    enum err err = raw_load(&o->raw, l->source, e);
    if (err == ERR_NONE)
        err = apply_settings(l, o->raw, c, e);
    if (err == ERR_NONE)
        err = apply_lists(l, o->raw, c, e);
    if (err == ERR_NONE)
        err = apply_orgs(l, o->raw, c, e);
    if (err == ERR_NONE)
        err = apply_channels(l, o->raw, c, e);
    if (err == ERR_NONE)
        err = check_together(l, c, e);
    if (err == ERR_NONE)
        err = check_clients(l, c, e);
    if (err == ERR_NONE)
        err = check_admin_tls(l, c, e);
    if (err == ERR_NONE) {
        c->admin.line = source_line(l->source, "admin.token_file");
        apply_rules(l, o->raw, c);
    }
    return err;
}

/* The directory of the file, absolute. Links are not followed: names are relative to where the
 * admin put the file, also where that is a link to a mounted volume. */
static enum err directory_of(const char *file, char **out, struct error *e)
{
    char here[DIR_MAX] = "";
    const char *slash = strrchr(file, '/');
    size_t n = slash == NULL ? 0 : (size_t)(slash - file);
    if (file[0] != '/' && getcwd(here, sizeof here) == NULL)
        return error_errno(e, "%s: the working directory cannot be told", file);
    *out = mem_printf("%s%s%.*s", here, here[0] == '\0' || n == 0 ? "" : "/", (int)n, file);
    return ERR_NONE;
}

enum err config_load(struct config **out, const char *file, struct error *e)
{
    struct source source = {0};
    struct loaded *o = mem_alloc(sizeof *o);
    struct config *c = &o->config;

    c->private = o;
    c->file = o->file = mem_strdup(file);
    o->loading.source = &source;
    enum err err = directory_of(file, &o->dir, e);
    o->loading.dir = o->dir;
    if (err == ERR_NONE)
        err = source_open(&source, o->file, e);
    if (err == ERR_NONE)
        err = apply(o, e);
    source_close(&source);
    o->loading.source = NULL;
    if (err != ERR_NONE) {
        config_free(&c);
        return err;
    }
    *out = c;
    return ERR_NONE;
}

void config_free(struct config **c)
{
    if (*c == NULL)
        return;
    struct loaded *o = (*c)->private;
    raw_free(&o->raw);
    for (size_t i = 0; i < o->loading.block_count; i++)
        free(o->loading.blocks[i]);
    free(o->loading.blocks);
    free(o->dir);
    free(o->file);
    free(o);
    *c = NULL;
}

const struct config_org *config_org_by_id(const struct config *c, const char *id)
{
    for (size_t i = 0; i < c->org_count; i++) {
        if (strcmp(c->orgs[i].id, id) == 0)
            return &c->orgs[i];
    }
    return NULL;
}
