#define _GNU_SOURCE
/*
 * Blocking and simple: a test reads like a dialogue. Certificates are made with OpenSSL's API, so
 * that odd ones (expired, without names, chains that lack a link) cost no shell scripts.
 */
#include "net_help.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

enum { PATIENCE_S = 10 };

extern char **environ;

/* ------------------------------------------------------------------ files */

char *net_directory(void)
{
    const char *base = getenv("TMPDIR");
    char *dir = NULL;
    assert_true(asprintf(&dir, "%s/touchpoint-test-XXXXXX", base == NULL ? "/tmp" : base) > 0);
    assert_non_null(mkdtemp(dir));
    return dir;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void net_directory_remove(char **dir)
{
    assert_int_equal(nftw(*dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
    free(*dir);
    *dir = NULL;
}

const char *net_path(const char *dir, const char *name)
{
    static char slots[8][512];
    static unsigned next;
    char *slot = slots[next++ % 8];
    (void)snprintf(slot, sizeof slots[0], "%s/%s", dir, name);
    return slot;
}

void net_write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* ------------------------------------------------------------------ certificates */

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *x = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(x);
    assert_int_equal(X509_add_ext(certificate, x, -1), 1);
    X509_EXTENSION_free(x);
}

void net_certificate_make(struct net_certificate *out, const struct net_certificate_options *o)
{
    static long serial;
    X509 *x = X509_new();
    EVP_PKEY *key = o->rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    X509 *issuer = o->issuer == NULL ? x : o->issuer->certificate;
    time_t now = time(NULL);

    assert_non_null(x);
    assert_non_null(key);
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
    ASN1_TIME_set(X509_getm_notBefore(x), now - 90L * 86400);
    ASN1_TIME_set(X509_getm_notAfter(x), now + o->days * 86400L + 3600);
    if (o->common_name != NULL)
        X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                                   (const unsigned char *)o->common_name, -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(issuer));
    X509_set_pubkey(x, key);
    add_extension(x, issuer, NID_basic_constraints,
                  o->is_authority ? "critical,CA:TRUE" : "CA:FALSE");
    if (!o->without_san && !o->is_authority)
        add_extension(x, issuer, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    assert_true(X509_sign(x, o->issuer == NULL ? key : o->issuer->key, EVP_sha256()) > 0);
    *out = (struct net_certificate){x, key};
}

void net_certificate_release(struct net_certificate *c)
{
    X509_free(c->certificate);
    EVP_PKEY_free(c->key);
    *c = (struct net_certificate){0};
}

void net_certificates_write(const char *path, const struct net_certificate *const *list)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (; *list != NULL; list++)
        assert_int_equal(PEM_write_X509(f, (*list)->certificate), 1);
    assert_int_equal(fclose(f), 0);
}

void net_key_write(const char *path, const struct net_certificate *c)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_PrivateKey(f, c->key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(f), 0);
}

void net_server_files(const char *dir)
{
    struct net_certificate c;
    net_certificate_make(&c,
                         &(struct net_certificate_options){.common_name = "localhost", .days = 90});
    net_certificates_write(net_path(dir, "server.pem"),
                           (const struct net_certificate *[]){&c, NULL});
    net_key_write(net_path(dir, "server.key"), &c);
    net_certificate_release(&c);
}

/* ------------------------------------------------------------------ clients */

static int connect_unix(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_true(strlen(path) < sizeof un.sun_path);
    memcpy(un.sun_path, path, strlen(path));
    assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof un), 0);
    return fd;
}

struct sockaddr_storage net_peer(const char *text)
{
    struct sockaddr_storage out = {0};
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
        memcpy(&out, &in, sizeof in);
    else if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1)
        memcpy(&out, &in6, sizeof in6);
    else
        out.ss_family = AF_UNIX;
    return out;
}

