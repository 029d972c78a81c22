/*
 * Setters for numbers, words and names. Each says what it saw and what is allowed.
 */
#include "convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "mem.h"
#include "zone.h"

enum { DIGITS_MAX = 15, CHANNEL_BYTES_MAX = 255, CORES_MAX = 256 };

const char *const WORDS_CLIENT_CERTIFICATE[] = {"off", "optional", "required", NULL};
const char *const WORDS_EXPIRED_PINS[] = {"refuse", "accept", NULL};
const char *const WORDS_BOOL[] = {"false", "true", NULL};
const char *const WORDS_LEVEL[] = {"debug", "info", "warn", "error", NULL};
const char *const WORDS_FORMAT[] = {"logfmt", "json", NULL};
const char *const WORDS_PRECEDENCE[] = {"rules", "picklist", NULL};
const char *const WORDS_END_DATE[] = {"exclusive", "inclusive", NULL};
const char *const WORDS_WINDOW[] = {"touchpoint_date", "added_date", NULL};
const char *const WORDS_DEDUPE[] = {"none", "email", NULL};
const char *const WORDS_AUTH[] = {"jwt", "client_credentials", NULL};

enum err loading_refuse(struct loading *l, const char *path, struct error *e, const char *fmt, ...)
{
    char what[ERROR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return source_refuse(l->source, source_line(l->source, path), path, e, "%s", what);
}

void *loading_keep(struct loading *l, void *block)
{
    if (l->block_count == l->block_room) {
        l->block_room = l->block_room == 0 ? 16 : l->block_room * 2;
        l->blocks = mem_resize(l->blocks, l->block_room, sizeof *l->blocks);
    }
    l->blocks[l->block_count++] = block;
    return block;
}

const char *loading_path(struct loading *l, const char *path)
{
    return path[0] == '/' ? path : loading_keep(l, mem_printf("%s/%s", l->dir, path));
}

/* ------------------------------------------------------------------ texts */

enum err set_text_or_none(const struct place *at, const char *text, void *out)
{
    (void)at;
    *(const char **)out = text;
    return ERR_NONE;
}

enum err set_text(const struct place *at, const char *text, void *out)
{
    if (text[0] == '\0')
        return refuse(at, "is empty; allowed is any text");
    return set_text_or_none(at, text, out);
}

enum err set_path_or_none(const struct place *at, const char *text, void *out)
{
    *(const char **)out = text[0] == '\0' ? "" : loading_path(at->loading, text);
    return ERR_NONE;
}

/* ------------------------------------------------------------------ numbers with units */

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit DURATIONS[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000},
                                        {"s", 1000},     {"ms", 1},      {NULL, 0}};
static const struct unit SIZES[] = {
    {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}, {NULL, 0}};
static const struct unit PLAIN[] = {{"", 1}, {NULL, 0}};

/* Digits and one of the units. False for anything else, and past what DIGITS_MAX digits hold. */
static bool parse_number(const char *text, const struct unit *units, int64_t *out)
{
    int64_t n = 0;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > DIGITS_MAX)
        return false;
    for (size_t i = 0; i < digits; i++)
        n = n * 10 + (text[i] - '0');
    for (; units->name != NULL; units++) {
        if (strcmp(text + digits, units->name) == 0)
            return !__builtin_mul_overflow(n, units->factor, out);
    }
    return false;
}

/* In the largest unit that needs no fraction. */
static const char *number_text(int64_t n, const struct unit *units, char out[32])
{
    while (units[1].name != NULL && (n == 0 || n % units->factor != 0))
        units++;
    (void)snprintf(out, 32, "%lld%s", (long long)(n / units->factor), units->name);
    return out;
}

static enum err parse_in_range(const struct place *at, const char *text, const struct unit *units,
                               const char *form, int64_t *out)
{
    char least[32], most[32];
    const struct setting *s = at->setting;
    int64_t n;
    if (parse_number(text, units, &n) && n >= s->least && n <= s->most) {
        *out = n;
        return ERR_NONE;
    }
    return refuse(at, "\"%.60s\" is not; allowed is %s to %s%s", text,
                  number_text(s->least, units, least), number_text(s->most, units, most), form);
}

enum err set_duration(const struct place *at, const char *text, void *out)
{
    return parse_in_range(at, text, DURATIONS, ", written as 500ms, 30s, 15m, 6h or 14d", out);
}

enum err set_size(const struct place *at, const char *text, void *out)
{
    int64_t n;
    enum err err = parse_in_range(at, text, SIZES, ", written as 4MiB, 64KiB or plain bytes", &n);
    if (err == ERR_NONE)
        *(uint64_t *)out = (uint64_t)n;
    return err;
}

enum err set_count(const struct place *at, const char *text, void *out)
{
    int64_t n;
    enum err err = parse_in_range(at, text, PLAIN, ", a whole number", &n);
    if (err == ERR_NONE)
        *(unsigned *)out = (unsigned)n;
    return err;
}

