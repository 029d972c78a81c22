/*
 * The one table of Salesforce's error codes: for each what it means for a request, for a row that
 * is upserted and for a row that is deleted (or updated, by its id as well: what is gone needs
 * nothing more), and what a person should do. What is not in it follows
 * from the HTTP status; a row's unknown code is retried, since tries are bounded.
 *
 * Source: SOAP API guide "Core Data Types Used in API Calls", REST API guide "Status Codes and
 * Error Responses", Bulk API 2.0 guide "Errors".
 */
#include "classify_int.h"

#include <string.h>
#include <strings.h>

#define METADATA                                                                                   \
    "deploy the package's metadata or give the integration user its permission set, and check "    \
    "`schema` and the rules' fields"
#define PERMISSION "give the integration user the package's permission set"
#define WAITING    "trying again"
#define RECORD     "correct the record or the org's rule, then replay"

static const struct code_rule RULES[] = {
    /* may succeed unchanged */
    {"UNABLE_TO_LOCK_ROW", NULL, ERR_BUSY, ROW_RETRY, ROW_RETRY, WAITING},
    {"SERVER_UNAVAILABLE", NULL, ERR_BUSY, ROW_RETRY, ROW_RETRY, WAITING},
    /* (what takes too long for one campaign says nothing about the others) */
    {"QUERY_TIMEOUT", NULL, ERR_INVALID, ROW_RETRY, ROW_RETRY, WAITING},
    {"REQUEST_RUNNING_TOO_LONG", NULL, ERR_INVALID, ROW_RETRY, ROW_RETRY, WAITING},
    {"TOO_MANY_APEX_REQUESTS", NULL, ERR_BUSY, ROW_RETRY, ROW_RETRY, WAITING},
    {"API_CURRENTLY_DISABLED", NULL, ERR_BUSY, ROW_ORG, ROW_ORG, WAITING},
    {"INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", NULL, ERR_BUSY, ROW_ORG, ROW_ORG,
     WAITING},
    {"TEMPORARY_QUERY_MORE_FAILURE", NULL, ERR_BUSY, ROW_RETRY, ROW_RETRY, WAITING},
    {"QUERY_LOCATOR_*", NULL, ERR_BUSY, ROW_RETRY, ROW_RETRY, WAITING},
    {"INVALID_QUERY_LOCATOR", NULL, ERR_BUSY, ROW_RETRY, ROW_RETRY, WAITING},
    {"UNKNOWN_EXCEPTION", NULL, ERR_BUSY, ROW_RETRY_FEW, ROW_RETRY_FEW, WAITING},
    {"INTERNAL_ERROR", NULL, ERR_BUSY, ROW_RETRY_FEW, ROW_RETRY_FEW, WAITING},
    {"CANNOT_EXECUTE_FLOW_TRIGGER", NULL, ERR_BUSY, ROW_RETRY, ROW_RETRY,
     "trying again; if it stays, look at the flow on this object"},
    {"ALL_OR_NONE_OPERATION_ROLLED_BACK", NULL, ERR_BUSY, ROW_RETRY, ROW_RETRY, WAITING},
    {"PROCESSING_HALTED", NULL, ERR_BUSY, ROW_RETRY, ROW_RETRY, WAITING},
    {"DUPLICATE_VALUE", NULL, ERR_BUSY, ROW_RETRY, ROW_RETRY, WAITING},
    {"REQUEST_LIMIT_EXCEEDED", "Concurrent", ERR_LIMIT, ROW_ORG, ROW_ORG,
     "too many long calls at once: lower max_concurrent if it stays"},
    {"REQUEST_LIMIT_EXCEEDED", NULL, ERR_LIMIT, ROW_ORG, ROW_ORG,
     "the org's API calls of 24 hours are used up: work waits; raise the allowance or see which "
     "client uses it"},
    /* the token */
    {"INVALID_SESSION_ID", "Connected app is not attached to Agent", ERR_AUTH, ROW_RETRY, ROW_RETRY,
     "attach the app to the agent, or use another app"},
    {"INVALID_SESSION_ID", "This session is not valid for use with the REST API", ERR_AUTH,
     ROW_RETRY, ROW_RETRY,
     "give the app the scope \"Manage user data via APIs\" and the user "
     "API access"},
    {"INVALID_SESSION_ID", NULL, ERR_AUTH, ROW_RETRY, ROW_RETRY,
     "the org refuses even a new token: see the user's login history and session settings"},
    {"INVALID_AUTH_HEADER", NULL, ERR_AUTH, ROW_RETRY, ROW_RETRY,
     "the org refuses even a new token: see the user's login history and session settings"},
    /* this row, or this request */
    {"FIELD_CUSTOM_VALIDATION_EXCEPTION", NULL, ERR_INVALID, ROW_PARK, ROW_PARK, RECORD},
    {"REQUIRED_FIELD_MISSING", NULL, ERR_INVALID, ROW_PARK, ROW_PARK,
     "make the field optional or give it a default"},
    {"INVALID_FIELD", NULL, ERR_CONFIG, ROW_PARK, ROW_PARK, METADATA},
    {"INVALID_FIELD_FOR_INSERT_UPDATE", NULL, ERR_CONFIG, ROW_PARK, ROW_PARK, METADATA},
    {"INVALID_TYPE_ON_FIELD_IN_RECORD", NULL, ERR_CONFIG, ROW_PARK, ROW_PARK, METADATA},
    {"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", NULL, ERR_INVALID, ROW_PARK, ROW_PARK,
     "add the value to the picklist or lift its restriction"},
    {"STRING_TOO_LONG", NULL, ERR_INVALID, ROW_PARK, ROW_PARK, "lengthen the field"},
    {"NUMBER_OUTSIDE_VALID_RANGE", NULL, ERR_INVALID, ROW_PARK, ROW_PARK, RECORD},
    {"INVALID_EMAIL_ADDRESS", NULL, ERR_INVALID, ROW_PARK, ROW_PARK, RECORD},
    {"MALFORMED_ID", NULL, ERR_INVALID, ROW_PARK, ROW_PARK, NULL},
    {"INVALID_ID_FIELD", NULL, ERR_INVALID, ROW_PARK, ROW_PARK, NULL},
    {"INVALID_QUERY_FILTER_OPERATOR", NULL, ERR_INVALID, ROW_PARK, ROW_PARK, NULL},
    /* (gone since it was read: who reads again decides rightly) */
    {"INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", ERR_INVALID, ROW_RETRY_FEW,
     ROW_DONE, "the record that it points to is gone or not visible"},
    {"INVALID_CROSS_REFERENCE_KEY", NULL, ERR_INVALID, ROW_RETRY_FEW, ROW_PARK,
     "the record that it points to is gone or not visible"},
    {"FIELD_INTEGRITY_EXCEPTION", NULL, ERR_INVALID, ROW_PARK, ROW_PARK, RECORD},
    {"FIELD_FILTER_VALIDATION_EXCEPTION", NULL, ERR_INVALID, ROW_PARK, ROW_PARK, RECORD},
    {"DUPLICATES_DETECTED", NULL, ERR_INVALID, ROW_PARK, ROW_PARK,
     "exempt the integration user from the duplicate rule"},
    {"DUPLICATE_EXTERNAL_ID", NULL, ERR_INVALID, ROW_PARK, ROW_PARK,
     "several records carry this key: make the key field unique and delete the surplus ones"},
    {"ENTITY_IS_LOCKED", NULL, ERR_INVALID, ROW_PARK, ROW_PARK,
     "an approval locks the record: release it, then replay"},
    {"DELETE_FAILED", NULL, ERR_INVALID, ROW_PARK, ROW_PARK, RECORD},
    {"ENTITY_IS_DELETED", NULL, ERR_INVALID, ROW_RETRY, ROW_DONE, WAITING},
    {"NOT_FOUND", NULL, ERR_CONFIG, ROW_ORG, ROW_DONE, METADATA},
    {"EXCEEDED_ID_LIMIT", NULL, ERR_INVALID, ROW_PARK, ROW_PARK, NULL},
    {"INVALID_REPLICATION_DATE", NULL, ERR_INVALID, ROW_PARK, ROW_PARK,
     "set this machine's clock right (NTP)"},
    {"JSON_PARSER_ERROR", NULL, ERR_INVALID, ROW_PARK, ROW_PARK, NULL},
    /* the configuration, here or there */
    {"INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", NULL, ERR_DENIED, ROW_SUSPECT, ROW_SUSPECT,
     "the integration user may not see or edit the campaign, lead or contact: " PERMISSION},
    {"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", NULL, ERR_DENIED, ROW_SUSPECT, ROW_SUSPECT,
     "a trigger, flow or permission in the org refuses it"},
    {"INSUFFICIENT_ACCESS*", NULL, ERR_DENIED, ROW_SUSPECT, ROW_SUSPECT, PERMISSION},
    {"INVALID_TYPE", NULL, ERR_CONFIG, ROW_ORG, ROW_ORG, METADATA},
    {"MALFORMED_QUERY", NULL, ERR_CONFIG, ROW_ORG, ROW_ORG,
     "check `schema` and the rules' field names"},
    {"INVALID_EXTERNAL_ID_FIELD_NAME", NULL, ERR_CONFIG, ROW_ORG, ROW_ORG,
     "mark the touchpoint's key field as External ID and Unique"},
    {"API_DISABLED_FOR_ORG", NULL, ERR_DENIED, ROW_ORG, ROW_ORG,
     "give the integration user \"API Enabled\"; the org's edition must have the API"},
    {"ORG_LOCKED", NULL, ERR_DENIED, ROW_ORG, ROW_ORG, "ask Salesforce to unlock the org"},
    {"STORAGE_LIMIT_EXCEEDED", NULL, ERR_CONFIG, ROW_ORG, ROW_ORG,
     "the org's data storage is full: free or buy some"},
    {"FUNCTIONALITY_NOT_ENABLED", NULL, ERR_CONFIG, ROW_ORG, ROW_ORG,
     "enable it in the org, or ask Salesforce to"},
    {"FORBIDDEN", NULL, ERR_DENIED, ROW_ORG, ROW_ORG, PERMISSION},
    {"TXN_SECURITY_*", NULL, ERR_DENIED, ROW_ORG, ROW_ORG,
     "exempt the integration user from the transaction security policy"},
    {"UNSUPPORTED_API_VERSION", NULL, ERR_CONFIG, ROW_ORG, ROW_ORG, "set `api_version`"},
    /* Bulk API 2.0, whose requests spell them in capitals and whose jobs do not. Unsupported: what
     * was to be done goes another way */
    {"ExceededQuota", NULL, ERR_UNSUPPORTED, ROW_RETRY, ROW_RETRY,
     "the org's bulk jobs of 24 hours are used up"},
    {"FeatureNotEnabled", NULL, ERR_UNSUPPORTED, ROW_RETRY, ROW_RETRY,
     "the org does not offer Bulk API 2.0"},
    {"InvalidEntity", NULL, ERR_UNSUPPORTED, ROW_RETRY, ROW_RETRY, NULL},
    {"API_ERROR", "not supported in Bulk", ERR_UNSUPPORTED, ROW_RETRY, ROW_RETRY, NULL},
    {"InvalidBatch", "Field name not found", ERR_CONFIG, ROW_ORG, ROW_ORG, METADATA},
    {"InvalidBatch", NULL, ERR_INVALID, ROW_PARK, ROW_PARK, NULL},
    {"ClientInputError", NULL, ERR_INVALID, ROW_PARK, ROW_PARK, NULL},
    {"InvalidJob", "Unable to find object", ERR_CONFIG, ROW_ORG, ROW_ORG, METADATA},
    {"InvalidJob*", NULL, ERR_INVALID, ROW_PARK, ROW_PARK, NULL}, /* and InvalidJobState */
    {"InvalidOperation", NULL, ERR_INVALID, ROW_PARK, ROW_PARK, NULL},
    {"InvalidUrl", NULL, ERR_INVALID, ROW_PARK, ROW_PARK, NULL},
    {"InvalidUser", NULL, ERR_DENIED, ROW_ORG, ROW_ORG, PERMISSION},
    {"InvalidSessionId", NULL, ERR_AUTH, ROW_RETRY, ROW_RETRY, WAITING},
    {"JOB_NOT_COMPLETE", NULL, ERR_BUSY, ROW_RETRY, ROW_RETRY, WAITING},
    {"TooManyLockFailure", NULL, ERR_BUSY, ROW_RETRY, ROW_RETRY, WAITING},
};

