/* SPDX-License-Identifier: MPL-2.0 */
/*
 * mig-worker: one module, once, in a sandbox. JSON in, one JSON answer out.
 *
 *   mig-worker MODULE < parameters        by hand
 *   mig-worker --forkserver               from the agent: see forkserver.h
 *
 * Order: options, signals, limits, sandbox; only then is the first byte of
 * parameters read. Libraries that a question needs are loaded afterwards: the
 * sandbox lets files be mapped, but nothing be written or executed.
 *
 * A fork server enters the sandbox once; its workers inherit it and close the
 * little that is left open for forking. They run with the lowest priority and
 * are killed with the agent.
 *
 * SIGTERM, the deadline and the CPU limit end the search; what was found by
 * then is answered and says so.
 */
#include "worker/forkserver.h"
#include "worker/options.h"
#include "worker/question.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/jsonw.h"
#include "json/json.h"
#include "modules/module.h"
#include "modules/run.h"
#include "sandbox/sandbox.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CAP_DAC_READ_SEARCH_BIT (1ull << 2) /* linux/capability.h */
#define CPU_GRACE 5       /* seconds to answer in after the CPU limit */
#define FAILURE_ROOM 8192 /* bytes of an answer that is only an error */

static volatile sig_atomic_t stop_flag;
static int64_t cpu_limit;
static enum run_end ended = RUN_WHOLE;

/* The first one counts. */
static void
on_stop(int sig)
{
	if (stop_flag == 0)
		stop_flag = sig;
}

/* The kernel says it again every second, and at the hard limit ends us: if
 * the answer is not out by then, the agent reads this instead. */
static void
on_cpu_limit(int sig)
{
	static int times;
	char text[64];
	ssize_t n;

	on_stop(sig);
	if (++times == CPU_GRACE) {
		n = snprintf(text, sizeof(text), "limit reached: CPU %lld s\n",
		    (long long)cpu_limit);
		n = write(STDERR_FILENO, text, (size_t)n);
		(void)n;
	}
}

static void
set_signals(void)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_stop;
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sa.sa_handler = on_cpu_limit;
	sigaction(SIGXCPU, &sa, NULL);
	sa.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &sa, NULL);
}

/* The soft limit stops the search, the hard one the process. */
static int
set_cpu_limit(int64_t seconds, struct err *e)
{
	struct rlimit rl;

	if (seconds == 0)
		return 0;
	cpu_limit = seconds;
	rl.rlim_cur = (rlim_t)seconds;
	rl.rlim_max = (rlim_t)seconds + CPU_GRACE;
	if (setrlimit(RLIMIT_CPU, &rl) != 0)
		return err_errno(e, "cannot set the CPU limit");
	return 0;
}

static int
cover(const struct options *o, struct err *e)
{
	return sandbox_cover(&o->cover, 1, e);
}

static int
enter_sandbox(const struct options *o, struct err *e)
{
	struct sandbox s = { .profile = SANDBOX_WORKER_READ,
		.all_paths_readable = true,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1 };
	struct stat st;

	/* what cannot be hidden must not be readable either */
	if (geteuid() == 0 && (o->cover == NULL || cover(o, e) == 0))
		s.keep_caps = CAP_DAC_READ_SEARCH_BIT;
	err_clear(e);
	if (o->uid > 0) {
		s.uid = (uid_t)o->uid;
		s.gid = (gid_t)o->uid;
	}
	if (o->forkserver) {
		s.profile = SANDBOX_FORKSERVER;
		s.limits.nice = 19;
		s.limits.idle_io = true;
		s.die_with_parent = true;
		return sandbox_enter(&s, e);
	}
	s.limits.memory_bytes = (uint64_t)o->memory;
	/* by hand the answer may go to a file */
	if (fstat(STDOUT_FILENO, &st) != 0 || !S_ISREG(st.st_mode))
		s.limits.file_bytes = SANDBOX_NO_WRITE;
	return sandbox_enter(&s, e);
}

/* What every worker would find out anew: the seed of hashes, where the
 * library's functions are, that there is a time zone. */
static void
warm_up(void)
{
	struct tm tm = { .tm_year = 100, .tm_mday = 1 };
	static const char doc[] = "{\"a\": [1, 1.5, \"b\", true, null]}";
	struct err e;
	json_t *v = json_strict(doc, sizeof(doc) - 1, sizeof(doc), &e);
	char *text = json_dumps(v, JSON_COMPACT);

	free(text);
	json_decref(v);
	(void)timegm(&tm);
}

/* Whoever kills the agent kills the fork server: from the first instruction
 * on, and, as the change of user forgets it, once more by the sandbox. */
