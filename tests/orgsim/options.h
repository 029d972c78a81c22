/*
 * options - the command line, as a table
 *
 * Usage text and parsing come from the same table (options.c).
 */
#ifndef ORGSIM_OPTIONS_H
#define ORGSIM_OPTIONS_H

#include <stdint.h>

#include "buf.h"
#include "error.h"

struct sim_options {
    int64_t port;
    const char *port_file;
    const char *org_id, *client_id, *username;
    const char *jwt_cert, *client_secret_file;
    int64_t token_ttl_s;
    const char *outbound_url, *outbound_ca, *outbound_cert, *outbound_key;
    int64_t outbound_senders;
    const char *time_zone;
    const char *scenario;
    const char *metadata;
    int64_t retry_base_ms, retry_max_ms;
    int64_t latency_ms, api_limit;
    int64_t help;
};

void sim_options_defaults(struct sim_options *o);
/* Texts are borrowed from argv. */
MUST_USE enum err sim_options_parse(struct sim_options *o, int argc, char **argv, struct error *e);
void sim_options_usage(struct buf *out);

#endif
