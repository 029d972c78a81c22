#define _GNU_SOURCE
/*
 * The life of a notification, but for the transfer and the order (outbound_send.c,
 * outbound_queue.c). The pump runs after each commit, each finished transfer and each timer: it
 * makes messages as long as a sender is free.
 */
#include "outbound.h"

#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db.h"
#include "ids.h"
#include "mem.h"
#include "options.h"
#include "outbound_int.h"
#include "outbound_queue.h"
#include "outbound_send.h"
#include "soap.h"
#include "timeutil.h"
#include "values.h"

static void pump(struct outbound *o);

/* xorshift: 0 ≤ x < 1 */
static double roll(struct outbound *o)
{
    o->dice ^= o->dice << 13;
    o->dice ^= o->dice >> 7;
    o->dice ^= o->dice << 17;
    return (double)(o->dice >> 11) / 9007199254740992.0;
}

/* ------------------------------------------------------------------ inside a transaction */

/* The entry condition of the flows that were loaded; a message set by /sim/outbound alone has none.
 * */
static bool flow_sends(struct outbound *o, const struct object *object, const char *record_id,
                       struct change change)
{
    const struct sends *s = &object->sends;
    if (o->set.every_change || object->message[0] == NULL)
        return true;
    if (change.created)
        return s->created;
    if (!s->updated || (s->watched != 0 && (s->watched & change.changed) == 0))
        return false;
    if (s->only_if == NULL)
        return true;
    char sql[160];
    snprintf(sql, sizeof sql, "SELECT %s FROM %s WHERE Id = ?", s->only_if->name, object->name);
    return sdb_int(o->sim->db, 0, sql, "t", record_id) == 1;
}

void outbound_note(struct outbound *o, const struct object *object, const char *record_id,
                   struct change change)
{
    if (o->url == NULL || !o->messages[object->id].sent ||
        !flow_sends(o, object, record_id, change))
        return;
    if (o->noted_count == o->noted_room) {
        o->noted_room = o->noted_room == 0 ? 64 : 2 * o->noted_room;
        o->noted = mem_resize(o->noted, o->noted_room, sizeof *o->noted);
    }
    struct noted *n = &o->noted[o->noted_count++];
    n->object = object->id;
    snprintf(n->record_id, sizeof n->record_id, "%s", record_id);
}

size_t outbound_mark(const struct outbound *o)
{
    return o->noted_count;
}

void outbound_undo(struct outbound *o, size_t mark)
{
    o->noted_count = mark;
}

void outbound_commit(struct outbound *o)
{
    int64_t now = time_boot_ms();
    for (size_t i = 0; i < o->noted_count; i++) {
        o->stats.queued++;
        if (o->set.lose > 0 && roll(o) < o->set.lose) {
            o->stats.lost++;
            continue;
        }
        struct notification *n = mem_alloc(sizeof *n);
        sim_id_make("04l", ++o->last_id, n->id);
        memcpy(n->record_id, o->noted[i].record_id, sizeof n->record_id);
        n->object = o->noted[i].object;
        n->order = o->last_id;
        n->queued_boot_ms = now;
        n->due_boot_ms = now + o->set.delay_ms;
        outbound_queue_put(o->queue, n);
    }
    bool any = o->noted_count > 0;
    o->noted_count = 0;
    if (any)
        pump(o);
}

/* ------------------------------------------------------------------ making a message */

struct flight {
    struct notification *list[SOAP_NOTIFICATIONS_MAX];
    size_t count;
};

/* The fields of one record as they are now; false if it is gone. */
static bool read_fields(struct outbound *o, const struct notification *n,
                        struct soap_field fields[FIELDS_MAX])
{
    const struct object *object = &OBJECTS[n->object];
    const struct message *m = &o->messages[n->object];
    struct buf sql;
    buf_init(&sql, 65536);
    buf_puts(&sql, "SELECT t.Id");
    for (size_t i = 0; i < m->field_count; i++) {
        buf_puts(&sql, ", ");
        field_sql(&sql, m->fields[i], "t");
    }
    buf_printf(&sql, " FROM %s t WHERE t.Id = ? AND t.IsDeleted = 0", object->name);
    sqlite3_stmt *st = sdb_prepare(o->sim->db, sql.data);
    buf_release(&sql);
    sdb_bind_text(st, 1, n->record_id);
    bool live = sdb_step(o->sim->db, st);
    for (size_t i = 0; live && i < m->field_count; i++)
        fields[i] =
            (struct soap_field){m->fields[i]->name, column_to_xml(m->fields[i], st, (int)i + 1)};
    sdb_done(o->sim->db, st);
    return live;
}

static void write_body(struct outbound *o, const struct flight *f, struct buf *body)
{
    const struct object *object = &OBJECTS[f->list[0]->object];
    const struct message *m = &o->messages[object->id];
    struct soap_out_notification list[SOAP_NOTIFICATIONS_MAX];
    struct soap_field(*fields)[FIELDS_MAX] = mem_array(f->count, sizeof *fields);
    char *enterprise = mem_printf("%s/services/Soap/c/64.0/%.15s", o->sim->address, o->sim->org_id);
    char *partner = mem_printf("%s/services/Soap/u/64.0/%.15s", o->sim->address, o->sim->org_id);
    for (size_t i = 0; i < f->count; i++) {
        bool live = read_fields(o, f->list[i], fields[i]);
        list[i] = (struct soap_out_notification){f->list[i]->id, object->name,
                                                 live ? f->list[i]->record_id : NULL, fields[i],
                                                 live ? m->field_count : 0};
    }
    struct soap_out_message message = {o->sim->org_id, m->action_id, enterprise,
                                       partner,        list,         f->count};
    soap_write_message(body, &message);
    for (size_t i = 0; i < f->count; i++) {
        for (size_t k = 0; k < list[i].field_count; k++)
            free((char *)(uintptr_t)fields[i][k].value);
    }
    free(fields);
    free(enterprise);
    free(partner);
}

