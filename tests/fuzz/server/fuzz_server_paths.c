/* SPDX-License-Identifier: MPL-2.0 */
/* Paths, tokens and shortened ids as they come in requests; the first byte
 * chooses the pattern. */
#include "server/parse.h"

#include "base/err.h"
#include "server/cmd/enrolcmd.h"
#include "server/store/store.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const patterns[] = { "/actions", "/actions/%",
		"/actions/%/agents", "/agents/%" };
	static struct store *store;
	const char *pattern;
	struct id id;
	char arg[80], *path;
	struct err e;

	if (store == NULL)
		BUG_ON(store_open(":memory:", STORE_WRITE, &store, &e) != 0);
	if (size == 0 || (path = malloc(size)) == NULL)
		return (0);
	pattern = patterns[data[0] % 4];
	memcpy(path, data + 1, size - 1);
	path[size - 1] = '\0';
	arg[0] = '\0';
	if (path_match(pattern, path, arg, sizeof(arg))) {
		BUG_ON((strchr(pattern, '%') != NULL) != (arg[0] != '\0') ||
		    strchr(arg, '/') != NULL);
		BUG_ON(store_action_find(store, arg, &id, &e) == 0);
		BUG_ON(store_agent_find(store, arg, &id, &e) == 0);
	}
	if (token_hash(path, &id) == 0)
		BUG_ON(strlen(path) != TOKEN_HEX_LEN);
	free(path);
	return (0);
}
