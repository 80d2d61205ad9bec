/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The sshkey module's work: one walk; each file of a size that keys have is
 * read once and searched (keyfile.h). Of private keys only the public half, and
 * whether they are encrypted, reaches the answer; what was read is wiped.
 */
#include "modules/run.h"

#include "base/err.h"
#include "base/fault.h"
#include "base/jsonw.h"
#include "base/str.h"
#include "modules/common/outcome.h"
#include "modules/common/watch.h"
#include "modules/file/subject.h"
#include "modules/params.h"
#include "modules/rights.h"
#include "modules/sshkey/keyfile.h"
#include "modules/sshkey/keyrow.h"
#include "scan/digest.h"
#include "scan/walk.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX (1024 * 1024)      /* as in the original */
#define LIST_BYTES_MAX (16 * 1024 * 1024) /* of authorized_keys ... */
#define DEPTH 8
#define DAMAGE_MAX 512
#define LAST_MAX 1024

/* Beside those of scan/skip.h. */
enum { GAP_TOO_LARGE = SKIP_REASONS, GAP_NOT_A_KEY, GAPS };

static const struct outcome_kind all_kinds[GAPS] = {
#define KIND(name, word) [name] = { word, NULL, false },
	SKIPS(KIND)
#undef KIND
	    [GAP_TOO_LARGE] = { "toolarge", NULL, true },
	[GAP_NOT_A_KEY] = { "notakey", NULL, true },
};

/* Ordinary and many: the number says it. */
static const enum skip silent[] = { SKIP_SPECIAL, SKIP_VIRTUAL,
	SKIP_LINK_OUTSIDE, SKIP_LINK_BROKEN, SKIP_VANISHED, SKIP_DEPTH };

struct run {
	struct outcome_kind kinds[GAPS];
	struct outcome outcome;
	struct watch watch;
	struct walk *walk;
	struct digests *digests;
	struct rows rows;    /* the keys (keyrow.h) */
	struct buf measured; /* the JSON of one, for its length */
	struct buf data;
	uint64_t files, keys, read, read_left;
	bool ended;
	char last[LAST_MAX]; /* how far it came, should a limit end it */
	/* the file at hand */
	const char *path;
	uint64_t damaged;
	char damage[DAMAGE_MAX];
};

/* --- keys -----------------------------------------------------------------*/

/* 0: it cannot be made. */
static size_t
final(struct run *r, enum digest_alg which, uint8_t *ret, size_t len)
{
	uint8_t digest[DIGEST_LEN_MAX];

	if (digests_final(r->digests, which, digest) != 0)
		return 0;
	memcpy(ret, digest, len);
	return len;
}

static void
fingerprints(
    struct run *r, const void *blob, size_t len, struct keyrow_digests *ret)
{
	const unsigned int both =
	    DIGEST_BIT(DIGEST_MD5) | DIGEST_BIT(DIGEST_SHA256);
	struct err e;
	int rc;

	if (r->digests == NULL &&
	    (rc = digests_new(both, &r->digests, &e)) != 0) {
		outcome_gap(&r->outcome,
		    rc == ERR_NOMEM ? SKIP_MEMORY : SKIP_UNSUPPORTED, r->path,
		    e.msg);
		return;
	}
	if (digests_begin(r->digests, both) != 0 ||
	    digests_add(r->digests, blob, len) != 0)
		outcome_gap(&r->outcome, SKIP_MEMORY, r->path,
		    "no memory for a fingerprint");
	ret->sha256_len = final(r, DIGEST_SHA256, ret->sha256, 32);
	ret->md5_len = final(r, DIGEST_MD5, ret->md5, 16);
}

static void
on_key(const struct keyfile_key *k, void *arg)
{
	struct keyrow_digests key = { 0 }, ca = { 0 };
	struct run *r = arg;
	struct keyrow row;

	if (r->watch.ctx->found_only || r->outcome.full) {
		r->keys += !r->outcome.full;
		return;
	}
	if (k->public != NULL)
		fingerprints(
		    r, k->public->plain.data, k->public->plain.len, &key);
	if (k->public != NULL && k->public->cert)
		fingerprints(r, k->public->ca.p, k->public->ca.len, &ca);
	keyrow_make(&row, k, r->path, &key, &ca);
	buf_clear(&r->measured);
	keyrow_write(row.field, r->rows.n > 0, &r->measured);
	if (outcome_keep_row(&r->outcome, &r->rows, row.field, &r->measured))
		r->keys++;
}

static void
on_damaged(uint64_t line, const char *what, void *arg)
{
	struct run *r = arg;

	if (r->damaged++ == 0)
		snprintf(r->damage, sizeof(r->damage), "line %llu: %s",
		    (unsigned long long)line, what);
}

