/* SPDX-License-Identifier: MPL-2.0 */
/* Who is expected to answer what: see scheduler.h. */
#include "server/core/scheduler.h"

#include "base/err.h"
#include "crypto/sha256.h"

#include <stdlib.h>
#include <string.h>

#define TARGET_HEAP (256L * 1024 * 1024)
#define SILENT_MS 2000       /* then an agent is asked on its own topic */
#define SILENT_BUSY_MS 10000 /* the same while answers keep coming in */
#define STORM_MS 1000        /* answers came in this recently: a storm */
#define ASK_AT_ONCE 200      /* asked in one tick, for each action */
#define ASK_TRIES 8
#define SCAN_MIN_MS 2000
#define SCAN_MAX_MS 60000
#define LATE_SECONDS 90000 /* answers are taken this long after the end */
#define BYTES_MAX ((size_t)1024 * 1024 * 1024)
#define BYTES_BY_MAX (BYTES_MAX / 2) /* of what the same people signed */
#define TARGET_BYTES 4096            /* prepared, about */

int
sched_init(struct sched *s, struct registry *r, const struct sched_ops *ops,
    void *arg, int64_t now, struct err *e)
{
	memset(s, 0, sizeof(*s));
	TAILQ_INIT(&s->runs);
	s->registry = r;
	s->ops = ops;
	s->arg = arg;
	s->started = now;
	s->targets = target_engine_new(TARGET_HEAP, e);
	return (s->targets == NULL ? ERR_INTERNAL : 0);
}

void
sched_run_free(struct run *r)
{
	if (r == NULL)
		return;
	target_free(r->target);
	free(r->envelope);
	free(r->cancel);
	free(r->entries);
	free(r);
}

void
sched_release(struct sched *s)
{
	struct run *r;

	while ((r = TAILQ_FIRST(&s->runs)) != NULL) {
		TAILQ_REMOVE(&s->runs, r, next);
		sched_run_free(r);
	}
	target_engine_free(s->targets);
	s->targets = NULL;
}

/* 0, or ERR_NOMEM: nobody knows. */
static int
row_matches(struct target *t, const struct agent *a, bool *ret)
{
	int rc;

	*ret = false;
	if (t == NULL || a->revoked || a->row.id == NULL)
		return (0);
	/* NULL and errors: the agent would refuse; it is not expected. */
	rc = target_match(t, &a->row, ret, NULL);
	if (rc != 0)
		*ret = false;
	return (rc == ERR_NOMEM ? rc : 0);
}

int
sched_match(struct sched *s, const char *target, bool online_only,
    struct run_entry **ret_entries, size_t *ret_n, size_t *ret_expected,
    struct err *e)
{
	struct registry *reg = s->registry;
	struct run_entry *entries;
	struct target *t;
	size_t i, expected = 0;
	bool yes;
	int rc;

	if ((rc = target_prepare(s->targets, target, &t, e)) != 0)
		return (rc);
	entries = calloc(reg->n + 1, sizeof(*entries));
	if (entries == NULL)
		rc = ERR_NOMEM;
	for (i = 0; i < reg->n && rc == 0; i++) {
		const struct agent *a = reg->slots[i];

		entries[i].state = X_NOT;
		if (online_only && !a->online)
			continue;
		if ((rc = row_matches(t, a, &yes)) != 0 || !yes)
			continue;
		entries[i].state = X_WAITING;
		expected++;
	}
	target_free(t);
	if (rc != 0) {
		free(entries);
		return (err_set(e, rc, "out of memory: try again"));
	}
	*ret_entries = entries;
	*ret_n = reg->n;
	*ret_expected = expected;
	return (0);
}

struct run *
sched_find(const struct sched *s, const struct id *id)
{
	struct run *r;

	/* Newest first: that is what agents answer. */
	TAILQ_FOREACH_REVERSE(r, &s->runs, runs, next)
	{
		if (id_equal(&r->id, id))
			return (r);
	}
	return (NULL);
}

struct run_entry *
run_entry(struct run *r, const struct agent *a)
{
	struct run_entry *x;
	size_t n;

	if (a->slot < r->nentries)
		return (&r->entries[a->slot]);
	n = a->slot + 1 + a->slot / 8 + 64;
	if ((x = reallocarray(r->entries, n, sizeof(*x))) == NULL)
		return (NULL);
	memset(x + r->nentries, 0, (n - r->nentries) * sizeof(*x));
	r->entries = x;
	r->nentries = n;
	return (&x[a->slot]);
}

bool
run_is_answered(const struct run *r, const struct agent *a)
{
	return (
	    a->slot < r->nentries && r->entries[a->slot].state == X_ANSWERED);
}

