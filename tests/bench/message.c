#define _GNU_SOURCE
/*
 * The body comes from the project's own writer. It is written once with the ids of the
 * notifications 0 … count - 1, whose places are then looked up; each later message overwrites the
 * 18 characters there. A record has 22 fields, which makes 1.4 KB a notification: the size of real
 * ones.
 */
#include "message.h"

#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "mem.h"
#include "soap.h"

enum { MESSAGE_MAX = 1 << 20, ID_DIGITS = 12, CAMPAIGNS = 500, SAME_CAMPAIGN = 10 };

static const char NOTIFICATION_PREFIX[] = "04l";
static const char RECORD_PREFIX[] = "00v";
static const char CAMPAIGN_PREFIX[] = "701";

/* The record's Id is written by soap_write_message itself; CampaignId is filled in below. */
static const struct soap_field FIELDS[] = {
    {"CampaignId", ""},
    {"City", "Frankfurt am Main"},
    {"CompanyOrAccount", "Example Industries & Sons GmbH"},
    {"ContactId", "003000000000001AAA"},
    {"Country", "Germany"},
    {"CreatedById", "005000000000001AAA"},
    {"CreatedDate", "2026-03-01T09:15:27.000Z"},
    {"Description", "Met at the booth; asked for a call about the new product line in spring."},
    {"Email", "someone.example@example.com"},
    {"FirstName", "Some"},
    {"FirstRespondedDate", "2026-03-02"},
    {"HasResponded", "true"},
    {"LastModifiedById", "005000000000001AAA"},
    {"LastModifiedDate", "2026-03-02T10:00:00.000Z"},
    {"LastName", "One-Example"},
    {"LeadOrContactId", "003000000000001AAA"},
    {"LeadSource", "Trade Show"},
    {"Phone", "+49 69 0000 0000"},
    {"Status", "Responded"},
    {"SystemModstamp", "2026-03-02T10:00:00.000Z"},
    {"Title", "Head of Procurement"},
    {"Type", "Contact"},
};
enum { FIELD_COUNT = sizeof FIELDS / sizeof FIELDS[0] };

void message_id(const char *prefix, uint64_t number, char out[SFID_SIZE])
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    char id[3 + ID_DIGITS];
    memcpy(id, prefix, 3);
    for (size_t i = sizeof id; i > 3; i--) {
        id[i - 1] = digits[number % 62];
        number /= 62;
    }
    if (!sfid_normalise(id, sizeof id, out))
        abort(); /* the digits above are those of an id */
}

static uint64_t campaign_of(uint64_t notification)
{
    return notification / SAME_CAMPAIGN % CAMPAIGNS;
}

/* What one notification's struct points at. */
struct parts {
    char id[SFID_SIZE], record[SFID_SIZE], campaign[SFID_SIZE];
    struct soap_field fields[FIELD_COUNT];
};

static void write_body(struct buf *body, const char *org, size_t count)
{
    struct parts *parts = mem_array(count, sizeof *parts);
    struct soap_out_notification *out = mem_array(count, sizeof *out);
    for (size_t i = 0; i < count; i++) {
        struct parts *p = &parts[i];
        message_id(NOTIFICATION_PREFIX, i, p->id);
        message_id(RECORD_PREFIX, i, p->record);
        message_id(CAMPAIGN_PREFIX, campaign_of(i), p->campaign);
        memcpy(p->fields, FIELDS, sizeof FIELDS);
        p->fields[0].value = p->campaign;
        out[i] = (struct soap_out_notification){.id = p->id,
                                                .object = "CampaignMember",
                                                .record_id = p->record,
                                                .fields = p->fields,
                                                .field_count = FIELD_COUNT};
    }
    struct soap_out_message m = {
        .org_id = org,
        .action_id = "04k000000000001AAA",
        .enterprise_url = "https://example.my.salesforce.com/services/Soap/c/64.0/000000000000000",
        .partner_url = "https://example.my.salesforce.com/services/Soap/u/64.0/000000000000000",
        .notifications = out,
        .count = count,
    };
    soap_write_message(body, &m);
    free(out);
    free(parts);
}

/* Ids come in document order, so each search starts behind the last find. */
static size_t find(const struct message *m, size_t from, const char *prefix, uint64_t number)
{
    char id[SFID_SIZE];
    message_id(prefix, number, id);
    const char *at = memmem(m->bytes + from, m->len - from, id, SFID_LEN);
    if (at == NULL)
        abort(); /* soap_write_message wrote it */
    return (size_t)(at - m->bytes);
}

void message_init(struct message *m, const char *org, const char *path, size_t count)
{
    struct buf body, all;
    buf_init(&body, MESSAGE_MAX);
    buf_init(&all, 2 * MESSAGE_MAX);
    write_body(&body, org, count);
    buf_printf(&all,
               "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml; charset=UTF-8\r\n"
               "SOAPAction: \"\"\r\nContent-Length: %zu\r\n\r\n",
               path, body.len);
    *m = (struct message){.head_len = all.len, .count = count};
    buf_put(&all, body.data, body.len);
    buf_release(&body);
    if (all.overflow)
        abort(); /* 100 notifications of the fields above are far below the maximum */
    m->len = all.len;
    m->bytes = buf_take(&all);
    m->id_at = mem_array(count, sizeof *m->id_at);
    m->record_at = mem_array(count, sizeof *m->record_at);
    m->campaign_at = mem_array(count, sizeof *m->campaign_at);
    size_t from = m->head_len;
    for (size_t i = 0; i < count; i++) {
        m->id_at[i] = find(m, from, NOTIFICATION_PREFIX, i);
        m->record_at[i] = find(m, m->id_at[i], RECORD_PREFIX, i);
        m->campaign_at[i] = from = find(m, m->record_at[i], CAMPAIGN_PREFIX, campaign_of(i));
    }
}

void message_release(struct message *m)
{
    free(m->bytes);
    free(m->id_at);
    free(m->record_at);
    free(m->campaign_at);
    *m = (struct message){0};
}

void message_number(struct message *m, uint64_t first)
{
    char id[SFID_SIZE];
    for (size_t i = 0; i < m->count; i++) {
        message_id(NOTIFICATION_PREFIX, first + i, id);
        memcpy(m->bytes + m->id_at[i], id, SFID_LEN);
        message_id(RECORD_PREFIX, first + i, id);
        memcpy(m->bytes + m->record_at[i], id, SFID_LEN);
        message_id(CAMPAIGN_PREFIX, campaign_of(first + i), id);
        memcpy(m->bytes + m->campaign_at[i], id, SFID_LEN);
    }
}
