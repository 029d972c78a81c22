/*
 * mem - allocation that does not fail
 *
 * Every size in this program is bounded by configuration, so running out of memory means that the
 * bounds do not fit the machine: the process says so on standard error and aborts; what was
 * accepted is durable and is taken up again after the restart. Never called with a size that a peer
 * chose unchecked.
 *
 * Threads: any.
 */
#ifndef TP_MEM_H
#define TP_MEM_H

#include <stddef.h>

void mem_set_up(void);         /* once, before threads: how much freed memory the process keeps */
void *mem_alloc(size_t bytes); /* zeroed; free() releases */
void *mem_array(size_t count, size_t bytes);           /* zeroed, overflow checked */
void *mem_resize(void *p, size_t count, size_t bytes); /* as reallocarray; new part is not zeroed */
char *mem_strdup(const char *s);                       /* s NULL gives NULL */
char *mem_strndup(const char *s, size_t n);
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
