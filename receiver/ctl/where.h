/*
 * where - a condition as people write it, turned into the API's filter
 *
 *     Status is Attended and (Buyer_Touchpoint_Date__c is '' or Buyer_Touchpoint_Date__c <
 * 2026-01-01)
 *
 *     or   := and { "or" and }          and  := one { "and" one }
 *     one  := "(" or ")" | FIELD OP VALUE
 *
 * A value stands in quotes (' or ", doubled inside) unless it is one word. Operators are those of
 * rules, in any case, and = and !=.
 */
#ifndef TP_CTL_WHERE_H
#define TP_CTL_WHERE_H

#include <jansson.h>

#include "error.h"

/* {any: [{all: [{field, op, value}]}]}; a new reference. ERR_INVALID: where it can't be read. */
MUST_USE enum err where_parse(const char *text, json_t **out, struct error *e);

#endif