static void
on_not_a_key(const char *what, void *arg)
{
	struct run *r = arg;

	outcome_gap(&r->outcome, GAP_NOT_A_KEY, r->path, what);
}

static void
on_no_memory(void *arg)
{
	struct run *r = arg;

	outcome_gap(&r->outcome, SKIP_MEMORY, r->path, NULL);
}

/* --- files ----------------------------------------------------------------*/

static bool
on_stop(void *arg)
{
	struct run *r = arg;

	return r->ended || r->outcome.full || watch_stop(&r->watch);
}

static void
on_skip(enum skip reason, const char *path, const char *why, void *arg)
{
	struct run *r = arg;

	outcome_gap(&r->outcome, reason, path, why);
}

/* What it grows by while it is read is not looked at. */
static bool
read_data(struct run *r, int fd, size_t size)
{
	uint8_t *p;
	ssize_t n;

	buf_clear(&r->data);
	p = buf_reserve(&r->data, size);
	if (p == NULL) {
		outcome_gap(&r->outcome, SKIP_MEMORY, r->path, NULL);
		return false;
	}
	while (r->data.len < size) {
		n = read(fd, p + r->data.len, size - r->data.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			outcome_gap(
			    &r->outcome, SKIP_IO, r->path, strerror(errno));
			return false;
		}
		if (n == 0)
			break;
		r->data.len += (size_t)n;
	}
	r->read += r->data.len;
	r->read_left -= r->data.len;
	return true;
}

static void
search_data(struct run *r, const char *name)
{
	const struct keyfile_ops ops = { on_key, on_damaged, on_not_a_key,
		on_no_memory, on_stop, r };
	char why[DAMAGE_MAX + 64];

	r->damaged = 0;
	keyfile_read(name, (const char *)r->data.data, r->data.len, &ops);
	explicit_bzero(r->data.data, r->data.len);
	if (r->damaged == 0)
		return;
	snprintf(why, sizeof(why), "%llu lines are no keys; the first: %s",
	    (unsigned long long)r->damaged, r->damage);
	outcome_gap(&r->outcome, SKIP_CORRUPT, r->path, why);
	r->outcome.counts[SKIP_CORRUPT] += r->damaged - 1;
}

static void
look(struct run *r, struct subject *s)
{
	enum subject_state state;
	size_t size, most;
	enum skip reason;
	const char *why;

	state = subject_stat(s, r->walk, &reason, &why);
	if (state == SUBJECT_FAILED)
		outcome_gap(&r->outcome, reason, r->path, why);
	if (state != SUBJECT_FILE)
		return;
	if (!subject_in_scope(s, r->walk, 0))
		return;
	r->files++;
	most = keyfile_is_list(s->en->base) ? LIST_BYTES_MAX : FILE_BYTES_MAX;
	if (s->st.st_size > (off_t)most) {
		outcome_gap(&r->outcome, GAP_TOO_LARGE, r->path, NULL);
		return;
	}
	size = (size_t)s->st.st_size;
	if (size == 0)
		return;
	if (size > r->read_left) {
		outcome_gap(&r->outcome, SKIP_READ, r->path,
		    "limit reached: bytes read; what follows was not "
		    "examined");
		r->ended = true;
		return;
	}
	switch (subject_open(s, &reason, &why)) {
	case SUBJECT_FILE:
		fault_point("sshkey.file");
		if (read_data(r, s->fd, size))
			search_data(r, s->en->base);
		break;
	case SUBJECT_FAILED:
		outcome_gap(&r->outcome, reason, r->path, why);
		break;
	default:
		break;
	}
}

static void
on_entry(const struct walk_entry *en, void *arg)
{
	struct run *r = arg;
	struct subject s;

	if (on_stop(r))
		return;
	r->path = en->path;
	(void)str_copy(r->last, sizeof(r->last), en->path);
	if (en->type != DT_REG && en->type != DT_LNK &&
	    en->type != DT_UNKNOWN) {
		outcome_gap(&r->outcome, SKIP_SPECIAL, en->path, NULL);
		return;
	}
	subject_init(&s, en);
	look(r, &s);
	subject_release(&s);
}

/* --- the run --------------------------------------------------------------*/

static void
note_end(struct run *r)
{
	static const enum skip reasons[] = {
		[WATCH_TIME] = SKIP_TIME,
		[WATCH_CPU] = SKIP_CPU,
		[WATCH_STOPPED] = SKIP_STOPPED,
	};
	const struct right_way *way = rights_of_files(r->watch.ctx->rights);

	if (r->outcome.out_of_memory) {
		outcome_end_by(&r->outcome, SKIP_MEMORY,
		    "limit reached: memory; not every key is listed");
		if (r->watch.ctx->ret_end != NULL)
			*r->watch.ctx->ret_end = RUN_LIMIT;
	} else if (r->outcome.full) {
		outcome_gap(&r->outcome, SKIP_OUTPUT, NULL,
		    "the answer's size limit is reached: not every key is "
		    "listed");
	} else if (!r->ended && watch_stop(&r->watch)) {
		outcome_gap(&r->outcome, reasons[r->watch.end], r->watch.text,
		    "what was not reached by then was not examined");
	}
	if (r->outcome.counts[SKIP_UNREADABLE] > 0)
		outcome_note(&r->outcome,
		    "rights: this agent reads %s; not seen: %s", way->had,
		    way->unseen);
}

