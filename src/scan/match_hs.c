/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Hyperscan (or Vectorscan) behind scan/match.h: all patterns in one
 * database, streaming for lines. Loaded at run time; its few functions are
 * declared here, so that building needs no headers of it.
 */
#include "scan/match_engine.h"

#include "base/err.h"
#include "scan/lib.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* hs_compile.h, hs_runtime.h of version 5 */
#define HS_FLAG_DOTALL 2u
#define HS_FLAG_MULTILINE 4u
#define HS_FLAG_SINGLEMATCH 8u
#define HS_FLAG_ALLOWEMPTY 16u
#define HS_MODE_BLOCK 1u
#define HS_MODE_STREAM 2u
#define HS_SUCCESS 0
#define HS_COMPILER_ERROR (-4)

struct hs_compile_error {
	char *message;
	int expression;
};

typedef int hs_on_match(unsigned int id, unsigned long long from,
    unsigned long long to, unsigned int flags, void *arg);

static struct {
	bool loaded;
	int (*valid_platform)(void);
	const char *(*version)(void);
	int (*compile_multi)(const char *const *, const unsigned int *,
	    const unsigned int *, unsigned int, unsigned int, const void *,
	    void **, struct hs_compile_error **);
	int (*expression_info)(
	    const char *, unsigned int, void **, struct hs_compile_error **);
	int (*free_compile_error)(struct hs_compile_error *);
	int (*free_database)(void *);
	int (*alloc_scratch)(const void *, void **);
	int (*free_scratch)(void *);
	int (*scan)(const void *, const char *, unsigned int, unsigned int,
	    void *, hs_on_match *, void *);
	int (*open_stream)(const void *, unsigned int, void **);
	int (*scan_stream)(void *, const char *, unsigned int, unsigned int,
	    void *, hs_on_match *, void *);
	int (*reset_stream)(
	    void *, unsigned int, void *, hs_on_match *, void *);
	int (*close_stream)(void *, void *, hs_on_match *, void *);
} hs;

struct hs_impl {
	void *db;
	enum match_mode mode;
	uint32_t *ids; /* match number -> pattern number */
	bool *count;
	char name[48];
};

struct hs_state {
	struct hs_impl *impl;
	void *scratch, *stream;
	struct match_state *st; /* during a scan */
};

static int
hs_load(struct err *e)
{
	const struct lib_symbol symbols[] = {
		{ "hs_valid_platform", &hs.valid_platform },
		{ "hs_version", &hs.version },
		{ "hs_compile_multi", &hs.compile_multi },
		{ "hs_expression_info", &hs.expression_info },
		{ "hs_free_compile_error", &hs.free_compile_error },
		{ "hs_free_database", &hs.free_database },
		{ "hs_alloc_scratch", &hs.alloc_scratch },
		{ "hs_free_scratch", &hs.free_scratch },
		{ "hs_scan", &hs.scan },
		{ "hs_open_stream", &hs.open_stream },
		{ "hs_scan_stream", &hs.scan_stream },
		{ "hs_reset_stream", &hs.reset_stream },
		{ "hs_close_stream", &hs.close_stream },
	};
	int rc;

	rc = lib_load("libhs.so.5", symbols,
	    sizeof(symbols) / sizeof(symbols[0]), &hs.loaded, e);
	if (rc == 0 && hs.valid_platform() != HS_SUCCESS)
		return err_set(
		    e, ERR_UNSUPPORTED, "this processor cannot run Hyperscan");
	return rc;
}

static void
hs_release(void *arg)
{
	struct hs_impl *impl = arg;

	if (impl == NULL)
		return;
	if (impl->db != NULL)
		hs.free_database(impl->db);
	free(impl->ids);
	free(impl->count);
	free(impl);
}

static int
hs_build(struct hs_impl *impl, const char *const *exprs,
    const unsigned int *flags, const unsigned int *numbers, size_t n,
    size_t *ret_bad, struct err *e)
{
	struct hs_compile_error *ce = NULL;
	int rc;

	rc = hs.compile_multi(exprs, flags, numbers, (unsigned int)n,
	    impl->mode == MATCH_TEXT ? HS_MODE_BLOCK : HS_MODE_STREAM, NULL,
	    &impl->db, &ce);
	if (rc == HS_SUCCESS)
		return 0;
	/* out of memory it blames the first one */
	if (ce != NULL && strstr(ce->message, "allocate") != NULL) {
		hs.free_compile_error(ce);
		return err_set(
		    e, ERR_NOMEM, "not enough memory for %zu expressions", n);
	}
	if (ce != NULL && ce->expression >= 0 && (size_t)ce->expression < n)
		*ret_bad = (size_t)ce->expression;
	err_set(e, ERR_INVALID, "Hyperscan refuses the expression: %s",
	    ce != NULL ? ce->message : "error");
	if (ce != NULL)
		hs.free_compile_error(ce);
	return ERR_INVALID;
}

static unsigned int
flags_of(const struct match_pattern *p, enum match_mode mode)
{
	return (mode == MATCH_LINES ? HS_FLAG_MULTILINE : HS_FLAG_ALLOWEMPTY) |
	    (p->count ? 0 : HS_FLAG_SINGLEMATCH);
}