static const struct status_rule STATUSES[] = {
    {300, ERR_INVALID, false, "several records carry this key"},
    {400, ERR_INVALID, false, NULL},
    {401, ERR_AUTH, true, "the org refuses even a new token: see the user's login history"},
    {403, ERR_DENIED, false, PERMISSION},
    {404, ERR_CONFIG, false, METADATA},
    {405, ERR_CONFIG, false, "set `api_version`"},
    {408, ERR_TIMEOUT, false, WAITING},
    {409, ERR_BUSY, false, WAITING},
    {410, ERR_CONFIG, false, "this API version was retired: set `api_version`"},
    {412, ERR_INVALID, false, NULL},
    {413, ERR_INVALID, true, "the request is too large"},
    {414, ERR_INVALID, true, "the query is too long: name fewer fields in the rules"},
    {415, ERR_INVALID, false, NULL},
    {420, ERR_BUSY, true, WAITING},
    {428, ERR_INVALID, false, NULL},
    {429, ERR_BUSY, true, WAITING},
    {431, ERR_INVALID, true, "the query is too long: name fewer fields in the rules"},
};

enum {
    RULE_COUNT = sizeof RULES / sizeof RULES[0],
    STATUS_COUNT = sizeof STATUSES / sizeof STATUSES[0]
};

bool code_contains(const char *text, const char *part)
{
    size_t n = strlen(part);
    for (; strlen(text) >= n; text++) {
        if (strncasecmp(text, part, n) == 0)
            return true;
    }
    return false;
}

const struct code_rule *code_find(const char *code, const char *message)
{
    for (size_t i = 0; i < RULE_COUNT; i++) {
        const struct code_rule *r = &RULES[i];
        size_t n = strlen(r->code);
        bool is_family = r->code[n - 1] == '*';
        bool same =
            is_family ? strncasecmp(code, r->code, n - 1) == 0 : strcasecmp(code, r->code) == 0;
        if (same && (r->message == NULL || code_contains(message, r->message)))
            return r;
    }
    return NULL;
}

const struct status_rule *status_find(long status)
{
    for (size_t i = 0; i < STATUS_COUNT; i++) {
        if (STATUSES[i].status == status)
            return &STATUSES[i];
    }
    return NULL;
}

bool code_is_daily(const char *code, const char *message)
{
    return strcmp(code, "REQUEST_LIMIT_EXCEEDED") == 0 && !code_contains(message, "Concurrent");
}
