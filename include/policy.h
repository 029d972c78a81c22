/*
 * policy - the rules' policy as the configuration states it
 *
 * policy_from_config parses operators and fields, folds patterns once, lists the fields that the
 * rules name (each once, without regard to case), and runs policy_check.
 *
 * Ownership: the policy owns all it points to; the configuration may go before it.
 * Threads:   pure; a policy is shared read-only.
 * Errors:    ERR_CONFIG, "FILE:LINE: rules[0]: …" with the rule's or channel's name.
 */
#ifndef TP_POLICY_H
#define TP_POLICY_H

#include "config.h"
#include "error.h"
#include "rules.h"

MUST_USE enum err policy_from_config(struct policy **out, const struct config *c, struct error *e);
void policy_free(struct policy **p);

enum { POLICY_FINGERPRINT_SIZE = 65 };

/* Hex of a hash over all that decisions and values depend on: policy, channels, rules, in their
 * order. Not the delete guard's limit, which changes no decision. Equal configurations give equal
 * texts in every version that keeps these settings' meaning. */
void policy_fingerprint(const struct config *c, char out[POLICY_FINGERPRINT_SIZE]);

#endif
