/* SPDX-License-Identifier: MPL-2.0 */
/* Accepted actions and their workers; see job.h. */
#include "agent/monitor/job.h"

#include "action/refusal.h"
#include "action/result.h"
#include "agent/monitor/answer.h"
#include "agent/store/journal.h"
#include "agent/monitor/monitor.h"
#include "agent/monitor/ownstate.h"
#include "agent/monitor/standby.h"
#include "agent/monitor/still.h"
#include "agent/monitor/turns.h"
#include "agent/monitor/worker.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "modules/module.h"
#include "proc/proc.h"
#include "proc/timer.h"
#include "sandbox/cgroup.h"

#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLOTS_MAX CGROUP_SLOTS
#define QUEUE_DEFAULT 64
/* Workers that stand still keep no place: for each place so many more may be
 * busy. They have their limits of memory and time all the same. */
#define SPARE_PLACES 3
#define LOOK_S 1
/* What an interrupted worker has to answer what it has found. */
#define STOP_GRACE_MS 5000
#define CANCEL_GRACE_MS 700 /* and is gone within a second */
/* An agent's groups bear the end of its id. */
#define GROUP_NAME_AT (ID_HEX_LEN - 12)

struct slot {
	struct jobs *jobs;
	struct standby *process; /* NULL: not needed so far */
	struct worker *worker;   /* NULL: free */
	struct job *job;
	unsigned int operation;
	size_t output_max;
	struct still still;
	bool used; /* since jobs_rest() */
};

struct jobs {
	struct agent *a;
	TAILQ_HEAD(, job) list;
	struct slot slots[SLOTS_MAX];
	size_t running, waiting; /* operations */
	uint64_t reserved;
	struct turns turns;
	int worker_fd; /* mig-worker, open */
	struct cgroup *groups;
	struct event *look; /* whether who is busy stands still */
	bool stopping;
};

size_t
jobs_slots(const struct jobs *j)
{
	size_t n = (size_t)j->a->conf.workers;

	if (j->a->policy.workers > 0 && j->a->policy.workers < n)
		n = j->a->policy.workers;
	return n < SLOTS_MAX ? n : SLOTS_MAX;
}

static void
job_free(struct job *job)
{
	size_t i;

	free(job->doc);
	if (job->doc_fd >= 0)
		close(job->doc_fd);
	for (i = 0; i < job->verdict.noperations; i++)
		free(job->parts[i].data);
	free(job);
}

static void
part_ended(struct jobs *j, struct job *job, unsigned int op, uint8_t status,
    uint8_t *data, size_t len)
{
	job->parts[op].status = status;
	job->parts[op].data = data;
	job->parts[op].len = data == NULL ? 0 : len;
	job->plain_len += job->parts[op].len;
	job->ended++;
	if (status == PART_INTERRUPTED)
		job->stopped = true;
}

static void
part_text(struct jobs *j, struct job *job, unsigned int op, uint8_t status,
    const char *text)
{
	part_ended(j, job, op, status, (uint8_t *)strdup(text), strlen(text));
}

static uint64_t
reserve(const struct job *job)
{
	return (uint64_t)job->verdict.result_bytes + ANSWER_EXTRA;
}

/* Answers it when its last operation has ended. */
static void
maybe_done(struct jobs *j, struct job *job)
{
	struct agent *a = j->a;

	if (job->ended < job->verdict.noperations)
		return;
	TAILQ_REMOVE(&j->list, job, entry);
	j->reserved -= reserve(job);
	answer_job(a, job);
	job_free(job);
}

static void run(struct jobs *j);

/* An interrupted part says in its first line why, and behind it what its
 * worker had found, if it could say that (action/result.h). */
static void
explain_interrupted(const struct job *job, uint8_t **data, size_t *len)
{
	bool found = *len > 0 && **data == '{';
	struct buf b;

	buf_init(&b, *len + sizeof(job->why) + 64);
	buf_add_str(&b, job->why);
	if (found) {
		buf_add_u8(&b, '\n');
		buf_add(&b, *data, *len);
	} else {
		buf_add_str(&b, "; what was found until then is lost");
	}
	if (b.error == 0) {
		free(*data);
		buf_take(&b, data, len);
	}
	buf_release(&b);
}

