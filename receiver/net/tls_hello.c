/*
 * How large a greeting may be. OpenSSL takes the room for a whole ClientHello, up to 128 KiB and
 * filled with zeroes, as soon as the four bytes before it say how long it is: 80 bytes from a peer
 * who then says nothing cost as much as ten connections that wait for a request. A greeting of a
 * real client has 200 to 3,000 bytes, and OpenSSL has no setting for it. So the bytes are looked at
 * on their way in, record by record, until what comes is encrypted. A second greeting, which
 * TLS 1.3 may ask for, is bounded, too.
 */
#include "tls_int.h"

#include <pthread.h>
#include <stdlib.h>

#include "mem.h"

enum { HELLO_MAX = 16384, RECORD_HEAD = 5, MESSAGE_HEAD = 4, CLIENT_HELLO = 1 };
enum { RECORD_CHANGE_CIPHER_SPEC = 20, RECORD_HANDSHAKE = 22, RECORD_DATA = 23 };

/* On a connection. */
struct hello {
    unsigned char record[RECORD_HEAD], message[MESSAGE_HEAD];
    unsigned char record_have, message_have; /* bytes of these heads */
    size_t record_left, message_left;        /* bytes behind them that have not come */
    bool has_come;                           /* a greeting's head */
};

enum look { LOOK_ON, LOOK_NO_MORE, LOOK_TOO_LARGE };

static int hello_index; /* set once */

static void free_hello(void *parent, void *data, CRYPTO_EX_DATA *all, int index, long argl,
                       void *argp)
{
    (void)parent;
    (void)all;
    (void)index;
    (void)argl;
    (void)argp;
    free(data);
}

static void make_index(void)
{
    hello_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_hello);
}

/* A record's head is whole. From TLS 1.2's change of cipher on all is encrypted; TLS 1.3 sends one
 * for show, and what it encrypts is data. */
static enum look begin_record(struct hello *h, const SSL *s)
{
    h->record_left = (size_t)(h->record[3] << 8 | h->record[4]);
    if (h->record_left == 0)
        h->record_have = 0;
    bool is_change = h->record[0] == RECORD_CHANGE_CIPHER_SPEC && h->has_come;
    if (h->record[0] == RECORD_DATA || (is_change && SSL_version(s) != TLS1_3_VERSION))
        return LOOK_NO_MORE;
    return LOOK_ON;
}

/* A message's head is whole. */
static enum look begin_message(struct hello *h)
{
    const unsigned char *m = h->message;
    h->message_have = 0;
    h->message_left = (size_t)(m[1] << 16 | m[2] << 8 | m[3]);
    h->has_come = h->has_come || m[0] == CLIENT_HELLO;
    return m[0] == CLIENT_HELLO && h->message_left > HELLO_MAX ? LOOK_TOO_LARGE : LOOK_ON;
}

/* Takes what belongs together of the n > 0 bytes at p; gives how many. */
static size_t take(struct hello *h, const SSL *s, const unsigned char *p, size_t n, enum look *look)
{
    if (h->record_have < RECORD_HEAD) {
        h->record[h->record_have++] = *p;
        if (h->record_have == RECORD_HEAD)
            *look = begin_record(h, s);
        return 1;
    }
    size_t used = n < h->record_left ? n : h->record_left;
    if (h->record[0] == RECORD_HANDSHAKE && h->message_left == 0) {
        used = 1;
        h->message[h->message_have++] = *p;
        if (h->message_have == MESSAGE_HEAD)
            *look = begin_message(h);
    } else if (h->record[0] == RECORD_HANDSHAKE) {
        used = used < h->message_left ? used : h->message_left;
        h->message_left -= used;
    }
    h->record_left -= used;
    if (h->record_left == 0)
        h->record_have = 0;
    return used;
}

/* OpenSSL's call-back around each call of the BIO; what it gives is that call's result. */
static long look(BIO *bio, int call, const char *bytes, size_t len, int argi, long argl, int result,
                 size_t *n)
{
    const SSL *s = (const SSL *)BIO_get_callback_arg(bio);
    enum look look = LOOK_ON;
    (void)len;
    (void)argi;
    (void)argl;
    if (call != (BIO_CB_READ | BIO_CB_RETURN) || result <= 0 || n == NULL)
        return result;
    struct hello *h = SSL_get_ex_data(s, hello_index);
    for (size_t at = 0; at < *n && look == LOOK_ON;)
        at += take(h, s, (const unsigned char *)bytes + at, *n - at, &look);
    if (look == LOOK_NO_MORE)
        BIO_set_callback_ex(bio, NULL);
    return look == LOOK_TOO_LARGE ? -1 : result;
}

bool tls_session_bound_hello(struct ssl_st *s)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    BIO *bio = SSL_get_rbio(s);
    (void)pthread_once(&once, make_index);
    struct hello *h = mem_alloc(sizeof *h);
    if (bio == NULL || SSL_set_ex_data(s, hello_index, h) != 1) {
        free(h);
        return false;
    }
    BIO_set_callback_ex(bio, look);
    BIO_set_callback_arg(bio, (char *)s);
    return true;
}
