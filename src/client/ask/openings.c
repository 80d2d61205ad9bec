/* SPDX-License-Identifier: MPL-2.0 */
#include "client/ask/openings.h"

#include "action/refusal.h"
#include "base/crew.h"
#include "crypto/sha256.h"
#include "modules/module.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PLACES 32
#define THREADS_MAX 7
#define CREW_FROM 8 /* answers: for fewer no thread is started */
/* What unpacks to more waits for its turn: agents may send many that do. */
#define AHEAD_MAX (256 * 1024)

struct place {
	struct buf data;
	bool large; /* not opened ahead */
	struct opened opened;
};

struct openings {
	const struct action *action;
	const struct id *id;
	const uint8_t *secret;
	openings_take *take;
	void *arg;
	struct crew *crew; /* NULL: none yet, or it cannot be had */
	uint64_t added;
	struct place places[PLACES];
	struct result_opener openers[1 + THREADS_MAX]; /* the owner's first */
};

/* Every operation exactly once, unless the agent stopped early. */
static void
take_parts(const struct action *action, const struct result_opened *o,
    struct answer *a)
{
	bool given[ACTION_OPERATIONS_MAX] = { false };
	const struct result_part *p;
	size_t i;

	for (i = 0; i < o->nparts; i++) {
		p = &o->parts[i];
		if (p->operation >= action->noperations || given[p->operation])
			continue;
		given[p->operation] = true;
		answer_add(a,
		    module_by_number(
			action->operations[p->operation].module_number),
		    p->status, p->data, p->len);
	}
	for (i = 0; i < action->noperations; i++)
		if (!given[i] && !a->failed) {
			a->failed = true;
			snprintf(a->why, sizeof(a->why),
			    "operation %zu is missing from the answer", i + 1);
		}
}

static int
verify(const struct openings *o, const struct buf *data, struct opened *ret,
    const uint8_t **ret_sealed)
{
	struct result_header *h = &ret->header;
	int rc;

	rc = result_check(data->data, data->len, h, ret_sealed, &ret->e);
	if (rc != 0)
		return rc;
	if (!id_equal(&h->agent, &ret->agent))
		return err_set(&ret->e, ERR_AUTH, "another agent signed it");
	if (!id_equal(&h->action, o->id))
		return err_set(&ret->e, ERR_AUTH, "it answers another action");
	sha256(data->data, data->len, &ret->hash);
	return 0;
}

static int
open_sealed(const struct openings *o, struct result_opener *by,
    const uint8_t *sealed, struct opened *ret)
{
	const struct result_header *h = &ret->header;
	struct result_opened in;
	struct answer *a;
	int rc;

	rc = result_open(
	    by, h, sealed, o->action->seal_public, o->secret, &in, &ret->e);
	if (rc != 0)
		return rc;
	a = malloc(sizeof(*a));
	if (a == NULL) {
		result_opened_release(&in);
		return err_set(&ret->e, ERR_NOMEM, "out of memory");
	}
	answer_init(a, id_hex(&h->agent).s, in.agent_name, h->status);
	if (h->status == RESULT_STOPPED && h->reason != REFUSAL_NONE)
		snprintf(a->why, sizeof(a->why), "stopped: %s",
		    refusal_text(h->reason));
	take_parts(o->action, &in, a);
	result_opened_release(&in);
	ret->answer = a;
	return 0;
}

static void
open_place(struct openings *o, struct place *p, struct result_opener *by)
{
	struct opened *ret = &p->opened;
	const uint8_t *sealed;

	ret->inside = 0;
	ret->answer = NULL;
	ret->code = verify(o, &p->data, ret, &sealed);
	if (ret->code == 0 && ret->header.status != RESULT_REFUSED)
		ret->inside = open_sealed(o, by, sealed, ret);
}

