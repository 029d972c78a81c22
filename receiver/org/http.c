/*
 * One request, by libcurl, which appears nowhere else in the daemon. One handle a connection keeps
 * the TLS session alive. No redirects (a login page is no answer), no protocol but http and https,
 * certificates always verified, a total time-out, a bound on the answer's size.
 *
 * The body leaves through a callback that keeps its last byte back until all others are with the
 * kernel: then the lease's deadline is read once more, and the request is torn down if it has
 * passed (protocol rule 13). Until that byte is handed over the org can't act on the request.
 */
#include "call_int.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "mem.h"
#include "timeutil.h"

enum {
    REPLY_MAX_BYTES = 64 * 1024 * 1024,
    CONNECT_TIMEOUT_MS = 10000,
    LARGE_TIMEOUT_MS = 10 * 60 * 1000,
    IDLE_REUSE_MAX_S = 60, /* longer ones may be gone on the other side */
    AUTHORIZATION_EXTRA = 32,
};

struct transfer {
    struct org_conn *conn;
    const struct http_request *request;
    struct http_reply *reply;
    size_t sent;
    bool is_stale;
    bool is_unreadable; /* the file of the body */
    bool is_refused;    /* by the sink */
    bool is_stopped;    /* by go_on */
};

void http_setup(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

void *http_open(void)
{
    return curl_easy_init();
}

void http_close(void **handle)
{
    curl_easy_cleanup(*handle);
    *handle = NULL;
}

/* ------------------------------------------------------------------ URLs */

static bool is_loopback(const char *host)
{
    struct in_addr v4;
    if (strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
        return true;
    return inet_pton(AF_INET, host, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127;
}

static bool has_part(CURLU *u, CURLUPart part)
{
    char *text = NULL;
    bool has = curl_url_get(u, part, &text, 0) == CURLUE_OK;
    curl_free(text);
    return has;
}

static bool read_origin(CURLU *u, struct origin *out)
{
    char *scheme = NULL, *host = NULL, *port = NULL, *path = NULL;
    bool ok = false;
    if (curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_PATH, &path, 0) != CURLUE_OK)
        goto out;
    bool is_https = strcmp(scheme, "https") == 0;
    if ((!is_https && strcmp(scheme, "http") != 0) || strcmp(path, "/") != 0 ||
        strlen(host) >= sizeof out->host || has_part(u, CURLUPART_USER) ||
        has_part(u, CURLUPART_PASSWORD) || has_part(u, CURLUPART_QUERY) ||
        has_part(u, CURLUPART_FRAGMENT))
        goto out;
    *out = (struct origin){
        .is_https = is_https,
        .is_loopback = is_loopback(host),
        .has_default_port = strcmp(port, is_https ? "443" : "80") == 0,
    };
    memcpy(out->host, host, strlen(host) + 1);
    (void)snprintf(out->text, sizeof out->text, "%s://%s%s%s", scheme, host,
                   out->has_default_port ? "" : ":", out->has_default_port ? "" : port);
    ok = true;
out:
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(path);
    return ok;
}

bool http_origin(const char *url, struct origin *out)
{
    CURLU *u = curl_url();
    bool ok =
        u != NULL && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK && read_origin(u, out);
    curl_url_cleanup(u);
    return ok;
}

/* ------------------------------------------------------------------ callbacks */

static size_t on_read(char *out, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    const struct http_request *r = t->request;
    size_t room = size * count, left = r->body_len - t->sent;
    if (left == 0 || room == 0)
        return 0;
    size_t n = left > 1 ? left - 1 : 1;
    if (n > room)
        n = room;
    if (n == left) {
        t->is_stale = r->deadline_boot_ms != NULL && time_boot_ms() >= *r->deadline_boot_ms;
        if (t->is_stale)
            return CURL_READFUNC_ABORT;
    }
    if (r->file == NULL) {
        memcpy(out, r->body + t->sent, n);
    } else if (fread(out, 1, n, r->file) != n) {
        t->is_unreadable = true;
        return CURL_READFUNC_ABORT;
    }
    t->sent += n;
    t->reply->sent_whole = t->sent == r->body_len;
    return n;
}

/* Only the body of a success is the sink's: a refusal is small, and is to be understood whole. */
static size_t on_write(char *bytes, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    const struct http_sink *sink = t->request->sink;
    long status = 0;
    if (sink != NULL)
        curl_easy_getinfo(t->conn->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200) {
        t->conn->streaming = true;
        t->is_refused = !sink->put(sink->ctx, bytes, size * count);
        t->conn->streaming = false;
        return t->is_refused ? 0 : size * count;
    }
    buf_put(&t->reply->body, bytes, size * count);
    return t->reply->body.overflow ? 0 : size * count;
}

static size_t on_header(char *line, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    http_read_header(t->reply, line, size * count);
    return size * count;
}

static int on_progress(void *ctx, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
    struct transfer *t = ctx;
    (void)down_total;
    (void)down;
    (void)up_total;
    (void)up;
    const struct http_request *r = t->request;
    t->is_stopped = r->go_on != NULL && !r->go_on(r->go_on_ctx);
    return t->is_stopped || atomic_load(&t->conn->aborted) ? 1 : 0;
}

/* ------------------------------------------------------------------ headers */

static struct curl_slist *add_header(struct curl_slist *list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(list, line);
    if (longer == NULL)
        abort(); /* out of memory, as in mem.h */
    return longer;
}

static bool has_body(const struct http_request *r)
{
    return r->body != NULL || r->file != NULL;
}

static struct curl_slist *headers_of(const struct http_request *r)
{
    char *accept = mem_printf("Accept: %s", r->accept == NULL ? "application/json" : r->accept);
    struct curl_slist *list = add_header(NULL, accept);
    free(accept);
    list = add_header(list, "Expect:"); /* else curl waits for a go-ahead that may never come */
    if (r->pages_of_2000)
        list = add_header(list, "Sforce-Query-Options: batchSize=2000");
    if (has_body(r)) {
        char *line = mem_printf("Content-Type: %s", r->content_type);
        list = add_header(list, line);
        free(line);
    }
    if (r->bearer != NULL) {
        struct buf line;
        buf_init(&line, r->bearer->len + AUTHORIZATION_EXTRA);
        buf_puts(&line, "Authorization: Bearer ");
        buf_put(&line, r->bearer->secret_bytes, r->bearer->len);
        list = add_header(list, line.data);
        buf_wipe_release(&line);
    }
    return list;
}

static void free_headers(struct curl_slist *list)
{
    for (struct curl_slist *l = list; l != NULL; l = l->next) {
        for (volatile char *c = l->data; *c != '\0'; c++)
            *c = '\0';
    }
    curl_slist_free_all(list);
}

/* ------------------------------------------------------------------ the exchange */

/* Much data takes its time: then the time-out is for silence, and the whole has the longest that
 * Salesforce gives a request. */
static void set_timeouts(CURL *h, const struct http_request *r)
{
    long timeout = (long)(r->timeout_ms > 0 ? r->timeout_ms : CONNECT_TIMEOUT_MS);
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS,
                     timeout < CONNECT_TIMEOUT_MS ? timeout : (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, r->is_large ? (long)LARGE_TIMEOUT_MS : timeout);
    if (r->is_large) {
        curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, (timeout + 999) / 1000);
    }
}

static void set_up(CURL *h, struct transfer *t, struct curl_slist *headers, char *detail)
{
    const struct http_request *r = t->request;

    curl_easy_reset(h);
    curl_easy_setopt(h, CURLOPT_URL, r->url);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, r->origin->is_https ? "https" : "http");
    curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    set_timeouts(h, r);
    curl_easy_setopt(h, CURLOPT_MAXAGE_CONN, (long)IDLE_REUSE_MAX_S);
    curl_easy_setopt(h, CURLOPT_USERAGENT, "touchpointd/" TP_VERSION);
    curl_easy_setopt(h, CURLOPT_ACCEPT_ENCODING, "gzip");
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, detail);
    if (r->origin->is_loopback)
        curl_easy_setopt(h, CURLOPT_PROXY, "");
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(h, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(h, CURLOPT_XFERINFODATA, t);
    curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
    if (has_body(r)) {
        /* no seek function: a request that has begun to leave is never
         * sent again behind our back */
        curl_easy_setopt(h, CURLOPT_POST, 1L);
        curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len);
        curl_easy_setopt(h, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(h, CURLOPT_READDATA, t);
    }
    if (r->method != NULL)
        curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, r->method);
}

