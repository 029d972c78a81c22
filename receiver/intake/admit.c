#define _GNU_SOURCE
/*
 * The head decides before a byte of the body is kept. The path may hold a secret part, so it is
 * compared whole and in constant time, and what was asked for instead is neither answered nor
 * logged. Without an accepted certificate, where one is required and the handshake let the client
 * in, nothing but health answers. The query is not looked at: Salesforce sends none, and a proxy
 * may add one.
 */
#include "intake_int.h"

#include <string.h>
#include <strings.h>

static const struct {
    const char *path;
    bool ready;
} HEALTH[] = {{"/healthz", false}, {"/readyz", true}};

bool intake_is_health(const struct intake *i, const struct http_head *h, bool *ready)
{
    if (!i->options.config->admin.public_health || i->options.health_status == NULL)
        return false;
    for (size_t k = 0; k < sizeof HEALTH / sizeof HEALTH[0]; k++) {
        if (http_span_is(h->path, HEALTH[k].path)) {
            *ready = HEALTH[k].ready;
            return true;
        }
    }
    return false;
}

static struct http_span trim(struct http_span s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

/* Takes the next piece before `mark` off *rest; false when nothing is left. */
static bool next_piece(struct http_span *rest, char mark, struct http_span *piece)
{
    if (rest->p == NULL)
        return false;
    const char *end = memchr(rest->p, mark, rest->n);
    size_t n = end == NULL ? rest->n : (size_t)(end - rest->p);
    *piece = trim((struct http_span){rest->p, n});
    *rest =
        end == NULL ? (struct http_span){NULL, 0} : (struct http_span){end + 1, rest->n - n - 1};
    return true;
}

/* False for `charset=` anything but UTF-8; other parameters do not matter. */
static bool parameter_is_fine(struct http_span parameter)
{
    struct http_span value = parameter, name;
    if (!next_piece(&value, '=', &name) || !http_span_is_nocase(name, "charset"))
        return true;
    value = trim(value);
    if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
        value = (struct http_span){value.p + 1, value.n - 2};
    return value.p != NULL && http_span_is_nocase(value, "utf-8");
}

/* SOAP 1.1 is text/xml; SOAP 1.2's application/soap+xml is another protocol. */
static bool type_is_xml(const struct http_head *h)
{
    const struct http_span *field = http_head_field(h, "Content-Type");
    struct http_span rest, piece;
    if (field == NULL)
        return false;
    rest = *field;
    if (!next_piece(&rest, ';', &piece) || !http_span_is_nocase(piece, "text/xml"))
        return false;
    while (next_piece(&rest, ';', &piece)) {
        if (!parameter_is_fine(piece))
            return false;
    }
    return true;
}

static bool encoding_is_identity(const struct http_head *h)
{
    const struct http_span *field = http_head_field(h, "Content-Encoding");
    return field == NULL || http_span_is_nocase(*field, "identity");
}

static bool is_get(const struct http_head *h)
{
    return http_span_is(h->method, "GET") || http_span_is(h->method, "HEAD");
}

/* All but the last segment is right. */
static bool is_at_the_door(const struct intake *i, const struct http_head *h)
{
    size_t n = i->door_len;
    return n > 0 && h->path.n >= n && memcmp(h->path.p, i->options.config->listen.path, n) == 0 &&
           memchr(h->path.p + n, '/', h->path.n - n) == NULL;
}

void intake_admit(void *ctx, void *arg, const struct http_head *h, const struct listener_peer *peer,
                  struct listener_answer *refuse)
{
    const struct intake *i = ctx;
    struct intake_loop *loop = arg;
    enum refusal why;
    bool ready;
    if (intake_is_health(i, h, &ready) && is_get(h))
        return;
    if (!client_auth_allows(i->options.clients, &peer->certificate, NULL, &why))
        intake_refuse(loop, why, peer, NULL, NULL, NULL, refuse);
    else if (!secret_equal(&i->path, h->path.p, h->path.n))
        intake_refuse(loop, is_at_the_door(i, h) ? REFUSED_SECRET : REFUSED_PATH, peer, NULL, NULL,
                      NULL, refuse);
    else if (!http_span_is(h->method, "POST"))
        intake_refuse(loop, REFUSED_METHOD, peer, NULL, NULL, NULL, refuse);
    else if (!type_is_xml(h))
        intake_refuse(loop, REFUSED_TYPE, peer, NULL, NULL, NULL, refuse);
    else if (!encoding_is_identity(h))
        intake_refuse(loop, REFUSED_ENCODING, peer, NULL, NULL, NULL, refuse);
    else if (atomic_load_explicit(&i->is_draining, memory_order_relaxed))
        intake_refuse(loop, REFUSED_DRAINING, peer, NULL, NULL, NULL, refuse);
}
