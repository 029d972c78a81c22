/* The table of resources, matching, and the small resources that need no file of their own. */
#include "routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bulk.h"
#include "collections.h"
#include "composite.h"
#include "deleted.h"
#include "describe.h"
#include "query.h"
#include "sobjects.h"
#include "stats.h"
#include "tooling.h"

enum { VERSION_FIRST = 20, VERSION_LAST = 67 };

static void resources(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    static const char *const names[] = {"query",     "queryAll", "sobjects",
                                        "composite", "jobs",     "limits"};
    (void)sim;
    json_t *json = json_object();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char url[80];
        snprintf(url, sizeof url, "/services/data/%s/%s", r->version, names[i]);
        json_object_set_new(json, names[i], json_string(url));
    }
    sim_reply_json(reply, 200, json);
}

static void limits(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    (void)r;
    if (!sim->access.view_setup) {
        sim_reply_error(reply, 403, "INSUFFICIENT_ACCESS",
                        "The user lacks the permission to view setup and configuration");
        return;
    }
    sim_reply_json(reply, 200, stats_limits(sim->stats, sim_clock_ms(&sim->clock)));
}

static const struct route ROUTES[] = {
    {HTTP_GET, "", "resources", resources},
    {HTTP_GET, "query", "query", query_start},
    {HTTP_GET, "queryAll", "query_all", query_start},
    {HTTP_GET, "query/*", "query_more", query_more},
    {HTTP_GET, "queryAll/*", "query_more", query_more},
    {HTTP_GET, "limits", "limits", limits},
    {HTTP_GET, "tooling/query", "tooling_query", tooling_query},
    {HTTP_GET, "tooling/sobjects/*/*", "tooling_get", tooling_get},
    {HTTP_GET, "sobjects/*/deleted", "deleted", deleted_run},
    {HTTP_GET, "sobjects/*/updated", "updated", updated_run},
    {HTTP_GET, "sobjects", "describe_global", describe_global},
    {HTTP_GET, "sobjects/*/describe", "describe", describe_object},
    {HTTP_GET, "sobjects/*", "describe_basic", describe_basic},
    {HTTP_POST, "sobjects/*", "create", sobjects_create},
    {HTTP_GET, "sobjects/*/*", "get", sobjects_get},
    {HTTP_PATCH, "sobjects/*/*", "update", sobjects_update},
    {HTTP_DELETE, "sobjects/*/*", "delete", sobjects_delete},
    {HTTP_GET, "sobjects/*/*/**", "get", sobjects_get_external},
    {HTTP_PATCH, "sobjects/*/*/**", "upsert", sobjects_upsert},
    {HTTP_DELETE, "sobjects/*/*/**", "delete", sobjects_delete_external},
    {HTTP_POST, "jobs/ingest", "bulk_create", bulk_create},
    {HTTP_GET, "jobs/ingest", "bulk_list", bulk_list},
    {HTTP_GET, "jobs/ingest/*", "bulk_info", bulk_info},
    {HTTP_PATCH, "jobs/ingest/*", "bulk_state", bulk_set_state},
    {HTTP_DELETE, "jobs/ingest/*", "bulk_remove", bulk_delete},
    {HTTP_PUT, "jobs/ingest/*/batches", "bulk_upload", bulk_upload},
    {HTTP_GET, "jobs/ingest/*/successfulResults", "bulk_successful", bulk_successful},
    {HTTP_GET, "jobs/ingest/*/failedResults", "bulk_failed", bulk_failed},
    {HTTP_GET, "jobs/ingest/*/unprocessedrecords", "bulk_unprocessed", bulk_unprocessed},
    {HTTP_GET, "jobs/ingest/*/unprocessedRecords", "bulk_unprocessed", bulk_unprocessed},
    {HTTP_POST, "jobs/query", "query_job_create", bulk_query_create},
    {HTTP_GET, "jobs/query", "query_job_list", bulk_list},
    {HTTP_GET, "jobs/query/*", "query_job_info", bulk_info},
    {HTTP_PATCH, "jobs/query/*", "query_job_state", bulk_set_state},
    {HTTP_DELETE, "jobs/query/*", "query_job_remove", bulk_delete},
    {HTTP_GET, "jobs/query/*/results", "query_job_results", bulk_query_results},
    {HTTP_POST, "composite", "composite", composite_run},
    {HTTP_POST, "composite/sobjects", "collections_create", collections_create},
    {HTTP_PATCH, "composite/sobjects", "collections_update", collections_update},
    {HTTP_DELETE, "composite/sobjects", "collections_delete", collections_delete},
    {HTTP_POST, "composite/sobjects/*", "collections_get", collections_get},
    {HTTP_GET, "composite/sobjects/*", "collections_get", collections_get},
    {HTTP_PATCH, "composite/sobjects/*/*", "collections_upsert", collections_upsert},
};

