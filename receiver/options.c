/*
 * The command line: a table of options drives parsing and the usage text.
 */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const struct option LONG_OPTIONS[] = {
    {"config", required_argument, NULL, 'c'},
    {"check", no_argument, NULL, 'k'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static const char USAGE[] =
    "usage: touchpointd --config FILE [--check]\n"
    "\n"
    "Receives Salesforce outbound messages and keeps Buyer Touchpoint records in step with "
    "campaigns.\n"
    "\n"
    "  --config FILE  the configuration (YAML)\n"
    "  --check        validate everything that can be validated offline, say what would be "
    "listened on, and end\n"
    "  --help         this text\n"
    "  --version      the version\n"
    "\n"
    "Runs in the foreground and logs to standard error. SIGTERM stops it after the work in hand.\n"
    "Exit status: 0 well, 1 failed, 2 wrong usage or configuration.\n";

enum options_verdict options_parse(struct options *o, int argc, char **argv)
{
    *o = (struct options){0};
    for (;;) {
        switch (getopt_long(argc, argv, "", LONG_OPTIONS, NULL)) {
        case 'c':
            o->config_file = optarg;
            break;
        case 'k':
            o->check = true;
            break;
        case 'h':
            (void)fputs(USAGE, stdout);
            return OPTIONS_DONE;
        case 'V':
            (void)puts("touchpointd " TP_VERSION);
            return OPTIONS_DONE;
        case -1:
            if (optind == argc && o->config_file != NULL)
                return OPTIONS_RUN;
            (void)fputs(USAGE, stderr);
            return OPTIONS_WRONG;
        default:
            (void)fputs(USAGE, stderr);
            return OPTIONS_WRONG;
        }
    }
}
