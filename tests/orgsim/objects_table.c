/*
 * Names, types, lengths and the create/update flags of standard fields follow Salesforce's Object
 * Reference. Our own objects and fields are not here: they come from the files that are shipped
 * (metadata.c). The names of Marketo Measure's package exist too, so that either set can be used.
 * Tables are WITHOUT ROWID and clustered by Id, so an index on one column continues in the order of
 * Id: that is what makes keyset paging cheap.
 */
#include "objects_int.h"

#define C            FIELD_CREATE
#define U            FIELD_UPDATE
#define CU           (FIELD_CREATE | FIELD_UPDATE)
#define CUR          (CU | FIELD_REQUIRED)
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define TEXT(n, len, fl)                                                                           \
    {                                                                                              \
        .name = (n), .type = FIELD_TEXT, .length = (len), .flags = (fl)                            \
    }
#define EMAIL(n)                                                                                   \
    {                                                                                              \
        .name = (n), .type = FIELD_EMAIL, .length = 80, .flags = CU                                \
    }
#define BOOL(n, fl)                                                                                \
    {                                                                                              \
        .name = (n), .type = FIELD_BOOLEAN, .flags = (fl)                                          \
    }
#define DATE(n, fl)                                                                                \
    {                                                                                              \
        .name = (n), .type = FIELD_DATE, .flags = (fl)                                             \
    }
#define DATETIME(n, fl)                                                                            \
    {                                                                                              \
        .name = (n), .type = FIELD_DATETIME, .flags = (fl)                                         \
    }
#define PICK(n, fl, init)                                                                          \
    {                                                                                              \
        .name = (n), .type = FIELD_PICKLIST, .length = 255, .flags = (fl), .initial = (init)       \
    }
#define REF(n, obj, rel, fl)                                                                       \
    {                                                                                              \
        .name = (n), .type = FIELD_REFERENCE, .length = 18, .flags = (fl), .target = (obj),        \
        .relationship = (rel)                                                                      \
    }
#define PHONE(n)                                                                                   \
    {                                                                                              \
        .name = (n), .type = FIELD_TEXT, .length = 40, .flags = CU, .shown_type = "phone"          \
    }
#define SYNC_TYPE(n)                                                                               \
    {                                                                                              \
        .name = (n), .type = FIELD_PICKLIST, .length = 255, .flags = CU | FIELD_RESTRICTED,        \
        .values = SYNC_TYPES                                                                       \
    }
#define SHOW(n, sql)                                                                               \
    {                                                                                              \
        .name = (n), .type = FIELD_TEXT, .length = 255, .expression = (sql)                        \
    }
#define SYSTEM                                                                                     \
    {.name = "Id", .type = FIELD_ID_TYPE, .length = 18}, BOOL("IsDeleted", 0),                     \
        DATETIME("CreatedDate", FIELD_AUDIT), REF("CreatedById", "User", "CreatedBy", 0),          \
        DATETIME("LastModifiedDate", 0), REF("LastModifiedById", "User", "LastModifiedBy", 0),     \
        DATETIME("SystemModstamp", 0)

#define PERSON_NAME "ltrim(coalesce($.FirstName, '') || ' ' || $.LastName)"
#define OF_PERSON(column)                                                                          \
    "CASE WHEN $.ContactId IS NOT NULL THEN (SELECT " column                                       \
    " FROM Contact p WHERE p.Id = $.ContactId) ELSE (SELECT " column                               \
    " FROM Lead p WHERE p.Id = $.LeadId) END"

#define MEMBERS_WITH(column)                                                                       \
    "(SELECT count(*) FROM CampaignMember m WHERE m.CampaignId = $.Id AND m.IsDeleted = 0 AND "    \
    "m." column " IS NOT NULL)"

static const char *const SYNC_TYPES[] = {
    "Include all Campaign Members",
    "Include only \"Responded\" Campaign Members",
    "Exclude all Campaign Members",
    NULL,
};

static const struct field ORGANIZATION_FIELDS[] = {
    SYSTEM,
    TEXT("Name", 80, 0),
    TEXT("TimeZoneSidKey", 40, 0),
    TEXT("InstanceName", 5, 0),
    TEXT("OrganizationType", 40, 0),
    TEXT("LanguageLocaleKey", 40, 0),
    BOOL("IsSandbox", 0),
};

static const struct field USER_FIELDS[] = {
    SYSTEM,
    TEXT("Username", 80, 0),
    TEXT("Name", 121, 0),
    {.name = "Email", .type = FIELD_EMAIL, .length = 128},
    TEXT("TimeZoneSidKey", 40, 0),
    PICK("UserType", 0, NULL),
    BOOL("IsActive", 0),
};