static enum http_end end_of(CURLcode code, const struct transfer *t)
{
    if (t->is_stale)
        return HTTP_STALE;
    if (code != CURLE_OK && atomic_load(&t->conn->aborted))
        return HTTP_ABORTED;
    if (t->is_unreadable)
        return HTTP_UNREADABLE;
    if (t->is_refused || t->is_stopped)
        return HTTP_REFUSED;
    if (t->reply->body.overflow)
        return HTTP_TOO_LARGE;
    switch ((int)code) {
    case CURLE_OK:
        return HTTP_ANSWERED;
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_TIMED_OUT;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
        return HTTP_UNREACHABLE;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return HTTP_UNTRUSTED;
    default:
        return HTTP_BROKEN;
    }
}

static void keep_detail(struct http_reply *reply, CURLcode code, const char *detail)
{
    const char *text = detail[0] != '\0' ? detail : curl_easy_strerror(code);
    size_t n = strnlen(text, sizeof reply->detail - 1);
    for (size_t i = 0; i < n; i++)
        reply->detail[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : ' ';
    reply->detail[n] = '\0';
}

void http_exchange(struct org_conn *c, const struct http_request *r, struct http_reply *reply)
{
    char detail[CURL_ERROR_SIZE] = "";
    struct transfer t = {.conn = c, .request = r, .reply = reply};
    *reply = (struct http_reply){
        .api_used = -1, .api_limit = -1, .records = -1, .date_at_ms = TIME_NONE};
    buf_init(&reply->body, REPLY_MAX_BYTES);
    if (atomic_load(&c->aborted)) {
        reply->end = HTTP_ABORTED;
        return;
    }
    if (r->file != NULL && fseeko(r->file, 0, SEEK_SET) != 0) { /* also for a second attempt */
        reply->end = HTTP_UNREADABLE;
        return;
    }
    struct curl_slist *headers = headers_of(r);
    set_up(c->curl, &t, headers, detail);
    CURLcode code = curl_easy_perform(c->curl);
    reply->end = end_of(code, &t);
    if (code == CURLE_OK)
        curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &reply->status);
    else
        keep_detail(reply, code, detail);
    curl_easy_reset(c->curl); /* forgets pointers into this frame; connections are kept */
    free_headers(headers);
}
