/* SPDX-License-Identifier: MPL-2.0 */
/* A whole rpm database of the bdb form. */
#include "modules/pkg/rpmdb.h"

#include "base/err.h"
#include "base/file.h"

#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
on_package(const struct package *p, void *arg)
{
	size_t *n = arg;

	*n += strlen(p->name) + strlen(p->version) + strlen(p->arch);
}

static void
on_damaged(const char *what, void *arg)
{
	size_t *n = arg;

	*n += strlen(what);
}

static bool
on_stop(void *arg)
{
	return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n = 0;
	const struct pkg_reader r = { on_package, on_damaged, on_stop, &n };
	int fd = fd_sealed("fuzz", data, size, NULL);
	struct err e;

	if (fd < 0)
		return 0;
	(void)rpmdb_bdb_read(fd, &r, &e);
	close(fd);
	return 0;
}
