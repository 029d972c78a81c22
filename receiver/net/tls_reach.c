/*
 * Blocking calls on a non-blocking socket, so that one deadline bounds them all. The handshake
 * never ends for a bad certificate: it is looked at afterwards, in order to say all that is wrong
 * with it.
 */
#include "tls_reach.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buf.h"
#include "mem.h"
#include "timeutil.h"
#include "tls.h"

struct reaching {
    const struct reach_target *target;
    struct reach *out;
    struct error *e;
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;
    int64_t until_boot_ms;
};

/* ------------------------------------------------------------------ waiting */

static enum err wait_for(struct reaching *x, short events, const char *step)
{
    int64_t left = x->until_boot_ms - time_boot_ms();
    struct pollfd p = {.fd = x->fd, .events = events};
    if (left > 0 && poll(&p, 1, (int)left) > 0)
        return ERR_NONE;
    return error_set(x->e, ERR_TIMEOUT, "%s took longer than %d s", step, REACH_PATIENCE_MS / 1000);
}

/* After an SSL call that gave `got` ≤ 0: ERR_NONE, call it again. */
static enum err wait_tls(struct reaching *x, int got, const char *step)
{
    int why = SSL_get_error(x->ssl, got);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return wait_for(x, why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, step);
    unsigned long code = ERR_get_error();
    if (code != 0)
        return error_set(x->e, ERR_NETWORK, "%s failed: %s", step, tls_reason(code));
    return error_set(x->e, ERR_NETWORK, "%s failed: the connection was closed", step);
}

/* ------------------------------------------------------------------ connect */

static enum err try_address(struct reaching *x, const struct addrinfo *a)
{
    int problem = 0;
    socklen_t n = sizeof problem;
    x->fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
    if (x->fd < 0)
        return error_errno(x->e, "no socket");
    if (connect(x->fd, a->ai_addr, a->ai_addrlen) != 0 && errno != EINPROGRESS)
        problem = errno;
    enum err err = problem != 0 ? ERR_NONE : wait_for(x, POLLOUT, "connecting");
    if (err == ERR_NONE && problem == 0 &&
        getsockopt(x->fd, SOL_SOCKET, SO_ERROR, &problem, &n) != 0)
        problem = errno;
    if (err == ERR_NONE && problem == 0)
        return ERR_NONE;
    close(x->fd);
    x->fd = -1;
    return err != ERR_NONE
               ? err
               : error_set(x->e, ERR_NETWORK, "connecting failed: %s", strerror(problem));
}

/* "host:port" or "[v6]:port" in its parts, which point into text. */
static void split(char *text, const char **host, const char **port)
{
    char *colon = strrchr(text, ':'), *close = strchr(text, ']');
    *host = text[0] == '[' ? text + 1 : text;
    if (close != NULL)
        *close = '\0';
    if (colon != NULL) {
        *colon = '\0';
        *port = colon + 1;
    }
}

static enum err connect_to(struct reaching *x)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
    const char *host = x->target->host, *port = x->target->port;
    char *address = mem_strdup(x->target->address);
    struct addrinfo *list = NULL;
    if (address != NULL)
        split(address, &host, &port);
    int problem = getaddrinfo(host, port, &hints, &list);
    enum err err = ERR_NONE;
    if (problem != 0)
        err = error_set(x->e, ERR_NETWORK, "%s can't be resolved: %s", host, gai_strerror(problem));
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next) {
        err = try_address(x, a);
        if (err == ERR_NONE)
            break;
    }
    if (list != NULL)
        freeaddrinfo(list);
    free(address);
    x->out->is_connected = err == ERR_NONE;
    return err;
}

/* ------------------------------------------------------------------ TLS */

/* Called when the server asks for a client certificate: there is none to give. */
static int note_asked(SSL *ssl, X509 **certificate, EVP_PKEY **key)
{
    struct reaching *x = SSL_get_app_data(ssl);
    (void)certificate;
    (void)key;
    x->out->wants_certificate = true;
    return 0;
}

/* A copy, since OpenSSL's macro casts away what makes it constant. */
static bool name_host(SSL *ssl, const char *host)
{
    char *name = mem_strdup(host);
    bool is_named = SSL_set_tlsext_host_name(ssl, name) == 1;
    free(name);
    return is_named;
}

static enum err shake_hands(struct reaching *x)
{
    x->ctx = SSL_CTX_new(TLS_client_method());
    x->ssl = x->ctx == NULL ? NULL : SSL_new(x->ctx);
    if (x->ssl == NULL || SSL_CTX_set_default_verify_paths(x->ctx) != 1 ||
        SSL_set_fd(x->ssl, x->fd) != 1 || !name_host(x->ssl, x->target->host))
        return error_set(x->e, ERR_INTERNAL, "OpenSSL refuses to set up a connection");
    SSL_set_app_data(x->ssl, x);
    SSL_set_verify(x->ssl, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_client_cert_cb(x->ctx, note_asked);
    SSL_set_min_proto_version(x->ssl, TLS1_2_VERSION);
    ERR_clear_error();
    for (int got; (got = SSL_connect(x->ssl)) != 1;) {
        enum err err = wait_tls(x, got, "the TLS handshake");
        if (err != ERR_NONE)
            return err;
    }
    x->out->is_tls = true;
    return ERR_NONE;
}

static void name_of(const X509_NAME *name, char out[REACH_TEXT_MAX])
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    if (bio == NULL)
        return;
    X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB);
    long n = BIO_get_mem_data(bio, &text);
    (void)snprintf(out, REACH_TEXT_MAX, "%.*s", (int)n, text == NULL ? "" : text);
    BIO_free(bio);
}

