/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Which pages of another process hold something, that is, are in memory or in
 * swap: asked of a descriptor of its /proc/PID/pagemap. os_pages_linux.c;
 * proc_pid_pagemap(5), and PAGEMAP_SCAN of linux/fs.h.
 */
#ifndef MIG_OS_PAGES_H
#define MIG_OS_PAGES_H

#include <stddef.h>
#include <stdint.h>

#define OS_PAGES_MAX 4096     /* that hold something, at a time */
#define OS_PAGES_RUNS_MAX 512 /* of such side by side */

struct os_page_run {
	uint64_t begin, end; /* addresses; end is behind it */
};

/* Of the addresses from where it was asked on. */
struct os_pages {
	uint64_t until; /* so far it is known */
	size_t n;
	struct os_page_run runs[OS_PAGES_RUNS_MAX]; /* in order */
	/* os_pages_read: bytes that smaps counts as Rss or Swap for sure. Not
	 * so pages of zeros that nobody wrote to, nor, as they look the same,
	 * what several processes have in common since a fork. */
	uint64_t sure;
	/* inside of os_pages_linux.c */
	uint64_t room[OS_PAGES_MAX];
};

/* What is between begin and end, whole pages, or the first of it. The kernel
 * passes over what has no page tables (Linux 6.7). ERR_UNSUPPORTED: it cannot
 * be asked so. Of a process that has ended: nothing. */
int
os_pages_scan(int pagemap, uint64_t begin, uint64_t end, struct os_pages *ret);
/* The same with eight bytes read for each page, be there one or none.
 * ERR_UNSUPPORTED: there is no pagemap; ERR_CLOSED: the process has ended. */
int
os_pages_read(int pagemap, uint64_t begin, uint64_t end, struct os_pages *ret);

enum os_page {
	OS_PAGE_UNKNOWN, /* there is no pagemap */
	OS_PAGE_NONE,
	OS_PAGE_GUARD, /* none, and touching it is an error (Linux 6.13) */
	OS_PAGE_THERE,
};

/* The page at this address. */
enum os_page os_pages_at(int pagemap, uint64_t at);

#endif
