/*
 * tls_fixture - an authority, a certificate below it, and servers' certificates below that, as
 * files
 *
 * make_pki and drop_pki are a test group's set-up and tear-down. After cmocka.h.
 */
#ifndef TP_TEST_TLS_FIXTURE_H
#define TP_TEST_TLS_FIXTURE_H

#include <stdio.h>

#include "net_help.h"

/* A directory with an authority "ca", a link "mid" below it, and servers below that. */
static struct {
    char *dir;
    struct net_certificate ca, mid, ec, rsa;
} pki;

static inline const char *at(const char *name)
{
    return net_path(pki.dir, name);
}

static inline void write_one(const char *name, const struct net_certificate *c)
{
    char key[64];
    (void)snprintf(key, sizeof key, "%s.key", name);
    net_key_write(at(key), c);
    (void)snprintf(key, sizeof key, "%s.pem", name);
    net_certificates_write(at(key), (const struct net_certificate *[]){c, NULL});
}

static inline int make_pki(void **state)
{
    (void)state;
    struct net_certificate_options server = {
        .common_name = "receiver.example.org", .issuer = &pki.mid, .days = 90};
    pki.dir = net_directory();
    net_certificate_make(&pki.ca, &(struct net_certificate_options){
                                      .common_name = "ca", .is_authority = true, .days = 900});
    net_certificate_make(
        &pki.mid, &(struct net_certificate_options){
                      .common_name = "mid", .issuer = &pki.ca, .is_authority = true, .days = 900});
    net_certificate_make(&pki.ec, &server);
    server.rsa = true;
    net_certificate_make(&pki.rsa, &server);
    write_one("ca", &pki.ca);
    write_one("ec", &pki.ec);
    write_one("rsa", &pki.rsa);
    net_certificates_write(at("ec-chain.pem"),
                           (const struct net_certificate *[]){&pki.ec, &pki.mid, NULL});
    net_certificates_write(at("rsa-chain.pem"),
                           (const struct net_certificate *[]){&pki.rsa, &pki.mid, NULL});
    return 0;
}

static inline int drop_pki(void **state)
{
    (void)state;
    net_certificate_release(&pki.ca);
    net_certificate_release(&pki.mid);
    net_certificate_release(&pki.ec);
    net_certificate_release(&pki.rsa);
    net_directory_remove(&pki.dir);
    return 0;
}

#endif
