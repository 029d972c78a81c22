#include "intake_payload.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

static void put_text(struct buf *b, const char *text)
{
    size_t n = strlen(text);
    buf_putc(b, (char)n);
    buf_put(b, text, n);
}

void intake_payload_add(struct buf *b, const struct store_put *p)
{
    uint32_t count = (uint32_t)p->count;
    buf_put(b, &p->received_at_ms, sizeof p->received_at_ms);
    buf_put(b, &count, sizeof count);
    put_text(b, p->org);
    for (size_t i = 0; i < p->count; i++) {
        const struct store_item *item = &p->items[i];
        buf_putc(b, (char)item->kind);
        put_text(b, item->notification_id);
        put_text(b, item->object);
        put_text(b, item->record_id);
        put_text(b, item->subject_id);
        put_text(b, item->campaign_id);
    }
}

struct bytes {
    const char *at, *end;
    bool is_short;
};

static void get(struct bytes *b, void *out, size_t n)
{
    b->is_short = b->is_short || (size_t)(b->end - b->at) < n;
    if (b->is_short)
        return;
    memcpy(out, b->at, n);
    b->at += n;
}

static void get_text(struct bytes *b, char *out, size_t size)
{
    unsigned char n = 0;
    get(b, &n, 1);
    b->is_short = b->is_short || n >= size;
    get(b, out, n);
    out[b->is_short ? 0 : n] = '\0';
}

static void get_item(struct bytes *b, struct store_item *item)
{
    unsigned char kind = 0;
    get(b, &kind, 1);
    item->kind = (enum store_kind)kind;
    get_text(b, item->notification_id, sizeof item->notification_id);
    get_text(b, item->object, sizeof item->object);
    get_text(b, item->record_id, sizeof item->record_id);
    get_text(b, item->subject_id, sizeof item->subject_id);
    get_text(b, item->campaign_id, sizeof item->campaign_id);
}

static void nobody_waits(struct store_put *p)
{
    (void)p;
}

/* One message, in a block of its own with its items. NULL: it makes no sense. */
static struct store_put *get_put(struct bytes *b)
{
    int64_t received_at_ms = 0;
    uint32_t count = 0;
    get(b, &received_at_ms, sizeof received_at_ms);
    get(b, &count, sizeof count);
    if (b->is_short || count == 0 || count > (size_t)(b->end - b->at))
        return NULL;
    struct store_put *p = mem_alloc(sizeof *p + count * sizeof(struct store_item));
    struct store_item *items = (void *)(p + 1);
    p->items = items;
    p->count = count;
    p->done = nobody_waits;
    p->received_at_ms = received_at_ms;
    get_text(b, p->org, sizeof p->org);
    for (uint32_t i = 0; i < count; i++)
        get_item(b, &items[i]);
    if (b->is_short) {
        free(p);
        return NULL;
    }
    return p;
}

void intake_payload_free(struct store_put *puts)
{
    for (struct store_put *p = puts, *next; p != NULL; p = next) {
        next = p->next;
        free(p);
    }
}

bool intake_payload_read(const char *payload, size_t n, struct store_put ***last)
{
    struct bytes b = {.at = payload, .end = payload + n};
    while (b.at < b.end) {
        struct store_put *p = get_put(&b);
        if (p == NULL)
            return false;
        **last = p;
        *last = &p->next;
    }
    return true;
}
