/* SPDX-License-Identifier: MPL-2.0 */
#include "client/trust/trust.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/jsonw.h"
#include "base/str.h"
#include "crypto/sha256.h"

#include <stdlib.h>
#include <string.h>

/* An agent's clock may be set back by so much without a word. */
#define CLOCK_SLACK_MS 60000

static const struct {
	unsigned int mark;
	const char *word, *text;
} marks[TRUST_MARKS] = {
	{ TRUST_NEW, "new", "never seen from here before" },
	{ TRUST_RENAMED, "renamed", "known by another name before" },
	{ TRUST_NAME_TAKEN, "name taken",
	    "another agent had this name: installed anew, or somebody else" },
	{ TRUST_COPIED, "copied",
	    "two different records, connections or answers in its name: its "
	    "identity was copied" },
	{ TRUST_WENT_BACK, "went back",
	    "its record was longer before: restored from an older state, or "
	    "copied" },
	{ TRUST_OLD, "old",
	    "the server shows an older hello than the one seen before" },
	{ TRUST_LATE, "enrolled later",
	    "enrolled after the action was made, as the server says" },
	{ TRUST_LEFT_OUT, "left out",
	    "known from here and fitting the target, but the server did not "
	    "ask it" },
	{ TRUST_POLICY, "other policy",
	    "it answered under an older policy than the one known here, or "
	    "one of another chain" },
	{ TRUST_LAPSED, "lapsed",
	    "left out by the server and not seen from here for 30 days: said "
	    "for the last time (is it gone: mig trust forget; if not, ask "
	    "those who run it and the server)" },
};

const char *
trust_mark_word(unsigned int mark)
{
	size_t i;

	for (i = 0; i < TRUST_MARKS; i++)
		if (marks[i].mark == mark)
			return marks[i].word;
	return "?";
}

const char *
trust_mark_text(unsigned int mark)
{
	size_t i;

	for (i = 0; i < TRUST_MARKS; i++)
		if (marks[i].mark == mark)
			return marks[i].text;
	return "?";
}

void
trust_json_marks(struct jsonw *w, unsigned int found)
{
	size_t i;

	if (found == 0)
		return;
	jsonw_array(w, "marks");
	for (i = 0; i < TRUST_MARKS; i++)
		if ((found & marks[i].mark) != 0)
			jsonw_str(w, NULL, marks[i].word);
	jsonw_array_end(w);
}

/* --- the two indexes: open addressing, at most half full -------------------
 */

static uint64_t
hash_id(const struct id *id)
{
	uint64_t h; /* ids are hashes themselves */

	memcpy(&h, id->b, sizeof(h));
	return h;
}

static uint64_t
hash_name(const char *name)
{
	struct id d;

	sha256(name, strlen(name), &d);
	return hash_id(&d);
}

static void
index_put(uint32_t *slots, size_t cap, uint64_t h, size_t place)
{
	size_t i = (size_t)h & (cap - 1);

	while (slots[i] != 0)
		i = (i + 1) & (cap - 1);
	slots[i] = (uint32_t)place + 1;
}

/* Of twice as many slots, without the names that are no longer held. */
static int
index_build(struct trust *t, size_t slots)
{
	uint32_t *ids = calloc(slots, sizeof(*ids));
	uint32_t *names = calloc(slots, sizeof(*names));
	size_t i;

	if (ids == NULL || names == NULL) {
		free(ids);
		free(names);
		return ERR_NOMEM;
	}
	t->used_names = 0;
	for (i = 0; i < t->n; i++) {
		index_put(ids, slots, hash_id(&t->list[i].id), i);
		if (t->list[i].name == NULL)
			continue;
		index_put(names, slots, hash_name(t->list[i].name), i);
		t->used_names++;
	}
	free(t->by_id);
	free(t->by_name);
	t->by_id = ids;
	t->by_name = names;
	t->slots = slots;
	return 0;
}

/* Room for one more in both. */
static int
index_room(struct trust *t)
{
	size_t slots = t->slots == 0 ? 256 : t->slots;

	while ((t->n + 1) * 2 > slots)
		slots *= 2;
	if (slots == t->slots && (t->used_names + 1) * 2 <= slots)
		return 0;
	return index_build(t, slots);
}

