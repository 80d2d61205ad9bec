/* SPDX-License-Identifier: MPL-2.0 */
/* Blocking frames: whole, in pieces, wrong, with and without descriptors. */
#include "ipc/ipc.h"

#include "base/err.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int
count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void
test_round_trip(void **state)
{
	struct ipc_msg m;
	struct buf in;
	struct err e;
	int p[2];

	buf_init(&in, 100);
	assert_int_equal(ipc_pair(p, &e), 0);
	assert_int_equal(ipc_write(p[0], 7, 42, "body", 4, -1, &e), 0);
	assert_int_equal(ipc_write(p[0], 65535, 0, NULL, 0, -1, &e), 0);
	assert_int_equal(ipc_read(p[1], &in, &m, false, &e), 0);
	assert_int_equal(m.type, 7);
	assert_int_equal(m.request, 42);
	assert_int_equal(m.len, 4);
	assert_memory_equal(m.body, "body", 4);
	assert_int_equal(m.fd, -1);
	assert_int_equal(ipc_read(p[1], &in, &m, true, &e), 0);
	assert_int_equal(m.type, 65535);
	assert_int_equal(m.len, 0);
	assert_int_equal(m.fd, -1);
	close(p[0]);
	assert_int_equal(ipc_read(p[1], &in, &m, false, &e), ERR_CLOSED);
	assert_int_equal(ipc_write(p[1], 1, 1, "x", 1, -1, &e), ERR_CLOSED);
	close(p[1]);
	buf_release(&in);
}

/* Far more than a socket holds: both sides work in pieces. */
static void
test_large(void **state)
{
	size_t len = 4 << 20;
	uint8_t *big = malloc(len);
	struct ipc_msg m;
	struct buf in;
	struct err e;
	int p[2], status;
	pid_t pid;

	for (size_t i = 0; i < len; i++)
		big[i] = (uint8_t)(i * 31 >> 3);
	buf_init(&in, len);
	assert_int_equal(ipc_pair(p, &e), 0);
	pid = fork();
	if (pid == 0) {
		/* non-blocking on purpose: it must wait by itself */
		fcntl(p[0], F_SETFL, O_NONBLOCK);
		_exit(ipc_write(p[0], 1, 2, big, len, 0, &e) == 0 ? 0 : 1);
	}
	close(p[0]);
	assert_int_equal(ipc_read(p[1], &in, &m, true, &e), 0);
	assert_int_equal(m.len, len);
	assert_memory_equal(m.body, big, len);
	assert_true(m.fd >= 0);
	close(m.fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(p[1]);
	buf_release(&in);
	free(big);
}

static void
test_pieces(void **state)
{
	static const char frame[] = "\0\0\0\3\0\5\0\0\0\0\0\11abc";
	struct ipc_msg m;
	struct buf in;
	struct err e;
	int p[2], status;
	pid_t pid;

	buf_init(&in, 100);
	assert_int_equal(ipc_pair(p, &e), 0);
	pid = fork();
	if (pid == 0) {
		for (size_t i = 0; i < sizeof(frame) - 1; i++) {
			if (write(p[0], frame + i, 1) != 1)
				_exit(1);
			usleep(200);
		}
		_exit(0);
	}
	assert_int_equal(ipc_read(p[1], &in, &m, false, &e), 0);
	assert_int_equal(m.type, 5);
	assert_int_equal(m.request, 9);
	assert_memory_equal(m.body, "abc", 3);
	waitpid(pid, &status, 0);
	close(p[0]);
	close(p[1]);
	buf_release(&in);
}

static void
test_its_time_is_over(void **state)
{
	const struct timeval limit = { .tv_usec = 20000 };
	size_t len = 4 << 20;
	uint8_t *big = calloc(1, len);
	struct ipc_msg m;
	struct buf in;
	struct err e;
	int p[2];

	buf_init(&in, 100);
	assert_int_equal(ipc_pair(p, &e), 0);
	setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(p[0], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	/* before a message, in one, and while nobody reads */
	assert_int_equal(ipc_read(p[0], &in, &m, false, &e), ERR_TIMEOUT);
	assert_int_equal(write(p[1], "\0\0", 2), 2);
	assert_int_equal(ipc_read(p[0], &in, &m, false, &e), ERR_TIMEOUT);
	assert_int_equal(ipc_write(p[0], 1, 1, big, len, -1, &e), ERR_TIMEOUT);
	close(p[0]);
	close(p[1]);
	buf_release(&in);
	free(big);
}

static void
test_bad(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		int want;
	} t[] = {
		{ "", 0, ERR_CLOSED },
		{ "\0\0\0", 3, ERR_INVALID },
		{ "\0\0\0\1\0\1\0\0\0\0\0\0", 12, ERR_INVALID },
		{ "\0\0\0\3\0\1\0\0\0\0\0\0ab", 14, ERR_INVALID },
		{ "\0\0\0\145\0\1\0\0\0\0\0\0", 12, ERR_TOOBIG },
		{ "\xff\xff\xff\xff\0\1\0\0\0\0\0\0", 12, ERR_TOOBIG },
		{ "\0\0\0\0\0\1\0\1\0\0\0\0", 12, ERR_INVALID },
		{ "\0\0\0\0\0\1\1\0\0\0\0\0", 12, ERR_INVALID },
	};
	struct ipc_msg m;
	struct buf in;
	struct err e;
	int p[2];

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		buf_init(&in, 100);
		assert_int_equal(ipc_pair(p, &e), 0);
		assert_int_equal(write(p[0], t[i].bytes, t[i].len), t[i].len);
		close(p[0]);
		assert_int_equal(ipc_read(p[1], &in, &m, false, &e), t[i].want);
		close(p[1]);
		buf_release(&in);
	}
}

