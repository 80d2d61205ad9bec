/* SPDX-License-Identifier: MPL-2.0 */
/* Resource limits, niceness, idle I/O. Lowering needs no rights. */
#include "sandbox/mechanisms.h"

#include "base/err.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define IOPRIO_IDLE (3 << 13) /* ioprio_set(2): class idle */
#define IOPRIO_WHO_PROCESS 1

/* Both limits, never above the hard one that is there. */
static int
limit(int what, const char *name, uint64_t soft, uint64_t hard, struct err *e)
{
	struct rlimit now, want;

	if (getrlimit((__rlimit_resource_t)what, &now) != 0)
		return err_errno(e, "reading limit %s", name);
	want.rlim_max = hard < now.rlim_max ? hard : now.rlim_max;
	want.rlim_cur = soft < want.rlim_max ? soft : want.rlim_max;
	if (setrlimit((__rlimit_resource_t)what, &want) != 0)
		return err_errno(e, "setting limit %s", name);
	return 0;
}

static int
be_nice(int by, struct err *e)
{
	int now;

	errno = 0;
	now = getpriority(PRIO_PROCESS, 0);
	if (now == -1 && errno != 0)
		return err_errno(e, "reading the niceness");
	now += by;
	if (setpriority(PRIO_PROCESS, 0, now > 19 ? 19 : now) != 0)
		return err_errno(e, "setting the niceness");
	return 0;
}

int
limits_apply(const struct sandbox_limits *l, struct err *e)
{
	uint64_t bytes = l->file_bytes == SANDBOX_NO_WRITE ? 0 : l->file_bytes;
	int rc;

	rc = limit(RLIMIT_CORE, "core", 0, 0, e);
	if (rc == 0 && l->memory_bytes != 0)
		rc = limit(
		    RLIMIT_AS, "memory", l->memory_bytes, l->memory_bytes, e);
	if (rc == 0 && l->data_bytes != 0)
		rc =
		    limit(RLIMIT_DATA, "data", l->data_bytes, l->data_bytes, e);
	if (rc == 0 && l->no_processes)
		rc = limit(RLIMIT_NPROC, "processes", 0, 0, e);
	if (rc == 0 && l->threads != 0)
		rc = limit(RLIMIT_NPROC, "threads", l->threads, l->threads, e);
	/* SIGXCPU first, SIGKILL a second later */
	if (rc == 0 && l->cpu_seconds != 0)
		rc = limit(
		    RLIMIT_CPU, "cpu", l->cpu_seconds, l->cpu_seconds + 1, e);
	if (rc == 0 && l->file_bytes != 0)
		rc = limit(RLIMIT_FSIZE, "file size", bytes, bytes, e);
	if (rc == 0 && l->descriptors != 0)
		rc = limit(RLIMIT_NOFILE, "descriptors", l->descriptors,
		    l->descriptors, e);
	if (rc == 0 && l->nice != 0)
		rc = be_nice(l->nice, e);
	/* a scheduler without priorities does not know the call: no matter */
	if (rc == 0 && l->idle_io)
		syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_IDLE);
	return rc;
}
