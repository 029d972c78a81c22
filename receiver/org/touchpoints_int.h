/*
 * touchpoints_int - which field of the touchpoint object holds which value
 */
#ifndef TP_ORG_TOUCHPOINTS_INT_H
#define TP_ORG_TOUCHPOINTS_INT_H

#include "org_int.h"

extern const enum schema_name TOUCHPOINT_FIELDS[TV_COUNT];
const char *touchpoint_field(const struct org *o, enum touchpoint_value v);

#endif
