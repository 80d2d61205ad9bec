/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Following an action: every answer is verified, opened, judged, shown and
 * counted here. What does not verify is a warning, never an answer.
 */
#ifndef MIG_CLIENT_ASK_COLLECT_H
#define MIG_CLIENT_ASK_COLLECT_H

#include "action/document.h"
#include "client/ask/openings.h"
#include "client/print/answer.h"
#include "client/client.h"
#include "client/print/progress.h"
#include "client/trust/seen.h"
#include "client/api/stream.h"
#include "client/print/summary.h"
#include "client/trust/trust.h"
#include "crypto/seal.h"

struct collect {
	struct client *client;             /* borrowed */
	const struct action *action;       /* borrowed */
	struct id id;                      /* of the action */
	uint8_t seal_secret[SEAL_KEY_LEN]; /* wiped by collect_release */
	bool follow; /* stay until the end, else take what is stored */
	bool wait;   /* also for agents that are offline */
	bool verbose;
	bool silent;      /* answers are judged and counted, and not shown */
	const char *save; /* directory for a file an answer; NULL: they are
			     printed */
	struct output output;
	struct summary summary;
	struct progress progress;
	uint64_t policy_version; /* of the one known here; 0: none */
	struct id policy_hash;
	struct trust trust;
	struct trust hints; /* names and enrolment (first_s) as the server says
			       them; not saved */
	struct seen asked;  /* whom the server says it asks */
	bool roster;        /* that is known */
	bool online_only;   /* delivery wish: others are left out rightly */
	struct seen seen;
	struct seen ran; /* of those, answers that are no refusals */
	struct stream stream;
	struct openings *openings; /* owned */
	bool more;                 /* of the answers is about to come */
	int64_t cursor;
	size_t warned;    /* warnings, shown or not */
	bool enough;      /* everybody online has answered */
	bool live;        /* followed since before the action's end */
	bool overdue;     /* the action ended, and the server does not say so */
	int64_t quiet_ms; /* monotonic: since when that is so; 0: it is not */
	struct err out_error; /* writing the output failed */
};

/* Loads the list of known agents. */
int collect_init(struct collect *k, struct client *c, const struct action *a,
    const struct id *id, struct err *e);
void collect_release(struct collect *k);
/* One answer as the server handed it over. */
int collect_answer(struct collect *k, const struct stream_event *ev);
/* Follows until the end, Ctrl-C, or everybody online has answered. */
int collect_run(struct collect *k, struct err *e);

/* --- finish.c --------------------------------------------------------------
 */
/* Who has answered and who not, as the server says it: fills the hints and
 * the summary's list of the missing; *ret_online counts the missing ones that
 * are online. */
int collect_roster(struct collect *k, size_t *ret_online, struct err *e);
/* collect_run, again while somebody online is still missing. */
int collect_follow(struct collect *k, struct err *e);
/* When following failed: prints what was kept for the end, and remembers whom
 * it was from. */
void collect_abandon(struct collect *k);
/* Prints what was kept for the end, the summary and how to come back.
 * Returns the exit code or an error. */
int collect_finish(struct collect *k, struct err *e);

#endif
