/*
 * What can be left out of the model: spin -DNO_RULE_13 ... Each switch takes one rule of the protocol away (or one
 * part of a rule), and the model must then fail. check.sh goes through all of them.
 */
/* 1: an Ack is sent only after the commit */
#ifndef NO_RULE_1
#define NO_RULE_1 0
#endif

/* 2: a known id makes work again, whatever state its row is in */
#ifndef NO_RULE_2_READY /* READY under a lease draws a new sequence number */
#define NO_RULE_2_READY 0
#endif
#ifndef NO_RULE_2_LEASED /* LEASED is marked to run again */
#define NO_RULE_2_LEASED 0
#endif
#ifndef NO_RULE_2_DONE /* DONE becomes READY */
#define NO_RULE_2_DONE 0
#endif

/* 6: claims and what a pass settles */
#ifndef NO_RULE_6_LEASE /* a campaign with a live lease isn't claimed */
#define NO_RULE_6_LEASE 0
#endif
#ifndef NO_RULE_6_WATERMARK /* ! a whole pass settles nothing above the watermark */
#define NO_RULE_6_WATERMARK 0
#endif
#ifndef NO_RULE_6_FIRST /* ! the watermark is taken before the first read */
#define NO_RULE_6_FIRST 0
#endif
#ifndef NO_RULE_6_DUE /* ! ... and nothing that was not due at the claim */
#define NO_RULE_6_DUE 0
#endif
#ifndef NO_RULE_6_CLAIMED /* ! other passes settle exactly the rows that they claimed */
#define NO_RULE_6_CLAIMED 0
#endif
#ifndef NO_RULE_6_FENCE /* ! under the fence */
#define NO_RULE_6_FENCE 0
#endif

/* 12: the write mark and the echo */
#ifndef NO_RULE_12_MARK /* ! the lease is marked in flight before a write */
#define NO_RULE_12_MARK 0
#endif
#ifndef NO_RULE_12_FENCE /* ! by a transaction that checks the fence */
#define NO_RULE_12_FENCE 0
#endif
#ifndef NO_RULE_12_DURABLE /* ! durably */
#define NO_RULE_12_DURABLE 0
#endif
#ifndef NO_RULE_12_ANSWER /* ! only a complete and understood answer clears it */
#define NO_RULE_12_ANSWER 0
#endif
#ifndef NO_RULE_12_CLEAR /* ! and that does */
#define NO_RULE_12_CLEAR 0
#endif
#ifndef NO_RULE_12_SETTLE /* ! the same worker adds an echo when it settles */
#define NO_RULE_12_SETTLE 0
#endif
#ifndef NO_RULE_12_AGAIN /* ! ... and when it writes again */
#define NO_RULE_12_AGAIN 0
#endif
#ifndef NO_RULE_12_SUCCESSOR /* ! a successor adds one when it ends a lost lease */
#define NO_RULE_12_SUCCESSOR 0
#endif
#ifndef NO_RULE_12_LATE /* ! it is due when the org can't carry out the request any more */
#define NO_RULE_12_LATE 0
#endif
#ifndef NO_RULE_12_ABSORB /* ! it is never absorbed before */
#define NO_RULE_12_ABSORB 0
#endif
#ifndef NO_RULE_12_MERGE /* ! two merge to the later time */
#define NO_RULE_12_MERGE 0
#endif

/* 13: the deadline is checked as the last bytes of a request leave */
#ifndef NO_RULE_13
#define NO_RULE_13 0
#endif

/* 20, 21: a lease is taken over only when its deadline has passed by its holder's clock too */
#ifndef NO_RULE_20
#define NO_RULE_20 0
#endif

/* store.h: a lease that runs out makes its rows READY again */
#ifndef NO_EXPIRY
#define NO_EXPIRY 0
#endif
