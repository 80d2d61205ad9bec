/* SPDX-License-Identifier: MPL-2.0 */
#include "os/os.h"

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#define STACK_MAX (256 << 10) /* bytes that were ever used */
#define HEAP_KEPT (512 << 10)

/* The page below this frame's stays for the calls that wait. Where nothing is
 * mapped is no part of the stack: the kernel passes it over. */
static void
stack_back(void)
{
	char *here = __builtin_frame_address(0);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t above = (uintptr_t)here % page + page;

	(void)madvise(here - above - STACK_MAX, STACK_MAX, MADV_DONTNEED);
}

/* The program's own code, clean pages of its file that the next call maps
 * again, sixteen at a time; what started it and what answered last are most of
 * it. */
static void
code_back(void)
{
	extern char etext[], __executable_start[]; /* of the linker, end(3) */
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t len = (size_t)(etext - __executable_start) / page * page;

	(void)madvise(__executable_start, len, MADV_DONTNEED);
}

void
os_memory_keep(void)
{
	mallopt(M_TRIM_THRESHOLD, HEAP_KEPT);
}

void
os_memory_back(void)
{
	malloc_trim(0);
	stack_back();
	code_back();
}
