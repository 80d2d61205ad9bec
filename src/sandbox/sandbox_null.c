/* SPDX-License-Identifier: MPL-2.0 */
/* No sandbox at all, for tests under sanitizers. It says so. */
#include "sandbox/sandbox.h"

int
sandbox_enter(const struct sandbox *s, struct err *e)
{
	return 0;
}

int
sandbox_cover(const char *const *dirs, size_t n, struct err *e)
{
	return 0;
}

const char *
sandbox_describe(void)
{
	return "null";
}

int
sandbox_seal(pid_t parent, const struct sandbox_limits *l, struct err *e)
{
	return 0;
}
