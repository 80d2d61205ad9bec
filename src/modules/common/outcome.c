/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/common/outcome.h"

#include "base/err.h"
#include "base/jsonw.h"
#include "modules/common/gofmt.h"
#include "modules/rights.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX (256 * 1024)
#define TEXTS_MAX (1024 * 1024)
#define TEXT_SHORT 512  /* bytes of one that needs no memory of its own */
#define NOTES_KEPT 1024 /* bytes for notes, there from the beginning */

static size_t
text_room(size_t output_max, size_t most)
{
	return output_max / 24 < most ? output_max / 24 : most;
}

void
outcome_init(struct outcome *o, const struct outcome_kind *kinds, size_t nkinds,
    int64_t maxerrors, size_t output_max)
{
	BUG_ON(nkinds > OUTCOME_KINDS_MAX);
	memset(o, 0, sizeof(*o));
	clock_gettime(CLOCK_MONOTONIC, &o->begin);
	o->kinds = kinds;
	o->nkinds = nkinds;
	o->maxerrors = OUTCOME_ERRORS_MAX;
	if (maxerrors > 0 && maxerrors < OUTCOME_ERRORS_MAX)
		o->maxerrors = (uint64_t)maxerrors;
	/* what is said beside the entries must fit as well, else a limit of
	 * the output would leave nothing at all */
	o->output_max = output_max - output_max / 8;
	buf_init(&o->errors, text_room(o->output_max, 4 * TEXTS_MAX));
	buf_init(&o->notes, text_room(o->output_max, TEXTS_MAX));
	/* so that it can be said that memory ran out */
	buf_reserve(
	    &o->notes, o->notes.max < NOTES_KEPT ? o->notes.max : NOTES_KEPT);
	o->notes.error = 0;
}

void
outcome_release(struct outcome *o)
{
	size_t i;

	for (i = 0; i < o->nkinds; i++)
		free(o->first[i]);
	buf_release(&o->errors);
	buf_release(&o->notes);
	memset(o, 0, sizeof(*o));
}

/* All of it or, when there is no room, nothing. */
static bool
add_text(struct buf *list, const void *text, size_t len)
{
	size_t before = list->len;
	struct jsonw w;

	jsonw_init(&w, list);
	w.comma = list->len > 0;
	jsonw_strn(&w, NULL, text, len);
	if (list->error == 0)
		return true;
	list->len = before;
	list->error = 0;
	return false;
}

