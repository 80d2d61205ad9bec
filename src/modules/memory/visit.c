/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/memory/visit.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

size_t
visit_size(const struct memory_plan *p)
{
	return sizeof(struct visit) +
	    p->params->nwindows * sizeof(struct visit_pass) +
	    p->params->n * sizeof(bool) +
	    p->nchecks *
	    (sizeof(uint8_t) + sizeof(struct place) + sizeof(bool));
}

int
visit_init(struct visit *v, const struct memory_plan *p, struct err *e)
{
	size_t n = p->nchecks + 1;

	memset(v, 0, sizeof(*v));
	v->plan = p;
	v->verdicts = calloc(n, sizeof(*v->verdicts));
	v->places = calloc(n, sizeof(*v->places));
	v->cut = calloc(n, sizeof(*v->cut));
	v->interested = calloc(p->params->n + 1, sizeof(*v->interested));
	v->passes = calloc(p->params->nwindows + 1, sizeof(*v->passes));
	if (v->verdicts == NULL || v->places == NULL || v->cut == NULL ||
	    v->interested == NULL || v->passes == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	return 0;
}

static void
close_memory(struct visit_pass *p)
{
	if (!p->open)
		return;
	p->open = false;
	close(p->job.fds.maps);
	close(p->job.fds.mem);
	if (p->job.fds.pagemap >= 0)
		close(p->job.fds.pagemap);
}

static void
close_all(struct visit *v)
{
	size_t w;

	for (w = 0; v->passes != NULL && w < v->plan->params->nwindows; w++)
		close_memory(&v->passes[w]);
}

void
visit_release(struct visit *v)
{
	if (v->plan == NULL)
		return;
	close_all(v);
	free(v->verdicts);
	free(v->places);
	free(v->cut);
	free(v->interested);
	free(v->passes);
}

void
visit_clear(struct visit *v)
{
	size_t n = v->plan->params->nwindows;
	uint32_t i;

	close_all(v);
	memset(v->passes, 0, n * sizeof(*v->passes));
	memset(v->verdicts, NO, v->plan->nchecks);
	memset(v->interested, 0, v->plan->params->n * sizeof(*v->interested));
	for (i = 0; i < v->plan->nchecks; i++)
		v->places[i].found = v->cut[i] = false;
	memset(v->gave_up, 0, sizeof(v->gave_up));
	v->failed = false;
}

bool
visit_may_match(const struct visit *v, uint32_t search, enum memory_kind upto)
{
	const struct plan_search *ps = &v->plan->searches[search];
	uint32_t i;

	if (!v->plan->params->searches[search].matchall)
		return true;
	for (i = ps->first; i < ps->first + ps->n; i++) {
		if (v->plan->checks[i].c->kind <= upto && v->verdicts[i] == NO)
			return false;
	}
	return true;
}

void
visit_set_rest(struct visit *v, uint32_t matcher, enum verdict verdict)
{
	const struct plan_matcher *m = &v->plan->matchers[matcher];
	size_t k;

	for (k = 0; k < m->n; k++) {
		if (v->verdicts[m->checks[k]] != YES)
			v->verdicts[m->checks[k]] = (uint8_t)verdict;
	}
}

void
visit_failed(struct visit *v, enum memory_gap gap, const char *why)
{
	if (v->failed)
		return;
	v->failed = true;
	v->gap = gap;
	(void)str_copy(v->why, sizeof(v->why), why);
}

/* --- reading -------------------------------------------------------------- */

int
visit_reader_init(
    struct visit_reader *r, const struct memory_plan *p, struct err *e)
{
	struct match *m;
	size_t w;
	int rc = 0;

	r->own = true;
	r->look = look_new();
	if (r->look == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (w = 0; w < p->params->nwindows && rc == 0; w++) {
		m = p->matchers[PLAN_WINDOWS + w].match;
		if (m != NULL)
			rc = match_state_new(m, &r->states[w], e);
	}
	return rc;
}

void
visit_reader_release(struct visit_reader *r)
{
	size_t w;

	look_free(r->look);
	for (w = 0; r->own && w < MEMORY_WINDOWS_MAX; w++)
		match_state_free(r->states[w]);
}

static void
on_hit(const struct look_hit *h, void *arg)
{
	struct visit *v = arg;
	uint32_t check = v->matcher->checks[h->pattern];
	struct place *p = &v->places[check];

	if (p->found)
		return;
	p->found = true;
	p->end = h->end;
	(void)str_copy(p->mapping, sizeof(p->mapping), h->mapping->path);
	memcpy(p->permissions, h->mapping->permissions, sizeof(p->permissions));
	v->verdicts[check] = YES;
	if (v->interested[v->plan->checks[check].search])
		v->pass->missing--;
}

static void
on_cut(uint32_t pattern, void *arg)
{
	struct visit *v = arg;

	v->cut[v->matcher->checks[pattern]] = true;
}

static bool
enough(void *arg)
{
	return ((const struct visit *)arg)->pass->missing == 0;
}

static bool
stop(void *arg)
{
	const struct visit_reader *r = ((const struct visit *)arg)->reader;

	return r->stop(r->arg);
}

void
visit_read(struct visit *v, struct visit_reader *reader)
{
	struct visit_pass *p;
	size_t w;

	v->reader = reader;
	for (w = 0; w < v->plan->params->nwindows; w++) {
		p = &v->passes[w];
		if (!p->open)
			continue;
		v->pass = p;
		v->matcher = &v->plan->matchers[PLAN_WINDOWS + w];
		p->job.match = reader->states[w];
		p->job.read_left = reader->read_left;
		p->job.hit = on_hit;
		p->job.cut = on_cut;
		p->job.enough = enough;
		p->job.stop = stop;
		p->job.arg = v;
		err_clear(&p->e);
		p->end = look_run(reader->look, &p->job, &p->e);
		p->was_read = true;
		close_memory(p);
	}
}
