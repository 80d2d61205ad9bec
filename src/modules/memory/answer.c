/* SPDX-License-Identifier: MPL-2.0 */
#include "modules/memory/answer.h"

#include "base/err.h"
#include "base/hex.h"
#include "base/jsonw.h"
#include "base/str.h"
#include "modules/rights.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ECHO_SHORT 4 /* values of a list in an echo that was too long */
#define ECHO_ROOM (4 * 1024 * 1024)
#define FAILURES_ROOM (1024 * 1024)

static const struct outcome_kind kinds[GAPS] = {
	[GAP_UNREADABLE] = { "unreadable", "processes could not be looked into",
	    false },
	[GAP_VANISHED] = { "vanished", NULL, true },
	[GAP_ZOMBIE] = { "zombie", NULL, true },
	[GAP_OWN] = { "agentprocess", NULL, true },
	[GAP_AGENT] = { "otheragent",
	    "processes run the program of this agent without being of it and "
	    "were not looked into",
	    false },
	[GAP_PAGES] = { "unreadablepages",
	    "processes have pages that the kernel does not let be read",
	    false },
	[GAP_ABSENT] = { "notinmemory",
	    "processes have mapped files of which what is not in memory was "
	    "not read, or large mappings of which this kernel does not say "
	    "what is",
	    false },
	[GAP_DEVICE] = { "device", NULL, true },
	[GAP_TIME] = { "timelimit", NULL, true },
	[GAP_CPU] = { "cpulimit", NULL, true },
	[GAP_STOPPED] = { "stopped", NULL, true },
	[GAP_READ] = { "readlimit", NULL, true },
	[GAP_OUTPUT] = { "outputlimit", NULL, true },
	[GAP_MEMORY] = { "memorylimit", NULL, false },
	[GAP_ENGINE] = { "enginelimit", NULL, false },
};

static const struct memory_search *
search_of(const struct memory_answer *a, size_t search)
{
	return &a->plan->params->searches[search];
}

/* --- the echo of a search ------------------------------------------------- */

static void
write_list(struct jsonw *w, const struct memory_search *s,
    enum memory_kind kind, size_t most)
{
	size_t i, n = 0;

	for (i = 0; i < s->nchecks && n < most; i++) {
		if (s->checks[i].kind != kind)
			continue;
		if (n++ == 0)
			jsonw_array(w, memory_kind_names[kind].field);
		jsonw_str(w, NULL, s->checks[i].value);
	}
	if (n > 0)
		jsonw_array_end(w);
}

static void
write_options(struct jsonw *w, const struct memory_answer *a,
    const struct memory_search *s)
{
	const struct memory_window *win = &a->plan->params->windows[s->window];

	jsonw_object(w, "options");
	jsonw_bool(w, "matchall", s->matchall);
	if (win->offset > 0)
		jsonw_u64(w, "offset", win->offset);
	if (win->maxlength != UINT64_MAX)
		jsonw_u64(w, "maxlength", win->maxlength);
	if (s->residentonly)
		jsonw_bool(w, "residentonly", true);
	if (s->logfailures)
		jsonw_bool(w, "logfailures", true);
	jsonw_object_end(w);
}

/* check: NULL for all of them, of each list the first most. */
static void
write_search(struct jsonw *w, const struct memory_answer *a, size_t search,
    const struct memory_check *check, size_t most)
{
	const struct memory_search *s = search_of(a, search);
	const char *description =
	    json_string_value(json_object_get(s->json, "description"));
	size_t k;

	jsonw_object(w, "search");
	if (description != NULL && strlen(description) <= 1024)
		jsonw_str(w, "description", description);
	if (check != NULL) {
		jsonw_array(w, memory_kind_names[check->kind].field);
		jsonw_str(w, NULL, check->value);
		jsonw_array_end(w);
	}
	for (k = 0; check == NULL && k < MEMORY_KINDS; k++)
		write_list(w, s, (enum memory_kind)k, most);
	write_options(w, a, s);
	if (check == NULL && most != SIZE_MAX)
		jsonw_bool(w, "shortened", true);
	jsonw_object_end(w);
}

