/* SPDX-License-Identifier: MPL-2.0 */
/* mountinfo, whose paths users of the host can choose: the first line is a path
 * that is looked for in what the rest says. */
#include "os/os.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct os_mounts *m = NULL;
	char *text, *rest, path[OS_PATH_MAX + 1] = "/";
	struct err e;

	text = malloc(size + 1);
	if (text == NULL)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	rest = strchr(text, '\n');
	if (rest != NULL && (size_t)(rest - text) < OS_PATH_MAX) {
		*rest++ = '\0';
		strcat(path, text);
		if (os_mounts_parse(rest, &m, &e) == 0) {
			BUG_ON(os_mounts_none(m) &&
			    os_mounts_find(m, path) != OS_MOUNT_LOCAL);
			(void)os_mounts_below(m, path);
		}
		os_mounts_free(m);
	}
	free(text);
	return 0;
}
