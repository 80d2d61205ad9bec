/* SPDX-License-Identifier: MPL-2.0 */
/* The queue of answers; see sender.h. One answer has the wire; it gives the
 * wire up when it is acknowledged, or after a while so that an answer nobody
 * acknowledges does not hold up the others. */
#include "agent/monitor/sender.h"

#include "agent/monitor/answer.h"
#include "agent/store/journal.h"
#include "agent/monitor/monitor.h"
#include "agent/monitor/netlink.h"
#include "agent/store/spool.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/log.h"
#include "mqtt/wire.h"
#include "proc/timer.h"

#include <event2/event.h>
#include <event2/util.h>
#include <stdlib.h>
#include <sys/queue.h>

#define RETRY_FIRST 10
#define RETRY_MAX 300
#define TURN_MS 2000  /* how long an unacknowledged part keeps the wire */
#define LOOK_MS 60000 /* between two looks at one that nobody acknowledges */

struct item {
	TAILQ_ENTRY(item) entry;
	struct id id;
	uint16_t part;
	bool check;         /* it comes from the disk */
	bool repeat;        /* it was all there once: spool_repeat says when */
	int64_t looked_ms;  /* clock_mono_ms(), at the whole of it; 0: never */
	unsigned int tries; /* of this part */
	int64_t due_ms;     /* clock_mono_ms(): not before */
};

struct sender {
	struct agent *a;
	TAILQ_HEAD(, item) queue;
	bool up;
	struct item *current; /* has the wire; NULL: none */
	struct event *wake;
};

static struct item *
find(struct sender *s, const struct id *id)
{
	struct item *it;

	TAILQ_FOREACH (it, &s->queue, entry) {
		if (id_equal(&it->id, id))
			return it;
	}
	return NULL;
}

static void
drop(struct sender *s, struct item *it)
{
	if (it == s->current)
		s->current = NULL;
	TAILQ_REMOVE(&s->queue, it, entry);
	free(it);
}

static int64_t
retry_ms(const struct item *it)
{
	int64_t ms = RETRY_FIRST;
	uint32_t jitter;
	unsigned int i;

	for (i = 0; i < it->tries && ms < RETRY_MAX; i++)
		ms *= 2;
	if (ms > RETRY_MAX)
		ms = RETRY_MAX;
	ms *= 1000;
	evutil_secure_rng_get_bytes(&jitter, sizeof(jitter));
	return ms + ms * ((int64_t)(jitter % 501) - 250) / 1000;
}

static void
wake_in(struct sender *s, int64_t ms)
{
	struct timeval tv;

	if (ms < 0)
		ms = 0;
	tv.tv_sec = ms / 1000;
	tv.tv_usec = (ms % 1000) * 1000;
	timer_start(s->wake, &tv);
}

/* The first that is due; else NULL and when the next one will be (-1: there
 * is none). */
static struct item *
next_due(struct sender *s, int64_t now, int64_t *ret_wait)
{
	struct item *it;

	*ret_wait = -1;
	TAILQ_FOREACH (it, &s->queue, entry) {
		if (it->due_ms <= now)
			return it;
		if (*ret_wait < 0 || it->due_ms - now < *ret_wait)
			*ret_wait = it->due_ms - now;
	}
	return NULL;
}

/* false: its answer is gone or unreadable. */
static bool
send_part(struct sender *s, struct item *it)
{
	struct agent *a = s->a;
	const struct spool_item *stored = spool_find(a->spool, &it->id);
	size_t off, len;
	struct buf data;
	struct err e;
	int rc;

	if (stored == NULL)
		return false;
	wire_answer_part(stored->len, it->part, &off, &len);
	buf_init(&data, WIRE_PART_MAX);
	err_clear(&e);
	rc = spool_read(a->spool, &it->id, off, len, &data, &e);
	/* nobody said a word about the last one */
	if (it->tries > 0)
		netlink_check(a->net);
	if (rc == 0)
		netlink_part(a->net, &it->id, it->part,
		    wire_answer_parts(stored->len), data.data, data.len);
	else
		log_error("spool action=%s why=%s", id_short(&it->id).s,
		    log_quote(e.msg));
	buf_release(&data);
	fault_point("sender.sent");
	return rc == 0;
}

/* The server may have lost what it had, and is told again; not as often as it
 * likes, as each time costs a look at the whole answer. */
static bool
may_go(struct sender *s, struct item *it, int64_t now)
{
	int64_t wait;

	if (!it->repeat)
		return true;
	wait = spool_repeat(s->a->spool, &it->id, now);
	if (wait > 0)
		it->due_ms = now + wait;
	it->repeat = wait > 0;
	return wait == 0;
}

/* What comes from the disk is looked at before it leaves. False: it was
 * damaged and is gone; a refusal took its place, and maybe the wire. */
