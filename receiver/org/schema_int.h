/*
 * schema_int - what the org must have for the configured schema, and whether it has
 *
 * schema_needs.c judges one object's describe (pure); schema_check.c asks and keeps the outcome;
 * sees_all.c asks whether the user sees every record.
 */
#ifndef TP_ORG_SCHEMA_INT_H
#define TP_ORG_SCHEMA_INT_H

#include "call_int.h"

enum schema_object {
    OBJECT_CAMPAIGN,
    OBJECT_MEMBER,
    OBJECT_LEAD,
    OBJECT_CONTACT,
    OBJECT_TOUCHPOINT,
    OBJECT_DELETION,
    OBJECT_COUNT
};
const char *schema_object_name(const struct org *o, enum schema_object object);

/* Sentences, one a line. One that does not fit is left out whole. */
struct schema_findings {
    struct buf problems, warnings;
    size_t described; /* objects that there are */
};

/* describe NULL: the object is not there, or the user can't see it. */
void schema_judge(const struct org *o, enum schema_object object, json_t *describe,
                  struct schema_findings *out);

/* describe.c. missing: what a 404 means. Caller: answer_release. */
MUST_USE enum err describe_object(struct org_conn *c, const char *object, enum err missing,
                                  struct answer *a, struct error *e);
/* A field of a describe, without regard to case; NULL: not there. */
json_t *describe_field(json_t *describe, const char *name);

/* sees_all.c: asks in any case. why: a sentence where the answer is no; "" where it is yes. */
enum { SEES_ALL_WHY_MAX = 512 };
MUST_USE enum err sees_all_ask(struct org_conn *c, char why[SEES_ALL_WHY_MAX], struct error *e);

/* org.c: keeps the outcome; what is wrong stops the org until a check finds it right. */
void org_note_schema(struct org *o, const struct org_schema *found, unsigned wrong_objects);
void org_note_sees_all(struct org *o, bool sees_all);

#endif
