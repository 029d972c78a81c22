/*
 * look_json - what the routes share that show what the worker would do
 */
#ifndef TP_ADMIN_LOOK_JSON_H
#define TP_ADMIN_LOOK_JSON_H

#include "admin_int.h"
#include "look.h"
#include "store_json.h"

/* A new reference. */
json_t *json_campaign(const struct campaign *c, const char *sync_type);

/* all, responded, exclude, blank: the picklist's value; NULL where no setting is given. False: it
 * is answered. */
bool argument_setting(const json_t *args, const char **value, struct answer *out);
/* As ask_org. */
bool ask_look(struct ask *k, const char *org, bool whole, struct look *l, struct answer *out);

/* preview.c: p as the API shows it. */
void run_preview(struct ask *k, struct answer *out); /* also the dry run of a reconcile */
json_t *preview_json(const struct preview *p);

#endif
