/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Store: actions that wait for more signatures. Each is an action of status
 * ACTION_WAITING with a row here as long as it waits:
 *
 *   put --> WAITING --sign--> WAITING --launch--> OPEN
 *              |  `-- cancel --> CANCELLED
 *              `-- its end ----> EXPIRED
 *
 * What changes one says how many bytes the envelope had that it was made of:
 * of two signatures that come at once, neither takes the other away.
 */
#ifndef MIG_SERVER_STORE_WAITING_H
#define MIG_SERVER_STORE_WAITING_H

#include "server/store/actions.h"

#define STORE_WAITING_MAX 512       /* in all */
#define STORE_WAITING_PERSON_MAX 32 /* of one first signer */
#define STORE_WAITING_BYTES_MAX (64 * 1024 * 1024)

struct store_waiting {
	const char *first; /* fingerprint of its first signer */
	int64_t has, needs;
	const char *missing; /* in words */
	bool possible;       /* signatures can bring it */
	uint64_t policy;     /* version that says so; 0: none is known */
	/* JSON arrays; NULL: none. Signatures that came with it and are not
	 * stored, and those of the stored that do not count. */
	const char *left_out, *uncounted;
};

/* As store_action_put. ERR_TOOBIG: as many wait as may. */
int store_waiting_put(struct store *s, const struct store_action *a,
    const struct store_waiting *w, int64_t *ret_n, struct err *e);
/* a->n with another envelope and other investigators; was: bytes of the one
 * before; left_out stays as it is. ERR_EXISTS: it is another one by now, or
 * does not wait any more. */
int store_waiting_sign(struct store *s, const struct store_action *a,
    const struct store_waiting *w, size_t was, struct err *e);
/* It was judged anew: what it has and lacks. was, ERR_EXISTS as above. w->first
 * and left_out stay as they are. */
int store_waiting_judge(struct store *s, int64_t action, size_t was,
    const struct store_waiting *w, struct err *e);
/* The same as sign, and it waits no more: it is an open action. */
int store_waiting_launch(struct store *s, const struct store_action *a,
    size_t was, const struct store_expect *exp, size_t nexp, struct err *e);
/* The row goes; nothing when there is none. */
int store_waiting_end(struct store *s, int64_t action, struct err *e);
/* Those whose end has come are expired; *ret_n: how many. */
int store_waiting_expire(
    struct store *s, int64_t now, int64_t *ret_n, struct err *e);

/* Those with numbers above after, in order, at most limit. */
typedef int store_on_waiting_id(int64_t n, const struct id *id, void *arg);
int store_waiting_after(struct store *s, int64_t after, int limit,
    store_on_waiting_id *fn, void *arg, struct err *e);

typedef int store_on_waiting(const struct store_waiting *w, void *arg);
/* ERR_NOTFOUND: it does not wait. */
int store_waiting_get(struct store *s, int64_t action, store_on_waiting *fn,
    void *arg, struct err *e);
/* How many wait; how many of them are past their end (now: unix s). */
int64_t store_waiting_total(struct store *s);
int64_t store_waiting_due(struct store *s, int64_t now);

#endif
