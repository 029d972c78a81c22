/** A contact goes with its memberships (also the one that loses a merge), or comes back with them. */
trigger TouchpointContactDeletion on Contact (before delete, after undelete) {
    TouchpointDeletions.ofPeople(Trigger.isDelete ? Trigger.oldMap.keySet() : Trigger.newMap.keySet(), Contact.SObjectType);
}
