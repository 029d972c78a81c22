/*
 * What the daemon needs of each object and field, as a table, and the sentence for each need that
 * an object's describe does not meet. Fields come with the name of the table, of the configured
 * schema, or of a rule. What a text field must hold is what this configuration can write, not what
 * the shipped metadata would hold.
 */
#include <string.h>
#include <strings.h>

#include "json_int.h"
#include "schema_int.h"

/* ------------------------------------------------------------------ kinds of fields */

enum kind {
    KIND_COMPARABLE, /* rules compare any value that is one value */
    KIND_TEXT,       /* read as text */
    KIND_PLAIN,      /* any text can be written */
    KIND_KEY,
    KIND_EMAIL,
    KIND_LOOKUP,
    KIND_DATE,
    KIND_DATETIME,
    KIND_WHEN,
    KIND_BOOLEAN,
};

static const struct {
    const char *words;
    const char *types[8]; /* as describe calls them; KIND_COMPARABLE: those that it is not */
} KINDS[] = {
    [KIND_COMPARABLE] = {"a single value, not a compound field",
                         {"address", "location", "complexvalue"}},
    [KIND_TEXT] = {"Text or Picklist",
                   {"string", "picklist", "combobox", "textarea", "multipicklist", "email"}},
    [KIND_PLAIN] = {"Text", {"string", "textarea", "picklist", "combobox"}},
    [KIND_KEY] = {"Text", {"string"}},
    [KIND_EMAIL] = {"Email or Text", {"email", "string", "textarea"}},
    [KIND_LOOKUP] = {"Lookup", {"reference"}},
    [KIND_DATE] = {"Date", {"date"}},
    [KIND_DATETIME] = {"Date/Time", {"datetime"}},
    [KIND_WHEN] = {"Date/Time or Date", {"datetime", "date"}},
    [KIND_BOOLEAN] = {"Checkbox", {"boolean"}},
};

static bool is_of_kind(enum kind kind, const char *type)
{
    bool listed = false;
    for (size_t i = 0; i < 8 && KINDS[kind].types[i] != NULL; i++)
        listed = listed || strcmp(KINDS[kind].types[i], type) == 0;
    return listed == (kind != KIND_COMPARABLE);
}

/* ------------------------------------------------------------------ the needs */

enum {
    NEED_WRITE = 1,
    NEED_FILTER = 2,
    NEED_SORT = 4,
    NEED_WRITE_BACK = 8, /* only where the status is written back, which is an extra: a member that
                            can't be told fails no pass */
};

enum { ID_LENGTH = 18, MEDIUM_LENGTH = 40 /* Campaign.Type */, NAME_LENGTH = 80 };

struct need {
    enum schema_object object;
    const char *field; /* NULL: `name` of the schema */
    enum schema_name name;
    enum kind kind;
    unsigned flags;
    size_t length;      /* characters that are written; 0: not a text, or of the policy */
    const char *target; /* of a lookup */
};

