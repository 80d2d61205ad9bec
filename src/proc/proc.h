/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Children and the loop of a daemon: spawn without fork-and-run, supervision
 * by known pid only, termination, readiness.
 */
#ifndef MIG_PROC_PROC_H
#define MIG_PROC_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct event_base;

#define PROC_IPC_FD 3 /* where a role finds its channel */

struct proc_fd {
	int from; /* descriptor in the parent; borrowed */
	int to;   /* number in the child */
};

struct proc_spawn {
	const char *path;          /* program, when exec_fd < 0 */
	int exec_fd;               /* open program (O_PATH), executed itself so
				      that an upgrade cannot mix versions; -1 */
	char *const *argv;         /* NULL terminated */
	char *const *envp;         /* NULL: empty environment */
	const struct proc_fd *fds; /* everything else is closed in the child; 0
				      1 2 that are not listed are /dev/null,
				      but 2 is inherited if keep_stderr */
	size_t nfds;
	bool keep_stderr;
	bool own_group; /* new process group, for proc_kill_group */
};

/* By vfork and execveat: cheap whatever the size of the parent. The child has
 * default signal handlers and nothing blocked. Scripts (#!) cannot be started
 * by exec_fd. A program that cannot be executed is this call's error, not a
 * child's exit. */
int proc_spawn(const struct proc_spawn *s, pid_t *ret_pid, struct err *e);
void proc_kill_group(pid_t pid, int signal);
/* A descriptor of a process that is not ours; ERR_NOTFOUND, or ERR_UNSUPPORTED
 * (Linux before 5.3). */
int proc_pidfd(pid_t pid);
/* 0, ERR_NOTFOUND when it has ended, ERR_DENIED. */
int proc_pidfd_signal(int fd, int signal);

/* --- loop ---------------------------------------------------------------- */
struct proc_loop;
typedef void proc_on_exit(pid_t pid, int wait_status, void *arg);
typedef void proc_on_term(void *arg);

/* SIGPIPE and SIGXFSZ ignored; SIGCHLD, SIGTERM, SIGINT handled in the loop.
 * on_term is called once, at the first SIGTERM or SIGINT; a second one ends the
 * loop. */
struct proc_loop *proc_loop_new(proc_on_term *on_term, void *arg);
void proc_loop_free(struct proc_loop *l);
struct event_base *proc_loop_base(struct proc_loop *l);
/* Calls on_exit once when that child ends. Only watched pids are reaped. */
int proc_loop_watch(
    struct proc_loop *l, pid_t pid, proc_on_exit *on_exit, void *arg);
void proc_loop_unwatch(struct proc_loop *l, pid_t pid);
/* Runs until proc_loop_stop. */
int proc_loop_run(struct proc_loop *l);
void proc_loop_stop(struct proc_loop *l);

/* Exit status in words: "exit 1", or "killed by SIGSEGV: " and what that mostly
 * means; static per thread. */
const char *proc_status_text(int wait_status);

/* READY=1 etc. to $NOTIFY_SOCKET (sd_notify protocol); silent without. */
void proc_notify(const char *state);
/* How long the service manager waits for a sign of life ($WATCHDOG_USEC); 0: it
 * does not wait. */
int64_t proc_watchdog_ms(void);
/* That sign, where one is waited for. */
void proc_watchdog(void);
/* The path of another program of this installation: in $MIG_LIBEXEC (ignored
 * by secure_getenv where rights were gained by exec), beside the running
 * executable, else in ../libexec/mig, ../sbin or ../bin seen from there.
 * ERR_NOTFOUND says where it was looked for. */
int proc_sibling(const char *name, char *out, size_t size, struct err *e);

#endif
