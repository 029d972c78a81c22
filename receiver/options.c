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
    {"export", required_argument, NULL, 'x'},
    {"import", required_argument, NULL, 'i'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static const char USAGE[] =
    "usage: touchpointd --config FILE [--check | --export FILE | --import FILE]\n"
    "\n"
    "Receives Salesforce outbound messages and keeps Buyer Touchpoint records in step with "
    "campaigns.\n"
    "\n"
    "  --config FILE  the configuration (YAML)\n"
    "  --check        validate everything that can be validated offline, say what would be "
    "listened on, and end\n"
    "  --export FILE  write the whole store to FILE (- for standard output), and end; no daemon "
    "may "
    "run\n"
    "  --import FILE  read it into the store of the configuration, which must be empty, and end\n"
    "  --help         this text\n"
    "  --version      the version\n"
    "\n"
    "Runs in the foreground and logs to standard error. SIGTERM stops it after the work in hand.\n"
    "Exit status: 0 well, 1 failed, 2 wrong usage or configuration.\n";

/* At most one thing to do. */
static bool is_whole(const struct options *o)
{
    int tasks = o->check + (o->export_file != NULL) + (o->import_file != NULL);
    return o->config_file != NULL && tasks <= 1;
}

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
        case 'x':
            o->export_file = optarg;
            break;
        case 'i':
            o->import_file = optarg;
            break;
        case 'h':
            (void)fputs(USAGE, stdout);
            return OPTIONS_DONE;
        case 'V':
            (void)puts("touchpointd " TP_VERSION);
            return OPTIONS_DONE;
        case -1:
            if (optind == argc && is_whole(o))
                return OPTIONS_RUN;
            (void)fputs(USAGE, stderr);
            return OPTIONS_WRONG;
        default:
            (void)fputs(USAGE, stderr);
            return OPTIONS_WRONG;
        }
    }
}
