/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Core: answers. An answer of one part (most are) is verified and queued for
 * the store at once; others are put together first, bounded in number, bytes
 * and time. The agent is told "stored" only after the commit; what cannot be
 * stored now is not acknowledged, and the agent sends it again.
 */
#include "server/core/core.h"
#include "server/core/relaylink.h"

#include "action/result.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "mqtt/wire.h"

#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX (RESULT_HEADER_LEN + IDENTITY_SIG_LEN + RESULT_SEALED_MAX)
#define ASSEMBLIES_MAX 4096
#define ASSEMBLIES_BYTES ((size_t)256 * 1024 * 1024)
#define ASSEMBLIES_AGENT 4 /* at once, of one agent */
#define ASSEMBLY_IDLE_MS (10 * 60 * 1000)

struct assembly {
	struct id action;
	struct agent *agent;
	struct wire_parts *parts;
	size_t bytes;    /* it may grow to */
	int64_t touched; /* mono ms */
	TAILQ_ENTRY(assembly) next;
};

TAILQ_HEAD(assembly_list, assembly);

struct assemblies {
	struct assembly_list list; /* least recently touched first */
	size_t n, bytes;
};

struct assemblies *
assemblies_new(void)
{
	struct assemblies *a = calloc(1, sizeof(*a));

	if (a != NULL)
		TAILQ_INIT(&a->list);
	return (a);
}

static void
assembly_remove(struct assemblies *as, struct assembly *a)
{
	TAILQ_REMOVE(&as->list, a, next);
	as->n--;
	as->bytes -= a->bytes;
	wire_parts_free(a->parts);
	free(a);
}

void
assemblies_free(struct assemblies *as)
{
	struct assembly *a;

	if (as == NULL)
		return;
	while ((a = TAILQ_FIRST(&as->list)) != NULL)
		assembly_remove(as, a);
	free(as);
}

void
assemblies_expire(struct assemblies *as, int64_t now)
{
	struct assembly *a;

	while ((a = TAILQ_FIRST(&as->list)) != NULL &&
	    now - a->touched > ASSEMBLY_IDLE_MS)
		assembly_remove(as, a);
}

void
assemblies_stats(
    const struct assemblies *a, uint64_t *ret_n, uint64_t *ret_bytes)
{
	*ret_n = a->n;
	*ret_bytes = a->bytes;
}

static struct assembly *
assembly_find(
    struct assemblies *as, const struct id *action, const struct agent *agent)
{
	struct assembly *a;

	TAILQ_FOREACH_REVERSE(a, &as->list, assembly_list, next)
	{
		if (a->agent == agent && id_equal(&a->action, action))
			return (a);
	}
	return (NULL);
}

static size_t
assemblies_of(const struct assemblies *as, const struct agent *agent)
{
	const struct assembly *a;
	size_t n = 0;

	TAILQ_FOREACH (a, &as->list, next)
		n += a->agent == agent;
	return (n);
}

/* NULL when there is no room: nothing is acknowledged, so the agent tries
 * again later. What an assembly may grow to is set aside when it begins: each
 * that has begun can be finished. */
static struct assembly *
assembly_get(
    struct assemblies *as, const struct wire_msg *m, struct agent *agent)
{
	struct assembly *a = assembly_find(as, &m->id, agent);
	size_t bytes = (size_t)m->of * WIRE_PART_MAX;

	if (a != NULL)
		return (a);
	if (bytes > ANSWER_MAX)
		bytes = ANSWER_MAX;
	if (as->n >= ASSEMBLIES_MAX || bytes > ASSEMBLIES_BYTES - as->bytes ||
	    assemblies_of(as, agent) >= ASSEMBLIES_AGENT)
		return (NULL);
	if ((a = calloc(1, sizeof(*a))) == NULL)
		return (NULL);
	if ((a->parts = wire_parts_new(m->of, ANSWER_MAX)) == NULL) {
		free(a);
		return (NULL);
	}
	a->action = m->id;
	a->agent = agent;
	a->bytes = bytes;
	as->bytes += bytes;
	TAILQ_INSERT_TAIL(&as->list, a, next);
	as->n++;
	return (a);
}

/* --- storing ------------------------------------------------------------ */

struct answer_job {
	struct core_job j;
	struct agent *agent;
	struct id action;
	uint16_t part, of;
	struct store_answer a; /* borrows data */
	uint8_t *data;
	bool is_new;
};

static int
answer_run(struct store *s, struct writer_job *j, struct err *e)
{
	struct answer_job *x = (struct answer_job *)j;

	return (store_answer_put(s, &x->a, &x->is_new, e));
}

static void
count_answer(struct server_status *s, const struct answer_job *x)
{
	if (!x->is_new) {
		s->answers_known++;
		return;
	}
	s->answers++;
	s->answers_done += x->a.status == RESULT_DONE;
	s->answers_refused += x->a.status == RESULT_REFUSED;
	s->answers_stopped += x->a.status == RESULT_STOPPED;
}

