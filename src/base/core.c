/* SPDX-License-Identifier: MPL-2.0 */
#include "base/core.h"

#include <sys/resource.h>

void
core_forbid(void)
{
	const struct rlimit none = { 0, 0 };

	/* lowering needs no right, and cannot fail */
	(void)setrlimit(RLIMIT_CORE, &none);
}
