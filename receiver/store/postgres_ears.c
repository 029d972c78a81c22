/*
 * Wake-ups between nodes. One thread with a connection of its own listens, and tells the others
 * when this node committed something claimable: after the commit, in a transaction of its own, ten
 * times a second at most, since NOTIFY takes a lock that all of a database's commits with one
 * share. What gets lost so (a connection that broke, a node that died between commit and NOTIFY) is
 * found by polling: this thread also wakes this node's workers by the clock.
 */
#include "postgres_int.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "log.h"
#include "timeutil.h"

#define CHANNEL "touchpointd"
enum {
    TICK_MS = 100,        /* NOTIFYs are at least so far apart */
    POLL_MS = 5000,       /* wake-ups by the clock … */
    POLL_DEAF_MS = 1000,  /* … while nobody can be heard */
    CLOCK_LOOK_MS = 1000, /* server and schema are checked, its clock asked, this row renewed */
    RECONNECT_MS = 1000,
};

struct ears {
    int64_t polled_ms, looked_ms, tried_ms;
    bool told_deaf;
};

static enum err begin_to_listen(struct pg_store *s, struct error *e)
{
    enum err err = pg_connect(&s->ear, s->url, &s->rules, e);
    return err == ERR_NONE ? pg_exec(&s->ear, "LISTEN " CHANNEL, e) : err;
}

static void listen_again(struct pg_store *s, struct ears *x, int64_t now)
{
    struct error e;
    if (now - x->tried_ms < RECONNECT_MS)
        return;
    x->tried_ms = now;
    enum err err = begin_to_listen(s, &e);
    if (err == ERR_NONE) {
        atomic_store(&s->distrusted, false);
        store_waiters_wake(&s->base.waiters); /* what was not heard meanwhile */
        x->told_deaf = false;
    } else if (!x->told_deaf) {
        x->told_deaf = true;
        log_warn("other nodes' wake-ups are not heard; the queue is looked at each second", "error",
                 e.text, NULL);
    }
    if (err != ERR_NONE)
        pg_close(&s->ear);
}

/* The payload is "schema owner"; a node's own are not news. */
static bool is_news(const struct pg_store *s, const char *payload)
{
    size_t n = strlen(s->ear.schema);
    return strncmp(payload, s->ear.schema, n) == 0 && payload[n] == ' ' &&
           strcmp(payload + n + 1, s->owner) != 0;
}

static void hear(struct pg_store *s)
{
    bool wakes = false;
    PGnotify *n;
    if (PQconsumeInput(s->ear.conn) != 1) {
        s->ear.broken = true;
        return;
    }
    while ((n = PQnotifies(s->ear.conn)) != NULL) {
        wakes = wakes || is_news(s, n->extra);
        PQfreemem(n);
    }
    if (wakes)
        store_waiters_wake(&s->base.waiters);
}

static void tell(struct pg_store *s)
{
    char payload[sizeof s->ear.schema + PG_OWNER_SIZE + 1];
    struct error e;
    (void)snprintf(payload, sizeof payload, "%s %s", s->ear.schema, s->owner);
    PQclear(pg_query(&s->ear, &e, "SELECT pg_notify($1, $2)", "tt", CHANNEL, payload));
}

/* Sessions that still wait for the standby after whoever asked has given up (PG_PATIENCE_MS), of
 * any node: each would keep its connection and its locks until the standby is back. What they
 * commit now without it was reported as of unknown outcome, and its resend will wait for the
 * standby again. */
static void let_go(struct pg_store *s)
{
    struct error e;
    PQclear(pg_query(&s->ear, &e,
                     "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = "
                     "current_user AND datname = current_database() AND wait_event = 'SyncRep' "
                     "AND query_start < now() - $1 * interval '1 ms'",
                     "i", (int64_t)PG_PATIENCE_MS + POLL_MS));
}

/* A daemon of another version may bring the schema up to date, and an admin may let the server be
 * lax, while this daemon has its connections: none of them is used then, and no new one is had,
 * until all is as it must be. */
static bool is_trusted(struct pg_store *s)
{
    struct error e;
    bool is_other = pg_check(&s->ear, &s->rules, &e) == ERR_CONFIG;
    if (is_other) {
        atomic_store(&s->distrusted, true);
        s->ear.broken = true; /* who reconnects says why not */
    }
    return !is_other;
}

static void look(struct pg_store *s, struct ears *x, int64_t now)
{
    struct error e;
    bool deaf = s->ear.conn == NULL;
    if (now - x->polled_ms >= (deaf ? POLL_DEAF_MS : POLL_MS)) {
        x->polled_ms = now;
        store_waiters_wake(&s->base.waiters);
        if (!deaf)
            let_go(s);
    }
    if (!deaf && !s->ear.broken && now - x->looked_ms >= CLOCK_LOOK_MS) {
        x->looked_ms = now;
        if (!is_trusted(s))
            return;
        if (pg_watch_clock(s, &s->ear, &e) != ERR_NONE)
            log_debug("the database's clock was not told", "error", e.text, NULL);
        else if (pg_beat(s, &s->ear, &e) != ERR_NONE)
            log_debug("this daemon's row was not renewed", "error", e.text, NULL);
    }
}

static void wait(struct pg_store *s)
{
    struct pollfd fds[2] = {
        {.fd = s->ears_fd, .events = POLLIN},
        {.fd = s->ear.conn != NULL ? PQsocket(s->ear.conn) : -1, .events = POLLIN}};
    (void)poll(fds, 2, TICK_MS);
}

static void *listen_on(void *store)
{
    struct pg_store *s = store;
    struct ears x = {.polled_ms = time_boot_ms(), .looked_ms = time_boot_ms()};
    while (!atomic_load(&s->ears_stop)) {
        int64_t now = time_boot_ms();
        if (s->ear.conn != NULL && s->ear.broken)
            pg_close(&s->ear);
        if (s->ear.conn == NULL)
            listen_again(s, &x, now);
        if (s->ear.conn != NULL)
            hear(s);
        if (s->ear.conn != NULL && !s->ear.broken && atomic_exchange(&s->wants_notify, false))
            tell(s);
        if (s->ear.conn == NULL || !s->ear.broken)
            look(s, &x, now);
        wait(s);
    }
    return NULL;
}

enum err pg_ears_start(struct pg_store *s, struct error *e)
{
    s->ears_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->ears_fd < 0)
        return error_errno(e, "the store's eventfd");
    enum err err = begin_to_listen(s, e); /* before the first claim */
    if (err != ERR_NONE)
        return err;
    if (pthread_create(&s->ears, NULL, listen_on, s) != 0)
        return error_set(e, ERR_INTERNAL, "the store's thread cannot be started");
    s->ears_run = true;
    return ERR_NONE;
}

void pg_ears_stop(struct pg_store *s)
{
    const uint64_t one = 1;
    atomic_store(&s->ears_stop, true);
    if (s->ears_run) {
        if (write(s->ears_fd, &one, sizeof one) < 0)
            log_debug("the store's ears stop with their next tick", NULL);
        pthread_join(s->ears, NULL);
        s->ears_run = false;
    }
    if (s->ears_fd >= 0)
        close(s->ears_fd);
    s->ears_fd = -1;
    pg_close(&s->ear);
}
