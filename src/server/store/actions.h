/* SPDX-License-Identifier: MPL-2.0 */
/* The store: actions, whom each expects, and the answers. See store.h. */
#ifndef MIG_SERVER_STORE_ACTIONS_H
#define MIG_SERVER_STORE_ACTIONS_H

#include "server/store/store.h"

enum action_status {
	ACTION_OPEN = 0,
	ACTION_COMPLETE = 1,
	ACTION_EXPIRED = 2,
	ACTION_CANCELLED = 3,
	ACTION_WAITING = 4, /* for signatures: store/waiting.h */
};
const char *action_status_text(int status);

struct store_counts {
	int64_t expected, sent, answered, done, refused, stopped;
};

struct store_action {
	int64_t n;
	struct id id;
	const char *name, *target, *investigators; /* the latter a JSON array */
	int status;
	bool online_only;
	int64_t created;                  /* ms */
	int64_t valid_from, expire_after; /* s */
	int64_t
	    pruned; /* ms: its answers were removed then; 0: they are there */
	struct store_counts counts;
	const uint8_t *envelope; /* NULL in lists */
	size_t envelope_len;
};
typedef int store_on_action(const struct store_action *a, void *arg);

struct store_expect {
	int64_t agent; /* number */
	bool sent;
};
/* ERR_EXISTS when the id is there already. */
int store_action_put(struct store *s, const struct store_action *a,
    const struct store_expect *exp, size_t nexp, int64_t *ret_n, struct err *e);
/* Adds these to the expected ones: within the store's functions. */
int store_action_expects(struct store *s, int64_t n,
    const struct store_expect *exp, size_t nexp, struct err *e);
/* Newest first, n < before (0: from the newest). */
int store_actions(struct store *s, int64_t before, int limit,
    store_on_action *fn, void *arg, struct err *e);
/* The same, of those that wait for signatures. */
int store_actions_waiting(struct store *s, int64_t before, int limit,
    store_on_action *fn, void *arg, struct err *e);
int store_action_get(struct store *s, const struct id *id, store_on_action *fn,
    void *arg, struct err *e);
/* Those that expire after this second, oldest first, with envelopes. */
int store_actions_live(struct store *s, int64_t expire_after,
    store_on_action *fn, void *arg, struct err *e);
int store_action_status(struct store *s, int64_t n, int status, struct err *e);
/* The open ones whose end was before this second are expired; *ret_n: how many.
 */
int store_actions_expire(
    struct store *s, int64_t before, int64_t *ret_n, struct err *e);
/* Status and counts only: cheap. */
int store_action_counts(struct store *s, int64_t n, int *ret_status,
    struct store_counts *ret, struct err *e);

/* What ended an action before its time. */
struct store_cancel {
	struct id id;              /* of the cancel's document */
	int64_t created;           /* ms */
	const char *investigators; /* who signed it: a JSON array */
	const char *reason;        /* "": none */
	const uint8_t *envelope;
	size_t envelope_len;
};
typedef int store_on_cancel(const struct store_cancel *k, void *arg);
/* Makes the action a cancelled one. ERR_EXISTS when it is. */
int store_cancel_put(struct store *s, int64_t action,
    const struct store_cancel *k, struct err *e);
/* ERR_NOTFOUND when it was not cancelled. */
int store_cancel_get(struct store *s, int64_t action, store_on_cancel *fn,
    void *arg, struct err *e);

enum expect_state { EXPECT_WAITING = 0, EXPECT_SENT = 1, EXPECT_ANSWERED = 2 };

struct store_expected {
	int64_t agent;
	struct id agent_id;
	const char *agent_name;
	bool online;
	int64_t lastseen, enrolled;
	int state;
	int status, reason; /* of the answer */
};
typedef int store_on_expected(const struct store_expected *x, void *arg);
/* In order of agent numbers, agent > after. */
int store_expected(struct store *s, int64_t action, int64_t after, int limit,
    store_on_expected *fn, void *arg, struct err *e);
/* How many have not answered and are online. */
int64_t store_expected_online(struct store *s, int64_t action);
/* Is one of those that were sent it? Asked after every commit. */
bool store_sent_online(struct store *s, int64_t action);
/* Adds an agent to the expected ones; nothing when it is there. */
int store_expect_add(
    struct store *s, int64_t action, int64_t agent, bool sent, struct err *e);
int store_expect_sent(
    struct store *s, int64_t action, int64_t agent, struct err *e);

/* --- answers -------------------------------------------------------------- */
struct store_answer {
	int64_t cursor;
	int64_t action, agent;
	struct id agent_id;
	int64_t received;
	int status, reason;
	bool different; /* not the first of this agent, and not equal */
	const uint8_t *data;
	size_t len;
};
/* Keeps the first answer of an agent, ignores an equal one (*ret_new false),
 * keeps up to STORE_DIFFERENT_MAX different ones flagged. Updates counts and
 * status in the same step; adds the agent to the expected when it was not. */
#define STORE_DIFFERENT_MAX 4
int store_answer_put(struct store *s, const struct store_answer *a,
    bool *ret_new, struct err *e);
typedef int store_on_answer(const struct store_answer *a, void *arg);
/* cursor > after, in order. */
int store_answers(struct store *s, int64_t action, int64_t after, int limit,
    store_on_answer *fn, void *arg, struct err *e);
/* How many; -1: that cannot be read. */
int64_t store_answers_total(struct store *s);
int64_t store_actions_total(struct store *s);

#endif
