#define _GNU_SOURCE
/*
 * The state machine of client.h. A reply is complete when its Content-Length is there; nothing is
 * sent before, so what follows a reply on the connection can only be the peer's goodbye.
 */
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

SSL_CTX *client_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL) {
        ERR_print_errors_fp(stderr);
        return NULL;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL); /* the certificate was made for the run */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1); /* one read(2) a record, not two */
    return context;
}

void client_close(struct client *c)
{
    if (c->state == CLIENT_CLOSED)
        return;
    if (c->ssl != NULL && c->state > CLIENT_SHAKING) {
        /* The answer to the close_notify isn't awaited, so the return value says nothing. */
        (void)SSL_shutdown(c->ssl);
    }
    SSL_free(c->ssl);
    close(c->fd);
    c->ssl = NULL;
    c->fd = -1;
    c->state = CLIENT_CLOSED;
}

static enum client_event fail(struct client *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static enum client_event fail(struct client *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(c->problem, sizeof c->problem, fmt, args);
    va_end(args);
    client_close(c);
    ERR_clear_error();
    return CLIENT_FAILED;
}

bool client_open(struct client *c, SSL_CTX *context, int epoll, uint16_t port)
{
    c->reply_len = 0;
    c->ssl = NULL;
    c->state = CLIENT_CONNECTING;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return fail(c, "socket: %s", strerror(errno)) != CLIENT_FAILED;
    int on = 1;
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on,
                     sizeof on); /* slower without, not wrong */
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)
        return fail(c, "connect: %s", strerror(errno)) != CLIENT_FAILED;
    c->ssl = SSL_new(context);
    if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1)
        return fail(c, "SSL_new failed") != CLIENT_FAILED;
    SSL_set_connect_state(c->ssl);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
        return fail(c, "epoll_ctl: %s", strerror(errno)) != CLIENT_FAILED;
    return true;
}

void client_post(struct client *c, uint64_t first, int64_t due_ns)
{
    message_number(&c->message, first);
    c->first = first;
    c->due_ns = due_ns;
    c->sent = 0;
    c->reply_len = 0;
    c->state = CLIENT_SENDING;
}

/* True when the TLS library only waits for the socket; else the client has failed. */
static bool only_waits(struct client *c, int result, const char *doing)
{
    int error = SSL_get_error(c->ssl, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return true;
    unsigned long code = ERR_peek_error();
    if (error == SSL_ERROR_ZERO_RETURN)
        fail(c, "%s: the server closed the connection", doing);
    else if (error == SSL_ERROR_SSL)
        fail(c, "%s: %s", doing, ERR_reason_error_string(code));
    else
        fail(c, "%s: %s", doing, errno != 0 ? strerror(errno) : "unexpected end");
    return false;
}

static enum client_event step_connecting(struct client *c)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    if (error != 0)
        return fail(c, "connect: %s", strerror(error));
    c->state = CLIENT_SHAKING;
    return CLIENT_WAITS;
}

static enum client_event step_shaking(struct client *c)
{
    errno = 0;
    int result = SSL_do_handshake(c->ssl);
    if (result == 1) {
        c->state = CLIENT_IDLE;
        return CLIENT_SECURED;
    }
    return only_waits(c, result, "handshake") ? CLIENT_WAITS : CLIENT_FAILED;
}

static enum client_event step_sending(struct client *c)
{
    while (c->sent < c->message.len) {
        errno = 0;
        size_t n = 0;
        int result = SSL_write_ex(c->ssl, c->message.bytes + c->sent, c->message.len - c->sent, &n);
        if (result != 1)
            return only_waits(c, result, "send") ? CLIENT_WAITS : CLIENT_FAILED;
        c->sent += n;
    }
    c->state = CLIENT_RECEIVING;
    return CLIENT_WAITS;
}

/* 0: more is to come, 1: complete, -1: not a reply that we understand. */
static int judge(struct client *c)
{
    c->reply[c->reply_len] = '\0';
    const char *body = strstr(c->reply, "\r\n\r\n");
    if (body == NULL)
        return c->reply_len < CLIENT_REPLY_MAX ? 0 : -1;
    const char *length = strcasestr(c->reply, "\r\nContent-Length:");
    if (strncmp(c->reply, "HTTP/1.1 ", 9) != 0 || length == NULL || length > body)
        return -1;
    unsigned long want = strtoul(length + 17, NULL, 10);
    size_t head = (size_t)(body + 4 - c->reply);
    if (want > CLIENT_REPLY_MAX - head)
        return -1;
    if (c->reply_len < head + want)
        return 0;
    c->status = (int)strtol(c->reply + 9, NULL, 10);
    c->acknowledged = c->status == 200 && strstr(body, "Ack>true</") != NULL;
    return 1;
}

static enum client_event step_receiving(struct client *c)
{
    for (;;) {
        errno = 0;
        size_t n = 0;
        int result =
            SSL_read_ex(c->ssl, c->reply + c->reply_len, CLIENT_REPLY_MAX - c->reply_len, &n);
        if (result != 1)
            return only_waits(c, result, "receive") ? CLIENT_WAITS : CLIENT_FAILED;
        c->reply_len += n;
        int verdict = judge(c);
        if (verdict < 0)
            return fail(c, "reply not understood: %.80s", c->reply);
        if (verdict > 0) {
            c->state = CLIENT_IDLE;
            return CLIENT_REPLIED;
        }
    }
}

static enum client_event step_once(struct client *c, bool hung_up)
{
    switch (c->state) {
    case CLIENT_CONNECTING:
        return step_connecting(c);
    case CLIENT_SHAKING:
        return step_shaking(c);
    case CLIENT_IDLE:
        return hung_up ? fail(c, "the server closed an idle connection") : CLIENT_WAITS;
    case CLIENT_SENDING:
        return step_sending(c);
    case CLIENT_RECEIVING:
        return step_receiving(c);
    case CLIENT_CLOSED:
        break;
    }
    return CLIENT_WAITS;
}

enum client_event client_step(struct client *c, bool hung_up)
{
    enum client_state before;
    enum client_event event;
    do { /* a finished state leads on to the next at once */
        before = c->state;
        event = step_once(c, hung_up);
    } while (event == CLIENT_WAITS && c->state != before);
    return event;
}
