/*
 * intake_fixture - the intake behind a plain listener, with a store that the test plays itself
 *
 * The store either completes each put at once, in the loop's thread (so the request's memory is
 * gone before the put returns), or keeps it until the test completes it from its own thread. After
 * cmocka.h; once a test program.
 */
#ifndef TP_TEST_INTAKE_FIXTURE_H
#define TP_TEST_INTAKE_FIXTURE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "intake.h"
#include "listener.h"
#include "metrics.h"
#include "net_help.h"
#include "sfid.h"
#include "soap.h"

#define ORG_PATH "/salesforce/outbound/secret-part"

enum { ITEMS_MAX = 128, KEPT_MAX = 32 };

struct fake_store {
    pthread_mutex_t lock;
    enum err refuse;   /* put's own answer */
    enum err result;   /* of a put that was taken */
    size_t duplicates; /* reported for it */
    bool keep;
    struct store_put *kept[KEPT_MAX];
    size_t kept_count;
    struct store_item items[ITEMS_MAX]; /* of the last put */
    size_t item_count, put_count;
    char org[SFID_SIZE];
    struct store_document *quarantined; /* the last one */
    size_t quarantined_count;
};

struct fixture {
    struct fake_store store;
    struct config config;
    struct config_org org;
    struct intake *intake;
    struct listener *listener;
    const char *health;
};

static struct net_client client;
static struct net_response response;

/* "701" → an 18-character id with that prefix; static until the 16th next call. */
static inline const char *id_of(const char *prefix, unsigned n)
{
    static char slots[16][SFID_SIZE];
    static unsigned next;
    char text[32];
    char *slot = slots[next++ % 16];
    (void)snprintf(text, sizeof text, "%s0000000%05u", prefix, n);
    assert_true(sfid_normalise(text, 15, slot));
    return slot;
}

static inline enum err fake_put(struct store *store, struct store_put *p, struct error *e)
{
    struct fake_store *s = (struct fake_store *)(void *)store;
    pthread_mutex_lock(&s->lock);
    enum err refuse = s->refuse;
    bool keep = s->keep;
    s->put_count++;
    assert_true(p->count <= ITEMS_MAX);
    memcpy(s->items, p->items, p->count * sizeof p->items[0]);
    s->item_count = p->count;
    memcpy(s->org, p->org, sizeof s->org);
    if (refuse == ERR_NONE && keep) {
        assert_true(s->kept_count < KEPT_MAX);
        s->kept[s->kept_count++] = p;
    }
    p->result = s->result;
    p->duplicates = s->duplicates;
    p->stored = p->count - s->duplicates;
    pthread_mutex_unlock(&s->lock);
    if (refuse != ERR_NONE)
        return error_set(e, refuse, "the fake store does not want it");
    if (!keep)
        p->done(p);
    return ERR_NONE;
}

static inline void fake_quarantine(struct store *store, struct store_document **d)
{
    struct fake_store *s = (struct fake_store *)(void *)store;
    pthread_mutex_lock(&s->lock);
    store_document_free(&s->quarantined);
    s->quarantined = *d;
    s->quarantined_count++;
    pthread_mutex_unlock(&s->lock);
    *d = NULL;
}

static inline bool has_kept(void *arg)
{
    struct fake_store *s = arg;
    pthread_mutex_lock(&s->lock);
    bool has = s->kept_count > 0;
    pthread_mutex_unlock(&s->lock);
    return has;
}

static inline struct store_put *take_kept(struct fixture *f)
{
    assert_true(net_wait(has_kept, &f->store));
    pthread_mutex_lock(&f->store.lock);
    struct store_put *p = f->store.kept[--f->store.kept_count];
    pthread_mutex_unlock(&f->store.lock);
    return p;
}

static inline const char *say_health(void *ctx, bool ready)
{
    struct fixture *f = ctx;
    return ready ? f->health : "ok";
}

/* The presets' names, since the schema says which object is the deletion record. */
static inline void fill_schema(struct schema *schema)
{
    static const char *const names[SCHEMA_COUNT] = {
#define X(id, key, standard, bizible2) [id] = standard,
        SCHEMA_NAMES(X)
#undef X
    };
    for (size_t i = 0; i < SCHEMA_COUNT; i++)
        schema->name[i] = names[i];
}

