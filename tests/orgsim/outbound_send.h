/*
 * outbound_send - the threads that carry messages to the receiver
 *
 *     senders_put ─▶ [ thread: one curl handle, kept alive ] ─▶ senders_take + a byte on the pipe
 *
 * A job belongs to whoever holds it: the loop's thread until senders_put and after senders_take,
 * the thread in between. TLS: the certificate and the name are verified against the CA file; SNI;
 * an optional client certificate.
 */
#ifndef ORGSIM_OUTBOUND_SEND_H
#define ORGSIM_OUTBOUND_SEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "options.h"

struct sender_job {
    char *url;
    struct buf body;
    int64_t bytes_per_second; /* 0: no limit */
    void *of;                 /* the caller's */
    bool acked;               /* result: HTTP 200 with a valid Ack */
    char why[160];            /* result: what was wrong */
    struct sender_job *next;
};

struct senders;

/* notify_fd gets one byte for each finished job; it stays the caller's. */
struct senders *senders_start(const struct sim_options *options, int notify_fd);
/* Aborts transfers and waits for the threads; all jobs that were put can be taken then. */
void senders_finish(struct senders *s);
void senders_stop(struct senders **s); /* the same if need be, and frees all */
void senders_put(struct senders *s, struct sender_job *job);
struct sender_job *senders_take(struct senders *s); /* a finished one, or NULL */
void sender_job_free(struct sender_job *job);

#endif
