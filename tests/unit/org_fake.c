#define _GNU_SOURCE
/*
 * Plain sockets, so that every byte of an answer is the test's own.
 */
#include "org_fake.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buf.h"
#include "mem.h"

enum { CONNECTIONS_MAX = 64, QUEUE_MAX = 256, REQUESTS_MAX = 512, REQUEST_MAX_BYTES = 8 << 20 };

struct queue {
    struct fake_answer answer[QUEUE_MAX];
    size_t first, count;
};

struct fake {
    int listener;
    char url[64];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t came;
    /* guarded by lock */
    char org[32], refused[64]; /* refused: "Bearer TOKEN\r\n" or "" */
    bool stopping;
    int fd[CONNECTIONS_MAX];
    pthread_t connection[CONNECTIONS_MAX];
    size_t connections;
    struct queue answers, tokens;
    struct fake_request request[REQUESTS_MAX];
    size_t requests;
    unsigned token_number;
};

struct serving {
    struct fake *fake;
    int fd;
};

/* ------------------------------------------------------------------ requests */

static void decode(const char *from, char *to)
{
    for (; *from != '\0'; from++) {
        char hex[3] = {0};
        if (from[0] == '%' && from[1] != '\0' && from[2] != '\0') {
            memcpy(hex, from + 1, 2);
            *to++ = (char)strtol(hex, NULL, 16);
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
}

static size_t content_length(const char *headers)
{
    const char *at = strcasestr(headers, "\r\nContent-Length:");
    return at == NULL ? 0 : (size_t)strtoul(at + strlen("\r\nContent-Length:"), NULL, 10);
}

/* Reads until the request is whole. False: the connection ended; what came is in b. */
static bool read_request(int fd, struct buf *b, size_t *head)
{
    char bytes[16384];
    for (;;) {
        const char *end = strstr(b->data, "\r\n\r\n");
        *head = end == NULL ? 0 : (size_t)(end - b->data) + 4;
        if (*head > 0 && b->len >= *head + content_length(b->data))
            return true;
        ssize_t n = recv(fd, bytes, sizeof bytes, 0);
        if (n <= 0)
            return false;
        buf_put(b, bytes, (size_t)n);
    }
}

static void remember(struct fake *f, const struct buf *b, size_t head, bool is_whole)
{
    struct fake_request *r = &f->request[f->requests++];
    size_t method = strcspn(b->data, " ");
    const char *target = b->data + method + 1;
    size_t n = strcspn(target, " ");
    *r = (struct fake_request){
        .method = mem_strndup(b->data, method),
        .raw_target = mem_strndup(target, n),
        .target = mem_alloc(n + 1),
        .headers = mem_strndup(b->data, head),
        .body = mem_strndup(b->data + head, b->len - head),
        .is_whole = is_whole,
    };
    decode(r->raw_target, r->target);
    r->is_token = strcmp(r->target, "/services/oauth2/token") == 0;
    pthread_cond_broadcast(&f->came);
}

/* ------------------------------------------------------------------ answers */

static char *default_token(struct fake *f)
{
    return mem_printf("{\"access_token\":\"TOKEN-%u\",\"instance_url\":\"%s\",\"id\":"
                      "\"https://login.salesforce.com/id/%s/005000000000001AAA\",\"token_type\":"
                      "\"Bearer\",\"issued_at\":\"1768469400000\",\"signature\":\"x\"}",
                      ++f->token_number, f->url, f->org);
}

/* With the lock held; the texts are the caller's. */
static struct fake_answer next_answer(struct fake *f, const struct fake_request *r)
{
    bool is_token = r->is_token;
    struct queue *q = is_token ? &f->tokens : &f->answers;
    if (!is_token && f->refused[0] != '\0' && strstr(r->headers, f->refused) != NULL)
        return (struct fake_answer){
            .status = 401,
            .body = mem_strdup("[{\"message\":\"Session expired or invalid\",\"errorCode\":"
                               "\"INVALID_SESSION_ID\"}]")};
    if (q->count == 0 && is_token)
        return (struct fake_answer){.status = 200, .body = default_token(f)};
    if (q->count == 0)
        return (struct fake_answer){.status = 599, .body = mem_strdup("no answer is queued")};
    struct fake_answer a = q->answer[q->first++];
    q->count--;
    return a;
}

static void send_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t k = send(fd, bytes, n, MSG_NOSIGNAL);
        if (k <= 0)
            return;
        bytes += k;
        n -= (size_t)k;
    }
}

