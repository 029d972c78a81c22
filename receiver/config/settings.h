/*
 * settings - the table of every single-valued key: master copy of names, defaults and ranges
 *
 * A row: the struct that libcyaml fills, the key, the field that it sets (of struct config, or of
 * struct config_org for the org's), how it is read, its default (NULL: it must be there), least and
 * most (in the setter's unit), and the words for a choice.
 */
#ifndef TP_SETTINGS_H
#define TP_SETTINGS_H

#include "convert.h"

#define KIB    INT64_C(1024)
#define MIB    (1024 * KIB)
#define GIB    (1024 * MIB)
#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

#define TOP_SETTINGS(X)                                                                            \
    X(raw_config, shutdown_timeout, shutdown_timeout_ms, set_duration, "30s", SECOND, HOUR, NULL)

/* max_body: of the 64 MiB that bodies may hold in all, one address gets half (daemon.c); a larger
 * one would be refused each time. */
#define LISTEN_SETTINGS(X)                                                                         \
    X(raw_listen, address, listen.address, set_address, "[::]:8443", 0, 0, NULL)                   \
    X(raw_listen, path, listen.path, set_http_path, "/salesforce/outbound", 0, 0, NULL)            \
    X(raw_listen, max_body, listen.max_body_bytes, set_size, "4MiB", KIB, 32 * MIB, NULL)          \
    X(raw_listen, request_timeout, listen.request_timeout_ms, set_duration, "30s", 100,            \
      10 * MINUTE, NULL)                                                                           \
    X(raw_listen, max_connections, listen.max_connections, set_count, "4096", 1, 100000, NULL)     \
    X(raw_listen, max_connections_per_address, listen.max_connections_per_address, set_count,      \
      "256", 1, 100000, NULL)                                                                      \
    X(raw_listen, max_new_connections_per_address, listen.max_new_connections_per_address,         \
      set_count, "100", 0, 100000, NULL)                                                           \
    X(raw_listen, threads, listen.threads, set_threads, "auto", 1, 256, NULL)                      \
    X(raw_listen, ip_ranges_file, listen.ip_ranges_file, set_path_or_none, "", 0, 0, NULL)

#define TLS_SETTINGS(X)                                                                            \
    X(raw_tls, name, tls.name, set_host_or_none, "", 0, 0, NULL)                                   \
    X(raw_tls, client_certificate, tls.client_certificate, set_choice, "off", 0, 0,                \
      WORDS_CLIENT_CERTIFICATE)                                                                    \
    X(raw_tls, client_ca, tls.client_ca, set_path_or_none, "", 0, 0, NULL)                         \
    X(raw_tls, client_expired_pins, tls.accept_expired_pins, set_flag, "refuse", 0, 0,             \
      WORDS_EXPIRED_PINS)

#define STORE_SETTINGS(X)                                                                          \
    X(raw_store, url, store.url, set_store_url, "sqlite:/var/lib/touchpointd/queue.db", 0, 0,      \
      NULL)                                                                                        \
    X(raw_store, keep_done, store.keep_done_ms, set_duration, "14d", 7 * DAY, 3650 * DAY, NULL)    \
    X(raw_store, keep_failed, store.keep_failed_ms, set_duration, "90d", DAY, 3650 * DAY, NULL)    \
    X(raw_store, keep_ledger, store.keep_ledger_ms, set_duration, "400d", DAY, 3650 * DAY, NULL)   \
    X(raw_store, quarantine_max, store.quarantine_max_bytes, set_size, "64MiB", 0, 64 * GIB, NULL) \
    X(raw_store, allow_asynchronous_commit, store.allow_asynchronous_commit, set_flag, "false", 0, \
      0, WORDS_BOOL)

