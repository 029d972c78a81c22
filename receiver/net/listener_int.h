/*
 * listener_int - what the parts of the listener share: listener.c (start, drain, stop), socket.c
 * (listening sockets), loop.c (one thread: wake-ups, tick), accept.c (new connections), slots.c
 * (places of connections, spare readers, replies from other threads), connection.c (one
 * connection's requests), body.c (the body being read), answer.c (replies on their way out),
 * reply.c (their bytes), wait.c (who watches for its end), closing.c (a connection's end),
 * proxied.c (whom a proxy speaks for), room.c (who has to make room)
 *
 * Threads: a struct loop and its connections belong to the loop's thread, but for the fields that
 * say otherwise. A connection is only ever freed by connection_settle, at the end of a call-back,
 * so that no function finds it gone under its feet.
 */
#ifndef TP_LISTENER_INT_H
#define TP_LISTENER_INT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <event2/event.h>
#include <event2/bufferevent.h>

#include "listener.h"
#include "buf.h"
#include "limits.h"
#include "metrics.h"

/*
 *   PROXY_HEADER (from proxies only) ─▶ HANDSHAKE
 *
 *   HANDSHAKE ─▶ IDLE ─first byte─▶ READING ─whole─▶ ANSWERING ─reply─▶ WRITING ─▶ IDLE
 *                  │                   └── refused ─────────────────────▶ │
 *                  └─ nothing to come ───────▶ CLOSING ◀── last reply ────┘      any ─▶ CLOSED
 *
 * Each state but CLOSED has a deadline, set when it is entered and moved by no byte.
 */
/* id, value of the metric's label */
#define CONNECTION_STATES(X)                                                                       \
    X(CONNECTION_PROXY_HEADER, "proxy_header")                                                     \
    X(CONNECTION_HANDSHAKE, "handshake")                                                           \
    X(CONNECTION_IDLE, "idle")                                                                     \
    X(CONNECTION_READING, "reading")                                                               \
    X(CONNECTION_ANSWERING, "answering")                                                           \
    X(CONNECTION_WRITING, "writing")                                                               \
    X(CONNECTION_CLOSING, "closing")                                                               \
    X(CONNECTION_CLOSED, "closed")

enum connection_state {
#define X(id, name) id,
    CONNECTION_STATES(X)
#undef X
        CONNECTION_STATE_COUNT
};

enum {
    INPUT_MAX = 16384,       /* bytes read ahead of the HTTP reader, give or take one TLS record */
    SPARE_READERS_MAX = 128, /* kept for the next requests; an idle connection has none */
    BUFFERED_MAX = 64,       /* connections of a loop that keep TLS buffers; 34 KB each */
};

struct connection {
    struct loop *loop;
    uint32_t slot;
    uint64_t generation, request;
    enum connection_state state;
    int fd;
    bool owns_fd;            /* until bev does */
    struct proxied *proxied; /* while a proxy's header is awaited */
    struct bufferevent *bev; /* owns fd and tls, and closes them when its events are gone: a socket
                                closed earlier could come back under the same number too soon */
    struct ssl_st *tls;      /* NULL: plain */
    struct event *timer;
    struct event *bare_input;      /* of connection_linger_bare */
    int64_t deadline_ms, armed_ms; /* armed_ms 0: timer not pending */
    int64_t read_at_ns;            /* monotonic; when the request being answered was read whole */
    size_t lingered_bytes;
    struct http_reader *reader; /* NULL between requests */
    struct listener_wait *wait; /* NULL: nobody asks whether the peer is still there */
    uint64_t judged_by;         /* the loop's version when its head was let in */
    char *body;
    size_t body_len, body_cap;
    struct limits_place *place;
    /* The list that it is in, or NULL. Guarded by the listener's room_lock, with the next. */
    struct connection_list *list;
    struct connection *next, *previous;
    uint64_t arrival;  /* counts the listener's connections; constant */
    bool is_leaving;   /* has to make room: another loop has its place */
    bool is_served;    /* being answered; the loop alone writes it, under room_lock if not proven */
    bool is_proven;    /* a request of it that not anybody may make was answered with success */
    bool is_head;      /* a HEAD request: the reply has no body */
    bool peer_closed;  /* they will send nothing more */
    bool close_after;  /* the reply that is being written is the last */
    bool is_paused;    /* input is full, so nothing is read */
    bool is_advancing; /* connection_advance is on the stack */
    bool keeps_buffers; /* OpenSSL's, from record to record; counted by the loop */
    struct listener_peer peer;
};

