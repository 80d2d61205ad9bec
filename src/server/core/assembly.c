/* SPDX-License-Identifier: MPL-2.0 */
/* Answers of several parts: see assembly.h. */
#include "server/core/assembly.h"

#include "server/core/registry.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct assembly {
	struct id action;
	struct agent *agent;
	struct wire_parts *parts;
	uint16_t of, part; /* waiting: the one that is here */
	bool growing;
	size_t aside;    /* growing: bytes set aside; waiting: bytes held */
	int64_t began;   /* to grow */
	int64_t touched; /* when a new part came */
	struct assembly *of_agent;
	TAILQ_ENTRY(assembly) next;
};
TAILQ_HEAD(assembly_list, assembly);

struct assemblies {
	size_t max;
	assembly_on_admitted *admitted;
	void *arg;
	struct assembly_list growing, waiting;
	size_t n, nwaiting;
	size_t aside, held; /* bytes of growing or being stored; of waiting */
};

struct assemblies *
assemblies_new(size_t max, assembly_on_admitted *admitted, void *arg)
{
	struct assemblies *as = calloc(1, sizeof(*as));

	if (as == NULL)
		return (NULL);
	TAILQ_INIT(&as->growing);
	TAILQ_INIT(&as->waiting);
	as->max = max;
	as->admitted = admitted;
	as->arg = arg;
	return (as);
}

/* Takes it out; what was set aside is the caller's to give back. */
static void
assembly_end(struct assemblies *as, struct assembly *a)
{
	struct assembly **at = &a->agent->assemblies;

	while (*at != a)
		at = &(*at)->of_agent;
	*at = a->of_agent;
	if (a->growing) {
		TAILQ_REMOVE(&as->growing, a, next);
	} else {
		TAILQ_REMOVE(&as->waiting, a, next);
		as->nwaiting--;
		as->held -= a->aside;
	}
	as->n--;
	wire_parts_free(a->parts);
	free(a);
}

static void
assembly_drop(struct assemblies *as, struct assembly *a)
{
	if (a->growing)
		as->aside -= a->aside;
	assembly_end(as, a);
}

void
assemblies_free(struct assemblies *as)
{
	struct assembly *a;

	if (as == NULL)
		return;
	while ((a = TAILQ_FIRST(&as->growing)) != NULL ||
	    (a = TAILQ_FIRST(&as->waiting)) != NULL)
		assembly_drop(as, a);
	free(as);
}

static struct assembly *
assembly_find(const struct agent *agent, const struct id *action)
{
	struct assembly *a;

	for (a = agent->assemblies; a != NULL; a = a->of_agent)
		if (id_equal(&a->action, action))
			return (a);
	return (NULL);
}

static size_t
assembly_count(const struct agent *agent)
{
	const struct assembly *a;
	size_t n = 0;

	for (a = agent->assemblies; a != NULL; a = a->of_agent)
		n++;
	return (n);
}

static size_t
aside_for(const struct assemblies *as, uint16_t of)
{
	size_t bytes = (size_t)of * WIRE_PART_MAX;

	return (bytes < as->max ? bytes : as->max);
}

static bool
has_room(const struct assemblies *as, size_t bytes)
{
	return (as->aside <= ASSEMBLY_GROWING_BYTES &&
	    bytes <= ASSEMBLY_GROWING_BYTES - as->aside);
}

static void
assembly_grow(struct assemblies *as, struct assembly *a, int64_t now)
{
	TAILQ_REMOVE(&as->waiting, a, next);
	as->nwaiting--;
	as->held -= a->aside;
	a->growing = true;
	a->aside = aside_for(as, a->of);
	as->aside += a->aside;
	a->began = a->touched = now;
	TAILQ_INSERT_TAIL(&as->growing, a, next);
}

/* Who is next: the first, but those that were slow only after all others. */
static struct assembly *
first_waiting(struct assemblies *as, int64_t now)
{
	struct assembly *a;

	TAILQ_FOREACH (a, &as->waiting, next)
		if (a->agent->slow_until <= now)
			return (a);
	return (TAILQ_FIRST(&as->waiting));
}

/* Lets in who waits, as long as there is room. */
static void
admit(struct assemblies *as, int64_t now)
{
	struct assembly *a;

	while ((a = first_waiting(as, now)) != NULL &&
	    has_room(as, aside_for(as, a->of))) {
		/* It begins anew when it is back. */
		if (!a->agent->online) {
			assembly_drop(as, a);
			continue;
		}
		assembly_grow(as, a, now);
		as->admitted(a->agent, &a->action, a->part, a->of, as->arg);
	}
}

