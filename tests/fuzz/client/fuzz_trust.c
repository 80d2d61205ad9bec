/* SPDX-License-Identifier: MPL-2.0 */
/* The file of what is known of agents, as a disk would have changed it; a line
 * that begins with a brace gets the sum that makes it one of ours. What is
 * loaded can be asked, added to and saved again. */
#include "client/trust/trust.h"

#include "base/err.h"
#include "base/hex.h"
#include "crypto/sha256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static char path[64];

static void
clean(void)
{
	char lock[sizeof(path) + 5];

	snprintf(lock, sizeof(lock), "%s.lock", path);
	unlink(lock);
	unlink(path);
}

static void
put_lines(FILE *f, const uint8_t *data, size_t len)
{
	const uint8_t *end;
	char sum[17];
	struct id d;
	size_t n;

	for (; len > 0; data += n, len -= n) {
		end = memchr(data, '\n', len);
		n = end == NULL ? len : (size_t)(end - data) + 1;
		if (data[0] == '{' && end != NULL) {
			sha256(data, n - 1, &d);
			hex_encode(d.b, 8, sum);
			fprintf(f, "%s ", sum);
		}
		BUG_ON(fwrite(data, n, 1, f) != 1);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct id id = { { 1 } };
	struct trust_sight s = { .id = &id, .name = "web1", .connection = -1 };
	struct trust_other other;
	const char *name;
	struct trust t;
	struct err e;
	FILE *f;

	if (path[0] == '\0') {
		snprintf(path, sizeof(path), "/tmp/mig-fuzz-trust-%d",
		    (int)getpid());
		atexit(clean);
	}
	BUG_ON((f = fopen(path, "wb")) == NULL);
	put_lines(f, data, len);
	fclose(f);
	err_clear(&e);
	if (trust_load(&t, path, &e) != 0) {
		BUG_ON(e.msg[0] == '\0');
		trust_release(&t);
		return 0;
	}
	(void)trust_see(&t, &s, &other);
	name = trust_name(&t, &id);
	BUG_ON(name == NULL || strcmp(name, "web1") != 0);
	BUG_ON((trust_see(&t, &s, &other) & ~TRUST_STICKY) != 0);
	BUG_ON(trust_save(&t, &e) != 0);
	trust_release(&t);
	/* and what was saved is known the next time */
	BUG_ON(trust_load(&t, path, &e) != 0);
	name = trust_name(&t, &id);
	BUG_ON(name == NULL || strcmp(name, "web1") != 0);
	trust_release(&t);
	return 0;
}
