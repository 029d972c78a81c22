/*
 * org_bulk - jobs of Bulk API 2.0 as the org describes them, and their CSV, for the tests that read
 * or write in bulk
 */
#ifndef TP_ORG_BULK_H
#define TP_ORG_BULK_H

#include "org_records.h"

#include "../../receiver/org/org_int.h"

#define JOB    "750R0000000zlh9IAA"
#define QUERYS "/services/data/v64.0/jobs/query"
#define INGEST "/services/data/v64.0/jobs/ingest"

/* Waits between polls of a millisecond or two. */
UNUSED static int setup_fast(void **state)
{
    int failed = setup(state);
    fixture_of(state)->org->poll_base_ms = 1;
    return failed;
}

UNUSED static char *job_json(const char *state, const char *more)
{
    return mem_printf("{\"id\":\"" JOB "\",\"state\":\"%s\",\"apiVersion\":64.0,"
                      "\"concurrencyMode\":\"Parallel\",\"contentType\":\"CSV\"%s}",
                      state, more);
}

/* more: further members, ",\"numberRecordsProcessed\":5". */
UNUSED static void will_job(struct fixture *x, const char *state, const char *more)
{
    char *body = job_json(state, more);
    fake_will(x->fake, 200, body);
    free(body);
}

UNUSED static void will_complete(struct fixture *x, int processed)
{
    char *more = mem_printf(",\"numberRecordsProcessed\":%d", processed);
    will_job(x, "JobComplete", more);
    free(more);
}

/* records < 0: the head does not tell; locator NULL: none of that header. */
UNUSED static void will_csv(struct fixture *x, int records, const char *locator, const char *csv)
{
    struct buf headers;
    buf_init(&headers, 1000);
    buf_puts(&headers, "Content-Type: text/csv\r\n");
    if (records >= 0)
        buf_printf(&headers, "Sforce-NumberOfRecords: %d\r\n", records);
    if (locator != NULL)
        buf_printf(&headers, "Sforce-Locator: %s\r\n", locator);
    fake_will_do(x->fake,
                 &(struct fake_answer){.status = 200, .headers = headers.data, .body = csv});
    buf_release(&headers);
}

UNUSED static void assert_request(struct fixture *x, size_t i, const char *method,
                                  const char *wanted)
{
    const struct fake_request *r = fake_request(x->fake, i);
    assert_non_null(r);
    assert_string_equal(r->target, wanted);
    assert_string_equal(r->method, method);
}

#define MEMBER_HEADER                                                                              \
    "\"Id\",\"CampaignId\",\"LeadId\",\"ContactId\",\"Status\",\"HasResponded\","                  \
    "\"FirstRespondedDate\",\"CreatedDate\",\"Lead.Id\",\"Lead.Email\",\"Lead.IsConverted\","      \
    "\"Lead.ConvertedContactId\",\"Contact.Id\",\"Contact.Email\",\"Buyer_Touchpoint_Date__c\"\n"
#define MEMBER_ROW(id)                                                                             \
    "\"" id "\",\"" CAMPAIGN "\",\"" L1 "\",\"\",\"Sent\",\"false\",\"\","                         \
    "\"2026-01-15T09:30:00.000Z\",\"" L1 "\",\"lead@example.com\",\"false\",\"\",\"\",\"\",\"\"\n"
#define SEEN(id)                                                                                   \
    id " campaign=" CAMPAIGN " contact= lead=" L1 " email=lead@example.com "                       \
       "responded=0 status=Sent\n"
#define LARGE 30000 /* members, so that the first page decides for bulk */

UNUSED static void will_be_large(struct fixture *x)
{
    will_page(x, LARGE, "/services/data/v64.0/query/01g-2000", LEAD_ROW(M1));
}

/* Up to the end of the job. */
UNUSED static void will_run(struct fixture *x, int processed)
{
    will_be_large(x);
    will_job(x, "UploadComplete", "");
    will_complete(x, processed);
}

UNUSED static enum err read_all(struct fixture *x, struct seen *s)
{
    *s = seen_new();
    return org_read_members(x->conn, CAMPAIGN, NULL, 0, see_members, s, &x->e);
}

#endif