static const struct need NEEDS[] = {
    {.object = OBJECT_CAMPAIGN, .field = "Name", .kind = KIND_TEXT},
    {.object = OBJECT_CAMPAIGN, .field = "Type", .kind = KIND_TEXT},
    {OBJECT_CAMPAIGN, NULL, SCHEMA_SYNC_TYPE, KIND_TEXT, NEED_FILTER, 0, NULL},
    {OBJECT_CAMPAIGN, NULL, SCHEMA_START_DATE, KIND_DATE, 0, 0, NULL},
    {OBJECT_CAMPAIGN, NULL, SCHEMA_END_DATE, KIND_DATE, 0, 0, NULL},

    {OBJECT_MEMBER, "CampaignId", SCHEMA_COUNT, KIND_LOOKUP, NEED_FILTER, 0, "Campaign"},
    {OBJECT_MEMBER, "LeadId", SCHEMA_COUNT, KIND_LOOKUP, NEED_FILTER, 0, "Lead"},
    {OBJECT_MEMBER, "ContactId", SCHEMA_COUNT, KIND_LOOKUP, NEED_FILTER, 0, "Contact"},
    {.object = OBJECT_MEMBER, .field = "Status", .kind = KIND_TEXT},
    {.object = OBJECT_MEMBER, .field = "HasResponded", .kind = KIND_BOOLEAN},
    {.object = OBJECT_MEMBER, .field = "FirstRespondedDate", .kind = KIND_DATE},
    {.object = OBJECT_MEMBER, .field = "CreatedDate", .kind = KIND_DATETIME},
    {OBJECT_MEMBER, NULL, SCHEMA_TOUCHPOINT_DATE, KIND_WHEN, 0, 0, NULL},
    {OBJECT_MEMBER, NULL, SCHEMA_STATUS_TEXT, KIND_PLAIN, NEED_WRITE | NEED_WRITE_BACK, 0, NULL},
    {OBJECT_MEMBER, NULL, SCHEMA_STATUS_DATE, KIND_DATETIME, NEED_WRITE | NEED_WRITE_BACK, 0, NULL},

    {.object = OBJECT_LEAD, .field = "Email", .kind = KIND_EMAIL},
    {.object = OBJECT_LEAD, .field = "IsConverted", .kind = KIND_BOOLEAN},
    {OBJECT_LEAD, "ConvertedContactId", SCHEMA_COUNT, KIND_LOOKUP, NEED_FILTER, 0, "Contact"},

    {.object = OBJECT_CONTACT, .field = "Email", .kind = KIND_EMAIL},

    {OBJECT_TOUCHPOINT, NULL, SCHEMA_TP_KEY, KIND_KEY, NEED_WRITE | NEED_FILTER, ID_LENGTH, NULL},
    {OBJECT_TOUCHPOINT, NULL, SCHEMA_TP_CAMPAIGN, KIND_LOOKUP, NEED_WRITE | NEED_FILTER, 0,
     "Campaign"},
    {OBJECT_TOUCHPOINT, NULL, SCHEMA_TP_LEAD, KIND_LOOKUP, NEED_WRITE, 0, "Lead"},
    {OBJECT_TOUCHPOINT, NULL, SCHEMA_TP_CONTACT, KIND_LOOKUP, NEED_WRITE, 0, "Contact"},
    {OBJECT_TOUCHPOINT, NULL, SCHEMA_TP_EMAIL, KIND_EMAIL, NEED_WRITE, NAME_LENGTH, NULL},
    {OBJECT_TOUCHPOINT, NULL, SCHEMA_TP_DATE, KIND_DATETIME, NEED_WRITE, 0, NULL},
    {OBJECT_TOUCHPOINT, NULL, SCHEMA_TP_CHANNEL, KIND_PLAIN, NEED_WRITE, 0, NULL},
    {OBJECT_TOUCHPOINT, NULL, SCHEMA_TP_SUBCHANNEL, KIND_PLAIN, NEED_WRITE, 0, NULL},
    {OBJECT_TOUCHPOINT, NULL, SCHEMA_TP_CHANNEL_PATH, KIND_PLAIN, NEED_WRITE, 0, NULL},
    {OBJECT_TOUCHPOINT, NULL, SCHEMA_TP_MEDIUM, KIND_PLAIN, NEED_WRITE, MEDIUM_LENGTH, NULL},
    {OBJECT_TOUCHPOINT, NULL, SCHEMA_TP_SOURCE, KIND_PLAIN, NEED_WRITE, sizeof "CRM Campaign" - 1,
     NULL},
    {OBJECT_TOUCHPOINT, NULL, SCHEMA_TP_TYPE, KIND_PLAIN, NEED_WRITE, sizeof "CRM" - 1, NULL},
    {OBJECT_TOUCHPOINT, NULL, SCHEMA_TP_AD_CAMPAIGN_ID, KIND_PLAIN,
     NEED_WRITE | NEED_FILTER | NEED_SORT, ID_LENGTH, NULL},
    {OBJECT_TOUCHPOINT, NULL, SCHEMA_TP_AD_CAMPAIGN_NAME, KIND_PLAIN, NEED_WRITE, NAME_LENGTH,
     NULL},
    {OBJECT_TOUCHPOINT, NULL, SCHEMA_TP_RULE, KIND_PLAIN, NEED_WRITE, 0, NULL},

    {OBJECT_DELETION, NULL, SCHEMA_DEL_MEMBER, KIND_TEXT, 0, 0, NULL},
    {OBJECT_DELETION, NULL, SCHEMA_DEL_CAMPAIGN, KIND_TEXT, 0, 0, NULL},
};

