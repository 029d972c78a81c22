/** Members removed from a campaign. Those that go with their campaign, lead or contact fire nothing here. */
trigger TouchpointMemberDeletion on CampaignMember (after delete) {
    TouchpointDeletions.ofMembers(Trigger.old);
}
