/*
 * client_auth: which certificate may speak for whom. No sockets, no files; the hashes are made up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client_auth.h"
#include "timeutil.h"

#define ORG_A "00D000000000001EAA" /* with the pins that a row gives it */
#define ORG_B "00D000000000002EAA" /* without */

enum { HOUR_MS = 3600000 };

static const unsigned char OUR_CA[PIN_SIZE] = "ours", OTHER_CA[PIN_SIZE] = "another";

enum shown {
    NONE,
    CERT_1,
    CERT_2,
    CERT_2_SAME_KEY,
    CERT_OLD,
    CERT_EARLY,
    CERT_CA,
    CERT_CA_OLD,
    CERT_OTHER_CA
};

/* CERT_2_SAME_KEY is the renewal of CERT_2 that keeps its key. */
static struct client_certificate certificate(enum shown shown)
{
    int64_t now = time_wall_ms();
    struct client_certificate c = {.is_present = shown != NONE,
                                   .is_from_ca = shown >= CERT_CA,
                                   .valid_from_ms = now - HOUR_MS,
                                   .valid_until_ms = now + HOUR_MS};
    memcpy(c.ca_sha256, shown == CERT_OTHER_CA ? OTHER_CA : OUR_CA, PIN_SIZE);
    memset(c.sha256, (int)shown, PIN_SIZE);
    memset(c.key_sha256, 100 + (int)(shown == CERT_2_SAME_KEY ? CERT_2 : shown), PIN_SIZE);
    if (shown == CERT_OLD || shown == CERT_CA_OLD)
        c.valid_until_ms = now - 1;
    if (shown == CERT_EARLY)
        c.valid_from_ms = now + HOUR_MS;
    return c;
}

static struct pin pin_of(enum pin_kind kind, enum shown shown)
{
    struct pin p = {.kind = kind};
    struct client_certificate c = certificate(shown);
    memcpy(p.sha256, kind == PIN_KEY ? c.key_sha256 : c.sha256, PIN_SIZE);
    return p;
}

enum {
    OK = -1,
    OFF = CONFIG_CLIENT_OFF,
    OPT = CONFIG_CLIENT_OPTIONAL,
    REQ = CONFIG_CLIENT_REQUIRED
};

static struct client_auth *make(int mode, enum shown global, enum shown own, bool accepts_expired,
                                bool public_health, bool has_ca)
{
    struct pin pins[2] = {pin_of(PIN_KEY, global), pin_of(PIN_CERTIFICATE, CERT_EARLY)};
    struct pin own_pin = pin_of(PIN_CERTIFICATE, own);
    struct config_org orgs[2] = {
        {.id = ORG_A, .client_pins = &own_pin, .client_pin_count = own != NONE}, {.id = ORG_B}};
    struct config c = {.orgs = orgs, .org_count = 2};
    c.tls.client_certificate = (enum config_client_certificate)mode;
    c.tls.client_pins = pins;
    c.tls.client_pin_count = global == NONE ? 0 : 2;
    c.tls.accept_expired_pins = accepts_expired;
    c.admin.public_health = public_health;
    struct client_auth *a = client_auth_new(&c);
    if (has_ca)
        client_auth_set_ca(a, OUR_CA);
    return a;
}

