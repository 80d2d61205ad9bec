/* SPDX-License-Identifier: MPL-2.0 */
/* Rights that are there, found by trying, put beside those that are wanted. */
#include "agent/cmd/checkout.h"
#include "agent/monitor/monitor.h"
#include "base/err.h"
#include "base/file.h"
#include "modules/rights.h"
#include "proc/proc.h"
#include "sandbox/cgroup.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANSWER_MS 20000
#define CAP_KILL_BIT (1ull << 5) /* linux/capability.h */

/* --- what is there -------------------------------------------------------- */

int
checkout_spawn(const char *path, char *const *argv, int out, int in,
    pid_t *ret_pid, struct err *e)
{
	struct proc_fd fds[] = { { out, 1 }, { in, PROC_IPC_FD } };
	struct proc_spawn s = { .exec_fd = -1,
		.path = path,
		.argv = argv,
		.fds = fds,
		.nfds = in < 0 ? 1 : 2,
		.keep_stderr = true };

	return proc_spawn(&s, ret_pid, e);
}

static int
spawn_worker(const struct agent *a, int out, pid_t *ret_pid, struct err *e)
{
	static char name[] = "mig-worker", mode[] = "--rights";
	static char flag_uid[] = "--uid", flag_cover[] = "--cover";
	char path[PATH_MAX], cover[PATH_MAX], uid[24], *argv[7];
	size_t n = 0;
	int rc;

	rc = proc_sibling("mig-worker", path, sizeof(path), e);
	if (rc != 0)
		return rc;
	argv[n++] = name;
	argv[n++] = mode;
	if (a->uid != (uint32_t)-1) {
		snprintf(uid, sizeof(uid), "%" PRId64, a->conf.worker_uid);
		argv[n++] = flag_uid;
		argv[n++] = uid;
	}
	snprintf(cover, sizeof(cover), "%s", agent_conf_hidden(&a->conf));
	argv[n++] = flag_cover;
	argv[n++] = cover;
	argv[n] = NULL;
	return checkout_spawn(path, argv, out, -1, ret_pid, e);
}

static int
spawn_net(const struct agent *a, int out, pid_t *ret_pid, struct err *e)
{
	static char name[] = "mig-agent-net", mode[] = "--sandbox";
	char path[PATH_MAX], uid[24], gid[24];
	char *argv[] = { name, mode, uid, gid, NULL };
	int rc = proc_sibling("mig-agent-net", path, sizeof(path), e);

	if (rc != 0)
		return rc;
	snprintf(uid, sizeof(uid), "%" PRIu32, a->uid);
	snprintf(gid, sizeof(gid), "%" PRIu32, a->gid);
	return checkout_spawn(path, argv, out, -1, ret_pid, e);
}

/* The line that a process says in its sandbox, without the line end. */
int
checkout_ask(const struct agent *a, const char *name, checkout_start *start,
    struct buf *ret_text, int *ret_status, struct err *e)
{
	struct pollfd p = { .events = POLLIN };
	int fd[2], rc;
	pid_t pid;

	*ret_status = 0;
	if (pipe2(fd, O_CLOEXEC) != 0)
		return err_errno(e, "pipe");
	rc = start(a, fd[1], &pid, e);
	close(fd[1]);
	if (rc == 0) {
		p.fd = fd[0];
		if (poll(&p, 1, ANSWER_MS) == 0)
			kill(pid, SIGKILL);
		rc = fd_read_all(fd[0], ret_text, e);
		/* it has nobody to tell more */
		if (rc != 0) {
			err_wrap(e, "%s", name);
			kill(pid, SIGKILL);
		}
		while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
			;
	}
	close(fd[0]);
	return rc;
}

/* "FACTS SANDBOX", as the worker found them in its sandbox. */
static int
ask_worker(const struct agent *a, uint32_t *ret_facts, char *ret_sandbox,
    size_t size, struct err *e)
{
	struct buf text;
	const char *line;
	char *end = NULL;
	unsigned long facts = 0;
	int rc, status;

	buf_init(&text, 4096);
	rc = checkout_ask(a, "mig-worker", spawn_worker, &text, &status, e);
	line = rc == 0 ? buf_str(&text) : NULL;
	if (line != NULL)
		facts = strtoul(line, &end, 10);
	if (rc == 0 && (end == NULL || *end != ' ' || facts > RIGHT_ANY))
		rc = err_set(e, ERR_INTERNAL,
		    "mig-worker did not say what rights it has: %s",
		    proc_status_text(status));
	if (rc == 0) {
		*ret_facts = (uint32_t)facts;
		snprintf(ret_sandbox, size, "%.*s", (int)strcspn(end + 1, "\n"),
		    end + 1);
	}
	buf_release(&text);
	return rc;
}

