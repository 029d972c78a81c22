/*
 * A fault keeps its own specification as JSON for showing, and counts what it saw. Faults of
 * requests, rows and bulk jobs share the list and the counting; each sees only its own.
 */
#include "faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

struct fault {
    int64_t id;
    enum fault_kind kind;
    json_t *spec;                       /* whole, owned */
    const char *operation, *path, *row; /* into spec; NULL matches all */
    int64_t after, count;
    double probability;
    uint64_t seen, fired;
};

struct faults {
    struct fault *list;
    size_t count;
    int64_t last_id;
    uint64_t fired;
    uint64_t dice;
};

static const char *const KIND_NAMES[] = {
#define X(id, name) name,
    FAULT_KINDS(X)
#undef X
};

struct faults *faults_new(void)
{
    struct faults *f = mem_alloc(sizeof *f);
    f->dice = 88172645463325252u;
    return f;
}

void faults_free(struct faults **f)
{
    if (*f == NULL)
        return;
    faults_remove(*f, 0);
    free((*f)->list);
    free(*f);
    *f = NULL;
}

static enum fault_kind kind_of(const char *name)
{
    for (size_t i = 0; name != NULL && i < FAULT_NONE; i++) {
        if (strcmp(KIND_NAMES[i], name) == 0)
            return (enum fault_kind)i;
    }
    return FAULT_NONE;
}

static int64_t whole(const json_t *object, const char *name, int64_t otherwise)
{
    const json_t *n = json_object_get(object, name);
    return json_is_integer(n) ? json_integer_value(n) : otherwise;
}

static const char *pattern(const json_t *match, const char *name)
{
    const char *s = json_string_value(json_object_get(match, name));
    return s == NULL || strcmp(s, "*") == 0 ? NULL : s;
}

/* A status that HTTP has; true for kinds without one. */
static bool status_is_usable(enum fault_kind kind, const json_t *value)
{
    if (kind != FAULT_STATUS && kind != FAULT_HTML)
        return true;
    const json_t *status = json_is_object(value) ? json_object_get(value, "status") : value;
    return status == NULL || (json_is_integer(status) && json_integer_value(status) >= 200 &&
                              json_integer_value(status) <= 599);
}

int64_t faults_add(struct faults *f, const json_t *spec, char *why, size_t why_size)
{
    enum fault_kind kind = kind_of(json_string_value(json_object_get(spec, "kind")));
    if (kind == FAULT_NONE) {
        snprintf(why, why_size, "kind is missing or unknown; see README.md for the list");
        return 0;
    }
    if (!status_is_usable(kind, json_object_get(spec, "value"))) {
        snprintf(why, why_size, "value: a status from 200 to 599");
        return 0;
    }
    json_t *copy = json_deep_copy(spec);
    const json_t *match = json_object_get(copy, "match");
    const json_t *probability = json_object_get(match, "probability");
    struct fault one = {
        .id = ++f->last_id,
        .kind = kind,
        .spec = copy,
        .operation = pattern(match, "operation"),
        .path = pattern(match, "path"),
        .row = pattern(match, "row"),
        .after = whole(match, "after", 0),
        .count = whole(match, "count", 1),
        .probability = json_is_number(probability) ? json_number_value(probability) : 1.0,
    };
    f->list = mem_resize(f->list, f->count + 1, sizeof *f->list);
    f->list[f->count++] = one;
    return one.id;
}

void faults_remove(struct faults *f, int64_t id)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->count; i++) {
        if (id == 0 || f->list[i].id == id)
            json_decref(f->list[i].spec);
        else
            f->list[kept++] = f->list[i];
    }
    f->count = kept;
}

json_t *faults_json(const struct faults *f)
{
    json_t *out = json_array();
    for (size_t i = 0; i < f->count; i++) {
        json_t *one = json_deep_copy(f->list[i].spec);
        json_object_set_new(one, "id", json_integer(f->list[i].id));
        json_object_set_new(one, "seen", json_integer((json_int_t)f->list[i].seen));
        json_object_set_new(one, "fired", json_integer((json_int_t)f->list[i].fired));
        json_array_append_new(out, one);
    }
    return json_pack("{s:o}", "faults", out);
}

