/* SPDX-License-Identifier: MPL-2.0 */
#include "agent/monitor/notice.h"

#include "agent/conf.h"
#include "base/bucket.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/str.h"
#include "modules/module.h"
#include "proc/proc.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#define TEXT_LEN_MAX 1024
#define NAME_SHOWN 200 /* bytes of an action's name */
#define BURST 10       /* notices at once, then one in REFILL_US */
#define REFILL_US 6000000

struct notice {
	const struct agent_conf *conf; /* borrowed */
	struct proc_loop *loop;        /* borrowed */
	struct bucket rate;
	uint64_t left_out;
	pid_t helper; /* 0: none runs */
	bool warned;
};

struct notice *
notice_new(const struct agent_conf *c, struct proc_loop *l)
{
	struct notice *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return NULL;
	n->conf = c;
	n->loop = l;
	return n;
}

void
notice_free(struct notice *n)
{
	if (n != NULL && n->helper > 0)
		proc_loop_unwatch(n->loop, n->helper);
	free(n);
}

/* By whom, in one go: the names of persons stand in the policy, which this
 * process does not read. */
static void
add_signers(const struct verify_verdict *by, struct buf *out)
{
	char hex[2 * PGP_FPR_LEN + 1];
	const char *sep = " signed by ";
	size_t i;

	for (i = 0; i < by->n; i++) {
		if (by->signers[i].verdict != SIG_GOOD)
			continue;
		hex_encode(by->signers[i].person, PGP_FPR_LEN, hex);
		buf_add_fmt(out, "%s%s", sep, hex);
		sep = ", ";
	}
}

/* Each module once. */
static void
add_modules(const struct judge_verdict *v, struct buf *out)
{
	const char *name, *sep = " asks ";
	size_t i, j;

	for (i = 0; i < v->noperations; i++) {
		for (j = 0; j < i && v->modules[j] != v->modules[i]; j++)
			;
		if (j < i)
			continue;
		name = module_name(v->modules[i]);
		buf_add_fmt(out, "%s%s", sep, name != NULL ? name : "unknown");
		sep = ", ";
	}
}

void
notice_text(const struct judge_verdict *v, const struct verify_verdict *by,
    struct buf *out)
{
	buf_add_fmt(out, "action %s \"", id_short(&v->id).s);
	str_add_printable(out, v->name, strnlen(v->name, NAME_SHOWN));
	buf_add_str(out, "\"");
	add_signers(by, out);
	add_modules(v, out);
}

/* RFC 3164 as the C library writes it; the daemon may be away. */
static int
to_syslog(const struct notice *n, const char *text, struct err *e)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	char line[TEXT_LEN_MAX + 64];
	int fd, len, rc = 0;

	if (!str_copy(to.sun_path, sizeof(to.sun_path), n->conf->notice_socket))
		return err_set(e, ERR_TOOBIG, "notice_socket: path too long");
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(e, "socket");
	len = snprintf(line, sizeof(line), "<%d>mig-agent[%d]: %s",
	    LOG_AUTH | LOG_NOTICE, (int)getpid(), text);
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0 ||
	    send(fd, line, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT) != len)
		rc = err_errno(e, "%s", to.sun_path);
	close(fd);
	return rc;
}

static void
on_helper(pid_t pid, int wait_status, void *arg)
{
	struct notice *n = arg;

	n->helper = 0;
	if (wait_status != 0 && !n->warned) {
		n->warned = true;
		log_warn(
		    "notice_failed helper=%s", proc_status_text(wait_status));
	}
}

static int
to_desktop(struct notice *n, const char *text, struct err *e)
{
	static char name[] = "mig-agent-notice";
	char path[PATH_MAX], *body = strdup(text);
	char *argv[] = { name, body, NULL };
	struct proc_spawn s = { .path = path, .exec_fd = -1, .argv = argv };
	int rc;

	if (body == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	rc = n->helper > 0 ? err_set(e, ERR_BUSY, "the one before still runs")
			   : proc_sibling(name, path, sizeof(path), e);
	if (rc == 0)
		rc = proc_spawn(&s, &n->helper, e);
	if (rc == 0)
		rc = proc_loop_watch(n->loop, n->helper, on_helper, n);
	free(body);
	return rc;
}

void
notice_accepted(struct notice *n, const struct judge_verdict *v,
    const struct verify_verdict *by)
{
	bool desktop = strcmp(n->conf->notice, "desktop") == 0;
	struct err e;
	struct buf b;
	int rc;

	if (!desktop && strcmp(n->conf->notice, "syslog") != 0)
		return;
	if (bucket_take(&n->rate, (int64_t)BURST * REFILL_US, REFILL_US,
		clock_mono_ms()) != 0) {
		n->left_out++;
		return;
	}
	err_clear(&e);
	buf_init(&b, TEXT_LEN_MAX);
	if (n->left_out > 0)
		buf_add_fmt(&b, "(%" PRIu64 " more before) ", n->left_out);
	notice_text(v, by, &b);
	if (b.error != 0 || buf_str(&b) == NULL)
		rc = err_set(&e, ERR_TOOBIG, "no room for the text");
	else if (desktop)
		rc = to_desktop(n, buf_str(&b), &e);
	else
		rc = to_syslog(n, buf_str(&b), &e);
	buf_release(&b);
	if (rc == 0) {
		n->left_out = 0;
		n->warned = false;
		return;
	}
	n->left_out++;
	if (!n->warned)
		log_warn("notice_failed why=%s", log_quote(e.msg));
	n->warned = true;
}
