/* SPDX-License-Identifier: MPL-2.0 */
/* No sandbox at all, for tests under sanitizers. It says so. */
#include "sandbox/sandbox.h"

#include "base/err.h"

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
sandbox_limit(const struct sandbox_limits *l, struct err *e)
{
	return 0;
}

int
sandbox_narrow(const struct sandbox_path *paths, size_t npaths, struct err *e)
{
	return 0;
}

int
sandbox_seal(struct err *e)
{
	return 0;
}

int
sandbox_hide(const char *dir, char ret_real[static PATH_MAX], struct err *e)
{
	return ERR_UNSUPPORTED;
}

int
sandbox_only(const int *fds, size_t n, struct err *e)
{
	return ERR_UNSUPPORTED;
}

int
sandbox_landlock(void)
{
	return 0;
}
