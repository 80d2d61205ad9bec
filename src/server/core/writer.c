/* SPDX-License-Identifier: MPL-2.0 */
/* The writer thread: see writer.h. */
#include "server/core/writer.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"

#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define QUEUE_MAX ((size_t)32 * 1024 * 1024)
#define GROUP_MAX 4096
#define SAID_MS 60000

struct writer {
	struct store *store; /* the thread's */
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	struct writer_jobs queue, finished;
	size_t waiting, bytes; /* queued and not yet done */
	bool stop;
	uint64_t groups, jobs, commit_us, commit_le[COMMIT_BUCKETS];
	int failing;
	uint64_t steps; /* the thread's: jobs and groups begun and ended */
	/* the loop's */
	uint64_t steps_seen;
	int efd;
	struct event *ev;
	int64_t said_ms; /* mono: the last error that was logged */
	int said;
	uint64_t unsaid;
};

bool
writer_is_passing(int rc)
{
	return (rc == ERR_IO || rc == ERR_BUSY || rc == ERR_FULL ||
	    rc == ERR_NOMEM);
}

static void
count_step(struct writer *w)
{
	__atomic_add_fetch(&w->steps, 1, __ATOMIC_RELAXED);
}

/* Returns why not everything that was good could be written, or 0. */
static int
run_group(struct writer *w, struct writer_jobs *group)
{
	struct writer_job *j;
	int64_t before = store_changes(w->store);
	struct err e;
	int rc, failing = 0;

	err_clear(&e);
	rc = store_begin(w->store, &e);
	STAILQ_FOREACH(j, group, next)
	{
		if (rc != 0)
			break;
		count_step(w);
		j->rc = store_mark(w->store, &j->err);
		if (j->rc != 0 && store_is_open(w->store)) {
			failing = j->rc;
			continue;
		}
		if (j->rc == 0)
			j->rc = j->run(w->store, j, &j->err);
		if (store_is_open(w->store))
			rc = store_mark_end(w->store, j->rc == 0, &e);
		/* Jobs after this must not be committed one by one: the whole
		 * group is told the same. So it is where this one cannot be
		 * taken back alone. */
		else
			rc = err_set(&e,
			    writer_is_passing(j->rc) ? j->rc : ERR_IO, "%s",
			    j->err.msg);
		if (rc != 0 && !writer_is_passing(rc))
			rc = e.code = ERR_IO;
		if (writer_is_passing(j->rc))
			failing = j->rc;
	}
	count_step(w);
	fault_point("writer.commit");
	if (rc == 0)
		rc = store_commit(w->store, &e);
	fault_point("writer.committed");
	if (rc == 0 && failing == 0 && store_changes(w->store) == before)
		return (w->failing); /* as before: nothing was written */
	if (rc == 0)
		return (failing);
	store_rollback(w->store);
	STAILQ_FOREACH(j, group, next)
	{
		j->rc = rc;
		j->err = e;
	}
	return (rc);
}

/* Takes up to GROUP_MAX jobs; returns how many. */
static size_t
take_group(struct writer *w, struct writer_jobs *group)
{
	struct writer_job *j;
	size_t n = 0;

	while (n < GROUP_MAX && (j = STAILQ_FIRST(&w->queue)) != NULL) {
		STAILQ_REMOVE_HEAD(&w->queue, next);
		STAILQ_INSERT_TAIL(group, j, next);
		n++;
	}
	return (n);
}

static int64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
}

/* Under the lock. Beyond the last bucket only the sum knows it. */
static void
count_group(struct writer *w, size_t jobs, int64_t us)
{
	size_t i;

	w->groups++;
	w->jobs += jobs;
	w->commit_us += (uint64_t)us;
	for (i = 0; i < COMMIT_BUCKETS; i++) {
		if (us > commit_bucket_us[i])
			continue;
		w->commit_le[i]++;
		break;
	}
}

static void *
writer_thread(void *arg)
{
	struct writer *w = arg;
	struct writer_jobs group;
	uint64_t one = 1;
	int64_t began;
	size_t n;
	int failing;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		STAILQ_INIT(&group);
		if ((n = take_group(w, &group)) == 0) {
			if (w->stop)
				break;
			pthread_cond_wait(&w->wake, &w->lock);
			continue;
		}
		pthread_mutex_unlock(&w->lock);
		began = now_us();
		count_step(w);
		failing = run_group(w, &group);
		count_step(w);
		pthread_mutex_lock(&w->lock);
		w->failing = failing;
		count_group(w, n, now_us() - began);
		STAILQ_CONCAT(&w->finished, &group);
		if (write(w->efd, &one, sizeof(one)) < 0)
			continue; /* counter full: the loop is awake */
	}
	pthread_mutex_unlock(&w->lock);
	return (NULL);
}

