/*
 * The thread that acknowledges ahead of the committer (queue_ahead.c), and what it leaves: in
 * memory for the committer, in the file FILE-intake for the next start. `logged` in meta is the
 * number of the last record that entered, written in the transaction with which it did, so that
 * each enters once; one that enters twice would be a known id.
 *
 * Without the file everything works, only slower. So it is made when it is first needed, is given
 * up when it can't be written, and goes when all of it has entered, at the orderly end or when it
 * holds what was to be forgotten.
 */
#include "sqlite_int.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "intake_log.h"
#include "intake_payload.h"
#include "log.h"
#include "mem.h"

enum {
    RETRY_MS = 1000,
    PAYLOAD_MAX = 1 << 20, /* of 2,000 notifications, each of 5 texts of at most 80 bytes */
};

static char *log_path(const struct sqlite_store *s)
{
    return mem_printf("%s-intake", s->path);
}

/* ------------------------------------------------------------------ what a batch has logged */

/* The link behind the last of them is the other thread's. */
struct store_put *sqlite_ahead_puts(const struct store_batch *b)
{
    struct store_put *first = NULL, **last = &first;
    const struct store_logged *l = b->logged;
    for (size_t i = 0; i < b->logged_count; i++) {
        l = i == 0 ? l : l->next;
        bool is_sound = intake_payload_read(l->payload, l->size, &last);
        assert(is_sound); /* it was written a moment ago */
        (void)is_sound;
    }
    return first;
}

int64_t sqlite_ahead_number(const struct store_batch *b)
{
    const struct store_logged *l = b->logged;
    for (size_t i = 1; i < b->logged_count; i++)
        l = l->next;
    return l->number;
}

/* ------------------------------------------------------------------ the thread */

/* What could not enter afterwards must be refused now. */
bool sqlite_may_go_ahead(const struct store_put *p)
{
    for (size_t i = 0; i < p->count; i++) {
        if (p->items[i].notification_id[0] == '\0')
            return false;
    }
    return !p->wants_counts && p->count > 0 && p->count <= AHEAD_BATCH_MAX;
}

static void answer_all(struct store_put *puts, enum err result)
{
    for (struct store_put *p = puts; p != NULL; p = p->next) {
        p->result = result;
        p->stored = result == ERR_NONE ? p->count : 0;
        p->duplicates = 0;
    }
    store_hand_back(puts);
}

static void count_org(struct store_logged *l, const struct store_put *p)
{
    struct store_logged_org *o = l->orgs, *end = l->orgs + l->org_count;
    while (o != end && strcmp(o->org, p->org) != 0)
        o++;
    if (o == end) {
        l->orgs = mem_resize(l->orgs, l->org_count + 1, sizeof *l->orgs);
        o = &l->orgs[l->org_count++];
        *o = (struct store_logged_org){.notifications = 0};
        memcpy(o->org, p->org, sizeof o->org);
    }
    o->notifications += p->count;
    l->notifications += p->count;
}

static struct store_logged *logged_of(const struct store_put *puts, const struct buf *payload)
{
    struct store_logged *l = mem_alloc(sizeof *l + payload->len);
    for (const struct store_put *p = puts; p != NULL; p = p->next)
        count_org(l, p);
    l->size = payload->len;
    memcpy(l->payload, payload->data, payload->len);
    return l;
}

/* Durable when it returns ERR_NONE. There is always room, since what has not entered is less than
 * half a file (AHEAD_LOGGED_MAX). */
static enum err append(struct sqlite_store *s, struct intake_log *log, const struct buf *payload,
                       int64_t *number, struct error *e)
{
    if (!intake_log_has_room(log, payload->len, store_ahead_last_entered(&s->queue)))
        return error_set(e, ERR_FULL, "it has no room");
    double start = store_seconds();
    atomic_store(&s->ahead_since_boot_ms, store_boot_ms(&s->base));
    enum err err = intake_log_append(log, payload->data, payload->len, number, e);
    atomic_store(&s->ahead_since_boot_ms, 0);
    if (err == ERR_NONE)
        metric_observe(s->base.commit_seconds, store_seconds() - start);
    return err;
}

