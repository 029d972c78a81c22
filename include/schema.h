/*
 * schema - the API names of the org's objects and fields, by role
 *
 * The X-macro is the master copy: configuration key, name in the preset `standard` (shipped as
 * metadata), name in the preset `bizible2` (Marketo Measure's package for Campaign and
 * CampaignMember; its touchpoint object is replaced by ours).
 *
 * Threads: plain data.
 */
#ifndef TP_SCHEMA_H
#define TP_SCHEMA_H

#define SCHEMA_NAMES(X)                                                                            \
    X(SCHEMA_SYNC_TYPE, "campaign.sync_type", "Enable_Buyer_Touchpoints__c",                       \
      "bizible2__Bizible_Attribution_SyncType__c")                                                 \
    X(SCHEMA_START_DATE, "campaign.start_date", "Touchpoint_Start_Date__c",                        \
      "bizible2__Touchpoint_Start_Date__c")                                                        \
    X(SCHEMA_END_DATE, "campaign.end_date", "Touchpoint_End_Date__c",                              \
      "bizible2__Touchpoint_End_Date__c")                                                          \
    X(SCHEMA_TOUCHPOINT_DATE, "member.touchpoint_date", "Buyer_Touchpoint_Date__c",                \
      "bizible2__Bizible_Touchpoint_Date__c")                                                      \
    X(SCHEMA_STATUS_TEXT, "member.status_text", "Touchpoint_Status__c", "Touchpoint_Status__c")    \
    X(SCHEMA_STATUS_DATE, "member.status_date", "Touchpoint_Status_Date__c",                       \
      "bizible2__Touchpoint_Status_Date__c")                                                       \
    X(SCHEMA_TOUCHPOINT, "touchpoint", "Buyer_Touchpoint__c", "Buyer_Touchpoint__c")               \
    X(SCHEMA_TP_KEY, "touchpoint.key", "Campaign_Member_Id__c", "Campaign_Member_Id__c")           \
    X(SCHEMA_TP_CAMPAIGN, "touchpoint.campaign", "Campaign__c", "Campaign__c")                     \
    X(SCHEMA_TP_LEAD, "touchpoint.lead", "Lead__c", "Lead__c")                                     \
    X(SCHEMA_TP_CONTACT, "touchpoint.contact", "Contact__c", "Contact__c")                         \
    X(SCHEMA_TP_EMAIL, "touchpoint.email", "Email__c", "Email__c")                                 \
    X(SCHEMA_TP_DATE, "touchpoint.date", "Touchpoint_Date__c", "Touchpoint_Date__c")               \
    X(SCHEMA_TP_CHANNEL, "touchpoint.channel", "Channel__c", "Channel__c")                         \
    X(SCHEMA_TP_SUBCHANNEL, "touchpoint.subchannel", "Subchannel__c", "Subchannel__c")             \
    X(SCHEMA_TP_CHANNEL_PATH, "touchpoint.channel_path", "Channel_Path__c", "Channel_Path__c")     \
    X(SCHEMA_TP_MEDIUM, "touchpoint.medium", "Medium__c", "Medium__c")                             \
    X(SCHEMA_TP_SOURCE, "touchpoint.source", "Touchpoint_Source__c", "Touchpoint_Source__c")       \
    X(SCHEMA_TP_TYPE, "touchpoint.type", "Touchpoint_Type__c", "Touchpoint_Type__c")               \
    X(SCHEMA_TP_AD_CAMPAIGN_ID, "touchpoint.ad_campaign_id", "Ad_Campaign_Id__c",                  \
      "Ad_Campaign_Id__c")                                                                         \
    X(SCHEMA_TP_AD_CAMPAIGN_NAME, "touchpoint.ad_campaign_name", "Ad_Campaign_Name__c",            \
      "Ad_Campaign_Name__c")                                                                       \
    X(SCHEMA_TP_RULE, "touchpoint.rule", "Rule__c", "Rule__c")                                     \
    X(SCHEMA_DELETION, "deletion", "Campaign_Member_Deletion__c", "Campaign_Member_Deletion__c")   \
    X(SCHEMA_DEL_MEMBER, "deletion.member", "Campaign_Member_Id__c", "Campaign_Member_Id__c")      \
    X(SCHEMA_DEL_CAMPAIGN, "deletion.campaign", "Campaign_Id__c", "Campaign_Id__c")

enum schema_name {
#define X(id, key, standard, bizible2) id,
    SCHEMA_NAMES(X)
#undef X
        SCHEMA_COUNT
};

struct schema {
    const char *name[SCHEMA_COUNT]; /* never NULL */
};

#endif