static void
set_status(struct sched *s, struct run *r, int status)
{
	if (r->status == ACTION_OPEN)
		s->nopen--;
	if (status == ACTION_OPEN)
		s->nopen++;
	r->status = status;
	r->touched = true;
}

struct run *
sched_run_new(struct sched *s, const struct store_action *a,
    struct run_entry *entries, size_t nentries, struct err *e)
{
	struct err why;
	struct run *r;
	size_t i;

	if ((r = calloc(1, sizeof(*r))) == NULL ||
	    (r->envelope = malloc(a->envelope_len + 1)) == NULL) {
		free(r);
		err_set(e, ERR_NOMEM, "out of memory");
		return (NULL);
	}
	memcpy(r->envelope, a->envelope, a->envelope_len);
	r->envelope_len = a->envelope_len;
	sha256(a->envelope, a->envelope_len, &r->envelope_hash);
	r->id = a->id;
	r->status = a->status;
	r->online_only = a->online_only;
	r->valid_from = a->valid_from;
	r->expire_after = a->expire_after;
	r->scan_step = SCAN_MIN_MS;
	for (i = 0; i < nentries; i++) {
		r->expected += entries[i].state >= X_WAITING;
		r->answered += entries[i].state == X_ANSWERED;
	}
	/* What cannot be evaluated (any more) expects nobody new. */
	if (!r->online_only &&
	    target_prepare(s->targets, a->target, &r->target, &why) != 0) {
		r->target = NULL;
		if (why.code == ERR_NOMEM) {
			sched_run_free(r);
			err_set(e, ERR_NOMEM, "out of memory");
			return (NULL);
		}
	}
	r->entries = entries;
	r->nentries = nentries;
	if (a->investigators != NULL)
		sha256(a->investigators, strlen(a->investigators), &r->by);
	r->bytes = sizeof(*r) + TARGET_BYTES + r->envelope_len +
	    nentries * sizeof(*entries);
	return (r);
}

int
sched_room(const struct sched *s, const struct run *r, struct err *e)
{
	const struct run *x;
	size_t by = 0;

	TAILQ_FOREACH (x, &s->runs, next)
		if (id_equal(&x->by, &r->by))
			by += x->bytes;
	if (s->bytes + r->bytes <= BYTES_MAX && by + r->bytes <= BYTES_BY_MAX)
		return (0);
	return (err_set(e, ERR_FULL,
	    "%zu actions that are open, or ended less than %d hours ago, take"
	    " %zu MiB of the server's memory, those of these signers %zu: no"
	    " new one%s is taken until some are over",
	    s->nruns, LATE_SECONDS / 3600, s->bytes >> 20, by >> 20,
	    s->bytes + r->bytes > BYTES_MAX ? "" : " of theirs"));
}

static void
forget(struct sched *s, struct run *r, size_t bytes)
{
	s->bytes -= bytes;
	r->bytes -= bytes;
}

void
sched_add(struct sched *s, struct run *r, int64_t n)
{
	r->n = n;
	TAILQ_INSERT_TAIL(&s->runs, r, next);
	s->nruns++;
	s->bytes += r->bytes;
	s->nopen += r->status == ACTION_OPEN;
}

bool
sched_is_broadcast(size_t targeted, size_t online)
{
	return (targeted >= 4 && targeted * 8 >= online);
}

static uint32_t
deciseconds(const struct sched *s, int64_t now)
{
	return (now > s->started ? (uint32_t)((now - s->started) / 100) : 0);
}

static void
mark_sent(struct sched *s, struct run *r, struct agent *a, int64_t now)
{
	struct run_entry *x = run_entry(r, a);

	if (x == NULL)
		return;
	x->asked_at = deciseconds(s, now);
	if (x->state != X_WAITING)
		return;
	x->state = X_SENT;
	s->ops->expect(r, a, true, s->arg);
}

bool
sched_keeps(const struct sched *s, const struct run *r, const struct agent *a,
    int64_t now)
{
	return (r->careful && s->ops->keeps(a, now, s->arg));
}

static int64_t
wall_seconds(const struct sched *s, int64_t now)
{
	return ((now + s->wall_ahead) / 1000);
}

static bool
is_valid(const struct sched *s, const struct run *r, int64_t now)
{
	int64_t wall = wall_seconds(s, now);

	return (r->status < ACTION_EXPIRED && r->envelope != NULL &&
	    wall >= r->valid_from && wall < r->expire_after);
}

