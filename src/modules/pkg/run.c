/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The pkg module's work: every package of every database found (system.h) goes
 * past the expressions and comparisons; those that pass become entries. What
 * one try at a database gave counts when that try ended.
 */
#include "modules/run.h"

#include "base/err.h"
#include "base/fault.h"
#include "base/jsonw.h"
#include "modules/common/gofmt.h"
#include "modules/common/outcome.h"
#include "modules/common/rows.h"
#include "modules/common/textmatch.h"
#include "modules/common/watch.h"
#include "modules/pkg/param.h"
#include "modules/pkg/system.h"
#include "modules/rights.h"
#include "os/os.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define DAMAGE_MAX 512

/* Of an entry; its JSON is made when the answer is written. */
enum field {
	FIELD_NAME,
	FIELD_VERSION,
	FIELD_TYPE,
	FIELD_ARCH,
	FIELD_STATE,
	FIELD_ROOT,
	FIELDS
};

static const char *const field_names[FIELDS] = {
	[FIELD_NAME] = "name",
	[FIELD_VERSION] = "version",
	[FIELD_TYPE] = "type",
	[FIELD_ARCH] = "arch",
	[FIELD_STATE] = "state",
	[FIELD_ROOT] = "root",
};

/* What counts, and what the try at hand would add. */
struct tally {
	uint64_t packages, found, epochs;
	struct rows_mark entries;
	size_t used; /* of the answer's room */
};

struct run {
	const struct pkg_params *params;
	struct outcome outcome;
	struct watch watch;
	struct textmatch names, version;
	const char *root; /* as asked for, or NULL */
	struct rows entries;
	struct buf measured; /* an entry's JSON, for its length */
	struct buf databases;
	struct tally now, kept;
	/* the database at hand */
	char path[OS_PATH_MAX + 64];
	const char *form;
	enum pkg_type type;
	uint64_t damaged;
	char damage[DAMAGE_MAX]; /* the first */
	uint64_t unknown;        /* packages that may match */
	char unknown_first[DAMAGE_MAX];
};

static const struct outcome_kind kinds[PKG_GAPS_ALL] = {
#define PKG_GAP_KIND(name, word) [name] = { word, NULL, false },
	PKG_GAPS(PKG_GAP_KIND)
#undef PKG_GAP_KIND
};

/* --- packages -------------------------------------------------------------*/

static bool
tests_hold(struct run *r, const struct package *p)
{
	const struct version_test *t;
	bool hold = true, epoch = false;
	size_t i;

	for (i = 0; i < r->params->ntests; i++) {
		t = &r->params->tests[i];
		hold = hold && version_test_holds(t, p->type, p->version);
		epoch = epoch || version_epoch_decides(t, p->version);
	}
	r->now.epochs += epoch;
	return hold;
}

/* True with *unknown set: perhaps, and why that is not known. */
static bool
matches(struct run *r, const struct package *p, const char **unknown)
{
	const char *why = NULL;
	bool m;

	if (!textmatch_any(&r->names, p->name, unknown) && *unknown == NULL)
		return false;
	if (r->params->version != NULL) {
		m = textmatch_any(&r->version, p->version, &why);
		if (why != NULL)
			*unknown = why;
		else if (m == r->params->version_not)
			return false;
	}
	return tests_hold(r, p);
}

/* comma: another stands before it. */
static void
write_entry(const struct rows_field *row, bool comma, struct buf *out)
{
	struct jsonw w;
	size_t i;

	jsonw_init(&w, out);
	w.comma = comma;
	jsonw_object(&w, NULL);
	for (i = 0; i < FIELDS; i++) {
		/* most have no state and no root */
		if (row[i].len > 0 || i < FIELD_STATE)
			jsonw_strn(&w, field_names[i], row[i].p, row[i].len);
	}
	jsonw_object_end(&w);
}

/* Keeps it if there is room for its JSON. */
static void
add_entry(struct run *r, const struct package *p)
{
	const char *texts[FIELDS] = { p->name, p->version,
		pkg_type_names[p->type], p->arch, p->state,
		r->root != NULL ? r->root : "" };
	struct rows_field row[FIELDS];
	struct buf *json = &r->measured;
	size_t i;

	for (i = 0; i < FIELDS; i++)
		row[i] = (struct rows_field){ texts[i], strlen(texts[i]) };
	buf_clear(json);
	write_entry(row, r->entries.n > 0, json);
	if (outcome_keep_row(&r->outcome, &r->entries, row, json))
		r->now.found++;
}

