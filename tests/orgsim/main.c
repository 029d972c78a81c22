/* orgsim: a simulated Salesforce org; see README.md. */
#include <event2/event.h>
#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "mem.h"
#include "options.h"
#include "scenario.h"
#include "server.h"
#include "sim.h"
#include "soap.h"

static void on_signal(evutil_socket_t signal, short what, void *arg)
{
    (void)signal, (void)what;
    event_base_loopbreak(arg);
}

/* Written beside and moved into place, so that a reader never sees half a number. */
static enum err write_port(const char *path, uint16_t port, struct error *e)
{
    char *beside = mem_printf("%s.new", path);
    FILE *f = fopen(beside, "we");
    bool ok = f != NULL && fprintf(f, "%u\n", (unsigned)port) > 0;
    ok = f != NULL && fclose(f) == 0 && ok && rename(beside, path) == 0;
    free(beside);
    return ok ? ERR_NONE : error_errno(e, "cannot write %s", path);
}

static enum err run(const struct sim_options *options, struct event_base *base, struct error *e)
{
    struct sim *sim = NULL;
    struct server *server = NULL;
    struct scenario *scenario = NULL;
    uint16_t port = (uint16_t)options->port;
    struct event *term = evsignal_new(base, SIGTERM, on_signal, base);
    struct event *interrupt = evsignal_new(base, SIGINT, on_signal, base);
    e->kind = ERR_NONE;
    if (sim_open(&sim, options, base, e) != ERR_NONE ||
        (options->scenario != NULL &&
         scenario_open(&scenario, sim, options->scenario, e) != ERR_NONE) ||
        server_start(&server, sim, &port, e) != ERR_NONE)
        goto out;
    snprintf(sim->address, sizeof sim->address, "http://127.0.0.1:%u", (unsigned)port);
    if (options->port_file != NULL && write_port(options->port_file, port, e) != ERR_NONE)
        goto out;
    event_add(term, NULL);
    event_add(interrupt, NULL);
    printf("orgsim: listening on %s\n", sim->address);
    fflush(stdout);
    event_base_dispatch(base);
out:
    server_stop(&server);
    scenario_close(&scenario);
    sim_close(&sim);
    event_free(term);
    event_free(interrupt);
    return e->kind;
}

static void usage(void)
{
    struct buf text;
    buf_init(&text, 16384);
    sim_options_usage(&text);
    fputs(text.data, stdout);
    buf_release(&text);
}

int main(int argc, char **argv)
{
    struct sim_options options;
    struct error e = {.kind = ERR_NONE};
    sim_options_defaults(&options);
    if (sim_options_parse(&options, argc, argv, &e) != ERR_NONE) {
        fprintf(stderr, "orgsim: %s\n", e.text);
        return 2;
    }
    if (options.help) {
        usage();
        return 0;
    }
    signal(SIGPIPE, SIG_IGN);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    soap_global_init();
    struct event_base *base = event_base_new();
    enum err failed =
        base == NULL ? error_set(&e, ERR_INTERNAL, "no event loop") : run(&options, base, &e);
    if (base != NULL)
        event_base_free(base);
    curl_global_cleanup();
    if (failed != ERR_NONE)
        fprintf(stderr, "orgsim: %s\n", e.text);
    return failed == ERR_NONE ? 0 : 1;
}
