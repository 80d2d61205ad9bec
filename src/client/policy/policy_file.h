/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Policies as the client has them: files in plain or signed form, the one it
 * knows (pinned, beside the configuration), and the chain from there, of which
 * the server is only the carrier: what lies before is named by its hash, what
 * comes after is signed by whom the policy before it demands.
 */
#ifndef MIG_CLIENT_POLICY_POLICY_FILE_H
#define MIG_CLIENT_POLICY_POLICY_FILE_H

#include "action/envelope.h"
#include "action/policy_step.h"
#include "client/client.h"

struct policy_file {
	struct buf text;   /* the policy; policy borrows from it */
	struct buf binary; /* its envelope; empty when it is not signed */
	struct policy policy;
	struct envelope env; /* borrows from binary */
};

/* Initialises f in every case: release it. Signed or plain, or plain below a
 * line with its hash, as policy_file_known writes it. */
int policy_file_load(const char *path, struct policy_file *f, struct err *e);
/* The JSON form of an envelope. */
int policy_file_signed(
    const void *json, size_t len, struct policy_file *f, struct err *e);
void policy_file_release(struct policy_file *f);
int policy_file_known(const struct policy_file *f, struct buf *out);

/* Is next a step from was that an agent would take? now in unix s. */
int policy_file_step(const struct policy *was, const struct policy_file *next,
    int64_t now, struct err *e);
/* Does everything of it read as endpoints will read it, and could it be
 * changed again? */
int policy_file_check(const struct policy *p, int64_t now, struct err *e);

/* --- policy_chain.c --------------------------------------------------------
 */
#define POLICY_PAST_MAX 256

struct policy_past {
	struct id hash;
	uint64_t version;
	int64_t expires; /* 0: not known */
};

struct policy_chain {
	struct policy_file newest;
	struct policy_past past[POLICY_PAST_MAX]; /* the newest first */
	size_t npast; /* past[0] is the newest itself */
};

/* The known policy; ERR_NOTFOUND says how to get one. */
int policy_known(struct client *c, struct policy_file *f, struct err *e);
int
policy_known_save(struct client *c, const struct policy_file *f, struct err *e);
/* Follows the chain from the known policy as far as the server has signed
 * steps; remembers the newest. with_past: also backwards, by hash. Release in
 * every case. */
int policy_chain_load(
    struct client *c, bool with_past, struct policy_chain *ret, struct err *e);
void policy_chain_release(struct policy_chain *ch);
/* The policy with this hash: the known one, or what the server has under it,
 * checked by the hash. */
int policy_by_hash(struct client *c, const struct id *hash,
    struct policy_file *f, struct err *e);

/* --- policy_words.c --------------------------------------------------------
 */
/* What changes from one policy to the next, for people: who comes and goes,
 * weights, limits, times. An error when that is not all of it: nobody shall
 * sign what was not shown. */
int policy_words(
    const struct policy *was, const struct policy *next, struct buf *out);

#endif
