/*
 * daemon - all parts of a running touchpointd, built bottom-up and taken down in reverse
 *
 * What one reading of the configuration makes is a generation. A reload makes the next one whole,
 * or refuses it and changes nothing; then the listeners hand requests to the new one, new workers
 * claim, and the old generation goes once its last reply and its last pass have ended (protocol
 * rule 22). Store and listening sockets stay.
 *
 * Threads: main only, but where a function says otherwise; the parts have their own threads.
 */
#ifndef TP_DAEMON_H
#define TP_DAEMON_H

#include <pthread.h>
#include <stdatomic.h>

#include "admin.h"
#include "config.h"
#include "intake.h"
#include "listener.h"
#include "org.h"
#include "policy.h"
#include "store.h"
#include "tls.h"
#include "worker.h"

enum { RELOADS_ASKED_MAX = 8 };

struct prober;
struct retainer;

struct generation {
    struct daemon *daemon;
    struct config *config;
    struct policy *policy;
    char fingerprint[POLICY_FINGERPRINT_SIZE];
    uint64_t files;                       /* watched_files when it was loaded */
    struct access_list *access, *proxies; /* proxies NULL: none */
    struct client_auth *clients;
    struct tls_server *tls, *admin_tls; /* admin_tls NULL: none */
    struct org **orgs;                  /* config->org_count */
    struct intake *intake;
    struct admin *admin;
    struct worker_pool *workers;
    struct prober *prober;
    struct generation *older; /* in the daemon's list of retired ones */
};

struct daemon {
    const char *config_file;
    struct store *store;
    struct tls_tickets *tickets; /* of all generations, so that sessions outlive a reload */
    struct retainer *retainer;
    struct admin_runner *runner; /* of jobs; outlives generations */
    int64_t started_at_ms;
    struct listener *intake_listener, *admin_listener;
    atomic_bool is_up; /* health on the public port may ask the admin's part */
    struct generation *now, *retired;

    pthread_mutex_t reload_lock;                           /* guards what follows */
    struct listener_token reload_asked[RELOADS_ASKED_MAX]; /* who waits for a reload's outcome */
    size_t reload_asked_count;

    uint64_t files_seen, files_changing; /* watched_files: of the last reload, a second ago */
};

/* ------------------------------------------------------------------ daemon.c */

/* Everything that can be checked without touching disk state or the network: configuration, policy,
 * certificates, keys. */
MUST_USE enum err daemon_load(struct daemon *d, const char *config_file, struct error *e);
/* Opens the store, starts workers, the probe, the intake, and the admin's door. */
MUST_USE enum err daemon_start(struct daemon *d, struct error *e);
/* Stops accepting, lets replies and current calls end within the configured time, stops all
 * threads. hurry() is asked often: true ends the waiting. */
void daemon_stop(struct daemon *d, bool (*hurry)(void));
void daemon_release(struct daemon *d);
struct store_options daemon_store_options(const struct config *c);

/* ------------------------------------------------------------------ transfer.c */

/* Writes the store to a file, or fills an empty one from it, instead of running; "-": the standard
 * stream. Says on standard error how many rows there were. */
MUST_USE enum err transfer_export(const char *config_file, const char *file, struct error *e);
MUST_USE enum err transfer_import(const char *config_file, const char *file, struct error *e);

/* ------------------------------------------------------------------ generation.c */

MUST_USE enum err generation_load(struct generation **out, struct daemon *d, struct error *e);
/* Of listen.ip_ranges_file; at the load, and from time to time. */
void generation_warn_of_old_ranges(const struct generation *g);
/* Its intake and its admin's part: no threads yet. */
MUST_USE enum err generation_make(struct generation *g, struct error *e);
MUST_USE enum err generation_work(struct generation *g, struct error *e); /* starts its workers */
struct listener_options generation_intake_options(const struct generation *g);
struct listener_options generation_admin_options(const struct generation *g);
void generation_free(struct generation **g); /* after its threads have ended */

/* ------------------------------------------------------------------ reload.c */

/* Reads the configuration anew. Refused, it is logged, and everything stays as it was. */
void daemon_reload(struct daemon *d, const char *because);
/* A hash over times and sizes of the files that the configuration names and that are watched. */
uint64_t watched_files(const struct config *c);
/* About each second: reloads when a certificate or the like has changed, and frees old generations
 * that have ended. */
void reload_turn(struct daemon *d);
/* Has main reload and answer the token. Any thread. False: too many wait for that. */
bool reload_ask(void *daemon, struct listener_token token);

/* ------------------------------------------------------------------ janitor.c */

void janitor_turn(const struct daemon *d); /* about each second */
/* Before the metrics are read (admin's thread). */
void janitor_set_gauges(void *generation);

/* ------------------------------------------------------------------ probe.c
 * A thread for each org that asks it at the start, and again while it does not answer, so that
 * readiness does not wait for the first message; and starts its check of the schema and its
 * reconcile at their times. */

MUST_USE enum err prober_start(struct prober **out, const struct generation *g, struct error *e);
/* Ends its threads; prober_look_again goes on to say no. */
void prober_stop(struct prober *p);
void prober_free(struct prober **p);
/* Asks each org and checks its schema now, then admin_answer_looked(token), after half a minute at
 * the latest. Any thread. False: too many wait for that. */
bool prober_look_again(struct prober *p, struct listener_token token);
/* About each second: answers those who have waited long enough. p may be NULL. Any thread. */
void prober_turn(struct prober *p);

/* schema_watch.c: checks the org's schema if that is due. Called now and then on the prober's
 * thread for this org while it answers. */
struct schema_watch { /* zero at first */
    int64_t next_boot_ms;
    int64_t doubt_boot_ms; /* before it no doubt about rights is followed up */
    bool was_stopped;
};
void schema_turn(struct org *o, struct org_conn *conn, struct schema_watch *w);

/* reconcile.c: queues the org's reconcile if it is due: by the clock, at the first start, or since
 * the policy is another than at the last. Both are called now and then on the prober's thread, the
 * first whether or not the org answers. */
struct reconcile_watch { /* of an org, zero at first */
    int64_t next_boot_ms, next_policy_boot_ms;
    bool took_policy; /* the store has known our policy */
    bool is_older;    /* and has another daemon's now */
};
void reconcile_policy_turn(const struct generation *g, size_t org, struct reconcile_watch *w);
void reconcile_turn(const struct generation *g, size_t org, struct org_conn *conn,
                    struct reconcile_watch *w);

/* retainer.c: removes what is past its time, on a thread of its own. */
MUST_USE enum err retainer_start(struct retainer **out, struct store *s, struct error *e);
void retainer_stop(struct retainer **r);

/* notify.c: what systemd wants to hear (sd_notify); does nothing elsewhere. */
void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);
void notify_watchdog(void);

#endif