static const struct field CAMPAIGN_FIELDS[] = {
    SYSTEM,
    TEXT("Name", 80, CUR),
    PICK("Type", CU, NULL),
    PICK("Status", CU, "Planned"),
    DATE("StartDate", CU),
    DATE("EndDate", CU),
    BOOL("IsActive", CU),
    TEXT("Description", 32000, CU),
    REF("ParentId", "Campaign", "Parent", CU),
    REF("OwnerId", "User", "Owner", CU),
    {.name = "NumberOfLeads", .type = FIELD_INT, .expression = MEMBERS_WITH("LeadId")},
    {.name = "NumberOfContacts", .type = FIELD_INT, .expression = MEMBERS_WITH("ContactId")},
    SYNC_TYPE("bizible2__Bizible_Attribution_SyncType__c"),
    DATE("bizible2__Touchpoint_Start_Date__c", CU),
    DATE("bizible2__Touchpoint_End_Date__c", CU),
};

static const struct field MEMBER_FIELDS[] = {
    SYSTEM,
    REF("CampaignId", "Campaign", "Campaign", C | FIELD_REQUIRED),
    REF("LeadId", "Lead", "Lead", C),
    REF("ContactId", "Contact", "Contact", C),
    {.name = "Status", .type = FIELD_PICKLIST, .length = 40, .flags = CU},
    BOOL("HasResponded", 0),
    DATE("FirstRespondedDate", FIELD_AUDIT),
    DATE("Touchpoint_Day__c", CU), /* of orgs whose field is a date */
    DATETIME("bizible2__Bizible_Touchpoint_Date__c", CU),
    DATETIME("bizible2__Touchpoint_Status_Date__c", CU),
    {.name = "LeadOrContactId",
     .type = FIELD_ID_TYPE,
     .expression = "coalesce($.ContactId, $.LeadId)"},
    SHOW("Type", "CASE WHEN $.ContactId IS NOT NULL THEN 'Contact' ELSE 'Lead' END"),
    SHOW("FirstName", OF_PERSON("p.FirstName")),
    SHOW("LastName", OF_PERSON("p.LastName")),
    SHOW("Name", OF_PERSON("ltrim(coalesce(p.FirstName, '') || ' ' || p.LastName)")),
    SHOW("Email", OF_PERSON("p.Email")),
};

static const struct field MEMBER_STATUS_FIELDS[] = {
    SYSTEM,
    REF("CampaignId", "Campaign", "Campaign", C | FIELD_REQUIRED),
    TEXT("Label", 765, CUR),
    BOOL("HasResponded", CU),
    BOOL("IsDefault", CU),
    {.name = "SortOrder", .type = FIELD_INT, .flags = CU},
};

static const struct field LEAD_FIELDS[] = {
    SYSTEM,
    TEXT("FirstName", 40, CU),
    TEXT("LastName", 80, CUR),
    SHOW("Name", PERSON_NAME),
    TEXT("Company", 255, CUR),
    EMAIL("Email"),
    TEXT("Title", 128, CU),
    PHONE("Phone"),
    PICK("Status", CU, "Open - Not Contacted"),
    BOOL("IsConverted", 0),
    REF("ConvertedContactId", "Contact", "ConvertedContact", 0),
    REF("ConvertedAccountId", "Account", "ConvertedAccount", 0),
    DATE("ConvertedDate", 0),
    REF("MasterRecordId", "Lead", "MasterRecord", 0),
    REF("OwnerId", "User", "Owner", CU),
};

static const struct field CONTACT_FIELDS[] = {
    SYSTEM,
    TEXT("FirstName", 40, CU),
    TEXT("LastName", 80, CUR),
    SHOW("Name", PERSON_NAME),
    REF("AccountId", "Account", "Account", CU),
    EMAIL("Email"),
    TEXT("Title", 128, CU),
    PHONE("Phone"),
    BOOL("IsPersonAccount", FIELD_AUDIT),
    REF("MasterRecordId", "Contact", "MasterRecord", 0),
    REF("OwnerId", "User", "Owner", CU),
};

static const struct field ACCOUNT_FIELDS[] = {
    SYSTEM,
    TEXT("Name", 255, CUR),
    PICK("Type", CU, NULL),
    PICK("Industry", CU, NULL),
    {.name = "Website", .type = FIELD_TEXT, .length = 255, .flags = CU, .shown_type = "url"},
    BOOL("IsPersonAccount", FIELD_AUDIT),
    REF("PersonContactId", "Contact", "PersonContact", FIELD_AUDIT),
    EMAIL("PersonEmail"),
    REF("MasterRecordId", "Account", "MasterRecord", 0),
    REF("OwnerId", "User", "Owner", CU),
};

/* of our own objects, before the shipped fields are added */
static const struct field CUSTOM_OBJECT_FIELDS[] = {
    SYSTEM,
    TEXT("Name", 80, FIELD_AUTO),
    REF("OwnerId", "User", "Owner", CU),
};