/* Characters as the org counts them: UTF-16 units. */
static size_t units(const char *s)
{
    size_t n = 0;
    for (; s != NULL && *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;
        n += (c & 0xC0) == 0x80 ? 0 : c >= 0xF0 ? 2 : 1;
    }
    return n < RULES_CHANNEL_MAX ? n : RULES_CHANNEL_MAX; /* longer ones are cut */
}

static void raise_to(size_t *longest, size_t n)
{
    if (n > *longest)
        *longest = n < RULES_CHANNEL_MAX ? n : RULES_CHANNEL_MAX;
}

/* The longest text that the policy can put into the field. */
static size_t length_by_policy(const struct policy *p, enum schema_name name)
{
    size_t longest = 0;
    if (name == SCHEMA_TP_RULE)
        longest = sizeof "picklist:responded" - 1;
    for (size_t i = 0; name == SCHEMA_TP_RULE && i < p->rule_count; i++)
        raise_to(&longest, units(p->rules[i].name));
    if (name == SCHEMA_STATUS_TEXT) {
#define X(id, code, text) raise_to(&longest, sizeof "No Touchpoint: " text - 1);
        REASONS(X)
#undef X
    }
    if (name == SCHEMA_TP_CHANNEL || name == SCHEMA_TP_CHANNEL_PATH)
        raise_to(&longest, units(p->default_channel));
    for (size_t i = 0; i < p->channel_count; i++) {
        size_t channel = units(p->channels[i].channel), sub = units(p->channels[i].subchannel);
        if (name == SCHEMA_TP_CHANNEL)
            raise_to(&longest, channel);
        else if (name == SCHEMA_TP_SUBCHANNEL)
            raise_to(&longest, sub);
        else if (name == SCHEMA_TP_CHANNEL_PATH)
            raise_to(&longest, channel + (sub > 0 ? 1 + sub : 0));
    }
    return longest;
}

/* ------------------------------------------------------------------ one field */

/* What is not told is not held against the org: its own answers to our requests will tell. */
static bool is_on(json_t *describe, const char *attribute)
{
    return !json_is_false(json_object_get(describe, attribute));
}

static bool is_told(json_t *describe, const char *attribute)
{
    return json_is_true(json_object_get(describe, attribute));
}

/* What judging one object needs. */
struct judge {
    const struct org *org;
    const char *object; /* its name */
    json_t *describe;
    struct schema_findings *out;
};

static void judge_missing(const struct judge *j, const char *field, const char *source)
{
    buf_printf(&j->out->problems,
               "%s.%s does not exist, or this user can't see it: create it or grant Read on the "
               "field, or correct its name (%s)\n",
               j->object, field, source);
}

static bool has_target(json_t *field, const char *target)
{
    json_t *list = json_object_get(field, "referenceTo");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (name != NULL && strcasecmp(name, target) == 0)
            return true;
    }
    return false;
}

