/* SPDX-License-Identifier: MPL-2.0 */
/* Installs the filter that the build made (gen_filters.c). */
#include "sandbox/mechanisms.h"

#include "base/err.h"

#include <errno.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include "filters.h"

/* The first version that refuses O_TRUNC. */
#define LANDLOCK_TRUNCATE 3

static int
install(const struct sock_filter *filter, size_t n, struct err *e)
{
	struct sock_fprog prog = { .len = (unsigned short)n };

	/* the kernel only reads it, the type cannot say so */
	__builtin_memcpy(&prog.filter, &filter, sizeof(filter));
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) == 0)
		return 0;
	if (errno == EINVAL || errno == ENOSYS)
		return err_set(e, ERR_UNSUPPORTED,
		    "this kernel has no seccomp filters; it needs "
		    "CONFIG_SECCOMP_FILTER");
	return err_errno(e, "installing the seccomp filter");
}

#define INSTALL(name, e)       \
	install(filter_##name, \
	    sizeof(filter_##name) / sizeof(filter_##name[0]), e)

int
seccomp_apply(enum sandbox_profile profile, int landlock_abi, struct err *e)
{
	switch (profile) {
	case SANDBOX_NET:
		return INSTALL(net, e);
	case SANDBOX_COMPUTE:
		return INSTALL(compute, e);
	case SANDBOX_WORKER_READ:
		if (landlock_abi >= LANDLOCK_TRUNCATE)
			return INSTALL(worker_read, e);
		return INSTALL(worker_read_no_openat2, e);
	case SANDBOX_WORKER_THREADS:
		if (landlock_abi >= LANDLOCK_TRUNCATE)
			return INSTALL(worker_threads, e);
		return INSTALL(worker_threads_no_openat2, e);
	case SANDBOX_OPENER:
		return INSTALL(opener, e);
	case SANDBOX_NET_OPENER:
		return INSTALL(net_opener, e);
	case SANDBOX_PAIR_OPENER:
		return INSTALL(worker_read_no_openat2, e);
	case SANDBOX_PAIR_SCANNER:
		return INSTALL(scanner, e);
	case SANDBOX_PAIR_SCANNER_THREADS:
		return INSTALL(scanner_threads, e);
	case SANDBOX_MONITOR:
		return INSTALL(monitor, e);
	case SANDBOX_SERVER:
		return INSTALL(server, e);
	}
	return err_set(e, ERR_INVALID, "sandbox profile %d", (int)profile);
}

int
seccomp_seal(enum sandbox_profile profile, struct err *e)
{
	return profile == SANDBOX_NET_OPENER ? INSTALL(net_seal, e)
					     : INSTALL(seal, e);
}
