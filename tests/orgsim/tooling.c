/*
 * Only what is documented of WorkflowOutboundMessage: a list by SOQL of what may be listed, then
 * one record each, since FullName and Metadata come for a single record only.
 */
#include "tooling.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mem.h"
#include "outbound.h"

#define TYPE "WorkflowOutboundMessage"

static bool may_see(struct sim *sim, struct sim_reply *reply)
{
    if (!sim->access.view_setup)
        sim_reply_error(reply, 400, "INVALID_TYPE", "sObject type '" TYPE "' is not supported.");
    return sim->access.view_setup;
}

static json_t *attributes(const struct sim_request *r, const char *id)
{
    char *url = mem_printf("/services/data/%s/tooling/sobjects/" TYPE "/%s", r->version, id);
    json_t *json = json_pack("{s:s, s:s}", "type", TYPE, "url", url);
    free(url);
    return json;
}

void tooling_query(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    const char *soql = sim_request_param(r, "q");
    if (soql == NULL || strcasecmp(soql, "SELECT Id, Name FROM " TYPE " ORDER BY Id") != 0) {
        sim_reply_error(reply, 400, "MALFORMED_QUERY", "not simulated: %s",
                        soql == NULL ? "" : soql);
        return;
    }
    if (!may_see(sim, reply))
        return;
    json_t *records = json_array();
    for (size_t i = 0; i < OBJECT_COUNT; i++) {
        json_t *m = outbound_message(sim->outbound, &OBJECTS[i]);
        const char *id = json_string_value(json_object_get(m, "Id"));
        if (m != NULL)
            json_array_append_new(records,
                                  json_pack("{s:o, s:s, s:O}", "attributes", attributes(r, id),
                                            "Id", id, "Name", json_object_get(m, "Name")));
        json_decref(m);
    }
    json_int_t total = (json_int_t)json_array_size(records);
    sim_reply_json(reply, 200,
                   json_pack("{s:I, s:I, s:b, s:s, s:o}", "size", total, "totalSize", total, "done",
                             1, "entityTypeName", TYPE, "records", records));
}

void tooling_get(struct sim *sim, const struct sim_request *r, struct sim_reply *reply)
{
    bool found = false;
    if (strcmp(r->args[2], TYPE) == 0 && !may_see(sim, reply))
        return;
    for (size_t i = 0; !found && strcmp(r->args[2], TYPE) == 0 && i < OBJECT_COUNT; i++) {
        json_t *m = outbound_message(sim->outbound, &OBJECTS[i]);
        const char *id = json_string_value(json_object_get(m, "Id"));
        found = id != NULL && strcmp(id, r->args[3]) == 0;
        if (found) {
            json_object_set_new(m, "attributes", attributes(r, id));
            sim_reply_json(reply, 200, m);
        } else {
            json_decref(m);
        }
    }
    if (!found)
        sim_reply_not_found(reply);
}
