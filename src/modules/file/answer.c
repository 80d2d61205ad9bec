/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/file/answer.h"

#include "base/err.h"
#include "base/hex.h"
#include "base/jsonw.h"
#include "base/str.h"
#include "modules/common/gofmt.h"
#include "modules/rights.h"

#include <stdlib.h>
#include <string.h>

#define PATH_HEX_MAX (2 * 64 * 1024)
#define TEXTS_MAX (1024 * 1024)
#define ECHO_SHORT 4 /* values of a list in an echo that was too long */

/* What a walk leaves out by rule has one line for all of a kind. */
static const struct outcome_kind kinds[SKIP_REASONS] = {
#define SKIP_KIND(name, text) [name].word = (text),
	SKIPS(SKIP_KIND)
#undef SKIP_KIND
	    [SKIP_LINK_OUTSIDE]
		.summary =
	    "symbolic links lead outside what was asked, not followed",
	[SKIP_VIRTUAL].summary =
	    "kernel file systems below the paths, not entered "
	    "(name them as paths to search them)",
	[SKIP_COVERED].summary =
	    "directories with the agent's own state, which it does not show",
	[SKIP_SPECIAL].silent = true,
	[SKIP_DEPTH].silent = true,
};

static void
write_list(struct jsonw *w, const struct file_search *s, enum file_kind kind,
    size_t most)
{
	size_t i, n = 0;

	for (i = 0; i < s->nchecks && n < most; i++) {
		if (s->checks[i].kind != kind)
			continue;
		if (n++ == 0)
			jsonw_array(w, file_kind_names[kind].field);
		jsonw_str(w, NULL, s->checks[i].value);
	}
	if (n > 0)
		jsonw_array_end(w);
}

static void
write_options(struct jsonw *w, const struct file_options *o)
{
	bool any = false;
	size_t k;

	jsonw_object(w, "options");
	jsonw_i64(w, "maxdepth", 0);
	jsonw_i64(w, "maxerrors", 0);
	jsonw_bool(w, "matchall", o->matchall);
	jsonw_bool(w, "macroal", o->macroal);
	for (k = 0; k < FILE_KINDS; k++)
		any = any || o->mismatch[k];
	if (any) {
		jsonw_array(w, "mismatch");
		for (k = 0; k < FILE_KINDS; k++) {
			if (o->mismatch[k])
				jsonw_str(w, NULL, file_kind_names[k].word);
		}
		jsonw_array_end(w);
	} else {
		jsonw_null(w, "mismatch");
	}
	jsonw_i64(w, "matchlimit", 0);
	if (o->returnsha256)
		jsonw_bool(w, "returnsha256", true);
	if (o->decompress)
		jsonw_bool(w, "decompress", true);
	if (o->remotefs)
		jsonw_bool(w, "remotefs", true);
	jsonw_object_end(w);
}

static void
write_description(struct jsonw *w, const struct file_search *s)
{
	const char *description =
	    json_string_value(json_object_get(s->json, "description"));

	if (description != NULL && strlen(description) <= 1024)
		jsonw_str(w, "description", description);
}

/* The "search" member: its limits are zero, as in the original. Lists end
 * after most values. */
static void
write_search(struct jsonw *w, const struct file_search *s, size_t most)
{
	static const enum file_kind order[] = { FILE_CONTENT, FILE_NAME,
		FILE_SIZE, FILE_MODE, FILE_MTIME, FILE_MD5, FILE_SHA1,
		FILE_SHA2, FILE_SHA3 };
	size_t i;

	jsonw_object(w, "search");
	write_description(w, s);
	jsonw_array(w, "paths");
	for (i = 0; i < s->npaths && i < most; i++)
		jsonw_str(w, NULL, s->paths[i]);
	jsonw_array_end(w);
	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		write_list(w, s, order[i], most);
	write_options(w, &s->options);
	if (most != SIZE_MAX)
		jsonw_bool(w, "shortened", true);
	jsonw_object_end(w);
}

