/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One process that is looked at, from its listing to its verdicts:
 *
 *   opener -> process, verdicts of names and libraries, what is open of its
 *   memory -> visit_read(), by any thread -> what was found where
 *
 * Nothing of it is in the answer yet: that is for one thread, in the order in
 * which processes were listed (run.c).
 */
#ifndef MIG_MODULES_MEMORY_VISIT_H
#define MIG_MODULES_MEMORY_VISIT_H

#include "base/err.h"
#include "modules/memory/answer.h"
#include "modules/memory/look.h"
#include "modules/memory/plan.h"
#include "modules/opener.h"

enum verdict { NO, YES, UNKNOWN };

/* What a thread reads with. */
struct visit_reader {
	struct look *look;
	/* by window; of the plan, or its own */
	struct match_state *states[MEMORY_WINDOWS_MAX];
	bool own;
	uint64_t *read_left;
	bool (*stop)(void *arg);
	void *arg;
};

/* A window's pass over its memory. */
struct visit_pass {
	bool open; /* to be read: job.fds is open */
	bool was_read;
	struct look_job job;
	enum look_end end;
	struct err e;     /* of LOOK_FAILED */
	uint32_t missing; /* checks that were not found yet */
};

struct visit {
	const struct memory_plan *plan;
	struct opener_process process;
	uint8_t *verdicts;         /* by check: enum verdict */
	struct place *places;      /* by check */
	bool *cut;                 /* by check: a match may have been lost */
	bool *interested;          /* by search: it wants to know of memory */
	struct visit_pass *passes; /* by window */
	/* an engine's, of names and of libraries, or NULL */
	const char *gave_up[PLAN_WINDOWS];
	/* what could not be looked at: the first of it */
	bool failed;
	enum memory_gap gap;
	char why[256];
	/* of the pass that is read now */
	const struct plan_matcher *matcher;
	struct visit_pass *pass;
	struct visit_reader *reader;
};

/* Bytes of a visit, about. */
size_t visit_size(const struct memory_plan *p);
/* ERR_NOMEM; to be released all the same. */
int visit_init(struct visit *v, const struct memory_plan *p, struct err *e);
void visit_release(struct visit *v);
/* For another process. */
void visit_clear(struct visit *v);

/* What a search thinks of the process after its checks of kinds up to this:
 * with match-all NO when one is, with match-any NO only when all are. */
bool
visit_may_match(const struct visit *v, uint32_t search, enum memory_kind upto);
/* All checks of a matcher get a verdict where they have none yet. */
void visit_set_rest(struct visit *v, uint32_t matcher, enum verdict verdict);
void visit_failed(struct visit *v, enum memory_gap gap, const char *why);

/* With a state of its own for each window; those of the plan are woken.
 * ERR_NOMEM; to be released all the same. */
int visit_reader_init(
    struct visit_reader *r, const struct memory_plan *p, struct err *e);
void visit_reader_release(struct visit_reader *r);
/* Reads what is open and closes it. */
void visit_read(struct visit *v, struct visit_reader *reader);

#endif
