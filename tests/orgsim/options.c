/* Each option takes a value, but for --help; numbers say their range. */
#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#ifndef ORGSIM_METADATA /* the Makefile makes it absolute */
#define ORGSIM_METADATA "deploy/salesforce"
#endif

enum option_kind { OPTION_TEXT, OPTION_NUMBER, OPTION_FLAG };

static const struct option {
    const char *name, *argument, *help;
    enum option_kind kind;
    size_t offset;
    const char *text;        /* default */
    int64_t number;          /* default */
    int64_t least, greatest; /* of a number */
} OPTIONS[] = {
#define TEXT(n, field, arg, def, h)                                                                \
    {                                                                                              \
        n, arg, h, OPTION_TEXT, offsetof(struct sim_options, field), def, 0, 0, 0                  \
    }
#define NUMBER(n, field, def, lo, hi, h)                                                           \
    {                                                                                              \
        n, "N", h, OPTION_NUMBER, offsetof(struct sim_options, field), NULL, def, lo, hi           \
    }
    NUMBER("--port", port, 0, 0, 65535, "port on 127.0.0.1; 0 = any free one"),
    TEXT("--port-file", port_file, "FILE", NULL, "write the port there when ready"),
    TEXT("--org-id", org_id, "ID", "00D000000000001", "organisation id"),
    TEXT("--client-id", client_id, "ID", "orgsim", "consumer key of the OAuth app"),
    TEXT("--username", username, "USER", "integration@example.com", "the user OAuth acts as"),
    TEXT("--jwt-cert", jwt_cert, "FILE", NULL, "PEM certificate or public key for JWT"),
    TEXT("--client-secret-file", client_secret_file, "FILE", NULL,
         "secret of the client-credentials grant"),
    NUMBER("--token-ttl-s", token_ttl_s, 7200, 1, 31536000, "life of a token"),
    TEXT("--outbound-url", outbound_url, "URL", NULL, "where outbound messages go"),
    TEXT("--outbound-ca", outbound_ca, "FILE", NULL, "CA of the receiver's certificate"),
    TEXT("--outbound-cert", outbound_cert, "FILE", NULL, "client certificate of the org"),
    TEXT("--outbound-key", outbound_key, "FILE", NULL, "its key"),
    NUMBER("--outbound-senders", outbound_senders, 2, 1, 16, "messages in flight at once"),
    TEXT("--time-zone", time_zone, "ZONE", "Europe/Berlin", "Organization.TimeZoneSidKey"),
    TEXT("--metadata", metadata, "DIR", ORGSIM_METADATA,
         "sfdx project with the org's own objects and messages"),
    TEXT("--scenario", scenario, "FILE", NULL, "control requests to carry out"),
    NUMBER("--retry-base-ms", retry_base_ms, 5000, 1, 86400000, "first pause before a retry"),
    NUMBER("--retry-max-ms", retry_max_ms, 7200000, 1, 86400000, "longest pause"),
    NUMBER("--latency-ms", latency_ms, 0, 0, 600000, "delay of each answer"),
    NUMBER("--api-limit", api_limit, 100000, 1, 1000000000, "API calls in 24 hours"),
    {"--help", "", "this text", OPTION_FLAG, offsetof(struct sim_options, help), NULL, 0, 0, 0},
#undef TEXT
#undef NUMBER
};

enum { OPTION_COUNT = sizeof OPTIONS / sizeof OPTIONS[0] };

static void set_text(struct sim_options *o, const struct option *x, const char *value)
{
    memcpy((char *)o + x->offset, &value, sizeof value);
}

static void set_number(struct sim_options *o, const struct option *x, int64_t value)
{
    memcpy((char *)o + x->offset, &value, sizeof value);
}

void sim_options_defaults(struct sim_options *o)
{
    *o = (struct sim_options){.port = 0};
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (OPTIONS[i].kind == OPTION_TEXT)
            set_text(o, &OPTIONS[i], OPTIONS[i].text);
        else
            set_number(o, &OPTIONS[i], OPTIONS[i].number);
    }
}

static enum err parse_number(struct sim_options *o, const struct option *x, const char *text,
                             struct error *e)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || n < x->least || n > x->greatest)
        return error_set(e, ERR_CONFIG, "%s: \"%s\" is not a number from %lld to %lld", x->name,
                         text, (long long)x->least, (long long)x->greatest);
    set_number(o, x, n);
    return ERR_NONE;
}

static const struct option *find(const char *name)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (strcmp(OPTIONS[i].name, name) == 0)
            return &OPTIONS[i];
    }
    return NULL;
}

enum err sim_options_parse(struct sim_options *o, int argc, char **argv, struct error *e)
{
    for (int i = 1; i < argc; i++) {
        const struct option *x = find(argv[i]);
        if (x == NULL)
            return error_set(e, ERR_CONFIG, "unknown option %s (see --help)", argv[i]);
        if (x->kind == OPTION_FLAG) {
            set_number(o, x, 1);
            continue;
        }
        if (++i == argc)
            return error_set(e, ERR_CONFIG, "%s needs a value", x->name);
        if (x->kind == OPTION_TEXT)
            set_text(o, x, argv[i]);
        else if (parse_number(o, x, argv[i], e) != ERR_NONE)
            return e->kind;
    }
    if ((o->outbound_cert == NULL) != (o->outbound_key == NULL))
        return error_set(e, ERR_CONFIG, "--outbound-cert and --outbound-key go together");
    return ERR_NONE;
}

void sim_options_usage(struct buf *out)
{
    buf_puts(out, "usage: orgsim [options]\nA simulated Salesforce org on 127.0.0.1; see "
                  "tests/orgsim/README.md.\n\n");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *x = &OPTIONS[i];
        buf_printf(out, "  %-21s %-5s %s", x->name, x->argument, x->help);
        if (x->kind == OPTION_NUMBER)
            buf_printf(out, " (%lld)", (long long)x->number);
        else if (x->text != NULL)
            buf_printf(out, " (%s)", x->text);
        buf_putc(out, '\n');
    }
}
