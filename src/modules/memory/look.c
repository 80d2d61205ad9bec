/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/memory/look.h"

#include "base/err.h"
#include "base/str.h"
#include "os/pages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE (256 * 1024)
#define ALIGNED 4096 /* the kernel copies faster to such a place */
/* Without a pagemap a mapping may be nothing but holes. */
#define UNKNOWN_MAX LOOK_FILE_MAX
/* Where so much is left of a mapping, and all that was listed of it was seen,
 * the rest is not looked up page by page. */
#define COUNTED_FROM (UINT64_C(1) << 30)
#define COUNTED_MAX 64 /* mappings of a process */

/* A mapping of which no page was looked up from here on. */
struct counted {
	uint64_t from, end;
};

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
	uint64_t length_left; /* of the window */
	struct os_maps maps;
	bool no_scan;          /* pagemap can only be read */
	struct os_pages pages; /* of the mapping at hand, looked up last */
	struct counted counted[COUNTED_MAX];
	size_t ncounted;
	bool again; /* it is what was counted that is looked at */
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

static int
ended(struct err *e)
{
	return err_set(e, ERR_CLOSED, "it ended while it was looked at");
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
		if (n < 0 && errno == ESRCH)
			return ended(e);
		if (n < 0)
			return err_errno(e, "reading its maps");
		if (n == 0)
			break;
		if (!os_maps_feed(&l->maps, text, (size_t)n, found, arg))
			return 0;
	}
	(void)os_maps_end(&l->maps, found, arg);
	/* those of a process that has ended do so too, wherever that was */
	n = pread(fd, text, 1, 0);
	return n == 0 || (n < 0 && errno == ESRCH) ? ended(e) : 0;
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
count_absent(struct look *l, const struct os_mapping *m, uint64_t bytes)
{
	struct look_job *job = l->job;

	job->absent += bytes;
	if (job->window->residentonly && m->inode != 0)
		return;
	if (job->absent_mappings++ == 0)
		(void)str_copy(job->absent_first, sizeof(job->absent_first),
		    m->path[0] != '\0' ? m->path : "memory without a name");
}

