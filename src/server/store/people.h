/* SPDX-License-Identifier: MPL-2.0 */
/* The store: investigators, their sessions, enrolment tokens, policies. See
 * store.h. */
#ifndef MIG_SERVER_STORE_PEOPLE_H
#define MIG_SERVER_STORE_PEOPLE_H

#include "server/store/store.h"

struct store_investigator {
	const char *fpr, *name; /* borrowed in callbacks */
	bool admin;
	const char *keyring; /* text of one person */
	int64_t created;
};
typedef int
store_on_investigator(const struct store_investigator *i, void *arg);
int store_investigators(
    struct store *s, store_on_investigator *fn, void *arg, struct err *e);
/* Adds or replaces. Bumps the revision. */
int store_investigator_put(
    struct store *s, const struct store_investigator *i, struct err *e);
/* Removes with all sessions; ERR_NOTFOUND. */
int store_investigator_remove(struct store *s, const char *fpr, struct err *e);
/* Changes whenever an investigator is added or removed. */
int64_t store_investigators_revision(struct store *s);

struct store_session {
	char fpr[STORE_FPR_HEX + 1];
	char name[STORE_NAME_MAX];
	bool admin;
	int64_t expires;
};
int store_session_put(struct store *s, const struct id *hash, const char *fpr,
    int64_t now, int64_t expires, struct err *e);
/* ERR_NOTFOUND when unknown or past its end. */
int store_session_get(struct store *s, const struct id *hash, int64_t now,
    struct store_session *ret, struct err *e);
/* Is this investigator logged in somewhere? 1, 0, or ERR_*. */
int store_session_any(struct store *s, const char *fpr, int64_t now);
int store_session_end(struct store *s, const struct id *hash, struct err *e);

/* All sessions and tokens. */
int store_forget_secrets(struct store *s, struct err *e);

int store_token_put(struct store *s, const struct id *hash, int64_t uses,
    int64_t now, int64_t expires, struct err *e);
/* 0 when it can be used once more, or was used by this agent (an enrolment
 * whose answer was lost may be repeated); ERR_AUTH otherwise. */
int store_token_check(struct store *s, const struct id *hash,
    const struct id *agent, int64_t now, struct err *e);

int store_policy_put(struct store *s, const struct id *hash, uint64_t version,
    const void *text, size_t len, int64_t now, struct err *e);
/* hash NULL: the current one (ret_hash may be NULL). ERR_NOTFOUND. */
int store_policy_get(struct store *s, const struct id *hash,
    struct id *ret_hash, struct buf *out, struct err *e);

#endif
