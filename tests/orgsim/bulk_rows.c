/*
 * Working off a load. A slice is one transaction whose rows succeed or fail one by one, through the
 * same functions as a REST request's rows.
 */
#include "bulk_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "records.h"
#include "sobjects.h"

struct parsed {
    char *values[BULK_COLUMNS_MAX]; /* values[0] owns the block; NULL if the row is bad */
    size_t count;
    const char *id, *key; /* among the values, or NULL */
};

struct slice {
    struct bulk *b;
    struct job *job;
    struct writer w;
    struct parsed rows[BULK_CHUNK];
    size_t count;
};

size_t job_chunk_size(const struct job_load *l, size_t chunk)
{
    size_t first = chunk * BULK_CHUNK;
    return l->row_count - first < BULK_CHUNK ? l->row_count - first : BULK_CHUNK;
}

/* ------------------------------------------------------------------ taking a row apart */

static void parse_row(const struct job *j, const struct load_row *row, struct parsed *p)
{
    struct csv_row text = {.at = j->load.data + row->at, .n = row->n};
    *p = (struct parsed){.count = 0};
    if (row->bad)
        return;
    p->count = csv_split(&j->format, &text, p->values, BULK_COLUMNS_MAX);
    for (size_t i = 0; i < p->count && i < j->load.column_count; i++) {
        const struct field *f = j->load.columns[i];
        if (*p->values[i] == '\0')
            continue;
        if (field_index(j->object, f) == FIELD_ID)
            p->id = p->values[i];
        else if (f == j->key)
            p->key = p->values[i];
    }
}

/* A cell as REST would send it: a number where the field wants one and the text is one. */
static json_t *cell_json(const struct field *f, const char *text)
{
    char *end;
    if (strcmp(text, "#N/A") == 0)
        return json_null();
    if (f->type == FIELD_BOOLEAN && (strcmp(text, "1") == 0 || strcmp(text, "0") == 0))
        return json_boolean(*text == '1');
    if (f->type == FIELD_INT || f->type == FIELD_DOUBLE) {
        double d = strtod(text, &end);
        if (*end == '\0')
            return json_real(d);
    }
    return json_string(text);
}

/* The fields to set; empty cells change nothing and are left out. */
static json_t *fields_json(const struct job *j, const struct parsed *p)
{
    json_t *json = json_object();
    for (size_t i = 0; i < j->load.column_count; i++) {
        const char *cell = p->values[i];
        if (*cell != '\0' && cell != p->id && cell != p->key)
            json_object_set_new_nocheck(json, j->load.columns[i]->name,
                                        cell_json(j->load.columns[i], cell));
    }
    return json;
}

/* ------------------------------------------------------------------ one row */

static bool is_repeated(const struct slice *s, size_t row)
{
    for (size_t i = 0; i < s->count; i++) {
        if (i != row && s->rows[i].key != NULL && strcmp(s->rows[i].key, s->rows[row].key) == 0)
            return true;
    }
    return false;
}

static void change(const struct slice *s, const char *text, const json_t *fields,
                   struct row_result *r)
{
    const struct object *o = s->job->object;
    char id[SFID_SIZE];
    if (text == NULL)
        row_fail(r, "MISSING_ARGUMENT", NULL, "Id not specified");
    else if (!sfid_normalise(text, strlen(text), id) || !sfid_has_prefix(id, o->prefix))
        row_fail(r, "MALFORMED_ID", "Id", "malformed id %.80s", text);
    else if (s->job->operation == JOB_DELETE)
        record_delete(&s->w, o, id, r);
    else if (s->job->operation == JOB_HARD_DELETE)
        record_delete_for_good(&s->w, o, id, r);
    else
        record_update(&s->w, o, id, fields, r);
}

static void insert(const struct slice *s, const struct parsed *p, const json_t *fields,
                   struct row_result *r)
{
    if (p->id != NULL)
        row_fail(r, "INVALID_FIELD_FOR_INSERT_UPDATE", "Id", "cannot specify Id in an insert call");
    else
        record_create(&s->w, s->job->object, fields, r);
}

