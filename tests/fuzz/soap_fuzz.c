/*
 * Fuzz target: the message reader, redaction and the acknowledgement reader on any bytes.
 *
 * Beyond crashes it checks what callers rely on: a message that is accepted has 1 to 100
 * notifications whose ids are normalised; one that is refused gives nothing out; the same bytes
 * give the same answer again, also if nothing is left out on the way to libxml2; reading changes
 * nothing; redaction only ever puts an 'x' somewhere.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/soap_whole.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct soap_reader *reader, *whole_reader;

static void make_readers(void)
{
    soap_global_init();
    reader = soap_reader_new();
    whole_reader = soap_whole_reader_new();
}

static void check_id(const char *id, bool may_be_empty)
{
    char again[SFID_SIZE];
    if (may_be_empty && id[0] == '\0')
        return;
    assert(strlen(id) == SFID_LEN);
    assert(sfid_normalise(id, SFID_LEN, again) && strcmp(id, again) == 0);
}

static void check_message(const struct soap_message *m)
{
    check_id(m->org_id, false);
    assert(m->count >= 1 && m->count <= SOAP_NOTIFICATIONS_MAX);
    for (size_t i = 0; i < m->count; i++) {
        const struct soap_notification *n = &m->notifications[i];
        assert(memchr(n->object, '\0', sizeof n->object) != NULL);
        assert(n->object[0] != '\0' || n->record_id[0] == '\0');
        check_id(n->id, false);
        check_id(n->record_id, true);
        check_id(n->campaign_id, true);
        check_id(n->member_id, true);
        check_id(n->person_contact_id, true);
    }
}

static enum soap_problem read_and_check(struct soap_reader *r, const char *body, size_t n,
                                        struct soap_message *m, unsigned *line)
{
    enum soap_problem p = soap_read(r, body, n, m, line);
    if (p == SOAP_OK) {
        check_message(m);
        assert(*line == 0);
    } else {
        assert(m->count == 0 && m->notifications == NULL && m->org_id[0] == '\0');
        assert(strlen(soap_problem_code(p)) > 0);
    }
    return p;
}

static void check_redaction(char *body, const uint8_t *before, size_t n)
{
    soap_redact(body, n);
    for (size_t i = 0; i < n; i++)
        assert(body[i] == 'x' || (uint8_t)body[i] == before[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct soap_message m;
    static struct soap_notification first[SOAP_NOTIFICATIONS_MAX];

    if (reader == NULL)
        make_readers();
    char *body = malloc(size + 1); /* with its NUL, and no more, so that reading further is seen */
    assert(body != NULL);
    if (size > 0)
        memcpy(body, data, size);
    body[size] = '\0';

    unsigned line, line_of_whole;
    enum soap_problem p = read_and_check(reader, body, size, &m, &line);
    size_t count = m.count;
    char org[SFID_SIZE];
    memcpy(org, m.org_id, sizeof org);
    if (count > 0)
        memcpy(first, m.notifications, count * sizeof first[0]);
    assert(size == 0 || memcmp(body, data, size) == 0);
    assert(read_and_check(whole_reader, body, size, &m, &line_of_whole) == p);
    assert(m.count == count && line_of_whole == line && strcmp(m.org_id, org) == 0);
    assert(count == 0 || memcmp(first, m.notifications, count * sizeof first[0]) == 0);

    (void)soap_is_ack_true(body, size);
    check_redaction(body, data, size);
    free(body);
    return 0;
}