/* False: of another kind, so that nothing else needs to be said of it. */
static bool judge_kind(const struct judge *j, const char *name, json_t *field, enum kind kind,
                       const char *target)
{
    const char *type = json_text(field, "type");
    if (type == NULL)
        return true;
    if (!is_of_kind(kind, type)) {
        buf_printf(&j->out->problems, "%s.%s is of type %s: it must be %s%s%s\n", j->object, name,
                   type, KINDS[kind].words, target == NULL ? "" : " to ",
                   target == NULL ? "" : target);
        return false;
    }
    if (target != NULL && json_is_array(json_object_get(field, "referenceTo")) &&
        !has_target(field, target)) {
        buf_printf(&j->out->problems, "%s.%s looks up another object: it must be Lookup to %s\n",
                   j->object, name, target);
        return false;
    }
    return true;
}

static void judge_length(const struct judge *j, struct buf *out, const char *name, json_t *field,
                         size_t wanted)
{
    json_t *length = json_object_get(field, "length");
    if (json_is_integer(length) && json_integer_value(length) < (json_int_t)wanted)
        buf_printf(out,
                   "%s.%s holds %lld characters, but up to %zu are written: lengthen the field\n",
                   j->object, name, (long long)json_integer_value(length), wanted);
}

/* Where the object as a whole can't be written, its fields say so too. */
static void judge_writing(const struct judge *j, struct buf *out, const char *name, json_t *field)
{
    bool create = is_on(field, "createable") || !is_on(j->describe, "createable");
    bool update = is_on(field, "updateable") || !is_on(j->describe, "updateable");
    if (is_told(field, "calculated") || is_told(field, "autoNumber"))
        buf_printf(out,
                   "%s.%s can't be written, since the org computes it: use a field that is no "
                   "formula and no Auto Number\n",
                   j->object, name);
    else if (!create || !update)
        buf_printf(out, "%s.%s can't be written by this user: grant Edit on the field\n", j->object,
                   name);
}

static void judge_use(const struct judge *j, const char *name, json_t *field, unsigned flags)
{
    bool filters = is_on(field, "filterable") || (flags & NEED_FILTER) == 0;
    bool sorts = is_on(field, "sortable") || (flags & NEED_SORT) == 0;
    if (!filters || !sorts)
        buf_printf(&j->out->problems,
                   "%s.%s can't be used to %s records: make it a field that is neither Long Text "
                   "nor encrypted\n",
                   j->object, name, filters ? "sort" : "find");
}

static void judge_key(const struct judge *j, const char *name, json_t *field)
{
    if (!is_on(field, "externalId"))
        buf_printf(&j->out->problems, "%s.%s is no external id: mark the field as External ID\n",
                   j->object, name);
    if (!is_on(field, "unique"))
        buf_printf(&j->out->problems, "%s.%s is not unique: mark the field as Unique\n", j->object,
                   name);
    /* ids of 18 characters differ by more than case */
    if (is_told(field, "unique") && !is_on(field, "caseSensitive"))
        buf_printf(&j->out->warnings,
                   "%s.%s is not case-sensitive: let its uniqueness treat \"ABC\" and \"abc\" as "
                   "different values\n",
                   j->object, name);
}

static void judge_need(const struct judge *j, const struct need *need)
{
    static const char *const settings[SCHEMA_COUNT] = {
#define X(id, key, standard, bizible2) [id] = "schema: " key,
        SCHEMA_NAMES(X)
#undef X
    };
    const char *const *names = j->org->config->schema.name;
    const char *name = need->field != NULL ? need->field : names[need->name];
    json_t *field = describe_field(j->describe, name);
    if (field == NULL) {
        judge_missing(j, name, need->field != NULL ? "a standard field" : settings[need->name]);
        return;
    }
    if (!judge_kind(j, name, field, need->kind, need->target))
        return;
    if (need->name == SCHEMA_TP_KEY && need->field == NULL)
        judge_key(j, name, field);
    if ((need->flags & NEED_WRITE) != 0) {
        struct buf *out =
            (need->flags & NEED_WRITE_BACK) != 0 ? &j->out->warnings : &j->out->problems;
        size_t length = need->length;
        if (length == 0 && need->kind == KIND_PLAIN)
            length = length_by_policy(j->org->policy, need->name);
        judge_length(j, out, name, field, length);
        judge_writing(j, out, name, field);
    }
    judge_use(j, name, field, need->flags);
}

