/*
 * All networks as ranges, sorted and joined, so that a look-up is a binary search however long the
 * file is: it is done for each connection before anything else.
 */
#include "access.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <jansson.h>

#include "mem.h"

enum { RANGES_MAX = 100000 };

struct access_list {
    struct cidr *ranges; /* sorted, disjoint */
    size_t count, room;
};

static void add(struct access_list *a, const struct cidr *c)
{
    if (a->count == a->room) {
        a->room = a->room == 0 ? 64 : a->room * 2;
        a->ranges = mem_resize(a->ranges, a->room, sizeof *a->ranges);
    }
    a->ranges[a->count++] = *c;
}

/* ------------------------------------------------------------------ the file */

static enum err add_network(struct access_list *a, const json_t *network, const char *file,
                            struct error *e)
{
    struct cidr c;
    const char *text = json_string_value(network);
    const char *problem = text == NULL ? "is no text" : cidr_parse(text, &c);
    if (problem == NULL && a->count >= RANGES_MAX)
        problem = "is one network too many";
    if (problem != NULL)
        return error_set(e, ERR_CONFIG, "%s: %.60s %s: fetch the file again", file,
                         text == NULL ? "a prefix" : text, problem);
    add(a, &c);
    return ERR_NONE;
}

/* A network or a list of networks. */
static enum err add_networks(struct access_list *a, const json_t *value, const char *file,
                             struct error *e)
{
    enum err err = ERR_NONE;
    if (value == NULL)
        return ERR_NONE;
    if (!json_is_array(value))
        return add_network(a, value, file, e);
    for (size_t i = 0; i < json_array_size(value) && err == ERR_NONE; i++)
        err = add_network(a, json_array_get(value, i), file, e);
    return err;
}

static enum err add_entries(struct access_list *a, const json_t *entries, const char *file,
                            struct error *e)
{
    enum err err = ERR_NONE;
    for (size_t i = 0; i < json_array_size(entries) && err == ERR_NONE; i++) {
        const json_t *entry = json_array_get(entries, i);
        err = add_networks(a, json_object_get(entry, "ip_prefix"), file, e);
        if (err == ERR_NONE)
            err = add_networks(a, json_object_get(entry, "ipv6_prefix"), file, e);
    }
    return err;
}

static enum err add_file(struct access_list *a, const char *file, struct error *e)
{
    json_error_t why;
    json_t *root = json_load_file(file, JSON_REJECT_DUPLICATES, &why);
    if (root == NULL)
        return why.line < 0 ? error_set(e, ERR_CONFIG, "%s: %s", file, why.text)
                            : error_set(e, ERR_CONFIG,
                                        "%s:%d: %s: it must be a copy of "
                                        "Salesforce's ip-ranges.json",
                                        file, why.line, why.text);
    size_t before = a->count;
    enum err err = add_entries(a, json_object_get(root, "prefixes"), file, e);
    if (err == ERR_NONE)
        err = add_entries(a, json_object_get(root, "ipv6_prefixes"), file, e);
    if (err == ERR_NONE && a->count == before)
        err = error_set(e, ERR_CONFIG,
                        "%s names no network: it must be a copy of Salesforce's "
                        "ip-ranges.json",
                        file);
    json_decref(root);
    return err;
}

/* ------------------------------------------------------------------ the list */

static int by_first(const void *a, const void *b)
{
    return cidr_compare(&((const struct cidr *)a)->first, &((const struct cidr *)b)->first);
}

static void join(struct access_list *a)
{
    size_t kept = 0;
    if (a->count == 0)
        return;
    qsort(a->ranges, a->count, sizeof *a->ranges, by_first);
    for (size_t i = 1; i < a->count; i++) {
        struct cidr *last = &a->ranges[kept];
        if (!cidr_contains(last, &a->ranges[i].first))
            a->ranges[++kept] = a->ranges[i];
        else if (cidr_compare(&last->last, &a->ranges[i].last) < 0)
            last->last = a->ranges[i].last;
    }
    a->count = kept + 1;
}

enum err access_list_new(struct access_list **out, const struct access_options *o, struct error *e)
{
    struct access_list *a = mem_alloc(sizeof *a);
    enum err err = ERR_NONE;
    for (size_t i = 0; i < o->allow_count; i++)
        add(a, &o->allow[i]);
    if (o->ip_ranges_file != NULL && o->ip_ranges_file[0] != '\0')
        err = add_file(a, o->ip_ranges_file, e);
    join(a);
    if (err == ERR_NONE)
        *out = a;
    else
        access_list_free(&a);
    return err;
}

void access_list_free(struct access_list **a)
{
    if (*a == NULL)
        return;
    free((*a)->ranges);
    free(*a);
    *a = NULL;
}

static int find(const void *key, const void *range)
{
    const struct cidr *r = range;
    if (cidr_compare(key, &r->first) < 0)
        return -1;
    return cidr_compare(key, &r->last) > 0;
}

bool access_list_allows(const struct access_list *a, const struct sockaddr *peer)
{
    struct cidr_address address;
    return a->count == 0 || !cidr_address_of(peer, &address) ||
           bsearch(&address, a->ranges, a->count, sizeof *a->ranges, find) != NULL;
}

size_t access_list_count(const struct access_list *a)
{
    return a->count;
}
