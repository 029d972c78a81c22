#define _GNU_SOURCE
/*
 * libxml2's allocator: each block carries its size in front, so that it can be wiped before it goes
 * back to the heap. A session id may stand in a CDATA section or beside a character reference,
 * where libxml2 makes copies of its own, and those must not outlive the parse either. A failing
 * allocation aborts as everywhere (mem.h); sizes are bounded by the body.
 */
#include "soap_int.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/xmlmemory.h>

#include "mem.h"

struct block {
    alignas(max_align_t) size_t size;
    alignas(max_align_t) unsigned char bytes[];
};

static struct block *block_of(void *p)
{
    return (struct block *)(void *)((unsigned char *)p - offsetof(struct block, bytes));
}

static void *block_new(size_t n)
{
    if (n > SIZE_MAX - sizeof(struct block))
        return NULL;
    struct block *b = mem_resize(NULL, sizeof *b + n, 1); /* not zeroed */
    b->size = n;
    return b->bytes;
}

static void block_free(void *p)
{
    if (p == NULL)
        return;
    struct block *b = block_of(p);
    explicit_bzero(b->bytes, b->size);
    free(b);
}

static void *block_resize(void *p, size_t n)
{
    void *q = block_new(n);
    if (p == NULL || q == NULL)
        return q;
    size_t had = block_of(p)->size;
    memcpy(q, p, had < n ? had : n);
    block_free(p);
    return q;
}

static char *block_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = block_new(n);
    if (copy != NULL)
        memcpy(copy, s, n);
    return copy;
}

void soap_xml_setup_memory(void)
{
    (void)xmlMemSetup(block_free, block_new, block_resize, block_strdup);
}
