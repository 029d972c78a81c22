/*
 * bulk_fixture - an org for the tests of bulk jobs, and their CSV read by libcsv
 *
 * Included by bulk_test.c and bulk_query_test.c; cmocka is included before it.
 */
#ifndef ORGSIM_BULK_FIXTURE_H
#define ORGSIM_BULK_FIXTURE_H

#include <csv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bulk.h"
#include "campaign_fixture.h"
#include "mem.h"

/* Works off all slices of all jobs. */
static void drain(void)
{
    while (bulk_step(org->sim->bulk) >= 0)
        continue;
}

static json_t *call(const char *method, const char *kind, const char *job, const char *rest,
                    const char *body, int status)
{
    char *target = mem_printf(V "/jobs/%s/%s%s", kind, job, rest);
    json_t *json = test_call(org, method, target, body, status);
    free(target);
    return json;
}

static void add_fault(const char *text)
{
    char why[200] = "";
    json_t *json = json_loads(text, 0, NULL);
    if (faults_add(org->sim->faults, json, why, sizeof why) == 0)
        fail_msg("%s: %s", text, why);
    json_decref(json);
}

/* ------------------------------------------------------------------ CSV */

enum { COLUMNS = 12 };

struct table {
    char *(*rows)[COLUMNS];
    size_t count; /* with the header */
    size_t columns;
};

static void on_cell(void *text, size_t n, void *arg)
{
    struct table *t = arg;
    if (t->columns == 0)
        t->rows = mem_resize(t->rows, t->count + 1, sizeof *t->rows);
    assert_true(t->columns < COLUMNS);
    t->rows[t->count][t->columns++] = mem_strndup(text == NULL ? "" : text, n);
}

static void on_row(int c, void *arg)
{
    (void)c;
    struct table *t = arg;
    while (t->columns < COLUMNS)
        t->rows[t->count][t->columns++] = NULL;
    t->count++;
    t->columns = 0;
}

static struct table read_csv(const char *text, char delimiter)
{
    struct table t = {.rows = NULL};
    struct csv_parser p;
    csv_init(&p, CSV_STRICT | CSV_STRICT_FINI);
    csv_set_delim(&p, (unsigned char)delimiter);
    assert_int_equal(csv_parse(&p, text, strlen(text), on_cell, on_row, &t), strlen(text));
    assert_int_equal(csv_fini(&p, on_cell, on_row, &t), 0);
    csv_free(&p);
    return t;
}

static void table_free(struct table *t)
{
    for (size_t i = 0; i < t->count; i++) {
        for (size_t c = 0; c < COLUMNS; c++)
            free(t->rows[i][c]);
    }
    free(t->rows);
}

#endif
