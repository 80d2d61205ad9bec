/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A worker in which something else took over: it is the real mig-worker in its
 * real sandbox, but a file question whose paths are "/hostile/WHAT/REST"
 * does WHAT (with the path "/REST") and answers in "errors" how that went;
 * "thread-WHAT": in a thread of its own.
 * Everything else is the file module's.
 */
#include "modules/order.h"
#include "modules/run.h"
#include "worker/serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PREFIX "/hostile/"

int __real_module_file_run(const json_t *params, const struct run_context *ctx,
    struct buf *out, struct err *e);
int __wrap_module_file_run(const json_t *params, const struct run_context *ctx,
    struct buf *out, struct err *e);

/* 0 or more: it worked. */
typedef long attempt(const char *path);

static long
do_read(const char *path)
{
	char c;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -1 : (long)read(fd, &c, 1);
}

static long
do_write(const char *path)
{
	return open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

static long
do_append(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
}

static long
do_remove(const char *path)
{
	return unlink(path);
}

static long
do_chmod(const char *path)
{
	return chmod(path, 0777);
}

static long
do_list(const char *path)
{
	char name[512];

	snprintf(name, sizeof(name), "%s/identity", path);
	return access(name, F_OK);
}

static long
do_unix(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	(void)!connect(fd, (struct sockaddr *)&to, sizeof(to));
	return fd; /* whoever listens there: there is to be no socket */
}

static long
do_inet(const char *path)
{
	(void)path;
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static long
do_kill(const char *path)
{
	(void)path;
	/* oneself, too, which the kernel allows everybody */
	return kill(getpid(), 0) == 0 ? 0 : kill(getppid(), SIGKILL);
}

static long
do_fork(const char *path)
{
	(void)path;
	return fork();
}

static long
do_exec(const char *path)
{
	return execl(path, path, (char *)NULL);
}

static long
do_root(const char *path)
{
	(void)path;
	/* nor what the kernel allows everybody */
	return setuid(getuid()) == 0 ? 0 : setuid(0);
}

static long
do_ptrace(const char *path)
{
	(void)path;
	return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static long
do_memory(const char *path)
{
	char byte;
	/* this program's image: the parent's has other things there */
	struct iovec here = { &byte, 1 }, there = { (void *)environ, 1 };

	(void)path;
	return process_vm_readv(getppid(), &here, 1, &there, 1, 0);
}

/* Its parent's memory as a file. */
static long
do_mem(const char *path)
{
	char name[64];

	(void)path;
	snprintf(name, sizeof(name), "/proc/%d/mem", (int)getppid());
	return open(name, O_RDONLY | O_CLOEXEC);
}

/* As pthread_create(3) does, with these flags too or without those. What came
 * of it, if anything did, ends at once. */
static long
do_clone(unsigned long more, unsigned long less)
{
	unsigned long flags = CLONE_VM | CLONE_FS | CLONE_FILES |
	    CLONE_SYSVSEM | CLONE_SIGHAND | CLONE_THREAD | CLONE_SETTLS |
	    CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
	long pid = syscall(SYS_clone, (flags | more) & ~less, 0, 0, 0, 0);

	if (pid == 0)
		syscall(SYS_exit, 0);
	return pid;
}

static long
do_process(const char *path)
{
	(void)path;
	return do_clone(SIGCHLD, ~(unsigned long)SIGCHLD);
}

static long
do_child(const char *path)
{
	(void)path;
	return do_clone(CLONE_VFORK | SIGCHLD, CLONE_THREAD);
}

static long
do_sibling(const char *path)
{
	(void)path;
	return do_clone(CLONE_PARENT, 0);
}

static long
do_namespace(const char *path)
{
	(void)path;
	return do_clone(CLONE_NEWUSER, 0);
}

static long
do_untraced(const char *path)
{
	(void)path;
	return do_clone(CLONE_UNTRACED, 0);
}

/* Flags in memory, where no filter can look. */
static long
do_clone3(const char *path)
{
	unsigned long args[11] = { 0 };

	(void)path;
	args[4] = SIGCHLD;
	return syscall(SYS_clone3, args, sizeof(args));
}

static void *
wait_for_ever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

/* As many threads as others of the host may want; the error is how many there
 * were when no more could be made, negative when it was for another reason than
 * a limit. */
static long
do_crowd(const char *path)
{
	pthread_attr_t small;
	pthread_t t;
	int i, rc = 0;

	(void)path;
	/* so that it is not memory that ends it */
	pthread_attr_init(&small);
	rc = pthread_attr_setstacksize(&small, 16384);
	for (i = 0; rc == 0 && i < 1000; i += rc == 0)
		rc = pthread_create(&t, &small, wait_for_ever, NULL);
	errno = rc == EAGAIN ? i : -rc;
	return rc == 0 ? i : -1;
}

/* The error is how many threads the worker's user may have. */
static long
do_most(const char *path)
{
	struct rlimit l = { 0 };

	(void)path;
	(void)getrlimit(RLIMIT_NPROC, &l);
	errno = l.rlim_max < INT_MAX ? (int)l.rlim_max : INT_MAX;
	return -1;
}

static long
do_raise(const char *path)
{
	struct rlimit l = { 1000, 1000 };

	(void)path;
	return setrlimit(RLIMIT_NPROC, &l);
}

/* What none says where orders come from; then nothing, until it is ended. */
static void
say_junk(void)
{
	char junk[4096];

	memset(junk, 'A', sizeof(junk));
	for (int i = 0; i < 64; i++)
		(void)!send(SERVE_FD, junk, sizeof(junk), MSG_DONTWAIT);
	for (;;)
		pause();
}

/* That it is spent, again and again, so that the monitor does nothing else. */
static void
say_spent(void)
{
	unsigned char frame[12] = { 0 };

	serve_spent();
	frame[5] = ORDER_SPENT;
	for (;;)
		(void)!send(SERVE_FD, frame, sizeof(frame), MSG_NOSIGNAL);
}

/* That this order is done, and the next one begun and done: as one that had
 * to say before that it was spent. */
static void
say_done(void)
{
	static const unsigned char said[] = { ORDER_DONE, ORDER_TAKEN,
		ORDER_DONE, ORDER_TAKEN, ORDER_DONE };
	unsigned char frame[12] = { 0 };

	serve_spent();
	for (size_t i = 0; i < sizeof(said); i++) {
		frame[5] = said[i];
		(void)!send(SERVE_FD, frame, sizeof(frame), MSG_NOSIGNAL);
	}
	for (;;)
		pause();
}

/* As its own answer, the part of operation n: that it found nothing; raw: as
 * the agent writes parts (action/result.h), behind an answer. */
static void
forge_part(unsigned int n, bool raw, struct buf *out)
{
	static const char nothing[] =
	    "{\"foundanything\":false,\"success\":true,\"elements\":{},"
	    "\"statistics\":{},\"errors\":[\"forged\"]";

	if (!raw) {
		buf_add_fmt(out,
		    "%s,\"operation\":%u,\"module\":\"pkg\","
		    "\"status\":\"failed\",\"operations\":[%s},%s}]}",
		    nothing, n, nothing, nothing);
		return;
	}
	buf_add_fmt(out, "%s}", nothing);
	buf_add_u8(out, 0);
	buf_add_u8(out, (uint8_t)n);
	buf_add_u8(out, 1); /* done */
	for (int i = 0; i < 4; i++)
		buf_add_u8(out, 0);
	buf_add_u8(out, sizeof(nothing));
	buf_add_fmt(out, "%s}", nothing);
}

/* The document is one-way. */
static long
do_document(const char *path)
{
	(void)path;
	return pwrite(3, "{}", 2, 0);
}

static const struct {
	const char *name;
	attempt *go;
} attempts[] = {
	{ "read", do_read },
	{ "write", do_write },
	{ "append", do_append },
	{ "remove", do_remove },
	{ "chmod", do_chmod },
	{ "list", do_list },
	{ "unix", do_unix },
	{ "inet", do_inet },
	{ "kill", do_kill },
	{ "fork", do_fork },
	{ "exec", do_exec },
	{ "root", do_root },
	{ "ptrace", do_ptrace },
	{ "memory", do_memory },
	{ "mem", do_mem },
	{ "document", do_document },
	{ "process", do_process },
	{ "child", do_child },
	{ "sibling", do_sibling },
	{ "namespace", do_namespace },
	{ "untraced", do_untraced },
	{ "clone3", do_clone3 },
	{ "crowd", do_crowd },
	{ "most", do_most },
	{ "raise", do_raise },
};

struct in_thread {
	attempt *go;
	const char *path;
	long got;
	int error;
};

static void *
run_in_thread(void *arg)
{
	struct in_thread *t = arg;

	errno = 0;
	t->got = t->go(t->path);
	t->error = errno;
	return NULL;
}

/* 1000: there is no thread. */
static void
go(attempt *a, const char *path, bool thread, struct in_thread *t)
{
	pthread_t id;

	*t = (struct in_thread){ a, path, -1, 1000 };
	if (!thread)
		run_in_thread(t);
	else if (pthread_create(&id, NULL, run_in_thread, t) == 0)
		pthread_join(id, NULL);
}

/* More than is allowed, for ever, or another operation's part. */
static bool
odd_answer(const char *what, struct buf *out)
{
	char block[65536];

	memset(block, ' ', sizeof(block));
	if (strcmp(what, "flood") == 0) {
		for (;;) {
			if (write(STDOUT_FILENO, block, sizeof(block)) < 0)
				_exit(0);
		}
	}
	if (strcmp(what, "sleep") == 0) {
		for (;;)
			pause();
	}
	if (strcmp(what, "die") == 0)
		__builtin_trap();
	if (strcmp(what, "nothing") == 0)
		return true;
	if (strcmp(what, "orders") == 0)
		say_junk();
	if (strcmp(what, "spent") == 0)
		say_spent();
	if (strcmp(what, "done") == 0)
		say_done();
	if (strncmp(what, "part", 4) == 0 || strncmp(what, "bytes", 5) == 0) {
		forge_part((unsigned int)(what[strlen(what) - 1] - '0'),
		    *what == 'b', out);
		return true;
	}
	if (strcmp(what, "twice") == 0) {
		buf_add_str(out,
		    "{\"operation\":1,\"module\":\"pkg\",\"status\":\"done\","
		    "\"foundanything\":true,\"foundanything\":false}");
		return true;
	}
	return false;
}

/* One path, one attempt; how it went is appended to the errors. */
static void
try_one(const char *path, struct buf *out)
{
	static const char in_thread[] = "thread-";
	char what[32], *name = what;
	const char *rest = strchr(path, '/');
	struct in_thread t;
	size_t i;

	snprintf(what, sizeof(what), "%.*s",
	    rest != NULL ? (int)(rest - path) : (int)strlen(path), path);
	if (strncmp(what, in_thread, strlen(in_thread)) == 0)
		name += strlen(in_thread);
	for (i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		if (strcmp(attempts[i].name, name) != 0)
			continue;
		go(attempts[i].go, rest != NULL ? rest : "/", name != what, &t);
		buf_add_fmt(out, ",\"%s: %s %d\"", what,
		    t.got < 0 ? "refused" : "DONE", t.error);
		return;
	}
	buf_add_fmt(out, ",\"%s: there is no such attempt\"", what);
}

int
__wrap_module_file_run(const json_t *params, const struct run_context *ctx,
    struct buf *out, struct err *e)
{
	json_t *searches = json_object_get(params, "searches");
	json_t *paths = json_object_get(
	    json_object_iter_value(json_object_iter(searches)), "paths");
	const char *path = json_string_value(json_array_get(paths, 0));
	size_t i, n = strlen(PREFIX);

	if (path == NULL || strncmp(path, PREFIX, n) != 0)
		return __real_module_file_run(params, ctx, out, e);
	if (odd_answer(path + n, out))
		return 0;
	buf_add_str(out,
	    "{\"foundanything\":false,\"success\":true,\"elements\":{},"
	    "\"statistics\":{},\"errors\":[\"hostile\"");
	for (i = 0; i < json_array_size(paths); i++)
		try_one(json_string_value(json_array_get(paths, i)) + n, out);
	buf_add_str(out, "]}");
	return 0;
}
