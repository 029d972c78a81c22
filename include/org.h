/*
 * org - the customer's Salesforce org: sign in, read, write
 *
 * The only door to Salesforce. It knows OAuth, REST, Composite and the schema's names; it knows
 * nothing of the queue. Names of objects and fields come from the configuration; records come out
 * as rules.h structs.
 *
 * A struct org is shared by all workers of the daemon: one token, one refresh at a time. A struct
 * org_conn belongs to one thread: a curl handle kept alive, and the gate that is asked before each
 * request.
 *
 * Every answer is classified in exactly one place (org/classify.c, with the table of org/codes.c).
 *
 * A row is ORG_ROW_DONE, ORG_ROW_RETRY or ORG_ROW_PARK (this row is wrong). A request ends with
 * ERR_NONE or one of these; "org" marks failures of the org as a whole, which hold its work and
 * consume no try:
 *
 *   ERR_NETWORK ERR_TIMEOUT ERR_BUSY   org  it can't be reached, is unwell, or was not understood
 *   ERR_LIMIT                          org  API budget or concurrency
 *   ERR_UNKNOWN_OUTCOME                org  a write whose answer was not complete and understood
 *   ERR_AUTH ERR_CONFIG ERR_DENIED     org  a person must act: the org is stopped
 *   ERR_STALE                               the gate said no, or the lease ended before the last
 *                                           bytes had left: nothing was sent whole
 *   ERR_STOPPED                             org_conn_abort, and nothing was sent whole
 *   ERR_INVALID                             the org refused this very request (bad id, malformed)
 *   ERR_UNSUPPORTED                         bulk: not in this org, no job left today, or not for
 *                                           this value; it can be done the other way
 *   ERR_NOT_FOUND                           bulk: the job is gone
 *   ERR_CORRUPT                             bulk: what the org tells of an ingest job, or its
 *                                           results, came whole and can't be understood
 *   ERR_IO                                  bulk: the file to be uploaded can't be read
 *   ERR_INTERNAL                            a value can't be written, or the library refuses
 *
 * Ownership: what callbacks receive is borrowed for the call. A callback may use its connection,
 * unless its function says otherwise.
 * Threads: see above. Source of limits and codes: Salesforce REST API guide; see org/codes.c.
 */
#ifndef TP_ORG_H
#define TP_ORG_H

#include <stdint.h>
#include <stdio.h>

#include "buf.h"
#include "config.h"
#include "error.h"
#include "rules.h"

struct org;
struct org_conn;

enum {
    ORG_WRITE_MAX = 1000, /* rows of one write call: Composite with 5 collections of 200 */
    ORG_COLLECTION_MAX = 200,
    ORG_IN_MAX = 400, /* ids in one IN (…): the URI limit is 16,384 bytes */
    ORG_PAGE = 2000,
    ORG_BULK_PAGE = 20000, /* records of one request for the results of a bulk query */
    ORG_BULK_CALLS = 11,   /* what a bulk query costs beside those; see org_read_way */
};

/* Before anything else of this module, and before any use of jansson: from then on JSON memory is
 * wiped when it is freed. More than once does no harm. */
void org_global_init(void);

/* c and policy (which names the extra fields that rules need) are borrowed for the life of the org.
 * Does no I/O but reads the key or secret file. */
MUST_USE enum err org_new(struct org **out, const struct config_org *c, const struct policy *policy,
                          int64_t request_timeout_ms, struct error *e);
/* o, which nobody uses yet, follows `before`, the same org under an older configuration: passes are
 * counted together, and what was known of its health and its budget stays known. */
void org_succeed(struct org *o, struct org *before);
/* Passes under way in this daemon: counted by the workers, whichever configuration they began with.
 */
void org_pass_begins(struct org *o);
void org_pass_ended(struct org *o);
unsigned org_passes(const struct org *o);
void org_free(struct org **o);
const struct config_org *org_config(const struct org *o);

/* ------------------------------------------------------------------ cached state
 * for readiness and the claim */

