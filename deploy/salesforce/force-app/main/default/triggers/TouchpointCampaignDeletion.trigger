/** A campaign goes with all its members, or comes back with them: one record for all of it. */
trigger TouchpointCampaignDeletion on Campaign (before delete, after undelete) {
    TouchpointDeletions.ofCampaigns(Trigger.isDelete ? Trigger.oldMap.keySet() : Trigger.newMap.keySet());
}
