/* SPDX-License-Identifier: MPL-2.0 */
/* A whole file; its first byte chooses the name. */
#include "modules/sshkey/keyfile.h"

#include "base/err.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
on_key(const struct keyfile_key *k, void *arg)
{
	size_t *n = arg;

	if (k->public != NULL)
		BUG_ON(k->public->plain.len == 0 || k->public->bits == 0);
	*n += k->comment_len;
}

static void
on_damaged(uint64_t line, const char *what, void *arg)
{
	size_t *n = arg;

	*n += strlen(what);
}

static void
on_not_a_key(const char *what, void *arg)
{
	size_t *n = arg;

	*n += strlen(what);
}

static void
on_no_memory(void *arg)
{
	size_t *n = arg;

	*n += 1;
}

static bool
on_stop(void *arg)
{
	return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "id", "authorized_keys",
		"known_hosts" };
	size_t n = 0;
	const struct keyfile_ops ops = { on_key, on_damaged, on_not_a_key,
		on_no_memory, on_stop, &n };

	if (size > 0)
		keyfile_read(
		    names[data[0] % 3], (const char *)data + 1, size - 1, &ops);
	return 0;
}