#define ADMIN_SETTINGS(X)                                                                          \
    X(raw_admin, address, admin.address, set_admin_address, "127.0.0.1:8444", 0, 0, NULL)          \
    X(raw_admin, token_file, admin.token_file, set_path_or_none, "/etc/touchpointd/admin.token",   \
      0, 0, NULL)                                                                                  \
    X(raw_admin, name, admin.name, set_host_or_none, "", 0, 0, NULL)                               \
    X(raw_admin, certificate, admin.certificate, set_path_or_none, "", 0, 0, NULL)                 \
    X(raw_admin, key, admin.key, set_path_or_none, "", 0, 0, NULL)                                 \
    X(raw_admin, public_health, admin.public_health, set_flag, "false", 0, 0, WORDS_BOOL)

#define WORKER_SETTINGS(X)                                                                         \
    X(raw_worker, threads, worker.threads, set_count, "4", 1, 256, NULL)                           \
    X(raw_worker, lease, worker.lease_ms, set_duration, "120s", SECOND, HOUR, NULL)                \
    X(raw_worker, request_timeout, worker.request_timeout_ms, set_duration, "60s", 100,            \
      30 * MINUTE, NULL)                                                                           \
    X(raw_worker, echo, worker.echo_ms, set_duration, "15m", SECOND, DAY, NULL)                    \
    X(raw_worker, max_tries, worker.max_tries, set_count, "24", 1, 1000, NULL)                     \
    X(raw_worker, reconcile, worker.reconcile, set_reconcile, "03:30", SECOND, 30 * DAY, NULL)

#define LOG_SETTINGS(X)                                                                            \
    X(raw_log, level, log.level, set_choice, "info", 0, 0, WORDS_LEVEL)                            \
    X(raw_log, format, log.format, set_choice, "logfmt", 0, 0, WORDS_FORMAT)

#define POLICY_SETTINGS(X)                                                                         \
    X(raw_policy, precedence, policy.picklist_first, set_flag, "rules", 0, 0, WORDS_PRECEDENCE)    \
    X(raw_policy, end_date, policy.end_inclusive, set_flag, "exclusive", 0, 0, WORDS_END_DATE)     \
    X(raw_policy, window_applies_to, policy.window_on_added, set_flag, "touchpoint_date", 0, 0,    \
      WORDS_WINDOW)                                                                                \
    X(raw_policy, dedupe, policy.dedupe_email, set_flag, "none", 0, 0, WORDS_DEDUPE)               \
    X(raw_policy, default_channel, policy.default_channel, set_channel, "Other", 0, 0, NULL)       \
    X(raw_policy, max_delete_percent, policy.max_delete_percent, set_count, "20", 0, 100, NULL)

#define ORG_SETTINGS(X)                                                                            \
    X(raw_org, id, id, set_org_id, NULL, 0, 0, NULL)                                               \
    X(raw_org, name, name, set_text_or_none, "", 0, 0, NULL)                                       \
    X(raw_org, login_url, login_url, set_login_url, NULL, 0, 0, NULL)                              \
    X(raw_org, audience, audience, set_url, "https://login.salesforce.com", 0, 0, NULL)            \
    X(raw_org, api_version, api_version, set_api_version, "64.0", 50, 999, NULL)                   \
    X(raw_org, time_zone, time_zone, set_zone, "auto", 0, 0, NULL)                                 \
    X(raw_org, max_concurrent, max_concurrent, set_count, "4", 1, 64, NULL)                        \
    X(raw_org, api_reserve_percent, api_reserve_percent, set_count, "60", 0, 100, NULL)            \
    X(raw_org, write_back, write_back, set_flag, "false", 0, 0, WORDS_BOOL)

#define AUTH_SETTINGS(X)                                                                           \
    X(raw_auth, type, auth, set_choice, NULL, 0, 0, WORDS_AUTH)                                    \
    X(raw_auth, client_id, client_id, set_text, NULL, 0, 0, NULL)                                  \
    X(raw_auth, username, username, set_text_or_none, "", 0, 0, NULL)                              \
    X(raw_auth, key_file, key_file, set_path_or_none, "", 0, 0, NULL)                              \
    X(raw_auth, secret_file, secret_file, set_path_or_none, "", 0, 0, NULL)

#endif
