/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Questions about memory, answered by one thread and by three: the same to its
 * order. What opens is the test's own: it names the processes of a list, so
 * nothing else of this host is in the answers.
 */
#include "modules/memory/run.h"

#include "base/buf.h"
#include "base/err.h"
#include "json/json.h"
#include "modules/opener.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PROCESSES 40
#define ODD 7    /* every so many are of another kind */
#define COSTLY 9 /* its name costs an expression of nested repeats too much */
#define COSTLY_NAME "/bin/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"

static pid_t pids[PROCESSES];
static unsigned int *most_threads; /* of this process; shared */

/* Each holds its number, as an argument and far from where that is. */
static pid_t
start_sleep(unsigned int i)
{
	char name[] = "sleep", arg[32], env[32], *fill;
	char *argv[] = { name, arg, NULL };
	char *envp[] = { env, NULL, NULL, NULL, NULL, NULL, NULL, NULL };
	pid_t pid;
	size_t k;

	pid = fork();
	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(arg, sizeof(arg), "1000.7%03u123", i);
	snprintf(env, sizeof(env), "E=begin%03u", i);
	fill = malloc(100000);
	if (fill == NULL)
		_exit(1);
	memset(fill, '.', 100000);
	memcpy(fill, "F=", 2);
	fill[99999] = '\0';
	for (k = 1; k < 6; k++)
		envp[k] = fill;
	execve("/bin/sleep", argv, envp);
	_exit(1);
}

/* Until it is that program, and not this one any more. */
static void
wait_for_sleep(pid_t pid)
{
	char path[32], name[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%ld/cmdline", (long)pid);
	do {
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		assert_true(fd >= 0);
		n = read(fd, name, sizeof(name) - 1);
		close(fd);
		assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	} while (n < 6 || memcmp(name, "sleep", 6) != 0);
}

/* --- what opens ----------------------------------------------------------- */

static void
count_threads(void)
{
	char path[32];
	unsigned int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%ld/task", (long)getppid());
	d = opendir(path);
	while (d != NULL && readdir(d) != NULL)
		n++;
	if (d != NULL)
		closedir(d);
	if (n > *most_threads + 2)
		*most_threads = n - 2;
}

static void
say(int fd, const struct opener_reply *head, const char *name, const int *fds,
    size_t n)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(3 * sizeof(int))];
	} control = { .bytes = { 0 } };
	struct opener_reply h = *head;
	char text[64];
	struct iovec iov[2] = { { &h, sizeof(h) }, { text, h.name_len } };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2 };
	struct cmsghdr *c;

	memcpy(text, name, h.name_len);
	if (n > 0) {
		mh.msg_control = control.bytes;
		mh.msg_controllen = CMSG_SPACE(n * sizeof(int));
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	if (sendmsg(fd, &mh, MSG_NOSIGNAL) < 0)
		_exit(1);
}

static void
say_process(int fd, unsigned int i)
{
	static const enum opener_kind kinds[] = { OPENER_KERNEL, OPENER_ZOMBIE,
		OPENER_OWN, OPENER_AGENT, OPENER_VANISHED, OPENER_FAILED };
	char name[64];
	struct opener_reply h = { .status = 1,
		.pid = 1000 + i,
		.named = 1,
		.kind = OPENER_ORDINARY };

	snprintf(name, sizeof(name), "/bin/sleep%u", i);
	if (i == COSTLY)
		snprintf(name, sizeof(name), "%s", COSTLY_NAME);
	if (i % ODD == ODD - 1) {
		h.kind = (uint8_t)kinds[i / ODD % 6];
		h.error = h.kind == OPENER_FAILED ? EACCES : 0;
	}
	h.name_len = (uint32_t)strlen(name);
	say(fd, &h, name, NULL, 0);
}