static bool matches(const char *pattern, char *const *segments, size_t count)
{
    size_t i = 0;
    while (*pattern != '\0') {
        size_t n = strcspn(pattern, "/");
        if (i == count)
            return false;
        if (strncmp(pattern, "**", 2) == 0)
            return true;
        if (*pattern != '*' && (strlen(segments[i]) != n || strncmp(pattern, segments[i], n) != 0))
            return false;
        i++;
        pattern += n + (pattern[n] == '/');
    }
    return i == count;
}

static bool is_version(const char *s)
{
    char want[24];
    for (int v = VERSION_FIRST; v <= VERSION_LAST; v++) {
        snprintf(want, sizeof want, "v%d.0", v);
        if (strcmp(s, want) == 0)
            return true;
    }
    return false;
}

bool route_is_rest(const struct sim_request *r)
{
    return r->segment_count >= 3 && strcmp(r->segments[0], "services") == 0 &&
           strcmp(r->segments[1], "data") == 0 && is_version(r->segments[2]);
}

static void not_allowed(const struct sim_request *r, const char *allowed, struct sim_reply *reply)
{
    sim_reply_error(reply, 405, "METHOD_NOT_ALLOWED",
                    "HTTP Method '%s' not allowed. Allowed are %s", http_method_name(r->method),
                    allowed);
    sim_reply_header(reply, "Allow", allowed);
}

const struct route *route_find(struct sim_request *r, struct sim_reply *reply)
{
    char allowed[80] = "";
    if (!route_is_rest(r)) {
        sim_reply_not_found(reply);
        return NULL;
    }
    snprintf(r->version, sizeof r->version, "%s", r->segments[2]);
    r->args = r->segments + 3;
    r->arg_count = r->segment_count - 3;
    const char *override = sim_request_param(r, "_HttpMethod");
    if (r->method == HTTP_POST && override != NULL)
        r->method = http_method_of(override);
    for (size_t i = 0; i < sizeof ROUTES / sizeof ROUTES[0]; i++) {
        if (!matches(ROUTES[i].pattern, r->args, r->arg_count))
            continue;
        if (ROUTES[i].method == r->method) {
            r->operation = ROUTES[i].operation;
            return &ROUTES[i];
        }
        size_t n = strlen(allowed);
        snprintf(allowed + n, sizeof allowed - n, "%s%s", n == 0 ? "" : ",",
                 http_method_name(ROUTES[i].method));
    }
    if (allowed[0] != '\0')
        not_allowed(r, allowed, reply);
    else
        sim_reply_not_found(reply);
    return NULL;
}

void routes_versions(struct sim_reply *reply)
{
    json_t *list = json_array();
    for (int v = VERSION_FIRST; v <= VERSION_LAST; v++) {
        char version[24], url[48], label[32];
        snprintf(version, sizeof version, "%d.0", v);
        snprintf(url, sizeof url, "/services/data/v%d.0", v);
        snprintf(label, sizeof label, "Version %d", v);
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s}", "label", label, "url", url, "version", version));
    }
    sim_reply_json(reply, 200, list);
}
