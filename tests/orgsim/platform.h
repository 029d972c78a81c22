/*
 * platform - the platform's own rules about particular objects
 *
 * CampaignMember: one per person and campaign; HasResponded follows Status; the first responded
 * status sets FirstRespondedDate; an unknown status becomes the default. Campaign: is born with the
 * statuses Sent and Responded. CampaignMemberStatus: one default, and members follow. Lead: a
 * converted one is closed.
 */
#ifndef ORGSIM_PLATFORM_H
#define ORGSIM_PLATFORM_H

#include "records.h"

/* Before a record is written; old is NULL on create. May change the record. */
bool platform_before(const struct writer *w, struct record *rec, const struct record *old,
                     struct row_result *r);
void platform_after(const struct writer *w, const struct record *rec, bool created);

/* The campaign whose lock a write of this record needs, or NULL. */
const char *platform_campaign_of(const struct record *rec);

#endif
