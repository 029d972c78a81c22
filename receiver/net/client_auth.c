/*
 * Pure but for the clock: pins, hashes and times. What a certificate is and whether a chain holds
 * is found out in tls_client.c. The validity is looked at each time, since a connection may outlive
 * its certificate.
 *
 * Resumption: a ticket holds the certificate but not its chain, so trust by the authority can't be
 * checked again; such a session is not resumed. One of a pinned certificate is, as long as the pin
 * is there now.
 */
#include "client_auth.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "timeutil.h"

struct pins {
    struct pin *items;
    size_t count;
};

struct org_pins {
    char id[SFID_SIZE];
    struct pins pins;
};

struct client_auth {
    enum config_client_certificate mode;
    bool accepts_expired_pins, is_by_path, has_ca;
    unsigned char ca_sha256[PIN_SIZE]; /* if has_ca */
    struct pins global;
    struct org_pins *orgs;
    size_t org_count;
    atomic_uint shares;
};

static struct pins copy(const struct pin *items, size_t count)
{
    struct pins out = {.items = mem_array(count, sizeof *items), .count = count};
    if (count > 0)
        memcpy(out.items, items, count * sizeof *items);
    return out;
}

struct client_auth *client_auth_new(const struct config *c)
{
    struct client_auth *a = mem_alloc(sizeof *a);
    a->mode = c->tls.client_certificate;
    a->accepts_expired_pins = c->tls.accept_expired_pins;
    a->is_by_path = c->admin.public_health;
    a->global = copy(c->tls.client_pins, c->tls.client_pin_count);
    a->orgs = mem_array(c->org_count, sizeof *a->orgs);
    a->org_count = c->org_count;
    for (size_t i = 0; i < c->org_count; i++) {
        memcpy(a->orgs[i].id, c->orgs[i].id, SFID_SIZE);
        a->orgs[i].pins = copy(c->orgs[i].client_pins, c->orgs[i].client_pin_count);
    }
    atomic_init(&a->shares, 1);
    return a;
}

void client_auth_set_ca(struct client_auth *a, const unsigned char sha256[PIN_SIZE])
{
    memcpy(a->ca_sha256, sha256, PIN_SIZE);
    a->has_ca = true;
}

struct client_auth *client_auth_share(struct client_auth *a)
{
    if (a != NULL)
        atomic_fetch_add(&a->shares, 1);
    return a;
}

void client_auth_free(struct client_auth **a)
{
    struct client_auth *gone = *a;
    *a = NULL;
    if (gone == NULL || atomic_fetch_sub(&gone->shares, 1) > 1)
        return;
    for (size_t i = 0; i < gone->org_count; i++)
        free(gone->orgs[i].pins.items);
    free(gone->orgs);
    free(gone->global.items);
    free(gone);
}

bool client_auth_asks(const struct client_auth *a)
{
    return a != NULL && a->mode != CONFIG_CLIENT_OFF;
}

bool client_auth_enforces(const struct client_auth *a)
{
    return a != NULL && a->mode == CONFIG_CLIENT_REQUIRED && !a->is_by_path;
}

/* ------------------------------------------------------------------ judging */

static bool is_pinned(const struct pins *pins, const struct client_certificate *c)
{
    for (size_t i = 0; i < pins->count; i++) {
        const struct pin *p = &pins->items[i];
        if (memcmp(p->sha256, p->kind == PIN_KEY ? c->key_sha256 : c->sha256, PIN_SIZE) == 0)
            return true;
    }
    return false;
}

static bool is_pinned_anywhere(const struct client_auth *a, const struct client_certificate *c)
{
    bool found = is_pinned(&a->global, c);
    for (size_t i = 0; i < a->org_count && !found; i++)
        found = is_pinned(&a->orgs[i].pins, c);
    return found;
}

/* A connection may have come before a reload that gave up its authority. */
static bool is_from_ca(const struct client_auth *a, const struct client_certificate *c)
{
    return a->has_ca && c->is_from_ca && memcmp(a->ca_sha256, c->ca_sha256, PIN_SIZE) == 0;
}

/* NULL: not one with pins of its own. */
static const struct pins *own_pins(const struct client_auth *a, const char *org)
{
    for (size_t i = 0; i < a->org_count; i++) {
        if (a->orgs[i].pins.count > 0 && memcmp(a->orgs[i].id, org, SFID_LEN) == 0)
            return &a->orgs[i].pins;
    }
    return NULL;
}

bool client_auth_allows(const struct client_auth *a, const struct client_certificate *c,
                        const char *org, enum refusal *why)
{
    if (!client_auth_asks(a))
        return true;
    const struct pins *own = org == NULL ? NULL : own_pins(a, org);
    *why = REFUSED_CERTIFICATE_MISSING;
    if (!c->is_present)
        return a->mode == CONFIG_CLIENT_OPTIONAL && own == NULL;

    int64_t now = time_wall_ms();
    bool is_valid = c->valid_from_ms <= now && now < c->valid_until_ms;
    bool by_pin = own != NULL   ? is_pinned(own, c)
                  : org != NULL ? is_pinned(&a->global, c)
                                : is_pinned_anywhere(a, c);
    bool by_ca = own == NULL && is_from_ca(a, c);
    if ((by_pin && a->accepts_expired_pins) || ((by_pin || by_ca) && is_valid))
        return true;
    if (by_pin || by_ca)
        *why = REFUSED_CERTIFICATE_EXPIRED;
    else
        *why = org == NULL ? REFUSED_CERTIFICATE_UNKNOWN : REFUSED_CERTIFICATE_OF_ORG;
    return false;
}

bool client_auth_resumes(const struct client_auth *a, const struct client_certificate *c)
{
    enum refusal why;
    if (c->is_present && a->has_ca)
        return false;
    return client_auth_allows(a, c, NULL, &why);
}
