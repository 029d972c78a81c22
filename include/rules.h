/*
 * rules - does this campaign member have a touchpoint, and with which values?
 *
 * decide() is a pure function of the org's current state and the policy: no clock, no I/O, no
 * history. The live path, the reconcile, the preview and the explanation call this one.
 * Source:    the project's rules, after "Syncing offline campaigns".
 *
 * Texts are borrowed UTF-8 that live as long as the caller keeps the records; NULL means the field
 * is null. Dates are days, date-times UTC ms (timeutil.h), TIME_NONE when null.
 *
 * Threads: pure; a struct policy is shared read-only, a struct zone belongs to the calling thread.
 */
#ifndef TP_RULES_H
#define TP_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "sfid.h"
#include "zone.h"

/* ------------------------------------------------------------------ what the org says */

/* A field that a custom rule names, as the org's JSON gave it: number and boolean as their text. */
enum rule_value_type { RULE_NULL, RULE_TEXT, RULE_NUMBER, RULE_BOOL };
struct rule_value {
    enum rule_value_type type;
    const char *text; /* "" for null */
};

struct campaign {
    char id[SFID_SIZE];
    bool exists; /* false: deleted */
    const char *name, *type;
    const char *sync_type;      /* the picklist, as it stands */
    int64_t start_day, end_day; /* Touchpoint Start / End Date */
    const struct rule_value
        *fields; /* policy.campaign_fields order; NULL if the policy names none */
};

struct person {
    char contact_id[SFID_SIZE], lead_id[SFID_SIZE]; /* at most one is set: the Contact where there
                                                       is one (a converted lead's too) */
    const char *email;
    bool is_unseen; /* the org names it and does not show it: that it has no email is not known */
};

struct member {
    char id[SFID_SIZE];
    bool exists; /* false: deleted */
    char campaign_id[SFID_SIZE];
    struct person person;
    bool has_responded;
    const char *status;
    int64_t created_at_ms;
    int64_t first_responded_day; /* a date without time */
    int64_t touchpoint_at_ms;    /* Buyer Touchpoint Date, a date-time … */
    int64_t
        touchpoint_day; /* … or, where the org's field is a date, the day; the other is TIME_NONE */
    const struct rule_value *fields; /* policy.member_fields order */
    const char *status_text; /* what the write-back last said, which plays no part in a decision;
                                NULL where it is off */
    /* No part in a decision either, and there only where the read asked for it: */
    const char *name;
    const struct rule_value *extra; /* in the order of the fields that were asked for */
};

/* ------------------------------------------------------------------ the policy */

#define RULE_OPS(X)                                                                                \
    X(RULE_IS, "is")                                                                               \
    X(RULE_IS_NOT, "is not")                                                                       \
    X(RULE_CONTAINS, "contains")                                                                   \
    X(RULE_NOT_CONTAINS, "not contains")                                                           \
    X(RULE_STARTS, "starts with")                                                                  \
    X(RULE_NOT_STARTS, "not starts with")                                                          \
    X(RULE_ENDS, "ends with")                                                                      \
    X(RULE_NOT_ENDS, "not ends with")                                                              \
    X(RULE_MATCHES, "matches any")                                                                 \
    X(RULE_NOT_MATCHES, "not matches any")                                                         \
    X(RULE_LT, "<")                                                                                \
    X(RULE_LE, "<=")                                                                               \
    X(RULE_GT, ">")                                                                                \
    X(RULE_GE, ">=")

enum rule_op {
#define X(id, text) id,
    RULE_OPS(X)
#undef X
};
/* By its text, case-insensitive; also the spellings "does not contain", "not contain", "does not
 * start with" and so on. False for anything else ("in last N days" is not offered: the decision has
 * no clock). */
bool rule_op_parse(const char *text, enum rule_op *out);

struct rule_operand; /* a condition's value, parsed and folded once */

/* Null: only `is ""` and the negative forms hold. Numbers: two texts that are both numbers compare
 * as such (`is` only where the field is a number). A date against a date-time is that day's start
 * in the org's zone. `matches any`: items between commas, trimmed, '*' for any run. */