struct org_state {
    bool reachable;     /* last transport outcome */
    bool authenticated; /* holds a token that was accepted */
    bool stopped;       /* sign-in or configuration is wrong, or the token is another org's */
    /* no request before this (back-off of the org as a whole); 0: none */
    int64_t held_until_boot_ms;
    bool breaker_open; /* BREAKER_FAILURES (3) failures in a row: one pass at a time tries it */
    int64_t api_used, api_limit; /* from Sforce-Limit-Info; -1: not seen yet */
    int64_t clock_ahead_ms;      /* ours before the org's, by its last answer's Date (whole seconds,
                                     and the way here); TIME_NONE: not seen yet */
    char problem[ERROR_TEXT_MAX]; /* sentence for the admin; "" when well */
    bool rights_doubted; /* access refused all rows of a call since the last org_check_schema */
    bool sees_all;       /* the last org_check_schema or org_sees_all proved it; false: not known */
};
void org_state_get(struct org *o, struct org_state *out); /* never waits for I/O */

/* Told by the worker after a pass: a failure of the org as a whole holds it for a growing, jittered
 * time (1 s … 5 min; a used-up daily budget begins at 30 s); what a person must put right stops it
 * and is tried again after 5 min; success ends both. Kinds that say nothing about the org change
 * nothing. A sign-in that stops the org is noted at once, before the report. */
void org_report(struct org *o, enum err outcome, const struct error *e);

int64_t org_jittered(int64_t ceiling_ms); /* between its half and itself */

/* ------------------------------------------------------------------ connections */

/* Asked before each request: renew the lease. *deadline_boot_ms is read again as the last bytes
 * leave (protocol rule 13). */
struct org_gate {
    enum err (*before)(void *ctx, struct error *e); /* NULL: no gate */
    void *ctx;
    const int64_t *deadline_boot_ms; /* NULL: none */
};

MUST_USE enum err org_conn_new(struct org_conn **out, struct org *o, struct error *e);
void org_conn_free(struct org_conn **c);
void org_conn_gate(struct org_conn *c, const struct org_gate *gate); /* NULL: none. Copied. */
/* Any thread; for good (shutdown): the request in flight ends within a second or so, later ones are
 * refused with ERR_STOPPED. */
void org_conn_abort(struct org_conn *c);
uint64_t org_conn_calls(const struct org_conn *c); /* API calls made; for tests */

/* Signs in if there is no token, asks the cheapest question, updates the cached state: success ends
 * a hold and a stop for authentication, not a configuration that a pass found wrong. */
MUST_USE enum err org_probe(struct org_conn *c, struct error *e);

/* ------------------------------------------------------------------ what the org must have */

enum { ORG_SCHEMA_TEXT_MAX = 4096 };

/* Outcome of the last check. Sentences, one a line, each with object, field and what to do:
 * "Buyer_Touchpoint__c.Channel__c can't be written by this user: grant Edit on the field". */
struct org_schema {
    bool is_checked;
    char problems[ORG_SCHEMA_TEXT_MAX]; /* what is needed and missing: stops the org; "": none */
    char warnings[ORG_SCHEMA_TEXT_MAX]; /* what is optional: the deletion helper, to see all */
};
void org_schema_get(struct org *o, struct org_schema *out); /* never waits for I/O */

/* Compares the org's describe with the configured schema and the fields that rules name: objects
 * and fields, types, lengths, the key's attributes, and what the user may do with them. A problem
 * stops the org (as org_report with ERR_CONFIG) until a later check finds none; no success of a
 * pass ends that stop. An error: it could not be asked, and what was known stays.
 *
 * Cost: 6 describes and the 2 queries of org_sees_all. After a check with problems only the objects
 * that had some are asked, 1 call each, and all of them again as soon as those are right. */
MUST_USE enum err org_check_schema(struct org_conn *c, struct error *e);