static int
write_echo(struct memory_answer *a, size_t search)
{
	struct answer_search *as = &a->searches[search];
	struct jsonw w;

	as->most = SIZE_MAX;
	buf_init(&as->echo, ECHO_ROOM);
	jsonw_init(&w, &as->echo);
	write_search(&w, a, search, NULL, as->most);
	if (as->echo.len > ANSWER_ECHO_MAX || as->echo.error != 0) {
		as->most = ECHO_SHORT;
		buf_clear(&as->echo);
		jsonw_init(&w, &as->echo);
		write_search(&w, a, search, NULL, as->most);
	}
	return as->echo.error;
}

int
memory_answer_init(struct memory_answer *a, const struct memory_plan *plan,
    size_t output_max, struct err *e)
{
	size_t i, n = plan->params->n;
	int rc = 0;

	memset(a, 0, sizeof(*a));
	a->plan = plan;
	a->failures_max = ANSWER_FAILURES_MAX;
	outcome_init(&a->common, kinds, GAPS, 0, output_max);
	buf_init(&a->failures,
	    a->common.output_max / 24 < FAILURES_ROOM
		? a->common.output_max / 24
		: FAILURES_ROOM);
	buf_init(&a->found, a->common.output_max);
	buf_init(&a->measured, a->common.output_max);
	a->searches = calloc(n + 1, sizeof(*a->searches));
	a->check_hits = calloc(plan->nchecks + 1, sizeof(*a->check_hits));
	if (a->searches == NULL || a->check_hits == NULL)
		rc = ERR_NOMEM;
	for (i = 0; i < n && rc == 0; i++) {
		buf_init(&a->searches[i].entries, a->common.output_max);
		rc = write_echo(a, i);
		if (search_of(a, i)->logfailures)
			a->failures_max = ANSWER_FAILURES_ALL;
	}
	if (rc == 0)
		return 0;
	memory_answer_release(a);
	return err_set(e, ERR_NOMEM, "out of memory");
}

void
memory_answer_release(struct memory_answer *a)
{
	size_t i;

	for (i = 0; a->searches != NULL && i < a->plan->params->n; i++) {
		buf_release(&a->searches[i].entries);
		buf_release(&a->searches[i].echo);
		free(a->searches[i].first_cut);
	}
	free(a->searches);
	free(a->check_hits);
	buf_release(&a->failures);
	buf_release(&a->found);
	buf_release(&a->measured);
	outcome_release(&a->common);
	memset(a, 0, sizeof(*a));
}

/* --- entries -------------------------------------------------------------- */

static void
write_process(struct jsonw *w, const struct opener_process *p)
{
	char hex[2 * OPENER_NAME_MAX + 1];

	jsonw_object(w, "process");
	jsonw_str(w, "name", p != NULL ? p->name : "");
	if (p != NULL && !str_is_utf8(p->name, strlen(p->name))) {
		hex_encode(p->name, strlen(p->name), hex);
		jsonw_str(w, "namehex", hex);
	}
	jsonw_u64(w, "pid", p != NULL ? p->pid : 0);
	if (p != NULL && p->deleted)
		jsonw_bool(w, "deleted", true);
	jsonw_object_end(w);
}

static void
write_place(
    struct jsonw *w, const struct plan_check *pc, const struct place *at)
{
	char text[24];

	jsonw_object(w, NULL);
	jsonw_str(w, memory_kind_names[pc->c->kind].word, pc->c->value);
	if (pc->length > 0) {
		snprintf(
		    text, sizeof(text), "0x%" PRIx64, at->end - pc->length);
		jsonw_str(w, "address", text);
	}
	snprintf(text, sizeof(text), "0x%" PRIx64, at->end);
	jsonw_str(w, "end", text);
	jsonw_str(w, "mapping", at->mapping);
	jsonw_str(w, "permissions", at->permissions);
	jsonw_object_end(w);
}

/* An entry, with the places that belong to it. */
struct entry {
	const struct opener_process *process; /* NULL: says that there is no
						 match */
	uint32_t check;                       /* or UINT32_MAX: all */
	size_t n;
	struct {
		uint32_t check;
		struct place place;
	} at[ANSWER_PLACES_MAX];
};

