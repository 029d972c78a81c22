/*
 * Counting. Series of what is configured are looked up once; what peers choose (ids of
 * unknown organisations, names of objects that we do nothing with) is kept to a bounded set, so
 * that nobody can fill the metrics table. The sets live as long as the process, as series do: were
 * they a configuration's, each reload would let in as many again, and a value that had a series
 * would go on as "other".
 */
#include "intake_int.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum { LABELS_MAX = 64 };

static struct labels {
    pthread_mutex_t lock;
    char *values[LABELS_MAX];
    size_t count;
} sets[] = {[LABELS_ORGS] = {.lock = PTHREAD_MUTEX_INITIALIZER},
            [LABELS_OBJECTS] = {.lock = PTHREAD_MUTEX_INITIALIZER}};

const char *labels_fold(enum labels_kind kind, const char *value)
{
    struct labels *l = &sets[kind];
    size_t i = 0;
    pthread_mutex_lock(&l->lock);
    while (i < l->count && strcmp(l->values[i], value) != 0)
        i++;
    if (i == l->count && l->count < LABELS_MAX)
        l->values[l->count++] = mem_strdup(value);
    bool known = i < l->count;
    pthread_mutex_unlock(&l->lock);
    return known ? value : "other";
}

/* ------------------------------------------------------------------ organisations */

static void init_org(struct intake_org *org, const struct config_org *config)
{
    org->config = config;
    org->accepted = metric_series(METRIC_MESSAGES_RECEIVED, config->id, "ok");
    org->duplicates = metric_series(METRIC_NOTIFICATIONS_DUPLICATE, config->id);
    for (size_t row = 0; row < OBJECTS_KNOWN; row++)
        org->objects[row] = metric_series(METRIC_NOTIFICATIONS_RECEIVED, config->id,
                                          intake_object_label(row, &config->schema));
}

void intake_orgs_init(struct intake *i)
{
    const struct config *c = i->options.config;
    i->orgs = mem_array(c->org_count, sizeof *i->orgs);
    i->org_count = c->org_count;
    for (size_t k = 0; k < c->org_count; k++)
        init_org(&i->orgs[k], &c->orgs[k]);
}

/* A handful of orgs: a walk is quicker than a hash. */
struct intake_org *intake_org_by_id(const struct intake *i, const char *id)
{
    for (size_t k = 0; k < i->org_count; k++) {
        if (memcmp(i->orgs[k].config->id, id, SFID_LEN) == 0)
            return &i->orgs[k];
    }
    return NULL;
}

void intake_count_stored(struct intake_request *r)
{
    metric_add(r->org->accepted, 1);
    if (r->put.duplicates > 0)
        metric_add(r->org->duplicates, r->put.duplicates);
    for (size_t k = 0, run = 1; k < r->put.count; k++, run++) {
        if (k + 1 == r->put.count || r->series[k + 1] != r->series[k]) {
            metric_add(r->series[k], run);
            run = 0;
        }
    }
}
