/* SPDX-License-Identifier: MPL-2.0 */
#include "worker/split.h"

#include "base/err.h"
#include "base/fault.h"
#include "modules/opener.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_FD 16 /* those below have fixed meanings */

struct pair {
	int scanner, opener;
};

static int
pair_make(struct pair *ret, struct err *e)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) != 0)
		return err_errno(e, "a socket for the opener");
	/* out of the way of question, orders and answers */
	ret->scanner = fcntl(fd[0], F_DUPFD_CLOEXEC, FIRST_FD);
	ret->opener = fd[1];
	close(fd[0]);
	if (ret->scanner < 0) {
		close(fd[1]);
		return err_errno(e, "a socket for the opener");
	}
	return 0;
}

/* Nothing but its socket stays open: neither question nor answer is its
 * business. */
static _Noreturn void
serve(int fd, pid_t scanner, pid_t agent)
{
	const struct opener_self self = { .scanner = scanner, .agent = agent };

	sandbox_close_fds(&fd, 1);
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	fault_point("opener.serving");
	opener_serve(fd, &self);
	_exit(0);
}

int
split_make(
    const struct sandbox *s, pid_t agent, struct split *ret, struct err *e)
{
	pid_t scanner = getpid(), pid;
	struct pair p = { -1, -1 };
	int rc = pair_make(&p, e);

	if (rc != 0)
		return rc;
	pid = fork();
	if (pid < 0)
		return err_errno(e, "making the opener");
	if (pid == 0) {
		/* the scanner says what goes wrong: it finds no opener */
		if (sandbox_enter(s, e) != 0 || getppid() != scanner)
			_exit(1);
		serve(p.opener, scanner, agent);
	}
	close(p.opener);
	ret->fd = p.scanner;
	ret->opener = pid;
	return 0;
}

void
split_end(struct split *s)
{
	if (s->opener <= 0)
		return;
	close(s->fd);
	while (waitpid(s->opener, NULL, 0) < 0 && errno == EINTR)
		;
	s->opener = 0;
}
