/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Allocations that fail on demand, for the test build only: these names stand
 * in front of the C library's, for the program and for every library in it.
 */
#include "base/fault_control.h"

#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

/* set at a point of this process */
static _Atomic int32_t here_countdown, here_times;

void
fault_alloc_from_here(int32_t n, int32_t times)
{
	here_times = times;
	here_countdown = n;
}

/* Where the code of libraries is that crash when they have no memory; the bit
 * of spare_fragile that spares them. */
static struct {
	uintptr_t begin, end;
	uint32_t bit;
} fragile[16];
static size_t nfragile;

static int
look_at(struct dl_phdr_info *info, size_t size, void *arg)
{
	const ElfW(Phdr) * p;
	uint32_t bit;
	size_t i;

	if (strstr(info->dlpi_name, "libcrypto.so") != NULL ||
	    strstr(info->dlpi_name, "libssl.so") != NULL ||
	    strstr(info->dlpi_name, "libgpgme.so") != NULL ||
	    strstr(info->dlpi_name, "librnp.so") != NULL ||
	    strstr(info->dlpi_name, "libjson-c.so") != NULL ||
	    strstr(info->dlpi_name, "libbotan-2.so") != NULL ||
	    strstr(info->dlpi_name, "libstdc++.so") != NULL)
		bit = FAULT_SPARE_CRYPTO;
	else if (strstr(info->dlpi_name, "/libc.so") != NULL)
		bit = FAULT_SPARE_LIBC;
	else
		return 0;
	for (i = 0; i < info->dlpi_phnum; i++) {
		p = &info->dlpi_phdr[i];
		if (p->p_type != PT_LOAD || (p->p_flags & PF_X) == 0 ||
		    nfragile == sizeof(fragile) / sizeof(fragile[0]))
			continue;
		fragile[nfragile].begin = info->dlpi_addr + p->p_vaddr;
		fragile[nfragile].bit = bit;
		fragile[nfragile].end = fragile[nfragile].begin + p->p_memsz;
		nfragile++;
	}
	return 0;
}

void
fault_alloc_libraries(void)
{
	dl_iterate_phdr(look_at, NULL);
}

static bool
is_spared(const void *caller)
{
	uintptr_t at = (uintptr_t)caller;
	size_t i;

	if (fault_control->spare_fragile == 0)
		return false;
	for (i = 0; i < nfragile; i++)
		if (at >= fragile[i].begin && at < fragile[i].end &&
		    (fault_control->spare_fragile & fragile[i].bit) != 0)
			return true;
	return false;
}

/* One step of a countdown; true from the n-th on, times times. */
static bool
step(_Atomic int32_t *countdown, _Atomic int32_t *times)
{
	if (*countdown > 1 && (*countdown)-- > 1)
		return false;
	*countdown = 1;
	return (*times)-- > 0;
}

static bool
slot_fails(struct fault_alloc *a)
{
	if (a->state != FAULT_ARMED)
		return false;
	if (a->program[0] != '\0' &&
	    strcmp(a->program, program_invocation_short_name) != 0)
		return false;
	a->seen++;
	if (!step(&a->countdown, &a->times))
		return false;
	if (a->times <= 0)
		a->state = FAULT_FIRED;
	a->pid = (uint32_t)getpid();
	a->fired++;
	return true;
}

static bool
fails(const void *caller)
{
	bool yes = false;
	size_t i;

	if (fault_control == NULL || is_spared(caller))
		return false;
	if (here_countdown > 0) {
		yes = step(&here_countdown, &here_times);
		if (here_times <= 0)
			here_countdown = 0;
	}
	for (i = 0; i < FAULT_ALLOCS; i++)
		yes = slot_fails(&fault_control->allocs[i]) || yes;
	if (yes)
		errno = ENOMEM;
	return yes;
}

void *
malloc(size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL
						  : __libc_calloc(n, size);
}

void *
realloc(void *p, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL
						  : __libc_realloc(p, size);
}

void *
memalign(size_t alignment, size_t size)
{
	return fails(__builtin_return_address(0))
	    ? NULL
	    : __libc_memalign(alignment, size);
}

void *
aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

int
posix_memalign(void **ret, size_t alignment, size_t size)
{
	void *p = memalign(alignment, size);

	if (p == NULL)
		return ENOMEM;
	*ret = p;
	return 0;
}
