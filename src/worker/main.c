/* SPDX-License-Identifier: MPL-2.0 */
/*
 * mig-worker: one module, once, in a sandbox. JSON in, one JSON answer out.
 *
 *   mig-worker MODULE < parameters        by hand
 *   mig-worker --serve                    from the agent: see serve.h
 *
 * Order: options, signals, limits, sandbox; only then is the first byte of
 * parameters read. Libraries that a question needs are loaded afterwards: the
 * sandbox lets files be mapped, but nothing be written or executed.
 *
 * An agent's worker is started before its first order comes, runs with the
 * lowest priority and is killed with the agent. It takes another order only
 * when all it did was ours and went well: once a library or a parser is to see
 * bytes of the host, once a limit or a signal struck, it ends with its answer
 * (doc/adr/0032).
 *
 * SIGTERM, the deadline and the CPU limit end the search; what was found by
 * then is answered and says so.
 */
#include "worker/opener.h"
#include "worker/options.h"
#include "worker/output.h"
#include "worker/question.h"
#include "worker/serve.h"
#include "worker/split.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/jsonw.h"
#include "base/str.h"
#include "json/json.h"
#include "modules/narrowing.h"
#include "modules/rights.h"
#include "modules/run.h"
#include "os/os.h"
#include "sandbox/sandbox.h"
#include "scan/fence.h"
#include "scan/lib.h"

#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CPU_GRACE 2           /* seconds to answer in after the CPU limit */
#define MAPPED_MAX (64 << 20) /* bytes of libraries beside the memory */
#define DESCRIPTORS_MAX 256   /* a walk keeps at most 64 open */
#define FAILURE_ROOM 8192     /* bytes of an answer that is only an error */
#define LARGE (128 << 10)     /* bytes */
#define USER_THREADS_MAX 256  /* of all workers of one user */
#define CPU_SPARE_MS 250      /* with so much used, no further order */

static volatile sig_atomic_t stop_flag;
static int64_t cpu_limit;
static enum run_end ended = RUN_WHOLE;
static uint32_t rights;     /* enum right_fact */
static const char *hidden;  /* by Landlock */
static struct fence *fence; /* the policy's paths */
static struct opened opened = { .echo = { { .fd = -1 }, { .fd = -1 } } };
static struct split split = { .fd = -1 };
static struct output output;

/* The first one counts. */
static void
on_stop(int sig)
{
	if (stop_flag == 0)
		stop_flag = sig;
}

/* The kernel says it again every second, and at the hard limit ends us: if
 * the answer is not out by then, the agent reads this instead. Never in the
 * middle of an answer. */
