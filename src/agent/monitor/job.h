/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Accepted actions and their operations: at most so many workers at once, the
 * rest waits. A job is answered when its last operation has ended.
 */
#ifndef MIG_AGENT_MONITOR_JOB_H
#define MIG_AGENT_MONITOR_JOB_H

#include "agent/store/cancels.h"
#include "agent/messages.h"

#include <sys/queue.h>

struct agent;
struct jobs;

struct job_part {
	uint8_t status; /* enum part_status; 0: not there yet */
	uint8_t *data;  /* owned */
	size_t len;
};

struct job {
	TAILQ_ENTRY(job) entry;
	struct judge_verdict verdict;
	struct signed_by by; /* the first one's turn it is */
	uint8_t *doc;        /* a short document; NULL: it is in */
	size_t doc_len;
	int doc_fd;                /* sealed memfd; -1 */
	bool started;              /* the journal says so */
	bool stopped;              /* interrupted: answered as such */
	bool cancelled;            /* by whom and why is in why */
	char why[CANCEL_TEXT_MAX]; /* it was interrupted */
	unsigned int next, ended;  /* operations started, ended */
	size_t plain_len;          /* bytes of all parts */
	size_t promised;           /* bytes its workers may put out */
	struct job_part parts[];   /* one an operation */
};

struct jobs *jobs_new(struct agent *a, struct err *e);
/* Kills every worker; what was not answered stays in the journal. */
void jobs_free(struct jobs *j);
/* The next order will find its worker waiting. */
void jobs_warm(struct jobs *j);
/* Ends the worker processes, but for the first, that had nothing to do since
 * this was called before. */
void jobs_rest(struct jobs *j);
/* Queues an accepted action; between people in turns. started: the journal
 * has it as started. */
void jobs_add(struct jobs *j, const struct judge_verdict *v,
    const struct signed_by *by, const void *doc, size_t len, bool started);
/* NULL: neither waiting nor running. Borrowed. */
const struct job *jobs_find(const struct jobs *j, const struct id *id);
/* Nothing more of it runs: its workers are stopped and what they have found is
 * answered; one that waits is refused. why: to whoever reads the answer. */
void jobs_cancel(struct jobs *j, const struct id *id, const char *why);
/* Workers that may run at once, without those that stand still; operations that
 * may wait. By the policy. */
size_t jobs_slots(const struct jobs *j);
size_t jobs_queue_max(const struct jobs *j);
bool jobs_slot_free(const struct jobs *j);
bool jobs_full(const struct jobs *j);
bool jobs_idle(const struct jobs *j);
/* Nothing running; jobs that wait stay in the journal. */
bool jobs_quiet(const struct jobs *j);
/* Bytes of answers that may still come. */
uint64_t jobs_reserved(const struct jobs *j);
/* What has not begun is answered with this refusal. */
void jobs_refuse_waiting(struct jobs *j, unsigned int reason);
/* Stops starting jobs; with now, running ones are interrupted. */
void jobs_stop(struct jobs *j, bool now);

#endif
