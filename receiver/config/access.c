/*
 * Who may speak: networks and client certificates. The files are read later, by those who use them.
 * What would leave a door open that the file seems to close, or closed for good, is refused.
 */
#include "apply.h"

#include <string.h>

#include "mem.h"

enum err apply_networks(struct loading *l, const char *path, const char *const *texts,
                        unsigned count, struct cidr **out, struct error *e)
{
    *out = loading_keep(l, mem_array(count, sizeof **out));
    for (unsigned i = 0; i < count; i++) {
        char item[SOURCE_PATH_MAX];
        const char *problem = cidr_parse(texts[i], &(*out)[i]);
        if (problem != NULL)
            return loading_refuse(l, source_item(item, path, i), e,
                                  "\"%.60s\" %s; allowed is NETWORK/BITS or an address, as "
                                  "192.0.2.0/24 or 2001:db8::1",
                                  texts[i], problem);
    }
    return ERR_NONE;
}

enum err apply_pins(struct loading *l, const char *path, const char *const *texts, unsigned count,
                    struct pin **out, struct error *e)
{
    *out = loading_keep(l, mem_array(count, sizeof **out));
    for (unsigned i = 0; i < count; i++) {
        char item[SOURCE_PATH_MAX];
        const char *problem = pin_parse(texts[i], &(*out)[i]);
        if (problem != NULL)
            return loading_refuse(l, source_item(item, path, i), e,
                                  "\"%.100s\" %s; allowed is sha256//BASE64 of the public key, or "
                                  "sha256:HEX of the certificate",
                                  texts[i], problem);
    }
    return ERR_NONE;
}

static enum err refuse_vain(struct loading *l, const char *path, struct error *e)
{
    return loading_refuse(l, path, e,
                          "protects nothing while tls.client_certificate is off; allowed is "
                          "required or optional there, or to leave this out");
}

/* An organisation that no certificate could speak for. */
static enum err refuse_lost(struct loading *l, size_t org, struct error *e)
{
    char item[SOURCE_PATH_MAX], path[SOURCE_PATH_MAX];
    return loading_refuse(l, source_join(path, source_item(item, "orgs", org), "id"), e,
                          "no certificate could speak for this organisation, and tls."
                          "client_certificate is required: it needs client_pins, or there must be "
                          "tls.client_pins or tls.client_ca");
}

enum err check_clients(struct loading *l, const struct config *c, struct error *e)
{
    bool has_ca = c->tls.client_ca[0] != '\0', has_pins = c->tls.client_pin_count > 0;
    bool is_off = c->tls.client_certificate == CONFIG_CLIENT_OFF, any = has_ca || has_pins;
    if (is_off && any)
        return refuse_vain(l, has_ca ? "tls.client_ca" : "tls.client_pins", e);
    for (size_t i = 0; i < c->org_count; i++) {
        char item[SOURCE_PATH_MAX], path[SOURCE_PATH_MAX];
        bool has_own = c->orgs[i].client_pin_count > 0;
        if (is_off && has_own)
            return refuse_vain(l, source_join(path, source_item(item, "orgs", i), "client_pins"),
                               e);
        if (c->tls.client_certificate == CONFIG_CLIENT_REQUIRED && !has_ca && !has_pins && !has_own)
            return refuse_lost(l, i, e);
        any = any || has_own;
    }
    if (is_off || any)
        return ERR_NONE;
    return loading_refuse(l, "tls.client_certificate", e,
                          "no certificate could be accepted: add tls.client_ca, tls.client_pins, "
                          "or client_pins of an organisation");
}
