/*
 * A hash table of the addresses that have connections open. Its hash is seeded, so that a peer
 * with a large network can't aim at one bucket. Places are freed with their last connection, hence
 * the table is never larger than the number of connections.
 */
#include "limits.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <netinet/in.h>

#include "mem.h"
#include "timeutil.h"

enum { KEY_SIZE = 16, BUCKETS = 1024, PACES = 4096, BURST_S = 5 };

struct limits_place {
    unsigned char key[KEY_SIZE];
    bool has_address;
    unsigned connections;  /* guarded by the table's lock */
    _Atomic uint64_t held; /* bytes */
    size_t bucket;
    struct limits_place *next;
};

struct limits {
    unsigned max_connections, max_connections_per_address; /* guarded by lock, with the next */
    unsigned max_new_per_address;
    int64_t next_us[PACES]; /* when the next one would come at the pace that is allowed */
    _Atomic uint64_t max_bytes, max_bytes_per_address;
    _Atomic uint64_t held;
    uint64_t seed;
    pthread_mutex_t lock;
    unsigned open, peak;                   /* guarded by lock */
    unsigned leaving;                      /* of open: promised; guarded by lock */
    struct limits_place *buckets[BUCKETS]; /* guarded by lock */
};

struct limits *limits_new(const struct limits_options *o)
{
    struct limits *l = mem_alloc(sizeof *l);
    if (getrandom(&l->seed, sizeof l->seed, 0) != (ssize_t)sizeof l->seed)
        l->seed = (uint64_t)time_boot_ms(); /* interrupted: less random, still not predictable */
    pthread_mutex_init(&l->lock, NULL);
    limits_resize(l, o);
    return l;
}

void limits_resize(struct limits *l, const struct limits_options *o)
{
    pthread_mutex_lock(&l->lock);
    l->max_connections = o->max_connections;
    l->max_connections_per_address = o->max_connections_per_address;
    l->max_new_per_address = o->max_new_per_address;
    pthread_mutex_unlock(&l->lock);
    atomic_store(&l->max_bytes, o->max_bytes);
    atomic_store(&l->max_bytes_per_address, o->max_bytes_per_address);
}

void limits_free(struct limits **l)
{
    if (*l == NULL)
        return;
    pthread_mutex_destroy(&(*l)->lock);
    free(*l);
    *l = NULL;
}

/* IPv4 as an IPv4-mapped key; IPv6 its first 64 bits. False for sockets without an address. */
static bool key_of(const struct sockaddr *peer, unsigned char key[KEY_SIZE])
{
    memset(key, 0, KEY_SIZE);
    if (peer->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, peer, sizeof in);
        key[10] = key[11] = 0xff;
        memcpy(key + 12, &in.sin_addr, 4);
        return true;
    }
    if (peer->sa_family != AF_INET6)
        return false;
    struct sockaddr_in6 in6;
    memcpy(&in6, peer, sizeof in6);
    memcpy(key, &in6.sin6_addr, IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr) ? KEY_SIZE : KEY_SIZE / 2);
    return true;
}

static uint64_t hash_of(const struct limits *l, const unsigned char key[KEY_SIZE])
{
    uint64_t h = l->seed ^ 14695981039346656037u;
    for (size_t i = 0; i < KEY_SIZE; i++) {
        h = (h ^ key[i]) * 1099511628211u;
        h ^= h >> 29;
    }
    return h;
}

static struct limits_place *find(const struct limits *l, const unsigned char key[KEY_SIZE],
                                 bool has_address)
{
    struct limits_place *p = l->buckets[hash_of(l, key) % BUCKETS];
    while (p != NULL && (p->has_address != has_address || memcmp(p->key, key, KEY_SIZE) != 0))
        p = p->next;
    return p;
}

static struct limits_place *make_place(struct limits *l, const unsigned char key[KEY_SIZE],
                                       bool has_address)
{
    size_t bucket = (size_t)(hash_of(l, key) % BUCKETS);
    struct limits_place *p = mem_alloc(sizeof *p);
    memcpy(p->key, key, KEY_SIZE);
    p->has_address = has_address;
    p->bucket = bucket;
    p->next = l->buckets[bucket];
    l->buckets[bucket] = p;
    return p;
}

/* The generic cell rate algorithm (ITU-T I.371): one time a place says how far ahead of its pace an
 * address is; *next is that time once one more has come. Under the lock. */
static bool keeps_pace(const struct limits *l, int64_t before_us, int64_t now_ms, int64_t *next)
{
    *next = before_us;
    if (l->max_new_per_address == 0)
        return true;
    int64_t now = now_ms * 1000, one = 1000000 / (int64_t)l->max_new_per_address;
    int64_t due = before_us > now ? before_us : now;
    if (due - now > one * (int64_t)l->max_new_per_address * BURST_S - one)
        return false;
    *next = due + one;
    return true;
}

