/*
 * campaign_fixture - an org in this process with one campaign, for the tests of REST and of jobs
 *
 * Included by the tests that need it; cmocka is included before it.
 */
#ifndef ORGSIM_CAMPAIGN_FIXTURE_H
#define ORGSIM_CAMPAIGN_FIXTURE_H

#include "test_org.h"

#define V "/services/data/v64.0"

static struct test_org *org;
static char campaign[SFID_SIZE];

static int setup(void **state)
{
    (void)state;
    org = test_org_new();
    test_record(org, "Campaign", campaign, "{\"Name\":\"Expo\"}");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_org_free(&org);
    return 0;
}

#endif