static void
on_package(const struct package *p, void *arg)
{
	struct run *r = arg;
	const char *unknown = NULL;

	fault_point("pkg.package");
	r->now.packages++;
	if (r->outcome.full || !matches(r, p, &unknown))
		return;
	if (unknown != NULL) {
		if (r->unknown++ == 0)
			snprintf(r->unknown_first, sizeof(r->unknown_first),
			    "%.256s: %s", p->name, unknown);
		return;
	}
	if (r->watch.ctx->found_only)
		r->now.found++;
	else
		add_entry(r, p);
}

static void
on_damaged(const char *what, void *arg)
{
	struct run *r = arg;

	if (r->damaged++ == 0)
		snprintf(r->damage, sizeof(r->damage), "%s", what);
}

static bool
on_stop(void *arg)
{
	struct run *r = arg;

	return r->outcome.full || watch_stop(&r->watch);
}

/* --- databases ------------------------------------------------------------*/

static void
on_begin(const char *path, const char *form, void *arg)
{
	struct run *r = arg;

	snprintf(r->path, sizeof(r->path), "%s", path);
	r->form = form;
	r->damaged = r->unknown = 0;
	r->now = r->kept;
	rows_take_back(&r->entries, r->kept.entries);
	r->outcome.output_used = r->kept.used;
	r->outcome.full = r->outcome.out_of_memory = false;
}

/* n of the database at hand. */
static void
tell(struct run *r, enum pkg_gap gap, uint64_t n, const char *what,
    const char *first)
{
	char why[DAMAGE_MAX + 64];

	if (n == 0)
		return;
	snprintf(why, sizeof(why), "%llu %s; the first: %s",
	    (unsigned long long)n, what, first);
	outcome_gap(&r->outcome, gap, r->path, why);
	r->outcome.counts[gap] += n - 1;
}

/* Left out where there is no room. */
static void
add_database(struct run *r)
{
	size_t before = r->databases.len;
	struct jsonw w;

	jsonw_init(&w, &r->databases);
	w.comma = before > 0;
	jsonw_object(&w, NULL);
	jsonw_str(&w, "path", r->path);
	jsonw_str(&w, "form", r->form);
	jsonw_u64(&w, "packages", r->now.packages - r->kept.packages);
	jsonw_object_end(&w);
	if (r->databases.error != 0)
		r->databases.len = before;
}

static void
on_end(void *arg)
{
	struct run *r = arg;

	add_database(r);
	tell(r, GAP_CORRUPT, r->damaged, "records cannot be understood",
	    r->damage);
	tell(r, GAP_ENGINE, r->unknown, "packages may match", r->unknown_first);
	r->now.entries = rows_mark(&r->entries);
	r->now.used = r->outcome.output_used;
	r->kept = r->now;
	r->damaged = r->unknown = 0;
}

static void
on_gap(enum pkg_gap gap, const char *path, const char *why, void *arg)
{
	struct run *r = arg;

	outcome_gap(&r->outcome, gap, path, why);
}

static void
note_rights(struct run *r)
{
	const struct right_way *way = rights_of_files(r->watch.ctx->rights);

	if (r->outcome.counts[GAP_UNREADABLE] > 0)
		outcome_note(&r->outcome,
		    "rights: this agent reads %s; not seen: %s", way->had,
		    way->unseen);
}

static void
note_end(struct run *r)
{
	static const enum pkg_gap gaps[] = {
		[WATCH_TIME] = GAP_TIME,
		[WATCH_CPU] = GAP_CPU,
		[WATCH_STOPPED] = GAP_STOPPED,
	};

	if (r->outcome.out_of_memory) {
		outcome_end_by(&r->outcome, GAP_MEMORY,
		    "limit reached: memory; not every package is listed");
		if (r->watch.ctx->ret_end != NULL)
			*r->watch.ctx->ret_end = RUN_LIMIT;
	} else if (r->outcome.full) {
		outcome_gap(&r->outcome, GAP_OUTPUT, NULL,
		    "the answer's size limit is reached: not every package is "
		    "listed");
	} else if (watch_stop(&r->watch)) {
		outcome_gap(&r->outcome, gaps[r->watch.end], r->watch.text,
		    "what was not reached by then was not examined");
	}
}

