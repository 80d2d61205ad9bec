/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The journal: what this agent has judged, so that nothing runs twice.
 *
 *              accept           start          answer           ack
 *   (unknown) --------> ACCEPTED -----> STARTED ------> ANSWERED ---> ACKED
 *       |-- refuse ---> REFUSED ------------------------------- ack ----^
 *       `-- hold -----> HELD ---------------------------------- ack ----^
 *
 * ACCEPTED and STARTED are on the disk before anything runs. Nothing is
 * forgotten by the clock. Beyond the bound the refused entries go, the oldest
 * first: they never ran. When there are none, the closed entry with the oldest
 * end goes and the floor rises to that end. HELD is closed: it ran, as another
 * file says (agent/monitor/ran.h), and this one had lost it.
 *
 * Cancels are remembered beside them (agent/store/cancels.h): before anything
 * else happens because of one it is on the disk.
 */
#ifndef MIG_AGENT_STORE_JOURNAL_H
#define MIG_AGENT_STORE_JOURNAL_H

#include "agent/store/cancels.h"
#include "base/id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct journal;

#define JOURNAL_MAX 65536
/* No refused action is remembered as ending later than this many seconds from
 * now: nobody allowed its end. */
#define JOURNAL_REFUSED_MAX (7 * 86400)

/* One that begins later than this from now began by a wrong clock. */
#define JOURNAL_BEGIN_SLACK 3600
#define JOURNAL_BEGIN_DO                                           \
	"set the clock; if it was the clock of the journal's "     \
	"beginning that was wrong, stop the agent and remove the " \
	"journal, which then begins five minutes from now"

enum journal_state {
	JOURNAL_ACCEPTED = 1,
	JOURNAL_STARTED = 2,
	JOURNAL_ANSWERED = 3,
	JOURNAL_ACKED = 4,
	JOURNAL_REFUSED = 5,
	JOURNAL_HELD = 6,
};

struct journal_entry {
	struct id id;    /* first: idmap */
	int64_t expires; /* unix seconds */
	uint64_t sequence;
	uint16_t reason; /* of a refusal, and of what is held */
	uint8_t state;   /* enum journal_state */
};

/* now: unix seconds. A damaged file is put aside as PATH.damaged-<now> and a
 * new one started (journal_was_damaged): its intact beginning's floor and
 * newest stay, and it starts after every signature that may have counted
 * before. A missing one does too (journal_was_lost) where something may have
 * run; else it starts now. max: entries kept, JOURNAL_MAX. */
int journal_open(const char *path, size_t max, int64_t now, bool may_have_run,
    struct journal **ret, struct err *e);
void journal_free(struct journal *j);
bool journal_was_damaged(const struct journal *j);
bool journal_was_new(const struct journal *j);
bool journal_was_lost(const struct journal *j);

/* NULL: unknown. Borrowed until the next change. */
const struct journal_entry *
journal_find(const struct journal *j, const struct id *id);
/* What ends at or before this is refused (unix seconds). */
int64_t journal_floor(const struct journal *j);
/* What was signed before this does not count: the journal starts there. */
int64_t journal_not_before(const struct journal *j);
/* Newest signature time of an action ever accepted. */
int64_t journal_newest(const struct journal *j);
size_t journal_count(const struct journal *j);

struct journal_action {
	struct id id;
	int64_t expires;     /* unix seconds */
	int64_t signed_at;   /* newest signature that counts, unix seconds */
	const void *verdict; /* opaque to the journal; borrowed */
	size_t verdict_len;
	const void *doc; /* borrowed */
	size_t doc_len;
};

/* Synced when they return 0. start: also STARTED, in the same write. */
int journal_accept(struct journal *j, const struct journal_action *a,
    bool start, struct err *e);
int journal_start(struct journal *j, const struct id *id, struct err *e);
/* 0 also when it is not remembered: no room among accepted ones. */
int journal_refuse(struct journal *j, const struct journal_action *a,
    uint16_t reason, struct err *e);
/* It ran and is not known: refused with that reason when it comes again, and
 * forgotten only as what ran is. ERR_BUSY: everything is open. */
int journal_hold(struct journal *j, const struct journal_action *a,
    uint16_t reason, struct err *e);
/* Written, not synced: a spooled answer is found again without them. */
int journal_answer(struct journal *j, const struct id *id, struct err *e);
int journal_ack(struct journal *j, const struct id *id, struct err *e);

/* Remembers a cancel, synced when it returns 0. now: unix seconds. */
int journal_cancel(
    struct journal *j, const struct cancelled *c, int64_t now, struct err *e);
/* Is this very cancel remembered? */
bool journal_has_cancel(const struct journal *j, const struct id *cancel);
/* The cancel that holds for an action with these signers; NULL: none. Borrowed
 * until the next change. */
const struct cancelled *journal_cancelled(const struct journal *j,
    const struct id *action, const struct signed_by *by, int64_t now);
size_t journal_cancels(const struct journal *j);

/* Every entry still ACCEPTED or STARTED with what was kept of it. */
typedef int journal_on_open(const struct journal_entry *entry,
    const struct journal_action *a, void *arg);
int journal_each_open(
    struct journal *j, journal_on_open *cb, void *arg, struct err *e);
/* The newest ids that end after now; returns how many. */
size_t
journal_known(const struct journal *j, int64_t now, struct id *out, size_t max);

#endif