/* Whether the user sees every campaign, member, lead and contact, so that what does not come does
 * not exist: Read and View All on Campaign, Lead and Contact, or View All Data; and View and Edit
 * Converted Leads. Sharing can hide nothing from such a user. False where it can't be asked. 2
 * calls; ask after the read that it is about, since rights may be taken away at any time. */
MUST_USE enum err org_sees_all(struct org_conn *c, bool *sees_all, struct error *e);

/* ------------------------------------------------------------------ which way to read */

/* The API calls that reading a campaign's records costs, once for its members and once more for its
 * touchpoints (so that the factor of two plays no part in the choice):
 *
 *   IDS    ⌈ids / 400⌉          SOQL with IN (…), by the ids at hand; 0 ids: the whole is wanted
 *   PAGES  ⌈members / 2,000⌉    the campaign's members by pages; 1 for none
 *   BULK   11 + ⌈members / 20,000⌉
 *                             a query job: 1 page, which told how many there are, create, about 7
 *                             polls (half a minute), delete, 1 describe; then its results
 *
 * So by pages up to 26,000 members and in bulk above: 100,000 members are 16 calls, not 50, and a
 * million are 61, not 500. Where two ways cost the same, the first of the list. A job also takes
 * one of 10,000 a day, and answers within tens of seconds instead of at once.
 *
 * members: -1 where not known. Reading a whole campaign needs no count: the first page tells it.
 * Campaign.NumberOfLeads + NumberOfContacts would come free with the campaign, but leave out
 * accounts, and an org that hides either field from the integration user would answer INVALID_FIELD
 * to every pass. Pure. */
enum org_way { ORG_WAY_IDS, ORG_WAY_PAGES, ORG_WAY_BULK };
enum org_way org_read_way(size_t ids, int64_t members);

/* ------------------------------------------------------------------ reading */

/* IANA name: the configured one, or Organization.TimeZoneSidKey, read once and remembered. out is
 * filled (≤ 64 bytes). */
MUST_USE enum err org_time_zone(struct org_conn *c, char out[64], struct error *e);
/* Reads it anew (1 call; none where it is configured). An error: what was known stays. */
MUST_USE enum err org_refresh_time_zone(struct org_conn *c, struct error *e);

/* The campaign as it stands. *out stays valid until org_campaign_free. exists false: not visible;
 * *deleted says whether the org confirmed the deletion (IsDeleted through
 * queryAll, or getDeleted). */
struct org_campaign {
    struct campaign campaign;
    bool deleted_confirmed;
    void *private;
};
MUST_USE enum err org_read_campaign(struct org_conn *c, const char *id, struct org_campaign **out,
                                    struct error *e);
void org_campaign_free(struct org_campaign **c);
/* Many at once: out[i] is NULL where it is not visible (which says nothing about a deletion). 2,000
 * cost one call. */
MUST_USE enum err org_read_campaigns(struct org_conn *c, const char (*ids)[SFID_SIZE], size_t n,
                                     struct org_campaign **out, struct error *e);
/* Which of these campaigns have touchpoints with a key, by lookup or stored id: false is certain.
 * Where more than a page would have to be read all are said to have some. 1,000 cost one call. */
MUST_USE enum err org_have_touchpoints(struct org_conn *c, const char (*campaigns)[SFID_SIZE],
                                       size_t n, bool *has, struct error *e);

/* Campaigns as lists show them. members: leads and contacts, as the org counts them; -1 where the
 * user may not see the counts. */
struct org_campaign_row {
    char id[SFID_SIZE];
    const char *name, *type, *sync_type; /* NULL: null */
    int64_t members;
};
typedef enum err org_campaign_row_fn(void *ctx, const struct org_campaign_row *rows, size_t n,
                                     struct error *e);
/* All, in batches of at most 2,000, a call each. */
MUST_USE enum err org_list_campaigns(struct org_conn *c, org_campaign_row_fn *each, void *ctx,
                                     struct error *e);
/* At most ORG_SEARCH_MAX: that of this id, or those whose name begins so, by name; search "": those
 * that changed last. */
