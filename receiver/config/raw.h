/*
 * raw - the file as libcyaml loads it: texts as they stand, NULL where a key is absent
 *
 * Ownership: raw_load gives, raw_free takes. Rules and channels are used from here as they are.
 */
#ifndef TP_RAW_H
#define TP_RAW_H

#include "config.h"
#include "settings.h"
#include "source.h"

#define RAW_MEMBER(section, key, ...) char *key;

struct raw_listen {
    LISTEN_SETTINGS(RAW_MEMBER)
    const char **proxy_protocol, **allow;
    unsigned proxy_protocol_count, allow_count;
};
struct raw_tls {
    TLS_SETTINGS(RAW_MEMBER)
    const char **certificate, **key, **client_pins;
    unsigned certificate_count, key_count, client_pins_count;
};
struct raw_store {
    STORE_SETTINGS(RAW_MEMBER)
};
struct raw_admin {
    ADMIN_SETTINGS(RAW_MEMBER)
};
struct raw_worker {
    WORKER_SETTINGS(RAW_MEMBER)
};
struct raw_log {
    LOG_SETTINGS(RAW_MEMBER)
};
struct raw_policy {
    POLICY_SETTINGS(RAW_MEMBER)
};
struct raw_auth {
    AUTH_SETTINGS(RAW_MEMBER)
};
struct raw_org {
    ORG_SETTINGS(RAW_MEMBER)
    struct raw_auth auth;
    const char **client_pins;
    unsigned client_pins_count;
};
struct raw_config {
    TOP_SETTINGS(RAW_MEMBER)
    struct raw_listen listen;
    struct raw_tls tls;
    struct raw_store store;
    struct raw_admin admin;
    struct raw_worker worker;
    struct raw_log log;
    struct raw_policy policy;
    struct raw_org *orgs;
    unsigned orgs_count;
    struct config_channel *channels;
    unsigned channels_count;
    struct config_rule *rules;
    unsigned rules_count;
};

/* Checks the document's shape, then loads. */
MUST_USE enum err raw_load(struct raw_config **out, struct source *s, struct error *e);
void raw_free(struct raw_config **raw);

#endif