static inline void fixture_start(struct fixture *f)
{
    struct error e = {0};
    *f = (struct fixture){.store = {.lock = PTHREAD_MUTEX_INITIALIZER}, .health = "ok"};
    memcpy(f->org.id, id_of("00D", 1), SFID_SIZE);
    fill_schema(&f->org.schema);
    f->config.listen.path = ORG_PATH;
    f->config.admin.public_health = true;
    f->config.orgs = &f->org;
    f->config.org_count = 1;
    const struct intake_options io = {.config = &f->config,
                                      .store = (struct store *)(void *)&f->store,
                                      .put = fake_put,
                                      .quarantine = fake_quarantine,
                                      .health_status = say_health,
                                      .health_ctx = f};
    const struct listener_options lo = {.address = "127.0.0.1:0",
                                        .threads = 2,
                                        .max_body_bytes = 1 << 20,
                                        .max_buffered_bytes = 8 << 20,
                                        .max_buffered_per_address_bytes = 8 << 20,
                                        .request_timeout_ms = 20000,
                                        .handshake_timeout_ms = 20000,
                                        .idle_timeout_ms = 20000,
                                        .max_connections = 100,
                                        .max_connections_per_address = 100,
                                        .name = "intake",
                                        .answer_seconds = metric_series(METRIC_INTAKE_SECONDS)};
    if (intake_new(&f->intake, &io, &e) != ERR_NONE ||
        listener_start(&f->listener, &lo, intake_handler(), f->intake, &e) != ERR_NONE)
        fail_msg("%s", e.text);
}

static inline void fixture_stop(struct fixture *f)
{
    intake_shut(f->intake);
    listener_stop(&f->listener);
    assert_int_equal(intake_in_flight(f->intake), 0);
    intake_free(&f->intake);
    store_document_free(&f->store.quarantined);
    assert_null(f->intake);
}

static inline void open_client(struct fixture *f)
{
    net_client_open(&client, listener_address(f->listener), NULL, NULL);
}

static inline void send_body(const char *body, size_t n)
{
    char head[256];
    (void)snprintf(head, sizeof head,
                   "POST " ORG_PATH " HTTP/1.1\r\nHost: a\r\nContent-Type: text/xml; "
                   "charset=UTF-8\r\nSOAPAction: \"\"\r\nContent-Length: %zu\r\n\r\n",
                   n);
    net_client_text(&client, head);
    net_client_send(&client, body, n);
}

static inline void send_message(const char *org, const struct soap_out_notification *list, size_t n)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    soap_write_message(&b, &(struct soap_out_message){.org_id = org,
                                                      .action_id = id_of("04k", 1),
                                                      .enterprise_url = "https://e.example/",
                                                      .partner_url = "https://p.example/",
                                                      .notifications = list,
                                                      .count = n});
    assert_false(b.overflow);
    send_body(b.data, b.len);
    buf_release(&b);
}

/* One notification of a campaign member. */
static inline void send_member(struct fixture *f, unsigned n)
{
    send_message(f->org.id,
                 &(struct soap_out_notification){.id = id_of("04l", n),
                                                 .object = "CampaignMember",
                                                 .record_id = id_of("00v", n)},
                 1);
}

static inline void expect_status(int status)
{
    assert_true(net_client_response(&client, &response, false));
    if (response.status != status)
        fail_msg("want %d, got %s%s", status, response.head, response.body);
}

static inline void expect_ack(void)
{
    expect_status(200);
    assert_string_equal(response.body, SOAP_ACK_TRUE);
    assert_non_null(strstr(response.head, "\r\nContent-Type: text/xml; charset=UTF-8\r\n"));
}

static inline void expect_fault(int status, const char *who, const char *text)
{
    char code[64];
    expect_status(status);
    (void)snprintf(code, sizeof code, "<faultcode>soapenv:%s</faultcode>", who);
    if (strstr(response.body, code) == NULL || strstr(response.body, text) == NULL)
        fail_msg("want %s and \"%s\", got %s", code, text, response.body);
    assert_false(soap_is_ack_true(response.body, response.body_len));
}

#endif