static bool answer(int fd, const struct fake_answer *a)
{
    size_t n = a->body == NULL ? 0 : strlen(a->body);
    char *head = mem_printf("HTTP/1.1 %d X\r\n%sContent-Length: %zu\r\n\r\n", a->status,
                            a->headers == NULL ? "" : a->headers, n);
    int yes = 1; /* else head and body wait for each other's acknowledgement */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    bool goes_on = a->kind == FAKE_ANSWER;
    if (a->kind == FAKE_ANSWER || a->kind == FAKE_CUT) {
        send_all(fd, head, strlen(head));
        send_all(fd, a->body, a->kind == FAKE_CUT ? n / 2 : n);
    } else if (a->kind == FAKE_SILENT) {
        char byte;
        (void)!recv(fd, &byte, 1, 0); /* until the client or fake_stop ends it */
    }
    free(head);
    return goes_on;
}

static void free_answer(struct fake_answer *a)
{
    free((void *)(uintptr_t)a->headers);
    free((void *)(uintptr_t)a->body);
}

static bool serve_one(struct fake *f, int fd)
{
    struct buf b;
    size_t head = 0;
    buf_init(&b, REQUEST_MAX_BYTES);
    bool is_whole = read_request(fd, &b, &head);
    bool goes_on = false;
    if (head > 0) {
        pthread_mutex_lock(&f->lock);
        remember(f, &b, head, is_whole);
        struct fake_answer a = {0};
        if (is_whole)
            a = next_answer(f, &f->request[f->requests - 1]);
        pthread_mutex_unlock(&f->lock);
        goes_on = is_whole && answer(fd, &a);
        free_answer(&a);
    }
    buf_release(&b);
    return goes_on;
}

static void *serve(void *arg)
{
    struct serving s = *(struct serving *)arg;
    free(arg);
    while (serve_one(s.fake, s.fd)) {
    }
    shutdown(s.fd, SHUT_RDWR);
    return NULL;
}

static void *listen_main(void *arg)
{
    struct fake *f = arg;
    for (;;) {
        int fd = accept(f->listener, NULL, NULL);
        pthread_mutex_lock(&f->lock);
        bool stop = f->stopping || fd < 0 || f->connections == CONNECTIONS_MAX;
        if (!stop) {
            struct serving *s = mem_alloc(sizeof *s);
            *s = (struct serving){f, fd};
            f->fd[f->connections] = fd;
            pthread_create(&f->connection[f->connections++], NULL, serve, s);
        }
        pthread_mutex_unlock(&f->lock);
        if (stop) {
            if (fd >= 0)
                close(fd);
            return NULL;
        }
    }
}

/* ------------------------------------------------------------------ for the test */

struct fake *fake_start(void)
{
    struct fake *f = mem_alloc(sizeof *f);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (f->listener < 0 || bind(f->listener, (struct sockaddr *)&a, sizeof a) != 0 ||
        listen(f->listener, CONNECTIONS_MAX) != 0 ||
        getsockname(f->listener, (struct sockaddr *)&a, &n) != 0)
        abort();
    (void)snprintf(f->url, sizeof f->url, "http://127.0.0.1:%u", (unsigned)ntohs(a.sin_port));
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->came, NULL);
    fake_org(f, "00D000000000001EAA");
    pthread_create(&f->thread, NULL, listen_main, f);
    return f;
}

static void free_queue(struct queue *q)
{
    for (size_t i = q->first; i < q->first + q->count; i++)
        free_answer(&q->answer[i]);
}