uint64_t faults_fired(const struct faults *f)
{
    return f->fired;
}

void faults_reset_count(struct faults *f)
{
    f->fired = 0;
}

/* xorshift: 0 ≤ x < 1 */
static double roll(struct faults *f)
{
    f->dice ^= f->dice << 13;
    f->dice ^= f->dice >> 7;
    f->dice ^= f->dice << 17;
    return (double)(f->dice >> 11) / 9007199254740992.0;
}

static bool is_row_kind(enum fault_kind kind)
{
    return kind == FAULT_ROW_ERROR || kind == FAULT_LOCK;
}

static bool is_job_kind(enum fault_kind kind)
{
    return kind >= FAULT_BULK_DELAY;
}

static bool fits(const struct fault *x, const char *operation, const char *target)
{
    bool oauth = strcmp(operation, "token") == 0 || strcmp(operation, "userinfo") == 0 ||
                 strcmp(operation, "identity") == 0;
    if (x->operation == NULL && x->kind == FAULT_EXPIRE_TOKEN && oauth)
        return false;
    if (x->kind == FAULT_OAUTH && strcmp(operation, "token") != 0)
        return false;
    return (x->operation == NULL || strcmp(x->operation, operation) == 0) &&
           (x->path == NULL || strstr(target, x->path) != NULL);
}

static struct fault_hit fire(struct faults *f, struct fault *x)
{
    x->seen++;
    bool due = (int64_t)x->seen > x->after && (x->count < 0 || (int64_t)x->fired < x->count);
    if (!due || roll(f) >= x->probability)
        return (struct fault_hit){.kind = FAULT_NONE};
    x->fired++;
    f->fired++;
    return (struct fault_hit){x->kind, json_incref(json_object_get(x->spec, "value"))};
}

struct fault_hit faults_pick(struct faults *f, const char *operation, const char *target)
{
    for (size_t i = 0; i < f->count; i++) {
        struct fault *x = &f->list[i];
        if (is_row_kind(x->kind) || is_job_kind(x->kind) || !fits(x, operation, target))
            continue;
        struct fault_hit hit = fire(f, x);
        if (hit.kind != FAULT_NONE)
            return hit;
    }
    return (struct fault_hit){.kind = FAULT_NONE};
}

struct fault_hit faults_pick_row(struct faults *f, const char *operation, const char *target,
                                 const char *key, const char *id)
{
    for (size_t i = 0; i < f->count; i++) {
        struct fault *x = &f->list[i];
        if (!is_row_kind(x->kind) || !fits(x, operation, target))
            continue;
        if (x->row != NULL && strstr(key, x->row) == NULL && strstr(id, x->row) == NULL)
            continue;
        struct fault_hit hit = fire(f, x);
        if (hit.kind != FAULT_NONE)
            return hit;
    }
    return (struct fault_hit){.kind = FAULT_NONE};
}

struct fault_hit faults_pick_job(struct faults *f, enum fault_kind kind, const char *operation,
                                 const char *target)
{
    for (size_t i = 0; i < f->count; i++) {
        struct fault *x = &f->list[i];
        if (x->kind != kind || !fits(x, operation, target))
            continue;
        struct fault_hit hit = fire(f, x);
        if (hit.kind != FAULT_NONE)
            return hit;
    }
    return (struct fault_hit){.kind = FAULT_NONE};
}

void fault_hit_release(struct fault_hit *h)
{
    json_decref(h->value);
    *h = (struct fault_hit){.kind = FAULT_NONE};
}

int64_t fault_number(const struct fault_hit *h, int64_t otherwise)
{
    return json_is_integer(h->value) ? json_integer_value(h->value) : otherwise;
}