static void
on_worker_end(uint8_t status, uint8_t *data, size_t len, void *arg)
{
	struct slot *s = arg;
	struct jobs *j = s->jobs;
	struct job *job = s->job;

	fault_point("job.worker_ended");
	s->worker = NULL;
	s->job = NULL;
	j->running--;
	job->promised -= s->output_max;
	if (status == PART_INTERRUPTED)
		explain_interrupted(job, &data, &len);
	part_ended(j, job, s->operation, status, data, len);
	maybe_done(j, job);
	run(j);
	agent_idle_check(j->a);
}

static size_t
free_slots(const struct jobs *j)
{
	size_t i, still = 0, n = jobs_slots(j);

	for (i = 0; i < SLOTS_MAX; i++)
		still += j->slots[i].worker != NULL &&
		    still_stands(&j->slots[i].still);
	n += still < n * SPARE_PLACES ? still : n * SPARE_PLACES;
	if (n > SLOTS_MAX)
		n = SLOTS_MAX;
	return n > j->running ? n - j->running : 0;
}

/* Bytes the next worker of this job may put out: results are compressed
 * before they are sealed, and text packs at least fourfold. What has been put
 * out and what running workers may still put out stays below that sum; of the
 * rest a quarter of its even share is kept for each operation that has not
 * started, and the workers that can start now have equal parts. */
static size_t
output_room(const struct jobs *j, const struct job *job)
{
	uint64_t all = (uint64_t)job->verdict.result_bytes * 4, rest, least;
	uint64_t used = (uint64_t)job->plain_len + job->promised;
	uint64_t starting = job->verdict.noperations - job->next + 1;
	uint64_t slots = free_slots(j);

	if (all > RESULT_PLAIN_MAX - 65536)
		all = RESULT_PLAIN_MAX - 65536;
	rest = all > used ? all - used : 0;
	least = all / (4 * (uint64_t)job->verdict.noperations);
	if (rest <= starting * least)
		return (size_t)(rest / starting);
	if (slots > starting)
		slots = starting;
	return (size_t)(least +
	    (rest - starting * least) / (slots > 0 ? slots : 1));
}

/* Each slot has a user number of its own, and with it a worker process: one
 * that looks at files, or one that opens first what the module needs. */