/* The file that is written. */
struct writing {
    struct intake_log *log;
    int64_t next; /* the number of the next record, in whatever file */
    bool failed;  /* it could not be made the last time */
};

static void give_up_log(struct sqlite_store *s, struct writing *w, const char *why)
{
    log_warn("the store's intake log failed; messages enter the database directly until there is a "
             "new one",
             "error", why, NULL);
    intake_log_close(&w->log);
    store_ahead_failed(&s->queue, RETRY_MS);
}

static void write_payload(struct sqlite_store *s, struct buf *out, struct store_put *puts)
{
    int64_t now = store_wall_ms(&s->base);
    buf_init(out, PAYLOAD_MAX);
    for (struct store_put *p = puts; p != NULL; p = p->next) {
        p->received_at_ms = now;
        intake_payload_add(out, p);
    }
    assert(!out->overflow);
}

/* Durable, then acknowledged; or the committer's after all. */
static void log_and_answer(struct sqlite_store *s, struct writing *w, struct store_put *puts)
{
    struct error e;
    struct buf payload;
    write_payload(s, &payload, puts);
    struct store_logged *logged = logged_of(puts, &payload);
    enum err err = append(s, w->log, &payload, &logged->number, &e);
    buf_release(&payload);
    if (err == ERR_NONE) {
        w->next = logged->number + 1;
        metric_observe(s->base.batch_size, (double)logged->notifications);
        store_ahead_logged(&s->queue, logged);
        answer_all(puts, ERR_NONE);
        return;
    }
    store_logged_free(&logged);
    give_up_log(s, w, e.text);
    store_ahead_give_back(&s->queue, puts);
}

static void take(struct sqlite_store *s, struct writing *w, struct store_put *puts)
{
    struct error e;
    enum err refused = sqlite_may_put(s, &e);
    if (refused != ERR_NONE)
        answer_all(puts, refused); /* the next store_put says why */
    else
        log_and_answer(s, w, puts);
}

static void open_log(struct sqlite_store *s, struct writing *w)
{
    struct error e;
    char *path = log_path(s);
    if (intake_log_create(&w->log, path, s->log_of, w->next, &e) == ERR_NONE) {
        store_ahead_opened(&s->queue);
    } else {
        if (!w->failed)
            log_warn("the store's intake log cannot be made; messages enter the database directly",
                     "error", e.text, NULL);
        store_ahead_failed(&s->queue, RETRY_MS);
    }
    w->failed = w->log == NULL;
    free(path);
}

/* All of it has entered, but for what the database refused. With the database gone it stays. */
static void remove_log(struct sqlite_store *s)
{
    struct error e;
    if (sqlite_inode_of(s->path) != atomic_load(&s->inode))
        return;
    char *path = log_path(s);
    bool keeps = atomic_exchange(&s->keeps_log, false);
    if ((keeps ? intake_log_put_aside(path, &e) : intake_log_remove(path, &e)) != ERR_NONE) {
        atomic_store(&s->keeps_log, keeps);
        log_warn("the store's intake log cannot be removed or renamed", "error", e.text, NULL);
    }
    free(path);
}

/* At once, before its place in the file is written over. */
void sqlite_ahead_refused(struct sqlite_store *s, const struct store_put *p, const char *why)
{
    atomic_store(&s->keeps_log, true);
    store_ahead_reset(&s->queue);
    log_error(
        "a message that was acknowledged does not enter the store; the intake log that has it "
        "is kept as *.damaged; reconcile the org",
        "org", p->org, "notification", p->items[0].notification_id, "error", why, NULL);
}

