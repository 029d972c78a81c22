/*
 * apply - from the raw file to struct config, in three parts: the settings table, the orgs, and
 * what concerns several keys at once
 */
#ifndef TP_APPLY_H
#define TP_APPLY_H

#include "config.h"
#include "convert.h"
#include "raw.h"

MUST_USE enum err apply_settings(struct loading *l, const struct raw_config *raw, struct config *c,
                                 struct error *e);
MUST_USE enum err apply_orgs(struct loading *l, const struct raw_config *raw, struct config *c,
                             struct error *e);

/* The org's settings from the table; path: "orgs[0]". */
MUST_USE enum err apply_org_settings(struct loading *l, const struct raw_org *raw, const char *path,
                                     struct config_org *org, struct error *e);

/* `count` networks of a list; *out is kept with the configuration. */
MUST_USE enum err apply_networks(struct loading *l, const char *path, const char *const *texts,
                                 unsigned count, struct cidr **out, struct error *e);

MUST_USE enum err apply_pins(struct loading *l, const char *path, const char *const *texts,
                             unsigned count, struct pin **out, struct error *e);
/* Whether client certificates are asked for as the pins and authorities suggest. */
MUST_USE enum err check_clients(struct loading *l, const struct config *c, struct error *e);

#endif
