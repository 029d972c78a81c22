/*
 * proxy_protocol - a strict, incremental, bounded reader of the header that a TCP proxy sends first
 *
 * Pure: bytes in, an address out. It tells how many bytes belong to the header and takes no more,
 * since what follows is the client's own (TLS).
 *
 *      proxy_parse ─▶ PROXY_MORE  all bytes were taken, more are needed
 *                  ─▶ PROXY_DONE  *used bytes were taken; proxy_source says who the client is
 *                  ─▶ PROXY_BAD   proxy_problem says why; the connection must be closed
 *
 * Version 1 is one line of at most 107 bytes: "PROXY TCP4|TCP6 SOURCE DESTINATION PORT PORT", or
 * "PROXY UNKNOWN …". Version 2 is binary: a signature, 16 bytes in all, then addresses and TLVs of
 * at most PROXY_TLV_MAX bytes together, of which only the source is looked at. A proxy that speaks
 * for itself (LOCAL: its health checks) or does not know (UNKNOWN, UNSPEC, a unix socket) gives no
 * source. Datagrams are refused.
 * Source:    https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt, sections 2.1 and 2.2.
 *
 * Threads:   one owner.
 * Ownership: nothing is kept but copies.
 */
#ifndef TP_PROXY_PROTOCOL_H
#define TP_PROXY_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum {
    PROXY_LINE_MAX = 107,    /* CRLF included */
    PROXY_TLV_MAX = 4096,    /* ours; the protocol's is 65535, senders keep to some hundred */
    PROXY_KEPT_MAX = 16 + 36 /* of version 2: its fixed part and two IPv6 addresses with ports */
};

enum proxy_event { PROXY_MORE, PROXY_DONE, PROXY_BAD };

struct proxy_reader {
    unsigned state; /* of proxy_protocol.c */
    size_t n;       /* bytes kept */
    size_t left;    /* of version 2, after the fixed part */
    const char *problem;
    bool has_source;
    struct sockaddr_storage source;
    char bytes[PROXY_LINE_MAX + 1];
};

void proxy_reader_init(struct proxy_reader *r);
/* Takes *used ≤ n bytes. After PROXY_DONE or PROXY_BAD it must not be called again. */
enum proxy_event proxy_parse(struct proxy_reader *r, const char *bytes, size_t n, size_t *used);
/* After PROXY_DONE: the client's address and port, or NULL where the proxy does not say. */
const struct sockaddr *proxy_source(const struct proxy_reader *r);
const char *proxy_problem(const struct proxy_reader *r); /* after PROXY_BAD; static */

#endif
