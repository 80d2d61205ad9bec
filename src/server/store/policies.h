/* SPDX-License-Identifier: MPL-2.0 */
/* The store: policies, and the chain of them for handing them out. What people
 * set by hand (store_policy_put) has no signatures and is no step. */
#ifndef MIG_SERVER_STORE_POLICIES_H
#define MIG_SERVER_STORE_POLICIES_H

#include "server/store/store.h"

struct buf;

int store_policy_put(struct store *s, const struct id *hash, uint64_t version,
    const void *text, size_t len, int64_t now, struct err *e);
/* hash NULL: the current one (ret_hash may be NULL). ERR_NOTFOUND. */
int store_policy_get(struct store *s, const struct id *hash,
    struct id *ret_hash, struct buf *out, struct err *e);

struct store_policy {
	struct id hash, previous;
	uint64_t version;
	const uint8_t *text; /* borrowed; NULL in a list */
	size_t len;
	const uint8_t *envelope; /* the signed form; borrowed; NULL: none */
	size_t envelope_len;
	int64_t created; /* ms */
	bool current;    /* what enrolment hands out */
};
/* Stores a step, or its signatures when the policy is there; the newest
 * version becomes the current one. ERR_EXISTS: its predecessor has another
 * successor. */
int
store_policy_step(struct store *s, const struct store_policy *p, struct err *e);
typedef int store_on_policy(const struct store_policy *p, void *arg);
/* In the order of their versions; a callback's non-zero value ends the walk
 * and is returned. */
int
store_policies(struct store *s, store_on_policy *fn, void *arg, struct err *e);
/* Appends the signed form. ERR_NOTFOUND. */
int store_policy_envelope(
    struct store *s, const struct id *hash, struct buf *out, struct err *e);

#endif
