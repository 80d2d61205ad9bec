/* SPDX-License-Identifier: MPL-2.0 */
#include "os/pages.h"

#include "base/err.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* proc_pid_pagemap(5) */
#define ENTRY_PRESENT (UINT64_C(1) << 63)
#define ENTRY_SWAP (UINT64_C(1) << 62)
#define ENTRY_FILE (UINT64_C(1) << 61) /* or shared memory */
#define ENTRY_GUARD (UINT64_C(1) << 58)
#define ENTRY_EXCLUSIVE (UINT64_C(1) << 56)

/* linux/fs.h of Linux 6.7 and later */
#define IS_PRESENT (UINT64_C(1) << 3)
#define IS_SWAPPED (UINT64_C(1) << 4)

struct scan_region {
	uint64_t begin, end, categories;
};

struct scan {
	uint64_t size, flags;
	uint64_t begin, end, walk_end;
	uint64_t regions, nregions; /* address and number */
	uint64_t max_pages;
	uint64_t inverted, all_of, any_of, returned;
};

#define SCAN_REQUEST _IOWR('f', 16, struct scan)
/* The process waits for its page tables meanwhile: even where all of them are
 * there this is milliseconds. */
#define SCAN_BYTES (UINT64_C(16) << 30)

static uint64_t
page_size(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

static void
begin_answer(struct os_pages *p, uint64_t begin)
{
	p->until = begin;
	p->n = 0;
	p->sure = 0;
}

/* False: there is no room. */
static bool
add(struct os_pages *p, uint64_t begin, uint64_t end)
{
	if (p->n > 0 && p->runs[p->n - 1].end == begin) {
		p->runs[p->n - 1].end = end;
		return true;
	}
	if (p->n == OS_PAGES_RUNS_MAX)
		return false;
	p->runs[p->n].begin = begin;
	p->runs[p->n].end = end;
	p->n++;
	return true;
}

int
os_pages_scan(int pagemap, uint64_t begin, uint64_t end, struct os_pages *ret)
{
	_Static_assert(
	    sizeof(struct scan_region) * OS_PAGES_RUNS_MAX <= sizeof(ret->room),
	    "room for what the kernel says");
	struct scan s = { .size = sizeof(s),
		.begin = begin,
		.end = end - begin > SCAN_BYTES ? begin + SCAN_BYTES : end,
		.regions = (uint64_t)(uintptr_t)ret->room,
		.nregions = OS_PAGES_RUNS_MAX,
		.max_pages = OS_PAGES_MAX,
		.any_of = IS_PRESENT | IS_SWAPPED,
		.returned = IS_PRESENT };
	struct scan_region r;
	int n, i;

	do {
		n = ioctl(pagemap, SCAN_REQUEST, &s);
	} while (n < 0 && errno == EINTR);
	if (n < 0 || n > OS_PAGES_RUNS_MAX || s.walk_end <= begin)
		return ERR_UNSUPPORTED;
	begin_answer(ret, begin);
	for (i = 0; i < n; i++) {
		memcpy(&r, (uint8_t *)ret->room + (size_t)i * sizeof(r),
		    sizeof(r));
		(void)add(ret, r.begin, r.end);
	}
	ret->until = s.walk_end < end ? s.walk_end : end;
	return 0;
}

static ssize_t
read_entries(int pagemap, uint64_t at, uint64_t *entries, size_t n)
{
	ssize_t got;

	do {
		got = pread(pagemap, entries, n * sizeof(*entries),
		    (off_t)(at / page_size() * sizeof(*entries)));
	} while (got < 0 && errno == EINTR);
	return got < 0 ? got : got / (ssize_t)sizeof(*entries);
}

static bool
is_sure(uint64_t entry)
{
	return (entry & (ENTRY_SWAP | ENTRY_FILE | ENTRY_EXCLUSIVE)) != 0;
}

int
os_pages_read(int pagemap, uint64_t begin, uint64_t end, struct os_pages *ret)
{
	uint64_t page = page_size(), at = begin;
	size_t want = OS_PAGES_MAX;
	ssize_t n, i;

	if ((end - begin) / page < want)
		want = (size_t)((end - begin) / page);
	n = read_entries(pagemap, begin, ret->room, want);
	if (n <= 0)
		return n == 0 ? ERR_CLOSED : ERR_UNSUPPORTED;
	begin_answer(ret, begin);
	for (i = 0; i < n; i++, at += page) {
		if ((ret->room[i] & (ENTRY_PRESENT | ENTRY_SWAP)) == 0)
			continue;
		if (!add(ret, at, at + page))
			break;
		if (is_sure(ret->room[i]))
			ret->sure += page;
	}
	ret->until = at;
	return 0;
}

enum os_page
os_pages_at(int pagemap, uint64_t at)
{
	uint64_t entry;

	if (pagemap < 0 || read_entries(pagemap, at, &entry, 1) != 1)
		return OS_PAGE_UNKNOWN;
	if ((entry & ENTRY_GUARD) != 0)
		return OS_PAGE_GUARD;
	return (entry & (ENTRY_PRESENT | ENTRY_SWAP)) != 0 ? OS_PAGE_THERE
							   : OS_PAGE_NONE;
}
