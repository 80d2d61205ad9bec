/* SPDX-License-Identifier: MPL-2.0 */
/* While no_memory is true, our own code gets none (not that of libraries). For
 * programs that are linked with --wrap=malloc. */
#ifndef MIG_TESTS_UNIT_NOMEMORY_H
#define MIG_TESTS_UNIT_NOMEMORY_H

#include <stdbool.h>
#include <stddef.h>

static bool no_memory;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *
__wrap_malloc(size_t size)
{
	return no_memory ? NULL : __real_malloc(size);
}

#endif
