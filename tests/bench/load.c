#define _GNU_SOURCE
/*
 * load - posts outbound messages over TLS and says what was acknowledged
 *
 *     load --port 8443 --org 00D… --path /salesforce/outbound --connections 64 --notifications 1
 *          --seconds 3 [--rate 5000] [--threads 2] [--first 0] [--reconnect]
 *
 * Connects, prints "ready", waits for a line on standard input (so that the caller can note the
 * server's CPU time), runs, and prints one line of JSON. `acknowledged` in it lists, as ranges of
 * numbers, the notifications of which the server said that it has them; message_id tells their
 * ids, and the caller can look each of them up. With --seconds 0 the connections are only held
 * open until that line comes.
 *
 * Exit: 0 even if replies were wrong (the JSON says so), 1 when it could not run, 2 usage.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "pump.h"

enum { THREADS_MAX = 16 };

static int compare(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

/* All pumps' numbers in rising order; the caller frees them. */
static struct numbers gather(const struct pump *pumps, unsigned count,
                             const struct numbers *(*which)(const struct pump *))
{
    struct numbers all = {0};
    for (unsigned i = 0; i < count; i++)
        all.cap += which(&pumps[i])->count;
    all.items = mem_array(all.cap + 1, sizeof *all.items);
    for (unsigned i = 0; i < count; i++) {
        const struct numbers *n = which(&pumps[i]);
        if (n->count > 0)
            memcpy(all.items + all.count, n->items, n->count * sizeof *n->items);
        all.count += n->count;
    }
    qsort(all.items, all.count, sizeof *all.items, compare);
    return all;
}

static const struct numbers *latencies(const struct pump *p)
{
    return &p->latency_us;
}

static const struct numbers *acknowledged(const struct pump *p)
{
    return &p->acknowledged_first;
}

static void print_latency(const struct pump *pumps, unsigned count)
{
    struct numbers all = gather(pumps, count, latencies);
    static const struct {
        const char *name;
        double share;
    } wanted[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1.0}};
    printf("\"latency_us\":{");
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        size_t at = (size_t)(wanted[i].share * (double)all.count);
        if (at >= all.count && all.count > 0)
            at = all.count - 1;
        printf("%s\"%s\":%llu", i > 0 ? "," : "", wanted[i].name,
               (unsigned long long)all.items[at]);
    }
    printf("},");
    free(all.items);
}

static void print_acknowledged(const struct pump *pumps, unsigned count, size_t width)
{
    struct numbers all = gather(pumps, count, acknowledged);
    printf("\"acknowledged\":[");
    for (size_t i = 0; i < all.count;) {
        uint64_t first = all.items[i], next = first;
        while (i < all.count && all.items[i] == next) {
            next += width;
            i++;
        }
        printf("%s[%llu,%llu]", first == all.items[0] ? "" : ",", (unsigned long long)first,
               (unsigned long long)(next - 1));
    }
    printf("],");
    free(all.items);
}

static void print_json_text(const char *s)
{
    putchar('"');
    for (; *s != '\0'; s++) {
        unsigned char byte = (unsigned char)*s;
        if (byte < 0x20 || byte > 0x7e || byte == '"' || byte == '\\')
            printf("\\u%04x", byte);
        else
            putchar(byte);
    }
    putchar('"');
}

static void print_result(const struct load_options *o, const struct pump *pumps)
{
    uint64_t sent = 0, in_time = 0, count = 0, refused = 0, failed = 0;
    unsigned open = 0;
    const char *problem = "";
    for (unsigned i = 0; i < o->threads; i++) {
        const struct pump *p = &pumps[i];
        sent += p->sent;
        in_time += p->in_time;
        count += p->acknowledged;
        refused += p->refused;
        failed += p->failed;
        open += p->open;
        if (problem[0] == '\0')
            problem = p->problem;
    }
    printf("{\"seconds\":%.3f,\"open\":%u,\"sent\":%llu,\"messages\":%llu,\"in_time\":%llu,"
           "\"refused\":%llu,\"failed\":%llu,",
           o->seconds, open, (unsigned long long)sent, (unsigned long long)count,
           (unsigned long long)in_time, (unsigned long long)refused, (unsigned long long)failed);
    print_latency(pumps, o->threads);
    print_acknowledged(pumps, o->threads, o->notifications);
    printf("\"problem\":");
    print_json_text(problem);
    printf("}\n");
    fflush(stdout);
}

