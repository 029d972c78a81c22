/*
 * The table of settings.h made into rows, and the loop over them.
 */
#include "apply.h"

#include <string.h>

#define TO_CONFIG(section, name, field, setter_, fallback_, least_, most_, words_)                 \
    {.key = #name,                                                                                 \
     .raw = offsetof(struct section, name),                                                        \
     .out = offsetof(struct config, field),                                                        \
     .set = setter_,                                                                               \
     .fallback = fallback_,                                                                        \
     .least = least_,                                                                              \
     .most = most_,                                                                                \
     .words = words_},
#define TO_ORG(section, name, field, setter_, fallback_, least_, most_, words_)                    \
    {.key = #name,                                                                                 \
     .raw = offsetof(struct section, name),                                                        \
     .out = offsetof(struct config_org, field),                                                    \
     .set = setter_,                                                                               \
     .fallback = fallback_,                                                                        \
     .least = least_,                                                                              \
     .most = most_,                                                                                \
     .words = words_},

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct setting TOP[] = {TOP_SETTINGS(TO_CONFIG)};
static const struct setting LISTEN[] = {LISTEN_SETTINGS(TO_CONFIG)};
static const struct setting TLS[] = {TLS_SETTINGS(TO_CONFIG)};
static const struct setting STORE[] = {STORE_SETTINGS(TO_CONFIG)};
static const struct setting ADMIN[] = {ADMIN_SETTINGS(TO_CONFIG)};
static const struct setting WORKER[] = {WORKER_SETTINGS(TO_CONFIG)};
static const struct setting LOG[] = {LOG_SETTINGS(TO_CONFIG)};
static const struct setting POLICY[] = {POLICY_SETTINGS(TO_CONFIG)};
static const struct setting ORG[] = {ORG_SETTINGS(TO_ORG)};
static const struct setting AUTH[] = {AUTH_SETTINGS(TO_ORG)};

static const struct {
    const char *key;
    size_t raw;
    const struct setting *rows;
    size_t count;
} SECTIONS[] = {
    {"", 0, TOP, COUNT(TOP)},
    {"listen", offsetof(struct raw_config, listen), LISTEN, COUNT(LISTEN)},
    {"tls", offsetof(struct raw_config, tls), TLS, COUNT(TLS)},
    {"store", offsetof(struct raw_config, store), STORE, COUNT(STORE)},
    {"admin", offsetof(struct raw_config, admin), ADMIN, COUNT(ADMIN)},
    {"worker", offsetof(struct raw_config, worker), WORKER, COUNT(WORKER)},
    {"log", offsetof(struct raw_config, log), LOG, COUNT(LOG)},
    {"policy", offsetof(struct raw_config, policy), POLICY, COUNT(POLICY)},
};

/* The rows of one section; raw and out are the structs that their offsets are counted from. */
static enum err apply_rows(struct loading *l, const char *section, const struct setting *rows,
                           size_t count, const void *raw, void *out, struct error *e)
{
    for (size_t i = 0; i < count; i++) {
        const struct setting *row = &rows[i];
        char path[SOURCE_PATH_MAX];
        (void)source_join(path, section, row->key);
        struct place at = {.loading = l, .path = path, .setting = row, .e = e};
        const char *text;
        memcpy(&text, (const char *)raw + row->raw, sizeof text);
        if (text == NULL && row->fallback == NULL)
            return refuse(&at, "is missing");
        enum err err = row->set(&at, text == NULL ? row->fallback : text, (char *)out + row->out);
        if (err != ERR_NONE)
            return err;
    }
    return ERR_NONE;
}

enum err apply_settings(struct loading *l, const struct raw_config *raw, struct config *c,
                        struct error *e)
{
    enum err err = ERR_NONE;
    for (size_t i = 0; i < COUNT(SECTIONS) && err == ERR_NONE; i++)
        err = apply_rows(l, SECTIONS[i].key, SECTIONS[i].rows, SECTIONS[i].count,
                         (const char *)raw + SECTIONS[i].raw, c, e);
    return err;
}

enum err apply_org_settings(struct loading *l, const struct raw_org *raw, const char *path,
                            struct config_org *org, struct error *e)
{
    char auth[SOURCE_PATH_MAX];
    (void)source_join(auth, path, "auth");
    enum err err = apply_rows(l, path, ORG, COUNT(ORG), raw, org, e);
    return err == ERR_NONE ? apply_rows(l, auth, AUTH, COUNT(AUTH), &raw->auth, org, e) : err;
}
