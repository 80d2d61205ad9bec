/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Runs mig-worker for each operation: parameters to its standard input, its
 * answer from its standard output, its complaints from its standard error. Each
 * has its own process group, so that Ctrl-C reaches it as a SIGTERM from here,
 * upon which it answers with what it has.
 */
#include "client/ask/local.h"

#include "action/result.h"
#include "base/err.h"
#include "base/file.h"
#include "client/ask/interrupt.h"
#include "json/json.h"
#include "proc/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOCAL_ERROR_MAX (16 * 1024)

/* The one beside this program, else the first in PATH. */
static int
local_worker(char *out, size_t size, struct err *e)
{
	const char *path = getenv("PATH"), *end;
	int n;

	if (proc_sibling("mig-worker", out, size, NULL) == 0 &&
	    access(out, X_OK) == 0)
		return 0;
	for (; path != NULL && *path != '\0'; path = *end ? end + 1 : end) {
		end = strchrnul(path, ':');
		n = snprintf(
		    out, size, "%.*s/mig-worker", (int)(end - path), path);
		if (n > 0 && (size_t)n < size && out[0] == '/' &&
		    access(out, X_OK) == 0)
			return 0;
	}
	return err_set(e, ERR_NOTFOUND,
	    "mig-worker is neither beside mig nor in PATH; is it installed?");
}

/* Each worker takes one core at most; what hangs is to hold up few. */
#define AT_ONCE 4
#define POLL_MS 200

/* One worker. */
struct child {
	struct local_op *op; /* NULL: free */
	pid_t pid;
	int in, out, errfd; /* our ends; -1 when closed */
	char *text;
	const char *at; /* of it, still to be written */
	size_t left;
	struct buf complaints;
	bool told_to_stop;
};

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void
child_write(struct child *c)
{
	ssize_t n = write(c->in, c->at, c->left);

	if (n > 0) {
		c->at += n;
		c->left -= (size_t)n;
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		c->left = 0; /* it went away; its exit will say why */
	}
	if (c->left == 0)
		close_fd(&c->in);
}

/* False when there is more output than may be. */
static bool
child_read(int *fd, struct buf *b)
{
	char chunk[65536];
	ssize_t n = read(*fd, chunk, sizeof(chunk));

	if (n > 0)
		return buf_add(b, chunk, (size_t)n) == 0;
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		close_fd(fd);
	return true;
}

/* p: what poll(2) said of its three descriptors. */
static int
child_pump(struct child *c, const struct pollfd *p, struct err *e)
{
	if (interrupt_seen() && !c->told_to_stop) {
		proc_kill_group(c->pid, SIGTERM);
		c->told_to_stop = true;
	}
	if (c->in >= 0 && p[0].revents != 0)
		child_write(c);
	if (c->out >= 0 && p[1].revents != 0 &&
	    !child_read(&c->out, &c->op->out))
		return err_set(e, ERR_TOOBIG,
		    "the answer of mig-worker is too large; narrow the search");
	if (c->errfd >= 0 && p[2].revents != 0 &&
	    !child_read(&c->errfd, &c->complaints))
		close_fd(&c->errfd);
	return 0;
}

static int
child_spawn(struct child *c, struct err *e)
{
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, er[2] = { -1, -1 }, r;
	char path[4096], *argv[3], name[64];
	struct proc_spawn s = { .path = path, .exec_fd = -1, .argv = argv };
	struct proc_fd fds[3];

	r = local_worker(path, sizeof(path), e);
	if (r != 0)
		return r;
	if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 ||
	    pipe2(er, O_CLOEXEC) != 0) {
		r = err_errno(e, "pipe");
		goto out;
	}
	snprintf(name, sizeof(name), "%s", c->op->module);
	argv[0] = path;
	argv[1] = name;
	argv[2] = NULL;
	fds[0] = (struct proc_fd){ in[0], 0 };
	fds[1] = (struct proc_fd){ out[1], 1 };
	fds[2] = (struct proc_fd){ er[1], 2 };
	s.fds = fds;
	s.nfds = 3;
	s.own_group = true;
	r = proc_spawn(&s, &c->pid, e);
	if (r != 0)
		goto out;
	c->in = in[1];
	c->out = out[0];
	c->errfd = er[0];
	in[1] = out[0] = er[0] = -1;
	fd_set_nonblock(c->in);
