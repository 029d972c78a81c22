/*
 * soap_whole - a reader that gives libxml2 every element, to compare with the one that leaves plain
 * fields out and what repeats. For tests and the fuzzer; the reader is the caller's, as from
 * soap_reader_new.
 */
#ifndef TP_TEST_SOAP_WHOLE_H
#define TP_TEST_SOAP_WHOLE_H

#include "../../soap/message_int.h"

static inline struct soap_reader *soap_whole_reader_new(void)
{
    static struct soap_grammar whole; /* the same for all */
    struct soap_reader *r = soap_reader_new();
    whole = *r->xml.grammar;
    whole.ignores = NULL;
    whole.again = NULL;
    r->xml.grammar = &whole;
    return r;
}

#endif
