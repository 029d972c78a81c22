/*
 * net_help - what the network tests share: an own directory, certificates made on the spot, and a
 * blocking client with and without TLS
 *
 * Every failure ends the test (cmocka's fail). A client waits at most 10 s for anything.
 */
#ifndef TP_TEST_NET_HELP_H
#define TP_TEST_NET_HELP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <openssl/ssl.h>

/* ------------------------------------------------------------------ files */

char *net_directory(void); /* made by mkdtemp; net_directory_remove takes it */
void net_directory_remove(char **dir);
/* Static until the 8th next call: "dir/name". */
const char *net_path(const char *dir, const char *name);
void net_write_file(const char *path, const char *text);

/* ------------------------------------------------------------------ certificates */

struct net_certificate {
    X509 *certificate;
    EVP_PKEY *key;
};

struct net_certificate_options {
    const char *common_name;              /* NULL: none */
    const struct net_certificate *issuer; /* NULL: self-signed */
    bool rsa;                             /* else P-256 */
    bool is_authority;
    bool without_san;
    int days; /* from now; negative: expired */
};

void net_certificate_make(struct net_certificate *out, const struct net_certificate_options *o);
void net_certificate_release(struct net_certificate *c);
/* The certificates of a list that ends with NULL, in that order. */
void net_certificates_write(const char *path, const struct net_certificate *const *list);
void net_key_write(const char *path, const struct net_certificate *c);
/* server.pem and server.key (P-256) in dir, self-signed for localhost. */
void net_server_files(const char *dir);

/* ------------------------------------------------------------------ clients */

struct net_client {
    int fd;
    SSL *tls;
    char bytes[65536]; /* received and not yet looked at */
    size_t n;
    bool ended; /* the peer's end, orderly */
    bool reset; /* the peer's end, by reset */
};

struct net_response {
    int status;
    char head[4096]; /* with its empty line */
    char body[65536];
    size_t body_len;
};

/* IPv4 or IPv6 without port; any other text is a unix socket's. */
struct sockaddr_storage net_peer(const char *text);
int net_try_connect(const char *address); /* "127.0.0.1:1"; negative when it is refused */
int net_connect(const char *address);     /* "127.0.0.1:1" or "unix:/path"; blocking */
/* context NULL: plain. */
void net_client_open(struct net_client *c, const char *address, SSL_CTX *context,
                     SSL_SESSION *session);
void net_client_send(struct net_client *c, const void *bytes, size_t n);
void net_client_text(struct net_client *c, const char *text);
/* As net_client_send, but false when the peer no longer takes it. */
bool net_client_try(struct net_client *c, const void *bytes, size_t n);
/* Reads one response. False when the connection ended before it began. */
bool net_client_response(struct net_client *c, struct net_response *r, bool is_head);
/* Reads until the peer ends; true if it ended in order, without a byte more. */
bool net_client_is_ended(struct net_client *c);
void net_client_close(struct net_client *c);
void net_client_reset(struct net_client *c); /* closes by a reset */

int64_t net_now_ms(void);
size_t net_open_descriptors(void);
/* Waits until check says true; false after 10 s. */
bool net_wait(bool (*check)(void *), void *arg);
/* Runs a program with its input from a file (or NULL) and its output in out; gives its status. */
int net_run(char *const argv[], const char *input_file, char *out, size_t size);

#endif