/* Of one check, or of all of a search up to a number. */
static void
take_places(const struct memory_answer *a, uint32_t search,
    const struct place *places, struct entry *en)
{
	const struct plan_search *ps = &a->plan->searches[search];
	bool all = en->check == UINT32_MAX;
	uint32_t i = all ? ps->first : en->check;
	uint32_t end = all ? ps->first + ps->n : en->check + 1;

	en->n = 0;
	for (; places != NULL && i < end && en->n < ANSWER_PLACES_MAX; i++) {
		if (!places[i].found)
			continue;
		en->at[en->n].check = i;
		en->at[en->n++].place = places[i];
	}
}

static void
write_entry(const struct memory_answer *a, uint32_t search,
    const struct entry *en, bool comma, struct buf *out)
{
	const struct answer_search *as = &a->searches[search];
	struct jsonw w;
	size_t i;

	jsonw_init(&w, out);
	w.comma = comma;
	jsonw_object(&w, NULL);
	write_process(&w, en->process);
	if (en->check == UINT32_MAX) {
		buf_add_str(out, ",");
		buf_add(out, as->echo.data, as->echo.len);
		w.comma = true;
	} else {
		write_search(
		    &w, a, search, a->plan->checks[en->check].c, SIZE_MAX);
	}
	if (en->n > 0)
		jsonw_array(&w, "matches");
	for (i = 0; i < en->n; i++)
		write_place(
		    &w, &a->plan->checks[en->at[i].check], &en->at[i].place);
	if (en->n > 0)
		jsonw_array_end(&w);
	jsonw_object_end(&w);
}

/*
 * A process's record: u32 pid, u8 deleted, field name. An entry's: u64 where
 * its process's record begins, or UINT64_MAX; u32 check; u8 places; of each
 * u32 check, u64 end, 5 bytes permissions, field mapping.
 */
static int
keep_process(struct memory_answer *a, const struct opener_process *p)
{
	size_t before = a->found.len;
	int rc;

	if (p == NULL || a->found_pid == (uint32_t)p->pid)
		return 0;
	buf_add_u32(&a->found, (uint32_t)p->pid);
	buf_add_u8(&a->found, p->deleted);
	rc = buf_add_field(&a->found, p->name, strlen(p->name));
	if (rc != 0) {
		a->found.len = before;
		a->found.error = 0;
		return rc;
	}
	a->found_at = before;
	a->found_pid = (uint32_t)p->pid;
	return 0;
}

static int
keep_entry(struct memory_answer *a, const struct entry *en, struct buf *records)
{
	size_t before = records->len, i;
	const struct place *at;
	int rc = keep_process(a, en->process);

	if (rc != 0)
		return rc;
	buf_add_u64(records, en->process != NULL ? a->found_at : UINT64_MAX);
	buf_add_u32(records, en->check);
	buf_add_u8(records, (uint8_t)en->n);
	for (i = 0; i < en->n; i++) {
		at = &en->at[i].place;
		buf_add_u32(records, en->at[i].check);
		buf_add_u64(records, at->end);
		buf_add(records, at->permissions, sizeof(at->permissions));
		buf_add_field(records, at->mapping, strlen(at->mapping));
	}
	rc = records->error;
	if (rc != 0) {
		records->len = before;
		records->error = 0;
	}
	return rc;
}

static void
get_process(
    const struct memory_answer *a, uint64_t at, struct opener_process *ret)
{
	struct rd r;

	rd_init(&r, a->found.data + at, a->found.len - at);
	ret->pid = rd_u32(&r);
	ret->deleted = rd_u8(&r) != 0;
	rd_field_str(&r, ret->name, sizeof(ret->name));
	BUG_ON(r.bad);
}

/* process: room for that of the entry. */
static void
get_entry(const struct memory_answer *a, struct rd *r,
    struct opener_process *process, struct entry *ret)
{
	uint64_t at = rd_u64(r);
	struct place *p;
	size_t i;

