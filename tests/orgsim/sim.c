/* Puts the org together: database, users, parts; and takes it apart in reverse. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

#include "auth.h"
#include "bulk.h"
#include "db.h"
#include "faults.h"
#include "ids.h"
#include "locks.h"
#include "mem.h"
#include "options.h"
#include "outbound.h"
#include "query.h"
#include "stats.h"
#include "zone.h"

static void add_user(struct sim *sim, const char *username, const char *name, const char *type,
                     char id[SFID_SIZE])
{
    int64_t now = sim_clock_second_ms(&sim->clock);
    sim_id_make("005", ++sim->next_record[USER], id);
    sdb_exec(sim->db,
             "INSERT INTO User (Id, CreatedDate, CreatedById, LastModifiedDate, LastModifiedById, "
             "SystemModstamp, Username, Name, Email, TimeZoneSidKey, UserType, IsActive) "
             "VALUES (?1, ?2, ?1, ?2, ?1, ?2, ?3, ?4, ?3, ?5, ?6, 1)",
             "titttt", id, now, username, name, sim->options->time_zone, type);
}

static void add_organization(struct sim *sim, const char *zone)
{
    int64_t now = sim_clock_second_ms(&sim->clock);
    sdb_exec(sim->db,
             "INSERT INTO Organization (Id, CreatedDate, CreatedById, LastModifiedDate, "
             "LastModifiedById, SystemModstamp, Name, TimeZoneSidKey, InstanceName, "
             "OrganizationType, LanguageLocaleKey, IsSandbox) "
             "VALUES (?1, ?2, ?3, ?2, ?3, ?2, 'Simulated Org', ?4, 'SIM1', 'Developer Edition', "
             "'en_US', 0)",
             "titt", sim->org_id, now, sim->admin_id, zone);
}

enum err sim_open(struct sim **out, const struct sim_options *options, struct event_base *base,
                  struct error *e)
{
    struct sim *sim = mem_alloc(sizeof *sim);
    sim->options = options;
    sim->base = base;
    sim->latency_ms = (unsigned)options->latency_ms;
    sim->behaviour = (struct behaviour){true, true, true, 0, 50000};
    if (!sfid_normalise(options->org_id, strlen(options->org_id), sim->org_id) ||
        !sfid_has_prefix(sim->org_id, "00D")) {
        error_set(e, ERR_CONFIG, "--org-id: \"%s\" is not an organisation's id", options->org_id);
        goto out;
    }
    memcpy(sim->token_org_id, sim->org_id, sizeof sim->org_id);
    if (objects_load(options->metadata, e) != ERR_NONE ||
        zone_open(&sim->zone, options->time_zone, e) != ERR_NONE ||
        auth_new(&sim->auth, options, e) != ERR_NONE)
        goto out;
    sim->db = sdb_open();
    objects_create_tables(sim->db);
    sim->cursors = cursors_new();
    sim->faults = faults_new();
    sim->locks = locks_new();
    sim->stats = mem_alloc(sizeof *sim->stats);
    stats_init(sim->stats, (uint64_t)options->api_limit);
    sim->outbound = outbound_new(sim);
    sim->bulk = bulk_new(sim);
    add_user(sim, "admin@example.com", "Admin User", "Standard", sim->admin_id);
    add_user(sim, options->username, "Integration User", "Standard", sim->user_id);
    add_user(sim, "autoproc@example.com", "Automated Process", "AutomatedProcess", sim->system_id);
    add_organization(sim, options->time_zone);
    permissions_init(sim);
    *out = sim;
    return ERR_NONE;
out:
    sim_close(&sim);
    return e->kind;
}

void sim_close(struct sim **sp)
{
    struct sim *sim = *sp;
    if (sim == NULL)
        return;
    bulk_free(&sim->bulk);
    outbound_free(&sim->outbound);
    json_decref(sim->schema_changes);
    if (sim->stats != NULL)
        stats_release(sim->stats);
    free(sim->stats);
    locks_free(&sim->locks);
    faults_free(&sim->faults);
    cursors_free(&sim->cursors);
    sdb_close(&sim->db);
    auth_free(&sim->auth);
    zone_close(&sim->zone);
    free(sim);
    *sp = NULL;
}