static void
check_net(struct checkout *c, const struct agent *a)
{
	const char *line = NULL;
	struct buf text;
	struct err e;
	int rc, status;

	err_clear(&e);
	buf_init(&text, 4096);
	rc = checkout_ask(a, "mig-agent-net", spawn_net, &text, &status, &e);
	if (rc == 0 && status == 0)
		line = buf_str(&text);
	if (rc == 0 && (line == NULL || strchr(line, '\n') == NULL))
		rc = err_set(&e, ERR_INTERNAL,
		    "mig-agent-net did not say what its sandbox is: %s",
		    proc_status_text(status));
	if (rc == 0)
		checkout_say(
		    c, "sandbox net:", "%.*s", (int)strcspn(line, "\n"), line);
	else
		checkout_problem(c, &e);
	buf_release(&text);
}

/* --- what is said --------------------------------------------------------- */

static void
say_right(struct checkout *c, const struct right *r, const struct right_way *w)
{
	struct jsonw j;

	if (!c->json) {
		printf("right %s%s%s: %s: %s%s%s\n", r->role,
		    *r->module != '\0' ? " " : "", r->module, r->wanted, w->had,
		    strcmp(w->unseen, "-") != 0 ? "; " : "",
		    strcmp(w->unseen, "-") != 0 ? w->unseen : "");
		return;
	}
	jsonw_init(&j, &c->rights);
	j.comma = c->rights.len > 0;
	jsonw_object(&j, NULL);
	jsonw_str(&j, "role", r->role);
	jsonw_str(&j, "module", r->module);
	jsonw_str(&j, "wanted", r->wanted);
	jsonw_str(&j, "had", w->had);
	jsonw_str(&j, "notseen", w->unseen);
	jsonw_object_end(&j);
}

void
checkrights(struct checkout *c, const struct agent *a)
{
	const struct right *r;
	const struct right_way *files, *processes;
	struct cgroup *groups;
	char sandbox[256];
	struct err e;
	uint32_t facts = 0;
	size_t n, i;

	err_clear(&e);
	if (ask_worker(a, &facts, sandbox, sizeof(sandbox), &e) != 0) {
		checkout_problem(c, &e);
		return;
	}
	if ((sandbox_caps() & CAP_KILL_BIT) != 0)
		facts |= RIGHT_KILL;
	groups = cgroup_new("check");
	if (groups != NULL && cgroup_there(groups))
		facts |= RIGHT_CGROUP;
	checkout_say(c, "sandbox worker:", "%s", sandbox);
	check_net(c, a);
	checkout_say(c, "control groups:", "%s",
	    groups == NULL ? "none: out of memory" : cgroup_describe(groups));
	cgroup_free(groups);
	files = rights_of_files(facts);
	processes = rights_of_processes(facts);
	checkout_say(c, "module memory:", "looks into %s; not seen: %s",
	    processes->had, processes->unseen);
	checkout_say(c, "module file:", "reads %s; not seen: %s", files->had,
	    files->unseen);
	r = rights_all(&n);
	for (i = 0; i < n; i++)
		say_right(c, &r[i], right_way(&r[i], facts));
}

void
checkrights_table(void)
{
	const struct right_place *places;
	const struct right_way *w;
	const struct right *r;
	size_t n, np, i, k;

	r = rights_all(&n);
	places = rights_places(&np);
	printf("| role, module | wanted | where | had | not seen, not held "
	       "|\n|---|---|---|---|---|\n");
	for (i = 0; i < n; i++) {
		for (k = 0; k < np; k++) {
			w = right_way(&r[i], places[k].facts);
			printf("| %s%s%s | %s | %s | %s | %s |\n", r[i].role,
			    *r[i].module != '\0' ? ", " : "", r[i].module,
			    r[i].wanted, places[k].name, w->had, w->unseen);
		}
	}
}
