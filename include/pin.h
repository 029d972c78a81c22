/*
 * pin - a fingerprint that a client certificate must have
 *
 *     sha256//BASE64   of its public key (SubjectPublicKeyInfo, DER): outlives a renewal that keeps
 *                      the key; curl's and HPKP's form
 *     sha256:HEX       of the certificate (DER), with or without colons between the bytes: what
 *                      `openssl x509 -fingerprint -sha256` prints
 * Sources:   RFC 7469 section 2.4; curl's --pinnedpubkey.
 *
 * Threads:   pure.
 */
#ifndef TP_PIN_H
#define TP_PIN_H

enum { PIN_SIZE = 32, PIN_TEXT_MAX = 80 };

enum pin_kind { PIN_KEY, PIN_CERTIFICATE };

struct pin {
    enum pin_kind kind;
    unsigned char sha256[PIN_SIZE];
};

/* NULL if all is well, else what is wrong with text, to be read after it. Static. */
const char *pin_parse(const char *text, struct pin *out);
/* "sha256:…" of a certificate's hash, for logs; gives out. */
const char *pin_certificate_text(const unsigned char sha256[PIN_SIZE], char out[PIN_TEXT_MAX]);

#endif