static void upsert(const struct slice *s, size_t row, const json_t *fields, struct row_result *r)
{
    const struct job *j = s->job;
    const struct parsed *p = &s->rows[row];
    if (field_index(j->object, j->key) == FIELD_ID) {
        if (p->id == NULL)
            insert(s, p, fields, r);
        else
            change(s, p->id, fields, r);
    } else if (p->id != NULL) {
        row_fail(r, "INVALID_FIELD_FOR_INSERT_UPDATE", "Id", "cannot specify Id in an upsert by %s",
                 j->key->name);
    } else if (p->key == NULL) {
        row_fail(r, "MISSING_ARGUMENT", NULL, "%s not specified", j->key->name);
    } else if (is_repeated(s, row)) {
        row_fail(r, "DUPLICATE_VALUE", j->key->name, "Duplicate external id specified: %.80s",
                 p->key);
    } else {
        record_upsert(&s->w, j->object, j->key, p->key, fields, false, r);
    }
}

static void write_row(const struct slice *s, size_t row, struct row_result *r)
{
    const struct job *j = s->job;
    const struct parsed *p = &s->rows[row];
    *r = (struct row_result){.success = false};
    if (p->count != j->load.column_count) {
        row_fail(r, "CLIENT_INPUT_ERROR", NULL,
                 p->values[0] == NULL ? "a quote is not where a value begins or ends"
                                      : "the row has not as many values as the header");
        return;
    }
    json_t *fields = fields_json(j, p);
    if (j->operation == JOB_UPSERT)
        upsert(s, row, fields, r);
    else if (j->operation == JOB_INSERT)
        insert(s, p, fields, r);
    else
        change(s, p->id, fields, r);
    json_decref(fields);
}

/* "CODE:message:Field, Field --" */
static char *error_text(const struct row_result *r)
{
    struct buf text;
    size_t i;
    json_t *name;
    buf_init(&text, 4096);
    buf_printf(&text, "%s:%s:", r->code, r->message);
    json_array_foreach(r->fields, i, name)
        buf_printf(&text, "%s%s", i == 0 ? "" : ", ", json_string_value(name));
    buf_puts(&text, i == 0 ? "--" : " --");
    return buf_take(&text);
}

static void note_result(struct job *j, struct load_row *row, const struct row_result *r)
{
    j->processed++;
    memcpy(row->id, r->id, sizeof row->id);
    if (r->success) {
        row->state = r->created ? LOAD_CREATED : LOAD_UPDATED;
    } else {
        row->state = LOAD_FAILED;
        row->error = error_text(r);
        j->load.failed++;
    }
}

/* ------------------------------------------------------------------ a slice */

static bool must_stop(const struct job *j)
{
    return j->faults.stop_after >= 0 && j->processed >= (uint64_t)j->faults.stop_after;
}

static enum row_kind kind_of(enum job_operation o)
{
    return o == JOB_INSERT   ? ROW_CREATE
           : o == JOB_UPDATE ? ROW_UPDATE
           : o == JOB_UPSERT ? ROW_UPSERT
                             : ROW_DELETE;
}

static void run_rows(struct slice *s, size_t first)
{
    struct job *j = s->job;
    for (size_t i = 0; i < s->count; i++)
        parse_row(j, &j->load.rows[first + i], &s->rows[i]);
    tx_begin(s->b->sim);
    for (size_t i = 0; i < s->count && !must_stop(j); i++) {
        struct row_result r;
        write_row(s, i, &r);
        note_result(j, &j->load.rows[first + i], &r);
        sobjects_count(s->b->sim, kind_of(j->operation), &r);
        row_result_release(&r);
    }
    tx_commit(s->b->sim);
    for (size_t i = 0; i < s->count; i++)
        free(s->rows[i].values[0]);
}

static void run_chunk(struct bulk *b, struct job *j)
{
    struct slice *s = mem_alloc(sizeof *s);
    size_t chunk = j->load.order[j->load.next_chunk++];
    s->b = b;
    s->job = j;
    s->count = job_chunk_size(&j->load, chunk);
    s->w = (struct writer){.sim = b->sim,
                           .operation = job_operation_name(j->operation),
                           .target = j->object->name,
                           .request = j->lock,
                           .bulk = true};
    run_rows(s, chunk * BULK_CHUNK);
    free(s);
}

void job_run_load(struct bulk *b, struct job *j)
{
    if (j->load.order == NULL && !job_read_file(b, j))
        return;
    if (!must_stop(j) && j->load.next_chunk < j->load.chunk_count)
        run_chunk(b, j);
    if (must_stop(j))
        job_finish(b, j, j->faults.stop_state, j->faults.message);
    else if (j->load.next_chunk == j->load.chunk_count)
        job_finish(b, j, JOB_COMPLETE, NULL);
}