static void
launch(struct sched *s, struct run *r, int64_t now)
{
	struct registry *reg = s->registry;
	size_t i, n = 0, kept = 0;
	bool all;

	r->launched = true;
	r->scan_step = SCAN_MIN_MS;
	r->last_answer = 0;
	for (i = 0; i < r->nentries && i < reg->n; i++) {
		if (!reg->slots[i]->online ||
		    (r->entries[i].state != X_WAITING &&
			r->entries[i].state != X_SENT))
			continue;
		n++;
		kept += sched_keeps(s, r, reg->slots[i], now);
	}
	/* What goes to all goes to these as well: one by one then, so many a
	 * tick. */
	if (kept > 0) {
		r->next_scan = now;
		return;
	}
	r->next_scan = now + SILENT_MS;
	all = sched_is_broadcast(n, reg->online);
	if (all)
		s->ops->broadcast(r, s->arg);
	for (i = 0; i < r->nentries && i < reg->n; i++) {
		struct agent *a = reg->slots[i];

		if (!a->online ||
		    (r->entries[i].state != X_WAITING &&
			r->entries[i].state != X_SENT))
			continue;
		if (!all)
			s->ops->single(r, a, s->arg);
		mark_sent(s, r, a, now);
	}
}

/* Expected, online, silent for long enough: asked on its own topic, where it
 * has to answer; of a cancelled action, told that it is. Returns whether more
 * wait than may be asked at once; *ret_kept: it is kept from somebody. */
static bool
ask_silent(struct sched *s, struct run *r, int64_t now, bool *ret_kept)
{
	struct registry *reg = s->registry;
	uint32_t since, t = deciseconds(s, now);
	int64_t silent;
	size_t i, asked = 0;

	silent = now - r->last_answer < STORM_MS ? SILENT_BUSY_MS : SILENT_MS;
	for (i = 0; i < r->nentries && i < reg->n; i++) {
		struct run_entry *x = &r->entries[i];
		struct agent *a = reg->slots[i];

		if ((x->state != X_WAITING && x->state != X_SENT) ||
		    !a->online || x->asked >= ASK_TRIES)
			continue;
		/* who was never sent it has nothing to stop */
		if (r->cancel != NULL && x->state != X_SENT)
			continue;
		if (r->cancel == NULL && sched_keeps(s, r, a, now)) {
			*ret_kept = true;
			continue;
		}
		since = t - x->asked_at;
		if ((int64_t)since * 100 < silent << x->asked)
			continue;
		if (asked++ >= ASK_AT_ONCE)
			return (true);
		x->asked++;
		if (r->cancel != NULL) {
			s->ops->cancel(r, a, s->arg);
			x->asked_at = t;
			continue;
		}
		s->ops->single(r, a, s->arg);
		mark_sent(s, r, a, now);
	}
	return (false);
}

static void
scan(struct sched *s, struct run *r, int64_t now)
{
	bool kept = false;

	if (ask_silent(s, r, now, &kept)) {
		r->next_scan = now + 1;
		return;
	}
	if (kept)
		r->scan_step = SCAN_MIN_MS;
	r->next_scan = now + r->scan_step;
	if (r->scan_step < SCAN_MAX_MS)
		r->scan_step += r->scan_step / 2;
}

static bool
is_known(const struct id *known, size_t n, const struct id *id)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (id_equal(&known[i], id))
			return (true);
	return (false);
}

/* Is this agent expected to answer (perhaps only now)? */
static bool
is_expected(struct sched *s, struct run *r, struct agent *a)
{
	struct run_entry *x = run_entry(r, a);
	bool yes;

	if (x == NULL)
		return (false);
	if (x->state == X_UNKNOWN) {
		/* looked at again when it says hello */
		if (row_matches(r->target, a, &yes) != 0)
			return (false);
		x->state = X_NOT;
		if (yes) {
			x->state = X_WAITING;
			r->expected++;
			if (r->status == ACTION_COMPLETE)
				set_status(s, r, ACTION_OPEN);
			r->touched = true;
			s->ops->expect(r, a, false, s->arg);
		}
	}
	return (x->state == X_WAITING || x->state == X_SENT);
}

void
sched_catch_up(struct sched *s, struct run *r, int64_t since)
{
	struct registry *reg = s->registry;
	size_t i;

	for (i = 0; i < reg->n; i++) {
		struct agent *a = reg->slots[i];
		struct run_entry *x;

		if (a->row_ms < since || (x = run_entry(r, a)) == NULL)
			continue;
		if (x->state == X_NOT)
			x->state = X_UNKNOWN;
		(void)is_expected(s, r, a);
	}
}

/* One that comes while a cancelled action would still be valid is told before
 * anybody can bring it the action. */
static void
hello_cancelled(struct sched *s, struct run *r, struct agent *a, int64_t now)
{
	struct run_entry *x = run_entry(r, a);
	bool yes = false;

	if (x == NULL || !r->cancel_said)
		return;
	if (x->state != X_WAITING && x->state != X_SENT &&
	    (x->state != X_UNKNOWN ||
		(row_matches(r->target, a, &yes) == 0 && !yes)))
		return;
	if (!agent_may_be_sent(a, r->cancel_len, now))
		return;
	x->asked_at = deciseconds(s, now);
	s->ops->cancel(r, a, s->arg);
}