enum { ORG_SEARCH_MAX = 50 };
MUST_USE enum err org_search_campaigns(struct org_conn *c, const char *search,
                                       org_campaign_row_fn *each, void *ctx, struct error *e);

/* Members of one campaign: all of them (ids NULL), or those with these ids in whatever campaign
 * they are. Rows come in batches of at most 2,000 through `each`, in no order that could be relied
 * on; it may end the walk with an error. A converted lead's member comes as its Contact's (email
 * looked up). A member that is not found simply does not come.
 *
 * A whole campaign comes by pages in order of Id (a dead locator restarts from the last Id), or,
 * where its first page tells of more than org_read_way takes by pages, as a bulk query job in no
 * order. A job that the org refuses or fails is no failure: then pages it is. Either way it is
 * complete or an error, memory is bounded by one page, and the gate is asked before each call, of
 * which there is one at least in each half of the lease. */
typedef enum err org_member_fn(void *ctx, const struct member *m, size_t n, struct error *e);
MUST_USE enum err org_read_members(struct org_conn *c, const char *campaign,
                                   const char (*ids)[SFID_SIZE], size_t n, org_member_fn *each,
                                   void *ctx, struct error *e);

/* The same for who only looks on, or filters by other fields. */
struct org_member_read {
    const char *campaign;         /* its members … */
    const char (*ids)[SFID_SIZE]; /* … or, not NULL, these n */
    size_t n;
    const char *after;         /* of a campaign: those with larger ids, in order of id … */
    unsigned limit;            /* … at most so many, never as a bulk job; 0: all, as above */
    bool with_names;           /* member.name */
    const char *const *fields; /* of CampaignMember: member.extra */
    size_t field_count;
};
MUST_USE enum err org_read_members_as(struct org_conn *c, const struct org_member_read *r,
                                      org_member_fn *each, void *ctx, struct error *e);

/* Start and end date of the campaign itself (not of its touchpoints' window); TIME_NONE where it
 * has none, is not seen, or the user may not see the field. */
MUST_USE enum err org_read_campaign_days(struct org_conn *c, const char *id, int64_t *start_day,
                                         int64_t *end_day, struct error *e);

/* What an object's describe says of its fields; 1 call. A field that the user may not see is not
 * described. */
struct org_field {
    bool is_there, is_writable, is_date, is_datetime, is_compound;
};
MUST_USE enum err org_describe_fields(struct org_conn *c, const char *object,
                                      const char *const *names, size_t n, struct org_field *out,
                                      struct error *e);

/* Touchpoints with a key: of a campaign, by lookup or stored campaign id (keys NULL), or with these
 * keys. Ways and order as for members. */
struct org_touchpoint {
    char id[SFID_SIZE];
    char key[SFID_SIZE]; /* 18 characters when it is an id, else as stored; records with longer keys
                            are no members' and do not come */
    const char *value[TV_COUNT]; /* as stored, "" for null; lookups in 18 characters, the date in
                                    time_format_datetime form */
};
typedef enum err org_touchpoint_fn(void *ctx, const struct org_touchpoint *t, size_t n,
                                   struct error *e);
MUST_USE enum err org_read_touchpoints(struct org_conn *c, const char *campaign,
                                       const char (*keys)[SFID_SIZE], size_t n,
                                       org_touchpoint_fn *each, void *ctx, struct error *e);

/* Which of these records the org confirms to be deleted: IsDeleted through queryAll, then
 * getDeleted over the last 15 days for those that queryAll does not show. confirmed[i] is set for
 * each. object: "CampaignMember", "Campaign" … */
MUST_USE enum err org_confirm_deleted(struct org_conn *c, const char *object,
                                      const char (*ids)[SFID_SIZE], size_t n, bool *confirmed,
                                      struct error *e);

/* Memberships: member and campaign ids of these leads or contacts (by_lead), or of these members
 * themselves. Also those of leads that were converted to the contacts. */