struct rule_condition {
    bool on_member; /* CampaignMember.<Field>; else Campaign.<Field> */
    size_t field;   /* index into policy.member_fields or campaign_fields */
    enum rule_op op;
    const char *value;                   /* "" means null for is / is not */
    const struct rule_operand *compiled; /* made by policy_from_config; NULL: made at each use */
};
struct rule_group { /* AND */
    struct rule_condition *conditions;
    size_t count;
};
struct rule_date { /* one of the `dates` of an include rule */
    bool on_member;
    size_t field;
    const char *name; /* for decision.date_field, e.g. "CampaignMember.CreatedDate"; NULL: the API
                         name alone */
};
struct rule {
    const char *name;
    bool include;
    struct rule_group *any; /* OR */
    size_t any_count;
    struct rule_date *dates;
    size_t date_count;
};

struct channel_map {
    const char *type;                 /* pattern with '*', case-insensitive */
    const char *status;               /* pattern or NULL: any */
    const char *channel, *subchannel; /* subchannel NULL: none */
    bool null_channel;
    const char *type_folded,
        *status_folded; /* made by policy_from_config; NULL: made at each use */
};

struct policy {
    bool picklist_first;  /* precedence: picklist */
    bool end_inclusive;   /* end_date: inclusive */
    bool window_on_added; /* window_applies_to: added_date */
    bool dedupe_email;
    const char *default_channel;
    struct channel_map *channels;
    size_t channel_count;
    struct rule *rules;
    size_t rule_count;
    const char **campaign_fields,
        **member_fields; /* API names that rules use, without the object */
    size_t campaign_field_count, member_field_count;
};

/* Checks what needs no org: at least one group a rule and one condition a group, a value that the
 * operator can use, dates only on include rules and at least one there, rule names unique, channel
 * names without '.', all names 1 to 255 bytes without control characters or white space around. e
 * names the rule or channel. */
MUST_USE enum err policy_check(const struct policy *p, struct error *e);

/* ------------------------------------------------------------------ the decision */

/* id, code, sentence for people */
#define REASONS(X)                                                                                 \
    X(REASON_NONE, "", "a touchpoint")                                                             \
    X(REASON_MEMBER_DELETED, "member_deleted", "the campaign member no longer exists")             \
    X(REASON_CAMPAIGN_DELETED, "campaign_deleted", "the campaign no longer exists")                \
    X(REASON_RULE_EXCLUDED, "rule_excluded", "a custom rule excludes this member")                 \
    X(REASON_NOT_RESPONDED, "not_responded",                                                       \
      "only responded members are included, and this one has not responded")                       \
    X(REASON_CAMPAIGN_EXCLUDED, "campaign_excluded", "the campaign excludes all its members")      \
    X(REASON_CAMPAIGN_NOT_ENABLED, "campaign_not_enabled",                                         \
      "Enable Buyer Touchpoints is blank on the campaign")                                         \
    X(REASON_UNKNOWN_SYNC_TYPE, "unknown_sync_type",                                               \
      "the value of Enable Buyer Touchpoints is not known")                                        \
    X(REASON_NO_EMAIL, "no_email", "the person has no email address")                              \
    X(REASON_NOT_A_PERSON, "not_a_person", "the member is an account, not a lead or contact")      \
    X(REASON_NO_DATE, "no_date", "all date fields that the rule names are empty")                  \
    X(REASON_BEFORE_START, "before_start_date", "the date is before the Touchpoint Start Date")    \
    X(REASON_AFTER_END, "after_end_date", "the date is too late for the Touchpoint End Date")      \
    X(REASON_DUPLICATE_EMAIL, "duplicate_email",                                                   \
      "another member of the campaign with the same email has an earlier date")

enum reason {
#define X(id, code, text) id,
    REASONS(X)
#undef X
};
const char *reason_code(enum reason r);
const char *reason_text(enum reason r);

enum sync_type { SYNC_BLANK, SYNC_ALL, SYNC_RESPONDED, SYNC_EXCLUDE, SYNC_UNKNOWN };
/* Whether any member of the campaign could have a touchpoint. False is certain, and then its
 * members need not be read. */
bool campaign_can_include(const struct campaign *c, const struct policy *p);
enum sync_type sync_type_of(const char *picklist_value);

