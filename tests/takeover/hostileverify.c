/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A verify that was taken over: the real mig-agent-verify, but where HOSTILE
 * has a file "verify" each signature that is good was made forty years from
 * now, and with "verify-ends" it ends by itself when it is asked.
 */
#include "agent/messages.h"
#include "sandbox/sandbox.h"

#include <unistd.h>

#define YEARS 40

static bool lies, ends;

int __real_sandbox_enter(const struct sandbox *s, struct err *e);
int __wrap_sandbox_enter(const struct sandbox *s, struct err *e);
int
__real_verify_verdict_write(const struct verify_verdict *v, struct buf *out);
int
__wrap_verify_verdict_write(const struct verify_verdict *v, struct buf *out);

int
__wrap_sandbox_enter(const struct sandbox *s, struct err *e)
{
	lies = access(HOSTILE "/verify", F_OK) == 0;
	ends = access(HOSTILE "/verify-ends", F_OK) == 0;
	return __real_sandbox_enter(s, e);
}

int
__wrap_verify_verdict_write(const struct verify_verdict *v, struct buf *out)
{
	struct verify_verdict told = *v;
	size_t i;

	if (ends)
		_exit(0);
	for (i = 0; lies && i < told.n; i++)
		told.signers[i].created += YEARS * 365 * 86400LL;
	return __real_verify_verdict_write(&told, out);
}