bool
match_hs_refuses(const struct match_pattern *p, enum match_mode mode)
{
	struct hs_compile_error *ce = NULL;
	void *info = NULL;
	bool refused;

	refused = hs.loaded &&
	    hs.expression_info(p->bytes, flags_of(p, mode), &info, &ce) ==
		HS_COMPILER_ERROR &&
	    strstr(ce->message, "allocate") == NULL;
	free(info); /* its allocator is malloc, as nobody sets another */
	if (ce != NULL)
		hs.free_compile_error(ce);
	return refused;
}

static int
hs_compile(const struct match_pattern *patterns, const uint32_t *ids, size_t n,
    enum match_mode mode, void **ret, size_t *ret_bad, struct err *e)
{
	struct hs_impl *impl;
	const char **exprs = NULL;
	unsigned int *flags = NULL, *numbers = NULL;
	size_t i;
	int rc;

	if ((rc = hs_load(e)) != 0)
		return rc;
	impl = calloc(1, sizeof(*impl));
	exprs = calloc(n, sizeof(*exprs));
	flags = calloc(n, sizeof(*flags));
	numbers = calloc(n, sizeof(*numbers));
	if (impl != NULL) {
		impl->mode = mode;
		impl->ids = calloc(n, sizeof(*impl->ids));
		impl->count = calloc(n, sizeof(*impl->count));
		snprintf(impl->name, sizeof(impl->name), "hyperscan %.*s",
		    (int)strcspn(hs.version(), " "), hs.version());
	}
	rc = ERR_NOMEM;
	if (impl == NULL || exprs == NULL || flags == NULL || numbers == NULL ||
	    impl->ids == NULL || impl->count == NULL) {
		err_set(e, rc, "out of memory");
		goto out;
	}
	for (i = 0; i < n; i++) {
		exprs[i] = patterns[ids[i]].bytes;
		numbers[i] = (unsigned int)i;
		impl->ids[i] = ids[i];
		impl->count[i] = patterns[ids[i]].count;
		flags[i] = flags_of(&patterns[ids[i]], mode);
	}
	rc = hs_build(impl, exprs, flags, numbers, n, ret_bad, e);
out:
	free(exprs);
	free(flags);
	free(numbers);
	if (rc != 0) {
		hs_release(impl);
		return rc;
	}
	*ret = impl;
	return 0;
}

static const char *
hs_name(const void *impl)
{
	return ((const struct hs_impl *)impl)->name;
}

static void
hs_state_free(void *arg)
{
	struct hs_state *s = arg;

	if (s == NULL)
		return;
	if (s->stream != NULL)
		hs.close_stream(s->stream, NULL, NULL, NULL);
	if (s->scratch != NULL)
		hs.free_scratch(s->scratch);
	free(s);
}

static int
hs_state_new(void *impl, void **ret, struct err *e)
{
	struct hs_state *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	s->impl = impl;
	if (hs.alloc_scratch(s->impl->db, &s->scratch) != HS_SUCCESS ||
	    (s->impl->mode != MATCH_TEXT &&
		hs.open_stream(s->impl->db, 0, &s->stream) != HS_SUCCESS)) {
		hs_state_free(s);
		return err_set(e, ERR_NOMEM, "out of memory for Hyperscan");
	}
	*ret = s;
	return 0;
}

static int
on_match(unsigned int id, unsigned long long from, unsigned long long to,
    unsigned int flags, void *arg)
{
	struct hs_state *s = arg;

	match_hit(s->st, s->impl->ids[id], s->impl->count[id], to);
	return 0;
}

static void
hs_text(void *arg, struct match_state *st, const void *data, size_t len)
{
	struct hs_state *s = arg;

	s->st = st;
	if (len > UINT_MAX ||
	    hs.scan(s->impl->db, data, (unsigned int)len, 0, s->scratch,
		on_match, s) != HS_SUCCESS)
		st->gave_up = "Hyperscan failed";
}

static void
hs_begin(void *arg, struct match_state *st)
{
	struct hs_state *s = arg;

	s->st = st;
	if (hs.reset_stream(s->stream, 0, NULL, NULL, NULL) != HS_SUCCESS)
		st->gave_up = "Hyperscan failed";
}

static void
hs_feed(void *arg, struct match_state *st, const void *data, size_t len)
{
	struct hs_state *s = arg;

	if (len > UINT_MAX ||
	    hs.scan_stream(s->stream, data, (unsigned int)len, 0, s->scratch,
		on_match, s) != HS_SUCCESS)
		st->gave_up = "Hyperscan failed";
}

/* What is only known at the end of the stream; lines ask for nothing there. */
static void
hs_end(void *arg, struct match_state *st)
{
	struct hs_state *s = arg;

	if (s->impl->mode == MATCH_STREAM &&
	    hs.reset_stream(s->stream, 0, s->scratch, on_match, s) !=
		HS_SUCCESS)
		st->gave_up = "Hyperscan failed";
}

const struct match_ops match_hs_ops = { hs_compile, hs_release, hs_name,
	hs_state_new, hs_state_free, hs_text, hs_begin, hs_feed, hs_end };