static void
write_keys(struct run *r, struct buf *out)
{
	struct rows_field row[KEYROW_FIELDS];
	bool comma = false;

	rows_rewind(&r->rows);
	for (; rows_next(&r->rows, row); comma = true)
		keyrow_write(row, comma, out);
}

static int
write_answer(struct run *r, struct buf *out, struct err *e)
{
	struct jsonw w;

	jsonw_init(&w, out);
	outcome_begin(&r->outcome, &w, r->keys > 0, true);
	jsonw_array(&w, "keys");
	write_keys(r, out);
	jsonw_array_end(&w);
	outcome_statistics(&r->outcome, &w);
	jsonw_u64(&w, "filescount", r->files);
	jsonw_u64(&w, "bytesread", r->read);
	if (r->ended || r->outcome.full || r->watch.end != WATCH_GOES_ON)
		jsonw_str(&w, "endedat", r->last);
	outcome_file_rights(&w, r->watch.ctx->rights);
	return outcome_end(&r->outcome, &w, e);
}

extern const struct module module_sshkey;

/* Owned strings; the usual places only where they are. */
static int
take_paths(const json_t *params, char ***ret, size_t *ret_n, struct err *e)
{
	bool asked = json_array_size(params_get(params, "paths")) > 0;
	json_t *list = module_sshkey.paths(params);
	struct stat st;
	const char *p;
	size_t i;
	int rc = 0;

	*ret = calloc(json_array_size(list) + 1, sizeof(**ret));
	if (list == NULL || *ret == NULL)
		rc = ERR_NOMEM;
	for (i = 0; i < json_array_size(list) && rc == 0; i++) {
		p = json_string_value(json_array_get(list, i));
		if (!asked && lstat(p, &st) != 0 && errno == ENOENT)
			continue;
		(*ret)[*ret_n] = strdup(p);
		if ((*ret)[*ret_n] == NULL)
			rc = ERR_NOMEM;
		else
			(*ret_n)++;
	}
	json_decref(list);
	return rc == 0 ? 0 : err_set(e, rc, "out of memory");
}

static int
work(struct run *r, const json_t *params, char **paths, size_t n, struct err *e)
{
	const struct walk_ops ops = { .entry = on_entry,
		.skip = on_skip,
		.stop = on_stop,
		.fence = r->watch.ctx->fence,
		.hidden = r->watch.ctx->hidden };
	int64_t depth = params_num(params, "maxdepth", 0);
	struct walk_scope scope = { .paths = paths,
		.npaths = n,
		.depth = depth > 0 ? (uint64_t)depth : DEPTH,
		.remote = params_bool(params, "remotefs") };
	int rc;

	if (n > 0) {
		if ((rc = walk_new(&scope, 1, &ops, r, &r->walk, e)) != 0)
			return rc;
		walk_run(r->walk);
	}
	note_end(r);
	return 0;
}

int
module_sshkey_run(const json_t *params, const struct run_context *ctx,
    struct buf *out, struct err *e)
{
	struct run r = { 0 };
	char **paths = NULL;
	size_t n = 0, i;
	int rc;

	memcpy(r.kinds, all_kinds, sizeof(r.kinds));
	for (i = 0; i < sizeof(silent) / sizeof(silent[0]); i++)
		r.kinds[silent[i]].silent = true;
	outcome_init(&r.outcome, r.kinds, GAPS, 0, ctx->output_max);
	watch_begin(&r.watch, ctx);
	rows_init(&r.rows, KEYROW_FIELDS, ctx->output_max);
	buf_init(&r.measured, ctx->output_max);
	buf_init(&r.data, LIST_BYTES_MAX);
	r.read_left =
	    ctx->read_bytes > 0 ? (uint64_t)ctx->read_bytes : UINT64_MAX;
	rc = take_paths(params, &paths, &n, e);
	if (rc == 0)
		rc = work(&r, params, paths, n, e);
	if (rc == 0)
		rc = write_answer(&r, out, e);
	walk_free(r.walk);
	digests_free(r.digests);
	rows_release(&r.rows);
	buf_release(&r.measured);
	if (r.data.data != NULL)
		explicit_bzero(r.data.data, r.data.cap);
	buf_release(&r.data);
	outcome_release(&r.outcome);
	for (i = 0; i < n; i++)
		free(paths[i]);
	free(paths);
	return rc;
}
