/*
 * client - one TLS connection that posts messages, non-blocking
 *
 *     CLOSED --open--> CONNECTING --> SHAKING --> IDLE --post--> SENDING --> RECEIVING --> IDLE
 *                          '------------'----------'-- any failure --'-----------'--> CLOSED
 *
 * The caller owns an edge-triggered epoll instance; client_open adds the socket to it with the
 * client as data, and the caller calls client_step after each event.
 *
 * Ownership: a client owns its socket, TLS state and message. Threads: one owner.
 */
#ifndef TP_BENCH_CLIENT_H
#define TP_BENCH_CLIENT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "message.h"

enum client_state {
    CLIENT_CLOSED,
    CLIENT_CONNECTING,
    CLIENT_SHAKING,
    CLIENT_IDLE,
    CLIENT_SENDING,
    CLIENT_RECEIVING,
};

enum { CLIENT_REPLY_MAX = 8192, CLIENT_PROBLEM_MAX = 160 };

struct client {
    enum client_state state;
    int fd;
    SSL *ssl;
    struct message message;
    size_t sent;
    char reply[CLIENT_REPLY_MAX + 1];
    size_t reply_len;
    int status;                       /* of the last reply */
    bool acknowledged;                /* the last reply was 200 with Ack true */
    uint64_t first;                   /* number of the first notification on its way */
    bool busy;                        /* the caller's: a request waits for its reply */
    int64_t due_ns;                   /* when the request should have been sent */
    char problem[CLIENT_PROBLEM_MAX]; /* why it failed */
};

enum client_event {
    CLIENT_WAITS,   /* nothing more to do until the next event */
    CLIENT_SECURED, /* the handshake is done: IDLE */
    CLIENT_REPLIED, /* status and acknowledged are set: IDLE */
    CLIENT_FAILED,  /* problem is set: CLOSED */
};

/* A context for full handshakes only: no session is kept. NULL: printed. */
SSL_CTX *client_context(void);

/* Begins to connect to 127.0.0.1:port. False: problem is set. */
bool client_open(struct client *c, SSL_CTX *context, int epoll, uint16_t port);
void client_close(struct client *c); /* says goodbye, if there is anything to close */

/* IDLE: renumbers the message and begins to send it; client_step goes on. */
void client_post(struct client *c, uint64_t first, int64_t due_ns);

/* Goes as far as it can. hung_up: epoll reported that the peer closed. */
enum client_event client_step(struct client *c, bool hung_up);

#endif