static bool add_vfmt(struct buf *list, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* A short one needs no memory but that of the list. */
static bool
add_vfmt(struct buf *list, const char *fmt, va_list ap)
{
	char small[TEXT_SHORT];
	struct buf text;
	va_list again;
	bool added;
	int n;

	va_copy(again, ap);
	n = vsnprintf(small, sizeof(small), fmt, again);
	va_end(again);
	if (n >= 0 && (size_t)n < sizeof(small))
		return add_text(list, small, (size_t)n);
	buf_init(&text, TEXT_MAX);
	added = buf_add_vfmt(&text, fmt, ap) == 0 &&
	    add_text(list, text.data, text.len);
	buf_release(&text);
	return added;
}

static bool add_fmt(struct buf *list, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static bool
add_fmt(struct buf *list, const char *fmt, ...)
{
	va_list ap;
	bool added;

	va_start(ap, fmt);
	added = add_vfmt(list, fmt, ap);
	va_end(ap);
	return added;
}

void
outcome_note(struct outcome *o, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)add_vfmt(&o->notes, fmt, ap);
	va_end(ap);
}

void
outcome_end_by(struct outcome *o, unsigned int kind, const char *why)
{
	o->counts[kind]++;
	outcome_note(o, "%s: %s", o->kinds[kind].word, why);
}

void
outcome_gap(
    struct outcome *o, unsigned int kind, const char *what, const char *why)
{
	const struct outcome_kind *k = &o->kinds[kind];

	o->counts[kind]++;
	if (k->summary != NULL && o->first[kind] == NULL && what != NULL)
		o->first[kind] = strdup(what);
	if (k->summary != NULL || k->silent)
		return;
	if (o->nerrors >= o->maxerrors) {
		o->unreturned++;
		return;
	}
	o->nerrors++;
	if (!add_fmt(&o->errors, "%s: %s%s%s", k->word,
		what != NULL ? what : "",
		what != NULL && why != NULL ? ": " : "",
		why != NULL ? why : "")) {
		o->maxerrors = --o->nerrors;
		o->unreturned++;
	}
}

bool
outcome_take(struct outcome *o, size_t bytes)
{
	if (o->full || bytes > o->output_max - o->output_used) {
		o->full = true;
		return false;
	}
	o->output_used += bytes;
	return true;
}

bool
outcome_keep(struct outcome *o, struct buf *list, size_t before)
{
	if (list->error == 0 && outcome_take(o, list->len - before))
		return true;
	list->len = before;
	list->error = 0;
	o->full = true;
	return false;
}

bool
outcome_keep_row(struct outcome *o, struct rows *rows,
    const struct rows_field *row, const struct buf *json)
{
	if (json->error != ERR_NOMEM &&
	    (json->error != 0 || !outcome_take(o, json->len)))
		o->full = true;
	else if (json->error != 0 || rows_add(rows, row) != 0)
		o->full = o->out_of_memory = true;
	return !o->full;
}

void
outcome_begin(struct outcome *o, struct jsonw *w, bool found, bool success)
{
	jsonw_object(w, NULL);
	jsonw_bool(w, "foundanything", found);
	jsonw_bool(w, "success", success);
	jsonw_object(w, "elements");
}

void
outcome_statistics(struct outcome *o, struct jsonw *w)
{
	char duration[GO_DURATION_MAX];
	struct timespec now;
	size_t i;

	clock_gettime(CLOCK_MONOTONIC, &now);
	go_duration((now.tv_sec - o->begin.tv_sec) * 1000000000ll +
		now.tv_nsec - o->begin.tv_nsec,
	    duration);
	jsonw_object_end(w);
	jsonw_object(w, "statistics");
	jsonw_str(w, "exectime", duration);
	jsonw_object(w, "notexamined");
	for (i = 0; i < o->nkinds; i++) {
		if (o->counts[i] > 0)
			jsonw_u64(w, o->kinds[i].word, o->counts[i]);
	}
	jsonw_object_end(w);
}

/* rows: "ping, timedrift" */
static bool
is_about(const char *rows, const char *module)
{
	size_t len = strlen(module), n;

	for (; *rows != '\0'; rows += n + strspn(rows + n, ", ")) {
		n = strcspn(rows, ",");
		if (n == len && strncmp(rows, module, n) == 0)
			return true;
	}
	return false;
}

void
outcome_rights(struct jsonw *w, const char *module, uint32_t facts)
{
	size_t n, i;
	const struct right *rights = rights_all(&n);
	const struct right_way *way;

	jsonw_array(w, "rights");
	for (i = 0; i < n; i++) {
		if (!is_about(rights[i].module, module))
			continue;
		way = right_way(&rights[i], facts);
		jsonw_object(w, NULL);
		jsonw_str(w, "wanted", rights[i].wanted);
		jsonw_str(w, "had", way->had);
		jsonw_str(w, "notseen", way->unseen);
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
}

void
outcome_file_rights(struct jsonw *w, uint32_t facts)
{
	const struct right_way *way = rights_of_files(facts);

	jsonw_object(w, "rights");
	jsonw_str(w, "reads", way->had);
	jsonw_str(w, "notseen", way->unseen);
	jsonw_object_end(w);
}

static void
note_last(struct outcome *o)
{
	size_t i;

	if (o->unreturned > 0)
		outcome_note(o,
		    "%llu errors were not returned (max errors = %llu)",
		    (unsigned long long)o->unreturned,
		    (unsigned long long)o->maxerrors);
	for (i = 0; i < o->nkinds; i++) {
		if (o->kinds[i].summary != NULL && o->counts[i] > 0)
			outcome_note(o, "%s: %llu %s; the first: %s",
			    o->kinds[i].word, (unsigned long long)o->counts[i],
			    o->kinds[i].summary,
			    o->first[i] != NULL ? o->first[i] : "?");
	}
}

int
outcome_end(struct outcome *o, struct jsonw *w, struct err *e)
{
	note_last(o);
	jsonw_object_end(w);
	if (o->errors.len == 0 && o->notes.len == 0) {
		jsonw_null(w, "errors");
	} else {
		jsonw_array(w, "errors");
		buf_add(w->out, o->errors.data, o->errors.len);
		if (o->errors.len > 0 && o->notes.len > 0)
			buf_add_str(w->out, ",");
		buf_add(w->out, o->notes.data, o->notes.len);
		jsonw_array_end(w);
	}
	jsonw_object_end(w);
	return w->out->error != 0
	    ? err_set(e, w->out->error, "no room for the answer")
	    : 0;
}
