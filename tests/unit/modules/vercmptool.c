/* SPDX-License-Identifier: MPL-2.0 */
/* For tests/integration/test_pkg.py: of each line "TYPE A B" of standard input
 * (dpkg or rpm), how A compares to B: -1, 0 or 1. */
#include "modules/pkg/version.h"

#include <stdio.h>
#include <string.h>

int
main(void)
{
	char type[16], a[512], b[512];
	int c;

	while (scanf("%15s %511s %511s", type, a, b) == 3) {
		c = version_compare(
		    strcmp(type, "rpm") == 0 ? PKG_RPM : PKG_DPKG, a, b);
		printf("%d\n", (c > 0) - (c < 0));
	}
	return 0;
}