void *sqlite_ahead(void *store)
{
    struct sqlite_store *s = store;
    struct writing w = {.next = s->logged + 1};
    struct store_put *puts = NULL;
    for (enum store_ahead_turn t; (t = store_ahead_wait(&s->queue, &puts)) != AHEAD_STOP;) {
        if (t == AHEAD_LOG)
            take(s, &w, puts);
        if (t == AHEAD_OPEN)
            open_log(s, &w);
        if (t == AHEAD_RESET) {
            intake_log_close(&w.log);
            remove_log(s);
            store_ahead_removed(&s->queue);
        }
    }
    intake_log_close(&w.log);
    store_ahead_ended(&s->queue);
    return NULL;
}

/* ------------------------------------------------------------------ at the start and the end */

/* What a former process left. */
struct replay {
    struct sqlite_store *s;
    struct store_logged *first, **last;
    struct store_batch batch;
    size_t notifications;
};

static void drop_read(struct replay *r)
{
    for (struct store_logged *l = r->first, *next; l != NULL; l = next) {
        next = l->next;
        store_logged_free(&l);
    }
    r->first = NULL;
    r->last = &r->first;
    r->batch = (struct store_batch){0};
}

static enum err enter_read(struct replay *r, struct error *e)
{
    r->batch.logged = r->first;
    enum err err = sqlite_run_batch(r->s, &r->batch, e);
    drop_read(r);
    return err;
}

static enum err read_record(void *ctx, int64_t number, const char *payload, size_t n,
                            struct error *e)
{
    struct replay *r = ctx;
    struct store_put *puts = NULL, **last = &puts;
    bool is_sound = intake_payload_read(payload, n, &last);
    for (const struct store_put *p = puts; p != NULL; p = p->next) {
        r->batch.notifications += p->count;
        r->notifications += p->count;
    }
    intake_payload_free(puts);
    if (!is_sound)
        return error_set(e, ERR_CORRUPT,
                         "%s-intake: record %lld makes no sense; move the file away to start "
                         "without what it holds, and reconcile the orgs",
                         r->s->path, (long long)number);
    struct store_logged *l = mem_alloc(sizeof *l + n);
    l->number = number;
    l->size = n;
    memcpy(l->payload, payload, n);
    *r->last = l;
    r->last = &l->next;
    r->batch.logged_count++;
    return r->batch.notifications < AHEAD_ENTER_AT ? ERR_NONE : enter_read(r, e);
}

/* All that could be read has entered. */
static enum err keep_damaged(const char *path, const char *damage, struct error *e)
{
    enum err err = intake_log_put_aside(path, e);
    if (err == ERR_NONE)
        log_error("the store's intake log is damaged and was renamed to *.damaged: messages that "
                  "were acknowledged just before the last stop may be missing; reconcile the org, "
                  "then remove that file, which holds ids of records",
                  "file", path, "found", damage, NULL);
    return err;
}

enum err sqlite_ahead_recover(struct sqlite_store *s, struct error *e)
{
    struct replay r = {.s = s};
    const char *damage;
    bool found;
    char *path = log_path(s);
    r.last = &r.first;
    enum err err = intake_log_read(path, s->log_of, s->logged, read_record, &r, &found, &damage, e);
    if (err == ERR_NONE && r.batch.logged_count > 0)
        err = enter_read(&r, e);
    drop_read(&r);
    if (atomic_exchange(&s->keeps_log, false) && damage == NULL)
        damage = "a message that the database refuses";
    if (err == ERR_NONE && found)
        err = damage != NULL ? keep_damaged(path, damage, e) : intake_log_remove(path, e);
    if (err == ERR_NONE && r.notifications > 0)
        log_info("what was acknowledged just before the last stop has entered the store",
                 "notifications", log_num((long long)r.notifications), NULL);
    free(path);
    return err;
}

void sqlite_ahead_close(struct sqlite_store *s)
{
    if (s->queue.ahead.first == NULL)
        remove_log(s);
    else
        log_warn("what was acknowledged last could not enter the store; it is in the intake log, "
                 "for the next start",
                 "notifications", log_num((long long)s->queue.ahead.notifications), NULL);
}
