/*
 * A fingerprint tells two policies apart by chance's hand, not against an adversary: 64-bit FNV-1a
 * (Fowler, Noll, Vo) over every setting, each text with its length before it so that neighbours
 * cannot run together.
 */
#include "policy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FNV_START UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

static void add_bytes(uint64_t *hash, const void *bytes, size_t n)
{
    const unsigned char *b = bytes;
    for (size_t i = 0; i < n; i++)
        *hash = (*hash ^ b[i]) * FNV_PRIME;
}

/* The same on every machine: eight bytes, the lowest first. */
static void add_number(uint64_t *hash, uint64_t number)
{
    for (unsigned shift = 0; shift < 64; shift += 8) {
        unsigned char byte = (unsigned char)(number >> shift & 0xFF);
        add_bytes(hash, &byte, 1);
    }
}

/* NULL and "" differ: a status that is left out is any status. */
static void add_text(uint64_t *hash, const char *s)
{
    add_number(hash, s == NULL ? UINT64_MAX : strlen(s));
    if (s != NULL)
        add_bytes(hash, s, strlen(s));
}

static void add_channel(uint64_t *hash, const struct config_channel *c)
{
    add_text(hash, c->type);
    add_text(hash, c->status);
    add_text(hash, c->channel);
    add_text(hash, c->subchannel);
    add_number(hash, c->null_channel);
}

static void add_rule(uint64_t *hash, const struct config_rule *r)
{
    add_text(hash, r->name);
    add_text(hash, r->action);
    add_number(hash, r->any_count);
    for (size_t g = 0; g < r->any_count; g++) {
        add_number(hash, r->any[g].all_count);
        for (size_t i = 0; i < r->any[g].all_count; i++) {
            add_text(hash, r->any[g].all[i].field);
            add_text(hash, r->any[g].all[i].op);
            add_text(hash, r->any[g].all[i].value);
        }
    }
    add_number(hash, r->dates_count);
    for (size_t i = 0; i < r->dates_count; i++)
        add_text(hash, r->dates[i]);
}

void policy_fingerprint(const struct config *c, char out[POLICY_FINGERPRINT_SIZE])
{
    uint64_t hash = FNV_START;

    add_number(&hash, c->policy.picklist_first);
    add_number(&hash, c->policy.end_inclusive);
    add_number(&hash, c->policy.window_on_added);
    add_number(&hash, c->policy.dedupe_email);
    add_text(&hash, c->policy.default_channel);
    add_number(&hash, c->channel_count);
    for (size_t i = 0; i < c->channel_count; i++)
        add_channel(&hash, &c->channels[i]);
    add_number(&hash, c->rule_count);
    for (size_t i = 0; i < c->rule_count; i++)
        add_rule(&hash, &c->rules[i]);
    (void)snprintf(out, POLICY_FINGERPRINT_SIZE, "%016" PRIx64, hash);
}