static void send_one(struct outbound *o, enum object_id object)
{
    struct flight *f = mem_alloc(sizeof *f);
    while (f->count < (size_t)o->set.batch_max) {
        uint64_t pick = o->set.reorder ? (uint64_t)(roll(o) * 1e9) : 0;
        struct notification *n = outbound_queue_take(o->queue, object, o->set.reorder, pick);
        if (n == NULL)
            break;
        n->attempts++;
        f->list[f->count++] = n;
    }
    struct sender_job *job = mem_alloc(sizeof *job);
    job->url = mem_strdup(o->url);
    job->of = f;
    job->bytes_per_second = o->set.bytes_per_second;
    buf_init(&job->body, 64 << 20);
    write_body(o, f, &job->body);
    o->in_flight += f->count;
    o->busy++;
    o->stats.sent += f->count;
    o->stats.messages_sent++;
    senders_put(o->senders, job);
}

static void pump(struct outbound *o)
{
    if (o->senders == NULL)
        return;
    int64_t now = time_boot_ms(), next = outbound_queue_ripen(o->queue, now);
    enum object_id object;
    while (!o->set.paused && o->busy < (size_t)o->sim->options->outbound_senders &&
           outbound_queue_next(o->queue, &object))
        send_one(o, object);
    if (next < 0)
        return;
    struct timeval wait = {(next - now) / 1000, (next - now) % 1000 * 1000 + 500};
    event_add(o->timer, &wait);
}

/* ------------------------------------------------------------------ the outcome */

static void retry(struct outbound *o, struct notification *n)
{
    int64_t now = time_boot_ms(), pause = o->set.retry_base_ms;
    if (now - n->queued_boot_ms >= RETRY_LIFE * o->set.retry_max_ms) {
        o->stats.dropped++;
        free(n);
        return;
    }
    for (unsigned i = 1; i < n->attempts && pause < o->set.retry_max_ms; i++)
        pause *= 2;
    n->due_boot_ms = now + (pause < o->set.retry_max_ms ? pause : o->set.retry_max_ms);
    o->stats.retried++;
    outbound_queue_put(o->queue, n);
}

static void acked(struct outbound *o, struct notification *n)
{
    o->stats.acked += !n->again;
    if (n->again || o->set.duplicate <= 0 || roll(o) >= o->set.duplicate) {
        free(n);
        return;
    }
    n->again = true;
    n->due_boot_ms = time_boot_ms() + o->set.retry_base_ms;
    o->stats.duplicated++;
    outbound_queue_put(o->queue, n);
}

static void finished(struct outbound *o, struct sender_job *job)
{
    struct flight *f = job->of;
    bool lost = job->acked && o->set.lose_ack > 0 && roll(o) < o->set.lose_ack;
    if (lost)
        snprintf(job->why, sizeof job->why, "the answer was lost (lose_ack)");
    bool ok = job->acked && !lost;
    o->stats.messages_acked += ok;
    o->stats.messages_failed += !ok;
    if (!ok)
        snprintf(o->last_error, sizeof o->last_error, "%s", job->why);
    for (size_t i = 0; i < f->count; i++) {
        if (ok)
            acked(o, f->list[i]);
        else
            retry(o, f->list[i]);
    }
    o->in_flight -= f->count;
    o->busy--;
    free(f);
    sender_job_free(job);
}

static void on_finished(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct outbound *o = arg;
    char bytes[256];
    while (read((int)fd, bytes, sizeof bytes) > 0)
        continue;
    for (struct sender_job *job; (job = senders_take(o->senders)) != NULL;)
        finished(o, job);
    pump(o);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    pump(arg);
}

void outbound_pump(struct outbound *o)
{
    pump(o);
}

bool outbound_is_empty(const struct outbound *o)
{
    return o->in_flight == 0 && outbound_queue_count(o->queue) == 0;
}

size_t outbound_pending(const struct outbound *o)
{
    return outbound_queue_count(o->queue);
}

/* ------------------------------------------------------------------ birth and end */

struct outbound *outbound_new(struct sim *sim)
{
    struct outbound *o = mem_alloc(sizeof *o);
    o->sim = sim;
    o->queue = outbound_queue_new();
    o->pipe[0] = o->pipe[1] = -1;
    outbound_defaults(o);
    if (sim->base == NULL)
        return o;
    if (pipe2(o->pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        abort(); /* at start, with nothing open yet */
    o->readable = event_new(sim->base, o->pipe[0], EV_READ | EV_PERSIST, on_finished, o);
    o->timer = evtimer_new(sim->base, on_timer, o);
    event_add(o->readable, NULL);
    o->senders = senders_start(sim->options, o->pipe[1]);
    return o;
}

/* Transfers under way end with the senders; their notifications are
 * freed with the jobs' flights. */
static void end_flights(struct outbound *o)
{
    for (struct sender_job *job; o->busy > 0 && (job = senders_take(o->senders)) != NULL;)
        finished(o, job);
}

void outbound_free(struct outbound **op)
{
    struct outbound *o = *op;
    if (o == NULL)
        return;
    if (o->senders != NULL) {
        senders_finish(o->senders);
        end_flights(o);
        senders_stop(&o->senders);
        event_free(o->readable);
        event_free(o->timer);
        close(o->pipe[0]);
        close(o->pipe[1]);
    }
    outbound_queue_free(&o->queue);
    free(o->noted);
    free(o->url);
    free(o);
    *op = NULL;
}
