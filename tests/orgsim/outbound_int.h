/* outbound_int - the state that outbound.c and outbound_settings.c share */
#ifndef ORGSIM_OUTBOUND_INT_H
#define ORGSIM_OUTBOUND_INT_H

#include "outbound.h"

struct event;
struct outbound_queue;
struct senders;

enum { RETRY_LIFE = 12 }; /* a notification lives that many longest pauses: 24 h of 2 h */

struct noted {
    enum object_id object;
    char record_id[SFID_SIZE];
};

struct message {
    bool sent;
    char action_id[SFID_SIZE]; /* 04k… */
    const struct field *fields[FIELDS_MAX];
    size_t field_count;
};

/* What the control route sets; plain numbers (outbound_settings.c has the table). */
struct outbound_set {
    bool paused, reorder, every_change;
    double duplicate, lose, lose_ack;
    int64_t delay_ms, batch_max, bytes_per_second, retry_base_ms, retry_max_ms;
};

struct outbound_stats {
    uint64_t queued, sent, acked, retried, dropped, lost, duplicated;
    uint64_t messages_sent, messages_acked, messages_failed;
};

struct outbound {
    struct sim *sim;
    char *url; /* NULL: no messages */
    struct message messages[OBJECT_COUNT];
    struct outbound_set set;
    struct outbound_stats stats;
    char last_error[160];
    uint64_t dice, last_id;
    struct noted *noted; /* in the open transaction */
    size_t noted_count, noted_room;
    struct outbound_queue *queue;
    size_t in_flight, busy; /* notifications, messages */
    struct senders *senders;
    int pipe[2];
    struct event *readable, *timer;
};

void outbound_defaults(struct outbound *o);
void outbound_pump(struct outbound *o);

#endif
