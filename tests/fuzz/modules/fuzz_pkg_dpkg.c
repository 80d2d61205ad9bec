/* SPDX-License-Identifier: MPL-2.0 */
/* dpkg's status: the first byte says in which pieces and in which mode, and
 * the pieces make no difference. */
#include "modules/pkg/dpkg.h"

#include "base/err.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
on_package(const struct package *p, void *arg)
{
	size_t *n = arg;

	BUG_ON(*p->name == '\0');
	*n = *n * 31 + strlen(p->name) + strlen(p->version) + strlen(p->arch);
}

static void
on_damaged(const char *what, void *arg)
{
	size_t *n = arg;

	*n = *n * 31 + strlen(what);
}

static bool
on_stop(void *arg)
{
	return false;
}

static size_t
parse(const uint8_t *data, size_t size, uint8_t mode, size_t piece)
{
	size_t sum = 0, at, n;
	const struct pkg_reader r = { on_package, on_damaged, on_stop, &sum };
	struct dpkg_parser p;

	dpkg_begin(&p, &r);
	p.all_installed = (mode & 1) != 0;
	p.any_state = (mode & 2) != 0;
	for (at = 0; at < size; at += n) {
		n = size - at < piece ? size - at : piece;
		dpkg_feed(&p, data + at, n);
	}
	dpkg_end(&p);
	return sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t mode;

	if (size == 0)
		return 0;
	mode = data[0];
	BUG_ON(parse(data + 1, size - 1, mode, size) !=
	    parse(data + 1, size - 1, mode, 1 + (mode >> 2)));
	return 0;
}
