#define _GNU_SOURCE
/*
 * A copy of a document that could not be read goes to the store's quarantine, for the admin who has
 * to find out who sends what. Session ids are taken out of it first. Whose it is can only be
 * guessed, since it could not be read: what follows the first OrganizationId tag, if that is an id.
 */
#include "intake_int.h"

#include <string.h>

_Static_assert(sizeof((struct store_document *)NULL)->peer >=
                   sizeof((struct listener_peer *)NULL)->address,
               "every address fits");

static void guess_org(struct store_document *d)
{
    static const char tag[] = "OrganizationId>";
    const char *at = memmem(d->bytes, d->n, tag, sizeof tag - 1);
    if (at == NULL)
        return;
    at += sizeof tag - 1;
    const char *end = memchr(at, '<', (size_t)(d->bytes + d->n - at));
    size_t n = end == NULL ? 0 : (size_t)(end - at);
    char org[SFID_SIZE];
    if (n > 0 && n <= SFID_LEN && sfid_normalise(at, n, org))
        memcpy(d->org, org, sizeof org);
}

void intake_quarantine(struct intake *i, const struct listener_peer *peer, const char *reason,
                       const char *message, const char *body, size_t n)
{
    struct store_document *d = store_document_new(body, n);
    soap_redact(d->bytes, d->n);
    guess_org(d);
    memcpy(d->peer, peer->address, sizeof peer->address);
    memcpy(d->reason, reason, strnlen(reason, sizeof d->reason - 1));
    memcpy(d->message, message, strnlen(message, sizeof d->message - 1));
    i->options.quarantine(i->options.store, &d);
}