int net_try_connect(const char *address)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    const char *colon = strrchr(address, ':');
    int one = 1;
    assert_non_null(colon);
    in.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&in, sizeof in) != 0) {
        close(fd);
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

int net_connect(const char *address)
{
    struct timeval patience = {.tv_sec = PATIENCE_S};
    bool is_unix = strncmp(address, "unix:", 5) == 0;
    int fd = is_unix ? connect_unix(address + 5) : net_try_connect(address);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return fd;
}

void net_client_open(struct net_client *c, const char *address, SSL_CTX *context,
                     SSL_SESSION *session)
{
    char name[] = "localhost"; /* OpenSSL's macro takes no const */
    c->fd = net_connect(address);
    c->tls = NULL;
    c->n = 0;
    c->ended = c->reset = false;
    if (context == NULL)
        return;
    c->tls = SSL_new(context);
    assert_non_null(c->tls);
    SSL_set_fd(c->tls, c->fd);
    SSL_set_tlsext_host_name(c->tls, name);
    if (session != NULL)
        assert_int_equal(SSL_set_session(c->tls, session), 1);
    assert_int_equal(SSL_connect(c->tls), 1);
}

bool net_client_try(struct net_client *c, const void *bytes, size_t n)
{
    const char *p = bytes;
    while (n > 0) {
        ssize_t sent = c->tls != NULL ? SSL_write(c->tls, p, n > 16384 ? 16384 : (int)n)
                                      : send(c->fd, p, n, MSG_NOSIGNAL);
        if (sent <= 0) {
            ERR_clear_error();
            return false;
        }
        p += sent;
        n -= (size_t)sent;
    }
    return true;
}

void net_client_send(struct net_client *c, const void *bytes, size_t n)
{
    if (!net_client_try(c, bytes, n))
        fail_msg("the server does not take %zu bytes: %s", n, strerror(errno));
}

void net_client_text(struct net_client *c, const char *text)
{
    net_client_send(c, text, strlen(text));
}

/* One read into the buffer; false at the end. */
static bool receive(struct net_client *c)
{
    size_t room = sizeof c->bytes - c->n;
    assert_true(room > 0);
    errno = 0;
    ssize_t n = c->tls != NULL ? SSL_read(c->tls, c->bytes + c->n, (int)room)
                               : recv(c->fd, c->bytes + c->n, room, 0);
    if (n > 0) {
        c->n += (size_t)n;
        return true;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        fail_msg("the server says nothing for %d s", PATIENCE_S);
    c->ended = c->tls != NULL ? SSL_get_error(c->tls, (int)n) == SSL_ERROR_ZERO_RETURN : n == 0;
    c->reset = !c->ended;
    ERR_clear_error();
    return false;
}

static void take(struct net_client *c, void *out, size_t n)
{
    memcpy(out, c->bytes, n);
    memmove(c->bytes, c->bytes + n, c->n - n);
    c->n -= n;
}

static size_t length_in(const char *head)
{
    const char *p = strcasestr(head, "\r\nContent-Length: ");
    return p == NULL ? 0 : strtoul(p + 18, NULL, 10);
}

bool net_client_response(struct net_client *c, struct net_response *r, bool is_head)
{
    char *end;
    memset(r, 0, sizeof *r);
    while ((end = memmem(c->bytes, c->n, "\r\n\r\n", 4)) == NULL) {
        if (!receive(c)) {
            assert_int_equal(c->n, 0);
            return false;
        }
    }
    size_t head = (size_t)(end - c->bytes) + 4;
    assert_true(head < sizeof r->head);
    take(c, r->head, head);
    assert_memory_equal(r->head, "HTTP/1.1 ", 9);
    r->status = (int)strtol(r->head + 9, NULL, 10);
    r->body_len = is_head || r->status < 200 ? 0 : length_in(r->head);
    assert_true(r->body_len < sizeof r->body);
    while (c->n < r->body_len) {
        if (!receive(c))
            fail_msg("the connection ended inside a reply");
    }
    take(c, r->body, r->body_len);
    return true;
}

bool net_client_is_ended(struct net_client *c)
{
    while (!c->ended && !c->reset && receive(c)) {
    }
    return c->ended && c->n == 0;
}

void net_client_close(struct net_client *c)
{
    if (c->tls != NULL) {
        SSL_shutdown(c->tls);
        SSL_free(c->tls);
        ERR_clear_error();
    }
    close(c->fd);
    c->tls = NULL;
    c->fd = -1;
}

void net_client_reset(struct net_client *c)
{
    struct linger hard = {.l_onoff = 1};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    net_client_close(c);
}

/* ------------------------------------------------------------------ the rest */

int64_t net_now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

size_t net_open_descriptors(void)
{
    size_t n = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n;
}

bool net_wait(bool (*check)(void *), void *arg)
{
    int64_t until = net_now_ms() + PATIENCE_S * 1000;
    while (!check(arg)) {
        if (net_now_ms() > until)
            return false;
        (void)poll(NULL, 0, 2);
    }
    return true;
}

int net_run(char *const argv[], const char *input_file, char *out, size_t size)
{
    posix_spawn_file_actions_t actions;
    int pipes[2], status;
    pid_t pid;
    size_t have = 0;

    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, input_file == NULL ? "/dev/null" : input_file,
                                     O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], 1);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], 2);
    assert_int_equal(posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(pipes[1]);
    for (ssize_t n; have + 1 < size && (n = read(pipes[0], out + have, size - 1 - have)) > 0;)
        have += (size_t)n;
    out[have] = '\0';
    close(pipes[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