/* The permission objects hold what permissions.c writes: who may do what. */
static const struct field PERMISSION_SET_FIELDS[] = {
    SYSTEM,
    TEXT("Name", 80, 0),
    TEXT("Label", 80, 0),
    BOOL("IsOwnedByProfile", 0),
    BOOL("PermissionsApiEnabled", 0),
    BOOL("PermissionsViewAllData", 0),
    BOOL("PermissionsModifyAllData", 0),
    BOOL("PermissionsViewSetup", 0),
    BOOL("PermissionsAllowViewEditConvertedLeads", 0),
    BOOL("PermissionsBulkApiHardDelete", 0),
    BOOL("PermissionsEnableNotifications", 0), /* "Send Outbound Messages" */
};

static const struct field ASSIGNMENT_FIELDS[] = {
    SYSTEM,
    REF("AssigneeId", "User", "Assignee", 0),
    REF("PermissionSetId", "PermissionSet", "PermissionSet", 0),
    BOOL("IsActive", 0),
};

static const struct field OBJECT_PERMISSION_FIELDS[] = {
    SYSTEM,
    REF("ParentId", "PermissionSet", "Parent", 0),
    PICK("SobjectType", 0, NULL),
    BOOL("PermissionsRead", 0),
    BOOL("PermissionsCreate", 0),
    BOOL("PermissionsEdit", 0),
    BOOL("PermissionsDelete", 0),
    BOOL("PermissionsViewAllRecords", 0),
    BOOL("PermissionsModifyAllRecords", 0),
};

#define FIELDS(a) .fields = (a), .field_count = ARRAY_LEN(a)

struct object objects_table[OBJECT_COUNT] = {
    {ORGANIZATION, "Organization", "00D", .read_only = true, FIELDS(ORGANIZATION_FIELDS)},
    {USER, "User", "005", .read_only = true, FIELDS(USER_FIELDS)},
    {CAMPAIGN, "Campaign", "701", FIELDS(CAMPAIGN_FIELDS),
     .indexes = "CREATE INDEX campaign_parent ON Campaign (ParentId);"},
    {CAMPAIGN_MEMBER, "CampaignMember", "00v", FIELDS(MEMBER_FIELDS),
     .indexes = "CREATE INDEX member_campaign ON CampaignMember (CampaignId, Id, IsDeleted)"
                " WHERE IsDeleted = 0;"
                "CREATE INDEX member_campaign_all ON CampaignMember (CampaignId)"
                " WHERE IsDeleted = 1;"
                "CREATE UNIQUE INDEX member_lead ON CampaignMember (LeadId, CampaignId)"
                " WHERE IsDeleted = 0 AND LeadId IS NOT NULL;"
                "CREATE UNIQUE INDEX member_contact ON CampaignMember (ContactId, CampaignId)"
                " WHERE IsDeleted = 0 AND ContactId IS NOT NULL;"},
    {CAMPAIGN_MEMBER_STATUS, "CampaignMemberStatus", "01Y", FIELDS(MEMBER_STATUS_FIELDS),
     .indexes = "CREATE INDEX status_campaign ON CampaignMemberStatus (CampaignId);"},
    {LEAD, "Lead", "00Q", FIELDS(LEAD_FIELDS), .indexes = ""},
    {CONTACT, "Contact", "003", FIELDS(CONTACT_FIELDS),
     .indexes = "CREATE INDEX contact_account ON Contact (AccountId);"},
    {ACCOUNT, "Account", "001", FIELDS(ACCOUNT_FIELDS), .indexes = ""},
    {TOUCHPOINT, "Buyer_Touchpoint__c", "a0X", FIELDS(CUSTOM_OBJECT_FIELDS),
     .indexes = "CREATE INDEX touchpoint_campaign ON Buyer_Touchpoint__c (Campaign__c);"
                "CREATE INDEX touchpoint_lead ON Buyer_Touchpoint__c (Lead__c);"
                "CREATE INDEX touchpoint_contact ON Buyer_Touchpoint__c (Contact__c);"
                "CREATE INDEX touchpoint_ad ON Buyer_Touchpoint__c (Ad_Campaign_Id__c);"},
    {DELETION, "Campaign_Member_Deletion__c", "a0Y", FIELDS(CUSTOM_OBJECT_FIELDS), .indexes = ""},
    {PERMISSION_SET, "PermissionSet", "0PS", .read_only = true, FIELDS(PERMISSION_SET_FIELDS)},
    {PERMISSION_ASSIGNMENT, "PermissionSetAssignment", "0Pa", .read_only = true,
     FIELDS(ASSIGNMENT_FIELDS)},
    {OBJECT_PERMISSIONS, "ObjectPermissions", "110", .read_only = true,
     FIELDS(OBJECT_PERMISSION_FIELDS)},
};

const struct object *const OBJECTS = objects_table;