static void
look(struct run *r, const struct os_mounts *mounts)
{
	const struct system_ops ops = {
		.reader = { on_package, on_damaged, on_stop, r },
		.begin = on_begin,
		.end = on_end,
		.gap = on_gap,
	};
	size_t i;

	if (r->params->nroots == 0)
		system_read("/", mounts, NULL, &ops);
	for (i = 0; i < r->params->nroots && !on_stop(r); i++) {
		r->root = r->params->roots[i];
		system_read(r->root, mounts, r->watch.ctx->fence, &ops);
	}
	note_end(r);
	note_rights(r);
}

static void
write_entries(struct run *r, struct buf *out)
{
	struct rows_field row[FIELDS];
	bool comma = false;

	rows_take_back(&r->entries, r->kept.entries);
	rows_rewind(&r->entries);
	for (; rows_next(&r->entries, row); comma = true)
		write_entry(row, comma, out);
}

static int
write_answer(struct run *r, struct buf *out, struct err *e)
{
	char duration[GO_DURATION_MAX];
	struct timespec now;
	struct jsonw w;

	jsonw_init(&w, out);
	outcome_begin(&r->outcome, &w, r->kept.found > 0, true);
	jsonw_array(&w, "packages");
	write_entries(r, out);
	jsonw_array_end(&w);
	outcome_statistics(&r->outcome, &w);
	clock_gettime(CLOCK_MONOTONIC, &now);
	go_duration((now.tv_sec - r->outcome.begin.tv_sec) * 1000000000ll +
		now.tv_nsec - r->outcome.begin.tv_nsec,
	    duration);
	jsonw_str(&w, "execruntime", duration);
	jsonw_u64(&w, "packages", r->kept.packages);
	jsonw_array(&w, "databases");
	buf_add(out, r->databases.data, r->databases.len);
	jsonw_array_end(&w);
	if (r->kept.epochs > 0)
		jsonw_u64(&w, "epochdecided", r->kept.epochs);
	outcome_file_rights(&w, r->watch.ctx->rights);
	return outcome_end(&r->outcome, &w, e);
}

static int
start(struct run *r, const struct run_context *ctx, struct os_mounts **mounts,
    struct err *e)
{
	int rc;

	rc = textmatch_init(&r->names, "pkgmatch.matches", r->params->matches,
	    r->params->nmatches, e);
	if (rc == 0 && r->params->version != NULL)
		rc = textmatch_init(
		    &r->version, "vermatch", &r->params->version, 1, e);
	/* without them everything counts as local */
	(void)os_mounts_read(mounts, NULL);
	if (rc == 0 && ctx->hidden != NULL)
		rc = os_mounts_cover(mounts, ctx->hidden, e);
	return rc;
}

int
module_pkg_run(const json_t *params, const struct run_context *ctx,
    struct buf *out, struct err *e)
{
	struct os_mounts *mounts = NULL;
	struct run r = { 0 };
	struct pkg_params pp;
	int rc;

	if ((rc = pkg_params_parse(params, &pp, e)) != 0)
		return rc;
	r.params = &pp;
	outcome_init(&r.outcome, kinds, PKG_GAPS_ALL, 0, ctx->output_max);
	watch_begin(&r.watch, ctx);
	rows_init(&r.entries, FIELDS, ctx->output_max);
	buf_init(&r.measured, ctx->output_max);
	buf_init(&r.databases, ctx->output_max / 16);
	rc = start(&r, ctx, &mounts, e);
	if (rc == 0) {
		look(&r, mounts);
		rc = write_answer(&r, out, e);
	}
	os_mounts_free(mounts);
	textmatch_release(&r.names);
	textmatch_release(&r.version);
	rows_release(&r.entries);
	buf_release(&r.measured);
	buf_release(&r.databases);
	outcome_release(&r.outcome);
	pkg_params_release(&pp);
	return rc;
}
