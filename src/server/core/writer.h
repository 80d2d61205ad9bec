/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The one thread that writes the store. Jobs queue up while it commits, and
 * whatever waits becomes the next group: one BEGIN, every job's statements,
 * one durable COMMIT. The group's jobs are then handed back to the loop,
 * where done() sees what became of them. A job that fails is taken back
 * alone; a commit that fails fails the whole group.
 *
 *   loop --submit--> [queue] --group--> thread --eventfd--> loop: done()
 */
#ifndef MIG_SERVER_CORE_WRITER_H
#define MIG_SERVER_CORE_WRITER_H

#include "base/err.h"
#include "server/messages.h"
#include "server/store/store.h"

#include <sys/queue.h>

struct event_base;
struct writer;

struct writer_job {
	/* In the thread; touches only the job and the store. */
	int (*run)(struct store *s, struct writer_job *j, struct err *e);
	/* In the loop, after the commit or failure; frees the job. */
	void (*done)(struct writer_job *j);
	size_t cost; /* bytes held, for the queue's bound */
	int rc;      /* 0: committed */
	struct err err;
	STAILQ_ENTRY(writer_job) next;
};
STAILQ_HEAD(writer_jobs, writer_job);

/* Takes the store. */
struct writer *
writer_new(struct event_base *base, struct store *s, struct err *e);
/* Commits what waits, runs every done(), ends the thread. */
void writer_free(struct writer *w);
/* Takes the job. Always accepts: the caller asks writer_full() first where
 * it can say no. */
void writer_submit(struct writer *w, struct writer_job *j);
/* More waits than is good: take nothing more from agents for now. */
bool writer_full(const struct writer *w);

/* False: something waits, and the thread has done nothing since this was asked
 * last. One step may take long: a commit that brings a long log into the store,
 * one on a slow disk. */
bool writer_moves(struct writer *w);

/* Not the job's fault: the disk is full or broken, the store is locked. What
 * must not be lost is tried again. */
bool writer_is_passing(int rc);

struct writer_stats {
	uint64_t groups, jobs, waiting, bytes;
	uint64_t commit_us; /* all commits together */
	/* groups that took at most the bucket's time, each for itself */
	uint64_t commit_le[COMMIT_BUCKETS];
	int failing; /* why the newest group could not be written; 0: it was */
};
void writer_stats(const struct writer *w, struct writer_stats *ret);

#endif
