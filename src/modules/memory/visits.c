/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/memory/visits.h"

#include "base/crew.h"
#include "scan/throttle.h"

#include <stdatomic.h>
#include <stdlib.h>

#define PLACES_MAX 16
#define BYTES_MAX (4 << 20) /* of all places */
#define DESCRIPTORS_MAX 192 /* three for each window of each place */
#define DESCRIPTORS 3
/* Engines that were not needed so far are made for threads that share them:
 * with more expressions that may take longer than all there is to read. */
#define ASLEEP_MAX 64

struct hand {
	struct visit_reader reader;
	struct throttle throttle; /* the process's time counts */
	struct visits *visits;
	uint64_t any; /* bytes may be read */
};

struct visits {
	const struct memory_plan *plan;
	struct crew *crew;
	atomic_bool quit;
	struct visit_reader *reader; /* the owner's */
	size_t places, first, nhands;
	struct visit list[PLACES_MAX];
	struct hand hands[];
};

static bool
hand_stop(void *arg)
{
	struct hand *h = arg;

	if (atomic_load_explicit(&h->visits->quit, memory_order_relaxed))
		return true;
	throttle_pause(&h->throttle);
	return false;
}

static void
work(size_t place, int hand, void *arg)
{
	struct visits *vs = arg;

	visit_read(&vs->list[place],
	    hand == CREW_OWNER ? vs->reader : &vs->hands[hand].reader);
}

static bool
is_cheap(const struct memory_plan *p)
{
	const struct plan_matcher *m;
	size_t w;

	for (w = 0; w < p->params->nwindows; w++) {
		m = &p->matchers[PLAN_WINDOWS + w];
		if (m->state != NULL && m->state->asleep && m->n > ASLEEP_MAX)
			return false;
	}
	return true;
}

static size_t
places_for(const struct memory_plan *p)
{
	size_t n = BYTES_MAX / visit_size(p);
	size_t open = DESCRIPTORS_MAX / (DESCRIPTORS * p->params->nwindows);

	if (n > open)
		n = open;
	return n < PLACES_MAX ? n : PLACES_MAX;
}

static int
make(struct visits *vs, unsigned int hands, uint32_t percent, struct err *e)
{
	struct match_state *st;
	struct hand *h;
	size_t i;
	int rc = 0;

	for (i = 0; i < vs->plan->params->nwindows; i++) {
		st = vs->plan->matchers[PLAN_WINDOWS + i].state;
		if (st != NULL)
			match_wake(st);
	}
	for (i = 0; i < vs->places && rc == 0; i++)
		rc = visit_init(&vs->list[i], vs->plan, e);
	while (rc == 0 && vs->nhands < hands) {
		h = &vs->hands[vs->nhands++];
		h->visits = vs;
		h->any = UINT64_MAX;
		throttle_begin(&h->throttle, percent);
		h->reader.read_left = &h->any;
		h->reader.stop = hand_stop;
		h->reader.arg = h;
		rc = visit_reader_init(&h->reader, vs->plan, e);
	}
	return rc == 0 ? crew_new(hands, vs->places, work, vs, &vs->crew, e)
		       : rc;
}

int
visits_new(const struct memory_plan *p, unsigned int threads, uint32_t percent,
    struct visit_reader *reader, struct visits **ret, struct err *e)
{
	size_t places = places_for(p);
	struct visits *vs;
	int rc;

	if (threads > CREW_MAX)
		threads = CREW_MAX;
	if (threads < 2 || places < 2 || !is_cheap(p))
		return err_set(e, ERR_UNSUPPORTED, "no threads for this");
	if (threads > places)
		threads = (unsigned int)places;
	vs = calloc(1, sizeof(*vs) + (threads - 1) * sizeof(vs->hands[0]));
	if (vs == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	vs->plan = p;
	vs->reader = reader;
	vs->places = places;
	rc = make(vs, threads - 1, percent, e);
	if (rc != 0) {
		(void)visits_free(vs);
		return rc;
	}
	*ret = vs;
	return 0;
}

uint64_t
visits_free(struct visits *vs)
{
	uint64_t bytes = 0;
	const struct visit *v;
	size_t i, w, n;

	if (vs == NULL)
		return 0;
	atomic_store_explicit(&vs->quit, true, memory_order_relaxed);
	n = vs->crew != NULL ? crew_used(vs->crew) : 0;
	crew_free(vs->crew);
	for (i = 0; i < n; i++) {
		v = &vs->list[(vs->first + i) % vs->places];
		for (w = 0; w < vs->plan->params->nwindows; w++)
			bytes += v->passes[w].job.bytes;
	}
	for (i = 0; i < vs->places; i++)
		visit_release(&vs->list[i]);
	for (i = 0; i < vs->nhands; i++)
		visit_reader_release(&vs->hands[i].reader);
	free(vs);
	return bytes;
}

struct visit *
visits_next(struct visits *vs)
{
	size_t place;

	if (!crew_next(vs->crew, &place))
		return NULL;
	visit_clear(&vs->list[place]);
	return &vs->list[place];
}

void
visits_add(struct visits *vs)
{
	crew_add(vs->crew, true);
}

bool
visits_any(const struct visits *vs)
{
	return crew_used(vs->crew) > 0;
}

struct visit *
visits_first(struct visits *vs, int ms)
{
	size_t place;

	if (!crew_first(vs->crew, ms, &place))
		return NULL;
	vs->first = place;
	return &vs->list[place];
}

void
visits_drop(struct visits *vs)
{
	vs->first = (vs->first + 1) % vs->places;
	crew_drop(vs->crew);
}