struct decision {
    enum reason reason; /* REASON_NONE: the member has a touchpoint with the values below */
    enum sync_type sync_type;
    const struct rule *rule;  /* the custom rule that matched, or NULL */
    int64_t touchpoint_at_ms; /* as far as the steps got; TIME_NONE before step 4 */
    const char *date_field;   /* where the date came from: "Buyer Touchpoint Date",
                                 "FirstRespondedDate", "CreatedDate", or the rule's field */
    int64_t window_day;       /* the day that step 5 compared; TIME_NONE before */
};

/* Steps 1 to 5. c and m are never NULL (exists tells). zone: the org's. */
void decide(const struct campaign *c, const struct member *m, const struct policy *p,
            struct zone *zone, struct decision *out);

/* Step 6 over the decisions of a whole campaign: where policy.dedupe_email, all but the earliest
 * (then smallest id) of the members with equal keys of their emails turn to REASON_DUPLICATE_EMAIL.
 * O(n log n). */
struct dedupe_entry {
    const char *member_id;
    const char *email; /* its dedupe_key; NULL or "": none, and shared with nobody */
    int64_t touchpoint_at_ms;
    bool keeps; /* out */
};
/* What emails that count as equal have in common: trimmed, folded (free()). NULL: "". */
char *dedupe_key(const char *email);
void dedupe_by_email(struct dedupe_entry *entries, size_t n);

/* ------------------------------------------------------------------ the values */

enum { RULES_CHANNEL_MAX = 255 }; /* bytes */

struct channel {
    const char *channel, *subchannel; /* subchannel NULL: none */
    bool is_default;                  /* no mapping matched */
    bool null_channel;
    const struct channel_map *map; /* the mapping that matched, or NULL */
};
void channel_of(const struct policy *p, const char *campaign_type, const char *member_status,
                struct channel *out);

/* The managed values, in schema order. Every one is text, "" for null; the date-time in
 * time_format_datetime form. */
#define TOUCHPOINT_VALUES(X)                                                                       \
    X(TV_KEY, "key")                                                                               \
    X(TV_CAMPAIGN, "campaign")                                                                     \
    X(TV_LEAD, "lead")                                                                             \
    X(TV_CONTACT, "contact")                                                                       \
    X(TV_EMAIL, "email")                                                                           \
    X(TV_DATE, "date")                                                                             \
    X(TV_CHANNEL, "channel")                                                                       \
    X(TV_SUBCHANNEL, "subchannel")                                                                 \
    X(TV_CHANNEL_PATH, "channel_path")                                                             \
    X(TV_MEDIUM, "medium")                                                                         \
    X(TV_SOURCE, "source")                                                                         \
    X(TV_TYPE, "type")                                                                             \
    X(TV_AD_CAMPAIGN_ID, "ad_campaign_id")                                                         \
    X(TV_AD_CAMPAIGN_NAME, "ad_campaign_name")                                                     \
    X(TV_RULE, "rule")

enum touchpoint_value {
#define X(id, name) id,
    TOUCHPOINT_VALUES(X)
#undef X
        TV_COUNT
};
const char *touchpoint_value_name(enum touchpoint_value v);

/* Not to be copied or moved as a whole: values may point into the struct itself. */
struct touchpoint {
    const char *value[TV_COUNT]; /* borrowed from c, m, p, d, and from what follows */
    char date[32];
    char channel_path[2 * RULES_CHANNEL_MAX + 2];
    char *owned[TV_COUNT]; /* copies of texts that were cut or trimmed; touchpoint_release frees */
};

/* Only for a decision with REASON_NONE. Texts are cut at whole characters to the field lengths of
 * the `standard` schema (255; email and campaign name 80), counted in UTF-16 units, and lose white
 * space around them, as the org would store them. */
void touchpoint_values(const struct campaign *c, const struct member *m, const struct policy *p,
                       const struct decision *d, struct touchpoint *out);
void touchpoint_release(struct touchpoint *t);

/* '*' matches any run of characters; case-insensitive by full folding. For tests: the policy holds
 * its patterns folded already. */
bool pattern_matches(const char *pattern, const char *text);

#endif
