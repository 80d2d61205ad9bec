/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/file/read.h"

#include <string.h>

/* The matches that are known to decide it. */
struct looking {
	const struct file_reading *rd;
	const struct match_state *lines;
	uint32_t contents; /* checks */
};

int
file_reader_init(struct file_reader *r, const struct plan *p, struct err *e)
{
	int rc = 0;

	memset(r, 0, sizeof(*r));
	r->content = content_new();
	if (r->content == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (p->match[PLAN_LINES] != NULL)
		rc = match_state_new(p->match[PLAN_LINES], &r->lines, e);
	if (rc == 0 && p->algs != 0)
		rc = digests_new(p->algs, &r->digests, e);
	if (rc != 0)
		file_reader_release(r);
	return rc;
}

void
file_reader_release(struct file_reader *r)
{
	content_free(r->content);
	match_state_free(r->lines);
	digests_free(r->digests);
	memset(r, 0, sizeof(*r));
}

bool
file_reading_counts(const struct plan *p, const uint32_t *searches, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (p->searches[searches[i]].macroal)
			return true;
	}
	return false;
}

/* Only the content checks of match-all: are they all known to be false or
 * true without reading on? */
static bool
enough(void *arg)
{
	const struct looking *l = arg;
	const struct plan *p = l->rd->plan;
	const struct plan_search *ps;
	const struct plan_check *pc;
	uint32_t i;
	size_t k;

	if (l->lines->nids < l->contents)
		return false;
	for (k = 0; k < l->rd->n; k++) {
		ps = &p->searches[l->rd->searches[k]];
		for (i = 0; i < ps->n; i++) {
			pc = &p->checks[ps->first + i];
			if (pc->c->kind == FILE_CONTENT &&
			    l->lines->hits[pc->pattern] == 0)
				return false;
		}
	}
	return true;
}

static uint32_t
count_contents(const struct file_reading *rd)
{
	uint32_t n = 0;
	size_t k;

	for (k = 0; k < rd->n; k++)
		n += rd->plan->searches[rd->searches[k]].ncontents;
	return n;
}

/* All of them or none: one that is missing would be one that does not match. */
static void
take_digests(struct file_reader *r, struct file_reading *rd)
{
	unsigned int alg;

	for (alg = 0; alg < DIGEST_ALGS; alg++) {
		if ((rd->algs & DIGEST_BIT(alg)) != 0 &&
		    digests_final(
			r->digests, (enum digest_alg)alg, rd->digest[alg]) == 0)
			rd->digests |= DIGEST_BIT(alg);
	}
	if (rd->digests == rd->algs)
		return;
	rd->digests = 0;
	rd->end = CONTENT_MEMORY;
	err_set(&rd->e, ERR_NOMEM, "no memory for a digest");
}

void
file_reader_read(struct file_reader *r, struct file_reading *rd)
{
	struct looking l = { rd, r->lines, 0 };
	struct content_job job = { .decompress = rd->decompress,
		.size = rd->size,
		.read_left = rd->read_left,
		.stop = rd->stop,
		.arg = rd->arg,
		.enough_arg = &l };

	err_clear(&rd->e);
	rd->digests = 0;
	if (rd->patterns) {
		job.match = r->lines;
		job.count_lines =
		    file_reading_counts(rd->plan, rd->searches, rd->n);
		l.contents = count_contents(rd);
	}
	if (rd->patterns && !job.count_lines && rd->algs == 0)
		job.enough = enough;
	if (rd->algs != 0) {
		job.digests = r->digests;
		/* what did not begin fails at its end */
		(void)digests_begin(r->digests, rd->algs);
	}
	rd->end = content_read(r->content, rd->fd, &job, &rd->e);
	rd->bytes = job.bytes;
	rd->lines = job.lines;
	if (rd->end == CONTENT_ALL)
		take_digests(r, rd);
}