/* By any thread, for a place of its own. */
static void
open_ahead(size_t place, int hand, void *arg)
{
	struct openings *o = arg;
	struct place *p = &o->places[place];
	struct result_opener *by =
	    &o->openers[hand == CREW_OWNER ? 0 : 1 + hand];

	by->plain_max = AHEAD_MAX;
	open_place(o, p, by);
	p->large = p->opened.inside == ERR_TOOBIG;
}

static void
forget_answer(struct opened *o)
{
	if (o->answer != NULL)
		answer_release(o->answer);
	free(o->answer);
	o->answer = NULL;
}

static int
hand_over(struct openings *o, struct place *p)
{
	int r;

	if (p->large) {
		o->openers[0].plain_max = 0;
		open_place(o, p, &o->openers[0]);
	}
	r = o->take(&p->opened, o->arg);
	forget_answer(&p->opened);
	/* a large one's room is not kept */
	if (p->data.len > AHEAD_MAX)
		buf_release(&p->data);
	return r;
}

static int
hand_over_at(struct openings *o, size_t place)
{
	int r = hand_over(o, &o->places[place]);

	crew_drop(o->crew);
	return r;
}

/* Waits for the oldest. */
static int
hand_over_first(struct openings *o)
{
	size_t place;

	while (!crew_first(o->crew, 1000, &place))
		continue;
	return hand_over_at(o, place);
}

int
openings_new(const struct action *action, const struct id *id,
    const uint8_t *secret, openings_take *take, void *arg,
    struct openings **ret, struct err *e)
{
	struct openings *o = calloc(1, sizeof(*o));
	size_t i;

	if (o == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	o->action = action;
	o->id = id;
	o->secret = secret;
	o->take = take;
	o->arg = arg;
	for (i = 0; i < PLACES; i++)
		buf_init(&o->places[i].data, SIZE_MAX);
	*ret = o;
	return 0;
}

void
openings_free(struct openings *o)
{
	size_t i;

	if (o == NULL)
		return;
	crew_free(o->crew);
	for (i = 0; i < PLACES; i++) {
		buf_release(&o->places[i].data);
		forget_answer(&o->places[i].opened);
	}
	for (i = 0; i < 1 + THREADS_MAX; i++)
		result_opener_release(&o->openers[i]);
	free(o);
}

/* Tried once: where there is one core, or no thread, the caller's does all. */
static void
need_crew(struct openings *o)
{
	long cores;

	if (++o->added != CREW_FROM)
		return;
	cores = sysconf(_SC_NPROCESSORS_ONLN);
	if (cores > 1 + THREADS_MAX)
		cores = 1 + THREADS_MAX;
	if (cores > 1)
		(void)crew_new((unsigned int)cores - 1, PLACES, open_ahead, o,
		    &o->crew, NULL);
}

int
openings_add(
    struct openings *o, const struct id *agent, const void *data, size_t len)
{
	size_t place = 0;
	struct place *p;
	int r = 0;

	need_crew(o);
	if (o->crew != NULL && !crew_next(o->crew, &place)) {
		r = hand_over_first(o);
		(void)crew_next(o->crew, &place);
	}
	p = &o->places[place];
	buf_clear(&p->data);
	p->opened.agent = *agent;
	if (r == 0)
		r = buf_add(&p->data, data, len);
	if (r != 0)
		return r;
	if (o->crew == NULL) {
		open_ahead(place, CREW_OWNER, o);
		return hand_over(o, p);
	}
	/* alone it is not worth waking anybody */
	crew_add(o->crew, crew_used(o->crew) > 0);
	return 0;
}

int
openings_ready(struct openings *o)
{
	size_t place;
	int r = 0;

	while (r == 0 && o->crew != NULL && crew_first(o->crew, 0, &place))
		r = hand_over_at(o, place);
	return r;
}

int
openings_flush(struct openings *o)
{
	int r = 0;

	while (r == 0 && o->crew != NULL && crew_used(o->crew) > 0)
		r = hand_over_first(o);
	return r;
}
