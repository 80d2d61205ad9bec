/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/memory/look.h"

#include "base/err.h"
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE (256 * 1024)
#define ALIGNED 4096       /* the kernel copies faster to such a place */
#define PAGEMAP_PAGES 4096 /* looked up at a time: 16 MiB of addresses */
#define PAGE_IN_MEMORY (UINT64_C(1) << 63) /* proc_pid_pagemap(5) */
#define PAGE_IN_SWAP (UINT64_C(1) << 62)
/* Without a pagemap a mapping may be nothing but holes. */
#define UNKNOWN_MAX LOOK_FILE_MAX

struct look {
	struct look_job *job;
	struct err *e;
	enum look_end end;
	size_t page;
	/* the run at hand: adjacent bytes that went to the patterns */
	bool running;
	uint64_t run_begin, run_end;
	size_t seen;             /* of match->ids */
	struct os_mapping where; /* its last mapping */
	char where_path[512];
	/* of the mapping at hand: states of pages from here on */
	uint64_t pages_at;
	size_t npages;
	uint64_t length_left; /* of the window */
	struct os_maps maps;
	uint64_t pages[PAGEMAP_PAGES];
	_Alignas(ALIGNED) uint8_t piece[PIECE];
};

struct look *
look_new(void)
{
	struct look *l = aligned_alloc(ALIGNED, sizeof(*l));

	if (l != NULL)
		memset(l, 0, offsetof(struct look, piece));
	return l;
}

void
look_free(struct look *l)
{
	free(l);
}

int
look_maps(
    struct look *l, int fd, os_mapping_found *found, void *arg, struct err *e)
{
	uint8_t text[16384];
	ssize_t n;

	memset(&l->maps, 0, sizeof(l->maps));
	for (;;) {
		n = read(fd, text, sizeof(text));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, "reading its maps");
		if (n == 0)
			break;
		if (!os_maps_feed(&l->maps, text, (size_t)n, found, arg))
			return 0;
	}
	(void)os_maps_end(&l->maps, found, arg);
	return 0;
}

/* --- what is read of a mapping -------------------------------------------- */

static bool
begins(const struct os_mapping *m, const char *prefix)
{
	return str_starts(m->path, prefix);
}

/* Memory that only has a name: of memfd_create, shmget, shared mappings. */
static bool
is_shared_memory(const struct os_mapping *m)
{
	return begins(m, "/memfd:") || begins(m, "/SYSV") ||
	    begins(m, "/dev/shm/") || begins(m, "/dev/zero") ||
	    begins(m, "/anon_hugepage") || begins(m, "/dev/hugepages/");
}

bool
look_is_special(const struct os_mapping *m)
{
	if (m->device || begins(m, "[vsyscall]") || begins(m, "[vvar"))
		return true;
	if (m->path[0] != '/')
		return begins(m, "socket:") || begins(m, "anon_inode:i915") ||
		    begins(m, "anon_inode:[perf_event]");
	if (is_shared_memory(m))
		return false;
	return begins(m, "/dev/") || begins(m, "/sys/") ||
	    begins(m, "/proc/") || begins(m, "/dmabuf");
}

/* May pages that are not in memory be read? */
static bool
absent_too(const struct look *l, const struct os_mapping *m, uint64_t absent)
{
	enum os_device kind;

	if (m->inode == 0 || l->job->window->residentonly || m->userfault ||
	    m->path[0] != '/')
		return false;
	kind = os_devices_find(l->job->devices, m->major, m->minor);
	if (is_shared_memory(m) || kind == OS_DEVICE_MEMORY)
		return absent <= LOOK_TMPFS_MAX;
	return kind == OS_DEVICE_LOCAL && absent <= LOOK_FILE_MAX;
}

/* All of it was there when it was listed, and a page that is gone by now costs
 * no more than its own disk: none has to be looked up. */