static void
say_open(int fd, pid_t pid, const char *const *names, size_t n)
{
	const struct opener_reply ok = { .detailed = 1 },
				  none = { .status = EPERM };
	char path[64];
	int fds[3];
	size_t i;

	/* one that may not be looked into */
	if (pid == pids[3]) {
		say(fd, &none, "", NULL, 0);
		return;
	}
	for (i = 0; i < n; i++) {
		snprintf(
		    path, sizeof(path), "/proc/%ld/%s", (long)pid, names[i]);
		fds[i] = open(path, O_RDONLY | O_CLOEXEC);
		if (fds[i] < 0)
			_exit(1);
	}
	say(fd, &ok, "", fds, n);
	while (n > 0)
		close(fds[--n]);
}

static _Noreturn void
serve(int fd)
{
	static const char *const memory[] = { "smaps", "mem", "pagemap" };
	static const char *const maps[] = { "maps" },
				 *const mounts[] = { "mountinfo" };
	const struct opener_reply end = { .status = 0 };
	unsigned int next = 0;
	uint8_t what;

	while (read(fd, &what, 1) == 1) {
		count_threads();
		if (what == OPENER_MOUNTS)
			say_open(fd, getpid(), mounts, 1);
		else if (what == OPENER_MAPS)
			say_open(fd, pids[next - 1], maps, 1);
		else if (what == OPENER_MEMORY)
			say_open(fd, pids[next - 1], memory, 3);
		else if (next == PROCESSES)
			say(fd, &end, "", NULL, 0);
		else
			say_process(fd, next++);
	}
	_exit(0);
}

/* --- questions ------------------------------------------------------------ */

/* What differs from run to run: how long it took; and by what, as it is made
 * at once for threads. */
static json_t *
without_time(const struct buf *out)
{
	json_t *v = json_loadb((const char *)out->data, out->len, 0, NULL);
	json_t *stats;

	assert_non_null(v);
	stats = json_object_get(v, "statistics");
	assert_int_equal(json_object_del(stats, "exectime"), 0);
	assert_int_equal(json_object_del(stats, "engine"), 0);
	return v;
}

static json_t *
ask(const char *question, int64_t threads)
{
	struct run_context ctx = { .threads = threads, .output_max = 16 << 20 };
	json_t *params = json_loads(question, 0, NULL), *answer;
	struct buf out;
	struct err e;
	int fd[2], status;
	pid_t opener;

	assert_non_null(params);
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), 0);
	fflush(NULL);
	opener = fork();
	assert_true(opener >= 0);
	if (opener == 0) {
		close(fd[0]);
		serve(fd[1]);
	}
	close(fd[1]);
	ctx.opener = fd[0];
	buf_init(&out, 64 << 20);
	err_clear(&e);
	if (memory_run(params, &ctx, MATCH_BEST, &out, &e) != 0)
		fail_msg("%s", e.msg);
	close(fd[0]);
	assert_int_equal(waitpid(opener, &status, 0), opener);
	assert_int_equal(status, 0);
	json_decref(params);
	answer = without_time(&out);
	buf_release(&out);
	return answer;
}

static int64_t
hits(const json_t *answer)
{
	return json_integer_value(json_object_get(
	    json_object_get(answer, "statistics"), "totalhits"));
}

static int64_t
not_examined(const json_t *answer, const char *word)
{
	return json_integer_value(json_object_get(
	    json_object_get(
		json_object_get(answer, "statistics"), "notexamined"),
	    word));
}