void
sched_hello(struct sched *s, struct agent *a, bool row_changed,
    const struct id *known, size_t nknown, int64_t now)
{
	struct run_entry *x;
	struct run *r;

	TAILQ_FOREACH (r, &s->runs, next) {
		if (r->cancel != NULL) {
			hello_cancelled(s, r, a, now);
			continue;
		}
		if (r->status >= ACTION_EXPIRED || r->envelope == NULL)
			continue;
		x = run_entry(r, a);
		if (x != NULL && x->state == X_NOT && row_changed)
			x->state = X_UNKNOWN;
		if (!is_expected(s, r, a) || !r->launched ||
		    !is_valid(s, r, now))
			continue;
		r->scan_step = SCAN_MIN_MS;
		if (r->next_scan > now + SILENT_MS)
			r->next_scan = now + SILENT_MS;
		if (sched_keeps(s, r, a, now))
			continue;
		if (!is_known(known, nknown, &r->id)) {
			/* what it is not sent now it is asked for in a while */
			if (!agent_may_be_sent(a, r->envelope_len, now))
				continue;
			s->ops->single(r, a, s->arg);
		}
		mark_sent(s, r, a, now);
	}
}

void
sched_cancel(struct sched *s, struct run *r, uint8_t *envelope, size_t len)
{
	size_t i;

	set_status(s, r, ACTION_CANCELLED);
	free(r->cancel);
	r->cancel = envelope;
	r->cancel_len = len;
	r->cancel_said = false;
	r->last_answer = 0;
	for (i = 0; i < r->nentries; i++)
		r->entries[i].asked = 0;
}

/* To all at once; then, on their own topics, to those who do not answer. */
static void
tell_cancelled(struct sched *s, struct run *r, int64_t now)
{
	size_t i;

	if (r->cancel_said) {
		if (r->answered < r->expected && now >= r->next_scan)
			scan(s, r, now);
		return;
	}
	s->ops->cancel(r, NULL, s->arg);
	r->cancel_said = true;
	for (i = 0; i < r->nentries; i++)
		r->entries[i].asked_at = deciseconds(s, now);
	r->next_scan = now + SILENT_MS;
	r->scan_step = SCAN_MIN_MS;
}

void
sched_answered(
    struct sched *s, struct run *r, const struct agent *a, int64_t now)
{
	struct run_entry *x = run_entry(r, a);

	r->last_answer = now;
	if (x == NULL || x->state == X_ANSWERED)
		return;
	if (x->state < X_WAITING)
		r->expected++;
	x->state = X_ANSWERED;
	r->answered++;
	r->touched = true;
	if (r->status == ACTION_OPEN && r->answered >= r->expected)
		set_status(s, r, ACTION_COMPLETE);
}

static void
expire(struct sched *s, struct run *r)
{
	if (r->status == ACTION_OPEN) {
		set_status(s, r, ACTION_EXPIRED);
		s->ops->status(r, ACTION_EXPIRED, s->arg);
	}
	forget(s, r, r->envelope_len);
	free(r->envelope);
	r->envelope = NULL;
	free(r->cancel);
	r->cancel = NULL;
	target_free(r->target);
	r->target = NULL;
}

void
sched_tick(struct sched *s, int64_t now)
{
	int64_t wall = wall_seconds(s, now);
	struct run *r, *following;

	for (r = TAILQ_FIRST(&s->runs); r != NULL; r = following) {
		following = TAILQ_NEXT(r, next);
		if (r->envelope != NULL && wall >= r->expire_after)
			expire(s, r);
		if (wall >= r->expire_after + LATE_SECONDS) {
			TAILQ_REMOVE(&s->runs, r, next);
			s->nruns--;
			forget(s, r, r->bytes);
			sched_run_free(r);
			continue;
		}
		if (s->relay_up && r->cancel != NULL)
			tell_cancelled(s, r, now);
		if (!s->relay_up || !is_valid(s, r, now))
			continue;
		if (!r->launched)
			launch(s, r, now);
		else if (r->answered < r->expected && now >= r->next_scan)
			scan(s, r, now);
	}
}

void
sched_relay_up(struct sched *s, bool up, int64_t now)
{
	struct run *r;

	s->relay_up = up;
	if (!up)
		return;
	TAILQ_FOREACH (r, &s->runs, next) {
		r->next_scan = now + SILENT_MS;
		r->scan_step = SCAN_MIN_MS;
	}
}
