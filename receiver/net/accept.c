#define _GNU_SOURCE
/*
 * New connections: looked up in the list of networks, counted against the caps, then opened. A full
 * turn is left after some, so that those who are connected have theirs.
 */
#include "listener_int.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "access.h"
#include "log.h"
#include "refusal.h"
#include "timeutil.h"

enum { ACCEPTS_PER_TURN = 64, HANDSHAKES_PART = 4, HANDSHAKES_LEAST = 16 };

void loop_close_listening(struct loop *loop)
{
    if (loop->accept_event != NULL)
        event_free(loop->accept_event);
    loop->accept_event = NULL;
    if (loop->listen_fd >= 0)
        close(loop->listen_fd);
    loop->listen_fd = -1;
    atomic_store(&loop->is_accepting, false);
}

static bool is_within(enum limits_verdict verdict, const struct listener_peer *peer)
{
    static const enum refusal reasons[] = {[LIMITS_FULL] = REFUSED_CONNECTIONS,
                                           [LIMITS_ADDRESS_FULL] = REFUSED_CONNECTIONS_OF_ADDRESS,
                                           [LIMITS_ADDRESS_FAST] = REFUSED_NEW_OF_ADDRESS};
    if (verdict != LIMITS_OK)
        refusal_tell(reasons[verdict], &(struct refusal_detail){.peer = peer->address});
    return verdict == LIMITS_OK;
}

/* A handshake under way holds about 50 KiB in OpenSSL, three times as much as a connection that
 * waits for a request, and takes milliseconds: so a quarter of all places is plenty for them. */
static void bound_handshakes(struct loop *loop)
{
    unsigned most = loop->options.max_connections / HANDSHAKES_PART / loop->listener->loop_count;
    if (loop->in_state[CONNECTION_HANDSHAKE] > (most < HANDSHAKES_LEAST ? HANDSHAKES_LEAST : most))
        room_end_handshake(loop);
}

static enum limits_verdict enter(struct loop *loop, const struct sockaddr *peer,
                                 struct limits_place **place)
{
    struct limits *limits = loop->listener->limits;
    int64_t now = time_boot_ms();
    enum limits_verdict verdict = limits_enter(limits, peer, now, place);
    while (verdict == LIMITS_FULL && room_make(loop)) /* another loop may have taken that room */
        verdict = limits_enter(limits, peer, now, place);
    return verdict;
}

static bool is_listed(struct loop *loop, const struct sockaddr *peer,
                      const struct listener_peer *text)
{
    const struct access_list *list = loop->options.access;
    if (list == NULL || access_list_allows(list, peer))
        return true;
    refusal_tell(REFUSED_ADDRESS, &(struct refusal_detail){.peer = text->address});
    return false;
}

bool loop_readmit(struct loop *loop, const struct sockaddr *peer, const struct listener_peer *text,
                  struct limits_place **place)
{
    struct limits *limits = loop->listener->limits;
    return is_listed(loop, peer, text) &&
           is_within(limits_move(limits, peer, time_boot_ms(), place), text);
}

/* Whoever is not admitted is closed without an answer: before TLS there is nothing that the peer
 * would understand. A proxy's connections count for no address before it has said whose they are.
 */
static void admit(struct loop *loop, int fd, const struct sockaddr_storage *peer)
{
    static const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    const struct access_list *proxies = loop->options.proxies;
    const struct sockaddr *address = (const struct sockaddr *)peer;
    struct limits_place *place = NULL;
    struct listener_peer text;
    bool is_proxy = proxies != NULL && access_list_allows(proxies, address);
    socket_peer_text(address, &text);
    if ((is_proxy || is_listed(loop, address, &text)) &&
        is_within(enter(loop, is_proxy ? &nobody : address, &place), &text)) {
        connection_open(loop, fd, place, &text, is_proxy ? peer : NULL);
        bound_handshakes(loop);
    } else {
        close(fd);
    }
}

/* Out of descriptors or memory: the socket would stay readable, so it is
 * left alone for a second. */
static void pause_accepting(struct loop *loop)
{
    log_error("cannot accept connections", "listener", loop->listener->name, "error",
              strerrorname_np(errno), NULL);
    loop->accept_paused = true;
    if (loop->accept_event != NULL)
        event_del(loop->accept_event);
}

/* True when a whole turn was used up. */
bool loop_accept_turn(struct loop *loop)
{
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t len = sizeof peer;
        int fd =
            accept4(loop->listen_fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            admit(loop, fd, &peer);
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return false;
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accepting(loop);
            return false;
        }
        /* the rest concerns the one connection that is gone already */
    }
    return true;
}

void loop_on_accept(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)loop_accept_turn(arg);
}
