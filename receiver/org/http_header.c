/*
 * The headers of an answer that tell something: how much of the API budget is used, what time it is
 * there, and, with the results of a bulk query, how many records came and where the next ones are.
 * What is malformed is as if it were absent. Pure.
 */
#include "call_int.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "timeutil.h"

/* Decimal digits at *s, at most 15 of them; -1 if there are none. */
static int64_t read_number(const char **s, const char *end)
{
    int64_t value = -1;
    for (int digits = 0; *s < end && **s >= '0' && **s <= '9' && digits < 15; (*s)++, digits++)
        value = (value < 0 ? 0 : value * 10) + (**s - '0');
    return value;
}

/* api-usage=18/5000[; …] */
static void read_usage(struct http_reply *reply, const char *at, const char *end)
{
    static const char usage[] = "api-usage=";
    if ((size_t)(end - at) < sizeof usage || strncmp(at, usage, sizeof usage - 1) != 0)
        return;
    at += sizeof usage - 1;
    int64_t used = read_number(&at, end);
    if (used < 0 || at >= end || *at++ != '/')
        return;
    int64_t limit = read_number(&at, end);
    if (limit < 0)
        return;
    reply->api_used = used;
    reply->api_limit = limit;
}

static void read_records(struct http_reply *reply, const char *at, const char *end)
{
    int64_t records = read_number(&at, end);
    if (at == end)
        reply->records = records;
}

/* The word "null" stands for the end. */
static void read_locator(struct http_reply *reply, const char *at, const char *end)
{
    size_t n = (size_t)(end - at);
    if (n >= sizeof reply->locator || (n == 4 && strncasecmp(at, "null", n) == 0))
        n = 0;
    memcpy(reply->locator, at, n);
    reply->locator[n] = '\0';
}

/* Thu, 26 Nov 2026 06:05:08 GMT, the one form that RFC 9110 lets senders write. */
static void read_date(struct http_reply *reply, const char *at, const char *end)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char name[4] = "", text[TIME_TEXT_MAX];
    if (end - at != 29 || strncmp(end - 4, " GMT", 4) != 0)
        return;
    memcpy(name, at + 8, 3);
    const char *month = strstr(months, name);
    if (month == NULL || (month - months) % 3 != 0)
        return;
    (void)snprintf(text, sizeof text, "%.4s-%02d-%.2sT%.8sZ", at + 12,
                   (int)(month - months) / 3 + 1, at + 5, at + 17);
    int64_t at_ms;
    if (time_parse_datetime(text, strlen(text), &at_ms))
        reply->date_at_ms = at_ms;
}

void http_read_header(struct http_reply *reply, const char *line, size_t n)
{
    static const struct {
        const char *name;
        void (*read)(struct http_reply *reply, const char *at, const char *end);
    } headers[] = {
        {"Sforce-Limit-Info:", read_usage},
        {"Sforce-NumberOfRecords:", read_records},
        {"Sforce-Locator:", read_locator},
        {"Date:", read_date},
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        size_t name = strlen(headers[i].name);
        if (n < name || strncasecmp(line, headers[i].name, name) != 0)
            continue;
        const char *at = line + name, *end = line + n;
        while (at < end && (*at == ' ' || *at == '\t'))
            at++;
        while (end > at && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' '))
            end--;
        headers[i].read(reply, at, end);
    }
}
