/* A binary heap by due time, and a growing ring for each object. */
#include "outbound_queue.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

struct ring {
    struct notification **slots;
    size_t room, head, count;
};

struct outbound_queue {
    struct notification **heap;
    size_t heap_count, heap_room;
    struct ring ready[OBJECT_COUNT];
};

struct outbound_queue *outbound_queue_new(void)
{
    return mem_alloc(sizeof(struct outbound_queue));
}

void outbound_queue_free(struct outbound_queue **qp)
{
    struct outbound_queue *q = *qp;
    if (q == NULL)
        return;
    for (size_t i = 0; i < q->heap_count; i++)
        free(q->heap[i]);
    free(q->heap);
    for (size_t o = 0; o < OBJECT_COUNT; o++) {
        struct ring *r = &q->ready[o];
        for (size_t i = 0; i < r->count; i++)
            free(r->slots[(r->head + i) % r->room]);
        free(r->slots);
    }
    free(q);
    *qp = NULL;
}

static bool before(const struct notification *a, const struct notification *b)
{
    return a->due_boot_ms != b->due_boot_ms ? a->due_boot_ms < b->due_boot_ms : a->order < b->order;
}

void outbound_queue_put(struct outbound_queue *q, struct notification *n)
{
    if (q->heap_count == q->heap_room) {
        q->heap_room = q->heap_room == 0 ? 64 : 2 * q->heap_room;
        q->heap = mem_resize(q->heap, q->heap_room, sizeof(struct notification *));
    }
    size_t at = q->heap_count++;
    while (at > 0 && before(n, q->heap[(at - 1) / 2])) {
        q->heap[at] = q->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    q->heap[at] = n;
}

static struct notification *heap_take(struct outbound_queue *q)
{
    struct notification *first = q->heap[0], *last = q->heap[--q->heap_count];
    size_t at = 0;
    for (size_t kid; (kid = 2 * at + 1) < q->heap_count; at = kid) {
        if (kid + 1 < q->heap_count && before(q->heap[kid + 1], q->heap[kid]))
            kid++;
        if (before(last, q->heap[kid]))
            break;
        q->heap[at] = q->heap[kid];
    }
    q->heap[at] = last;
    return first;
}

static void ring_grow(struct ring *r)
{
    size_t room = r->room == 0 ? 64 : 2 * r->room;
    struct notification **slots = mem_array(room, sizeof(struct notification *));
    for (size_t i = 0; i < r->count; i++)
        slots[i] = r->slots[(r->head + i) % r->room];
    free(r->slots);
    *r = (struct ring){slots, room, 0, r->count};
}

int64_t outbound_queue_ripen(struct outbound_queue *q, int64_t now_boot_ms)
{
    while (q->heap_count > 0 && q->heap[0]->due_boot_ms <= now_boot_ms) {
        struct notification *n = heap_take(q);
        struct ring *r = &q->ready[n->object];
        if (r->count == r->room)
            ring_grow(r);
        r->slots[(r->head + r->count++) % r->room] = n;
    }
    return q->heap_count == 0 ? -1 : q->heap[0]->due_boot_ms;
}

bool outbound_queue_next(const struct outbound_queue *q, enum object_id *object)
{
    const struct notification *oldest = NULL;
    for (size_t o = 0; o < OBJECT_COUNT; o++) {
        const struct ring *r = &q->ready[o];
        const struct notification *n = r->count == 0 ? NULL : r->slots[r->head];
        if (n != NULL && (oldest == NULL || n->order < oldest->order))
            oldest = n;
    }
    if (oldest != NULL)
        *object = oldest->object;
    return oldest != NULL;
}

struct notification *outbound_queue_take(struct outbound_queue *q, enum object_id object, bool any,
                                         uint64_t pick)
{
    struct ring *r = &q->ready[object];
    if (r->count == 0)
        return NULL;
    size_t at = any ? (r->head + (size_t)(pick % r->count)) % r->room : r->head;
    struct notification *n = r->slots[at];
    r->slots[at] = r->slots[r->head];
    r->head = (r->head + 1) % r->room;
    r->count--;
    return n;
}

size_t outbound_queue_count(const struct outbound_queue *q)
{
    size_t n = q->heap_count;
    for (size_t o = 0; o < OBJECT_COUNT; o++)
        n += q->ready[o].count;
    return n;
}
