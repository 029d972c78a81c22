/*
 * Counting and logging. Series of what is configured are looked up once; what peers choose (ids of
 * unknown organisations, names of objects that we do nothing with) is kept to a bounded set, so
 * that nobody can fill the metrics table.
 */
#include "intake_int.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"
#include "timeutil.h"

enum { LOG_PER_SECOND = 10 };

void labels_init(struct labels *l)
{
    *l = (struct labels){.count = 0};
    pthread_mutex_init(&l->lock, NULL);
}

void labels_release(struct labels *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->values[i]);
    l->count = 0;
    pthread_mutex_destroy(&l->lock);
}

const char *labels_fold(struct labels *l, const char *value)
{
    pthread_mutex_lock(&l->lock);
    size_t i = 0;
    while (i < l->count && strcmp(l->values[i], value) != 0)
        i++;
    if (i == l->count && l->count < LABELS_MAX)
        l->values[l->count++] = mem_strdup(value);
    bool known = i < l->count;
    pthread_mutex_unlock(&l->lock);
    return known ? value : "other";
}

void log_gate_init(struct log_gate *g)
{
    *g = (struct log_gate){.second = 0};
    pthread_mutex_init(&g->lock, NULL);
}

void log_gate_release(struct log_gate *g)
{
    pthread_mutex_destroy(&g->lock);
}

/* True if one more may be logged now; *suppressed is how many were not since the last one. */
static bool pass(struct log_gate *g, unsigned *suppressed)
{
    int64_t second = time_boot_ms() / 1000;
    pthread_mutex_lock(&g->lock);
    if (second != g->second) {
        g->second = second;
        g->logged = 0;
    }
    bool passes = g->logged < LOG_PER_SECOND;
    if (passes) {
        g->logged++;
        *suppressed = g->suppressed;
        g->suppressed = 0;
    } else {
        g->suppressed++;
    }
    pthread_mutex_unlock(&g->lock);
    return passes;
}

void log_gate_refusal(struct log_gate *g, const struct listener_peer *peer, const char *org,
                      int status, const char *result, const char *text)
{
    unsigned suppressed = 0;
    if (!pass(g, &suppressed))
        return;
    log_warn("message refused", "status", log_num(status), "result", result, "org", org, "peer",
             peer->address[0] == '\0' ? NULL : peer->address, "reason", text, "suppressed_before",
             suppressed == 0 ? NULL : log_num(suppressed), NULL);
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
