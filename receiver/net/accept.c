#define _GNU_SOURCE
/*
 * New connections: looked up in the list of networks, counted against the caps, then opened. A full turn is left after some, so that
 * those who are connected have theirs.
 */
#include "listener_int.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "access.h"
#include "log.h"
#include "refusal.h"

enum { ACCEPTS_PER_TURN = 64 };

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

/* Closed without an answer: before TLS there is nothing that the peer would understand. */
static void refuse(int fd, enum refusal why, const struct listener_peer *peer)
{
    refusal_tell(why, &(struct refusal_detail){.peer = peer->address});
    close(fd);
}

static void admit(struct loop *loop, int fd, const struct sockaddr *peer)
{
    static const enum refusal reasons[] = {[LIMITS_FULL] = REFUSED_CONNECTIONS,
                                           [LIMITS_ADDRESS_FULL] = REFUSED_CONNECTIONS_OF_ADDRESS};
    struct listener *l = loop->listener;
    struct limits_place *place = NULL;
    struct listener_peer text;
    socket_peer_text(peer, &text);
    if (loop->options.access != NULL && !access_list_allows(loop->options.access, peer)) {
        refuse(fd, REFUSED_ADDRESS, &text);
        return;
    }
    enum limits_verdict verdict = limits_enter(l->limits, peer, &place);
    if (verdict != LIMITS_OK)
        refuse(fd, reasons[verdict], &text);
    else
        connection_open(loop, fd, place, &text);
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
            admit(loop, fd, (struct sockaddr *)&peer);
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