struct trust_entry *
trust_find(const struct trust *t, const struct id *id)
{
	size_t i;

	if (t->slots == 0)
		return NULL;
	for (i = (size_t)hash_id(id) & (t->slots - 1); t->by_id[i] != 0;
	     i = (i + 1) & (t->slots - 1))
		if (id_equal(&t->list[t->by_id[i] - 1].id, id))
			return &t->list[t->by_id[i] - 1];
	return NULL;
}

struct trust_entry *
trust_namesake(const struct trust *t, const struct id *id, const char *name)
{
	struct trust_entry *te;
	size_t i;

	if (t->slots == 0)
		return NULL;
	for (i = (size_t)hash_name(name) & (t->slots - 1); t->by_name[i] != 0;
	     i = (i + 1) & (t->slots - 1)) {
		te = &t->list[t->by_name[i] - 1];
		if (te->name != NULL && strcmp(te->name, name) == 0 &&
		    !id_equal(&te->id, id))
			return te;
	}
	return NULL;
}

struct trust_entry *
trust_add(struct trust *t, const struct id *id)
{
	struct trust_entry *p;
	size_t cap;

	if (t->n >= TRUST_ENTRIES_MAX)
		return NULL;
	if (t->n == t->cap) {
		cap = t->cap == 0 ? 256 : t->cap * 2;
		p = reallocarray(t->list, cap, sizeof(*p));
		if (p == NULL)
			return NULL;
		t->list = p;
		t->cap = cap;
	}
	if (index_room(t) != 0)
		return NULL;
	p = &t->list[t->n];
	memset(p, 0, sizeof(*p));
	p->id = *id;
	p->connection = -1;
	index_put(t->by_id, t->slots, hash_id(id), t->n++);
	return p;
}

int
trust_rename(struct trust *t, struct trust_entry *te, const char *name)
{
	char *copy;

	if (te->name != NULL && strcmp(te->name, name) == 0)
		return 0;
	copy = strndup(name, TRUST_NAME_MAX);
	if (copy == NULL || index_room(t) != 0) {
		free(copy);
		return ERR_NOMEM;
	}
	free(te->name);
	te->name = copy;
	index_put(
	    t->by_name, t->slots, hash_name(copy), (size_t)(te - t->list));
	t->used_names++;
	return 0;
}

const char *
trust_name(const struct trust *t, const struct id *id)
{
	const struct trust_entry *te = trust_find(t, id);

	return te != NULL ? te->name : NULL;
}

struct trust_entry *
trust_hint(struct trust *t, const struct id *id, const char *name)
{
	struct trust_entry *te = trust_find(t, id);

	if (te == NULL)
		te = trust_add(t, id);
	if (te != NULL && name[0] != '\0')
		(void)trust_rename(t, te, name);
	return te;
}

/* --- judging ----------------------------------------------------------------
 *
 * An agent's record only grows, and each statement says how far it was and
 * what its head was then. Of two statements at one position with different
 * heads, or with a connection number that is lower though the record is
 * longer, one is a copy's. A lower position is an old statement, which a
 * server may show as often as it likes, unless it was certainly made later:
 * by its own clock, or because it answers an action that was made after the
 * higher position was seen here. And nobody runs an action twice.
 */

static bool
made_later(const struct trust_entry *te, const struct trust_sight *s)
{
	if (s->asked_s > 0 && s->asked_s > te->record_s)
		return true;
	return s->agent_ms > te->agent_ms + CLOCK_SLACK_MS;
}

/* Marks of the record alone. */
static unsigned int
judge_record(const struct trust_entry *te, const struct trust_sight *s)
{
	bool counter_back;

	if (s->twice)
		return TRUST_COPIED;
	if (s->head == NULL || !te->has_record)
		return 0;
	counter_back = s->connection >= 0 && te->connection >= 0 &&
	    s->connection < te->connection;
	if (s->position == te->position && !id_equal(s->head, &te->head))
		return TRUST_COPIED;
	if (s->position > te->position)
		return counter_back && made_later(te, s) ? TRUST_COPIED : 0;
	if (s->position < te->position && made_later(te, s))
		return TRUST_WENT_BACK;
	/* answers come in between: only a hello makes another one old */
	if (s->connection < 0)
		return 0;
	return counter_back ||
		(s->connection == te->connection && s->agent_ms < te->hello_ms)
	    ? TRUST_OLD
	    : 0;
}

