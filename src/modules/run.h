/* SPDX-License-Identifier: MPL-2.0 */
/* The work of a module, in mig-worker only. */
#ifndef MIG_MODULES_RUN_H
#define MIG_MODULES_RUN_H

#include "base/buf.h"

#include <jansson.h>
#include <signal.h>

struct err;
struct fence;
struct os_echo;
struct os_nets;

/* How a run ended, as the worker's exit status says it to the agent. */
enum run_end {
	RUN_WHOLE = 0,
	RUN_FAILED = 1, /* the answer only says what went wrong */
	RUN_LIMIT = 3,  /* CPU or memory ran out; what there was is answered */
	RUN_TIME = 4,   /* likewise time */
	RUN_NOT_BEGUN = 5, /* no sandbox: standard error says why */
};

/* Where a running module stands and how it is told to stop. */
struct run_context {
	int64_t deadline_ms;     /* clock_mono_ms(); 0: none */
	int64_t seconds;         /* that this is, for people */
	int64_t cpu_seconds;     /* what SIGXCPU stands for */
	int64_t cpu_percent;     /* of one core, on average; 0: any */
	int64_t threads;         /* that may work; 0 is 1 */
	enum run_end *ret_end;   /* set when a limit ended it */
	int64_t read_bytes;      /* most bytes of content to read; 0: any */
	const char *agent_state; /* for the agent module: JSON, or NULL by
				    hand; borrowed */
	uint32_t rights;         /* enum right_fact, of this process */
	/* What the policy leaves to the module: all that it opens by a path it
	 * opens by scan/fence.h. NULL: everything. Borrowed. */
	const struct fence *fence;
	const char *hidden;          /* the agent's state, or NULL */
	int opener;                  /* modules/opener.h; -1: none */
	volatile sig_atomic_t *stop; /* SIGTERM or SIGXCPU: answer what you
					have */
	struct os_nets *nets;        /* opened for NEED_SOCKETS; borrowed */
	const struct os_echo *echo;  /* opened for NEED_NETWORK; borrowed */
	size_t output_max;           /* bytes of JSON in out */
	bool found_only;             /* entries are not answered (narrow.h):
					they may be left out, and take no room */
};

/* Appends one JSON answer {foundanything, success, elements, statistics,
 * errors} to out, which hands on what it holds: nothing that was appended is
 * there to be looked at or changed. params have passed the module's check. An
 * error return is for failures without any answer. */
typedef int module_run(const json_t *params, const struct run_context *ctx,
    struct buf *out, struct err *e);

#define MODULE(number, name, needs) module_run module_##name##_run;
#include "modules/modules.def"
#undef MODULE

#endif
