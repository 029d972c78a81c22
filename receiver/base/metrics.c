/*
 * Series live in one array that only grows; a mutex guards finding and making them, atomics the
 * values. Histograms share one set of bounds for seconds and one for sizes, told apart by the
 * metric's name.
 */
#include "metrics.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "mem.h"

enum { SERIES_MAX = 4096, LABELS_MAX = 3, VALUE_MAX = 96, BOUNDS_MAX = 16, HASH_SIZE = 8192 };

enum kind { COUNTER, GAUGE, HISTOGRAM };

struct metric {
    enum kind kind;
    const char *name, *labels, *help;
};

static const struct metric TABLE[METRIC_COUNT] = {
#define X(id, kind, name, labels, help) [id] = {kind, name, labels, help},
    METRICS(X)
#undef X
};

struct metric_series {
    enum metric_id id;
    char value[LABELS_MAX][VALUE_MAX];
    _Atomic uint64_t count; /* counter, or observations of a histogram */
    _Atomic double gauge;   /* gauge, or sum of a histogram */
    _Atomic uint64_t bucket[BOUNDS_MAX];
    struct metric_series *next_in_hash;
};

static const double SECONDS_BOUNDS[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                        0.25,   0.5,   1,      2.5,   5,    10,    30,   120};
static const double SIZE_BOUNDS[] = {1,   2,   4,    8,    16,   32,   64,    100,
                                     200, 400, 1000, 2000, 4000, 8000, 16000, 32000};
_Static_assert(sizeof SECONDS_BOUNDS / sizeof SECONDS_BOUNDS[0] == BOUNDS_MAX,
               "one bound a bucket");
_Static_assert(sizeof SIZE_BOUNDS / sizeof SIZE_BOUNDS[0] == BOUNDS_MAX, "one bound a bucket");

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct metric_series *series[SERIES_MAX]; /* guarded by lock; entries are never freed */
static size_t series_count;
static struct metric_series *hash_table[HASH_SIZE];

static size_t label_count(enum metric_id id)
{
    const char *labels = TABLE[id].labels;
    size_t n = *labels == '\0' ? 0 : 1;
    for (; *labels != '\0'; labels++)
        n += *labels == ',';
    return n;
}

static size_t hash_of(enum metric_id id, const char *const values[LABELS_MAX], size_t n)
{
    uint64_t h = HASH_START ^ (uint64_t)id;
    for (size_t i = 0; i < n; i++)
        h = hash_text(h, values[i]);
    return h % HASH_SIZE;
}

static struct metric_series *find(enum metric_id id, const char *const values[LABELS_MAX], size_t n,
                                  size_t hash)
{
    for (struct metric_series *s = hash_table[hash]; s != NULL; s = s->next_in_hash) {
        bool same = s->id == id;
        for (size_t i = 0; same && i < n; i++)
            same = strncmp(s->value[i], values[i], VALUE_MAX - 1) == 0;
        if (same)
            return s;
    }
    return NULL;
}

static struct metric_series *find_or_make(enum metric_id id, const char *const values[LABELS_MAX],
                                          size_t n)
{
    size_t hash = hash_of(id, values, n);
    struct metric_series *s = find(id, values, n, hash);
    if (s != NULL)
        return s;
    /* the last METRIC_COUNT places are kept for the "other" series of each metric */
    if (series_count >= SERIES_MAX - METRIC_COUNT && n > 0 && strcmp(values[0], "other") != 0) {
        const char *other[LABELS_MAX] = {"other", "other", "other"};
        return find_or_make(id, other, n);
    }
    s = mem_alloc(sizeof *s);
    s->id = id;
    for (size_t i = 0; i < n; i++)
        memcpy(s->value[i], values[i], strnlen(values[i], VALUE_MAX - 1));
    s->next_in_hash = hash_table[hash];
    hash_table[hash] = s;
    series[series_count++] = s;
    return s;
}

struct metric_series *metric_series(enum metric_id id, ...)
{
    const char *values[LABELS_MAX] = {"", "", ""};
    size_t n = label_count(id);
    va_list ap;
    va_start(ap, id);
    for (size_t i = 0; i < n; i++)
        values[i] = va_arg(ap, const char *);
    va_end(ap);
    pthread_mutex_lock(&lock);
    struct metric_series *s = find_or_make(id, values, n);
    pthread_mutex_unlock(&lock);
    return s;
}

void metric_add(struct metric_series *s, uint64_t n)
{
    atomic_fetch_add_explicit(&s->count, n, memory_order_relaxed);
}

