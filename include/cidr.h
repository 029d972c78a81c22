/*
 * cidr - networks of IPv4 and IPv6 addresses, as "192.0.2.0/24", "2001:db8::/32", or one address
 *
 * IPv4-mapped IPv6 addresses (::ffff:192.0.2.1) and networks of such are IPv4 here, since that is
 * what a socket that takes both gives for an IPv4 peer. So ::/0 is any IPv6 address and no IPv4
 * one.
 * Sources:   RFC 4632 section 3.1; RFC 4291 sections 2.3 and 2.5.5.2.
 *
 * Threads:   pure.
 */
#ifndef TP_CIDR_H
#define TP_CIDR_H

#include <stdbool.h>

struct sockaddr; /* <sys/socket.h> */

enum { CIDR_ADDRESS_SIZE = 17 };

/* Its version (4 or 6), then its bytes in network order and zeros: memcmp orders addresses. */
struct cidr_address {
    unsigned char bytes[CIDR_ADDRESS_SIZE];
};

struct cidr {
    struct cidr_address first, last; /* both belong to it */
};

/* NULL if all is well, else what is wrong with text, to be read after it: "is no …". Static. */
const char *cidr_parse(const char *text, struct cidr *out);
/* False for sockets without an address (unix). */
bool cidr_address_of(const struct sockaddr *peer, struct cidr_address *out);
int cidr_compare(const struct cidr_address *a, const struct cidr_address *b); /* as memcmp */
bool cidr_is_all(const struct cidr *c); /* of its version: a prefix length of 0 */
bool cidr_contains(const struct cidr *c, const struct cidr_address *a);

#endif
