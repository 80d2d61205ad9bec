/* SPDX-License-Identifier: MPL-2.0 */
/* Store: keys of actions that were handed on (action/share.h). */
#ifndef MIG_SERVER_STORE_SHARES_H
#define MIG_SERVER_STORE_SHARES_H

#include "server/store/store.h"

#define STORE_SHARES_MAX 64 /* an action */

struct store_share {
	const char *by, *reader; /* fingerprints */
	int64_t created;
	const uint8_t *envelope; /* the signed document; borrowed */
	size_t envelope_len;
};

/* One for each pair of persons; a newer one replaces the older. ERR_NOTFOUND:
 * no such action; ERR_TOOBIG: the action has as many as it may. */
int store_share_put(struct store *s, const struct id *action,
    const struct store_share *x, struct err *e);
typedef int store_on_share(const struct store_share *x, void *arg);
/* The oldest first. */
int store_shares(struct store *s, const struct id *action, store_on_share *fn,
    void *arg, struct err *e);
/* Those that this person has made. */
int store_shares_remove(struct store *s, const struct id *action,
    const char *by, int64_t *ret_n, struct err *e);

#endif