/* The same for one check of a match-any search: with the directory of what it
 * found, or with the paths when it found nothing. */
static void
write_search_of(struct jsonw *w, const struct file_search *s,
    const struct answer_search *as, const struct file_check *check,
    const char *dir, size_t dir_len)
{
	size_t i, most = as->most;

	jsonw_object(w, "search");
	write_description(w, s);
	jsonw_array(w, "paths");
	if (dir != NULL)
		jsonw_strn(w, NULL, dir, dir_len);
	for (i = 0; dir == NULL && i < s->npaths && i < most; i++)
		jsonw_str(w, NULL, s->paths[i]);
	jsonw_array_end(w);
	jsonw_array(w, file_kind_names[check->kind].field);
	jsonw_str(w, NULL, check->value);
	jsonw_array_end(w);
	buf_add(w->out, as->options.data, as->options.len);
	if (dir == NULL && s->npaths > most)
		jsonw_bool(w, "shortened", true);
	jsonw_object_end(w);
}

static int
write_echo(struct answer_search *as, const struct file_search *s)
{
	struct jsonw w;

	as->most = SIZE_MAX;
	buf_init(&as->echo, TEXTS_MAX * 4);
	jsonw_init(&w, &as->echo);
	write_search(&w, s, as->most);
	if (as->echo.len > ANSWER_ECHO_MAX || as->echo.error != 0) {
		as->most = ECHO_SHORT;
		buf_clear(&as->echo);
		jsonw_init(&w, &as->echo);
		write_search(&w, s, as->most);
	}
	buf_init(&as->options, TEXTS_MAX);
	jsonw_init(&w, &as->options);
	w.comma = true;
	write_options(&w, &s->options);
	return as->echo.error != 0 ? as->echo.error : as->options.error;
}

int
answer_init(struct answer *a, const struct file_params *p, size_t output_max,
    struct err *e)
{
	int64_t maxerrors = 1, own;
	size_t i;
	int rc = 0;

