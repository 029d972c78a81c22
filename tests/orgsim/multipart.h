/*
 * multipart - the parts of a multipart/form-data body
 *
 * Threads: pure.
 */
#ifndef ORGSIM_MULTIPART_H
#define ORGSIM_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

struct part {
    const char *at; /* in the body */
    size_t n;
};

/* Finds a part by the name in its Content-Disposition; false if there is none or the body or the
 * content type make no sense. */
bool multipart_find(const char *content_type, const char *body, size_t n, const char *name,
                    struct part *out);

#endif