static void judge_rule_fields(const struct judge *j, const char *const *fields, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        json_t *field = describe_field(j->describe, fields[i]);
        if (field == NULL)
            judge_missing(j, fields[i], "the rules");
        else
            (void)judge_kind(j, fields[i], field, KIND_COMPARABLE, NULL);
    }
}

/* ------------------------------------------------------------------ one object */

const char *schema_object_name(const struct org *o, enum schema_object object)
{
    static const char *const standard[OBJECT_COUNT] = {
        [OBJECT_CAMPAIGN] = "Campaign",
        [OBJECT_MEMBER] = "CampaignMember",
        [OBJECT_LEAD] = "Lead",
        [OBJECT_CONTACT] = "Contact",
    };
    if (standard[object] != NULL)
        return standard[object];
    return o->config->schema
        .name[object == OBJECT_TOUCHPOINT ? SCHEMA_TOUCHPOINT : SCHEMA_DELETION];
}

static void judge_access(const struct judge *j, enum schema_object object)
{
    static const struct {
        const char *attribute, *done, *right;
    } rows[] = {
        {"queryable", "queried", "Read"},
        {"createable", "created", "Create"},
        {"updateable", "updated", "Edit"},
        {"deletable", "deleted", "Delete"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool is_needed = i == 0 || object == OBJECT_TOUCHPOINT ||
                         (object == OBJECT_DELETION && i == 3) ||
                         (object == OBJECT_MEMBER && i == 2 && j->org->config->write_back);
        if (!is_needed || is_on(j->describe, rows[i].attribute))
            continue;
        /* helper records that stay are only in the way, and a status is an extra */
        bool is_optional = object != OBJECT_TOUCHPOINT && i > 0;
        buf_printf(is_optional ? &j->out->warnings : &j->out->problems,
                   "%s: its records can't be %s by this user: grant %s on the object\n", j->object,
                   rows[i].done, rows[i].right);
    }
}

static void judge_absence(const struct judge *j, enum schema_object object)
{
    if (object == OBJECT_DELETION)
        buf_printf(&j->out->warnings,
                   "%s does not exist, or this user can't see it: deletions of members are noticed "
                   "later; deploy the object and its triggers, or grant Read on it\n",
                   j->object);
    else
        buf_printf(&j->out->problems,
                   "%s does not exist, or this user can't see it: %s grant Read on the object\n",
                   j->object,
                   object == OBJECT_TOUCHPOINT
                       ? "deploy it, correct its name (schema: touchpoint) or"
                       : "enable it in the org and");
}

void schema_judge(const struct org *o, enum schema_object object, json_t *describe,
                  struct schema_findings *out)
{
    const struct policy *p = o->policy;
    struct judge j = {
        .org = o, .object = schema_object_name(o, object), .describe = describe, .out = out};
    if (describe == NULL) {
        judge_absence(&j, object);
        return;
    }
    judge_access(&j, object);
    for (size_t i = 0; i < sizeof NEEDS / sizeof NEEDS[0]; i++) {
        bool is_used = (NEEDS[i].flags & NEED_WRITE_BACK) == 0 || o->config->write_back;
        if (NEEDS[i].object == object && is_used)
            judge_need(&j, &NEEDS[i]);
    }
    if (object == OBJECT_CAMPAIGN)
        judge_rule_fields(&j, p->campaign_fields, p->campaign_field_count);
    if (object == OBJECT_MEMBER)
        judge_rule_fields(&j, p->member_fields, p->member_field_count);
}
