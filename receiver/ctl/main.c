/*
 * touchpointctl: the admin's command. Options before the command; the command's own arguments
 * behind it. A table of commands drives dispatch and usage.
 */
#include "ctl.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#define URL_DEFAULT   "http://127.0.0.1:8444"
#define TOKEN_DEFAULT "/etc/touchpointd/admin.token"

static const struct option LONG_OPTIONS[] = {
    {"url", required_argument, NULL, 'u'},
    {"token-file", required_argument, NULL, 't'},
    {"ca", required_argument, NULL, 'a'},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static void usage(FILE *to)
{
    (void)fputs("usage: touchpointctl [--url URL] [--token-file FILE] [--json] COMMAND …\n\n", to);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        char left[48];
        (void)snprintf(left, sizeof left, "%s%s%s", COMMANDS[i].name,
                       COMMANDS[i].arguments[0] == '\0' ? "" : " ", COMMANDS[i].arguments);
        (void)fprintf(to, "  %s%*s %s\n", left, (int)(32 - text_width(left)), "", COMMANDS[i].help);
    }
    (void)fputs(
        "\n"
        "  --url URL              admin.address of the daemon: http(s)://host:port or "
        "unix:/path (" URL_DEFAULT ")\n"
        "  --token-file FILE      admin.token_file (" TOKEN_DEFAULT ")\n"
        "  --ca FILE              PEM; whom the certificate of an https URL must lead to (the "
        "system's)\n"
        "  --json                 the API's own answer, for programs (also behind the "
        "command)\n"
        "  --help, --version\n"
        "\n"
        "FILTER of messages: --state ready|leased|done|failed, --org, --campaign, --record, "
        "--object,\n  --error CODE, --since and --until (a date, a date-time, or 30m, 6h, 2d "
        "ago), --limit; --ids prints\n  numbers alone, for `replay -`.\n"
        "replay, discard, reconcile, forget: --dry-run counts; --yes does not ask; --wait "
        "waits for the end;\n  --reason TEXT is kept.\n"
        "\n"
        "Exit status: 0 well, 1 failed, 2 wrong usage.\n",
        to);
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0)
            return true;
    }
    return false;
}

/* One command's own help: what it does, and its options, which it knows itself. */
static int help(struct ctl *c, const struct command *k)
{
    char word[] = "--help", *argv[] = {word, NULL};
    (void)printf("usage: touchpointctl %s%s%s\n%s\n", k->name, k->arguments[0] == '\0' ? "" : " ",
                 k->arguments, k->help);
    int status = k->least < 0 ? k->run(c, 1, argv) : CTL_WELL;
    return c->is_helped ? CTL_WELL : status;
}

static int run(struct ctl *c, int argc, char **argv)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const struct command *k = &COMMANDS[i];
        if (strcmp(k->name, argv[0]) != 0)
            continue;
        if (asks_for_help(argc, argv))
            return help(c, k);
        if (k->least < 0 || (argc - 1 >= k->least && (k->most < 0 || argc - 1 <= k->most)))
            return k->run(c, argc - 1, argv + 1);
        (void)fprintf(stderr, "usage: touchpointctl %s %s\n", k->name, k->arguments);
        return CTL_USAGE;
    }
    (void)fprintf(stderr, "touchpointctl: there is no command %s; --help lists them\n", argv[0]);
    return CTL_USAGE;
}

int main(int argc, char **argv)
{
    struct ctl c = {.url = URL_DEFAULT, .token_file = TOKEN_DEFAULT};
    for (int o; (o = getopt_long(argc, argv, "+", LONG_OPTIONS, NULL)) != -1;) {
        switch (o) {
        case 'u':
            c.url = optarg;
            break;
        case 't':
            c.token_file = optarg;
            break;
        case 'a':
            c.ca_file = optarg;
            break;
        case 'j':
            c.json = true;
            break;
        case 'h':
            usage(stdout);
            return CTL_WELL;
        case 'V':
            (void)puts("touchpointctl " TP_VERSION);
            return CTL_WELL;
        default:
            usage(stderr);
            return CTL_USAGE;
        }
    }
    if (optind == argc) {
        usage(stderr);
        return CTL_USAGE;
    }
    int status = run(&c, argc - optind, argv + optind);
    ctl_release(&c);
    if (fflush(stdout) != 0 && status == CTL_WELL)
        status = CTL_FAILED;
    return status;
}