static void
on_cpu_limit(int sig)
{
	static int times;
	char text[64];
	ssize_t n;

	on_stop(sig);
	if (++times == CPU_GRACE && !(output.own_file && output.begun)) {
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

/* /proc/sys/kernel/yama/ptrace_scope; 0: there is none. */
static char
yama(void)
{
	char c = '0';
	int fd =
	    open("/proc/sys/kernel/yama/ptrace_scope", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return c;
	if (read(fd, &c, 1) != 1)
		c = '3';
	close(fd);
	return c;
}

static void
find_attach(void)
{
	bool may = (sandbox_caps() & CAP_SYS_PTRACE_BIT) != 0;

	if (yama() < (may ? '3' : '1'))
		rights |= RIGHT_ATTACH;
}

/* What is surest first. The facts are those of before the sandbox. */
static void
hide_state(const struct options *o, struct err *e)
{
	if (geteuid() == 0)
		rights |= RIGHT_ROOT;
	if (sandbox_all_users())
		rights |= RIGHT_ALL_IDS;
	if (sandbox_landlock() > 0)
		rights |= RIGHT_LANDLOCK;
	rights |= opener_rights(
	    geteuid() == 0 && o->uid > 0 ? (gid_t)o->uid : getegid());
	find_attach();
	if (o->cover == NULL) {
		rights |= RIGHT_NO_AGENT;
	} else if (geteuid() == 0 && cover(o, e) == 0) {
		rights |= RIGHT_HIDDEN | RIGHT_MOUNT;
	} else if ((rights & RIGHT_LANDLOCK) != 0) {
		rights |= RIGHT_HIDDEN;
		hidden = o->cover;
	}
	err_clear(e);
}

/* What cannot be hidden must not be readable either. */
static uint64_t
reading_rights(void)
{
	uint64_t caps = sandbox_caps();

	if (geteuid() != 0 || (rights & (RIGHT_HIDDEN | RIGHT_NO_AGENT)) == 0)
		return 0;
	caps &= (caps & CAP_DAC_READ_SEARCH_BIT) != 0 ? CAP_DAC_READ_SEARCH_BIT
						      : CAP_DAC_OVERRIDE_BIT;
	if (caps != 0)
		rights |= RIGHT_READ;
	return caps;
}

/* What an opener holds until it, or its child, narrows itself. */
static uint64_t
opening_rights(void)
{
	return sandbox_caps() &
	    (CAP_DAC_READ_SEARCH_BIT | CAP_DAC_OVERRIDE_BIT |
		CAP_SYS_PTRACE_BIT | CAP_SYS_ADMIN_BIT);
}

/* NEED_* of the module by hand, or of all that the agent may order. */
static uint32_t
needs_of(const struct options *o)
{
	const struct module *m =
	    o->module != NULL ? module_find(o->module) : NULL;

	return m != NULL ? m->needs : (uint32_t)o->needs;
}

/* One that reads files, or the memory of processes. */
static bool
has_threads(const struct options *o)
{
	return !o->rights && o->threads > 1 &&
	    (needs_of(o) & (NEED_SOCKETS | NEED_NETWORK)) == 0;
}

/* What counts is what is private and written to; libraries are mapped beside
 * it. An eighth less than the control group allows: so the worker learns of
 * it first, and answers. */
static void
limit_all(const struct options *o, struct sandbox_limits *l)
{
	if (o->memory > 0) {
		l->data_bytes = (uint64_t)(o->memory - o->memory / 8);
		l->memory_bytes = (uint64_t)o->memory + MAPPED_MAX;
	}
	l->descriptors = DESCRIPTORS_MAX + opener_descriptors(&opened);
	l->no_processes = !has_threads(o);
	if (has_threads(o) && o->serve && o->uid > 0)
		l->threads = USER_THREADS_MAX;
}

/* Of the two of a pair, the one that opens: it may look into processes, and
 * read files that are their users', and reads nothing from outside. */
static int
split_pair(
    const struct options *o, const struct sandbox *scanner, struct err *e)
{
	struct sandbox s = *scanner;

	s.profile = SANDBOX_PAIR_OPENER;
	s.keep_caps = opening_rights() & ~CAP_SYS_ADMIN_BIT;
	s.die_with_parent = true;
	s.limits.file_bytes = SANDBOX_NO_WRITE;
	s.limits.no_processes = true;
	return split_make(&s, o->serve ? getppid() : 0, &split, e);
}

static bool
makes_pair(const struct options *o)
{
	return !o->rights && (needs_of(o) & NEED_PROCESSES) != 0;
}

/* Asks other hosts: by hand, too, it is narrowed and sealed. */
static bool
has_network(const struct options *o)
{
	return !o->rights && (needs_of(o) & NEED_NETWORK) != 0;
}

/* With sockets comes no right to read. */
static void
take_network(struct sandbox *s)
{
	s->profile = SANDBOX_NET_OPENER;
	s->keep_caps = sandbox_caps() & CAP_NET_RAW_BIT;
	hidden = NULL; /* the few paths it may read leave it out */
}

/* By hand the answer may go to a file, or why there is none. */
static bool
is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static int
enter_sandbox(const struct options *o, struct err *e)
{
	struct sandbox s = { .profile = SANDBOX_WORKER_READ,
		.all_paths_readable = true,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1 };
	int rc;

	if (has_threads(o)) {
		s.profile = SANDBOX_WORKER_THREADS;
		/* one heap: each further one takes addresses of which there
		 * are few */
		mallopt(M_ARENA_MAX, 1);
	}
	hide_state(o, e);
	s.keep_caps = reading_rights();
	if (o->uid > 0) {
		s.uid = (uid_t)o->uid;
		s.gid = (gid_t)o->uid;
	}
	if (o->serve) {
		if ((o->needs & NEED_SOCKETS) != 0) {
			s.profile = SANDBOX_OPENER;
			s.keep_caps |= opening_rights();
		}
		s.limits.nice = 19;
		s.limits.idle_io = true;
		s.die_with_parent = true;
	} else {
		limit_all(o, &s.limits);
		if (!is_file(STDOUT_FILENO) && !is_file(STDERR_FILENO))
			s.limits.file_bytes = SANDBOX_NO_WRITE;
	}
	if (makes_pair(o)) {
		rc = split_pair(o, &s, e);
		if (rc != 0)
			return rc;
		hidden = NULL; /* it reads libraries alone */
		s.profile = has_threads(o) ? SANDBOX_PAIR_SCANNER_THREADS
					   : SANDBOX_PAIR_SCANNER;
		s.keep_caps = 0;
		s.all_paths_readable = false;
		s.paths = sandbox_library_paths(&s.npaths);
	}
	if (has_network(o))
		take_network(&s);
	rc = sandbox_enter(&s, e);
	if (rc == 0 && strstr(sandbox_describe(), " uid") != NULL)
		rights |= RIGHT_USERS;
	return rc;
}

/* What the first order would wait for: the seed of hashes, where the
 * library's functions are, that there is a time zone. */
static void
warm_up(void)
{
	struct tm tm = { .tm_year = 100, .tm_mday = 1 };
	static const char doc[] = "{\"a\": [1, 1.5, \"b\", true, null]}";
	struct err e;
	json_t *v = json_strict(doc, sizeof(doc) - 1, sizeof(doc), &e);
	char *text = json_text(v, JSON_COMPACT);

	free(text);
	json_decref(v);
	(void)timegm(&tm);
}

/* Whoever kills the agent kills its workers: from the first instruction on,
 * and, as the change of user forgets it, once more by the sandbox. */
static int
enter_serving(const struct options *o, struct err *e)
{
	pid_t parent = getppid();
	int rc;

	/* Sent when logs are rotated; no terminal is behind an agent. */
	signal(SIGHUP, SIG_IGN);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
		return err_errno(e, "PR_SET_PDEATHSIG");
	rc = enter_sandbox(o, e);
	if (rc == 0 && getppid() != parent)
		return err_set(e, ERR_CLOSED, "the agent has ended");
	warm_up();
	lib_on_load(serve_spent);
	return rc;
}

static int
open_and_narrow(uint32_t needs, struct err *e)
{
	const struct sandbox_path *paths = NULL;
	size_t npaths = 0;
	int rc = opener_open(needs, &opened, e);

	if ((needs & NEED_NETWORK) != 0)
		paths = sandbox_asking_paths(&npaths);
	return rc == 0 ? sandbox_narrow(paths, npaths, e) : rc;
}

/* What is opened before the question is read is for this order only. */
static int
open_by_needs(const struct options *o, struct err *e)
{
	serve_spent();
	return open_and_narrow((uint32_t)o->needs, e);
}

/* Made of what there is at this time: for this order only, too. */
static int
hide_by_rules(struct err *e)
{
	static char real[PATH_MAX];
	int rc;

	serve_spent();
	rc = sandbox_hide(hidden, real, e);
	hidden = real;
	return rc;
}

/* With the first order; the agent gives later ones to this process only if
 * they allow as much. */
static int
limit_by_order(struct options *o, const struct order *order, struct err *e)
{
	bool opener = (o->needs & (NEED_SOCKETS | NEED_NETWORK)) != 0;
	struct sandbox_limits limits = { 0 };
	int rc;

	o->cpu = order->cpu_seconds;
	o->memory = order->memory_bytes;
	rc = set_cpu_limit(o->cpu, e);
	if (rc == 0 && opener)
		rc = open_by_needs(o, e);
	if (rc == 0 && hidden != NULL)
		rc = hide_by_rules(e);
	limit_all(o, &limits);
	limits.file_bytes = (uint64_t)order->output_max + FAILURE_ROOM;
	if (rc == 0)
		rc = sandbox_limit(&limits, e);
	return rc == 0 && opener ? sandbox_seal(e) : rc;
}

/* The policy's paths, for this order only: the kernel holds them as well where
 * it can. What is not there now is not looked at either. What the module reads
 * unasked (m may be NULL) is none of the paths, but the kernel lets it. */
static int
set_fence(const char *paths, const struct module *m, struct err *e)
{
	int fds[FENCE_PATHS_MAX + MODULE_UNASKED_MAX], rc;
	const char *const *unasked = m != NULL ? m->unasked : NULL;
	size_t i, n = 0;

	rc = fence_new(paths, &fence, e);
	if (rc != 0 || fence == NULL)
		return rc;
	for (i = 0; i < fence->n; i++) {
		fds[n] = fence_open(fence, fence->paths[i], O_PATH);
		n += fds[n] >= 0;
	}
	for (i = 0; unasked != NULL && unasked[i] != NULL; i++) {
		BUG_ON(i == MODULE_UNASKED_MAX);
		fds[n] = open(unasked[i], O_PATH | O_CLOEXEC);
		n += fds[n] >= 0;
	}
	rc = sandbox_only(fds, n, e);
	fence->kernel = rc == 0;
	while (n > 0)
		close(fds[--n]);
	if (rc != ERR_UNSUPPORTED)
		return rc;
	err_clear(e);
	return 0;
}

static int
fence_by_order(const struct order *order, struct err *e)
{
	if (order->paths[0] == '\0')
		return 0;
	serve_spent();
	return set_fence(order->paths, module_by_number(order->module), e);
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

static size_t
answer_max(const struct options *o)
{
	return (size_t)o->output * 2 + 1024 * 1024;
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

/* The same where there is not even memory for that. */
static const char no_memory[] =
    "{\"foundanything\":false,\"success\":false,\"elements\":{},"
    "\"statistics\":{},\"errors\":[\"out of memory\"]}\n";

/* A question that this worker is not for must not look as if there was
 * nothing. */
static int
check_opened(const struct options *o, unsigned int number, struct err *e)
{
	uint32_t needs = module_needs(number) & NEEDS_OPENER;

	if (!o->serve || needs == ((uint32_t)o->needs & NEEDS_OPENER))
		return 0;
	return err_set(e, ERR_INTERNAL,
	    "this worker was not made for module %s", module_name(number));
}

/* Other modules hand bytes of the host to parsers at once. */
static bool
keeps_clean(unsigned int module)
{
	return module == MODULE_file;
}

/* What the policy and the privacy setting do not let leave this host is gone
 * from the answer before anybody else has it. */
static int
run_narrowed(const struct options *o, const struct question *q,
    const struct run_context *ctx, struct buf *out, struct err *e)
{
	module_run *run = run_by_number(q->module);
	struct narrowing n;
	int rc;

	if (!o->privacy && o->detail == DETAIL_FULL)
		return run(q->params, ctx, out, e);
	narrowing_begin(&n, module_by_number(q->module), (enum detail)o->detail,
	    o->privacy, out, answer_max(o));
	rc = run(q->params, ctx, &n.in, e);
	if (rc == 0)
		rc = narrowing_end(&n, e);
	else if (n.err.code != 0)
		*e = n.err;
	narrowing_release(&n);
	return rc;
}

/* A core for each, and no more than its share is worth. */
static int64_t
threads_of(const struct options *o)
{
	int64_t n = o->threads, cores;

	if (o->share > 0 && n > order_threads(o->share))
		n = order_threads(o->share);
	if (n <= 1) /* what follows reads a file */
		return 1;
	cores = sysconf(_SC_NPROCESSORS_ONLN);
	return n < cores ? n : cores;
}

/* order: NULL by hand. */
static int
look(const struct options *o, const struct order *order, struct buf *out,
    struct err *e)
{
	struct run_context ctx = { .read_bytes = o->read,
		.stop = &stop_flag,
		.output_max = (size_t)o->output,
		.found_only = o->detail == DETAIL_FOUND_ONLY,
		.seconds = o->seconds,
		.cpu_seconds = o->cpu,
		.cpu_percent = o->share,
		.threads = threads_of(o),
		.rights = rights,
		.hidden = hidden,
		.fence = fence,
		.agent_state = order != NULL && order->state[0] != '\0'
		    ? order->state
		    : NULL,
		.nets = opened.nets,
		.echo = &opened.echo,
		.opener = split.opener > 0 ? split.fd : -1,
		.ret_end = &ended };
	struct question q;
	int rc;

	if (o->seconds > 0)
		ctx.deadline_ms = clock_mono_ms() + o->seconds * 1000;
	if (order != NULL)
		rc = question_from_action(order, &q, e);
	else
		rc = question_from_stdin(o->module, &q, e);
	if (rc != 0)
		return rc;
	if (order != NULL && !keeps_clean(q.module))
		serve_spent();
	rc = check_opened(o, q.module, e);
	if (rc == 0)
		rc = run_narrowed(o, &q, &ctx, out, e);
	question_release(&q);
	return rc;
}

/* The end of a run that has no answer but why. */
static void
write_reason(const struct options *o, struct buf *text, struct err *e)
{
	char size[STR_SIZE_MAX];

	if (e->code == ERR_NOMEM && o->memory > 0) {
		str_size((uint64_t)o->memory, size);
		err_wrap(e, "limit reached: memory %s", size);
		ended = RUN_LIMIT;
	} else {
		ended = RUN_FAILED;
	}
	write_failure(text,
	    ended == RUN_FAILED &&
		    (o->privacy || o->detail == DETAIL_FOUND_ONLY)
		? "masked"
		: e->msg);
}

/* For mig-agent check. */
static int
say_rights(const struct options *o)
{
	struct err e;

	err_clear(&e);
	if (enter_sandbox(o, &e) != 0) {
		fprintf(stderr, "mig-worker: %s\n", e.msg);
		return RUN_FAILED;
	}
	printf("%lu %s\n", (unsigned long)rights, sandbox_describe());
	return 0;
}

static int
enter_by_hand(const struct options *o, struct err *e)
{
	const struct module *m = module_find(o->module);
	int rc;

	if (m == NULL)
		return err_set(e, ERR_UNSUPPORTED,
		    "module '%.64s' is not available", o->module);
	rc = set_cpu_limit(o->cpu, e);
	if (rc == 0 && !has_network(o))
		rc = opener_open(m->needs, &opened, e);
	if (rc == 0)
		rc = enter_sandbox(o, e);
	if (rc == 0)
		rc = set_fence(o->paths, m, e);
	if (rc != 0 || !has_network(o))
		return rc;
	rc = open_and_narrow(m->needs, e);
	return rc == 0 ? sandbox_seal(e) : rc;
}

static int
end_answer(const struct options *o, struct err *e)
{
	if (o->pretty)
		output_indent(&output);
	return output_end(&output, e);
}

static void
say_failure(int rc, const struct err *e)
{
	struct err ignored;

	if (rc == ERR_NOMEM && !output.begun)
		(void)fd_write_all(
		    STDOUT_FILENO, no_memory, sizeof(no_memory) - 1, &ignored);
	else
		fprintf(stderr, "mig-worker: %s\n", e->msg);
}

/* Nothing speaks against another order. */
static bool
stays(int status)
{
	return status == RUN_WHOLE && !serve_is_spent() && stop_flag == 0;
}

/* rc: of what was done before there was anything to look at. */
static int
answer(
    const struct options *o, const struct order *order, int rc, struct err *e)
{
	output_begin(&output, answer_max(o), o->pretty, o->serve);
	if (rc == 0)
		rc = look(o, order, &output.text, e);
	split_end(&split);
	fault_point("worker.looked");
	if (rc == 0 && order != NULL && stays(ended))
		output.hold = ORDER_SHORT_MAX;
	if (rc == 0)
		rc = end_answer(o, e);
	output.hold = 0;
	if (rc != 0 && output_again(&output, e) == 0) {
		write_reason(o, &output.text, e);
		rc = end_answer(o, e);
	}
	if (rc != 0)
		say_failure(rc, e);
	fault_point("worker.answered");
	/* giving memory back page by page costs more than the rest of the end
	 */
	if (!serve_is_spent())
		output_release(&output);
	return rc == 0 ? (int)ended : RUN_FAILED;
}

static int
one_order(struct options *o, const struct order *order, bool first)
{
	struct err e;
	int rc = 0;

	err_clear(&e);
	o->seconds = order->seconds;
	o->read = order->read_bytes;
	o->share = order->cpu_percent;
	o->output = order->output_max;
	o->privacy = order->privacy;
	o->detail = order->detail;
	if (first)
		rc = limit_by_order(o, order, &e);
	if (rc == 0)
		rc = fence_by_order(order, &e);
	fault_point("worker.limited");
	return answer(o, order, rc, &e);
}

/* All of it counts: what an order may use is the limit less this. */
static bool
cpu_to_spare(void)
{
	struct rusage u;

	if (getrusage(RUSAGE_SELF, &u) != 0)
		return false;
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
	    (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000 <
	    CPU_SPARE_MS;
}

/* Order after order, for as long as nothing speaks against it. */
static int
serve(struct options *o)
{
	struct order order;
	struct err e, failure;
	bool first = true;
	int status;

	/* large buffers go back at once, order after order; small ones when
	 * none has come for a while */
	mallopt(M_MMAP_THRESHOLD, LARGE);
	os_memory_keep();
	err_clear(&failure);
	if (enter_serving(o, &failure) == 0)
		err_clear(&failure);
	fault_point("worker.entered");
	for (;; first = false) {
		if (serve_next(&order, &e) != 0)
			return RUN_WHOLE;
		if (failure.code != 0) {
			fprintf(stderr, "%s\n", failure.msg);
			return RUN_NOT_BEGUN;
		}
		status = one_order(o, &order, first);
		if (!stays(status) || !cpu_to_spare()) {
			if (output_put(&output, &e) != 0)
				say_failure(e.code, &e);
			return status;
		}
		if (serve_done(output.text.data,
			output.held ? output.text.len : 0, &e) != 0)
			return status;
	}
}

int
main(int argc, char **argv)
{
	struct options o;
	struct err e;
	int rc, status;

	err_clear(&e);
	rc = options_parse(argc, argv, &o, &status);
	if (rc != 0)
		return status;
	if (o.rights)
		return say_rights(&o);
	set_signals();
	if (o.serve)
		_exit(serve(&o));
	rc = enter_by_hand(&o, &e);
	return answer(&o, NULL, rc, &e);
}