static bool
is_all_there(const struct look *l, const struct os_mapping *m, uint64_t absent)
{
	return m->detailed && absent == 0 && !m->userfault &&
	    (m->inode == 0 || absent_too(l, m, 0));
}

static void
note_absent(struct look *l, const struct os_mapping *m, uint64_t bytes)
{
	struct look_job *job = l->job;

	if (m->inode == 0 || bytes == 0)
		return;
	job->absent += bytes;
	if (job->window->residentonly)
		return;
	if (job->absent_mappings++ == 0)
		(void)str_copy(
		    job->absent_first, sizeof(job->absent_first), m->path);
}

/* --- runs ----------------------------------------------------------------- */

static void
report(struct look *l)
{
	const struct match_state *st = l->job->match;
	struct look_hit h = { .mapping = &l->where };

	if (l->seen == st->nids)
		return;
	for (; l->seen < st->nids; l->seen++) {
		h.pattern = st->ids[l->seen];
		h.end = l->run_begin + st->last[h.pattern];
		l->job->hit(&h, l->job->arg);
	}
	if (l->end == LOOK_ALL && l->job->enough(l->job->arg))
		l->end = LOOK_ENOUGH;
}

static void
end_run(struct look *l)
{
	const struct match_state *st = l->job->match;
	size_t i;

	if (!l->running)
		return;
	l->running = false;
	match_end(l->job->match);
	report(l);
	for (i = 0; i < st->ncut; i++)
		l->job->cut(st->cut[i], l->job->arg);
	if (st->gave_up != NULL)
		l->job->gave_up = st->gave_up;
}

static void
feed(struct look *l, const struct os_mapping *m, uint64_t at, size_t n)
{
	if (l->running && at != l->run_end)
		end_run(l);
	if (!l->running) {
		match_begin(l->job->match);
		l->running = true;
		l->run_begin = at;
		l->seen = 0;
	}
	if (m->begin != l->where.begin) {
		l->where = *m;
		(void)str_copy(l->where_path, sizeof(l->where_path), m->path);
		l->where.path = l->where_path;
	}
	l->run_end = at + n;
	match_feed(l->job->match, l->piece, n);
	report(l);
}

/* --- pages ---------------------------------------------------------------- */

/* The states of the pages from at on; false: nobody knows. */
static bool
load_pages(struct look *l, uint64_t at, uint64_t end)
{
	size_t want = (size_t)((end - at) / l->page);
	ssize_t n;

	if (want > PAGEMAP_PAGES)
		want = PAGEMAP_PAGES;
	do {
		n = pread(l->job->fds.pagemap, l->pages,
		    want * sizeof(l->pages[0]),
		    (off_t)(at / l->page * sizeof(l->pages[0])));
	} while (n < 0 && errno == EINTR);
	l->pages_at = at;
	l->npages = n > 0 ? (size_t)n / sizeof(l->pages[0]) : 0;
	return l->npages > 0;
}

/* Is this page, of those that were loaded last, in memory or in swap? */
static bool
is_there(const struct look *l, uint64_t at)
{
	size_t i = (size_t)((at - l->pages_at) / l->page);

	return i >= l->npages ||
	    (l->pages[i] & (PAGE_IN_MEMORY | PAGE_IN_SWAP)) != 0;
}

static void
read_failed(struct look *l, uint64_t at)
{
	end_run(l);
	/* a page of a file that is not in memory may lie behind its end */
	if (is_there(l, at))
		l->job->unreadable++;
	else
		l->job->absent += l->page;
}

static size_t
piece_size(const struct look *l, uint64_t at, uint64_t end)
{
	uint64_t n = end - at;

	if (n > PIECE)
		n = PIECE;
	if (n > l->length_left)
		n = l->length_left;
	return n > *l->job->read_left ? (size_t)*l->job->read_left : (size_t)n;
}

