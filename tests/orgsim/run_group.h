/*
 * run_group - runs a group of orgsim's tests with curl and libxml2 set up; after cmocka.h
 */
#ifndef TP_TEST_ORGSIM_RUN_GROUP_H
#define TP_TEST_ORGSIM_RUN_GROUP_H

#include <curl/curl.h>

#include "soap.h"

static inline int run_group(const char *name, const struct CMUnitTest *tests, size_t count)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    soap_global_init();
    int failed = _cmocka_run_group_tests(name, tests, count, NULL, NULL);
    curl_global_cleanup();
    return failed;
}

#endif
