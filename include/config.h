/*
 * config - the YAML file as one immutable struct
 *
 * Loaded with libcyaml; unknown keys, wrong types and values out of range are refused with file,
 * line, key and what is allowed. Relative paths are relative to the file. Secrets are named by
 * file, never written in it. Settings of features that this version lacks are refused.
 *
 * Ownership: config_load gives; config_free takes.
 * Threads:   read-only after loading, shared by all.
 * Errors:    ERR_CONFIG, text "FILE:LINE: key: what is wrong; allowed is …".
 */
#ifndef TP_CONFIG_H
#define TP_CONFIG_H

#include <stdint.h>

#include "cidr.h"
#include "error.h"
#include "log.h"
#include "pin.h"
#include "schema.h"
#include "sfid.h"

enum config_client_certificate {
    CONFIG_CLIENT_OFF,
    CONFIG_CLIENT_OPTIONAL,
    CONFIG_CLIENT_REQUIRED
};
enum config_auth { CONFIG_AUTH_JWT, CONFIG_AUTH_CLIENT_CREDENTIALS };

struct config_org {
    char id[SFID_SIZE];
    const char *name;      /* the id where the file gives none */
    const char *login_url; /* https://…, no trailing slash; http only to loopback */
    const char *audience;
    const char *api_version; /* "64.0" */
    enum config_auth auth;
    const char *client_id, *username, *key_file, *secret_file; /* what auth needs; others NULL */
    struct schema schema;
    const char *time_zone;   /* "auto" or an IANA name (checked) */
    unsigned max_concurrent; /* 1..64, of all daemons on the store */
    unsigned api_reserve_percent;
    bool write_back;
    struct pin *client_pins; /* of its own; none: the global ones count */
    size_t client_pin_count;
    unsigned line; /* of auth, for messages */
};

struct config_list {
    const char **items;
    size_t count;
};

/* One condition, rule and channel as written; policy.h makes the rules' own structs from them and
 * checks them. */
struct config_condition {
    const char *field, *op, *value;
};
struct config_group {
    struct config_condition *all;
    unsigned all_count;
};
struct config_rule {
    const char *name, *action;
    struct config_group *any;
    unsigned any_count;
    const char **dates;
    unsigned dates_count;
    unsigned line; /* of its first key, for messages */
};
struct config_channel {
    const char *type, *status, *channel, *subchannel; /* status, subchannel may be NULL */
    bool null_channel;
    unsigned line;
};

struct config {
    const char *file;
    struct {
        const char *address, *path;
        uint64_t max_body_bytes;
        int64_t request_timeout_ms;
        unsigned max_connections, max_connections_per_address;
        unsigned max_new_connections_per_address; /* a second; 0: no bound */
        unsigned threads;                         /* resolved: "auto" is one a core */
        struct cidr *proxies;                     /* listen.proxy_protocol */
        size_t proxy_count;
        struct cidr *allow;
        size_t allow_count;
        const char *ip_ranges_file;   /* "": none */
        unsigned ip_ranges_file_line; /* for messages */
    } listen;
    struct {
        struct config_list certificate, key;
        const char *name; /* of the endpoint URL; "": not told */
        enum config_client_certificate client_certificate;
        const char *client_ca; /* "": none */
        struct pin *client_pins;
        size_t client_pin_count;
        bool accept_expired_pins;
        unsigned line; /* of the certificates, for messages */
    } tls;
    struct {
        const char *url; /* "sqlite:", path made absolute, or "postgresql:" and what libpq takes */
        int64_t keep_done_ms, keep_failed_ms, keep_ledger_ms;
        uint64_t quarantine_max_bytes;
        bool allow_asynchronous_commit;
    } store;
    struct {
        const char *address;           /* host:port or unix:path */
        const char *token_file;        /* "" : none */
        const char *name;              /* that address may be asked by, as well; "": none */
        const char *certificate, *key; /* both or neither; "": no TLS */
        bool public_health;
        unsigned line; /* of token_file, for messages */
    } admin;
    struct {
        unsigned threads;
        int64_t lease_ms, request_timeout_ms, echo_ms;
        int max_tries;
        const char *reconcile;
    } worker;
    struct {
        enum log_level level;
        enum log_format format;
    } log;
    struct config_org *orgs;
    size_t org_count;
    struct {
        bool picklist_first, end_inclusive, window_on_added, dedupe_email;
        const char *default_channel;
        unsigned max_delete_percent;
    } policy;
    struct config_channel *channels;
    size_t channel_count;
    struct config_rule *rules;
    size_t rule_count;
    int64_t shutdown_timeout_ms;
    void *private; /* the loader's */
};

MUST_USE enum err config_load(struct config **out, const char *file, struct error *e);
void config_free(struct config **c);
/* NULL when the organisation is not configured. id: 18 characters. */
const struct config_org *config_org_by_id(const struct config *c, const char *id);

#endif