/* Of anonymous memory such is what was never touched. */
static void
note_absent(struct look *l, const struct os_mapping *m, uint64_t bytes)
{
	if (m->inode != 0 && bytes > 0)
		count_absent(l, m, bytes);
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

/* What holds something from at on; false: nobody knows. */
static bool
load_pages(struct look *l, uint64_t at, uint64_t end)
{
	int fd = l->job->fds.pagemap;

	if (!l->no_scan && os_pages_scan(fd, at, end, &l->pages) == 0)
		return true;
	l->no_scan = true;
	return os_pages_read(fd, at, end, &l->pages) == 0;
}

static void
read_failed(struct look *l, uint64_t at)
{
	enum os_page page = os_pages_at(l->job->fds.pagemap, at);

	end_run(l);
	/* a page of a file that is not in memory may lie behind its end */
	if (page == OS_PAGE_NONE)
		l->job->absent += l->page;
	else if (page != OS_PAGE_GUARD)
		l->job->unreadable++;
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

/* Without a pagemap: all of it, or nothing, which is told of any memory. */
static void
read_blindly(
    struct look *l, const struct os_mapping *m, uint64_t begin, uint64_t end)
{
	if (end - begin <= UNKNOWN_MAX)
		read_range(l, m, begin, end);
	else
		count_absent(l, m, end - begin);
}

/* Of what was looked up, from at on; how much of it holds nothing. */
static uint64_t
read_runs(struct look *l, const struct os_mapping *m, uint64_t at)
{
	uint64_t absent = l->pages.until - at;
	const struct os_page_run *r;
	size_t i;

	for (i = 0; i < l->pages.n; i++) {
		r = &l->pages.runs[i];
		absent -= r->end - r->begin;
		read_range(l, m, r->begin, r->end);
	}
	return absent;
}

static bool
goes_on(struct look *l)
{
	if (l->end == LOOK_ALL && l->job->stop(l->job->arg))
		l->end = LOOK_STOPPED;
	return l->end == LOOK_ALL && l->length_left > 0;
}

/* Was as much seen of it as was listed? The listing is a moment old: whether
 * that was all is looked at once more when the process is done. */
static bool
all_was_seen(struct look *l, const struct os_mapping *m, uint64_t from,
    uint64_t end, uint64_t seen)
{
	if (!l->no_scan || l->again || !m->detailed || m->userfault ||
	    seen < m->present + m->swapped || end - from < COUNTED_FROM ||
	    l->ncounted == COUNTED_MAX)
		return false;
	l->counted[l->ncounted].from = from;
	l->counted[l->ncounted].end = end;
	l->ncounted++;
	return true;
}

static void
read_pages(struct look *l, const struct os_mapping *m, uint64_t begin,
    uint64_t end, bool all)
{
	uint64_t at = begin, seen = 0, absent = 0;

	while (at < end && goes_on(l)) {
		if (!load_pages(l, at, end)) {
			read_blindly(l, m, at, end);
			break;
		}
		if (all)
			read_range(l, m, at, l->pages.until);
		else
			absent += read_runs(l, m, at);
		at = l->pages.until;
		seen += l->pages.sure;
		if (!all && all_was_seen(l, m, at, end, seen))
			break;
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
		read_range(l, m, begin, m->end);
	} else if (l->job->fds.pagemap < 0) {
		read_blindly(l, m, begin, m->end);
	} else {
		read_pages(l, m, begin, m->end, all);
	}
	return l->end == LOOK_ALL && l->length_left > 0;
}

/* --- what was not looked up ----------------------------------------------- */

/* Bytes from begin to end that are in memory or in swap for sure. */
static uint64_t
count_pages(struct look *l, uint64_t begin, uint64_t end)
{
	uint64_t n = 0;

	while (begin < end && goes_on(l) &&
	    os_pages_read(l->job->fds.pagemap, begin, end, &l->pages) == 0) {
		n += l->pages.sure;
		begin = l->pages.until;
	}
	return n;
}

/* m as it is listed now: what has come, or has moved, to where nothing was
 * looked up is read. */
static void
look_behind(struct look *l, const struct os_mapping *m, const struct counted *c)
{
	uint64_t from = m->begin > c->from ? m->begin : c->from;
	uint64_t end = m->end < c->end ? m->end : c->end;
	uint64_t there = m->present + m->swapped;

	if (from >= end)
		return;
	if (there > 0 && count_pages(l, m->begin, from) < there)
		read_pages(l, m, from, end, false);
	else
		note_absent(l, m, end - from);
}

static bool
on_counted(const struct os_mapping *m, void *arg)
{
	struct look *l = arg;
	size_t i;

	for (i = 0; i < l->ncounted && !look_is_special(m) && goes_on(l); i++)
		look_behind(l, m, &l->counted[i]);
	return goes_on(l);
}

static int
look_again(struct look *l, struct err *e)
{
	if (l->ncounted == 0 || l->end != LOOK_ALL || l->length_left == 0)
		return 0;
	if (lseek(l->job->fds.maps, 0, SEEK_SET) != 0)
		return err_errno(e, "reading its maps once more");
	l->again = true;
	return look_maps(l, l->job->fds.maps, on_counted, l, e);
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
	match_restart(job->match);
	l->no_scan = job->no_scan;
	l->ncounted = 0;
	l->again = false;
	rc = look_maps(l, job->fds.maps, on_mapping, l, e);
	if (rc == 0)
		rc = look_again(l, e);
	end_run(l);
	if (rc != 0 && l->end == LOOK_ALL)
		l->end = rc == ERR_CLOSED ? LOOK_VANISHED : LOOK_FAILED;
	return l->end;
}
