/*
 * An answer as bytes. Head and body stand in one buffer, so that they leave in one write and, over
 * TLS, in one record: two small writes cost a delayed acknowledgement.
 */
#include "listener_int.h"

#include <stdio.h>
#include <string.h>

#include "timeutil.h"

static const struct {
    int status;
    const char *reason;
} REASONS[] = {
    {200, "OK"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

static const char *reason_of(int status)
{
    for (size_t i = 0; i < sizeof REASONS / sizeof REASONS[0]; i++) {
        if (REASONS[i].status == status)
            return REASONS[i].reason;
    }
    return "Other"; /* RFC 9112 section 4: clients ignore it */
}

/* Decimal digits without printf, which would be the dearest part of a reply. */
static void put_number(struct buf *out, size_t n)
{
    char digits[24];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    buf_put(out, digits + at, sizeof digits - at);
}

void reply_format(struct buf *out, const struct listener_answer *a, const char *date, bool is_head,
                  int minor, bool keep)
{
    buf_puts(out, "HTTP/1.1 ");
    put_number(out, (size_t)a->status);
    buf_putc(out, ' ');
    buf_puts(out, reason_of(a->status));
    buf_puts(out, "\r\n");
    buf_puts(out, date);
    if (a->content_type != NULL) {
        buf_puts(out, "Content-Type: ");
        buf_puts(out, a->content_type);
        buf_puts(out, "\r\n");
    }
    bool has_body = a->status != 204 && a->status != 304; /* RFC 9110 sections 15.3.5, 15.4.5 */
    if (has_body) {
        buf_puts(out, "Content-Length: ");
        put_number(out, a->body_len);
        buf_puts(out, "\r\n");
    }
    if (a->extra != NULL)
        buf_puts(out, a->extra);
    if (!keep)
        buf_puts(out, "Connection: close\r\n");
    else if (minor == 0)
        buf_puts(out, "Connection: keep-alive\r\n");
    buf_puts(out, "\r\n");
    if (!is_head && has_body)
        buf_put(out, a->body, a->body_len);
}

/* IMF-fixdate, RFC 9110 section 5.6.7. */
void reply_date(int64_t wall_ms, char *out, size_t size)
{
    static const char days[][4] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int64_t seconds = wall_ms < 0 ? 0 : wall_ms / 1000;
    int64_t day = seconds / 86400, second = seconds % 86400;
    int year;
    unsigned month, dom;
    time_civil_from_day(day, &year, &month, &dom);
    (void)snprintf(out, size, "Date: %s, %02u %s %04d %02d:%02d:%02d GMT\r\n", days[day % 7], dom,
                   months[month - 1], year, (int)(second / 3600), (int)(second / 60 % 60),
                   (int)(second % 60));
}
