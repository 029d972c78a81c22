/* bulk_load_fixture - a client for the tests of loads; included by
 * bulk_test.c and bulk_rows_test.c */
#ifndef ORGSIM_BULK_LOAD_FIXTURE_H
#define ORGSIM_BULK_LOAD_FIXTURE_H

#include "bulk_fixture.h"
#include "db.h"

/* Creates a job from these members of its JSON. */
static void create(const char *members, char job[SFID_SIZE])
{
    char *body = mem_printf("{%s}", members);
    json_t *a = call("POST", "ingest", "", "", body, 200);
    snprintf(job, SFID_SIZE, "%s", test_text(a, "id"));
    assert_string_equal(test_text(a, "state"), "Open");
    json_decref(a);
    free(body);
}

static void upload(const char *job, const char *csv)
{
    char *target = mem_printf(V "/jobs/ingest/%s/batches", job);
    struct sim_reply reply;
    test_send(org, "PUT", target, "text/csv", csv, 201, &reply);
    assert_null(reply.json);
    sim_reply_release(&reply);
    free(target);
}

static void close_job(const char *job)
{
    json_t *a = call("PATCH", "ingest", job, "", "{\"state\":\"UploadComplete\"}", 200);
    assert_string_equal(test_text(a, "state"), "UploadComplete");
    json_decref(a);
}

/* Creates, uploads, closes and works off. */
static void load(const char *members, const char *csv, char job[SFID_SIZE])
{
    create(members, job);
    upload(job, csv);
    close_job(job);
    drain();
}

static json_t *info(const char *job)
{
    return call("GET", "ingest", job, "", NULL, 200);
}

static void want_state(const char *job, const char *state, int64_t processed, int64_t failed)
{
    json_t *a = info(job);
    if (strcmp(test_text(a, "state"), state) != 0)
        fail_msg("state %s, not %s: %s", test_text(a, "state"), state,
                 test_text(a, "errorMessage"));
    assert_int_equal(test_number(a, "numberRecordsProcessed"), processed);
    assert_int_equal(test_number(a, "numberRecordsFailed"), failed);
    json_decref(a);
}

static struct table results_with(const char *job, const char *which, char delimiter)
{
    char *target = mem_printf(V "/jobs/ingest/%s/%s/", job, which);
    struct sim_reply reply;
    test_send(org, "GET", target, NULL, NULL, 200, &reply);
    assert_string_equal(reply.content_type, "text/csv");
    struct table t = read_csv(reply.text, delimiter);
    sim_reply_release(&reply);
    free(target);
    return t;
}

static struct table results(const char *job, const char *which)
{
    return results_with(job, which, ',');
}

/* The row whose cell in this column is the text, or NULL. */
static char **row_with(const struct table *t, size_t column, const char *text)
{
    for (size_t i = 1; i < t->count; i++) {
        if (t->rows[i][column] != NULL && strcmp(t->rows[i][column], text) == 0)
            return t->rows[i];
    }
    return NULL;
}

#define UPSERT                                                                                     \
    "\"object\":\"Buyer_Touchpoint__c\",\"operation\":\"upsert\","                                 \
    "\"externalIdFieldName\":\"Campaign_Member_Id__c\""

/* "key,medium" rows k0 … of touchpoints of the campaign. */
static char *touchpoints(size_t count)
{
    struct buf csv;
    buf_init(&csv, 1 << 24);
    buf_puts(&csv, "Campaign_Member_Id__c,Campaign__c,Medium__c\n");
    for (size_t i = 0; i < count; i++)
        buf_printf(&csv, "k%zu,%s,m%zu\n", i, campaign, i);
    return buf_take(&csv);
}

static int64_t live_touchpoints(void)
{
    return sdb_int(org->sim->db, -1, "SELECT count(*) FROM Buyer_Touchpoint__c WHERE IsDeleted = 0",
                   "");
}

#endif