static struct assembly *
assembly_new(struct assemblies *as, struct agent *agent,
    const struct wire_msg *m, int64_t now)
{
	struct assembly *a;

	if (as->nwaiting >= ASSEMBLY_WAITING_MAX ||
	    m->len > ASSEMBLY_WAITING_BYTES - as->held ||
	    (a = calloc(1, sizeof(*a))) == NULL)
		return (NULL);
	if ((a->parts = wire_parts_new(m->of, as->max)) == NULL ||
	    wire_parts_add(a->parts, m->part, m->of, m->data, m->len) != 0) {
		wire_parts_free(a->parts);
		free(a);
		return (NULL);
	}
	a->action = m->id;
	a->agent = agent;
	a->of = m->of;
	a->part = m->part;
	a->aside = m->len;
	a->touched = now;
	a->of_agent = agent->assemblies;
	agent->assemblies = a;
	TAILQ_INSERT_TAIL(&as->waiting, a, next);
	as->nwaiting++;
	as->held += m->len;
	as->n++;
	return (a);
}

static enum assembly_result
assembly_begin(struct assemblies *as, struct agent *agent,
    const struct wire_msg *m, int64_t now)
{
	bool queue = !TAILQ_EMPTY(&as->waiting);
	struct assembly *a = assembly_new(as, agent, m, now);

	if (a == NULL)
		return (ASSEMBLY_REFUSED);
	if (queue || !has_room(as, aside_for(as, a->of)))
		return (ASSEMBLY_WAITS);
	assembly_grow(as, a, now);
	return (ASSEMBLY_MORE);
}

enum assembly_result
assemblies_add(struct assemblies *as, struct agent *agent,
    const struct wire_msg *m, int64_t now, struct assembly_whole *ret)
{
	struct assembly *a;

	a = assembly_find(agent, &m->id);
	if (a != NULL && a->of != m->of) {
		/* Cut anew: the newest counts. */
		assembly_drop(as, a);
		a = NULL;
	}
	if (a == NULL)
		return (assembly_count(agent) >= ASSEMBLY_AGENT_MAX
			? ASSEMBLY_REFUSED
			: assembly_begin(as, agent, m, now));
	if (!a->growing) {
		a->touched = now;
		return (ASSEMBLY_WAITS);
	}
	if (wire_parts_has(a->parts, m->part)) {
		if (wire_parts_add(a->parts, m->part, m->of, m->data, m->len) ==
		    0)
			return (ASSEMBLY_KNOWN);
		/* Not what was sent before: all of it begins anew. */
		assembly_drop(as, a);
		return (assembly_begin(as, agent, m, now));
	}
	if (wire_parts_add(a->parts, m->part, m->of, m->data, m->len) != 0)
		return (ASSEMBLY_REFUSED);
	a->touched = now;
	if (!wire_parts_complete(a->parts))
		return (ASSEMBLY_MORE);
	if (wire_parts_take(a->parts, &ret->data, &ret->len) != 0) {
		assembly_drop(as, a);
		return (ASSEMBLY_REFUSED);
	}
	ret->aside = a->aside;
	assembly_end(as, a);
	return (ASSEMBLY_WHOLE);
}

void
assemblies_stored(struct assemblies *as, size_t aside, int64_t now)
{
	as->aside -= aside;
	admit(as, now);
}

static bool
is_in_the_way(const struct assembly *a, int64_t now)
{
	int64_t whole = (int64_t)(a->aside / (ASSEMBLY_RATE_MIN / 1000));

	return (now - a->touched > ASSEMBLY_STALL_MS ||
	    now - a->began > ASSEMBLY_STALL_MS + whole);
}

void
assemblies_tick(struct assemblies *as, int64_t now)
{
	struct assembly *a, *following;

	for (a = TAILQ_FIRST(&as->growing); a != NULL; a = following) {
		following = TAILQ_NEXT(a, next);
		if (!TAILQ_EMPTY(&as->waiting) && is_in_the_way(a, now))
			a->agent->slow_until = now + ASSEMBLY_SLOW_MS;
		else if (now - a->touched <= ASSEMBLY_IDLE_MS)
			continue;
		assembly_drop(as, a);
	}
	for (a = TAILQ_FIRST(&as->waiting); a != NULL; a = following) {
		following = TAILQ_NEXT(a, next);
		if (now - a->touched > ASSEMBLY_IDLE_MS)
			assembly_drop(as, a);
	}
	admit(as, now);
}

void
assemblies_stats(
    const struct assemblies *as, uint64_t *ret_n, uint64_t *ret_bytes)
{
	*ret_n = as->n;
	*ret_bytes = as->aside + as->held;
}
