/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Core: what the store could not take while its disk was full or broken or
 * another program had locked it. Nobody waits for these changes, and they
 * follow from what the core knows: jobs of the scheduler are kept in their
 * order; of an agent only that its newest state and hello are to be written,
 * so that a long failure needs no more memory than a short one.
 *
 * While the store fails, a small write a tick finds out when it is well again;
 * then everything goes to the writer, bounded in each tick.
 */
#include "server/core/unsaved.h"

#include "server/core/core.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define JOBS_MAX 200000
#define JOBS_AT_ONCE 1000
#define AGENTS_AT_ONCE 500
#define HELLO_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define PROBE_KEY "probe"

struct unsaved {
	struct writer_jobs jobs;
	size_t njobs;
	size_t nagents; /* marked in the registry */
	size_t cursor;  /* slot where the search for them goes on */
	size_t bytes;   /* of their hellos */
	bool relay;     /* everyone's state, and which relay it is true of */
	bool probing;
	uint64_t dropped;
};

struct unsaved *
unsaved_new(void)
{
	struct unsaved *u = calloc(1, sizeof(*u));

	if (u != NULL)
		STAILQ_INIT(&u->jobs);
	return (u);
}

static struct writer_job *
take_job(struct unsaved *u)
{
	struct writer_job *j = STAILQ_FIRST(&u->jobs);

	if (j != NULL) {
		STAILQ_REMOVE_HEAD(&u->jobs, next);
		u->njobs--;
	}
	return (j);
}

void
unsaved_free(struct unsaved *u)
{
	struct writer_job *j;

	if (u == NULL)
		return;
	while ((j = take_job(u)) != NULL)
		free(j);
	free(u);
}

static void
keep(struct unsaved *u, struct core_job *j)
{
	j->j.rc = 0;
	err_clear(&j->j.err);
	STAILQ_INSERT_TAIL(&u->jobs, &j->j, next);
	u->njobs++;
}

bool
unsaved_job(struct core_job *j)
{
	struct unsaved *u = j->c->unsaved;

	if (!writer_is_passing(j->j.rc))
		return (false);
	if (u->njobs >= JOBS_MAX) {
		if (u->dropped++ == 0)
			log_error("unsaved dropped=1 why=\"too many\"");
		return (false);
	}
	keep(u, j);
	return (true);
}

void
unsaved_submit(struct core_job *j)
{
	struct unsaved *u = j->c->unsaved;

	if (u->njobs > 0 && u->njobs < JOBS_MAX)
		keep(u, j);
	else
		writer_submit(j->c->writer, &j->j);
}

static void
forget_hello(struct unsaved *u, struct agent *a)
{
	u->bytes -= a->unsaved_len;
	free(a->unsaved_hello);
	a->unsaved_hello = NULL;
	a->unsaved_len = 0;
}

void
unsaved_agent(struct core *c, struct agent *a, const void *hello, size_t len)
{
	struct unsaved *u = c->unsaved;

	if (!a->unsaved)
		u->nagents++;
	a->unsaved = true;
	if (hello == NULL)
		return;
	forget_hello(u, a);
	/* Without room the next hello has to do. */
	if (u->bytes + len > HELLO_BYTES_MAX ||
	    (a->unsaved_hello = malloc(len)) == NULL)
		return;
	memcpy(a->unsaved_hello, hello, len);
	a->unsaved_len = len;
	u->bytes += len;
}

void
unsaved_relay(struct core *c)
{
	c->unsaved->relay = true;
}

bool
unsaved_has_relay(const struct core *c)
{
	return (c->unsaved->relay);
}

/* --- is it well? -------------------------------------------------------- */

static int
probe_run(struct store *s, struct writer_job *j, struct err *e)
{
	/* Another value each time: what is there already is not written. */
	int64_t value = clock_wall_ms();

	return (store_meta_set(s, PROBE_KEY, &value, sizeof(value), e));
}

static void
probe_done(struct writer_job *j)
{
	((struct core_job *)j)->c->unsaved->probing = false;
	free(j);
}

static void
probe(struct core *c)
{
	struct core_job *j;

	if (c->unsaved->probing)
		return;
	j = core_job_new(c, sizeof(*j), 0, probe_run, probe_done);
	if (j == NULL)
		return;
	c->unsaved->probing = true;
	writer_submit(c->writer, &j->j);
}

/* --- again -------------------------------------------------------------- */

static void
save_agent(struct core *c, struct agent *a)
{
	struct unsaved *u = c->unsaved;

	a->unsaved = false;
	u->nagents--;
	if (a->unsaved_hello != NULL)
		agents_store_hello(c, a, a->unsaved_hello, a->unsaved_len);
	forget_hello(u, a);
	/* A hello stores "online"; it may have left since. */
	agents_store_presence(c, a);
}

static void
save_agents(struct core *c)
{
	struct registry *reg = &c->registry;
	struct unsaved *u = c->unsaved;
	size_t i, n = 0;

	for (i = 0; i < reg->n && u->nagents > 0 && n < AGENTS_AT_ONCE; i++) {
		struct agent *a = reg->slots[u->cursor++ % reg->n];

		if (!a->unsaved)
			continue;
		save_agent(c, a);
		n++;
	}
}

/* Everyone offline, then those that are not: in this order. */
static void
save_relay(struct core *c)
{
	struct registry *reg = &c->registry;
	size_t i;

	c->unsaved->relay = false;
	core_store_relay(c);
	for (i = 0; i < reg->n; i++)
		if (reg->slots[i]->online)
			unsaved_agent(c, reg->slots[i], NULL, 0);
}

void
unsaved_tick(struct core *c)
{
	struct unsaved *u = c->unsaved;
	struct writer_stats w;
	struct writer_job *j;
	size_t n;

	writer_stats(c->writer, &w);
	if (w.failing != 0) {
		probe(c);
		return;
	}
	if (writer_full(c->writer))
		return;
	if (u->relay)
		save_relay(c);
	for (n = 0; n < JOBS_AT_ONCE && (j = take_job(u)) != NULL; n++)
		writer_submit(c->writer, j);
	if (u->nagents > 0)
		save_agents(c);
}
