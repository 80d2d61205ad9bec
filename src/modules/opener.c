/* SPDX-License-Identifier: MPL-2.0 */
/* The scanner's side. The opener is the one of the two that nobody outside
 * can have spoken to; still nothing it says is taken unchecked. */
#include "modules/opener.h"

#include "base/err.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FDS_MAX 3

struct answer {
	struct opener_reply head;
	char name[OPENER_NAME_MAX];
	int fds[FDS_MAX];
	size_t nfds;
};

static void
close_all(struct answer *a)
{
	while (a->nfds > 0)
		close(a->fds[--a->nfds]);
}

static void
take_fds(struct msghdr *mh, struct answer *a)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(mh);

	if (c == NULL || c->cmsg_level != SOL_SOCKET ||
	    c->cmsg_type != SCM_RIGHTS)
		return;
	a->nfds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(a->fds, CMSG_DATA(c), a->nfds * sizeof(int));
}

static int
ask(int fd, enum opener_request what, struct answer *a, struct err *e)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov[2] = { { &a->head, sizeof(a->head) },
		{ a->name, sizeof(a->name) - 1 } };
	struct msghdr mh = { .msg_iov = iov,
		.msg_iovlen = 2,
		.msg_control = control.bytes,
		/* the padding behind the last one would hold another */
		.msg_controllen = CMSG_LEN(FDS_MAX * sizeof(int)) };
	uint8_t request = (uint8_t)what;
	ssize_t n;

	a->nfds = 0;
	while ((n = write(fd, &request, 1)) < 0 && errno == EINTR)
		;
	if (n != 1)
		return err_errno(e, "asking the opener");
	do {
		n = recvmsg(fd, &mh, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_errno(e, "hearing from the opener");
	take_fds(&mh, a);
	if (n == 0) {
		close_all(a);
		return err_set(e, ERR_CLOSED, "the opener has ended");
	}
	if ((size_t)n != sizeof(a->head) + a->head.name_len ||
	    a->head.name_len >= sizeof(a->name) ||
	    (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		close_all(a);
		return err_set(
		    e, ERR_INTERNAL, "the opener said what makes no sense");
	}
	a->name[a->head.name_len] = '\0';
	return 0;
}

int
opener_next(int fd, struct opener_process *ret, struct err *e)
{
	struct answer a;
	int rc = ask(fd, OPENER_NEXT, &a, e);

	if (rc != 0)
		return rc;
	close_all(&a);
	if (a.head.status == 0)
		return 0;
	if (a.head.status != 1 || a.head.kind > OPENER_FAILED)
		return err_set(
		    e, ERR_INTERNAL, "the opener said what makes no sense");
	ret->pid = a.head.pid;
	ret->kind = (enum opener_kind)a.head.kind;
	ret->error = a.head.error;
	ret->named = a.head.named != 0;
	ret->deleted = a.head.deleted != 0;
	memcpy(ret->name, a.name, a.head.name_len + 1);
	return 1;
}

/* At least so many descriptors come with success. */
static int
ask_for(int fd, enum opener_request what, size_t least, struct answer *a,
    struct err *e)
{
	int rc = ask(fd, what, a, e);

	if (rc != 0)
		return rc;
	if (a->head.status == 0 && a->nfds >= least)
		return 0;
	close_all(a);
	if (a->head.status > 0)
		return a->head.status;
	return err_set(
	    e, ERR_INTERNAL, "the opener sent %zu descriptors", a->nfds);
}

static int
ask_for_one(int fd, enum opener_request what, int *ret, struct err *e)
{
	struct answer a;
	int rc = ask_for(fd, what, 1, &a, e);

	if (rc != 0)
		return rc;
	*ret = a.fds[0];
	a.fds[0] = a.fds[--a.nfds];
	close_all(&a);
	return 0;
}

int
opener_maps(int fd, int *ret_maps, struct err *e)
{
	return ask_for_one(fd, OPENER_MAPS, ret_maps, e);
}

int
opener_mounts(int fd, int *ret_mounts, struct err *e)
{
	return ask_for_one(fd, OPENER_MOUNTS, ret_mounts, e);
}

int
opener_memory(int fd, struct opener_memory *ret, struct err *e)
{
	struct answer a;
	int rc = ask_for(fd, OPENER_MEMORY, 2, &a, e);

	if (rc != 0)
		return rc;
	ret->maps = a.fds[0];
	ret->mem = a.fds[1];
	ret->pagemap = a.nfds > 2 ? a.fds[2] : -1;
	ret->detailed = a.head.detailed != 0;
	return 0;
}
