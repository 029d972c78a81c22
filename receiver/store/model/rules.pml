/*
 * What can be left out of the model: spin -DNO_RULE_13 … takes a rule of the protocol away, or a part of one, and then
 * the model must fail (check.sh). The parts that the protocol marks with ! are marked here. The numbers are those of
 * the protocol; README.md says what each rule is and which function keeps it.
 */

/* rules as a whole */
#ifdef NO_RULE_2
#define NO_RULE_2_READY  1
#define NO_RULE_2_LEASED 1
#define NO_RULE_2_DONE   1
#endif
#ifdef NO_RULE_6 /* settle by campaign */
#define NO_RULE_6_WATERMARK 1
#define NO_RULE_6_DUE       1
#define NO_RULE_6_CLAIMED   1
#endif
#ifdef NO_RULE_12 /* no mark, hence no echo */
#define NO_RULE_12_MARK 1
#endif

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

/* 6: what is claimed, and what a pass settles */
#ifndef NO_RULE_6_LEASE /* a campaign under a lease isn't claimed */
#define NO_RULE_6_LEASE 0
#endif
#ifndef NO_RULE_6_WATERMARK /* ! a whole pass settles nothing above the watermark */
#define NO_RULE_6_WATERMARK 0
#endif
#ifndef NO_RULE_6_FIRST /* ! which is taken before the first read */
#define NO_RULE_6_FIRST 0
#endif
#ifndef NO_RULE_6_DUE /* ! and nothing that was not due at the claim */
#define NO_RULE_6_DUE 0
#endif
#ifndef NO_RULE_6_CLAIMED /* ! other passes settle exactly the rows that they claimed */
#define NO_RULE_6_CLAIMED 0
#endif
#ifndef NO_RULE_6_FENCE /* ! under the fence */
#define NO_RULE_6_FENCE 0
#endif

/* 12: the write mark and the echo */
#ifndef NO_RULE_12_MARK /* ! before a write, the lease is marked in flight */
#define NO_RULE_12_MARK 0
#endif
#ifndef NO_RULE_12_FENCE /* ! in a transaction that checks the fence */
#define NO_RULE_12_FENCE 0
#endif
#ifndef NO_RULE_12_DURABLE /* ! durably */
#define NO_RULE_12_DURABLE 0
#endif
#ifndef NO_RULE_12_ANSWER /* ! no answer doesn't clear the mark */
#define NO_RULE_12_ANSWER 0
#endif
#ifndef NO_RULE_12_CLEAR /* ! an understood one does */
#define NO_RULE_12_CLEAR 0
#endif
#ifndef NO_RULE_12_SETTLE /* ! a mark makes an echo when its worker settles */
#define NO_RULE_12_SETTLE 0
#endif
#ifndef NO_RULE_12_AGAIN /* ! and when it writes again */
#define NO_RULE_12_AGAIN 0
#endif
#ifndef NO_RULE_12_SUCCESSOR /* ! and when the lease is lost */
#define NO_RULE_12_SUCCESSOR 0
#endif
#ifndef NO_RULE_12_LATE /* ! the echo is due when the request can't be carried out any more */
#define NO_RULE_12_LATE 0
#endif
#ifndef NO_RULE_12_ABSORB /* ! and is not absorbed before */
#define NO_RULE_12_ABSORB 0
#endif
#ifndef NO_RULE_12_MERGE /* ! and two merge to the later time */
#define NO_RULE_12_MERGE 0
#endif

/* 13: ! the deadline is checked once more as the last bytes of the request leave */
#ifndef NO_RULE_13
#define NO_RULE_13 0
#endif

/* 20, 21: a lease ends only when its deadline has passed by its holder's clock too */
#ifndef NO_RULE_20
#define NO_RULE_20 0
#endif

/* store.h: a lease that runs out makes its rows READY again */
#ifndef NO_EXPIRY
#define NO_EXPIRY 0
#endif
