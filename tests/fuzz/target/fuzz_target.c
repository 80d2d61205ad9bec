/* SPDX-License-Identifier: MPL-2.0 */
/* A hostile condition over a fixed row: never a crash, always a reason. */
#include "target/target.h"

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static const struct target_row row = { "a3", "web1", "linux", "amd64", "Debian",
	"0.1.0", "daemon", "{\"os\":\"linux\",\"n\":[1,2.5,null]}",
	"{\"operator\":\"opsec\"}", "[\"10.1.2.3/24\",\"fe80::1%eth0\"]" };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct target_engine *engine;
	char text[TARGET_CONDITION_MAX + 2];
	struct target *t;
	struct err e;
	bool is;
	int rc;

	if (engine == NULL)
		engine = target_engine_new(-1, NULL);
	BUG_ON(engine == NULL);
	if (size >= sizeof(text) || memchr(data, '\0', size) != NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	err_clear(&e);
	rc = target_prepare(engine, text, &t, &e);
	if (rc == 0) {
		rc = target_match(t, &row, &is, &e);
		target_free(t);
	}
	BUG_ON(rc != e.code);
	BUG_ON(rc != 0 && e.msg[0] == '\0');
	/* whatever it was, the next one is as good as the first */
	BUG_ON(target_prepare(engine, "os = 'linux'", &t, &e) != 0);
	BUG_ON(target_match(t, &row, &is, &e) != 0 || !is);
	target_free(t);
	return 0;
}
