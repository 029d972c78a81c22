/*
 * message - one outbound message as an HTTP request, with ids that can be renumbered in place
 *
 * Built once a connection; afterwards a new message costs only the writing of its ids, so the
 * generator leaves the cores to the servers. Notification n of the run has the ids 04l + n and
 * 00v + n (twelve base-62 digits in ASCII order, with the right suffix), so ids rise as n does and
 * the text order of the ids is the order of the numbers. Ten in a row are of one campaign, since
 * what a transaction changes in Salesforce is sent together; there are 500 campaigns.
 *
 * Ownership: the message owns its bytes. Threads: one owner at a time.
 */
#ifndef TP_BENCH_MESSAGE_H
#define TP_BENCH_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "sfid.h"

struct message {
    char *bytes; /* head and body */
    size_t len, head_len;
    size_t count;        /* notifications in it */
    size_t *id_at;       /* offsets of the notification ids, one a notification */
    size_t *record_at;   /* offsets of the record ids */
    size_t *campaign_at; /* offsets of the campaigns' ids */
};

void message_init(struct message *m, const char *org, const char *path, size_t count);
void message_release(struct message *m);

/* Writes the ids of notifications first … first + count - 1. */
void message_number(struct message *m, uint64_t first);

/* prefix (three characters), number in base 62, checksum */
void message_id(const char *prefix, uint64_t number, char out[SFID_SIZE]);

#endif
