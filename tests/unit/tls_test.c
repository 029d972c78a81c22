#define _GNU_SOURCE
/*
 * tls: certificate files and their faults. Certificates are made by the test. Hermetic.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/pem.h>

#include "net_help.h"
#include "timeutil.h"
#include "tls.h"
#include "tls_fixture.h"

enum { DAY_MS = 86400000 };

static const char *host; /* that clients call, or NULL */

static enum err load(struct tls_server **out, const char *certificate, const char *key,
                     struct error *e)
{
    const char *certificates[] = {certificate}, *keys[] = {key};
    return tls_server_new(out,
                          &(struct tls_server_options){
                              .certificates = certificates, .keys = keys, .count = 1, .name = host},
                          e);
}

/* ------------------------------------------------------------------ files */

static void every_bad_file_is_named(void **state)
{
    (void)state;
    net_write_file(at("text"), "no PEM at all\n");
    net_write_file(at("locked.key"), ""); /* filled below */
    FILE *f = fopen(at("locked.key"), "w");
    assert_non_null(f);
    char secret[] = "secret";
    assert_int_equal(PEM_write_PrivateKey(f, pki.ec.key, EVP_aes_128_cbc(), (unsigned char *)secret,
                                          6, NULL, NULL),
                     1);
    fclose(f);
    f = fopen(at("damaged.pem"), "w");
    assert_non_null(f);
    PEM_write_X509(f, pki.ec.certificate);
    fputs("-----BEGIN CERTIFICATE-----\nMIIBAAAA\n-----END CERTIFICATE-----\n", f);
    fclose(f);
    static const struct {
        const char *certificate, *key, *want;
    } rows[] = {
        {"absent.pem", "ec.key", "absent.pem"},   {"text", "ec.key", "text"},
        {"ec.pem", "absent.key", "absent.key"},   {"ec.pem", "text", "text"},
        {"ec.pem", "ec.pem", "ec.pem"},           {"ec.key", "ec.key", "ec.key"},
        {"ec.pem", "rsa.key", "rsa.key"},         {"ec.pem", "rsa.key", "ec.pem"},
        {"ec.pem", "ca.key", "ca.key"},           {"ec.pem", "locked.key", "locked.key"},
        {"damaged.pem", "ec.key", "damaged.pem"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tls_server *t = NULL;
        struct error e = {0};
        enum err got = load(&t, at(rows[i].certificate), at(rows[i].key), &e);
        if (got != ERR_CONFIG || t != NULL || strstr(e.text, rows[i].want) == NULL)
            fail_msg("%s with %s: %s: %s", rows[i].certificate, rows[i].key, err_name(got), e.text);
        assert_null(strstr(e.text, "secret"));
    }
}

static void two_certificates_of_one_kind_are_refused(void **state)
{
    (void)state;
    const char *certificates[] = {at("ec-chain.pem"), at("ec.pem")};
    const char *keys[] = {at("ec.key"), at("ec.key")};
    struct tls_server *t = NULL;
    struct error e = {0};
    assert_int_equal(tls_server_new(&t,
                                    &(struct tls_server_options){
                                        .certificates = certificates, .keys = keys, .count = 2},
                                    &e),
                     ERR_CONFIG);
    assert_non_null(strstr(e.text, "ec.pem"));
    assert_int_equal(tls_server_new(&t, &(struct tls_server_options){0}, &e), ERR_CONFIG);
}

/* Runs load with standard error in a file. */
static void load_and_read_log(const char *certificate, const char *key, char *out, size_t size)
{
    struct tls_server *t = NULL;
    struct error e = {0};
    int saved = dup(STDERR_FILENO);
    int fd = open(at("log"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(saved >= 0 && fd >= 0);
    dup2(fd, STDERR_FILENO);
    enum err got = load(&t, certificate, key, &e);
    dup2(saved, STDERR_FILENO);
    close(saved);
    ssize_t n = pread(fd, out, size - 1, 0);
    close(fd);
    assert_int_equal(got, ERR_NONE);
    assert_true(n >= 0);
    out[n] = '\0';
    tls_server_free(&t);
    assert_null(t);
}

/* What the system trusts, as OpenSSL looks it up: a file of the test's own. */
static void trust(const char *name)
{
    assert_int_equal(setenv("SSL_CERT_FILE", at(name), 1), 0);
    assert_int_equal(setenv("SSL_CERT_DIR", at("no-such-directory"), 1), 0);
}

static struct net_certificate low, stranger; /* an authority below mid; another's */

static void what_clients_would_stumble_over_is_warned_about(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const struct net_certificate *issuer;   /* NULL: self-signed */
        const struct net_certificate *after[3]; /* in the file, after it */
        const char *trusted;
        int days;
        bool without_san;
        const char *want; /* NULL: nothing is logged */
    } rows[] = {
        {"good", &pki.mid, {&pki.mid}, "ca.pem", 90, false, NULL},
        {"with all up to its root", &pki.mid, {&pki.mid, &pki.ca}, "none.pem", 90, false, NULL},
        {"self-signed", NULL, {NULL}, "none.pem", 90, false, NULL},
        {"chain without its link", &pki.mid, {NULL}, "ca.pem", 90, false, "not complete"},
        {"chain with another link", &pki.mid, {&pki.ca}, "ca.pem", 90, false, "not complete"},
        {"chain without its second link", &low, {&low}, "ca.pem", 90, false, "not complete"},
        {"chain of three", &low, {&low, &pki.mid}, "ca.pem", 90, false, NULL},
        {"chain in another order", &low, {&pki.mid, &low}, "ca.pem", 90, false, "not in order"},
        {"with a stranger", &low, {&low, &stranger, &pki.mid}, "ca.pem", 90, false, "not in order"},
        {"link only this system has", &pki.mid, {NULL}, "mid.pem", 90, false, "not complete"},
        {"below a root that is known", &pki.ca, {NULL}, "ca.pem", 90, false, NULL},
        {"below a root that is not known", &pki.ca, {NULL}, "mid.pem", 90, false, "not complete"},
        {"up to an unknown root", &pki.mid, {&pki.mid}, "none.pem", 90, false, "not complete"},
        {"with its root", &pki.ca, {&pki.ca}, "none.pem", 90, false, NULL},
        {"no names", &pki.mid, {&pki.mid}, "ca.pem", 90, true, "alternative name"},
        {"soon", &pki.mid, {&pki.mid}, "ca.pem", 20, false, "days=20"},
        {"expired", &pki.mid, {&pki.mid}, "ca.pem", -2, false, "has expired"},
    };
    net_certificate_make(
        &low, &(struct net_certificate_options){
                  .common_name = "low", .issuer = &pki.mid, .is_authority = true, .days = 90});
    net_certificate_make(&stranger, &(struct net_certificate_options){
                                        .common_name = "s", .is_authority = true, .days = 90});
    write_one("mid", &pki.mid);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct net_certificate c;
        char log[2048];
        net_certificate_make(&c, &(struct net_certificate_options){
                                     .common_name = "a",
                                     .issuer = rows[i].issuer,
                                     .days = rows[i].days,
                                     .without_san = rows[i].without_san,
                                 });
        net_key_write(at("w.key"), &c);
        net_certificates_write(
            at("w.pem"), (const struct net_certificate *[]){&c, rows[i].after[0], rows[i].after[1],
                                                            rows[i].after[2], NULL});
        trust(rows[i].trusted);
        load_and_read_log(at("w.pem"), at("w.key"), log, sizeof log);
        if (rows[i].want == NULL ? log[0] != '\0' : strstr(log, rows[i].want) == NULL)
            fail_msg("%s: logged %s", rows[i].name, log);
        if (rows[i].want != NULL)
            assert_non_null(strstr(log, "w.pem"));
        net_certificate_release(&c);
    }
    net_certificate_release(&low);
    net_certificate_release(&stranger);
    net_certificate_release(&low);
    net_certificate_release(&stranger);
    unsetenv("SSL_CERT_FILE");
    unsetenv("SSL_CERT_DIR");
}

static void a_certificate_for_another_host_is_warned_about(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        bool want;
    } rows[] = {
        {"localhost", true},
        {"LOCALHOST", true},
        {"127.0.0.1", true},
        {"127.0.0.2", false},
        {"receiver.example.org", false},
        {"sub.localhost", false},
        {"", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char log[2048];
        host = rows[i].host;
        load_and_read_log(at("ec-chain.pem"), at("ec.key"), log, sizeof log);
        /* the common name is receiver.example.org, which does not help */
        bool is_warned = strstr(log, "is not for the host of tls.name") != NULL;
        if (is_warned == rows[i].want || (is_warned && strstr(log, rows[i].host) == NULL))
            fail_msg("%s: %s", rows[i].host, log);
    }
    host = NULL;
}

static void names_and_ends_are_told(void **state)
{
    (void)state;
    struct net_certificate nameless;
    net_certificate_make(&nameless, &(struct net_certificate_options){.days = 400, .rsa = true});
    write_one("nameless", &nameless);
    net_certificate_release(&nameless);
    const char *certificates[] = {at("ec-chain.pem"), at("nameless.pem")};
    const char *keys[] = {at("ec.key"), at("nameless.key")};
    struct tls_server *t = NULL;
    struct error e = {0};
    if (tls_server_new(
            &t,
            &(struct tls_server_options){.certificates = certificates, .keys = keys, .count = 2},
            &e) != ERR_NONE)
        fail_msg("%s", e.text);
    const char *name = NULL;
    assert_int_equal(tls_server_certificate_count(t), 2);
    int64_t left = tls_server_expires_at_ms(t, 0, &name) - time_wall_ms();
    assert_string_equal(name, "receiver.example.org");
    assert_true(left > 90LL * DAY_MS && left < 91LL * DAY_MS);
    left = tls_server_expires_at_ms(t, 1, &name) - time_wall_ms();
    assert_non_null(strstr(name, "nameless.pem"));
    assert_true(left > 400LL * DAY_MS && left < 401LL * DAY_MS);
    tls_server_free(&t);
}

static void what_make_dev_makes_can_be_served_and_is_kept(void **state)
{
    (void)state;
    char script[] = "certs/make-dev.sh", out[2048], name[] = "example.org";
    char *dir = net_directory();
    char *argv[] = {script, dir, name, NULL};
    if (net_run(argv, NULL, out, sizeof out) != 0)
        fail_msg("certs/make-dev.sh (run the tests in the project's root): %s", out);
    const char *files[] = {"server", "server-rsa", "client"};
    struct stat before[3], after[3];
    char log[2048];
    for (size_t i = 0; i < 3; i++) {
        char certificate[64], key[64];
        (void)snprintf(certificate, sizeof certificate, "%s.pem", files[i]);
        (void)snprintf(key, sizeof key, "%s.key", files[i]);
        load_and_read_log(net_path(dir, certificate), net_path(dir, key), log, sizeof log);
        if (i < 2)
            assert_string_equal(log, ""); /* complete, named, far from its end */
        assert_int_equal(stat(net_path(dir, key), &before[i]), 0);
        assert_int_equal(before[i].st_mode & 0777, 0600);
    }
    assert_int_equal(net_run(argv, NULL, out, sizeof out), 0);
    for (size_t i = 0; i < 3; i++) {
        char key[64];
        (void)snprintf(key, sizeof key, "%s.key", files[i]);
        assert_int_equal(stat(net_path(dir, key), &after[i]), 0);
        assert_int_equal(before[i].st_ino, after[i].st_ino);
        assert_int_equal(before[i].st_mtim.tv_nsec, after[i].st_mtim.tv_nsec);
    }
    net_directory_remove(&dir);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bad_file_is_named),
        cmocka_unit_test(two_certificates_of_one_kind_are_refused),
        cmocka_unit_test(what_clients_would_stumble_over_is_warned_about),
        cmocka_unit_test(a_certificate_for_another_host_is_warned_about),
        cmocka_unit_test(names_and_ends_are_told),
        cmocka_unit_test(what_make_dev_makes_can_be_served_and_is_kept),
    };
    return cmocka_run_group_tests_name("tls", tests, make_pki, drop_pki);
}
