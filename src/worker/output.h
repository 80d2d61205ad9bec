/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Where an answer goes: to standard output while it is put together, or in one
 * piece at its end where it is worked over first.
 *
 *   output_begin; additions to .text; output_end
 *   a failure before output_end returned 0: output_again, then the same with
 *   the reason
 */
#ifndef MIG_WORKER_OUTPUT_H
#define MIG_WORKER_OUTPUT_H

#include "base/buf.h"
#include "base/err.h"

#include <signal.h>

struct output {
	struct buf text;
	size_t max;                  /* bytes in all */
	size_t written;              /* of these, so far */
	volatile sig_atomic_t begun; /* something was written */
	bool own_file; /* the agent's, in which standard error is as well: what
			  stood there before the answer is written over */
	bool again;    /* an answer that failed may stand there */
	size_t hold;   /* a whole answer of at most so many bytes stays in .text
			  until output_put */
	bool held;
	struct err err; /* why writing failed */
};

/* whole: nothing leaves .text before output_end. */
void output_begin(struct output *o, size_t max, bool whole, bool own_file);
/* Forgets what there was, to say what went wrong (e) instead. Returns e's code
 * where some of it is out already and cannot be taken back. */
int output_again(struct output *o, struct err *e);
/* Indents the JSON, all of which is still here; leaves it as it is where there
 * is no room for that. */
void output_indent(struct output *o);
/* Writes what is left, and ends the line; or holds it. */
int output_end(struct output *o, struct err *e);
/* Writes what is held. */
int output_put(struct output *o, struct err *e);
/* Gives the memory back. */
void output_release(struct output *o);

#endif
