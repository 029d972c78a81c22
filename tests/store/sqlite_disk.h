/*
 * sqlite_disk - a fixture whose store lies on the disk of fault_vfs.h, and puts that may fail.
 * After cmocka.h.
 */
#ifndef TP_TEST_SQLITE_DISK_H
#define TP_TEST_SQLITE_DISK_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "fault_vfs.h"
#include "sqlite_look.h"
#include "store_fixture.h"
#include "timeutil.h"

static inline int disk_setup(void **state)
{
    fault_install();
    (void)fixture_setup(state);
    struct fixture *f = *state;
    store_close(&f->store); /* the fixture begins without faults; begin again under the watch */
    (void)remove(fixture_path(f));
    fault_watch(fixture_path(f));
    fixture_open(f);
    return 0;
}

/* Puts members from … in one request and returns its result. */
static inline enum err try_put(struct fixture *f, unsigned from, unsigned count)
{
    struct error e = {0};
    struct pending p;
    struct store_item *items = calloc(count, sizeof *items);
    for (unsigned i = 0; i < count; i++)
        items[i] = member_item(from + i, 1 + (from + i) % 5);
    pending_init(&p, f->org, items, count);
    enum err err = store_put(f->store, &p.put, &e);
    if (err == ERR_NONE) {
        pending_wait(&p);
        err = p.put.result;
        if (err == ERR_NONE)
            assert_int_equal(p.put.stored + p.put.duplicates, count);
        else
            assert_int_equal(p.put.stored + p.put.duplicates, 0);
    }
    pending_release(&p);
    free(items);
    return err;
}

/* Until the store takes puts again: it tries by itself. */
static inline void until_mended(struct fixture *f)
{
    struct error e = {0};
    int64_t give_up = time_boot_ms() + PATIENCE_S * 1000;
    while (store_probe(f->store, &e) != ERR_NONE) {
        const struct timespec pause = {.tv_nsec = 5000000};
        if (time_boot_ms() > give_up)
            fail_msg("the store does not mend itself: %s", e.text);
        (void)nanosleep(&pause, NULL);
    }
}

#endif