static void
test_same_by_any_number(void **state)
{
	static const struct {
		const char *question;
		int64_t hits;
	} table[] = {
		/* those that can be looked into: 40, less 5 and 1 */
		{ "{\"searches\": {\"s\": {\"contents\": "
		  "[\"1000[.]7\\\\d+123\"],"
		  "\"options\": {\"matchall\": true}}}}",
		    34 },
		/* each for itself, and at several offsets: several passes */
		{ "{\"searches\": {"
		  "\"a\": {\"names\": [\"sleep1\"], \"bytes\": "
		  "[\"453d626567696e\"],"
		  "\"options\": {\"matchall\": true}},"
		  "\"b\": {\"libraries\": [\"libc\"], \"contents\": "
		  "[\"7013123\","
		  "\"nowhere[x]here\"], \"options\": {\"logfailures\": true}},"
		  "\"c\": {\"contents\": [\"begin02\"],"
		  "\"options\": {\"matchall\": true, \"offset\": 4096}},"
		  "\"d\": {\"contents\": [\"begin0\"],"
		  "\"options\": {\"matchall\": true, \"maxlength\": 8192}}}}",
		    52 },
		/* too long for PCRE2: told of each */
		{ "{\"searches\": {\"s\": {\"contents\": "
		  "[\"123(?:\\\\pL{2}|(?s:.*))nowhere[x]here\"],"
		  "\"options\": {\"matchall\": true}}}}",
		    0 },
	};
	unsigned int alone;
	json_t *one, *three;
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		*most_threads = 0;
		one = ask(table[i].question, 1);
		alone = *most_threads;
		three = ask(table[i].question, 3);
		assert_true(*most_threads > alone);
		if (!json_equal(one, three)) {
			json_dumpf(one, stderr, JSON_INDENT(1));
			json_dumpf(three, stderr, JSON_INDENT(1));
			fail_msg("question %zu: two answers", i);
		}
		assert_int_equal(hits(one), table[i].hits);
		json_decref(one);
		json_decref(three);
	}
}

/* "sleep1"; of COSTLY_NAME it is not known. */
#define NESTED "\"^/bin/(?:(?:a|aa|a[a-z])+[cd]|a+b|sleep1)$\""

static void
test_given_up(void **state)
{
	static const struct {
		const char *search;
		int64_t hits;
		const char *told;
	} table[] = {
		{ "\"names\": [" NESTED "]", 1, "process 1009 " COSTLY_NAME },
		/* what is found counts */
		{ "\"names\": [" NESTED ", \"ab$\"]", 2,
		    "process 1009 " COSTLY_NAME },
		/* its memory has what is asked */
		{ "\"names\": [" NESTED "], \"contents\": [\"1000[.]7009\"],"
		  "\"options\": {\"matchall\": true}",
		    0, "process 1009 " COSTLY_NAME },
		/* once, however many of its libraries */
		{ "\"names\": [\"sleep1$\"], \"libraries\": "
		  "[\"^/(?:[a-z0-9_/.-]|[a-z0-9_/.A-])+[QZ]$\"],"
		  "\"options\": {\"matchall\": true}",
		    0, "process 1001 /bin/sleep1" },
	};
	char text[512];
	json_t *one, *three, *told;
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		snprintf(text, sizeof(text), "{\"searches\": {\"s\": {%s}}}",
		    table[i].search);
		one = ask(text, 1);
		three = ask(text, 3);
		assert_true(json_equal(one, three));
		assert_int_equal(hits(one), table[i].hits);
		assert_int_equal(not_examined(one, "enginelimit"), 1);
		snprintf(text, sizeof(text),
		    "enginelimit: %s: an expression needs too many steps",
		    table[i].told);
		told = json_array_get(json_object_get(one, "errors"), 0);
		assert_string_equal(json_string_value(told), text);
		json_decref(one);
		json_decref(three);
	}
}

static int
start_all(void **state)
{
	unsigned int i;

	memory_threads_from = 0;
	most_threads = mmap(NULL, sizeof(*most_threads), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (most_threads == MAP_FAILED)
		return -1;
	for (i = 0; i < PROCESSES; i++)
		pids[i] = start_sleep(i);
	for (i = 0; i < PROCESSES; i++)
		wait_for_sleep(pids[i]);
	return 0;
}

static int
end_all(void **state)
{
	unsigned int i;

	for (i = 0; i < PROCESSES; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_by_any_number),
		cmocka_unit_test(test_given_up),
	};

	return cmocka_run_group_tests(tests, start_all, end_all);
}