/* Counts one connection for the address, if its bounds allow. Under the lock. */
static enum limits_verdict take(struct limits *l, const struct sockaddr *peer, int64_t now_ms,
                                bool is_full, struct limits_place **place)
{
    unsigned char key[KEY_SIZE];
    bool has_address = key_of(peer, key);
    int64_t *pace = &l->next_us[hash_of(l, key) / BUCKETS % PACES], next = *pace;
    if (has_address && !keeps_pace(l, *pace, now_ms, &next))
        return LIMITS_ADDRESS_FAST;
    struct limits_place *p = find(l, key, has_address);
    bool is_address_full =
        has_address && p != NULL && p->connections >= l->max_connections_per_address;
    if (is_full && !is_address_full)
        return LIMITS_FULL;
    *pace = next;
    if (is_address_full)
        return LIMITS_ADDRESS_FULL;
    if (p == NULL)
        p = make_place(l, key, has_address);
    p->connections++;
    *place = p;
    return LIMITS_OK;
}

static void unlink_place(struct limits *l, struct limits_place *p)
{
    struct limits_place **at = &l->buckets[p->bucket];
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
}

/* Gives the place if nobody is left there: to be freed. Under the lock. */
static struct limits_place *give_up(struct limits *l, struct limits_place *p)
{
    if (--p->connections > 0)
        return NULL;
    unlink_place(l, p);
    return p;
}

enum limits_verdict limits_enter(struct limits *l, const struct sockaddr *peer, int64_t now_ms,
                                 struct limits_place **place)
{
    pthread_mutex_lock(&l->lock);
    enum limits_verdict verdict =
        take(l, peer, now_ms, l->open - l->leaving >= l->max_connections, place);
    l->open += verdict == LIMITS_OK;
    l->peak = l->open > l->peak ? l->open : l->peak;
    pthread_mutex_unlock(&l->lock);
    return verdict;
}

enum limits_verdict limits_move(struct limits *l, const struct sockaddr *peer, int64_t now_ms,
                                struct limits_place **place)
{
    struct limits_place *left = *place, *gone = NULL;
    pthread_mutex_lock(&l->lock);
    enum limits_verdict verdict = take(l, peer, now_ms, false, place);
    if (verdict == LIMITS_OK)
        gone = give_up(l, left);
    pthread_mutex_unlock(&l->lock);
    free(gone);
    return verdict;
}

bool limits_promise(struct limits *l)
{
    pthread_mutex_lock(&l->lock);
    bool may = l->leaving < LIMITS_LEAVING_MAX;
    l->leaving += may;
    pthread_mutex_unlock(&l->lock);
    return may;
}

void limits_leave(struct limits *l, struct limits_place **place, bool was_promised)
{
    struct limits_place *p = *place;
    if (p == NULL)
        return;
    *place = NULL;
    pthread_mutex_lock(&l->lock);
    l->open--;
    l->leaving -= was_promised;
    p = give_up(l, p);
    pthread_mutex_unlock(&l->lock);
    free(p);
}

unsigned limits_take_peak(struct limits *l)
{
    pthread_mutex_lock(&l->lock);
    unsigned peak = l->peak;
    l->peak = l->open;
    pthread_mutex_unlock(&l->lock);
    return peak;
}

unsigned limits_open(struct limits *l)
{
    pthread_mutex_lock(&l->lock);
    unsigned open = l->open;
    pthread_mutex_unlock(&l->lock);
    return open;
}

/* Adds n unless that passes max; never counts it even for a moment if so, which would turn others
 * away. */
static bool add_within(_Atomic uint64_t *held, uint64_t n, uint64_t max)
{
    uint64_t before = atomic_load_explicit(held, memory_order_relaxed);
    do {
        if (before > max || n > max - before)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(held, &before, before + n, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

bool limits_hold(struct limits *l, struct limits_place *place, uint64_t n)
{
    uint64_t max = atomic_load_explicit(&l->max_bytes, memory_order_relaxed);
    if (!add_within(&l->held, n, max))
        return false;
    if (place->has_address)
        max = atomic_load_explicit(&l->max_bytes_per_address, memory_order_relaxed);
    if (add_within(&place->held, n, max))
        return true;
    atomic_fetch_sub_explicit(&l->held, n, memory_order_relaxed);
    return false;
}

void limits_let_go(struct limits *l, struct limits_place *place, uint64_t n)
{
    atomic_fetch_sub_explicit(&l->held, n, memory_order_relaxed);
    atomic_fetch_sub_explicit(&place->held, n, memory_order_relaxed);
}