uint64_t metric_total(enum metric_id id)
{
    uint64_t sum = 0;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < series_count; i++) {
        if (series[i]->id == id)
            sum += atomic_load_explicit(&series[i]->count, memory_order_relaxed);
    }
    pthread_mutex_unlock(&lock);
    return sum;
}

uint64_t metric_value(const struct metric_series *s)
{
    return atomic_load_explicit(&s->count, memory_order_relaxed);
}

void metric_set(struct metric_series *s, double v)
{
    atomic_store_explicit(&s->gauge, v, memory_order_relaxed);
}

static void gauge_add(struct metric_series *s, double v)
{
    double old = atomic_load_explicit(&s->gauge, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&s->gauge, &old, old + v, memory_order_relaxed,
                                                  memory_order_relaxed)) {
    }
}

void metric_gauge_add(struct metric_series *s, int64_t n)
{
    gauge_add(s, (double)n);
}

static const double *bounds_of(enum metric_id id)
{
    return strstr(TABLE[id].name, "_seconds") != NULL ? SECONDS_BOUNDS : SIZE_BOUNDS;
}

void metric_observe(struct metric_series *s, double v)
{
    const double *bounds = bounds_of(s->id);
    size_t i = 0;
    while (i < BOUNDS_MAX && v > bounds[i])
        i++;
    if (i < BOUNDS_MAX)
        atomic_fetch_add_explicit(&s->bucket[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->count, 1, memory_order_relaxed);
    gauge_add(s, v);
}

/* ------------------------------------------------------------------ the text form */

static void put_label_value(struct buf *out, const char *v)
{
    for (; *v != '\0'; v++) {
        if (*v == '\n')
            buf_puts(out, "\\n");
        else if (*v == '"' || *v == '\\')
            buf_printf(out, "\\%c", *v);
        else
            buf_putc(out, *v);
    }
}

/* {a="x",b="y",le="0.1"}; extra is the le value or NULL */
static void put_labels(struct buf *out, const struct metric_series *s, const char *extra)
{
    const char *name = TABLE[s->id].labels;
    size_t n = label_count(s->id);
    if (n == 0 && extra == NULL)
        return;
    buf_putc(out, '{');
    for (size_t i = 0; i < n; i++) {
        size_t len = strcspn(name, ",");
        if (i > 0)
            buf_putc(out, ',');
        buf_put(out, name, len);
        buf_puts(out, "=\"");
        put_label_value(out, s->value[i]);
        buf_putc(out, '"');
        name += len + 1;
    }
    if (extra != NULL)
        buf_printf(out, "%sle=\"%s\"", n > 0 ? "," : "", extra);
    buf_putc(out, '}');
}

static void put_line(struct buf *out, const struct metric_series *s, const char *suffix,
                     const char *le, double v)
{
    buf_printf(out, "touchpoint_%s%s", TABLE[s->id].name, suffix);
    put_labels(out, s, le);
    buf_printf(out, " %.17g\n", v);
}

static void put_histogram(struct buf *out, const struct metric_series *s)
{
    const double *bounds = bounds_of(s->id);
    uint64_t total = metric_value(s), below = 0;
    for (size_t i = 0; i < BOUNDS_MAX; i++) {
        struct buf le;
        buf_init(&le, 32);
        buf_printf(&le, "%g", bounds[i]);
        below += atomic_load_explicit(&s->bucket[i], memory_order_relaxed);
        put_line(out, s, "_bucket", le.data, (double)below);
        buf_release(&le);
    }
    put_line(out, s, "_bucket", "+Inf", (double)(total > below ? total : below));
    put_line(out, s, "_sum", NULL, atomic_load_explicit(&s->gauge, memory_order_relaxed));
    put_line(out, s, "_count", NULL, (double)(total > below ? total : below));
}

static void put_series(struct buf *out, const struct metric_series *s)
{
    switch (TABLE[s->id].kind) {
    case COUNTER:
        put_line(out, s, "", NULL, (double)metric_value(s));
        break;
    case GAUGE:
        put_line(out, s, "", NULL, atomic_load_explicit(&s->gauge, memory_order_relaxed));
        break;
    case HISTOGRAM:
        put_histogram(out, s);
        break;
    }
}

void metrics_write(struct buf *out)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    pthread_mutex_lock(&lock);
    for (size_t id = 0; id < METRIC_COUNT; id++) {
        buf_printf(out, "# HELP touchpoint_%s %s\n# TYPE touchpoint_%s %s\n", TABLE[id].name,
                   TABLE[id].help, TABLE[id].name, types[TABLE[id].kind]);
        for (size_t i = 0; i < series_count; i++) {
            if (series[i]->id == (enum metric_id)id)
                put_series(out, series[i]);
        }
    }
    pthread_mutex_unlock(&lock);
}
