/*
 * touchpointd: options, build bottom-up, run, stop in reverse.
 *
 * All signals are blocked before the first thread starts; main waits for them, a second at a time,
 * and does the chores in between.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "access.h"
#include "log.h"
#include "daemon.h"
#include "mem.h"
#include "options.h"
#include "soap.h"

static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

/* No core dumps and no debuggers, since memory holds tokens and keys: who is not root can't read
 * our memory either, be it the same user. (The sanitizers of test builds want to be debuggers.) As
 * many descriptors as we may have, since each connection is one. */
static void set_limits(void)
{
    struct rlimit files;
#ifndef TP_TEST_BUILD
    (void)prctl(PR_SET_DUMPABLE, 0);
#endif
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

static int next_signal(const sigset_t *set, time_t seconds)
{
    struct timespec wait = {.tv_sec = seconds};
    int number = sigtimedwait(set, NULL, &wait);
    return number < 0 ? 0 : number;
}

static sigset_t stop_signals; /* main's thread only; set before the first thread */

/* A second SIGTERM or SIGINT ends the waiting. */
static bool is_hurried(void)
{
    static bool hurried;
    int number = next_signal(&stop_signals, 0);
    hurried = hurried || number == SIGTERM || number == SIGINT;
    return hurried;
}

static void run_until_told(struct daemon *d)
{
    for (;;) {
        int number = next_signal(&stop_signals, 1);
        if (number == SIGTERM || number == SIGINT)
            return;
        if (number == SIGHUP)
            daemon_reload(d, "SIGHUP");
        reload_turn(d);
        prober_turn(d->now->prober);
        janitor_turn(d);
    }
}

static void tell_who_may_speak(const struct generation *g)
{
    static const char *const client_certificates[] = {
        [CONFIG_CLIENT_OFF] = "not asked for",
        [CONFIG_CLIENT_OPTIONAL] =
            "optional: whoever shows none is let in, but for organisations with pins of their own",
        [CONFIG_CLIENT_REQUIRED] = "required",
    };
    size_t ranges = access_list_count(g->access);
    if (ranges == 0)
        (void)printf("who may connect: everybody");
    else
        (void)printf("who may connect: %zu range%s of addresses", ranges, ranges == 1 ? "" : "s");
    (void)printf("; client certificates: %s\n",
                 client_certificates[g->config->tls.client_certificate]);
}

/* Not the path, which may hold a secret part. */
static int check_only(const struct daemon *d)
{
    const struct config *c = d->now->config;
    if (c->admin.token_file[0] != '\0' && access(c->admin.token_file, F_OK) != 0)
        (void)printf("note: %s:%u: admin.token_file: there is no %s, so the admin API would be "
                     "off; health and metrics would answer\n",
                     c->file, c->admin.line, c->admin.token_file);
    (void)printf("configuration ok: %s\n", c->file);
    (void)printf("would listen on %s (TLS) and on %s (admin), for %zu organisation%s\n",
                 c->listen.address, c->admin.address, c->org_count, c->org_count == 1 ? "" : "s");
    tell_who_may_speak(d->now);
    if (fflush(stdout) == 0)
        return EXIT_WELL;
    (void)fprintf(stderr, "touchpointd: cannot write to standard output: %s\n", strerror(errno));
    return EXIT_FAILED;
}

static int run(struct daemon *d)
{
    struct error e;
    enum err err = daemon_start(d, &e);
    if (err == ERR_NONE) {
        notify_ready();
        run_until_told(d);
        log_info("stopping: finishing the work in hand", NULL);
        notify_stopping();
    } else {
        log_error("cannot start", "error", e.text, NULL);
    }
    daemon_stop(d, is_hurried);
    if (err == ERR_NONE)
        return EXIT_WELL;
    return err == ERR_CONFIG ? EXIT_CONFIG : EXIT_FAILED;
}

static int transfer(const struct options *o)
{
    struct error e;
    enum err err = o->export_file != NULL ? transfer_export(o->config_file, o->export_file, &e)
                                          : transfer_import(o->config_file, o->import_file, &e);
    if (err == ERR_NONE)
        return EXIT_WELL;
    (void)fprintf(stderr, "touchpointd: %s\n", e.text);
    return err == ERR_CONFIG ? EXIT_CONFIG : EXIT_FAILED;
}

int main(int argc, char **argv)
{
    struct options options;
    struct daemon d = {0};
    struct error e;
    int status;

    switch (options_parse(&options, argc, argv)) {
    case OPTIONS_DONE:
        return EXIT_WELL;
    case OPTIONS_WRONG:
        return EXIT_CONFIG;
    case OPTIONS_RUN:
        break;
    }
    mem_set_up();
    set_limits();
    if (options.export_file != NULL || options.import_file != NULL)
        return transfer(&options); /* a signal ends it: nothing is half done */
    block_signals(&stop_signals);
    soap_global_init();
    enum err err = daemon_load(&d, options.config_file, &e);
    if (err != ERR_NONE) {
        (void)fprintf(stderr, "touchpointd: %s\n", e.text);
        status = EXIT_CONFIG;
    } else {
        status = options.check ? check_only(&d) : run(&d);
    }
    daemon_release(&d);
    if (status == EXIT_WELL && !options.check)
        log_info("stopped", NULL);
    return status;
}
