/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the searches of one question need together: all names compiled into one
 * matcher, all libraries into one, and what is looked for in memory into one
 * for each window, which nearly always is one in all. A check is known by its
 * number over all searches.
 */
#ifndef MIG_MODULES_MEMORY_PLAN_H
#define MIG_MODULES_MEMORY_PLAN_H

#include "modules/memory/param.h"
#include "scan/match.h"

struct err;

enum { PLAN_NAMES, PLAN_LIBRARIES, PLAN_WINDOWS };
#define PLAN_MATCHERS (PLAN_WINDOWS + MEMORY_WINDOWS_MAX)

struct plan_check {
	const struct memory_check *c;
	uint32_t search;
	uint32_t matcher, pattern;
	uint32_t length; /* of every match; 0: they differ */
};

struct plan_search {
	uint32_t first, n; /* its checks */
	bool has[MEMORY_KINDS];
};

struct plan_matcher {
	struct match *match; /* NULL: nothing to look for */
	struct match_state *state;
	uint32_t *checks; /* pattern -> check */
	size_t n;
};

struct memory_plan {
	const struct memory_params *params; /* borrowed */
	struct plan_search *searches;
	struct plan_check *checks;
	uint32_t nchecks;
	struct plan_matcher matchers[PLAN_MATCHERS];
	char engine[192];
};

/* ERR_INVALID names the field whose expression no engine takes. */
int memory_plan_init(struct memory_plan *p, const struct memory_params *params,
    enum match_engine engine, struct err *e);
void memory_plan_release(struct memory_plan *p);
/* Notes in p->engine which engines were in use so far. */
void memory_plan_engine(struct memory_plan *p);

#endif
