#define _GNU_SOURCE
/*
 * Listening sockets. Each thread has its own with SO_REUSEPORT, so the kernel spreads connections;
 * TCP_NODELAY is set on it and inherited, since replies are small. SO_REUSEPORT would also let a
 * second daemon of the same user share the port unseen, so the port is first bound once without it.
 */
#include "listener_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "mem.h"

enum { BACKLOG = 4096 }; /* the kernel cuts it to net.core.somaxconn */

struct endpoint {
    struct sockaddr_storage address;
    socklen_t len;
    int family;
};

static struct sockaddr *as_sockaddr(struct endpoint *p)
{
    return (struct sockaddr *)&p->address;
}

/* "host:port", "[v6]:port", ":port" */
static enum err resolve(struct endpoint *out, const char *text, struct error *e)
{
    const char *colon = strrchr(text, ':');
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;

    if (colon == NULL || colon[1] == '\0')
        return error_set(e, ERR_CONFIG, "%s is no address to listen on: write host:port", text);
    size_t n = (size_t)(colon - text);
    bool bracketed = n >= 2 && text[0] == '[' && text[n - 1] == ']';
    char *host = bracketed ? mem_strndup(text + 1, n - 2) : mem_strndup(text, n);
    int code = getaddrinfo(*host == '\0' ? NULL : host, colon + 1, &hints, &found);
    free(host);
    if (code != 0)
        return error_set(e, ERR_CONFIG, "%s is no address to listen on: %s", text,
                         gai_strerror(code));
    memcpy(&out->address, found->ai_addr, found->ai_addrlen);
    out->len = found->ai_addrlen;
    out->family = found->ai_family;
    freeaddrinfo(found);
    return ERR_NONE;
}

static bool set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

static bool bind_one(int fd, struct endpoint *p, bool shared)
{
    return set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) &&
           (!shared || set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1)) &&
           (p->family != AF_INET6 || set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0)) &&
           set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1) && bind(fd, as_sockaddr(p), p->len) == 0;
}

static enum err open_one(int *out, struct endpoint *p, bool shared, bool listening,
                         const char *text, struct error *e)
{
    int fd = socket(p->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind_one(fd, p, shared) && (!listening || listen(fd, BACKLOG) == 0)) {
        *out = fd;
        return ERR_NONE;
    }
    enum err result = error_errno(e, "cannot listen on %s", text);
    if (fd >= 0)
        close(fd);
    return result;
}

/* Fails if another process listens there; SO_REUSEADDR does not get past that. */
static enum err probe(struct endpoint *p, const char *text, struct error *e)
{
    int fd = -1;
    enum err result = open_one(&fd, p, false, false, text, e);
    if (result == ERR_NONE)
        close(fd);
    return result;
}

static uint16_t port_of(struct endpoint *p)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    memcpy(&in, &p->address, sizeof in);
    memcpy(&in6, &p->address, sizeof in6);
    return ntohs(p->family == AF_INET6 ? in6.sin6_port : in.sin_port);
}

static char *address_text(struct endpoint *p)
{
    char host[INET6_ADDRSTRLEN + 8];
    if (getnameinfo(as_sockaddr(p), p->len, host, sizeof host, NULL, 0, NI_NUMERICHOST) != 0)
        host[0] = '\0';
    return mem_printf(p->family == AF_INET6 ? "[%s]:%u" : "%s:%u", host, (unsigned)port_of(p));
}

static enum err open_tcp(struct listener_sockets *s, const char *text, unsigned threads,
                         struct error *e)
{
    struct endpoint p = {0};
    enum err result = resolve(&p, text, e);
    if (result == ERR_NONE && port_of(&p) != 0)
        result = probe(&p, text, e);
    for (unsigned i = 0; i < threads && result == ERR_NONE; i++) {
        result = open_one(&s->fds[i], &p, threads > 1, true, text, e);
        if (result != ERR_NONE)
            break;
        s->count++;
        /* the first one chose the port if it was 0 */
        if (getsockname(s->fds[0], as_sockaddr(&p), &p.len) != 0)
            result = error_errno(e, "cannot tell the address of %s", text);
    }
    if (result == ERR_NONE)
        s->address = address_text(&p);
    return result;
}

/* A socket file that nobody listens on is a former process's. */
static enum err remove_stale(struct sockaddr_un *un, struct error *e)
{
    struct stat st;
    if (lstat(un->sun_path, &st) != 0)
        return ERR_NONE;
    if (!S_ISSOCK(st.st_mode))
        return error_set(e, ERR_CONFIG, "%s exists and is no socket: remove it or choose another",
                         un->sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool in_use = fd >= 0 && connect(fd, (struct sockaddr *)un, sizeof *un) == 0;
    if (fd >= 0)
        close(fd);
    if (in_use)
        return error_set(e, ERR_BUSY, "another process listens on %s", un->sun_path);
    if (unlink(un->sun_path) != 0)
        return error_errno(e, "cannot remove the stale socket %s", un->sun_path);
    return ERR_NONE;
}

static enum err open_unix(struct listener_sockets *s, const char *path, struct error *e)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (*path == '\0' || strlen(path) >= sizeof un.sun_path)
        return error_set(e, ERR_CONFIG, "unix:%s is empty or longer than %zu bytes", path,
                         sizeof un.sun_path - 1);
    memcpy(un.sun_path, path, strlen(path));
    enum err result = remove_stale(&un, e);
    if (result != ERR_NONE)
        return result;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_errno(e, "cannot open a socket for unix:%s", path);
    /* nobody can connect between bind and chmod: it does not listen yet */
    if (bind(fd, (struct sockaddr *)&un, sizeof un) != 0 || chmod(path, 0660) != 0 ||
        listen(fd, BACKLOG) != 0) {
        result = error_errno(e, "cannot listen on unix:%s", path);
        close(fd);
        return result;
    }
    s->fds[0] = fd;
    s->count = 1;
    s->unix_path = mem_strdup(path);
    s->address = mem_printf("unix:%s", path);
    return ERR_NONE;
}

enum err sockets_open(struct listener_sockets *out, const char *address, unsigned threads,
                      struct error *e)
{
    *out = (struct listener_sockets){.fds = mem_array(threads, sizeof *out->fds)};
    enum err result = strncmp(address, "unix:", 5) == 0 ? open_unix(out, address + 5, e)
                                                        : open_tcp(out, address, threads, e);
    if (result != ERR_NONE)
        sockets_close(out);
    return result;
}

void sockets_close(struct listener_sockets *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        if (s->fds[i] >= 0)
            close(s->fds[i]);
    }
    if (s->unix_path != NULL)
        (void)unlink(s->unix_path);
    free(s->fds);
    free(s->address);
    free(s->unix_path);
    *s = (struct listener_sockets){0};
}

void socket_peer_text(const struct sockaddr *peer, struct listener_peer *out)
{
    const char *text = NULL;
    *out = (struct listener_peer){.address = ""};
    if (peer->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, peer, sizeof in);
        text = inet_ntop(AF_INET, &in.sin_addr, out->address, sizeof out->address);
    } else if (peer->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, peer, sizeof in6);
        const unsigned char *bytes = in6.sin6_addr.s6_addr;
        if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
            text = inet_ntop(AF_INET, bytes + 12, out->address, sizeof out->address);
        else
            text = inet_ntop(AF_INET6, bytes, out->address, sizeof out->address);
    }
    if (text == NULL)
        out->address[0] = '\0';
}
