/* SPDX-License-Identifier: MPL-2.0 */
/* What is installed: no fault is ever made. */
#include "base/fault.h"

#include <stddef.h>

void
fault_point(const char *name)
{
}

int
fault_error(const char *name, const char *what)
{
	return 0;
}

int64_t
fault_clock_ms(void)
{
	return 0;
}

char *const *
fault_env(void)
{
	return NULL;
}
