/*
 * The org's outbound messages. Ours are those whose endpoint has our path; one of the shipped names
 * with another path is one that went astray. The path may hold a secret, so it is never shown.
 */
#include "doctor_int.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "org_setup.h"

#define SHIPPED "Touchpoint_" /* names of the messages that are shipped begin so */

enum { OURS_MAX = 6, FIELDS_NEEDED = 2 };

/* What is to be told of, and the fields without which its message is of little use. */
struct wanted {
    const char *object; /* NULL: by the schema */
    enum schema_name name, fields[FIELDS_NEEDED];
    const char *standard[FIELDS_NEEDED];
    bool is_optional;
    const char *lost; /* what is noticed later without it */
};

static const struct wanted WANTED[] = {
    {.object = "Campaign", .lost = "changes of campaigns"},
    {.object = "CampaignMember", .standard = {"CampaignId"}, .lost = "changes of members"},
    {.object = "Lead", .lost = "changed emails and conversions of leads"},
    {.object = "Contact", .lost = "changed emails of contacts"},
    {.object = "Account",
     .standard = {"PersonContactId"},
     .is_optional = true,
     .lost = "changed emails of person accounts"},
    {.name = SCHEMA_DELETION,
     .fields = {SCHEMA_DEL_MEMBER, SCHEMA_DEL_CAMPAIGN},
     .lost = "deletions of members"},
};
enum { WANTED_COUNT = sizeof WANTED / sizeof WANTED[0] };

struct messages {
    const struct admin *admin;
    const struct schema *schema;
    struct finding f;
    struct endpoints *out;
    bool found[WANTED_COUNT];
};

static const char *object_of(const struct messages *m, const struct wanted *w)
{
    return w->object != NULL ? w->object : m->schema->name[w->name];
}

static bool has_field(const struct org_outbound *x, const char *name)
{
    for (size_t i = 0; i < x->field_count; i++) {
        if (strcasecmp(x->fields[i], name) == 0)
            return true;
    }
    return false;
}

static void check_fields(const struct messages *m, const struct wanted *w,
                         const struct org_outbound *x)
{
    for (size_t i = 0; i < FIELDS_NEEDED; i++) {
        const char *name = w->standard[i];
        if (name == NULL && w->object == NULL)
            name = m->schema->name[w->fields[i]];
        if (name != NULL && !has_field(x, name))
            finding_problem(m->f, "%s does not send %s: add the field to the outbound message",
                            x->full_name, name);
    }
}

/* https://HOST[:PORT]/PATH in its parts; false: it is none. */
static bool split(const char *url, struct endpoint *at, const char **path)
{
    static const char scheme[] = "https://";
    if (strncasecmp(url, scheme, sizeof scheme - 1) != 0)
        return false;
    url += sizeof scheme - 1;
    size_t whole = strcspn(url, "/?#"), host = strcspn(url, ":/?#");
    if (url[0] == '[') /* IPv6 */
        host = strcspn(url, "]") + 1;
    if (host == 0 || host >= HOST_MAX || host > whole || whole - host > PORT_MAX)
        return false;
    memcpy(at->host, url, host);
    at->host[host] = '\0';
    memcpy(at->port, "443", 4);
    if (whole > host + 1) {
        memcpy(at->port, url + host + 1, whole - host - 1);
        at->port[whole - host - 1] = '\0';
    }
    *path = url + whole;
    return true;
}

/* HTTPS is sent to 443 and to 1024 and above. */
static bool port_is_allowed(const char *port)
{
    char *end;
    unsigned long n = strtoul(port, &end, 10);
    return *end == '\0' && (n == 443 || (n >= 1024 && n <= 65535));
}

static void keep_endpoint(struct endpoints *all, const struct endpoint *at)
{
    for (size_t i = 0; i < all->count; i++) {
        if (strcasecmp(all->list[i].host, at->host) == 0 &&
            strcmp(all->list[i].port, at->port) == 0)
            return;
    }
    if (all->count < ENDPOINTS_MAX)
        all->list[all->count++] = *at;
}

/* True: it leads here, as far as the address says. */
static bool check_endpoint(const struct messages *m, const struct org_outbound *x)
{
    const struct config *c = m->admin->options.config;
    struct endpoint at = {.host = ""};
    const char *path = "", *name = strchr(x->full_name, '.') + 1;
    bool is_https = split(x->endpoint, &at, &path);
    if (is_https && strcmp(path, c->listen.path) == 0) {
        if (!port_is_allowed(at.port))
            finding_problem(m->f,
                            "%s goes to port %s, to which Salesforce does not send: use 443, or "
                            "one from 1024 to 65535",
                            x->full_name, at.port);
        else
            keep_endpoint(m->out, &at);
        if (c->tls.name[0] != '\0' && strcasecmp(c->tls.name, at.host) != 0)
            finding_problem(m->f,
                            "%s goes to %s, but tls.name says that we are %s: correct the one or "
                            "the other",
                            x->full_name, at.host, c->tls.name);
        return true;
    }
    if (strncmp(name, SHIPPED, sizeof SHIPPED - 1) != 0)
        return false; /* somebody else's */
    if (!is_https)
        finding_problem(m->f,
                        "%s has no https:// endpoint: it would be sent in the clear, and is "
                        "not taken here; correct its Endpoint URL",
                        x->full_name);
    else
        finding_problem(m->f,
                        "%s goes to %s:%s with another path than listen.path: correct its Endpoint "
                        "URL, or listen.path",
                        x->full_name, at.host, at.port);
    return true;
}

static enum err on_message(void *ctx, const struct org_outbound *x, struct error *e)
{
    struct messages *m = ctx;
    (void)e;
    for (size_t i = 0; i < WANTED_COUNT; i++) {
        if (strcasecmp(object_of(m, &WANTED[i]), x->object) == 0 && check_endpoint(m, x)) {
            m->found[i] = true;
            check_fields(m, &WANTED[i], x);
        }
    }
    return ERR_NONE;
}

void doctor_messages(const struct admin *a, const struct look *l, json_t *checks,
                     struct endpoints *out)
{
    struct messages m = {.admin = a, .schema = &org_config(l->org)->schema, .out = out};
    struct error e = {0};
    bool is_refused;
    m.f = finding_new(checks, "outbound_messages", org_config(l->org));
    if (org_list_outbound(l->conn, on_message, &m, &is_refused, &e) != ERR_NONE) {
        finding_problem(m.f, "the outbound messages could not be asked: %s", e.text);
        return;
    }
    if (is_refused) {
        finding_warning(m.f, "this user may not see the outbound messages: grant it View Setup and "
                             "Configuration, or compare their endpoint and fields by hand");
        return;
    }
    for (size_t i = 0; i < WANTED_COUNT; i++) {
        if (!m.found[i] && !WANTED[i].is_optional)
            finding_problem(m.f,
                            "no outbound message of %s leads here: %s are noticed by the reconcile "
                            "only; deploy deploy/salesforce, or correct its Endpoint URL",
                            object_of(&m, &WANTED[i]), WANTED[i].lost);
    }
}
