/*
 * Both forms have one length, so each is read strictly: a pin that is cut or has a letter too many
 * would otherwise never match, and nobody would know why.
 */
#include "pin.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum { BASE64_LEN = 44 };

/* 0..63, or -1 */
static int base64_value(char c)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c == '\0' ? NULL : strchr(alphabet, c);
    return at == NULL ? -1 : (int)(at - alphabet);
}

/* 32 bytes are 43 characters and one '='; the last one's two spare bits must be 0. */
static bool parse_key(const char *text, unsigned char out[PIN_SIZE])
{
    unsigned held = 0, bits = 0;
    size_t n = 0;
    if (strlen(text) != BASE64_LEN || text[BASE64_LEN - 1] != '=')
        return false;
    for (size_t i = 0; i < BASE64_LEN - 1; i++) {
        int value = base64_value(text[i]);
        if (value < 0)
            return false;
        held = held << 6 | (unsigned)value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[n++] = (unsigned char)(held >> bits);
            held &= (1u << bits) - 1;
        }
    }
    return held == 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool parse_certificate(const char *text, unsigned char out[PIN_SIZE])
{
    bool colons = strlen(text) == 3 * PIN_SIZE - 1;
    if (!colons && strlen(text) != 2 * PIN_SIZE)
        return false;
    for (size_t i = 0; i < PIN_SIZE; i++) {
        int high = hex_value(text[0]), low = high < 0 ? -1 : hex_value(text[1]);
        if (low < 0)
            return false;
        out[i] = (unsigned char)(high << 4 | low);
        text += 2;
        if (colons && i + 1 < PIN_SIZE && *text++ != ':')
            return false;
    }
    return true;
}

const char *pin_parse(const char *text, struct pin *out)
{
    if (strncmp(text, "sha256//", 8) == 0) {
        out->kind = PIN_KEY;
        return parse_key(text + 8, out->sha256) ? NULL : "is not 32 bytes in base64";
    }
    if (strncmp(text, "sha256:", 7) == 0) {
        out->kind = PIN_CERTIFICATE;
        return parse_certificate(text + 7, out->sha256) ? NULL : "is not 32 bytes in hexadecimal";
    }
    return "is no pin";
}

const char *pin_certificate_text(const unsigned char sha256[PIN_SIZE], char out[PIN_TEXT_MAX])
{
    static const char digits[] = "0123456789abcdef", prefix[] = "sha256:";
    char *at = out + sizeof prefix - 1;
    memcpy(out, prefix, sizeof prefix);
    for (size_t i = 0; i < PIN_SIZE; i++) {
        *at++ = digits[sha256[i] >> 4];
        *at++ = digits[sha256[i] & 15];
    }
    *at = '\0';
    return out;
}
