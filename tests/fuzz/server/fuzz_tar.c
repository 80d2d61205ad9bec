/* SPDX-License-Identifier: MPL-2.0 */
/* A header of a backup: what is taken is written to a header that says the
 * same. */
#include "server/cmd/tar.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t block[TAR_BLOCK] = { 0 };
	struct tar_entry t, again;
	struct err e;
	bool end;

	if (size > 0)
		memcpy(block, data, size < TAR_BLOCK ? size : TAR_BLOCK);
	if (tar_parse(block, &t, &end, &e) != 0 || end)
		return 0;
	BUG_ON(memchr(t.name, '\0', sizeof(t.name)) == NULL);
	BUG_ON(strchr(t.name, '/') != NULL || t.name[0] == '\0');
	BUG_ON((t.size + tar_padding(t.size)) % TAR_BLOCK != 0);
	tar_header(&t, block);
	BUG_ON(tar_parse(block, &again, &end, &e) != 0 || end);
	BUG_ON(strcmp(t.name, again.name) != 0 || t.size != again.size ||
	    t.mode != again.mode || t.mtime != again.mtime);
	return 0;
}