/* Between the barriers: everything is connected, and nothing is sent yet. */
static void conduct(struct load_shared *s)
{
    pthread_barrier_wait(&s->connected);
    printf("ready\n");
    fflush(stdout);
    while (getchar() != '\n' && !feof(stdin))
        ;
    s->start_ns = now_ns();
    s->end_ns = s->start_ns + (int64_t)(s->options->seconds * 1e9);
    pthread_barrier_wait(&s->started);
}

static int run(const struct load_options *o)
{
    struct load_shared shared = {.options = o, .context = client_context()};
    if (shared.context == NULL)
        return 1;
    atomic_init(&shared.next_number, o->first);
    pthread_barrier_init(&shared.connected, NULL, o->threads + 1);
    pthread_barrier_init(&shared.started, NULL, o->threads + 1);
    struct pump *pumps = mem_array(o->threads, sizeof *pumps);
    for (unsigned i = 0; i < o->threads; i++) {
        unsigned share = o->connections / o->threads + (i < o->connections % o->threads);
        if (!pump_start(&pumps[i], &shared, share))
            exit(1); /* the pumps before it wait at a barrier that nobody will complete */
    }
    conduct(&shared);
    for (unsigned i = 0; i < o->threads; i++)
        pump_join(&pumps[i]);
    print_result(o, pumps);
    for (unsigned i = 0; i < o->threads; i++)
        pump_release(&pumps[i]);
    free(pumps);
    pthread_barrier_destroy(&shared.connected);
    pthread_barrier_destroy(&shared.started);
    SSL_CTX_free(shared.context);
    return 0;
}

/* Each option with its own short letter, so that getopt_long hands out the letter. */
static const struct option OPTIONS[] = {
    {"port", required_argument, NULL, 'p'},
    {"org", required_argument, NULL, 'o'},
    {"path", required_argument, NULL, 'u'},
    {"connections", required_argument, NULL, 'c'},
    {"threads", required_argument, NULL, 't'},
    {"notifications", required_argument, NULL, 'n'},
    {"seconds", required_argument, NULL, 's'},
    {"rate", required_argument, NULL, 'r'},
    {"first", required_argument, NULL, 'f'},
    {"reconnect", no_argument, NULL, 'x'},
    {NULL, 0, NULL, 0},
};

static bool take_option(struct load_options *o, int letter, const char *value)
{
    switch (letter) {
    case 'p':
        o->port = (uint16_t)strtoul(value, NULL, 10);
        return true;
    case 'o':
        o->org = value;
        return true;
    case 'u':
        o->path = value;
        return true;
    case 'c':
        o->connections = (unsigned)strtoul(value, NULL, 10);
        return true;
    case 't':
        o->threads = (unsigned)strtoul(value, NULL, 10);
        return true;
    case 'n':
        o->notifications = strtoul(value, NULL, 10);
        return true;
    case 's':
        o->seconds = strtod(value, NULL);
        return true;
    case 'r':
        o->rate = strtod(value, NULL);
        return true;
    case 'f':
        o->first = strtoull(value, NULL, 10);
        return true;
    case 'x':
        o->reconnect = true;
        return true;
    default:
        return false;
    }
}

int main(int argc, char **argv)
{
    struct load_options o = {.threads = 2, .connections = 64, .notifications = 1, .seconds = 3};
    bool ok = true;
    for (int letter; (letter = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;)
        ok = take_option(&o, letter, optarg) && ok;
    if (!ok || o.port == 0 || o.org == NULL || o.path == NULL || o.threads < 1 ||
        o.threads > THREADS_MAX || o.connections < o.threads || o.notifications < 1 ||
        o.notifications > 100) {
        fprintf(stderr,
                "usage: %s --port N --org ID --path /PATH [--connections N] [--threads N] "
                "[--notifications 1..100]\n"
                "            [--seconds S] [--rate PER_SECOND] [--first N] [--reconnect]\n",
                argv[0]);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN); /* a server that closes is told by write's result */
    return run(&o);
}
