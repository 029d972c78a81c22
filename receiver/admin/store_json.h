/*
 * store_json - jobs, messages and entries of the ledger as the API shows them
 */
#ifndef TP_ADMIN_STORE_JSON_H
#define TP_ADMIN_STORE_JSON_H

#include <jansson.h>

#include "store_admin.h"

/* New references. */
json_t *json_or_null(const char *text);                         /* "" is null, too */
json_t *json_day(int64_t day);                                  /* TIME_NONE is null */
json_t *json_at(int64_t at_ms);                                 /* TIME_NONE and 0 are null */
json_t *json_job(struct store *s, const struct store_job *job); /* asks the store of its undo */
json_t *json_message(const struct store_message *m);
json_t *json_ledger(const struct store_ledger_entry *x);

#endif
