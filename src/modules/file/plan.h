/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the searches of one question need together: patterns compiled into
 * one matcher for names, one for modes and one for contents, and one table
 * of all wanted digests. A check is known by its number over all searches.
 */
#ifndef MIG_MODULES_FILE_PLAN_H
#define MIG_MODULES_FILE_PLAN_H

#include "modules/file/param.h"
#include "scan/digest.h"
#include "scan/match.h"

struct err;

enum plan_matcher { PLAN_NAMES, PLAN_MODES, PLAN_LINES, PLAN_MATCHERS };

struct plan_check {
	const struct file_check *c;
	uint32_t search;
	uint32_t pattern;    /* in its matcher */
	enum digest_alg alg; /* digests */
	bool negative;       /* inverse XOR mismatch: true without a hit */
	uint64_t stamp;      /* digests: the stream that had this digest */
	uint32_t next;       /* in its bucket; UINT32_MAX: last */
};

struct plan_search {
	uint32_t first; /* number of its first check */
	uint32_t n;
	uint32_t nmeta;    /* the first so many need no content */
	bool needs_hit[2]; /* none of metadata, of content is true without
			      a pattern or digest having been hit */
	uint32_t algs;     /* DIGEST_BITs it needs */
	uint32_t ncontents;
	bool reads;   /* needs content for its verdict */
	bool macroal; /* and has contents */
};

struct plan {
	const struct file_params *params; /* borrowed */
	struct plan_search *searches;
	struct plan_check *checks;
	uint32_t nchecks;
	struct match *match[PLAN_MATCHERS];       /* NULL: no such checks */
	struct match_state *state[PLAN_MATCHERS]; /* the walk's */
	uint32_t *pattern_check[PLAN_MATCHERS];   /* pattern -> check */
	uint32_t algs;     /* DIGEST_BITs of all that may be asked for */
	uint32_t *buckets; /* of checks by digest */
	uint32_t nbuckets;
	bool light; /* contents: no engine so far, as little was read */
	uint64_t light_bytes;
	char engine[192]; /* see plan_engine */
};

/* ERR_INVALID names the field whose expression no engine takes. */
int plan_init(struct plan *p, const struct file_params *params,
    enum match_engine engine, struct err *e);
void plan_release(struct plan *p);
/* The engines that were in use so far; borrowed from p. */
const char *plan_engine(struct plan *p);
/* Before a file of about this size is read for its content: with much to read
 * an engine is worth its start, if one can be had. */
void plan_will_read(struct plan *p, uint64_t size);
/* Are its matchers those that stay? */
bool plan_is_settled(const struct plan *p);

/* Sets stamp in every check that wants this digest; how many do. */
uint32_t plan_digest(
    struct plan *p, enum digest_alg alg, const uint8_t *digest, uint64_t stamp);

#endif