	ret->process = NULL;
	if (at != UINT64_MAX) {
		get_process(a, at, process);
		ret->process = process;
	}
	ret->check = rd_u32(r);
	ret->n = rd_u8(r);
	BUG_ON(ret->n > ANSWER_PLACES_MAX);
	for (i = 0; i < ret->n; i++) {
		p = &ret->at[i].place;
		ret->at[i].check = rd_u32(r);
		p->end = rd_u64(r);
		rd_copy(r, p->permissions, sizeof(p->permissions));
		rd_field_str(r, p->mapping, sizeof(p->mapping));
	}
	BUG_ON(r->bad);
}

/* p NULL: the entry that says there is no match. */
static bool
add_entry(struct memory_answer *a, uint32_t search, uint32_t check,
    const struct opener_process *p, const struct place *places)
{
	struct buf *records = &a->searches[search].entries;
	struct entry en; /* a large one: only what counts is set */
	int rc;

	if (a->common.full || a->found_only)
		return !a->common.full;
	en.process = p;
	en.check = check;
	take_places(a, search, places, &en);
	buf_clear(&a->measured);
	write_entry(a, search, &en, records->len > 0, &a->measured);
	rc = a->measured.error;
	if (rc == 0 && !outcome_take(&a->common, a->measured.len))
		rc = ERR_TOOBIG;
	if (rc == 0)
		rc = keep_entry(a, &en, records);
	a->common.full = rc != 0;
	a->common.out_of_memory = rc == ERR_NOMEM;
	return rc == 0;
}

static void
write_entries(const struct memory_answer *a, uint32_t search, struct jsonw *w)
{
	const struct buf *records = &a->searches[search].entries;
	struct opener_process process;
	struct entry en;
	bool comma = false;
	struct rd r;

	jsonw_array(w, search_of(a, search)->label);
	rd_init(&r, records->data, records->len);
	for (; r.left > 0; comma = true) {
		get_entry(a, &r, &process, &en);
		write_entry(a, search, &en, comma, w->out);
	}
	jsonw_array_end(w);
}

bool
memory_answer_hit(struct memory_answer *a, uint32_t search, uint32_t check,
    const struct opener_process *p, const struct place *places)
{
	if (!add_entry(a, search, check, p, places))
		return false;
	a->searches[search].hits++;
	a->totalhits++;
	if (check != UINT32_MAX)
		a->check_hits[check]++;
	return true;
}

void
memory_answer_process(
    const struct opener_process *p, char out[static ANSWER_PROCESS_MAX])
{
	snprintf(out, ANSWER_PROCESS_MAX, "process %lu%s%s",
	    (unsigned long)p->pid, *p->name != '\0' ? " " : "", p->name);
}

void
memory_answer_failure(struct memory_answer *a, enum memory_gap gap,
    const struct opener_process *p, const char *why)
{
	char what[ANSWER_PROCESS_MAX + 256];
	size_t before = a->failures.len, n;
	struct jsonw w;

	memory_answer_process(p, what);
	outcome_gap(&a->common, gap, what, why);
	if (a->nfailures[gap] >= a->failures_max)
		return;
	jsonw_init(&w, &a->failures);
	w.comma = before > 0;
	n = strlen(what);
	snprintf(what + n, sizeof(what) - n, ": %s", why);
	jsonw_str(&w, NULL, what);
	if (a->failures.error != 0) {
		a->failures.len = before;
		a->failures.error = 0;
		return;
	}
	a->nfailures[gap]++;
}

void
memory_answer_cut(struct memory_answer *a, uint32_t search, uint32_t check,
    const struct opener_process *p)
{
	const struct memory_check *c = a->plan->checks[check].c;
	struct answer_search *as = &a->searches[search];
	char what[ANSWER_PROCESS_MAX], text[ANSWER_PROCESS_MAX + 256];

	a->common.counts[GAP_ENGINE]++;
	if (as->cuts++ > 0)
		return;
	memory_answer_process(p, what);
	snprintf(text, sizeof(text), "%s, %s '%.200s'", what,
	    memory_kind_names[c->kind].word, c->value);
	as->first_cut = strdup(text);
}

