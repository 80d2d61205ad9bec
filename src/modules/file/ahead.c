/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/file/ahead.h"

#include "base/err.h"
#include "base/crew.h"
#include "scan/throttle.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LARGE_BYTES (1 << 20) /* worth waking a thread for */

struct reader {
	struct file_reader reader;
	struct throttle throttle; /* a hand's: the process's time counts */
	struct ahead *ahead;
};

struct ahead {
	const struct plan *plan;
	struct crew *crew;
	atomic_bool quit;
	bool (*stop)(void *arg);
	void *arg;
	struct ahead_file files[AHEAD_FILES];
	size_t first; /* the oldest place */
	size_t n;     /* readers: the walk's is the last */
	struct reader readers[];
};

static bool
hand_stop(void *arg)
{
	struct reader *r = arg;

	if (atomic_load_explicit(&r->ahead->quit, memory_order_relaxed))
		return true;
	throttle_pause(&r->throttle);
	return false;
}

static void
work(size_t place, int hand, void *arg)
{
	struct ahead *a = arg;
	struct ahead_file *f = &a->files[place];
	bool own = hand == CREW_OWNER;
	struct reader *r = &a->readers[own ? a->n - 1 : (size_t)hand];

	if (f->known)
		return;
	f->reading.stop = own ? a->stop : hand_stop;
	f->reading.arg = own ? a->arg : r;
	file_reader_read(&r->reader, &f->reading);
	if (f->reading.patterns)
		match_keep(r->reader.lines, &f->found);
	if (f->again)
		return;
	/* a tenth of the time of a small file, which the walk has less of */
	close(f->subject.fd);
	f->subject.fd = -1;
}

static int
make_readers(
    struct ahead *a, unsigned int threads, uint32_t percent, struct err *e)
{
	struct reader *r;
	int rc = 0;

	while (rc == 0 && a->n < threads) {
		r = &a->readers[a->n];
		r->ahead = a;
		throttle_begin(&r->throttle, percent);
		rc = file_reader_init(&r->reader, a->plan, e);
		a->n += rc == 0;
	}
	return rc;
}

static int
make_places(struct ahead *a, struct err *e)
{
	size_t i;

	/* all of them before one fails */
	for (i = 0; i < AHEAD_FILES; i++) {
		buf_init(&a->files[i].path, WALK_PATH_MAX + 1);
		subject_init(&a->files[i].subject, &a->files[i].en);
	}
	for (i = 0; i < AHEAD_FILES; i++) {
		a->files[i].searches =
		    calloc(a->plan->params->n, sizeof(uint32_t));
		if (a->files[i].searches == NULL)
			return err_set(e, ERR_NOMEM, "out of memory");
	}
	return 0;
}

int
ahead_new(const struct plan *p, unsigned int threads, uint32_t percent,
    bool (*stop)(void *arg), void *arg, struct ahead **ret, struct err *e)
{
	struct ahead *a;
	int rc;

	if (threads > CREW_MAX)
		threads = CREW_MAX;
	a = calloc(1, sizeof(*a) + threads * sizeof(a->readers[0]));
	if (a == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	a->plan = p;
	a->stop = stop;
	a->arg = arg;
	rc = make_places(a, e);
	if (rc == 0)
		rc = make_readers(a, threads, percent, e);
	if (rc == 0)
		rc = crew_new(threads - 1, AHEAD_FILES, work, a, &a->crew, e);
	if (rc != 0) {
		(void)ahead_free(a);
		return rc;
	}
	*ret = a;
	return 0;
}

static void
release(struct ahead_file *f)
{
	subject_release(&f->subject);
	subject_init(&f->subject, &f->en);
	match_found_release(&f->found);
}

uint64_t
ahead_free(struct ahead *a)
{
	uint64_t bytes = 0;
	size_t i, n;

	if (a == NULL)
		return 0;
	atomic_store_explicit(&a->quit, true, memory_order_relaxed);
	n = a->crew != NULL ? crew_used(a->crew) : 0;
	crew_free(a->crew);
	for (i = 0; i < n; i++)
		bytes += a->files[(a->first + i) % AHEAD_FILES].reading.bytes;
	for (i = 0; i < AHEAD_FILES; i++) {
		release(&a->files[i]);
		buf_release(&a->files[i].path);
		free(a->files[i].searches);
	}
	for (i = 0; i < a->n; i++)
		file_reader_release(&a->readers[i].reader);
	free(a);
	return bytes;
}

struct ahead_file *
ahead_next(struct ahead *a)
{
	size_t place;

	return crew_next(a->crew, &place) ? &a->files[place] : NULL;
}

int
ahead_add(struct ahead *a, struct subject *s)
{
	struct ahead_file *f = ahead_next(a);
	const struct walk_entry *en = s->en;

	BUG_ON(f == NULL || s->fd < 0);
	buf_clear(&f->path);
	if (buf_add(&f->path, en->path, en->path_len) != 0)
		return ERR_NOMEM;
	f->en = *en;
	f->en.path = buf_str(&f->path);
	f->en.base = f->en.path + (en->base - en->path);
	f->en.name = f->en.base;
	f->en.scopes = NULL;
	f->en.nscopes = 0;
	f->subject = *s;
	f->subject.en = &f->en;
	subject_init(s, en);
	f->reading.plan = a->plan;
	f->reading.fd = f->subject.fd;
	f->reading.size = (uint64_t)f->subject.st.st_size;
	f->reading.searches = f->searches;
	f->any = UINT64_MAX;
	f->reading.read_left = &f->any;
	crew_add(a->crew, !f->known && f->reading.size >= LARGE_BYTES);
	return 0;
}

size_t
ahead_used(const struct ahead *a)
{
	return crew_used(a->crew);
}

bool
ahead_has(const struct ahead *a, const struct stat *st)
{
	const struct stat *have;
	size_t i, n = crew_used(a->crew);

	for (i = 0; i < n; i++) {
		have = &a->files[(a->first + i) % AHEAD_FILES].subject.st;
		if (have->st_ino == st->st_ino && have->st_dev == st->st_dev)
			return true;
	}
	return false;
}

struct ahead_file *
ahead_first(struct ahead *a, int ms)
{
	size_t place;

	if (!crew_first(a->crew, ms, &place))
		return NULL;
	a->first = place;
	return &a->files[place];
}

const char *
ahead_path(const struct ahead *a)
{
	return crew_used(a->crew) > 0 ? a->files[a->first].en.path : NULL;
}

void
ahead_drop(struct ahead *a)
{
	release(&a->files[a->first]);
	a->first = (a->first + 1) % AHEAD_FILES;
	crew_drop(a->crew);
}
