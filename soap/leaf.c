/*
 * The fields that nobody reads, which are most of a message: an object of 50 fields is sent for the
 * sake of two ids. Such a one is nearly always plain, <sf:Name>some text</sf:Name>, and then it
 * takes no parser to see that it is well-formed, so libxml2 is not given it. What is plain is drawn
 * so narrowly that leaving it out can't be told from reading it: no attribute, reference, section
 * or child, an ASCII name, and a prefix that libxml2 has just resolved on a sibling without
 * declarations of its own. A line break is not plain, so that libxml2 counts the same lines; nor is
 * a field with text before it, which tags.c sees to. Everything else goes to libxml2 as it came.
 */
#include "soap_int.h"

#include <string.h>

/* N: in the names of fields. T: in plain text; the scan has seen to it that the bytes are UTF-8 and
 * allowed. Without ']' there is no "]]>". */
enum { N = 1, T = 2, NT = 3, FIELD_NAME_MAX = 128 };
#define T16 T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T
// clang-format off
static const unsigned char PLAIN[256] = {
    ['\t'] = T, ['\r'] = T,
    [' '] = T, T, T, T, T, T, 0, T, T, T, T, T, T, T, T, T,
    ['0'] = NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, T, T, 0, T, T, T,
    ['@'] = T, NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, NT,
    ['P'] = NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, T, T, 0, T, NT,
    ['`'] = T, NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, NT,
    ['p'] = NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, NT, T, T, T, T, T,
    [0x80] = T16, T16, T16, T16, T16, T16, T16, T16,
};
// clang-format on

static const char *skip(const char *p, const char *end, unsigned char what)
{
    while (p < end && (PLAIN[(unsigned char)*p] & what) != 0)
        p++;
    return p;
}

const char *soap_leaf_end(const char *tag, const char *end, const struct soap_sibling *sibling,
                          soap_ignores *ignores)
{
    const char *name = tag + 1;
    const char *local = name + sibling->prefix_len;

    if ((size_t)(end - name) <= sibling->prefix_len ||
        memcmp(name, sibling->name, sibling->prefix_len) != 0 || (*local >= '0' && *local <= '9'))
        return NULL;
    const char *close = skip(local, end, N);
    size_t n = (size_t)(close - name);
    if (close == local || close == end || *close != '>' || n > FIELD_NAME_MAX ||
        !ignores(local, (size_t)(close - local)))
        return NULL;
    const char *p = skip(close + 1, end, T); /* "</" name ">" */
    bool is_closed = (size_t)(end - p) >= n + 3 && p[0] == '<' && p[1] == '/' &&
                     memcmp(p + 2, name, n) == 0 && p[n + 2] == '>';
    return is_closed ? p + n + 3 : NULL;
}