struct org_membership {
    char member_id[SFID_SIZE], campaign_id[SFID_SIZE];
    char person_id[SFID_SIZE]; /* the id asked for that this came from */
};
typedef enum err org_membership_fn(void *ctx, const struct org_membership *m, size_t n,
                                   struct error *e);
enum org_membership_by { ORG_BY_LEAD, ORG_BY_CONTACT, ORG_BY_MEMBER };
MUST_USE enum err org_read_memberships(struct org_conn *c, enum org_membership_by by,
                                       const char (*ids)[SFID_SIZE], size_t n,
                                       org_membership_fn *each, void *ctx, struct error *e);

/* Contacts of person accounts: contact[i] is "" where the account is not a person's. */
MUST_USE enum err org_read_person_contacts(struct org_conn *c, const char (*accounts)[SFID_SIZE],
                                           size_t n, char (*contact)[SFID_SIZE], struct error *e);

/* Contacts that leads were converted to: contact[i] is "" where the lead was not. A conversion may
 * take the lead from its memberships. */
MUST_USE enum err org_read_converted_contacts(struct org_conn *c, const char (*leads)[SFID_SIZE],
                                              size_t n, char (*contact)[SFID_SIZE],
                                              struct error *e);

/* Deletion helper records by their ids; found[i] false where gone. A field that holds no id (it was
 * typed by hand) is "". */
struct org_helper {
    bool found;
    char id[SFID_SIZE];
    char member_id[SFID_SIZE]; /* "": the whole campaign */
    char campaign_id[SFID_SIZE];
};
MUST_USE enum err org_read_helpers(struct org_conn *c, const char (*ids)[SFID_SIZE], size_t n,
                                   struct org_helper *out, struct error *e);
/* All that were created before then, in batches of at most 2,000, a call each; one call where there
 * are none. ERR_CONFIG or ERR_DENIED: this org does not show the object. */
typedef enum err org_helper_fn(void *ctx, const struct org_helper *h, size_t n, struct error *e);
MUST_USE enum err org_survey_helpers(struct org_conn *c, int64_t created_before_ms,
                                     org_helper_fn *each, void *ctx, struct error *e);

/* Ids deleted between the two instants (getDeleted; what is older than 15 days is out of its reach
 * and left out). *covered_at_ms: start of the next window, never before this one's. An id may come
 * twice. */
typedef enum err org_id_fn(void *ctx, const char *id, struct error *e);
MUST_USE enum err org_read_deleted(struct org_conn *c, const char *object, int64_t from_at_ms,
                                   int64_t to_at_ms, org_id_fn *each, void *ctx,
                                   int64_t *covered_at_ms, struct error *e);
/* Ids of the recycle bin deleted since then (IsDeleted): also those of the present minute, which
 * getDeleted does not cover yet; not those that were deleted for good. */
MUST_USE enum err org_read_bin(struct org_conn *c, const char *object, int64_t since_at_ms,
                               org_id_fn *each, void *ctx, struct error *e);

/* Ids of the campaigns that a reconcile must look at: those whose setting is not blank (all, if a
 * custom rule can include others), those that touchpoints name, deleted ones too, and those without
 * a setting whose members are told anything but told_of_blank. A touchpoint without campaign names
 * its member: each(ctx, member id). In no order; an id may come twice. A call for each 2,000
 * campaigns, and for each campaign of more than 2,000 touchpoints; 3 or 4 at least. */
struct org_survey {
    org_id_fn *campaign, *member;
    void *ctx;
    const char *told_of_blank; /* the status of members of a campaign without a setting; NULL: no
                                  status is written back */
};
MUST_USE enum err org_survey_campaigns(struct org_conn *c, const struct org_survey *s,
                                       struct error *e);

/* ------------------------------------------------------------------ writing */

enum org_row_class { ORG_ROW_DONE, ORG_ROW_RETRY, ORG_ROW_PARK };

struct org_row_result {
    enum org_row_class class;
    bool is_brief; /* ORG_ROW_RETRY: soon or never, so a few tries are enough */
    bool created;
    char id[SFID_SIZE]; /* of the record, where the org told */
    char code[64];      /* "" when done */
    char message[400];  /* what the org said, the fields, and what to do */
};

