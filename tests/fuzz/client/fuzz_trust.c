/* SPDX-License-Identifier: MPL-2.0 */
/* The file that says which id has which host name, as a disk would have
 * changed it. What is loaded can be asked, added to and saved again. */
#include "client/trust.h"

#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static char path[64];

static void
clean(void)
{
	unlink(path);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct id id = { { 1 } };
	const char *other, *name;
	struct trust t;
	struct err e;
	FILE *f;

	if (path[0] == '\0') {
		snprintf(path, sizeof(path), "/tmp/mig-fuzz-trust-%d",
		    (int)getpid());
		atexit(clean);
	}
	BUG_ON((f = fopen(path, "wb")) == NULL);
	BUG_ON(len > 0 && fwrite(data, len, 1, f) != 1);
	fclose(f);
	err_clear(&e);
	if (trust_load(&t, path, &e) != 0) {
		BUG_ON(e.msg[0] == '\0');
		trust_release(&t);
		return 0;
	}
	(void)trust_see(&t, &id, "web1", &other);
	name = trust_name(&t, &id);
	BUG_ON(name == NULL || strcmp(name, "web1") != 0);
	BUG_ON(trust_see(&t, &id, "web1", &other) != TRUST_KNOWN);
	BUG_ON(trust_save(&t, &e) != 0);
	trust_release(&t);
	/* and what was saved is known the next time */
	BUG_ON(trust_load(&t, path, &e) != 0);
	name = trust_name(&t, &id);
	BUG_ON(name == NULL || strcmp(name, "web1") != 0);
	trust_release(&t);
	return 0;
}
