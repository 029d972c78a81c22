/*
 * Our listener, plain, with a handler that says what it was handed: "X-Seen: METHOD TARGET BODY",
 * the body in hexadecimal, and "X-Head: HEAD"; or "X-Refused: REASON". It prints its address and
 * ends when its standard input does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "buf.h"
#include "listener.h"
#include "mem.h"

enum { BODY_MAX = 4096, EXTRA_MAX = 2 * BODY_MAX + 3 * HTTP_HEAD_MAX + 64 };

static void *loop_new(void *ctx)
{
    (void)ctx;
    struct buf *line = mem_alloc(sizeof *line);
    buf_init(line, EXTRA_MAX);
    return line;
}

static void loop_free(void *ctx, void *loop)
{
    (void)ctx;
    buf_release(loop);
    free(loop);
}

static void put_hex(struct buf *out, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "%02x", (unsigned)(unsigned char)p[i]);
}

/* From the method to the end of the last value; the reader keeps the head in one piece. */
static size_t head_length(const struct http_head *h)
{
    struct http_span last = h->target;
    if (h->field_count > 0)
        last = h->fields[h->field_count - 1].value;
    return (size_t)(last.p + last.n - h->method.p);
}

static void on_request(void *ctx, void *loop, const struct http_head *h,
                       const struct listener_peer *peer, const char *body, size_t n,
                       struct listener_token token)
{
    struct buf *line = loop;
    (void)ctx;
    (void)peer;
    buf_clear(line);
    buf_puts(line, "X-Seen: ");
    buf_put(line, h->method.p, h->method.n);
    buf_puts(line, " ");
    buf_put(line, h->target.p, h->target.n);
    buf_puts(line, " ");
    put_hex(line, body, n);
    buf_puts(line, "\r\nX-Head: ");
    put_hex(line, h->method.p, head_length(h));
    buf_puts(line, "\r\n");
    listener_reply(token, &(struct listener_answer){
                              .status = 200, .content_type = "text/plain", .extra = line->data});
}

static void on_refused(void *ctx, void *loop, const struct listener_peer *peer, int status,
                       const char *problem, struct listener_answer *answer)
{
    struct buf *line = loop;
    (void)ctx;
    (void)peer;
    (void)status;
    buf_clear(line);
    buf_printf(line, "X-Refused: %s\r\n", problem);
    answer->extra = line->data; /* the body may not: after HEAD there is none */
}

int main(void)
{
    static const struct listener_handler handler = {
        .loop_new = loop_new, .loop_free = loop_free, .request = on_request, .refused = on_refused};
    const struct listener_options options = {.address = "127.0.0.1:0",
                                             .threads = 1,
                                             .max_body_bytes = BODY_MAX,
                                             .max_buffered_bytes = 64 << 20,
                                             .max_buffered_per_address_bytes = 64 << 20,
                                             .request_timeout_ms = 20000,
                                             .handshake_timeout_ms = 20000,
                                             .idle_timeout_ms = 20000,
                                             .max_connections = 1000,
                                             .max_connections_per_address = 1000,
                                             .name = "echo"};
    struct listener *listener = NULL;
    struct error e;
    char byte;
    if (listener_start(&listener, &options, &handler, NULL, &e) != ERR_NONE) {
        (void)fprintf(stderr, "%s\n", e.text);
        return EXIT_FAILURE;
    }
    printf("%s\n", listener_address(listener));
    (void)fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
    listener_stop(&listener);
    return EXIT_SUCCESS;
}