static int
slot_ready(struct slot *s, uint32_t needs, struct err *e)
{
	struct jobs *j = s->jobs;
	struct agent *a = j->a;
	struct standby_spec spec = { .exec_fd = j->worker_fd,
		.uid = (uint32_t)-1,
		.cover = agent_conf_hidden(&a->conf),
		.threads = order_threads(a->conf.worker_cpu) };

	if (a->uid != (uint32_t)-1) {
		spec.uid = (uint32_t)(a->conf.worker_uid +
		    (s - j->slots) % a->conf.worker_uids);
	}
	if (s->process == NULL)
		s->process = standby_new(a->loop, &spec);
	if (s->process == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	standby_needs(s->process, needs & NEEDS_OPENER);
	return standby_ready(s->process, e);
}

/* 0 is no limit of the policy's; the own configuration always has one. */
static int64_t
memory_limit(const struct jobs *j, const struct judge_verdict *v)
{
	uint64_t own = j->a->conf.worker_memory;

	return v->memory_bytes > 0 && (uint64_t)v->memory_bytes < own
	    ? v->memory_bytes
	    : (int64_t)own;
}

/* Of one core, on average: the smallest of what the owner, the policy and the
 * investigator say. */
static int64_t
cpu_share(const struct jobs *j, const struct judge_verdict *v)
{
	int64_t own = j->a->conf.worker_cpu;

	return v->cpu_percent > 0 && v->cpu_percent < own ? v->cpu_percent
							  : own;
}

/* By the policy of now: it may be another than when the action was judged, and
 * then this one holds. */
static void
narrow(const struct jobs *j, unsigned int module, struct order *o)
{
	const struct narrowed *n = judge_ready_narrowed(&j->a->policy, module);

	if (n == NULL)
		return;
	o->detail = n->detail;
	str_copy(o->paths, sizeof(o->paths), n->paths);
}

static void
start_worker(struct jobs *j, struct slot *s, struct job *job)
{
	const struct judge_verdict *v = &job->verdict;
	uint8_t op = (uint8_t)job->next++;
	struct order o = {
		.operation = op,
		.module = (uint8_t)v->modules[op],
		.seconds = v->seconds,
		.cpu_seconds = v->cpu_seconds,
		.memory_bytes = memory_limit(j, v),
		.read_bytes = v->read_bytes,
		.cpu_percent = cpu_share(j, v),
		.output_max = (int64_t)output_room(j, job),
		.document = job->doc,
		.document_len = job->doc_len,
		.privacy = j->a->conf.privacy,
	};
	struct err e;
	int rc;

	narrow(j, v->modules[op], &o);
	j->waiting--;
	err_clear(&e);
	if (v->modules[op] == MODULE_agent)
		ownstate_fill(j->a, v, op, &o);
	if (o.output_max == 0)
		o.output_max = 1;
	rc = slot_ready(s, module_needs(v->modules[op]), &e);
	if (rc == 0)
		rc = worker_start(j->a->loop, s->process, &o, job->doc_fd,
		    on_worker_end, s, &s->worker, &e);
	if (rc != 0) {
		log_error("worker action=%s operation=%u why=%s",
		    id_short(&v->id).s, op, log_quote(e.msg));
		part_text(j, job, op, PART_FAILED, e.msg);
		return;
	}
	fault_point("job.spawned");
	worker_group(s->worker, j->groups, (unsigned int)(s - j->slots));
	s->job = job;
	s->used = true;
	s->still = (struct still){ 0 };
	s->operation = op;
	s->output_max = (size_t)o.output_max;
	job->promised += s->output_max;
	j->running++;
}

void
jobs_warm(struct jobs *j)
{
	struct err e;

	/* what was waiting before the restart has it already */
	if (j->slots[0].worker != NULL)
		return;
	err_clear(&e);
	if (slot_ready(&j->slots[0], 0, &e) != 0)
		log_warn("worker why=%s", log_quote(e.msg));
}

void
jobs_rest(struct jobs *j)
{
	struct slot *s;
	size_t i;

	for (i = 1; i < SLOTS_MAX; i++) {
		s = &j->slots[i];
		if (s->process != NULL && s->worker == NULL && !s->used)
			standby_rest(s->process);
		s->used = false;
	}
}

static struct slot *
free_slot(struct jobs *j)
{
	size_t i;

	for (i = 0; i < SLOTS_MAX && free_slots(j) > 0; i++) {
		if (j->slots[i].worker == NULL)
			return &j->slots[i];
	}
	return NULL;
}

/* Whose turn it is among the jobs with an operation to start; of one person
 * the oldest. */
static struct job *
first_in_turn(struct jobs *j)
{
	struct job *job, *best = NULL;

	TAILQ_FOREACH (job, &j->list, entry) {
		if (job->next >= job->verdict.noperations ||
		    (j->stopping && !job->started))
			continue;
		if (best == NULL ||
		    turns_before(
			&j->turns, job->by.persons[0], best->by.persons[0]))
			best = job;
	}
	return best;
}

/* Nothing of the operations that have not started runs any more. */
static void
end_rest(struct jobs *j, struct job *job, uint8_t status, const char *text)
{
	while (job->next < job->verdict.noperations) {
		j->waiting--;
		part_text(j, job, job->next++, status, text);
	}
}

/* Of a job that has not begun. */
static void
refuse(struct jobs *j, struct job *job, unsigned int reason, const char *text)
{
	struct agent *a = j->a;
	const struct judge_verdict *v = &job->verdict;

	TAILQ_REMOVE(&j->list, job, entry);
	j->waiting -= v->noperations;
	j->reserved -= reserve(job);
	answer_refuse(a, &v->id, reason, v->expire_after);
	if (a->on_refused != NULL)
		a->on_refused(a, &v->id, reason, text);
	job_free(job);
}

/* It ended while it waited: refused, or what is left of it is not run. */
static void
expired(struct jobs *j, struct job *job)
{
	const struct judge_verdict *v = &job->verdict;
	static const char text[] = "the action expired";

	log_info("expired action=%s operations=%u", id_short(&v->id).s,
	    (unsigned int)(v->noperations - job->next));
	if (job->started) {
		end_rest(j, job, PART_TIMEOUT, text);
		maybe_done(j, job);
		return;
	}
	refuse(j, job, REFUSAL_EXPIRED, text);
}

/* The next job with an operation to start; its journal entry first. */
static struct job *
next_job(struct jobs *j)
{
	struct job *job;
	struct err e;
	int rc;

	while ((job = first_in_turn(j)) != NULL) {
		if (agent_now(j->a) >= job->verdict.expire_after) {
			expired(j, job);
			continue;
		}
		turns_served(&j->turns, job->by.persons[0]);
		if (job->started)
			return job;
		err_clear(&e);
		rc = journal_start(j->a->journal, &job->verdict.id, &e);
		if (rc == 0) {
			job->started = true;
			return job;
		}
		log_error("journal action=%s why=%s",
		    id_short(&job->verdict.id).s, log_quote(e.msg));
		agent_disk_error(j->a, rc);
		/* not started for certain: nothing of it may run */
		end_rest(j, job, PART_INTERRUPTED,
		    "the journal could not be written");
		maybe_done(j, job);
	}
	return NULL;
}

static void
run(struct jobs *j)
{
	struct slot *s;
	struct job *job;

	while ((s = free_slot(j)) != NULL && (job = next_job(j)) != NULL) {
		start_worker(j, s, job);
		maybe_done(j, job);
	}
	if (j->waiting > 0 && !j->stopping)
		timer_start(j->look, &(struct timeval){ .tv_sec = LOOK_S });
	else
		event_del(j->look);
}

static void
on_look(evutil_socket_t fd, short what, void *arg)
{
	struct jobs *j = arg;
	struct slot *s;

	for (s = j->slots; s < j->slots + SLOTS_MAX; s++) {
		if (s->worker != NULL)
			still_look(&s->still, standby_pid(s->process));
	}
	run(j);
}

/* A link would have the state elsewhere than where it is hidden. */
static int
check_hidden(const struct agent *a, struct err *e)
{
	char state[PATH_MAX], hidden[PATH_MAX];

	if (realpath(a->conf.state, state) == NULL)
		return err_errno(e, "%s", a->conf.state);
	if (realpath(agent_conf_hidden(&a->conf), hidden) == NULL)
		return err_errno(e, "%s", agent_conf_hidden(&a->conf));
	if (path_below(state, hidden))
		return 0;
	return err_set(e, ERR_INVALID,
	    "state is in truth %s, which 'hide %s' does not hide", state,
	    hidden);
}

struct jobs *
jobs_new(struct agent *a, struct err *e)
{
	struct jobs *j = calloc(1, sizeof(*j));
	char path[PATH_MAX];
	size_t i;

	if (j == NULL) {
		err_set(e, ERR_NOMEM, "out of memory");
		return NULL;
	}
	j->a = a;
	TAILQ_INIT(&j->list);
	for (i = 0; i < SLOTS_MAX; i++)
		j->slots[i].jobs = j;
	j->worker_fd = -1;
	j->look = event_new(a->base, -1, 0, on_look, j);
	if (j->look == NULL) {
		err_set(e, ERR_NOMEM, "out of memory");
		goto fail;
	}
	if (check_hidden(a, e) != 0 ||
	    proc_sibling("mig-worker", path, sizeof(path), e) != 0)
		goto fail;
	/* before any other process of this agent is started */
	j->groups = cgroup_new(id_hex(&a->state.who.id).s + GROUP_NAME_AT);
	if (j->groups == NULL) {
		err_set(e, ERR_NOMEM, "out of memory");
		goto fail;
	}
	log_debug("limits groups=%s", log_quote(cgroup_describe(j->groups)));
	j->worker_fd = open(path, O_PATH | O_CLOEXEC);
	if (j->worker_fd < 0) {
		err_errno(e, "%s", path);
		goto fail;
	}
	return j;
fail:
	if (j->look != NULL)
		event_free(j->look);
	cgroup_free(j->groups);
	free(j);
	return NULL;
}

void
jobs_free(struct jobs *j)
{
	struct job *job;
	size_t i;

	if (j == NULL)
		return;
	for (i = 0; i < SLOTS_MAX; i++) {
		standby_free(j->slots[i].process);
		worker_free(j->slots[i].worker);
	}
	while ((job = TAILQ_FIRST(&j->list)) != NULL) {
		TAILQ_REMOVE(&j->list, job, entry);
		job_free(job);
	}
	event_free(j->look);
	close(j->worker_fd);
	cgroup_free(j->groups);
	free(j);
}

/* A long one where it is not copied for each of its operations. */
static int
keep_document(struct job *job, const void *doc, size_t len, struct err *e)
{
	if (len == 0 || len > ORDER_SHORT_MAX) {
		job->doc_fd = fd_sealed("mig-action", doc, len, e);
		return job->doc_fd < 0 ? e->code : 0;
	}
	job->doc = malloc(len);
	if (job->doc == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	memcpy(job->doc, doc, len);
	job->doc_len = len;
	return 0;
}

void
jobs_add(struct jobs *j, const struct judge_verdict *v,
    const struct signed_by *by, const void *doc, size_t len, bool started)
{
	struct job *job =
	    calloc(1, sizeof(*job) + v->noperations * sizeof(job->parts[0]));
	struct err e;
	int rc;

	err_clear(&e);
	if (job == NULL) {
		/* stays in the journal: answered after the next start */
		log_error("job action=%s why=memory", id_short(&v->id).s);
		agent_must_restart(j->a);
		return;
	}
	job->verdict = *v;
	job->by = *by;
	job->started = started;
	job->doc_fd = -1;
	rc = keep_document(job, doc, len, &e);
	TAILQ_INSERT_TAIL(&j->list, job, entry);
	j->reserved += reserve(job);
	j->waiting += v->noperations;
	if (rc != 0) {
		log_error("job action=%s why=%s", id_short(&v->id).s,
		    log_quote(e.msg));
		end_rest(j, job, PART_FAILED, e.msg);
		maybe_done(j, job);
		return;
	}
	run(j);
}

bool
jobs_slot_free(const struct jobs *j)
{
	return !j->stopping && j->waiting == 0 && j->running < jobs_slots(j);
}

size_t
jobs_queue_max(const struct jobs *j)
{
	return j->a->policy.queue > 0 ? j->a->policy.queue : QUEUE_DEFAULT;
}

bool
jobs_full(const struct jobs *j)
{
	return j->waiting >= jobs_queue_max(j);
}

bool
jobs_idle(const struct jobs *j)
{
	return TAILQ_EMPTY(&j->list);
}

bool
jobs_quiet(const struct jobs *j)
{
	return j->running == 0;
}

uint64_t
jobs_reserved(const struct jobs *j)
{
	return j->reserved;
}

static struct job *
find(const struct jobs *j, const struct id *id)
{
	struct job *job;

	TAILQ_FOREACH (job, &j->list, entry) {
		if (id_equal(&job->verdict.id, id))
			return job;
	}
	return NULL;
}

const struct job *
jobs_find(const struct jobs *j, const struct id *id)
{
	return find(j, id);
}

/* Its workers are told; what has not begun does not begin. */
static void
interrupt(struct jobs *j, struct job *job, int64_t grace_ms, const char *why)
{
	size_t i;

	if (job->why[0] == '\0')
		str_copy(job->why, sizeof(job->why), why);
	end_rest(j, job, PART_INTERRUPTED, why);
	for (i = 0; i < SLOTS_MAX; i++) {
		if (j->slots[i].worker != NULL && j->slots[i].job == job)
			worker_interrupt(j->slots[i].worker, grace_ms);
	}
	maybe_done(j, job);
}

void
jobs_cancel(struct jobs *j, const struct id *id, const char *why)
{
	struct job *job = find(j, id);

	if (job == NULL)
		return;
	if (!job->started) {
		refuse(j, job, REFUSAL_CANCELLED, why);
	} else {
		job->cancelled = true;
		job->why[0] = '\0'; /* also when the agent ends */
		interrupt(j, job, CANCEL_GRACE_MS, why);
	}
	run(j);
}

void
jobs_refuse_waiting(struct jobs *j, unsigned int reason)
{
	struct job *job, *next;

	for (job = TAILQ_FIRST(&j->list); job != NULL; job = next) {
		next = TAILQ_NEXT(job, entry);
		if (job->started)
			continue;
		log_info("refused action=%s reason=%u",
		    id_short(&job->verdict.id).s, reason);
		refuse(j, job, reason, refusal_text(reason));
	}
}

void
jobs_stop(struct jobs *j, bool now)
{
	struct job *job, *next;

	j->stopping = true;
	if (!now)
		return;
	for (job = TAILQ_FIRST(&j->list); job != NULL; job = next) {
		next = TAILQ_NEXT(job, entry);
		if (!job->started)
			continue;
		interrupt(j, job, STOP_GRACE_MS, "the agent was stopped");
	}
}
