/*
 * parse - CPU time that our reader takes for one message
 *
 *     parse NOTIFICATIONS SECONDS
 *
 * Reads the load generator's own message again and again and prints microseconds of CPU a message
 * as JSON. Subtracted, together with what nginx needs for TLS and HTTP, from our CPU time a
 * message, it leaves what queueing and storing cost.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "message.h"
#include "soap.h"

enum { PER_ROUND = 20 };

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Zero when a message was not understood. */
static double measure(struct soap_reader *reader, struct message *m, double seconds)
{
    double start = cpu_us(), took;
    uint64_t messages = 0;
    do {
        for (int i = 0; i < PER_ROUND; i++) {
            struct soap_message read;
            unsigned line;
            if (soap_read(reader, m->bytes + m->head_len, m->len - m->head_len, &read, &line) !=
                    SOAP_OK ||
                read.count != m->count)
                return 0;
        }
        messages += PER_ROUND;
        took = cpu_us() - start;
    } while (took < seconds * 1e6);
    return took / (double)messages;
}

int main(int argc, char **argv)
{
    size_t count = argc == 3 ? strtoul(argv[1], NULL, 10) : 0;
    if (count < 1 || count > SOAP_NOTIFICATIONS_MAX) {
        fprintf(stderr, "usage: %s NOTIFICATIONS SECONDS\n", argv[0]);
        return 2;
    }
    soap_global_init();
    struct soap_reader *reader = soap_reader_new();
    struct message m;
    message_init(&m, "00D000000000001EAA", "/", count);
    double us = measure(reader, &m, strtod(argv[2], NULL));
    printf("{\"cpu_us\":%.2f,\"body_bytes\":%zu}\n", us, m.len - m.head_len);
    message_release(&m);
    soap_reader_free(&reader);
    return us > 0 ? 0 : 1;
}
