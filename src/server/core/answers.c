/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Core: answers. An answer of one part (most are) is verified and queued for
 * the store at once; others are put together first (assembly.h). The agent is
 * told "stored" only after the commit; what cannot be stored now is not
 * acknowledged, and the agent sends it again.
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
/* --- storing ------------------------------------------------------------ */

struct answer_job {
	struct core_job j;
	struct agent *agent;
	struct id action;
	uint16_t part, of;
	struct store_answer a; /* borrows data */
	uint8_t *data;
	size_t aside; /* its room among the assemblies */
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
	if (x->aside > 0)
		assemblies_stored(c->parts, x->aside, clock_mono_ms());
	relaylink_flow(c->link);
	free(x->data);
	free(x);
}

/* Takes w's data and its room. */
static void
accept_answer(struct core *c, struct agent *a, struct run *r,
    const struct assembly_whole *w, const struct wire_msg *m)
{
	struct result_header h;
	uint8_t *data = w->data;
	size_t len = w->len;
	const uint8_t *sealed;
	struct answer_job *x;
	struct err e;

	if (result_check(data, len, &h, &sealed, &e) != 0) {
		c->status.refused_messages++;
		log_warn("answer_refused action=%s agent=%s why=%s",
		    id_short(&m->id).s, id_short(&a->id).s, log_quote(e.msg));
		goto out;
	}
	if (!id_equal(&h.agent, &a->id) || !id_equal(&h.action, &m->id)) {
		c->status.refused_messages++;
		log_warn("answer_refused action=%s agent=%s why=\"it is of"
			 " another agent or action\"",
		    id_short(&m->id).s, id_short(&a->id).s);
		goto out;
	}
	x = core_job_new(c, sizeof(*x), 0, answer_run, answer_done);
	if (x == NULL)
		goto out;
	if (!run_is_answered(r, a))
		agent_said_well(a, m->len);
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
	x->aside = w->aside;
	/* What has its room set aside does not fill the queue. */
	x->j.j.cost += w->aside > 0 ? 0 : len;
	fault_point("core.answer_checked");
	writer_submit(c->writer, &x->j.j);
	return;
out:
	if (w->aside > 0)
		assemblies_stored(c->parts, w->aside, clock_mono_ms());
	free(data);
}

/* There is room now for the answer whose part has waited. */
static void
part_admitted(struct agent *a, const struct id *action, uint16_t part,
    uint16_t of, void *arg)
{
	struct core *c = arg;

	relaylink_ack(c->link, &a->id, action, part, of, false);
}

struct assemblies *
answers_new(struct core *c)
{
	return (assemblies_new(ANSWER_MAX, part_admitted, c));
}

static void
add_part(
    struct core *c, struct agent *a, struct run *r, const struct wire_msg *m)
{
	struct assembly_whole whole;

	switch (assemblies_add(c->parts, a, m, clock_mono_ms(), &whole)) {
	case ASSEMBLY_MORE:
		agent_said_well(a, m->len);
		/* FALLTHROUGH */
	case ASSEMBLY_KNOWN:
		relaylink_ack(c->link, &a->id, &m->id, m->part, m->of, false);
		fault_point("core.part_acked");
		break;
	case ASSEMBLY_WHOLE:
		accept_answer(c, a, r, &whole, m);
		break;
	case ASSEMBLY_WAITS:
	case ASSEMBLY_REFUSED:
		c->status.parts_deferred++;
		break;
	}
}

void
answers_on_part(struct core *c, struct agent *a, const struct wire_msg *m)
{
	struct assembly_whole whole = { .aside = 0 };
	struct run *r;

	fault_point("core.answer_part");
	c->status.parts++;
	if ((writer_full(c->writer) && m->of == 1) || c->disk == DISK_FULL) {
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
	whole.len = m->len;
	if ((whole.data = malloc(m->len + 1)) == NULL)
		return;
	memcpy(whole.data, m->data, m->len);
	accept_answer(c, a, r, &whole, m);
}
