/*
 * daemon - all parts of a running touchpointd, built bottom-up and taken down in reverse
 *
 * Threads: main only; the parts have their own threads.
 */
#ifndef TP_DAEMON_H
#define TP_DAEMON_H

#include <stdatomic.h>

#include "access.h"
#include "admin.h"
#include "config.h"
#include "intake.h"
#include "listener.h"
#include "org.h"
#include "policy.h"
#include "store.h"
#include "tls.h"
#include "worker.h"

struct prober;

struct daemon {
    struct config *config;
    struct policy *policy;
    char fingerprint[POLICY_FINGERPRINT_SIZE];
    struct access_list *access;
    struct client_auth *clients;
    struct tls_server *tls;
    struct org **orgs; /* config->org_count */
    struct store *store;
    struct intake *intake;
    struct admin *admin;
    atomic_bool admin_is_up; /* health on the public port may ask it */
    struct listener *intake_listener, *admin_listener;
    struct worker_pool *workers;
    struct prober *prober;
};

/* Everything that can be checked without touching disk state or the network: configuration, policy,
 * certificates, keys. */
MUST_USE enum err daemon_load(struct daemon *d, const char *config_file, struct error *e);
/* Opens the store, starts workers, the intake, the admin's door and the probe. */
MUST_USE enum err daemon_start(struct daemon *d, struct error *e);
/* Stops accepting, lets replies and current calls end within the configured time, stops all
 * threads. hurry() is asked often: true ends the waiting. */
void daemon_stop(struct daemon *d, bool (*hurry)(void));
void daemon_release(struct daemon *d);

/* janitor.c: called about each second by main. */
void janitor_turn(const struct daemon *d);
/* Before the metrics are read (admin's thread). */
void janitor_set_gauges(void *daemon);

/* probe.c: a thread that asks each org at the start, and again while one does not answer, so that
 * readiness does not wait for the first message; and starts each org's check of the schema and its
 * reconcile at their times. */
MUST_USE enum err prober_start(struct prober **out, const struct daemon *d, struct error *e);
/* Ends its thread; prober_look_again goes on to say no. */
void prober_stop(struct prober *p);
void prober_free(struct prober **p);
/* Asks each org and checks its schema now, then admin_answer_looked(token). Any thread. False: too
 * many wait for that. */
bool prober_look_again(struct prober *p, struct listener_token token);

/* schema_watch.c: checks the org's schema if that is due. Called now and then on the prober's
 * thread while the org answers. */
struct schema_watch { /* zero at first */
    int64_t next_boot_ms;
    bool was_stopped;
};
void schema_turn(struct org *o, struct org_conn *conn, struct schema_watch *w);

/* reconcile.c: queues the org's reconcile if it is due: by the clock, at the first start, or since
 * the policy is another than at the last. Called now and then on the prober's thread; next_boot_ms
 * is the org's, and 0 at first. */
void reconcile_turn(const struct daemon *d, size_t org, struct org_conn *conn,
                    int64_t *next_boot_ms);

/* notify.c: what systemd wants to hear (sd_notify); does nothing elsewhere. */
void notify_ready(void);
void notify_stopping(void);
void notify_watchdog(void);

#endif
