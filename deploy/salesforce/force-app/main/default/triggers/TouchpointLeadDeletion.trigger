/** A lead goes with its memberships (also the one that loses a merge), or comes back with them. */
trigger TouchpointLeadDeletion on Lead (before delete, after undelete) {
    TouchpointDeletions.ofPeople(Trigger.isDelete ? Trigger.oldMap.keySet() : Trigger.newMap.keySet(), Lead.SObjectType);
}