void fake_stop(struct fake **fake)
{
    struct fake *f = *fake;
    if (f == NULL)
        return;
    *fake = NULL;
    pthread_mutex_lock(&f->lock);
    f->stopping = true;
    shutdown(f->listener, SHUT_RDWR);
    for (size_t i = 0; i < f->connections; i++)
        shutdown(f->fd[i], SHUT_RDWR);
    pthread_mutex_unlock(&f->lock);
    pthread_join(f->thread, NULL);
    for (size_t i = 0; i < f->connections; i++) {
        pthread_join(f->connection[i], NULL);
        close(f->fd[i]);
    }
    close(f->listener);
    for (size_t i = 0; i < f->requests; i++) {
        free(f->request[i].method);
        free(f->request[i].target);
        free(f->request[i].raw_target);
        free(f->request[i].headers);
        free(f->request[i].body);
    }
    free_queue(&f->answers);
    free_queue(&f->tokens);
    pthread_cond_destroy(&f->came);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

const char *fake_url(const struct fake *f)
{
    return f->url;
}

void fake_org(struct fake *f, const char *id)
{
    pthread_mutex_lock(&f->lock);
    (void)snprintf(f->org, sizeof f->org, "%s", id);
    pthread_mutex_unlock(&f->lock);
}

void fake_refuse(struct fake *f, const char *token)
{
    pthread_mutex_lock(&f->lock);
    if (token == NULL)
        f->refused[0] = '\0';
    else
        (void)snprintf(f->refused, sizeof f->refused, "Bearer %s\r\n", token);
    pthread_mutex_unlock(&f->lock);
}

static void put(struct fake *f, struct queue *q, const struct fake_answer *a)
{
    pthread_mutex_lock(&f->lock);
    if (q->count == 0)
        q->first = 0;
    if (q->first + q->count == QUEUE_MAX)
        abort();
    struct fake_answer *to = &q->answer[q->first + q->count++];
    *to = *a;
    to->headers = mem_strdup(a->headers);
    to->body = mem_strdup(a->body);
    pthread_mutex_unlock(&f->lock);
}

void fake_will_do(struct fake *f, const struct fake_answer *a)
{
    put(f, &f->answers, a);
}

void fake_will(struct fake *f, int status, const char *body)
{
    put(f, &f->answers, &(struct fake_answer){.status = status, .body = body});
}

void fake_token_will(struct fake *f, int status, const char *body)
{
    put(f, &f->tokens, &(struct fake_answer){.status = status, .body = body});
}

static const struct fake_request *find(struct fake *f, bool is_token, size_t i)
{
    for (size_t k = 0; k < f->requests; k++) {
        if (f->request[k].is_token == is_token && i-- == 0)
            return &f->request[k];
    }
    return NULL;
}

static size_t count(struct fake *f, bool is_token)
{
    size_t n = 0;
    while (find(f, is_token, n) != NULL)
        n++;
    return n;
}

size_t fake_count(struct fake *f)
{
    pthread_mutex_lock(&f->lock);
    size_t n = count(f, false);
    pthread_mutex_unlock(&f->lock);
    return n;
}

size_t fake_tokens(struct fake *f)
{
    pthread_mutex_lock(&f->lock);
    size_t n = count(f, true);
    pthread_mutex_unlock(&f->lock);
    return n;
}

const struct fake_request *fake_request(struct fake *f, size_t i)
{
    pthread_mutex_lock(&f->lock);
    const struct fake_request *r = find(f, false, i);
    pthread_mutex_unlock(&f->lock);
    return r;
}

const struct fake_request *fake_token_request(struct fake *f, size_t i)
{
    pthread_mutex_lock(&f->lock);
    const struct fake_request *r = find(f, true, i);
    pthread_mutex_unlock(&f->lock);
    return r;
}

void fake_wait(struct fake *f, size_t n)
{
    pthread_mutex_lock(&f->lock);
    while (count(f, false) < n)
        pthread_cond_wait(&f->came, &f->lock);
    pthread_mutex_unlock(&f->lock);
}
