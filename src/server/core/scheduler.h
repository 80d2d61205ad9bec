/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The scheduler: which agent is expected to answer which action, who has to
 * be sent what and when. Pure logic over the registry: it sends and stores by
 * the operations it was given, and is told the time: "now" is ms of a clock
 * that never jumps, for when to ask whom; what an action's window says is
 * compared with the wall clock, which is wall_ahead of it.
 *
 * Of an agent to an action:
 *
 *            matches, or answers anyway
 *   UNKNOWN ---------------------------> WAITING --published--> SENT
 *      |                                    |                    |
 *      | does not match                     `------ answer ------+
 *      v                                                         v
 *     NOT  (judged anew when the agent's row changes)         ANSWERED
 */
#ifndef MIG_SERVER_CORE_SCHEDULER_H
#define MIG_SERVER_CORE_SCHEDULER_H

#include "server/core/registry.h"
#include "server/store/actions.h"

#include <sys/queue.h>

struct err;

enum run_state { X_UNKNOWN = 0, X_NOT, X_WAITING, X_SENT, X_ANSWERED };

struct run_entry {
	uint8_t state;
	uint8_t asked;     /* times asked on its own topic */
	uint32_t asked_at; /* ds since the scheduler's start */
};

struct run { /* one action that may still be answered */
	struct id id;
	int64_t n;
	int status; /* enum action_status */
	bool online_only;
	int64_t valid_from, expire_after; /* unix s */
	uint8_t *envelope;                /* owned; NULL once expired */
	size_t envelope_len;
	struct id envelope_hash;
	struct id by;              /* hash of the names of who signed it */
	size_t bytes;              /* what it takes in memory, about */
	struct target *target;     /* NULL: expects nobody new */
	struct run_entry *entries; /* by slot; owned */
	size_t nentries;
	size_t expected, answered;
	bool launched;
	uint8_t *cancel; /* owned: the envelope that cancels it, or NULL */
	size_t cancel_len;
	bool cancel_said;  /* to all who are there */
	int64_t next_scan; /* when silent agents are looked for */
	int64_t scan_step; /* ms */
	int64_t last_answer;
	bool careful; /* kept from agents as long as ops->keeps() says so */
	bool touched; /* counts changed since the last event */
	TAILQ_ENTRY(run) next;
};
TAILQ_HEAD(runs, run);

struct sched_ops {
	/* To everyone at once: the envelope, or its announcement. */
	void (*broadcast)(struct run *r, void *arg);
	/* To one agent on its own topic. */
	void (*single)(struct run *r, struct agent *a, void *arg);
	/* That it is cancelled: to one agent, or to everyone (a NULL). */
	void (*cancel)(struct run *r, struct agent *a, void *arg);
	/* Must be remembered: the agent was added to the expected ones, or
	 * was sent the action. */
	void (*expect)(struct run *r, struct agent *a, bool sent, void *arg);
	void (*status)(struct run *r, int status, void *arg);
	/* Would it refuse now, for good, what it takes in a moment? */
	bool (*keeps)(const struct agent *a, int64_t now, void *arg);
};

struct sched {
	struct registry *registry;   /* borrowed */
	const struct sched_ops *ops; /* borrowed */
	void *arg;
	struct target_engine *targets; /* owned */
	struct runs runs;
	size_t nruns, nopen;
	size_t bytes; /* of all runs */
	int64_t started;
	int64_t wall_ahead; /* ms; its owner keeps it up to date */
	bool relay_up;
};

int sched_init(struct sched *s, struct registry *r, const struct sched_ops *ops,
    void *arg, int64_t now, struct err *e);
void sched_release(struct sched *s);

/* Evaluates a condition over every registered agent that said hello: the
 * slots of those that match (and are online, if asked) are marked X_WAITING in
 * *ret_entries (owned by the caller, one entry a slot), the others X_NOT. */
int sched_match(struct sched *s, const char *target, bool online_only,
    struct run_entry **ret_entries, size_t *ret_n, size_t *ret_expected,
    struct err *e);

/* An action, not added yet, so that adding cannot fail once it is stored.
 * Takes entries (they may be NULL) when it succeeds. */
struct run *sched_run_new(struct sched *s, const struct store_action *a,
    struct run_entry *entries, size_t nentries, struct err *e);
void sched_run_free(struct run *r);
/* Is there room for one more? What is open, or has just ended, is in memory,
 * also after a start, and nobody can remove it: all together and what the same
 * people signed are bounded. ERR_FULL. */
int sched_room(const struct sched *s, const struct run *r, struct err *e);
/* Takes an action that the store holds as number n. It is sent with the next
 * tick, or when it becomes valid. */
void sched_add(struct sched *s, struct run *r, int64_t n);
/* Agents whose row became what it is since then, while the action was on its
 * way into the store, are judged anew. */
void sched_catch_up(struct sched *s, struct run *r, int64_t since);
/* Is it kept from this agent now? */
bool sched_keeps(const struct sched *s, const struct run *r,
    const struct agent *a, int64_t now);
struct run *sched_find(const struct sched *s, const struct id *id);
/* NULL when out of memory. */
struct run_entry *run_entry(struct run *r, const struct agent *a);
bool run_is_answered(const struct run *r, const struct agent *a);

/* True when an action for these many should go to all at once. */
bool sched_is_broadcast(size_t targeted, size_t online);

/* An agent came: what is valid, expected of it and not among known is sent. */
void sched_hello(struct sched *s, struct agent *a, bool row_changed,
    const struct id *known, size_t nknown, int64_t now);
/* It was cancelled: nobody is sent it any more, everyone the cancel, until its
 * end. Takes the envelope. */
void
sched_cancel(struct sched *s, struct run *r, uint8_t *envelope, size_t len);
/* An answer was stored. */
void sched_answered(
    struct sched *s, struct run *r, const struct agent *a, int64_t now);
/* Launches what has become valid, asks silent agents, expires. To be called
 * about four times a second. */
void sched_tick(struct sched *s, int64_t now);
/* The relay's link came up: what waits is looked at anew. */
void sched_relay_up(struct sched *s, bool up, int64_t now);

#endif
