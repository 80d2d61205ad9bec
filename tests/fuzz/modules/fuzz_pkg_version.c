/* SPDX-License-Identifier: MPL-2.0 */
/* Three versions, separated by newlines: every order must be one. */
#include "modules/pkg/version.h"

#include "base/err.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
sign(int v)
{
	return (v > 0) - (v < 0);
}

static void
check(enum pkg_type type, const char *a, const char *b, const char *c)
{
	int ab = sign(version_compare(type, a, b));
	int bc = sign(version_compare(type, b, c));
	int ac = sign(version_compare(type, a, c));

	BUG_ON(version_compare(type, a, a) != 0);
	BUG_ON(sign(version_compare(type, b, a)) != -ab);
	/* rpm's own order is none where letters meet ends and numbers: only
	 * dpkg promises more */
	BUG_ON(type == PKG_DPKG && ab == bc && ab != 0 && ac != ab);
	BUG_ON(type == PKG_DPKG && ab == 0 && ac != bc);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *p[3];
	struct version_test t;
	size_t i;

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	p[0] = text;
	for (i = 1; i < 3; i++) {
		p[i] = strchr(p[i - 1], '\n');
		if (p[i] == NULL)
			goto out;
		*p[i]++ = '\0';
	}
	check(PKG_DPKG, p[0], p[1], p[2]);
	check(PKG_RPM, p[0], p[1], p[2]);
	if (version_test_parse(p[0], &t, NULL) == 0) {
		version_test_holds(&t, PKG_RPM, p[1]);
		version_epoch_decides(&t, p[1]);
	}
out:
	free(text);
	return 0;
}
