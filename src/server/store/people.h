/* SPDX-License-Identifier: MPL-2.0 */
/* The store: investigators, their sessions, API keys, enrolment tokens. See
 * store.h. */
#ifndef MIG_SERVER_STORE_PEOPLE_H
#define MIG_SERVER_STORE_PEOPLE_H

#include "server/calls.h"
#include "server/store/store.h"

struct store_investigator {
	const char *fpr, *name; /* borrowed in callbacks */
	enum person_role role;
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

/* Bumps the revision; ERR_NOTFOUND. */
int store_investigator_role(
    struct store *s, const char *fpr, enum person_role role, struct err *e);
/* May this person do it, in the role of now? 1, 0, or ERR_*. */
int
store_investigator_may(struct store *s, const char *fpr, enum server_call call);
/* Changes with every change of who may do what, also the end of a session:
 * whoever remembers a caller then looks again. */
int64_t store_doors_revision(struct store *s);

/* Who calls: a person with a session, or a program with an API key. */
struct store_caller {
	/* of the person; "key:NAME" of a program */
	char fpr[STORE_FPR_HEX + 1];
	char name[STORE_NAME_MAX];
	enum person_role role; /* 0: a key */
	uint64_t calls;        /* of a key (server/calls.h) */
	int64_t expires;
};
/* By the hash of a session's token or of a key's secret; ERR_NOTFOUND when
 * unknown or past its end. */
int store_caller_get(struct store *s, const struct id *hash, int64_t now,
    struct store_caller *ret, struct err *e);

int store_session_put(struct store *s, const struct id *hash, const char *fpr,
    int64_t now, int64_t expires, struct err *e);
/* Is this person logged in somewhere, in a role that may launch actions? 1, 0,
 * or ERR_*. */
int store_session_any(struct store *s, const char *fpr, int64_t now);
int store_session_end(struct store *s, const struct id *hash, struct err *e);
/* All of one person; ret_n of them. */
int store_sessions_end(
    struct store *s, const char *fpr, int64_t *ret_n, struct err *e);

struct store_session {
	struct id hash;
	const char *fpr, *name; /* borrowed in callbacks */
	int64_t created, expires;
};
typedef int store_on_session(const struct store_session *x, void *arg);
/* Those that have not ended, of one person or (fpr NULL) of all. */
int store_sessions(struct store *s, const char *fpr, int64_t now,
    store_on_session *fn, void *arg, struct err *e);
/* A session from the first 8 to 64 hex digits of its hash. ERR_NOTFOUND, or
 * ERR_INVALID when several begin so. */
int store_session_find(struct store *s, const char *prefix, struct id *ret_hash,
    char ret_fpr[static STORE_FPR_HEX + 1], struct err *e);

/* --- API keys ------------------------------------------------------------ */
#define STORE_KEY_NAME_MAX 33 /* with terminator */
#define STORE_KEYS_MAX 1000

struct store_key {
	struct id hash;   /* of its secret */
	const char *name; /* borrowed in callbacks */
	uint64_t calls;
	int64_t created, expires; /* ms */
	const char *by;           /* who made it */
};
typedef int store_on_key(const struct store_key *k, void *arg);
int store_keys(struct store *s, store_on_key *fn, void *arg, struct err *e);
/* ERR_EXISTS: there is one of this name, or with this secret. ERR_DENIED: there
 * are STORE_KEYS_MAX. One that is past its end is replaced. */
int store_key_put(
    struct store *s, const struct store_key *k, int64_t now, struct err *e);
/* ERR_NOTFOUND */
int store_key_remove(struct store *s, const char *name, struct err *e);

/* Removes one that is past its end, and says which; ERR_NOTFOUND: there is
 * none. */
int store_key_end(struct store *s, int64_t now,
    char ret_name[static STORE_KEY_NAME_MAX], struct err *e);

/* All sessions, API keys and tokens. */
int store_forget_secrets(struct store *s, struct err *e);

/* ERR_EXISTS: there is one with this digest. */
int store_token_put(struct store *s, const struct id *hash, int64_t uses,
    int64_t now, int64_t expires, struct err *e);
struct store_token {
	struct id hash;
	int64_t uses; /* left */
	int64_t created, expires;
};
typedef int store_on_token(const struct store_token *t, void *arg);
int store_tokens(struct store *s, store_on_token *fn, void *arg, struct err *e);
/* By the first 8 or more hex digits; which it was. ERR_NOTFOUND, or ERR_INVALID
 * when several begin so. */
int store_token_remove(
    struct store *s, const char *prefix, struct id *ret, struct err *e);
/* 0 when it can be used once more, or was used by this agent (an enrolment
 * whose answer was lost may be repeated); ERR_AUTH otherwise. */
int store_token_check(struct store *s, const struct id *hash,
    const struct id *agent, int64_t now, struct err *e);

#endif
