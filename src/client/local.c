/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Runs mig-worker: parameters to its standard input, its answer from its
 * standard output, its complaints from its standard error. It has its own
 * process group, so that Ctrl-C reaches it as a SIGTERM from here, upon which
 * it answers with what it has.
 */
#include "client/local.h"

#include "action/result.h"
#include "base/err.h"
#include "base/file.h"
#include "client/interrupt.h"
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

struct local_io {
	int in, out, errfd; /* our ends; -1 when closed */
	const char *text;   /* still to be written */
	size_t left;
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
local_write(struct local_io *io)
{
	ssize_t n = write(io->in, io->text, io->left);

	if (n > 0) {
		io->text += n;
		io->left -= (size_t)n;
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		io->left = 0; /* it went away; its exit will say why */
	}
	if (io->left == 0)
		close_fd(&io->in);
}

/* False when there is more output than may be. */
static bool
local_read(int *fd, struct buf *b)
{
	char chunk[65536];
	ssize_t n = read(*fd, chunk, sizeof(chunk));

	if (n > 0)
		return buf_add(b, chunk, (size_t)n) == 0;
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		close_fd(fd);
	return true;
}

/* Until both outputs are closed. */
static int
local_pump(struct local_io *io, pid_t pid, struct buf *out,
    struct buf *complaints, struct err *e)
{
	struct pollfd p[3];
	bool room = true;

	while (io->out >= 0 || io->errfd >= 0) {
		if (interrupt_seen() && !io->told_to_stop) {
			proc_kill_group(pid, SIGTERM);
			io->told_to_stop = true;
		}
		p[0] = (struct pollfd){ .fd = io->in, .events = POLLOUT };
		p[1] = (struct pollfd){ .fd = io->out, .events = POLLIN };
		p[2] = (struct pollfd){ .fd = io->errfd, .events = POLLIN };
		if (poll(p, 3, 200) < 0 && errno != EINTR)
			return err_errno(e, "poll");
		if (io->in >= 0 && p[0].revents != 0)
			local_write(io);
		if (io->out >= 0 && p[1].revents != 0)
			room = local_read(&io->out, out);
		if (!room)
			return err_set(e, ERR_TOOBIG,
			    "the answer of mig-worker is too large; narrow "
			    "the search");
		if (io->errfd >= 0 && p[2].revents != 0 &&
		    !local_read(&io->errfd, complaints))
			close_fd(&io->errfd);
	}
	return 0;
}

static int
local_spawn(
    const char *module, struct local_io *io, pid_t *ret_pid, struct err *e)
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
	snprintf(name, sizeof(name), "%s", module);
	argv[0] = path;
	argv[1] = name;
	argv[2] = NULL;
	fds[0] = (struct proc_fd){ in[0], 0 };
	fds[1] = (struct proc_fd){ out[1], 1 };
	fds[2] = (struct proc_fd){ er[1], 2 };
	s.fds = fds;
	s.nfds = 3;
	s.own_group = true;
	r = proc_spawn(&s, ret_pid, e);
	if (r != 0)
		goto out;
	io->in = in[1];
	io->out = out[0];
	io->errfd = er[0];
	in[1] = out[0] = er[0] = -1;
	fd_set_nonblock(io->in);
out:
	close_fd(&in[0]);
	close_fd(&in[1]);
	close_fd(&out[0]);
	close_fd(&out[1]);
	close_fd(&er[0]);
	close_fd(&er[1]);
	return r;
}

int
local_run(const char *module, const json_t *parameters, struct buf *out,
    unsigned int *ret_status, struct err *e)
{
	struct local_io io = { -1, -1, -1, NULL, 0, false };
	struct buf complaints;
	int r, status = 0;
	pid_t pid;
	char *text;

	text = json_text(parameters, JSON_COMPACT);
	if (text == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	buf_init(&complaints, LOCAL_ERROR_MAX);
	io.text = text;
	io.left = strlen(text);
	r = local_spawn(module, &io, &pid, e);
	if (r != 0)
		goto out;
	r = local_pump(&io, pid, out, &complaints, e);
	if (r != 0)
		proc_kill_group(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r != 0)
		goto out;
	*ret_status = PART_DONE;
	if (status == 0 && out->len > 0)
		goto out;
	*ret_status = PART_FAILED;
	if (out->len > 0 && out->data[0] == '{')
		goto out; /* it failed, yet has something to say */
	buf_clear(out);
	while (
	    complaints.len > 0 && complaints.data[complaints.len - 1] == '\n')
		complaints.len--;
	if (complaints.len > 0)
		buf_add(out, complaints.data, complaints.len);
	else
		buf_add_fmt(out, "mig-worker: %s", proc_status_text(status));
out:
	close_fd(&io.in);
	close_fd(&io.out);
	close_fd(&io.errfd);
	buf_release(&complaints);
	free(text);
	return r;
}
