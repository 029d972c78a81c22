/*
 * org_records - records as the org sends them, and what came of them, for the tests that read
 */
#ifndef TP_ORG_RECORDS_H
#define TP_ORG_RECORDS_H

#include <jansson.h>

#include "buf.h"
#include "org_fixture.h"

#define CAMPAIGN "701000000000001AAA"
#define QUERY    "/services/data/v64.0/query?q="
#define QUERYALL "/services/data/v64.0/queryAll?q="
#define MEMBER_SELECT                                                                              \
    "SELECT Id,CampaignId,LeadId,ContactId,Status,HasResponded,FirstRespondedDate,CreatedDate,"    \
    "Lead.Id,Lead.Email,Lead.IsConverted,Lead.ConvertedContactId,Contact.Id,Contact.Email,"        \
    "Buyer_Touchpoint_Date__c"
#define LEAD_MEMBER(id, lead)                                                                      \
    "{\"attributes\":{\"type\":\"CampaignMember\"},\"Id\":\"" id "\",\"CampaignId\":\"" CAMPAIGN   \
    "\",\"LeadId\":\"" lead "\",\"ContactId\":null,\"Status\":\"Sent\",\"HasResponded\":false,"    \
    "\"FirstRespondedDate\":null,\"CreatedDate\":\"2026-01-15T09:30:00.000+0000\",\"Lead\":{"      \
    "\"attributes\":{},\"Id\":\"" lead "\",\"Email\":\"lead@example.com\",\"IsConverted\":false,"  \
    "\"ConvertedContactId\":null},\"Contact\":null,\"Buyer_Touchpoint_Date__c\":null}"
#define M1          "00v000000000001AAA"
#define M2          "00v000000000002AAA"
#define M3          "00v000000000003AAA"
#define L1          "00Q000000000001EAA"
#define LEAD_ROW(m) LEAD_MEMBER(m, L1)

UNUSED static void will_page(struct fixture *x, int total, const char *next, const char *records)
{
    char *body =
        next == NULL
            ? mem_printf("{\"totalSize\":%d,\"done\":true,\"records\":[%s]}", total, records)
            : mem_printf("{\"totalSize\":%d,\"done\":false,\"nextRecordsUrl\":\"%s\",\"records\":"
                         "[%s]}",
                         total, next, records);
    fake_will(x->fake, 200, body);
    free(body);
}

UNUSED static void will_refuse(struct fixture *x, int status, const char *code)
{
    char *body = mem_printf("[{\"errorCode\":\"%s\",\"message\":\"no\"}]", code);
    fake_will(x->fake, status, body);
    free(body);
}

UNUSED static const char *target(struct fixture *x, size_t i)
{
    const struct fake_request *r = fake_request(x->fake, i);
    assert_non_null(r);
    return r->target;
}

/* What came, as text: the structs are gone when the call returns. */
struct seen {
    struct buf text;
    size_t batches, rows;
    enum err answer;
};

UNUSED static enum err see_members(void *ctx, const struct member *m, size_t n, struct error *e)
{
    struct seen *s = ctx;
    s->batches++;
    s->rows += n;
    for (size_t i = 0; i < n; i++) {
        buf_printf(&s->text, "%s campaign=%s contact=%s lead=%s email=%s%s responded=%d status=%s",
                   m[i].id, m[i].campaign_id, m[i].person.contact_id, m[i].person.lead_id,
                   m[i].person.email == NULL ? "NULL" : m[i].person.email,
                   m[i].person.is_unseen ? " unseen" : "", m[i].has_responded,
                   m[i].status == NULL ? "NULL" : m[i].status);
        assert_true(m[i].exists);
        for (size_t f = 0; m[i].fields != NULL && f < 3; f++)
            buf_printf(&s->text, " %d:%s", (int)m[i].fields[f].type, m[i].fields[f].text);
        buf_putc(&s->text, '\n');
    }
    return s->answer == ERR_NONE ? ERR_NONE : error_set(e, s->answer, "enough");
}

UNUSED static struct seen seen_new(void)
{
    struct seen s = {0};
    buf_init(&s.text, 1 << 20);
    return s;
}

UNUSED static char *member_json(const char *changes)
{
    json_t *m = json_loads(LEAD_ROW(M1), 0, NULL);
    json_t *c = json_loads(changes, 0, NULL);
    assert_non_null(m);
    assert_non_null(c);
    json_object_update(m, c);
    char *text = json_dumps(m, JSON_COMPACT);
    json_decref(c);
    json_decref(m);
    return text;
}

#define DELETED(rows)                                                                              \
    "{\"deletedRecords\":[" rows "],\"earliestDateAvailable\":\"2026-01-01T00:00:00.000+0000\","   \
    "\"latestDateCovered\":\"2099-01-15T09:30:00.000+0000\"}"

#endif