static void
send_fds(int sock, const char *bytes, size_t len, int nfds)
{
	char space[CMSG_SPACE(sizeof(int) * 8)] = { 0 };
	struct iovec iov = { strdup(bytes), len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	int fds[8] = { 0 };

	free(iov.iov_base);
	iov.iov_base = malloc(len);
	memcpy(iov.iov_base, bytes, len);
	m.msg_control = space;
	m.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)nfds);
	c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)nfds);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)nfds);
	assert_int_equal(sendmsg(sock, &m, 0), len);
	free(iov.iov_base);
}

/* Descriptors that nobody asked for are closed, never kept. */
static void
test_descriptors(void **state)
{
	static const char frame[] = "\0\0\0\1\0\1\0\0\0\0\0\0x";
	struct ipc_msg m;
	struct buf in;
	struct err e;
	int p[2], before;

	buf_init(&in, 100);
	for (int nfds = 1; nfds <= 8; nfds++) {
		for (int take = 0; take < 2; take++) {
			before = count_fds();
			assert_int_equal(ipc_pair(p, &e), 0);
			send_fds(p[0], frame, 13, nfds);
			if (take == 1 && nfds == 1) {
				assert_int_equal(
				    ipc_read(p[1], &in, &m, true, &e), 0);
				assert_true(fcntl(m.fd, F_GETFD) == FD_CLOEXEC);
				close(m.fd);
			} else {
				assert_int_equal(
				    ipc_read(p[1], &in, &m, take, &e),
				    ERR_INVALID);
			}
			close(p[0]);
			close(p[1]);
			assert_int_equal(count_fds(), before);
		}
	}
	/* one that comes in the middle of a body */
	before = count_fds();
	assert_int_equal(ipc_pair(p, &e), 0);
	assert_int_equal(write(p[0], "\0\0\0\2\0\1\0\0\0\0\0\0x", 13), 13);
	send_fds(p[0], "y", 1, 1);
	assert_int_equal(ipc_read(p[1], &in, &m, true, &e), ERR_INVALID);
	close(p[0]);
	close(p[1]);
	assert_int_equal(count_fds(), before);
	/* and each belongs to its own frame */
	assert_int_equal(ipc_pair(p, &e), 0);
	assert_int_equal(ipc_write(p[0], 1, 0, "a", 1, -1, &e), 0);
	assert_int_equal(ipc_write(p[0], 2, 0, "b", 1, 0, &e), 0);
	assert_int_equal(ipc_write(p[0], 3, 0, NULL, 0, 0, &e), 0);
	assert_int_equal(ipc_read(p[1], &in, &m, true, &e), 0);
	assert_int_equal(m.fd, -1);
	assert_int_equal(ipc_read(p[1], &in, &m, true, &e), 0);
	assert_true(m.fd >= 0);
	close(m.fd);
	assert_int_equal(ipc_read(p[1], &in, &m, true, &e), 0);
	assert_true(m.type == 3 && m.fd >= 0);
	close(m.fd);
	close(p[0]);
	close(p[1]);
	buf_release(&in);
}

static void
test_random(void **state)
{
	struct ipc_msg m;
	uint8_t junk[64];
	struct buf in;
	struct err e;
	int p[2];

	srandom(3);
	for (int i = 0; i < 3000; i++) {
		size_t len = (size_t)random() % sizeof(junk);

		for (size_t j = 0; j < len; j++)
			junk[j] = random() % 3 ? 0 : (uint8_t)random();
		buf_init(&in, 32);
		assert_int_equal(ipc_pair(p, &e), 0);
		assert_int_equal(write(p[0], junk, len), len);
		close(p[0]);
		while (ipc_read(p[1], &in, &m, false, &e) == 0)
			assert_true(m.len <= 32);
		close(p[1]);
		buf_release(&in);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_its_time_is_over),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