/* Everything from begin to end, all of which is wanted. */
static void
read_range(
    struct look *l, const struct os_mapping *m, uint64_t begin, uint64_t end)
{
	uint64_t first = l->job->window->offset;
	uint64_t at = begin < first ? first : begin;
	size_t want;
	ssize_t n;

	while (at < end && l->end == LOOK_ALL && l->length_left > 0) {
		if (l->job->stop(l->job->arg)) {
			l->end = LOOK_STOPPED;
			return;
		}
		want = piece_size(l, at, end);
		if (want == 0) {
			l->end = LOOK_READ_LIMIT;
			return;
		}
		n = pread(l->job->fds.mem, l->piece, want, (off_t)at);
		if (n > 0) {
			l->job->bytes += (uint64_t)n;
			*l->job->read_left -= (uint64_t)n;
			l->length_left -= (uint64_t)n;
			feed(l, m, at, (size_t)n);
			at += (uint64_t)n;
		} else if (n == 0 || errno == ESRCH) {
			l->end = LOOK_VANISHED;
		} else if (errno != EINTR) {
			read_failed(l, at);
			at = at / l->page * l->page + l->page;
		}
	}
}

/* Without a pagemap: all of it, or nothing. */
static void
read_blindly(
    struct look *l, const struct os_mapping *m, uint64_t begin, uint64_t end)
{
	l->npages = 0;
	if (end - begin <= UNKNOWN_MAX)
		read_range(l, m, begin, end);
	else
		note_absent(l, m, end - begin);
}

static void
read_pages(struct look *l, const struct os_mapping *m, uint64_t begin,
    uint64_t end, bool all)
{
	uint64_t at = begin, from, stop, absent = 0;

	while (at < end && l->end == LOOK_ALL && l->length_left > 0) {
		if (!load_pages(l, at, end)) {
			read_blindly(l, m, at, end);
			break;
		}
		stop = at + l->npages * l->page;
		if (all) {
			read_range(l, m, at, stop);
			at = stop;
			continue;
		}
		while (at < stop && l->end == LOOK_ALL) {
			for (; at < stop && !is_there(l, at); at += l->page)
				absent += l->page;
			for (from = at; at < stop && is_there(l, at);)
				at += l->page;
			if (at > from)
				read_range(l, m, from, at);
		}
	}
	note_absent(l, m, absent);
}

static bool
on_mapping(const struct os_mapping *m, void *arg)
{
	struct look *l = arg;
	uint64_t begin = m->begin, size = m->end - m->begin, there, absent;
	bool all;

	if (m->end <= l->job->window->offset)
		return true;
	if (look_is_special(m)) {
		l->job->devices_skipped += m->device || m->path[0] == '/';
		return true;
	}
	if (begin < l->job->window->offset)
		begin = l->job->window->offset / l->page * l->page;
	there = m->present + m->swapped;
	absent = there < size ? size - there : 0;
	all = absent_too(l, m, absent);
	if (m->detailed && there == 0 && !all) {
		note_absent(l, m, m->end - begin);
	} else if (is_all_there(l, m, absent)) {
		l->npages = 0;
		read_range(l, m, begin, m->end);
	} else if (l->job->fds.pagemap < 0) {
		read_blindly(l, m, begin, m->end);
	} else {
		read_pages(l, m, begin, m->end, all);
	}
	return l->end == LOOK_ALL && l->length_left > 0;
}

enum look_end
look_run(struct look *l, struct look_job *job, struct err *e)
{
	int rc;

	l->job = job;
	l->e = e;
	l->end = LOOK_ALL;
	l->running = false;
	memset(&l->where, 0, sizeof(l->where));
	l->page = (size_t)sysconf(_SC_PAGESIZE);
	l->length_left = job->window->maxlength;
	rc = look_maps(l, job->fds.maps, on_mapping, l, e);
	end_run(l);
	if (rc != 0 && l->end == LOOK_ALL)
		l->end = LOOK_FAILED;
	return l->end;
}