static void
note_cuts(struct memory_answer *a)
{
	const struct answer_search *as;
	size_t i;

	for (i = 0; i < a->plan->params->n; i++) {
		as = &a->searches[i];
		if (as->cuts == 0)
			continue;
		outcome_note(&a->common,
		    "%s: search '%s': in %" PRIu64 " processes a match of more "
		    "than %d KiB may have been missed; the first: %s",
		    kinds[GAP_ENGINE].word, search_of(a, i)->label, as->cuts,
		    MATCH_CARRY / 1024,
		    as->first_cut != NULL ? as->first_cut : "unknown");
	}
}

/* --- the whole ------------------------------------------------------------ */

static void
add_unmatched(struct memory_answer *a, uint32_t search)
{
	const struct plan_search *ps = &a->plan->searches[search];
	struct answer_search *as = &a->searches[search];
	uint32_t i;

	for (i = ps->first; i < ps->first + ps->n; i++) {
		if (a->check_hits[i] > 0)
			continue;
		if (as->unmatched < ANSWER_MISSES_MAX)
			add_entry(a, search, i, NULL, NULL);
		as->unmatched++;
	}
	if (as->unmatched > ANSWER_MISSES_MAX)
		add_entry(a, search, UINT32_MAX, NULL, NULL);
}

static void
add_misses(struct memory_answer *a)
{
	uint32_t i;

	for (i = 0; i < a->plan->params->n; i++) {
		if (!search_of(a, i)->matchall && a->plan->searches[i].n > 0)
			add_unmatched(a, i);
		else if (a->searches[i].hits == 0)
			add_entry(a, i, UINT32_MAX, NULL, NULL);
	}
}

static void
write_unmatched(const struct memory_answer *a, struct jsonw *w)
{
	bool any = false;
	size_t i;

	for (i = 0; i < a->plan->params->n; i++) {
		if (a->searches[i].unmatched <= ANSWER_MISSES_MAX)
			continue;
		if (!any)
			jsonw_object(w, "unmatched");
		any = true;
		jsonw_u64(w, search_of(a, i)->label, a->searches[i].unmatched);
	}
	if (any)
		jsonw_object_end(w);
}

static void
write_statistics(struct memory_answer *a, struct jsonw *w)
{
	const struct right_way *way = rights_of_processes(a->rights);

	outcome_statistics(&a->common, w);
	jsonw_u64(w, "processcount", a->processes);
	jsonw_u64(w, "memoryread", a->bytes);
	jsonw_u64(w, "totalhits", a->totalhits);
	jsonw_array(w, "failures");
	buf_add(w->out, a->failures.data, a->failures.len);
	jsonw_array_end(w);
	jsonw_u64(w, "notinmemory", a->absent);
	jsonw_str(w, "engine", a->plan->engine);
	if (a->ended_at[0] != '\0')
		jsonw_str(w, "endedat", a->ended_at);
	write_unmatched(a, w);
	jsonw_object(w, "rights");
	jsonw_str(w, "looksinto", way->had);
	jsonw_str(w, "notseen", way->unseen);
	jsonw_object_end(w);
}

int
memory_answer_write(struct memory_answer *a, struct buf *out, struct err *e)
{
	const struct right_way *way = rights_of_processes(a->rights);
	bool was_full = a->common.full, memory;
	struct jsonw w;
	size_t i;

	add_misses(a);
	if (a->common.full && !was_full) {
		memory = a->common.out_of_memory;
		a->common.counts[memory ? GAP_MEMORY : GAP_OUTPUT]++;
		outcome_note(&a->common,
		    "limit reached: %s; entries that say that nothing was "
		    "found are missing",
		    memory ? "memory" : "output");
	}
	if (a->common.counts[GAP_UNREADABLE] > 0)
		outcome_note(&a->common,
		    "rights: this agent looks into %s; not seen: %s", way->had,
		    way->unseen);
	note_cuts(a);
	jsonw_init(&w, out);
	outcome_begin(&a->common, &w, a->totalhits > 0, true);
	for (i = 0; i < a->plan->params->n; i++)
		write_entries(a, (uint32_t)i, &w);
	write_statistics(a, &w);
	return outcome_end(&a->common, &w, e);
}