static void look_at_certificate(struct reaching *x)
{
    struct reach *out = x->out;
    X509 *leaf = SSL_get1_peer_certificate(x->ssl);
    STACK_OF(X509) *sent = SSL_get_peer_cert_chain(x->ssl);
    long verdict = SSL_get_verify_result(x->ssl);
    if (leaf == NULL)
        return;
    int days = 0, seconds = 0;
    out->sent_count = sent == NULL ? 0 : (unsigned)sk_X509_num(sent);
    out->is_trusted = verdict == X509_V_OK;
    if (!out->is_trusted)
        (void)snprintf(out->trust, sizeof out->trust, "%s", X509_verify_cert_error_string(verdict));
    out->has_name =
        X509_check_host(leaf, x->target->host, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1 ||
        X509_check_ip_asc(leaf, x->target->host, 0) == 1;
    if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(leaf)) == 1)
        out->expires_at_ms = time_wall_ms() + ((int64_t)days * 86400 + seconds) * 1000;
    name_of(X509_get_subject_name(leaf), out->subject);
    name_of(X509_get_issuer_name(leaf), out->issuer);
    X509_free(leaf);
}

/* ------------------------------------------------------------------ the POST */

static enum err send_all(struct reaching *x, const struct buf *b)
{
    size_t done = 0;
    while (done < b->len) {
        int got = SSL_write(x->ssl, b->data + done, (int)(b->len - done));
        enum err err = got > 0 ? ERR_NONE : wait_tls(x, got, "sending");
        if (err != ERR_NONE)
            return err;
        done += got > 0 ? (size_t)got : 0;
    }
    return ERR_NONE;
}

/* To the end, since the connection is not kept; what does not fit is left. */
static enum err receive(struct reaching *x, struct buf *in)
{
    char bytes[2048];
    for (;;) {
        int got = SSL_read(x->ssl, bytes, sizeof bytes);
        if (got > 0) {
            buf_put(in, bytes, (size_t)got);
            if (in->overflow)
                return ERR_NONE;
            continue;
        }
        int why = SSL_get_error(x->ssl, got);
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE && in->len > 0)
            return ERR_NONE;
        enum err err = wait_tls(x, got, "the answer");
        if (err != ERR_NONE)
            return err;
    }
}

static void read_answer(struct reach *out, const struct buf *in)
{
    const char *end = in->len == 0 ? NULL : strstr(in->data, "\r\n\r\n");
    if (in->len < 12 || strncmp(in->data, "HTTP/1.", 7) != 0 || end == NULL)
        return;
    out->status = (int)strtol(in->data + 9, NULL, 10);
    end += 4;
    out->answer_len = in->len - (size_t)(end - in->data);
    memcpy(out->answer, end, out->answer_len + 1); /* of the head at least as much is gone */
}

static enum err post(struct reaching *x)
{
    const struct reach_target *t = x->target;
    struct buf request, answer;
    buf_init(&request, t->body_len + 2048 + strlen(t->path));
    buf_init(&answer, REACH_ANSWER_MAX - 1);
    buf_printf(&request,
               "POST %s HTTP/1.1\r\nHost: %s:%s\r\nContent-Type: text/xml; charset=UTF-8\r\n"
               "SOAPAction: \"\"\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
               t->path, t->host, t->port, t->body_len);
    buf_put(&request, t->body, t->body_len);
    enum err err = send_all(x, &request);
    if (err == ERR_NONE)
        err = receive(x, &answer);
    if (err == ERR_NONE)
        read_answer(x->out, &answer);
    buf_release(&request);
    buf_release(&answer);
    return err;
}

enum err reach_look(const struct reach_target *t, struct reach *out, struct error *e)
{
    struct reaching x = {.target = t,
                         .out = out,
                         .e = e,
                         .fd = -1,
                         .until_boot_ms = time_boot_ms() + REACH_PATIENCE_MS};
    *out = (struct reach){.status = 0};
    enum err err = connect_to(&x);
    if (err == ERR_NONE)
        err = shake_hands(&x);
    if (err == ERR_NONE)
        look_at_certificate(&x);
    if (err == ERR_NONE && t->body != NULL && out->is_trusted && out->has_name)
        err = post(&x);
    SSL_free(x.ssl);
    SSL_CTX_free(x.ctx);
    if (x.fd >= 0)
        close(x.fd);
    return err;
}