	memset(a, 0, sizeof(*a));
	a->params = p;
	for (i = 0; i < p->n; i++) {
		own = p->searches[i].options.maxerrors;
		if (maxerrors != 0 && (own == 0 || own > maxerrors))
			maxerrors = own;
	}
	outcome_init(&a->common, kinds, SKIP_REASONS, maxerrors, output_max);
	buf_init(&a->measured, a->common.output_max);
	a->searches = calloc(p->n, sizeof(*a->searches));
	for (i = 0; a->searches != NULL && i < p->n && rc == 0; i++) {
		entries_init(&a->searches[i].entries, a->common.output_max);
		a->searches[i].check_hits =
		    calloc(p->searches[i].nchecks + 1, sizeof(uint64_t));
		rc = write_echo(&a->searches[i], &p->searches[i]);
		if (a->searches[i].check_hits == NULL)
			rc = ERR_NOMEM;
	}
	if (a->searches == NULL || rc != 0) {
		answer_release(a);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	return 0;
}

void
answer_release(struct answer *a)
{
	size_t i;

	for (i = 0; a->searches != NULL && i < a->params->n; i++) {
		entries_release(&a->searches[i].entries);
		buf_release(&a->searches[i].echo);
		buf_release(&a->searches[i].options);
		free(a->searches[i].check_hits);
	}
	free(a->searches);
	buf_release(&a->measured);
	outcome_release(&a->common);
	memset(a, 0, sizeof(*a));
}

static void
write_info(struct jsonw *w, const struct entry *en)
{
	static const char digits[] = "0123456789ABCDEF";
	char mode[GO_MODE_MAX] = "", mtime[GO_TIME_MAX] = "", hex[65];
	size_t i;

	if (en->path != NULL) {
		go_mode(en->mode, mode);
		go_time(&en->mtime, mtime);
	}
	jsonw_object(w, "fileinfo");
	jsonw_i64(w, "size", en->size);
	jsonw_str(w, "mode", mode);
	jsonw_str(w, "lastmodified", mtime);
	if (en->sha256 != NULL) {
		for (i = 0; i < 32; i++) {
			hex[2 * i] = digits[en->sha256[i] >> 4];
			hex[2 * i + 1] = digits[en->sha256[i] & 15];
		}
		jsonw_strn(w, "sha256", hex, 64);
	}
	jsonw_object_end(w);
}

/* "filehex": of names that are no text. */
static void
write_hex(struct jsonw *w, const char *path, size_t len)
{
	char *hex;

	jsonw_raw(w, "filehex", "\"", 1);
	hex = (char *)buf_reserve(w->out, 2 * len + 1);
	if (hex != NULL) {
		hex_encode(path, len, hex);
		w->out->len += 2 * len;
	}
	buf_add_str(w->out, "\"");
}

/* comma: another stands before it. */
static void
write_entry(const struct answer *a, size_t search, const struct entry *en,
    bool comma, struct buf *out)
{
	const struct file_search *s = &a->params->searches[search];
	const struct answer_search *as = &a->searches[search];
	size_t len = en->path_len, dir;
	struct jsonw w;

	jsonw_init(&w, out);
	w.comma = comma;
	jsonw_object(&w, NULL);
	jsonw_strn(&w, "file", len > 0 ? en->path : "", len);
	if (len > 0 && !str_is_utf8(en->path, len) && len < PATH_HEX_MAX / 2)
		write_hex(&w, en->path, len);
	if (en->check == ENTRY_EVERY) {
		buf_add_str(out, ",");
		buf_add(out, as->echo.data, as->echo.len);
		w.comma = true;
	} else {
		for (dir = len; dir > 0 && en->path[dir - 1] != '/'; dir--)
			;
		write_search_of(&w, s, as, &s->checks[en->check], en->path,
		    dir > 1 ? dir - 1 : 1);
	}
	write_info(&w, en);
	jsonw_object_end(&w);
}

/* Keeps an entry if there is room for its JSON. */
static bool
add_entry(struct answer *a, size_t search, const struct entry *en)
{
	struct entries *entries = &a->searches[search].entries;
	struct buf *json = &a->measured;

	if (a->common.full || a->found_only)
		return !a->common.full;
	buf_clear(json);
	write_entry(a, search, en, entries->n > 0, json);
	if (json->error != ERR_NOMEM &&
	    (json->error != 0 || !outcome_take(&a->common, json->len))) {
		a->common.full = true;
	} else if (json->error != 0 || entries_add(entries, en) != 0) {
		a->out_of_memory = true;
		a->common.full = true;
	}
	return !a->common.full;
}

static uint32_t
number_of(const struct answer *a, size_t search, const struct file_check *check)
{
	return check != NULL
	    ? (uint32_t)(check - a->params->searches[search].checks)
	    : ENTRY_EVERY;
}

/* Says that nothing matched. */
static void
add_miss(struct answer *a, size_t search, uint32_t check)
{
	struct entry en = { .check = check };

	(void)add_entry(a, search, &en);
}

bool
answer_hit(struct answer *a, size_t search, const struct file_check *check,
    const char *path, const struct stat *st, const uint8_t *sha256)
{
	struct answer_search *as = &a->searches[search];
	struct entry en = {
		.path = path,
		.path_len = strlen(path),
		.check = number_of(a, search, check),
		.mode = st->st_mode,
		.size = st->st_size,
		.mtime = st->st_mtim,
		.sha256 = sha256,
	};

	if (!add_entry(a, search, &en))
		return false;
	as->hits++;
	a->totalhits++;
	if (check != NULL)
		as->check_hits[en.check]++;
	return true;
}

void
answer_skip(
    struct answer *a, enum skip reason, const char *path, const char *why)
{
	if (reason == SKIP_MISSING || reason == SKIP_UNREADABLE ||
	    reason == SKIP_LINK_BROKEN || reason == SKIP_VANISHED)
		a->openfailed++;
	outcome_gap(&a->common, reason, path, why);
}

/* By search, where they are too many for an entry each. */
static void
write_unmatched(const struct answer *a, struct jsonw *w)
{
	bool any = false;
	size_t i;

	for (i = 0; i < a->params->n; i++) {
		if (a->searches[i].unmatched <= ANSWER_MISSES_MAX)
			continue;
		if (!any)
			jsonw_object(w, "unmatched");
		any = true;
		jsonw_u64(
		    w, a->params->searches[i].label, a->searches[i].unmatched);
	}
	if (any)
		jsonw_object_end(w);
}

static void
write_statistics(struct answer *a, const char *engine, struct jsonw *w)
{
	outcome_statistics(&a->common, w);
	jsonw_u64(w, "filescount", a->files);
	jsonw_u64(w, "openfailed", a->openfailed);
	jsonw_u64(w, "totalhits", a->totalhits);
	jsonw_str(w, "engine", engine);
	jsonw_u64(w, "directories", a->directories);
	jsonw_u64(w, "bytesread", a->bytes);
	if (a->ended_at[0] != '\0')
		jsonw_str(w, "endedat", a->ended_at);
	write_unmatched(a, w);
	outcome_file_rights(w, a->rights);
}

/* What could have been seen had this process more rights. */
static void
note_rights(struct answer *a)
{
	const struct right_way *way = rights_of_files(a->rights);

	if (a->common.counts[SKIP_UNREADABLE] > 0)
		outcome_note(&a->common,
		    "rights: this agent reads %s; not seen: %s", way->had,
		    way->unseen);
}

/* The checks of a match-any search that had no hit: the first of them by an
 * entry each, the rest by one entry for all. */
static void
add_unmatched(struct answer *a, size_t search)
{
	const struct file_search *s = &a->params->searches[search];
	struct answer_search *as = &a->searches[search];
	uint32_t k;

	for (k = 0; k < s->nchecks; k++) {
		if (as->check_hits[k] > 0)
			continue;
		if (as->unmatched < ANSWER_MISSES_MAX)
			add_miss(a, search, k);
		as->unmatched++;
	}
	if (as->unmatched > ANSWER_MISSES_MAX)
		add_miss(a, search, ENTRY_EVERY);
}

/* Entries with an empty file name for what had no hit. */
static void
add_misses(struct answer *a)
{
	const struct file_search *s;
	size_t i;

	for (i = 0; i < a->params->n; i++) {
		s = &a->params->searches[i];
		if (!s->options.matchall && s->nchecks > 0)
			add_unmatched(a, i);
		else if (a->searches[i].hits == 0)
			add_miss(a, i, ENTRY_EVERY);
	}
}

static void
write_entries(struct answer *a, size_t search, struct jsonw *w)
{
	struct entries *entries = &a->searches[search].entries;
	struct entry en;
	bool comma = false;

	jsonw_array(w, a->params->searches[search].label);
	entries_rewind(entries);
	for (; entries_next(entries, &en); comma = true)
		write_entry(a, search, &en, comma, w->out);
	jsonw_array_end(w);
}

int
answer_write(
    struct answer *a, const char *engine, struct buf *out, struct err *e)
{
	bool was_full = a->common.full;
	struct jsonw w;
	size_t i;

	add_misses(a);
	if (a->common.full && !was_full) {
		a->common.counts[SKIP_OUTPUT]++;
		outcome_note(&a->common,
		    "the answer's size limit is reached: not every "
		    "check without a match is listed");
	}
	note_rights(a);
	jsonw_init(&w, out);
	outcome_begin(&a->common, &w, a->totalhits > 0, true);
	for (i = 0; i < a->params->n; i++)
		write_entries(a, i, &w);
	write_statistics(a, engine, &w);
	return outcome_end(&a->common, &w, e);
}
