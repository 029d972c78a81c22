/*
 * Messages as the API names them: the filter of a query, a body or a job's parameters; a page's
 * key.
 */
#include "store_routes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "timeutil.h"

static const char *const STATES[] = {"ready", "leased", "done", "failed"};
enum { STATE_COUNT = sizeof STATES / sizeof STATES[0] };

const char *message_state_name(enum store_state s)
{
    return (size_t)s < STATE_COUNT ? STATES[s] : "unknown";
}

const char *const FILTER_NAMES[] = {"state", "org",   "object", "record", "campaign",
                                    "error", "since", "until",  NULL};

/* ------------------------------------------------------------------ numbers and pages */

bool parse_number(const char *text, int64_t *n)
{
    char *end;
    errno = 0;
    long long value = text[0] >= '0' && text[0] <= '9' ? strtoll(text, &end, 10) : -1;
    if (value < 0 || errno != 0 || *end != '\0')
        return false;
    *n = value;
    return true;
}

bool argument_after(const json_t *args, int64_t *after, struct answer *out)
{
    *after = 0;
    return json_object_get(args, "after") == NULL ||
           parse_number(argument_text(args, "after"), after) ||
           argument_refuse(out, "after", "is the `next` of the page before");
}

bool parse_position(const char *text, struct store_position *at)
{
    char first[32];
    const char *dot = strchr(text, '.');
    size_t n = dot == NULL ? 0 : (size_t)(dot - text);
    if (n == 0 || n >= sizeof first)
        return false;
    memcpy(first, text, n);
    first[n] = '\0';
    return parse_number(first, &at->at_ms) && parse_number(dot + 1, &at->id);
}

char *format_position(struct store_position at, char out[POSITION_TEXT_MAX])
{
    (void)snprintf(out, POSITION_TEXT_MAX, "%lld.%lld", (long long)at.at_ms, (long long)at.id);
    return out;
}

/* ------------------------------------------------------------------ the filter */

static bool copy_text(const json_t *args, const char *name, char *to, size_t size,
                      struct answer *out)
{
    const json_t *value = json_object_get(args, name);
    const char *text = argument_text(args, name);
    if (value != NULL && (!json_is_string(value) || strlen(text) >= size))
        return argument_refuse(out, name, "is a text, and shorter");
    (void)snprintf(to, size, "%s", text);
    return true;
}

static bool optional_id(const json_t *args, const char *name, const char *prefix,
                        char id[SFID_SIZE], struct answer *out)
{
    id[0] = '\0';
    return json_object_get(args, name) == NULL || argument_id(args, name, prefix, id, out);
}

static bool read_state(const json_t *args, struct store_filter *f, struct answer *out)
{
    const char *text = argument_text(args, "state");
    f->state = STORE_ANY;
    for (int i = 0; i < STATE_COUNT; i++) {
        if (strcmp(text, STATES[i]) == 0)
            f->state = i;
    }
    return json_object_get(args, "state") == NULL || f->state != STORE_ANY ||
           argument_refuse(out, "state", "is ready, leased, done or failed");
}

bool filter_read(const json_t *args, struct store_filter *f, struct answer *out)
{
    *f = (struct store_filter){.state = STORE_ANY};
    if (!read_state(args, f, out) || !optional_id(args, "org", "00D", f->org, out) ||
        !optional_id(args, "campaign", "701", f->campaign_id, out) ||
        !optional_id(args, "record", NULL, f->record_id, out) ||
        !copy_text(args, "object", f->object, sizeof f->object, out) ||
        !copy_text(args, "error", f->code, sizeof f->code, out) ||
        !argument_time(args, "since", &f->since_ms, out) ||
        !argument_time(args, "until", &f->until_ms, out))
        return false;
    f->since_ms = f->since_ms == TIME_NONE ? 0 : f->since_ms;
    f->until_ms = f->until_ms == TIME_NONE ? 0 : f->until_ms;
    return true;
}