out:
	close_fd(&in[0]);
	close_fd(&in[1]);
	close_fd(&out[0]);
	close_fd(&out[1]);
	close_fd(&er[0]);
	close_fd(&er[1]);
	return r;
}

static void
child_release(struct child *c)
{
	close_fd(&c->in);
	close_fd(&c->out);
	close_fd(&c->errfd);
	buf_release(&c->complaints);
	free(c->text);
	c->op = NULL;
}

static int
child_start(struct child *c, struct local_op *op, struct err *e)
{
	int r;

	*c = (struct child){ .op = op, .in = -1, .out = -1, .errfd = -1 };
	buf_init(&c->complaints, LOCAL_ERROR_MAX);
	c->text = json_text(op->parameters, JSON_COMPACT);
	if (c->text == NULL)
		r = err_set(e, ERR_NOMEM, "out of memory");
	else
		r = child_spawn(c, e);
	if (r != 0) {
		child_release(c);
		return r;
	}
	c->at = c->text;
	c->left = strlen(c->text);
	return 0;
}

static int
child_wait(const struct child *c)
{
	int status = 0;

	while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/* It closed both outputs. */
static void
child_ended(struct child *c)
{
	struct local_op *op = c->op;
	struct buf *words = &c->complaints;
	int status = child_wait(c);

	op->status = status == 0 && op->out.len > 0 ? PART_DONE : PART_FAILED;
	/* it may have failed, yet have something to say */
	if (op->status == PART_FAILED &&
	    (op->out.len == 0 || op->out.data[0] != '{')) {
		buf_clear(&op->out);
		while (words->len > 0 && words->data[words->len - 1] == '\n')
			words->len--;
		if (words->len > 0)
			buf_add(&op->out, words->data, words->len);
		else
			buf_add_fmt(&op->out, "mig-worker: %s",
			    proc_status_text(status));
	}
	child_release(c);
}

/* Waits for whichever has something to say; how many still run. */
static int
pump_all(struct child children[static AT_ONCE], struct err *e)
{
	struct pollfd p[3 * AT_ONCE];
	struct child *c;
	size_t i;
	int r;

	for (i = 0; i < AT_ONCE; i++) {
		c = &children[i];
		p[3 * i] = (struct pollfd){ .fd = c->op != NULL ? c->in : -1,
			.events = POLLOUT };
		p[3 * i + 1] =
		    (struct pollfd){ .fd = c->op != NULL ? c->out : -1,
			    .events = POLLIN };
		p[3 * i + 2] =
		    (struct pollfd){ .fd = c->op != NULL ? c->errfd : -1,
			    .events = POLLIN };
	}
	if (poll(p, 3 * AT_ONCE, POLL_MS) < 0 && errno != EINTR)
		return err_errno(e, "poll");
	for (i = 0; i < AT_ONCE; i++) {
		c = &children[i];
		if (c->op == NULL)
			continue;
		r = child_pump(c, &p[3 * i], e);
		if (r != 0)
			return r;
		if (c->out < 0 && c->errfd < 0)
			child_ended(c);
	}
	return 0;
}

/* A free place for the next one; NULL: none. */
static struct child *
free_child(struct child children[static AT_ONCE])
{
	size_t i;

	for (i = 0; i < AT_ONCE; i++) {
		if (children[i].op == NULL)
			return &children[i];
	}
	return NULL;
}

static size_t
running(const struct child children[static AT_ONCE])
{
	size_t i, n = 0;

	for (i = 0; i < AT_ONCE; i++)
		n += children[i].op != NULL;
	return n;
}

int
local_run(struct local_op *ops, size_t n, struct err *e)
{
	struct child children[AT_ONCE] = { 0 }, *c;
	size_t next = 0, i;
	int r = 0;

	while (r == 0 && (next < n || running(children) > 0)) {
		if (next < n && (c = free_child(children)) != NULL)
			r = child_start(c, &ops[next++], e);
		else
			r = pump_all(children, e);
	}
	for (i = 0; i < AT_ONCE; i++) {
		c = &children[i];
		if (c->op == NULL)
			continue;
		proc_kill_group(c->pid, SIGKILL);
		child_wait(c);
		child_release(c);
	}
	return r;
}