enum err set_threads(const struct place *at, const char *text, void *out)
{
    if (strcmp(text, "auto") == 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        *(unsigned *)out = cores < 1 ? 1 : cores > CORES_MAX ? CORES_MAX : (unsigned)cores;
        return ERR_NONE;
    }
    int64_t n;
    enum err err = parse_in_range(at, text, PLAIN, ", or auto for one a core", &n);
    if (err == ERR_NONE)
        *(unsigned *)out = (unsigned)n;
    return err;
}

/* ------------------------------------------------------------------ words */

static const char *words_text(const char *const *words, char out[ERROR_TEXT_MAX / 4])
{
    struct buf b;
    buf_init(&b, ERROR_TEXT_MAX / 4 - 1);
    for (size_t i = 0; words[i] != NULL; i++)
        buf_printf(&b, "%s%s", i == 0 ? "" : words[i + 1] == NULL ? " or " : ", ", words[i]);
    memcpy(out, b.data, b.len + 1);
    buf_release(&b);
    return out;
}

static enum err parse_word(const struct place *at, const char *text, int *out)
{
    char allowed[ERROR_TEXT_MAX / 4];
    const char *const *words = at->setting->words;
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], text) == 0) {
            *out = i;
            return ERR_NONE;
        }
    }
    return refuse(at, "\"%.60s\" is unknown; allowed is %s", text, words_text(words, allowed));
}

_Static_assert(sizeof(enum log_level) == sizeof(int) && sizeof(enum config_auth) == sizeof(int) &&
                   sizeof(enum config_client_certificate) == sizeof(int),
               "set_choice writes an int");

enum err set_choice(const struct place *at, const char *text, void *out)
{
    int word;
    enum err err = parse_word(at, text, &word);
    if (err == ERR_NONE)
        memcpy(out, &word, sizeof word);
    return err;
}

enum err set_flag(const struct place *at, const char *text, void *out)
{
    int word;
    enum err err = parse_word(at, text, &word);
    if (err == ERR_NONE)
        *(bool *)out = word == 1;
    return err;
}

/* ------------------------------------------------------------------ particular forms */

static bool is_time_of_day(const char *t)
{
    return strlen(t) == 5 && strspn(t, "0123456789") == 2 && t[2] == ':' &&
           strspn(t + 3, "0123456789") == 2 && strncmp(t, "24", 2) < 0 &&
           strncmp(t + 3, "60", 2) < 0;
}

enum err set_reconcile(const struct place *at, const char *text, void *out)
{
    int64_t ms;
    bool is_interval =
        parse_number(text, DURATIONS, &ms) && ms >= at->setting->least && ms <= at->setting->most;
    if (!is_interval && !is_time_of_day(text) && strcmp(text, "off") != 0)
        return refuse(at,
                      "\"%.60s\" is unknown; allowed is a time of day (\"03:30\"), off, or an "
                      "interval of 1s to 30d (6h)",
                      text);
    return set_text_or_none(at, text, out);
}

enum err set_zone(const struct place *at, const char *text, void *out)
{
    struct zone *zone = NULL;
    struct error why = {0};
    if (strcmp(text, "auto") != 0 && zone_open(&zone, text, &why) != ERR_NONE)
        return refuse(at, "%s, or auto for the org's own", why.text);
    zone_close(&zone);
    return set_text_or_none(at, text, out);
}

/* The org stores texts without white space around them, so a name with any would differ on every
 * pass. */
static bool is_channel(const char *text)
{
    size_t n = strlen(text);
    if (n == 0 || n > CHANNEL_BYTES_MAX || text[0] == ' ' || text[n - 1] == ' ')
        return false;
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7F || *c == '.')
            return false;
    }
    return true;
}

enum err set_channel(const struct place *at, const char *text, void *out)
{
    if (!is_channel(text))
        return refuse(at,
                      "\"%.100s\" is not a channel's name; allowed are 1 to %d bytes without "
                      "control characters, blanks around, and '.', since the path joins channel "
                      "and subchannel with it",
                      text, CHANNEL_BYTES_MAX);
    return set_text_or_none(at, text, out);
}

enum err set_org_id(const struct place *at, const char *text, void *out)
{
    char id[SFID_SIZE];
    if (!sfid_normalise(text, strlen(text), id) || !sfid_has_prefix(id, "00D"))
        return refuse(at,
                      "\"%.60s\" is not an organisation's id; allowed are 15 or 18 characters that "
                      "begin with 00D (Setup, Company Information)",
                      text);
    memcpy(out, id, sizeof id);
    return ERR_NONE;
}

enum err set_api_version(const struct place *at, const char *text, void *out)
{
    const struct setting *s = at->setting;
    size_t digits = strspn(text, "0123456789");
    long n = digits < 2 || digits > 3 ? 0 : strtol(text, NULL, 10);
    if (strcmp(text + digits, ".0") != 0 || n < s->least || n > s->most)
        return refuse(at, "\"%.60s\" is not; allowed is \"%lld.0\" or later, as \"64.0\"", text,
                      (long long)s->least);
    return set_text_or_none(at, text, out);
}