static void a_certificate_speaks_for_whom_its_pins_say(void **state)
{
    (void)state;
    enum {
        MISSING = REFUSED_CERTIFICATE_MISSING,
        UNKNOWN = REFUSED_CERTIFICATE_UNKNOWN,
        EXPIRED = REFUSED_CERTIFICATE_EXPIRED,
        OTHER = REFUSED_CERTIFICATE_OF_ORG
    };
    static const struct {
        const char *name;
        int mode;
        enum shown global, own, shown;
        bool accepts_expired;
        int any, a, b; /* OK or the reason */
    } rows[] = {
        {"off: nobody is asked", OFF, NONE, NONE, NONE, false, OK, OK, OK},
        {"required: none", REQ, CERT_2, NONE, NONE, false, MISSING, MISSING, MISSING},
        {"optional: none, but for whom has its own", OPT, CERT_2, CERT_1, NONE, false, OK, MISSING,
         OK},
        {"optional: none", OPT, CERT_2, NONE, NONE, false, OK, OK, OK},
        {"optional: an unknown one", OPT, CERT_2, NONE, CERT_1, false, UNKNOWN, OTHER, OTHER},
        {"a global pin", REQ, CERT_2, NONE, CERT_2, false, OK, OK, OK},
        {"the same key renewed", REQ, CERT_2, NONE, CERT_2_SAME_KEY, false, OK, OK, OK},
        {"unknown", REQ, CERT_2, NONE, CERT_1, false, UNKNOWN, OTHER, OTHER},
        {"an org's own pin, for this org alone", REQ, CERT_2, CERT_1, CERT_1, false, OK, OK, OTHER},
        {"a global pin, not for who has its own", REQ, CERT_2, CERT_1, CERT_2, false, OK, OTHER,
         OK},
        {"its own alone", REQ, NONE, CERT_1, CERT_1, false, OK, OK, OTHER},
        {"another than its own alone", REQ, NONE, CERT_1, CERT_2, false, UNKNOWN, OTHER, OTHER},
        {"a pin of the certificate does not know a renewal", REQ, NONE, CERT_2, CERT_2_SAME_KEY,
         false, UNKNOWN, OTHER, OTHER},
        {"from the authority", REQ, NONE, NONE, CERT_CA, false, OK, OK, OK},
        {"from the authority, not for who has its own pins", REQ, NONE, CERT_1, CERT_CA, false, OK,
         OTHER, OK},
        {"from the authority and pinned", REQ, NONE, CERT_CA, CERT_CA, false, OK, OK, OK},
        {"from another authority, verified before a reload", REQ, NONE, NONE, CERT_OTHER_CA, false,
         UNKNOWN, OTHER, OTHER},
        {"an expired pin", REQ, CERT_OLD, NONE, CERT_OLD, false, EXPIRED, EXPIRED, EXPIRED},
        {"an expired pin that may be", REQ, CERT_OLD, NONE, CERT_OLD, true, OK, OK, OK},
        {"an org's expired pin", REQ, CERT_2, CERT_OLD, CERT_OLD, false, EXPIRED, EXPIRED, OTHER},
        {"optional: an expired pin", OPT, CERT_OLD, NONE, CERT_OLD, false, EXPIRED, EXPIRED,
         EXPIRED},
        {"not valid yet", REQ, CERT_2, NONE, CERT_EARLY, false, EXPIRED, EXPIRED, EXPIRED},
        {"expired since, from the authority", REQ, CERT_2, NONE, CERT_CA_OLD, true, EXPIRED,
         EXPIRED, EXPIRED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct client_auth *a = make(rows[i].mode, rows[i].global, rows[i].own,
                                     rows[i].accepts_expired, false, rows[i].shown >= CERT_CA);
        struct client_certificate c = certificate(rows[i].shown);
        const char *const orgs[] = {NULL, ORG_A, ORG_B};
        const int wants[] = {rows[i].any, rows[i].a, rows[i].b};
        for (size_t k = 0; k < 3; k++) {
            enum refusal why = REFUSAL_COUNT;
            int got = client_auth_allows(a, &c, orgs[k], &why) ? OK : (int)why;
            if (got != wants[k])
                fail_msg("%s, for %s: want %d, got %d", rows[i].name,
                         orgs[k] == NULL ? "any" : orgs[k], wants[k], got);
        }
        client_auth_free(&a);
        assert_null(a);
    }
    enum refusal why;
    assert_true(client_auth_allows(NULL, &(struct client_certificate){0}, ORG_A, &why));
}

static void an_authority_that_is_given_up_counts_no_more(void **state)
{
    (void)state;
    struct client_certificate c = certificate(CERT_CA);
    enum refusal why;
    for (int has_ca = 0; has_ca < 2; has_ca++) {
        struct client_auth *a = make(REQ, CERT_2, NONE, false, false, has_ca);
        assert_int_equal(client_auth_allows(a, &c, NULL, &why), has_ca);
        assert_int_equal(client_auth_allows(a, &c, ORG_B, &why), has_ca);
        client_auth_free(&a);
    }
}

static void the_handshake_enforces_unless_health_is_public(void **state)
{
    (void)state;
    static const struct {
        int mode;
        bool public_health, asks, enforces;
    } rows[] = {
        {OFF, false, false, false},
        {OPT, false, true, false},
        {REQ, false, true, true},
        {REQ, true, true, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct client_auth *a =
            make(rows[i].mode, CERT_1, NONE, false, rows[i].public_health, false);
        assert_int_equal(client_auth_asks(a), rows[i].asks);
        assert_int_equal(client_auth_enforces(a), rows[i].enforces);
        client_auth_free(&a);
    }
    assert_false(client_auth_asks(NULL));
    assert_false(client_auth_enforces(NULL));
}

static void a_ticket_carries_no_trust_past_its_pin(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int mode;
        enum shown pinned, shown;
        bool has_ca, want;
    } rows[] = {
        {"still pinned", REQ, CERT_1, CERT_1, false, true},
        {"no longer pinned", REQ, CERT_2, CERT_1, false, false},
        {"pinned, expired since", REQ, CERT_OLD, CERT_OLD, false, false},
        {"none, where one is required", REQ, CERT_1, NONE, false, false},
        {"none, where one is optional", OPT, CERT_1, NONE, false, true},
        {"one that is not known, where one is optional", OPT, CERT_2, CERT_1, false, false},
        {"pinned, but the authority counts too", REQ, CERT_1, CERT_1, true, false},
        {"from the authority", REQ, CERT_1, CERT_CA, true, false},
        {"none, with an authority", OPT, CERT_1, NONE, true, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct client_auth *a =
            make(rows[i].mode, rows[i].pinned, NONE, false, false, rows[i].has_ca);
        struct client_certificate c = certificate(rows[i].shown);
        if (client_auth_resumes(a, &c) != rows[i].want)
            fail_msg("%s", rows[i].name);
        client_auth_free(&a);
    }
}

static void a_share_outlives_the_first_owner(void **state)
{
    (void)state;
    struct client_auth *a = make(REQ, CERT_1, NONE, false, false, false);
    struct client_auth *b = client_auth_share(a);
    struct client_certificate c = certificate(CERT_1);
    enum refusal why;
    client_auth_free(&a);
    assert_null(a);
    assert_true(client_auth_allows(b, &c, NULL, &why));
    client_auth_free(&b);
    client_auth_free(&b);
    assert_null(client_auth_share(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_speaks_for_whom_its_pins_say),
        cmocka_unit_test(an_authority_that_is_given_up_counts_no_more),
        cmocka_unit_test(the_handshake_enforces_unless_health_is_public),
        cmocka_unit_test(a_ticket_carries_no_trust_past_its_pin),
        cmocka_unit_test(a_share_outlives_the_first_owner),
    };
    return cmocka_run_group_tests_name("client auth", tests, NULL, NULL);
}
