/*
 * The errors of the token endpoint, each with what the admin has to do. The first row whose code
 * and part of the description fit decides.
 * Source:    Salesforce help, "OAuth 2.0 Authorization Errors".
 */
#include "org_int.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { DESCRIPTION_SHOWN = 160 };

struct oauth_rule {
    const char *code;        /* NULL: any */
    const char *description; /* part of it, without regard to case; NULL: any */
    enum err kind;
    const char *advice;
};

#define CLOCK  "the assertion had expired on arrival: set this machine's clock right (NTP)"
#define SECRET "the consumer key or secret is wrong, or the app is newer than a few minutes: check "
#define APPROVE                                                                                    \
    "the user has not approved this app: pre-authorise it (policy \"Admin approved users are "     \
    "pre-authorized\", then a permission set or profile for the user)"
#define MY_DOMAIN                                                                                  \
    "client credentials work on the org's own host only: set login_url to "                        \
    "https://<My Domain>.my.salesforce.com"
#define RUN_AS                                                                                     \
    "the app has no user for client credentials: set \"Run As\" in the app's policies to the "     \
    "integration user"

static const struct oauth_rule RULES[] = {
    {"invalid_grant", "audience", ERR_CONFIG,
     "the audience is wrong: set `audience` to https://login.salesforce.com (production), "
     "https://test.salesforce.com (sandbox) or the site's URL"},
    {NULL, "hasn't approved this consumer", ERR_AUTH, APPROVE},
    {NULL, "has not approved this consumer", ERR_AUTH, APPROVE},
    {"invalid_grant", "expired authorization code", ERR_AUTH, CLOCK},
    {"invalid_grant", "expired access/refresh token", ERR_AUTH,
     "the approval of the app was revoked or has expired: approve it for the user again"},
    {NULL, "not supported on this domain", ERR_CONFIG, MY_DOMAIN},
    {NULL, "no client credentials user", ERR_CONFIG, RUN_AS},
    {"invalid_grant", "inactive", ERR_AUTH,
     "the user is inactive: activate it or set `username` to another one"},
    {"invalid_grant", "ip restricted", ERR_AUTH,
     "this address or hour is not allowed: relax the app's IP policy, or the login IP ranges and "
     "hours of the user's profile"},
    {"invalid_grant", "invalid assertion", ERR_AUTH,
     "the signature is refused: upload the certificate that belongs to key_file to the app"},
    {"invalid_grant", "invalid signature", ERR_AUTH,
     "the signature is refused: upload the certificate that belongs to key_file to the app"},
    {"invalid_grant", NULL, ERR_AUTH,
     "check `username`, `client_id`, the app's certificate and that the user may use the app"},
    {"invalid_assertion", NULL, ERR_AUTH,
     "the assertion is refused: check `client_id`, `username` and the app's certificate"},
    {"invalid_client_id", NULL, ERR_AUTH, SECRET "`client_id`"},
    {"invalid_client", NULL, ERR_AUTH, SECRET "`client_id` and secret_file"},
    {"invalid_client_credentials", NULL, ERR_AUTH, SECRET "secret_file"},
    {"invalid_app_access", NULL, ERR_AUTH, APPROVE},
    {"inactive_user", NULL, ERR_AUTH, "the user is inactive: activate it or name another one"},
    {"inactive_org", NULL, ERR_AUTH, "the org is locked, closed or suspended: ask Salesforce"},
    {"rate_limit_exceeded", NULL, ERR_LIMIT, "too many sign-ins: waiting before the next one"},
    {"unsupported_grant_type", NULL, ERR_CONFIG,
     "the app does not allow this flow: enable it in the app, or choose the other `auth: type`"},
    {"unsupported_response_type", NULL, ERR_CONFIG,
     "the app does not allow this flow: enable it in the app, or choose the other `auth: type`"},
    {"unauthorized_client", NULL, ERR_CONFIG,
     "the app does not allow this flow: enable it in the app, or choose the other `auth: type`"},
    {"invalid_request", NULL, ERR_CONFIG,
     "the request is refused: check `auth` and that login_url is the org's token host (https)"},
    {"invalid_scope", NULL, ERR_CONFIG, "give the app the scope \"Manage user data via APIs\""},
    {"server_error", NULL, ERR_BUSY, "the org is unwell: trying again"},
    {"temporarily_unavailable", NULL, ERR_BUSY, "the org is unwell: trying again"},
    {"unknown_error", NULL, ERR_BUSY, "the org is unwell: trying again"},
    {NULL, NULL, ERR_AUTH, "see the app's settings and the user's login history in the org"},
};

static bool fits(const struct oauth_rule *r, const char *code, const char *description)
{
    if (r->code != NULL && strcasecmp(r->code, code) != 0)
        return false;
    if (r->description == NULL)
        return true;
    size_t n = strlen(r->description);
    for (const char *at = description; strlen(at) >= n; at++) {
        if (strncasecmp(at, r->description, n) == 0)
            return true;
    }
    return false;
}

/* Printable ASCII of the description, cut: it is shown to people and must stay one line. */
static void shown(const char *description, char out[DESCRIPTION_SHOWN])
{
    size_t n = 0;
    for (; *description != '\0' && n + 1 < DESCRIPTION_SHOWN; description++)
        out[n++] = *description >= ' ' && *description <= '~' ? *description : '?';
    out[n] = '\0';
}

enum err oauth_error(const struct config_org *c, const char *code, const char *description,
                     struct error *e)
{
    char short_code[DESCRIPTION_SHOWN], text[DESCRIPTION_SHOWN];
    size_t i = 0;
    while (!fits(&RULES[i], code, description))
        i++;
    shown(code, short_code);
    shown(description, text);
    const char *who = c->auth == CONFIG_AUTH_JWT ? c->username : "client credentials";
    return error_set(e, RULES[i].kind, "sign-in to org %s as %s: %s (%s: %s)", c->name, who,
                     RULES[i].advice, short_code, text);
}
