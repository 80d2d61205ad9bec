/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A reader of JSON as base/jsonw.h writes it, without blanks, that knows where
 * in an answer it is:
 *
 *        "elements":{          { in an array
 *   REST -----------> ELEMENTS --------------> ENTRY
 *    ^  <----------- }        <------------- }
 *    `- before and behind
 *
 * An entry is narrowed in the containers that it stands in, alone, as masks
 * look at where something stands.
 */
#include "modules/narrowing.h"

#include "json/json.h"

#include <stdlib.h>
#include <string.h>

#define IN_ROOM ((size_t)64 * 1024)
#define SPARE ((size_t)512 * 1024)

static const char elements_key[] = "\"elements\":";
static const char elements_none[] = "{\"elements\":{}";

static int
fail(struct narrowing *n, int code)
{
	if (code != ERR_INTERNAL)
		return err_set(
		    &n->err, code, "narrowing the answer: %s", err_text(code));
	return err_set(&n->err, code,
	    "narrowing the answer: it is not as those of module %s are",
	    n->module->name);
}

static bool
leaves_elements_out(const struct narrowing *n)
{
	return n->detail == DETAIL_FOUND_ONLY;
}

/* What was read goes to where it belongs. */
static int
pass(struct narrowing *n, const void *data, size_t len)
{
	if (n->place == NARROWING_REST)
		return buf_add(&n->rest, data, len);
	if (leaves_elements_out(n))
		return 0;
	if (n->place == NARROWING_ENTRY)
		return buf_add(&n->entry, data, len);
	if (n->string && buf_add(&n->around, data, len) != 0)
		return n->around.error;
	return buf_add(n->out, data, len);
}

/* --- entries --------------------------------------------------------------*/

/* The entry in its containers. */
static json_t *
entry_within(const struct narrowing *n, json_t *v)
{
	size_t i;

	v = json_object_get(v, "elements");
	for (i = 0; i < n->nested && v != NULL; i++) {
		if (n->closers[i] == ']')
			v = json_array_size(v) == 1 ? json_array_get(v, 0)
						    : NULL;
		else
			v = json_object_iter_value(json_object_iter(v));
	}
	return v;
}

static int
write_entry(struct narrowing *n)
{
	json_t *v, *entry;
	char *text = NULL;
	size_t i;
	int rc = 0;

	for (i = n->nested; i > 0; i--)
		buf_add_u8(&n->entry, (uint8_t)n->closers[i - 1]);
	if (buf_add_str(&n->entry, "}") != 0)
		return n->entry.error;
	v = json_read(n->entry.data, n->entry.len, 0, NULL);
	if (v == NULL || narrow_entry(n->module, n->detail, n->privacy, v) != 0)
		rc = ERR_NOMEM;
	else if ((entry = entry_within(n, v)) == NULL)
		rc = ERR_INTERNAL;
	else if ((text = json_text(entry, JSON_COMPACT)) == NULL)
		rc = ERR_NOMEM;
	if (rc == 0)
		rc = buf_add_str(n->out, text);
	free(text);
	json_decref(v);
	return rc;
}

static int
entry_byte(struct narrowing *n, char c)
{
	int rc;

	n->string = c == '"';
	n->depth += c == '{' || c == '[';
	n->depth -= c == '}' || c == ']';
	rc = pass(n, &c, 1);
	if (rc != 0 || n->depth > 0)
		return rc;
	if (!leaves_elements_out(n))
		rc = write_entry(n);
	n->place = NARROWING_ELEMENTS;
	n->depth = n->nested;
	return rc;
}

/* --- elements -------------------------------------------------------------*/

/* Values in objects, entries in lists. */
static int
open_container(struct narrowing *n, char c)
{
	if (n->depth == NARROWING_NESTED)
		return ERR_INTERNAL;
	n->closers[n->depth] = c == '{' ? '}' : ']';
	if (buf_add(&n->around, &c, 1) != 0)
		return n->around.error;
	n->opened[n->depth++] = n->around.len;
	n->due = NARROWING_FIRST;
	return pass(n, &c, 1);
}

static int
close_container(struct narrowing *n, char c)
{
	int rc;

	if (c != n->closers[n->depth - 1])
		return ERR_INTERNAL;
	rc = pass(n, &c, 1);
	n->due = NARROWING_COMMA;
	if (--n->depth > 0) {
		n->around.len = n->opened[n->depth - 1];
	} else {
		n->place = NARROWING_REST;
		n->depth = 1;
	}
	return rc;
}

static int
begin_entry(struct narrowing *n)
{
	n->nested = n->depth;
	n->depth = 0;
	n->place = NARROWING_ENTRY;
	n->due = NARROWING_COMMA;
	buf_clear(&n->entry);
	if (buf_add(&n->entry, n->around.data, n->around.len) != 0)
		return n->entry.error;
	return entry_byte(n, '{');
}

static int
begin_item(struct narrowing *n, char c)
{
	if (n->closers[n->depth - 1] == ']')
		return c == '{' ? begin_entry(n) : ERR_INTERNAL;
	if (c != '"')
		return ERR_INTERNAL;
	n->around.len = n->opened[n->depth - 1];
	n->string = true;
	return pass(n, &c, 1);
}

/* The key of a container with entries is read with each of them; of one
 * without only here. */
static int
end_key(struct narrowing *n)
{
	size_t from = n->opened[n->depth - 1];
	json_t *key;

	n->due = NARROWING_COLON;
	if (leaves_elements_out(n))
		return 0;
	key = json_read(
	    n->around.data + from, n->around.len - from, JSON_DECODE_ANY, NULL);
	json_decref(key);
	return key != NULL ? 0 : ERR_INTERNAL;
}

/* A container or null: a text would be of nobody's entry. */
static int
value_byte(struct narrowing *n, char c)
{
	if (n->nulls == 0 && (c == '{' || c == '['))
		return open_container(n, c);
	if (c != "null"[n->nulls])
		return ERR_INTERNAL;
	if (++n->nulls == strlen("null"))
		n->due = NARROWING_COMMA;
	return pass(n, &c, 1);
}

static int
elements_byte(struct narrowing *n, char c)
{
	bool end = c == '}' || c == ']';

	switch (n->due) {
	case NARROWING_FIRST:
		return end ? close_container(n, c) : begin_item(n, c);
	case NARROWING_ITEM:
		return begin_item(n, c);
	case NARROWING_COLON:
		if (c != ':')
			return ERR_INTERNAL;
		n->due = NARROWING_VALUE;
		n->nulls = 0;
		if (buf_add(&n->around, &c, 1) != 0)
			return n->around.error;
		return pass(n, &c, 1);
	case NARROWING_VALUE:
		return value_byte(n, c);
	case NARROWING_COMMA:
	default:
		if (end)
			return close_container(n, c);
		n->due = NARROWING_ITEM;
		return c == ',' ? pass(n, &c, 1) : ERR_INTERNAL;
	}
}

/* --- the rest -------------------------------------------------------------*/

/* Nothing is to be taken out of what stands before the elements. */
static int
check_head(const struct narrowing *n, struct buf *scratch)
{
	const char *key;
	json_t *v, *member;
	int rc = 0;

	if (n->key > 1 && n->rest.data[n->key - 1] != ',')
		return ERR_INTERNAL;
	buf_clear(scratch);
	buf_add(scratch, n->rest.data, n->key - (n->key > 1));
	if (buf_add_str(scratch, "}") != 0)
		return scratch->error;
	v = json_read(scratch->data, scratch->len, 0, NULL);
	if (v == NULL)
		return ERR_NOMEM;
	json_object_foreach (v, key, member) {
		if (!json_is_boolean(member) ||
		    (strcmp(key, "foundanything") != 0 &&
			strcmp(key, "success") != 0))
			rc = ERR_INTERNAL;
	}
	json_decref(v);
	return rc;
}

static int
begin_elements(struct narrowing *n)
{
	int rc = check_head(n, &n->entry);

	if (rc != 0)
		return rc;
	buf_add(n->out, n->rest.data, n->key);
	buf_clear(&n->rest);
	buf_add_str(&n->rest, elements_none);
	buf_add_str(&n->around, "{");
	buf_add_str(&n->around, elements_key);
	if (n->rest.error != 0 || n->around.error != 0)
		return ERR_NOMEM;
	buf_add_str(n->out, elements_key);
	if (leaves_elements_out(n) && buf_add_str(n->out, "{}") != 0)
		return n->out->error;
	n->place = NARROWING_ELEMENTS;
	n->depth = 0;
	return open_container(n, '{');
}

static bool
behind_key(const struct narrowing *n, const char *key)
{
	size_t len = strlen(key);

	return n->depth == 1 && n->value && n->rest.len == n->key + len &&
	    memcmp(n->rest.data + n->key, key, len) == 0;
}

static int
rest_byte(struct narrowing *n, char c)
{
	if (c == '{' && n->module->by_entry && behind_key(n, elements_key))
		return begin_elements(n);
	if (c == '"') {
		n->string = true;
		if (n->depth == 1 && !n->value)
			n->key = n->rest.len;
	}
	if (n->depth == 1 && (c == ':' || c == ','))
		n->value = c == ':';
	n->depth += c == '{' || c == '[';
	n->depth -= c == '}' || c == ']';
	return pass(n, &c, 1);
}

/* --- the whole ------------------------------------------------------------*/

static int
string_byte(struct narrowing *n, char c)
{
	int rc = pass(n, &c, 1);

	if (n->escape)
		n->escape = false;
	else if (c == '\\')
		n->escape = true;
	else if (c == '"')
		n->string = false;
	if (rc == 0 && !n->string && n->place == NARROWING_ELEMENTS)
		return end_key(n);
	return rc;
}

static int
take_byte(struct narrowing *n, char c)
{
	if (n->string)
		return string_byte(n, c);
	switch (n->place) {
	case NARROWING_ELEMENTS:
		return elements_byte(n, c);
	case NARROWING_ENTRY:
		return entry_byte(n, c);
	default:
		return rest_byte(n, c);
	}
}

static size_t
plain_len(const char *p, size_t len)
{
	size_t i = 0;

	while (i < len && p[i] != '"' && p[i] != '\\')
		i++;
	return i;
}

static int
take(const void *data, size_t len, void *arg)
{
	struct narrowing *n = arg;
	const char *p = data;
	size_t i, plain;
	int rc = n->err.code;

	free(n->spare);
	n->spare = NULL;
	for (i = 0; i < len && rc == 0;) {
		if (n->string && !n->escape &&
		    (plain = plain_len(p + i, len - i)) > 0) {
			rc = pass(n, p + i, plain);
			i += plain;
			continue;
		}
		rc = take_byte(n, p[i++]);
	}
	return rc == 0 || n->err.code != 0 ? rc : fail(n, rc);
}

void
narrowing_begin(struct narrowing *n, const struct module *m, enum detail d,
    bool privacy, struct buf *out, size_t max)
{
	memset(n, 0, sizeof(*n));
	n->module = m;
	n->detail = narrow_detail(m, d);
	n->privacy = privacy;
	n->out = out;
	buf_init_sink(&n->in, IN_ROOM, take, n);
	buf_init(&n->rest, max);
	buf_init(&n->around, max);
	buf_init(&n->entry, max);
	/* at once: later a search may have left no memory */
	buf_reserve(&n->in, IN_ROOM);
	n->in.error = 0;
	n->spare = malloc(SPARE);
}

/* The rest, narrowed: all of it, or what follows the elements. */
static int
write_rest(struct narrowing *n, json_t *v, bool all)
{
	char *text;
	int rc;

	if (narrow_answer(n->module, n->detail, n->privacy, v) != 0)
		return ERR_NOMEM;
	if (!all && json_object_del(v, "elements") != 0)
		return ERR_INTERNAL;
	text = json_text(v, JSON_COMPACT);
	if (text == NULL)
		return ERR_NOMEM;
	if (!all && text[1] != '}') {
		*text = ',';
		rc = buf_add_str(n->out, text);
	} else {
		rc = buf_add_str(n->out, all ? text : "}");
	}
	free(text);
	return rc;
}

int
narrowing_end(struct narrowing *n, struct err *e)
{
	bool all;
	json_t *v;
	int rc = buf_hand_on(&n->in);

	if (rc == 0 && n->place != NARROWING_REST)
		rc = ERR_INTERNAL;
	if (rc == 0) {
		all = n->around.len == 0;
		v = json_read(
		    n->rest.data, n->rest.len, JSON_REJECT_DUPLICATES, NULL);
		rc = v == NULL ? ERR_NOMEM : write_rest(n, v, all);
		json_decref(v);
	}
	if (rc != 0 && n->err.code == 0)
		fail(n, rc);
	if (rc != 0)
		*e = n->err;
	return rc;
}

void
narrowing_release(struct narrowing *n)
{
	free(n->spare);
	buf_release(&n->in);
	buf_release(&n->rest);
	buf_release(&n->around);
	buf_release(&n->entry);
}
