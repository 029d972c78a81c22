/*
 * options - what the command line asks for
 *
 * Threads:   main only.
 * Ownership: texts belong to argv.
 */
#ifndef TP_OPTIONS_H
#define TP_OPTIONS_H

#include <stdbool.h>

enum { EXIT_WELL = 0, EXIT_FAILED = 1, EXIT_CONFIG = 2 };

struct options {
    const char *config_file;
    bool check;
    const char *export_file, *import_file; /* or NULL; "-": the standard stream */
};

enum options_verdict {
    OPTIONS_RUN,
    OPTIONS_DONE, /* --help or --version was answered: exit 0 */
    OPTIONS_WRONG /* the usage was printed to standard error: exit 2 */
};

enum options_verdict options_parse(struct options *o, int argc, char **argv);

#endif