static void
answer_done(struct writer_job *j)
{
	struct answer_job *x = (struct answer_job *)j;
	struct core *c = x->j.c;
	struct run *r;
	bool was;

	if (j->rc == 0) {
		fault_point("core.answer_stored");
		r = sched_find(&c->sched, &x->action);
		was = r != NULL && run_is_answered(r, x->agent);
		if (r != NULL)
			sched_answered(&c->sched, r, x->agent, core_now(c));
		count_answer(&c->status, x);
		if (x->is_new && r != NULL && was)
			log_warn("answer_differs action=%s agent=%s",
			    id_short(&x->action).s, id_short(&x->agent->id).s);
		relaylink_ack(
		    c->link, &x->agent->id, &x->action, x->part, x->of, true);
		fault_point("core.answer_acked");
		core_wake(c);
	} else if (writer_is_passing(j->rc)) {
		/* Not acknowledged: the agent sends it again. */
		log_debug("answer_later action=%s agent=%s",
		    id_short(&x->action).s, id_short(&x->agent->id).s);
	} else {
		log_error("answer_lost action=%s agent=%s why=%s",
		    id_short(&x->action).s, id_short(&x->agent->id).s,
		    log_quote(j->err.msg));
	}
	free(x->data);
	free(x);
}

/* Takes data. */
static void
accept_answer(struct core *c, struct agent *a, struct run *r, uint8_t *data,
    size_t len, const struct wire_msg *m)
{
	struct result_header h;
	const uint8_t *sealed;
	struct answer_job *x;
	struct err e;

	if (result_check(data, len, &h, &sealed, &e) != 0) {
		c->status.refused_messages++;
		log_warn("answer_refused action=%s agent=%s why=%s",
		    id_short(&m->id).s, id_short(&a->id).s, log_quote(e.msg));
		free(data);
		return;
	}
	if (!id_equal(&h.agent, &a->id) || !id_equal(&h.action, &m->id)) {
		c->status.refused_messages++;
		log_warn("answer_refused action=%s agent=%s why=\"it is of"
			 " another agent or action\"",
		    id_short(&m->id).s, id_short(&a->id).s);
		free(data);
		return;
	}
	x = core_job_new(c, sizeof(*x), 0, answer_run, answer_done);
	if (x == NULL) {
		free(data);
		return;
	}
	x->agent = a;
	x->action = m->id;
	x->part = m->part;
	x->of = m->of;
	x->data = data;
	x->a.action = r->n;
	x->a.agent = a->n;
	x->a.received = clock_wall_ms();
	x->a.status = h.status;
	x->a.reason = h.reason;
	x->a.data = data;
	x->a.len = len;
	x->j.j.cost += len;
	fault_point("core.answer_checked");
	writer_submit(c->writer, &x->j.j);
}

static void
add_part(
    struct core *c, struct agent *a, struct run *r, const struct wire_msg *m)
{
	struct assemblies *as = c->parts;
	struct assembly *p = assembly_get(as, m, a);
	uint8_t *data;
	size_t len;

	if (p == NULL)
		return;
	if (wire_parts_add(p->parts, m->part, m->of, m->data, m->len) != 0) {
		/* Cut anew, or not what was sent before: the newest counts. */
		assembly_remove(as, p);
		if ((p = assembly_get(as, m, a)) == NULL ||
		    wire_parts_add(p->parts, m->part, m->of, m->data, m->len) !=
			0)
			return;
	}
	p->touched = clock_mono_ms();
	TAILQ_REMOVE(&as->list, p, next);
	TAILQ_INSERT_TAIL(&as->list, p, next);
	if (!wire_parts_complete(p->parts)) {
		relaylink_ack(c->link, &a->id, &m->id, m->part, m->of, false);
		fault_point("core.part_acked");
		return;
	}
	if (wire_parts_take(p->parts, &data, &len) == 0)
		accept_answer(c, a, r, data, len, m);
	assembly_remove(as, p);
}

void
answers_on_part(struct core *c, struct agent *a, const struct wire_msg *m)
{
	struct run *r;
	uint8_t *data;

	fault_point("core.answer_part");
	c->status.parts++;
	if (writer_full(c->writer) || c->disk == DISK_FULL) {
		c->status.parts_deferred++;
		return; /* it comes again when there is room */
	}
	if ((r = sched_find(&c->sched, &m->id)) == NULL) {
		/* Of no use here, and it must not keep the agent waiting: it
		 * stays on the agent's disk until the action's end. */
		relaylink_ack(c->link, &a->id, &m->id, m->part, m->of,
		    m->part + 1 == m->of);
		c->status.refused_messages++;
		c->status.answers_dropped++;
		log_debug("answer_refused action=%s agent=%s why=unknown",
		    id_short(&m->id).s, id_short(&a->id).s);
		return;
	}
	if (m->of != 1) {
		add_part(c, a, r, m);
		return;
	}
	if ((data = malloc(m->len + 1)) == NULL)
		return;
	memcpy(data, m->data, m->len);
	accept_answer(c, a, r, data, m->len, m);
}