/* Upserts by the key; n ≤ ORG_WRITE_MAX; results[i] for rows[i]. "" is sent as null. The caller has
 * marked the write. Where no row was written and the rows speak of the org as a whole (object,
 * storage, budget), that is the call's error; beside rows that were written such rows are
 * ORG_ROW_RETRY. A row that access or a trigger refuses is ORG_ROW_RETRY and brief: what it names
 * may have been hidden since it was read. Where all of several rows are, the call is ERR_INVALID,
 * and results tell of the rows; after any other ERR_INVALID their codes are "". */
MUST_USE enum err org_upsert(struct org_conn *c, const struct touchpoint *rows, size_t n,
                             struct org_row_result *results, struct error *e);
/* Deletes records by id; already deleted is done. object: the touchpoint object, or the helper
 * object. */
MUST_USE enum err org_delete_touchpoints(struct org_conn *c, const char (*ids)[SFID_SIZE], size_t n,
                                         struct org_row_result *results, struct error *e);
MUST_USE enum err org_delete_helpers(struct org_conn *c, const char (*ids)[SFID_SIZE], size_t n,
                                     struct org_row_result *results, struct error *e);

/* Sets the status text of members, each once, and its date. A member that is gone is done. A
 * permission that is missing is ORG_ROW_PARK even where no row was written: what is only told must
 * not stop what is done. */
struct org_status {
    char member_id[SFID_SIZE];
    const char *text;
};
MUST_USE enum err org_update_statuses(struct org_conn *c, const struct org_status *rows, size_t n,
                                      int64_t at_ms, struct org_row_result *results,
                                      struct error *e);

/* Sets the Buyer Touchpoint Date of members, each once: text as the field takes it, "" clears it. A
 * member that is gone is done. A permission that is missing is ORG_ROW_PARK even where no row was
 * written. The same request reads first what it overwrites: was[i] of rows[i]. */
enum { ORG_DATES_MAX = 800 }; /* rows of one call: one of its five parts reads */
struct org_date {
    char member_id[SFID_SIZE];
    const char *text;
};
struct org_date_was {
    bool is_known;      /* the org told; false also of a member that is gone */
    int64_t day, at_ms; /* a date's day, or a date-time's instant; TIME_NONE: blank, or the other */
};
MUST_USE enum err org_update_dates(struct org_conn *c, const struct org_date *rows, size_t n,
                                   struct org_date_was *was, struct org_row_result *results,
                                   struct error *e);

/* ------------------------------------------------------------------ writing in bulk */

/*
 * One ingest job of Bulk API 2.0 takes any number of rows in one file:
 *
 *   org_ingest_create ▶ org_ingest_upload ▶ org_ingest_close
 *     ▶ org_ingest_state, until it has ended, with org_wait(org_poll_delay_ms(polls)) between
 *     ▶ org_ingest_results; Salesforce deletes the job after 7 days
 *
 * Nothing is written before the close. **The close alone is a write whose outcome can be unknown**:
 * mark it, as an upsert. After ERR_UNKNOWN_OUTCOME the state tells: ORG_JOB_OPEN may still turn
 * into a closed one for as long as Salesforce may carry out a request (10 minutes), so abort it;
 * anything else is past the close. An abort keeps what was written until then, and a batch at work
 * may go on for minutes. A create or upload that failed left at most a job that never ran; the
 * caller aborts and begins anew, since a job takes one upload. Jobs that are left go away by
 * themselves after 7 days. ERR_UNSUPPORTED from create: write by org_upsert and
 * org_delete_touchpoints. */

enum { ORG_UPLOAD_MAX_BYTES = 100 * 1000 * 1000 }; /* Salesforce: 150 MB after base64 */

enum org_ingest { ORG_INGEST_UPSERT, ORG_INGEST_DELETE };