static int
enter_forkserver(const struct options *o, pid_t parent, struct err *e)
{
	int rc;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
		return err_errno(e, "PR_SET_PDEATHSIG");
	rc = enter_sandbox(o, e);
	if (rc == 0 && getppid() != parent)
		return err_set(e, ERR_CLOSED, "the agent has ended");
	warm_up();
	return rc;
}

/* Returns in the workers, which have their order's limits then. */
static int
become_worker(struct options *o, struct order *ret, struct err *e)
{
	struct sandbox_limits limits = { 0 };
	pid_t parent = getppid();
	int rc;

	rc = enter_forkserver(o, parent, e);
	fault_point("forkserver.entered");
	rc = forkserver_run(rc, ret, e);
	fault_point("worker.forked");
	o->seconds = ret->seconds;
	o->cpu = ret->cpu_seconds;
	o->read = ret->read_bytes;
	o->output = ret->output_max;
	limits.memory_bytes = (uint64_t)ret->memory_bytes;
	limits.file_bytes = (uint64_t)ret->output_max + FAILURE_ROOM;
	if (rc == 0)
		rc = set_cpu_limit(o->cpu, e);
	return rc == 0 ? sandbox_seal(parent, &limits, e) : rc;
}

static module_run *
run_by_number(unsigned int number)
{
	switch (number) {
#define MODULE(num, name, needs) \
	case (num):              \
		return module_##name##_run;
#include "modules/modules.def"
#undef MODULE
	default:
		return NULL;
	}
}

/* An answer that only says what went wrong. */
static void
write_failure(struct buf *out, const char *text)
{
	struct jsonw w;

	buf_clear(out);
	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_bool(&w, "foundanything", false);
	jsonw_bool(&w, "success", false);
	jsonw_object(&w, "elements");
	jsonw_object_end(&w);
	jsonw_object(&w, "statistics");
	jsonw_object_end(&w);
	jsonw_array(&w, "errors");
	jsonw_str(&w, NULL, text);
	jsonw_array_end(&w);
	jsonw_object_end(&w);
}

static void
pretty_print(struct buf *out)
{
	json_t *v = json_loadb((const char *)out->data, out->len, 0, NULL);
	char *text = v != NULL ? json_dumps(v, JSON_INDENT(2)) : NULL;

	if (text != NULL) {
		buf_clear(out);
		buf_add_str(out, text);
	}
	free(text);
	json_decref(v);
}

/* order: NULL by hand. */
static int
answer(const struct options *o, const struct order *order, struct buf *out,
    struct err *e)
{
	struct run_context ctx = { .read_bytes = o->read,
		.stop = &stop_flag,
		.output_max = (size_t)o->output,
		.seconds = o->seconds,
		.cpu_seconds = o->cpu,
		.ret_end = &ended };
	struct question q;
	int rc;

	if (o->seconds > 0)
		ctx.deadline_ms = clock_mono_ms() + o->seconds * 1000;
	if (order != NULL)
		rc = question_from_action(order->operation, &q, e);
	else
		rc = question_from_stdin(o->module, &q, e);
	if (rc != 0)
		return rc;
	rc = run_by_number(q.module)(q.params, &ctx, out, e);
	question_release(&q);
	return rc;
}

static int
enter_by_hand(const struct options *o, struct err *e)
{
	int rc;

	if (module_find(o->module) == NULL)
		return err_set(e, ERR_UNSUPPORTED,
		    "module '%.64s' is not available", o->module);
	rc = set_cpu_limit(o->cpu, e);
	return rc == 0 ? enter_sandbox(o, e) : rc;
}

int
main(int argc, char **argv)
{
	struct order order;
	struct options o;
	struct buf out;
	struct err e;
	int rc, status;

	err_clear(&e);
	rc = options_parse(argc, argv, &o, &status);
	if (rc != 0)
		return status;
	set_signals();
	rc = o.forkserver ? become_worker(&o, &order, &e)
			  : enter_by_hand(&o, &e);
	fault_point("worker.sealed");
	buf_init(&out, (size_t)o.output * 2 + 1024 * 1024);
	if (rc == 0)
		rc = answer(&o, o.forkserver ? &order : NULL, &out, &e);
	fault_point("worker.looked");
	if (rc != 0)
		write_failure(&out, e.msg);
	if (o.pretty)
		pretty_print(&out);
	buf_add_u8(&out, '\n');
	if (fd_write_all(STDOUT_FILENO, out.data, out.len, &e) != 0) {
		fprintf(stderr, "mig-worker: %s\n", e.msg);
		rc = ERR_IO;
	}
	fault_point("worker.answered");
	status = rc == 0 ? (int)ended : RUN_FAILED;
	/* giving memory back page by page costs more than the rest of the end
	 */
	if (o.forkserver)
		_exit(status);
	buf_release(&out);
	return status;
}
