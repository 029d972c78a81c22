/*
 * The page's files, as receiver/admin/page/embed.sh puts them into the program.
 */
#ifndef TP_PAGE_INT_H
#define TP_PAGE_INT_H

#include <stddef.h>

/* What the browser may do with them. Nothing but this origin's own scripts and styles runs, no
 * other page may frame it, and nothing is sent elsewhere, whatever a record of an org says. */
#define PAGE_HEADERS                                                                               \
    "Cache-Control: no-cache\r\n"                                                                  \
    "X-Content-Type-Options: nosniff\r\n"                                                          \
    "Referrer-Policy: no-referrer\r\n"                                                             \
    "Cross-Origin-Opener-Policy: same-origin\r\n"                                                  \
    "Cross-Origin-Resource-Policy: same-origin\r\n"                                                \
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "           \
    "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "              \
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'\r\n"

struct page_file {
    const char *path; /* "/" or "/page/…" */
    const char *content_type;
    const char *etag;    /* with its quotes */
    const char *headers; /* PAGE_HEADERS and the ETag */
    const char *bytes;
    size_t len;
};

extern const struct page_file page_files[];
extern const size_t page_file_count;

#endif
