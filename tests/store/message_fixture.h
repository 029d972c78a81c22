/*
 * message_fixture - what the tests of messages and of their moves share: messages that failed, and
 * looking at them as an admin does
 *
 * Every failure ends the test.
 */
#ifndef TP_TEST_MESSAGE_FIXTURE_H
#define TP_TEST_MESSAGE_FIXTURE_H

#include "store_admin.h"
#include "store_fixture.h"

extern const struct store_filter ALL_MESSAGES, FAILED_MESSAGES;

/* Puts the member in, claims it and fails it with that code. */
void fail_with(struct fixture *f, unsigned member, unsigned campaign, const char *code);

/* All there are, by pages; fails if they are more than max. */
size_t walk_messages(struct fixture *f, const struct store_filter *filter,
                     struct store_message *out, size_t max);
/* The member's only one. */
struct store_message message_of(struct fixture *f, unsigned member);
struct store_count count_messages(struct fixture *f, const struct store_filter *filter);

#endif
