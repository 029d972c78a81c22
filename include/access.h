/*
 * access - the networks that may connect: listen.allow and Salesforce's ip-ranges.json together
 *
 * An immutable list, made from the configuration and the file as they are now; a reload makes
 * another. With neither, everybody may connect. A file that names no network is refused, since an
 * empty list would let everybody in.
 *
 * The file (https://ip-ranges.salesforce.com/ip-ranges.json) is an object with "prefixes" and, if
 * there are any, "ipv6_prefixes": lists of objects that have "ip_prefix" or "ipv6_prefix", a
 * network or a list of networks. What else stands there (region, provider, syncToken) is not looked
 * at: Salesforce says to allow them all.
 *
 * Ownership: access_list_new gives, access_list_free takes.
 * Threads:   read-only after access_list_new, shared by all.
 * Errors:    ERR_CONFIG names the file and what is wrong with it.
 */
#ifndef TP_ACCESS_H
#define TP_ACCESS_H

#include <stdbool.h>
#include <stddef.h>

#include "cidr.h"
#include "error.h"

struct sockaddr; /* <sys/socket.h> */
struct access_list;

struct access_options {
    const struct cidr *allow; /* borrowed for the call */
    size_t allow_count;
    const char *ip_ranges_file; /* NULL or "": none */
};

MUST_USE enum err access_list_new(struct access_list **out, const struct access_options *o,
                                  struct error *e);
void access_list_free(struct access_list **a);
/* Sockets without an address (unix) are the file system's to guard: allowed. */
bool access_list_allows(const struct access_list *a, const struct sockaddr *peer);
/* Ranges that are left after joining those that overlap; 0: everybody is allowed. */
size_t access_list_count(const struct access_list *a);

#endif