struct connection_list {
    struct connection *first, *last;
};

/* The memory of a large body, wiped, for the next one: new memory comes page by page, which costs
 * as much as reading the body. */
struct spare_body {
    char *bytes; /* or NULL */
    size_t size;
    bool rests; /* it was there at the last tick, and has not served since */
};

/* A reply on its way from another thread. */
struct queued_reply {
    struct queued_reply *next;
    struct listener_token token;
    struct listener_answer answer; /* body points at bytes unless it is static */
    char bytes[];
};

struct loop {
    struct listener *listener;
    unsigned index;
    pthread_t thread;
    bool has_thread;
    int listen_fd, wake_fd;
    struct event_base *base;
    struct event *accept_event, *wake_event, *tick_event;
    /* of the last reload that this loop has taken over */
    struct listener_options options;
    void *handler_context; /* as given to listener_start or listener_reload */
    void *context;         /* what its loop_new made */
    _Atomic uint64_t version;

    pthread_mutex_t lock;
    struct queued_reply *replies, **replies_end; /* guarded by lock */

    struct connection **slots;
    uint32_t *free_slots;
    uint32_t slot_count, free_count;
    uint64_t generation;             /* of the newest connection */
    struct connection_list unproven; /* in order of their coming; guarded by room_lock */
    struct connection_list leaving;  /* to be closed by this loop; guarded by room_lock */
    struct http_reader *spare_readers[SPARE_READERS_MAX];
    size_t spare_count;
    struct spare_body spare_body;
    _Atomic unsigned buffered; /* connections that keep OpenSSL's buffers; any thread reads */
    struct buf out;            /* one reply's bytes */
    char date[40];             /* "Date: …\r\n", renewed by the tick */

    unsigned in_state[CONNECTION_STATE_COUNT], published[CONNECTION_STATE_COUNT];
    bool accept_paused;           /* out of descriptors; the tick tries again */
    _Atomic int64_t turned_at_ms; /* boot time of the last tick; any thread reads */
    atomic_bool is_accepting;     /* any thread reads */
};

struct listener {
    pthread_mutex_t lock;            /* guards options, context */
    struct listener_options options; /* name points at ours; address is NULL; loops have copies */
    _Atomic uint64_t version;        /* counts what listener_reload gave */
    char *name;
    const struct listener_handler *handler;
    void *context;
    struct limits *limits;
    pthread_mutex_t room_lock; /* taken before that of limits, and with no other */
    uint64_t arrivals;         /* guarded by room_lock */
    struct loop *loops;
    unsigned loop_count;
    char *address;   /* as bound */
    char *unix_path; /* to unlink, or NULL */
    atomic_bool is_draining, is_stopping;
    struct metric_series *handshakes_ok, *handshakes_failed, *handshakes_timeout;
    struct metric_series *connections[CONNECTION_STATE_COUNT];
};

/* socket.c */
struct listener_sockets {
    int *fds; /* `count` of them */
    unsigned count;
    char *address, *unix_path;
};
/* One listening socket for each thread; a unix path has one only. */
MUST_USE enum err sockets_open(struct listener_sockets *out, const char *address, unsigned threads,
                               struct error *e);
void sockets_close(struct listener_sockets *s);
/* The peer as text, without port. */
void socket_peer_text(const struct sockaddr *peer, struct listener_peer *out);

/* loop.c */
void loop_init(struct loop *loop, struct listener *l, unsigned index, int fd); /* takes fd */
MUST_USE enum err loop_start(struct loop *loop, struct error *e);
void loop_join(struct loop *loop);  /* the thread ends once is_stopping is set */
void loop_close(struct loop *loop); /* after loop_join: connections, events, memory */
bool loop_is_current(const struct loop *loop);