/* Every waiting agent fails alike: one line a minute says it. */
static void
say_error(struct writer *w, const struct writer_job *j)
{
	int64_t now = clock_mono_ms();

	if (w->said_ms != 0 && now - w->said_ms < SAID_MS && w->said == j->rc) {
		w->unsaid++;
		return;
	}
	log_error("store error=%s left_out=%llu", log_quote(j->err.msg),
	    (unsigned long long)w->unsaid);
	w->said_ms = now;
	w->said = j->rc;
	w->unsaid = 0;
}

static void
finish(struct writer *w)
{
	struct writer_jobs done;
	struct writer_job *j;

	STAILQ_INIT(&done);
	pthread_mutex_lock(&w->lock);
	STAILQ_CONCAT(&done, &w->finished);
	STAILQ_FOREACH(j, &done, next)
	{
		w->waiting--;
		w->bytes -= j->cost;
	}
	pthread_mutex_unlock(&w->lock);
	while ((j = STAILQ_FIRST(&done)) != NULL) {
		STAILQ_REMOVE_HEAD(&done, next);
		if (writer_is_passing(j->rc))
			say_error(w, j);
		j->done(j);
	}
}

static void
on_finished(evutil_socket_t fd, short what, void *arg)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) < 0)
		return;
	finish(arg);
}

struct writer *
writer_new(struct event_base *base, struct store *s, struct err *e)
{
	sigset_t all, old;
	struct writer *w;
	int rc;

	if ((w = calloc(1, sizeof(*w))) == NULL)
		goto nomem;
	w->store = s;
	STAILQ_INIT(&w->queue);
	STAILQ_INIT(&w->finished);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	if ((w->efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) {
		err_errno(e, "eventfd");
		goto fail;
	}
	w->ev = event_new(base, w->efd, EV_READ | EV_PERSIST, on_finished, w);
	if (w->ev == NULL || event_add(w->ev, NULL) != 0) {
		close(w->efd);
		goto nomem;
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&w->thread, NULL, writer_thread, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc == 0)
		return (w);
	close(w->efd);
	event_free(w->ev);
	err_set(e, ERR_INTERNAL, "cannot start the writer thread");
	goto fail;
nomem:
	err_set(e, ERR_NOMEM, "out of memory");
fail:
	free(w);
	return (NULL);
}

void
writer_free(struct writer *w)
{
	struct writer_jobs group;
	bool more;

	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	/* done() may submit more. */
	do {
		finish(w);
		STAILQ_INIT(&group);
		more = take_group(w, &group) > 0;
		if (more)
			(void)run_group(w, &group);
		STAILQ_CONCAT(&w->finished, &group);
	} while (more);
	event_free(w->ev);
	close(w->efd);
	store_close(w->store);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

void
writer_submit(struct writer *w, struct writer_job *j)
{
	pthread_mutex_lock(&w->lock);
	STAILQ_INSERT_TAIL(&w->queue, j, next);
	w->waiting++;
	w->bytes += j->cost;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

bool
writer_full(const struct writer *w)
{
	/* Only the loop changes these upwards; a stale value does no harm. */
	return (__atomic_load_n(&w->bytes, __ATOMIC_RELAXED) > QUEUE_MAX);
}

bool
writer_moves(struct writer *w)
{
	uint64_t steps = __atomic_load_n(&w->steps, __ATOMIC_RELAXED);
	bool moved = steps != w->steps_seen;

	w->steps_seen = steps;
	return (moved || __atomic_load_n(&w->waiting, __ATOMIC_RELAXED) == 0);
}

void
writer_stats(const struct writer *w, struct writer_stats *ret)
{
	size_t i;

	ret->groups = __atomic_load_n(&w->groups, __ATOMIC_RELAXED);
	ret->jobs = __atomic_load_n(&w->jobs, __ATOMIC_RELAXED);
	ret->waiting = __atomic_load_n(&w->waiting, __ATOMIC_RELAXED);
	ret->bytes = __atomic_load_n(&w->bytes, __ATOMIC_RELAXED);
	ret->commit_us = __atomic_load_n(&w->commit_us, __ATOMIC_RELAXED);
	for (i = 0; i < COMMIT_BUCKETS; i++)
		ret->commit_le[i] =
		    __atomic_load_n(&w->commit_le[i], __ATOMIC_RELAXED);
	ret->failing = __atomic_load_n(&w->failing, __ATOMIC_RELAXED);
}
