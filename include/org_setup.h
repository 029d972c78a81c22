/*
 * org_setup - what else is set up in the org, for who looks for the reason why nothing arrives
 *
 * None of it is needed to do the work, and not every user may see it: where the org refuses, that
 * is said and is no error. An error is one of org.h's: it could not be asked.
 *
 * Ownership: what comes out is borrowed for the call (callbacks), or the caller's.
 * Threads:   as for the connection.
 * Source:    Tooling API, WorkflowOutboundMessage: FullName and Metadata come for one record at a
 *            time; PermissionSet.PermissionsEnableNotifications is "Send Outbound Messages";
 *            User.UserType tells Salesforce's own users from people and integrations.
 */
#ifndef TP_ORG_SETUP_H
#define TP_ORG_SETUP_H

#include "org.h"

/* ------------------------------------------------------------------ outbound messages */

enum { ORG_OUTBOUND_MAX = 100 }; /* of an org that has more, the first are looked at */

struct org_outbound {
    const char *full_name; /* Object.Name */
    const char *object;
    const char *endpoint;
    const char *const *fields;
    size_t field_count;
};
typedef enum err org_outbound_fn(void *ctx, const struct org_outbound *m, struct error *e);
/* Each of the org's outbound messages, ours or not: 1 call, and 1 for each. *is_refused: the user
 * may not see them (it needs View Setup and Configuration), nothing came. */
MUST_USE enum err org_list_outbound(struct org_conn *c, org_outbound_fn *each, void *ctx,
                                    bool *is_refused, struct error *e);

/* ------------------------------------------------------------------ who sends them */

enum { ORG_SILENT_MAX = 10, ORG_USERNAME_SIZE = 81 };

struct org_senders {
    bool is_refused; /* the user may not see permissions; nothing else is known then */
    bool we_send;    /* our own user's changes are sent */
    /* Users who changed campaigns or members lately (the last 200 of each) without being sent;
     * Salesforce's own are left out, since an admin can't give them the permission. */
    size_t silent; /* how many; the names of the first */
    char names[ORG_SILENT_MAX][ORG_USERNAME_SIZE];
};
/* 3 to 5 calls. */
MUST_USE enum err org_find_senders(struct org_conn *c, struct org_senders *out, struct error *e);

/* The member that changed last, ""; none, or none that the user sees. 1 call. */
MUST_USE enum err org_latest_member(struct org_conn *c, char id[SFID_SIZE], struct error *e);

#endif