/* accept.c */
void loop_on_accept(evutil_socket_t fd, short what, void *arg);
bool loop_accept_turn(struct loop *loop); /* true when a whole turn was used up */
/* A connection is this peer's, a proxy says: looks it up in the list of networks and counts it
 * there. False when it is refused, which is told. Closes no other connection. */
bool loop_readmit(struct loop *loop, const struct sockaddr *peer, const struct listener_peer *text,
                  struct limits_place **place);
void loop_close_listening(struct loop *loop);

/* slots.c */
void loop_wake(struct loop *loop);
/* True: the loop must be woken. */
bool loop_push(struct loop *loop, const struct listener_token *t, const struct listener_answer *a);
void loop_apply(struct loop *loop, const struct listener_token *t, const struct listener_answer *a);
struct queued_reply *loop_take_replies(struct loop *loop);
struct http_reader *loop_take_reader(struct loop *loop);
void loop_give_reader(struct loop *loop, struct http_reader **r);
uint32_t loop_take_slot(struct loop *loop, struct connection *c);
void loop_free_slot(struct loop *loop, uint32_t slot);

/* connection.c; takes fd and place. proxy NULL: the peer speaks for itself. */
void connection_open(struct loop *loop, int fd, struct limits_place *place,
                     const struct listener_peer *peer, const struct sockaddr_storage *proxy);
void connection_begin(struct connection *c); /* TLS, or HTTP at once */
void connection_enter(struct connection *c, enum connection_state state, int64_t timeout_ms);
void connection_advance(struct connection *c); /* as far as the bytes at hand allow */
/* The last call of each call-back: frees it if it is closed, else arms its timer. */
void connection_settle(struct connection *c);
void connection_drain(struct connection *c);
void connection_free(struct connection *c);

/* room.c */
void room_enlist(struct connection *c);
void room_prove(struct connection *c); /* it is worth its place */
/* It goes out of the lists; true when its place was promised (limits_leave). */
bool room_leave(struct connection *c);
/* False when it has to make room, so that nothing should be begun for it. */
bool room_serve(struct connection *c, bool is_served);
/* All places are taken. True when one is free or promised: the oldest connection goes that has not
 * asked for anything sensible yet and is not being answered, whichever loop it belongs to. */
bool room_make(struct loop *loop);
void room_end_handshake(struct loop *loop); /* the loop's oldest one */
void room_let_go(struct loop *loop);        /* closes whom other loops have chosen */

/* proxied.c; false when memory is out */
bool connection_await_proxy(struct connection *c, const struct sockaddr_storage *proxy);
void connection_refuse_proxied(struct connection *c, const char *problem);
void connection_end_proxied(struct connection *c);

/* body.c; false when it would pass a bound on memory */
bool connection_add_body(struct connection *c, struct http_span piece);
void connection_drop_body(struct connection *c);
void loop_rest_body(struct loop *loop); /* the tick's: a spare one that did not serve goes */
void loop_free_body(struct loop *loop);

/* answer.c */
/* The request is read whole: its deadline and the time to its answer run from here. */
void connection_await_answer(struct connection *c);
void connection_answer(struct connection *c, const struct listener_answer *a, bool last);
void connection_refuse(struct connection *c, int status, const char *problem);
/* False when the connection is broken. */
bool connection_send(struct connection *c, const char *bytes, size_t n);

/* wait.c: nobody waits for the answer any more. */
void connection_end_wait(struct connection *c);

/* closing.c */
void connection_close(struct connection *c); /* connection_settle frees it */
/* The output is flushed: says so to the peer, then reads and drops what still comes. */
void connection_linger(struct connection *c);
/* After a handshake that failed: the same for its alert, past the bufferevent, which reads no more.
 */
void connection_linger_bare(struct connection *c);
void connection_drop_input(struct connection *c);
size_t connection_wipe_input(struct connection *c); /* all that is here; gives its size */
void connection_on_deadline(struct connection *c);

/* reply.c */
void reply_format(struct buf *out, const struct listener_answer *a, const char *date, bool is_head,
                  int minor, bool keep);
void reply_date(int64_t wall_ms, char *out, size_t size);

#endif
