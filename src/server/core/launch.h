/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Core: an action on its way into the store, from launch.c (a new one) or
 * cosign.c (one that waits, with another signature). Both go the same way:
 *
 *   launch_job_new -> launch_submit --commit--> sent to agents, or waits
 *
 * One of request 0 is of rejudge.c: it waits, and nobody asks now.
 */
#ifndef MIG_SERVER_CORE_LAUNCH_H
#define MIG_SERVER_CORE_LAUNCH_H

#include "action/document.h"
#include "server/core/core.h"
#include "server/core/judging.h"
#include "server/core/signers.h"

struct launch_job {
	struct core_job j;
	struct store_action a; /* borrows from what follows */
	struct action doc;
	uint8_t *envelope;         /* owned; what is stored */
	struct run_entry *entries; /* until the run has them */
	struct run *run;           /* until the scheduler has it */
	struct store_expect *expect;
	size_t nentries, nexpect, online;
	int64_t judged; /* mono ms: by the agents' rows of then */
	struct core_signers signers;
	char by[STORE_FPR_HEX + 1];    /* who brought it */
	char first[STORE_FPR_HEX + 1]; /* its first signer */
	bool waits;                    /* signatures are missing: not sent */
	size_t was;   /* it waits in the store, with an envelope of so many
			 bytes; 0: it is new */
	size_t added; /* signatures that are new with it */
	struct standing standing;
	struct uncounted left; /* came with it, and are not stored */
};

/* Copies the envelope. Replies and returns NULL when out of memory. */
struct launch_job *launch_job_new(struct core *c, uint32_t request,
    const struct store_caller *by, const void *envelope, size_t len);
/* Verifies and stores it, or refuses. Takes the job. */
void launch_submit(struct core *c, struct launch_job *x);
void launch_free(struct launch_job *x);
/* There is no room for more; replies. */
bool launch_is_full(struct core *c, uint32_t request);
/* The same envelope again: the same answer, or that it was cancelled. False
 * when nobody is sent this action (any more). */
bool launch_reply_known(struct core *c, uint32_t request, const struct id *id);

void launch_request(struct core *c, uint32_t request, struct rd *rd);
int launch_load(struct core *c, struct err *e);
/* After it: what ended so long ago that it was not read. */
void launch_end_late(struct core *c);

/* --- cosign.c ------------------------------------------------------------ */
void cosign_request(struct core *c, uint32_t request, struct rd *rd);
/* Is this one that waits? Then what it brings is added, and it is replied. */
bool
cosign_known(struct core *c, uint32_t request, const struct store_caller *by,
    const struct id *id, const struct envelope *env);
/* Does it wait now? */
bool cosign_waits(struct core *c, const struct id *id);
/* What is stored of one that waits. */
struct cosign_known {
	int64_t n;
	int status;
	bool online_only;
	struct buf bytes;                /* its envelope; the caller's */
	struct envelope env;             /* borrows from bytes */
	struct signer signers[SIGS_MAX]; /* by the server's keyring */
};
/* Of any action; ret->bytes is there and empty. */
int cosign_load(struct core *c, const struct id *id, struct cosign_known *ret,
    struct err *e);
/* A new one is to wait: of its signatures only the first good one, and those
 * that can count, are kept. env is that of x, before and after. */
int cosign_strip(struct core *c, const struct judging *j, struct launch_job *x,
    struct envelope *env, struct err *e);
struct store_waiting;
/* It borrows from all that is given. */
void cosign_row(const struct standing *s, const char *first,
    char uncounted[static UNCOUNTED_JSON_MAX], struct store_waiting *ret);
struct jsonw;
/* Of an answer: signatures that are not stored, or that do not count. */
void cosign_add_uncounted(const struct launch_job *x, struct jsonw *w);
/* What launch_submit has stored. */
int cosign_store(struct store *s, struct launch_job *x, struct err *e);
/* It waits (on): that is the answer. */
void cosign_reply(struct core *c, int status, const struct launch_job *x);
/* Ends those whose time is over; about once a second. */
void cosign_tick(struct core *c, int64_t now);

#endif
