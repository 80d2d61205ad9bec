/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Answers verified, opened and read. That is most of the work that one makes,
 * and needs nothing but its own bytes: a thread for each core does it. What
 * came of them is handed over one by one, by the caller's thread, in the order
 * in which they came.
 */
#ifndef MIG_CLIENT_ASK_OPENINGS_H
#define MIG_CLIENT_ASK_OPENINGS_H

#include "action/document.h"
#include "action/result.h"
#include "base/err.h"
#include "client/print/answer.h"

struct opened {
	struct id agent;             /* as the server says */
	int code;                    /* not 0: it is not that agent's answer to
					this action */
	struct result_header header; /* when code is 0 */
	struct id hash;              /* of all of it; when code is 0 */
	int inside;            /* not 0: what is sealed in it is no good */
	struct answer *answer; /* when both are 0; NULL for refusals */
	struct err e;          /* why */
};

struct openings;

/* Non-zero (an ERR_* code) ends the handing over. What o has is the caller's
 * to look at until it returns. */
typedef int openings_take(struct opened *o, void *arg);

/* action, its id and secret (SEAL_KEY_LEN bytes) are borrowed; secret is not
 * looked at before openings_add. */
int openings_new(const struct action *action, const struct id *id,
    const uint8_t *secret, openings_take *take, void *arg,
    struct openings **ret, struct err *e);
void openings_free(struct openings *o);
/* Copies the answer. May hand over earlier ones, whose code it returns; or
 * ERR_NOMEM. */
int openings_add(
    struct openings *o, const struct id *agent, const void *data, size_t len);
/* Hands over those that are opened, up to one that is not taken. */
int openings_ready(struct openings *o);
/* All that were added: the caller's thread opens what no other has begun. */
int openings_flush(struct openings *o);

#endif