static void
take_record(struct trust_entry *te, const struct trust_sight *s, int64_t now)
{
	if (s->head == NULL || (te->has_record && s->position <= te->position))
		return;
	te->has_record = true;
	te->position = s->position;
	te->head = *s->head;
	te->record_s = now;
	te->agent_ms = s->agent_ms;
	te->changed = true;
}

static void
take_hello(struct trust_entry *te, const struct trust_sight *s, int64_t now)
{
	char *row;

	if (s->connection < 0)
		return;
	te->hello_ms = s->agent_ms;
	if (s->connection > te->connection) {
		te->connection = s->connection;
		te->changed = true;
	}
	if (s->row == NULL || strlen(s->row) > TRUST_ROW_MAX)
		return;
	if (te->row == NULL || strcmp(te->row, s->row) != 0) {
		row = strdup(s->row);
		if (row == NULL)
			return;
		free(te->row);
		te->row = row;
		te->changed = true;
	}
	if (now > te->row_s + 3600)
		te->changed = true;
	te->row_s = now;
}

/* Marks of the name; it is taken over. */
static unsigned int
take_name(struct trust *t, struct trust_entry *te, const struct trust_sight *s,
    struct trust_other *ret_other)
{
	unsigned int found = 0;

	if (s->name == NULL ||
	    (te->name != NULL && strcmp(te->name, s->name) == 0))
		return 0;
	if (te->name != NULL) {
		(void)str_copy(
		    ret_other->name, sizeof(ret_other->name), te->name);
		found |= TRUST_RENAMED;
	}
	if (trust_namesake(t, s->id, s->name) != NULL)
		found |= TRUST_NAME_TAKEN;
	if (trust_rename(t, te, s->name) == 0)
		te->changed = true;
	return found;
}

/* Adds what stays, of now and of before. */
static unsigned int
stay(const struct trust *t, struct trust_entry *te, unsigned int found,
    struct trust_other *ret_other)
{
	const struct trust_entry *namesake = NULL;

	if ((found & TRUST_STICKY & ~te->sticky) != 0) {
		te->sticky |= found & TRUST_STICKY;
		te->changed = true;
	}
	if ((te->sticky & TRUST_NAME_TAKEN) != 0 && te->name != NULL)
		namesake = trust_namesake(t, &te->id, te->name);
	if (namesake != NULL)
		ret_other->id = id_short(&namesake->id);
	return found | te->sticky;
}

unsigned int
trust_see(
    struct trust *t, const struct trust_sight *s, struct trust_other *ret_other)
{
	struct trust_entry *te = trust_find(t, s->id);
	int64_t now = clock_wall_ms() / 1000;
	unsigned int found = 0;

	memset(ret_other, 0, sizeof(*ret_other));
	if (te == NULL) {
		te = trust_add(t, s->id);
		if (te == NULL) /* full: it is new each time */
			return TRUST_NEW;
		te->first_s = te->seen_s = now;
		te->changed = true;
		found = TRUST_NEW;
	}
	found |= judge_record(te, s);
	if ((found & (TRUST_OLD | TRUST_WENT_BACK)) != 0)
		return stay(t, te, found, ret_other);
	take_hello(te, s, now);
	/* an old answer is read again as often as one likes */
	if (s->head != NULL && te->has_record && s->position < te->position)
		return stay(t, te, found, ret_other);
	found |= take_name(t, te, s, ret_other);
	if ((found & TRUST_NAME_TAKEN) != 0)
		found &= ~(unsigned int)TRUST_NEW;
	take_record(te, s, now);
	if (now > te->seen_s + 3600)
		te->changed = true;
	te->seen_s = now;
	return stay(t, te, found, ret_other);
}

void
trust_release(struct trust *t)
{
	size_t i;

	for (i = 0; i < t->n; i++) {
		free(t->list[i].name);
		free(t->list[i].row);
	}
	free(t->list);
	free(t->by_id);
	free(t->by_name);
	free(t->path);
	memset(t, 0, sizeof(*t));
}