static bool
look_at(struct sender *s, struct item *it, int64_t now)
{
	struct id id = it->id;

	if (it->part > 0 || (!it->check && it->tries == 0))
		return true;
	/* it goes out again with each new connection */
	if (it->looked_ms != 0 && now - it->looked_ms < LOOK_MS)
		return true;
	if (answer_intact(s->a, &id)) {
		it->check = false;
		it->looked_ms = now;
		return true;
	}
	drop(s, it);
	answer_damaged(s->a, &id);
	return false;
}

static void
go_on(struct sender *s)
{
	int64_t now = clock_mono_ms(), wait;
	struct item *it;

	if (!s->up || s->current != NULL)
		return;
	while (s->current == NULL && (it = next_due(s, now, &wait)) != NULL) {
		if (!may_go(s, it, now) || !look_at(s, it, now))
			continue;
		if (!send_part(s, it)) {
			drop(s, it);
			continue;
		}
		it->due_ms = now + retry_ms(it);
		it->tries++;
		s->current = it;
		wake_in(s, TURN_MS);
		return;
	}
	if (s->current == NULL && wait >= 0)
		wake_in(s, wait);
	else if (s->current == NULL)
		event_del(s->wake); /* nobody's turn ends */
}

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct sender *s = arg;

	/* its turn is over: it comes again when it is due */
	if (s->current != NULL) {
		TAILQ_REMOVE(&s->queue, s->current, entry);
		TAILQ_INSERT_TAIL(&s->queue, s->current, entry);
		s->current = NULL;
	}
	go_on(s);
}

struct sender *
sender_new(struct agent *a)
{
	struct sender *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->a = a;
	TAILQ_INIT(&s->queue);
	s->wake = event_new(a->base, -1, 0, on_wake, s);
	if (s->wake == NULL) {
		free(s);
		return NULL;
	}
	return s;
}

void
sender_free(struct sender *s)
{
	struct item *it;

	if (s == NULL)
		return;
	while ((it = TAILQ_FIRST(&s->queue)) != NULL) {
		TAILQ_REMOVE(&s->queue, it, entry);
		free(it);
	}
	event_free(s->wake);
	free(s);
}

static void
add(struct sender *s, const struct id *id, bool check)
{
	struct item *it = find(s, id);

	if (it == NULL) {
		it = calloc(1, sizeof(*it));
		if (it == NULL) {
			/* stays in the spool: queued at the next start */
			log_error(
			    "sender action=%s why=memory", id_short(id).s);
			agent_must_restart(s->a);
			return;
		}
		it->id = *id;
		it->check = it->repeat = check;
		TAILQ_INSERT_TAIL(&s->queue, it, entry);
	}
	go_on(s);
}

void
sender_add(struct sender *s, const struct id *id)
{
	add(s, id, false);
}

void
sender_again(struct sender *s, const struct id *id)
{
	/* on its way already: nothing to hurry */
	if (find(s, id) == NULL)
		add(s, id, true);
}

void
sender_up(struct sender *s, bool up)
{
	struct item *it;

	s->up = up;
	s->current = NULL;
	event_del(s->wake);
	/* Sent from the beginning on the new one: what the server has still
	 * is not known, and what it has it acknowledges at once. */
	TAILQ_FOREACH (it, &s->queue, entry) {
		it->part = 0;
		it->due_ms = 0;
	}
	go_on(s);
}

static void
finished(struct sender *s, const struct id *id, struct item *it)
{
	struct agent *a = s->a;
	const struct journal_entry *en = journal_find(a->journal, id);
	const struct spool_item *stored = spool_find(a->spool, id);
	struct err e;
	int rc;

	if (it != NULL)
		drop(s, it);
	if (stored == NULL || stored->acked)
		return;
	fault_point("sender.acknowledged");
	spool_ack(a->spool, id);
	/* one that was overdue waited for nothing but this */
	agent_house(a, SPOOL_KEEP_SECONDS * 1000LL);
	err_clear(&e);
	if (en != NULL && (rc = journal_ack(a->journal, id, &e)) != 0) {
		log_error("journal action=%s why=%s", id_short(id).s,
		    log_quote(e.msg));
		/* the same as when "answered" is not in it (answer.c) */
		if (en->state != JOURNAL_ANSWERED)
			agent_disk_error(a, rc);
	}
	fault_point("sender.ack_journalled");
}

void
sender_acked(struct sender *s, const struct id *id, uint16_t part, uint16_t of,
    bool complete)
{
	const struct spool_item *stored = spool_find(s->a->spool, id);
	struct item *it = find(s, id);

	/* how many parts there are is ours to say */
	if (stored == NULL || of != wire_answer_parts(stored->len) ||
	    part >= of)
		return;
	if (complete) {
		finished(s, id, it);
	} else if (it != NULL && it->part == part) {
		if (it == s->current)
			s->current = NULL;
		it->tries = 0;
		it->due_ms = 0;
		it->part = (uint16_t)(part + 1);
		if (it->part == of) {
			/* all there but not whole: the server lost some */
			it->part = 0;
			it->repeat = true;
		}
	}
	go_on(s);
	agent_idle_check(s->a);
}

bool
sender_idle(const struct sender *s)
{
	return TAILQ_EMPTY(&s->queue);
}
