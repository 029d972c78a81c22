/* Outbound messages over TLS: certificates of both sides; they are made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "outbound_fixture.h"

static char directory[] = "/tmp/orgsim-tls-XXXXXX";
static char certificate_file[80], key_file[80], other_file[80];

/* A self-signed certificate for localhost. */
static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost");
    X509_add_ext(x, san, -1);
    X509_EXTENSION_free(san);
    X509_sign(x, key, EVP_sha256());
    return x;
}

static void write_pem(const char *path, X509 *x, EVP_PKEY *key)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(x != NULL ? PEM_write_X509(f, x)
                               : PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL),
                     1);
    fclose(f);
}

static int accept_any(int ok, X509_STORE_CTX *ctx)
{
    (void)ok, (void)ctx;
    return 1;
}

static int setup_tls(void **state)
{
    assert_non_null(mkdtemp(directory));
    snprintf(certificate_file, sizeof certificate_file, "%s/cert.pem", directory);
    snprintf(key_file, sizeof key_file, "%s/key.pem", directory);
    snprintf(other_file, sizeof other_file, "%s/other.pem", directory);
    EVP_PKEY *key = EVP_RSA_gen(2048), *other = EVP_RSA_gen(2048);
    X509 *x = make_certificate(key), *y = make_certificate(other);
    write_pem(certificate_file, x, NULL);
    write_pem(key_file, NULL, key);
    write_pem(other_file, y, NULL);
    tls = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(tls, x);
    SSL_CTX_use_PrivateKey(tls, key);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, accept_any);
    X509_free(x);
    X509_free(y);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    return setup(state);
}

static int teardown_tls(void **state)
{
    teardown(state);
    SSL_CTX_free(tls);
    tls = NULL;
    unlink(certificate_file);
    unlink(key_file);
    unlink(other_file);
    rmdir(directory);
    memcpy(directory + strlen(directory) - 6, "XXXXXX", 6);
    return 0;
}

/* The org anew with other TLS options. */
static void reopen(const char *ca, bool client)
{
    struct error e;
    sim_close(&org->sim);
    org->options.outbound_ca = ca;
    org->options.outbound_cert = client ? certificate_file : NULL;
    org->options.outbound_key = client ? key_file : NULL;
    assert_int_equal(sim_open(&org->sim, &org->options, base, &e), ERR_NONE);
    configure("{\"every_change\":true}");
}

static void the_receivers_certificate_is_verified(void **state)
{
    (void)state;
    char id[SFID_SIZE];
    reopen(other_file, false);
    test_record(org, "Account", id, "{\"Name\":\"x\"}");
    while (stat_of("messages", "failed") == 0)
        event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(seen.count, 0);
    reopen(certificate_file, false);
    test_record(org, "Account", id, "{\"Name\":\"x\"}");
    drain();
    assert_int_equal(seen.count, 1);
    assert_false(seen.client_certificate);
    reopen(certificate_file, true);
    test_record(org, "Account", id, "{\"Name\":\"x\"}");
    drain();
    assert_int_equal(seen.count, 2);
    assert_true(seen.client_certificate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_receivers_certificate_is_verified, setup_tls,
                                        teardown_tls),
    };
    return run_group("outbound TLS", tests, sizeof tests / sizeof tests[0]);
}