/* The upload, line by line (each with its LF): a header, then rows. buf_init is the caller's. */
void org_ingest_header(const struct org *o, enum org_ingest kind, struct buf *out);
/* "" is written as null. ERR_UNSUPPORTED, and nothing put: CSV can't say one of the values (the
 * text #N/A, a carriage return): this row goes by org_upsert. */
MUST_USE enum err org_ingest_upsert_row(const struct org *o, const struct touchpoint *row,
                                        struct buf *out, struct error *e);
void org_ingest_delete_row(const char id[SFID_SIZE], struct buf *out);

enum org_job_state {
    ORG_JOB_OPEN,
    ORG_JOB_QUEUED, /* closed (UploadComplete) */
    ORG_JOB_RUNNING,
    ORG_JOB_COMPLETE, /* all rows were tried; some may have failed */
    ORG_JOB_FAILED,   /* rows may have been written before it failed: results tell */
    ORG_JOB_ABORTED,  /* as well */
    ORG_JOB_GONE,     /* deleted, or older than 7 days: nothing more will come of it */
};
struct org_job {
    char id[SFID_SIZE];
    enum org_job_state state;
    int64_t processed, failed; /* rows so far, the failed among the processed; -1: not told */
    enum err failure; /* what Failed, Aborted or Gone means, as a call's error; else ERR_NONE */
    struct error why; /* of the failure */
};
bool org_job_has_ended(const struct org_job *job); /* COMPLETE and what follows it */

MUST_USE enum err org_ingest_create(struct org_conn *c, enum org_ingest kind, struct org_job *out,
                                    struct error *e);
/* The whole file, from its start; ≤ ORG_UPLOAD_MAX_BYTES. The lease is renewed meanwhile; the
 * request time-out is for silence. */
MUST_USE enum err org_ingest_upload(struct org_conn *c, const char *id, FILE *csv, struct error *e);
MUST_USE enum err org_ingest_close(struct org_conn *c, const char *id, struct org_job *out,
                                   struct error *e);
/* out: the job as it then is; it may have ended before. */
MUST_USE enum err org_ingest_abort(struct org_conn *c, const char *id, struct org_job *out,
                                   struct error *e);
/* One poll. */
MUST_USE enum err org_ingest_state(struct org_conn *c, const char *id, struct org_job *out,
                                   struct error *e);

/* How long to wait before the next poll, after so many: 1 s growing by half up to 30 s, with
 * jitter. Polling for a minute takes 9 calls, for 10 minutes about 35. */
int64_t org_poll_delay_ms(const struct org *o, unsigned polls);
/* Waits, but not past half of what is left of the lease. ERR_STOPPED on org_conn_abort. */
MUST_USE enum err org_wait(struct org_conn *c, int64_t ms, struct error *e);

struct org_ingest_row {
    char key[SFID_SIZE]; /* upsert: the touchpoint's key; delete: the record's id */
    struct org_row_result result;
};
/* Rows in batches. It must not call the org: the connection is in use. */
typedef enum err org_ingest_row_fn(void *ctx, const struct org_ingest_row *rows, size_t n,
                                   struct error *e);
/* What became of the rows of a job that has ended (not Gone): successful ones, failed ones, and
 * those that it never came to, which are to be tried again (code UNPROCESSED). uploaded: how many
 * there were, so that files known to be empty are not asked for. Not in the order of the upload.
 *
 * Failed rows are judged as those of org_upsert: where no row was written and they speak of the org
 * as a whole, that is the call's error, before any row was given. Any error later (ERR_NETWORK
 * where the answer was cut, ERR_CORRUPT where it came whole and is no results file, or a complete
 * job has fewer rows than it told) may follow on rows that were given: reading the results again
 * gives them again. Few enough failures of ORG_ROW_RETRY go
 * best into a second job, or, since a job can lock itself out on one campaign, by org_upsert. */
MUST_USE enum err org_ingest_results(struct org_conn *c, enum org_ingest kind,
                                     const struct org_job *job, int64_t uploaded,
                                     org_ingest_row_fn *each, void *ctx, struct error *e);

#endif
