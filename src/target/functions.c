/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Functions of targets. ->> replaces SQLite's own so that it gives text for
 * every scalar, as PostgreSQL's does: a fact compares equal however its JSON
 * writes it. Parsed JSON is kept for the next call, as conditions ask the same
 * column again and again.
 */
#include "target/functions.h"

#include "base/err.h"
#include "json/json.h"
#include "target/net.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATTERN_MAX 1024
#define CACHED 4

struct cached {
	char *text; /* owned */
	size_t len;
	json_t *root; /* owned */
};

struct functions {
	struct cached cached[CACHED];
	unsigned int turn; /* the one to be replaced next */
	unsigned int users;
};

static void
cached_clear(struct cached *c)
{
	free(c->text);
	json_decref(c->root);
	memset(c, 0, sizeof(*c));
}

/* Borrowed until the next call; NULL when it is no JSON. */
static json_t *
parse_json(
    struct functions *f, const char *text, size_t len, bool *ret_no_memory)
{
	struct cached *c;
	json_t *root;
	char *copy;
	size_t i;

	for (i = 0; i < CACHED; i++) {
		c = &f->cached[i];
		if (c->root != NULL && c->len == len &&
		    memcmp(c->text, text, len) == 0)
			return c->root;
	}
	root = json_read(
	    text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
	copy = malloc(len + 1);
	*ret_no_memory = copy == NULL || (root == NULL && json_no_memory());
	if (root == NULL || copy == NULL) {
		json_decref(root);
		free(copy);
		return NULL;
	}
	memcpy(copy, text, len);
	c = &f->cached[f->turn++ % CACHED];
	cached_clear(c);
	c->text = copy;
	c->len = len;
	c->root = root;
	return root;
}

static json_t *
parse_value(sqlite3_context *ctx, sqlite3_value *v)
{
	const unsigned char *text = sqlite3_value_text(v);
	bool no_memory = text == NULL && sqlite3_value_type(v) != SQLITE_NULL;
	json_t *root = NULL;

	if (text != NULL)
		root = parse_json(sqlite3_user_data(ctx), (const char *)text,
		    (size_t)sqlite3_value_bytes(v), &no_memory);
	/* what is malformed is refused for good */
	if (root == NULL && no_memory)
		sqlite3_result_error_nomem(ctx);
	else if (root == NULL)
		sqlite3_result_error(ctx, "malformed JSON", -1);
	return root;
}

static void
result_json(sqlite3_context *ctx, const json_t *v)
{
	char number[64], *text;

	switch (json_typeof(v)) {
	case JSON_NULL:
		sqlite3_result_null(ctx);
		break;
	case JSON_STRING:
		sqlite3_result_text(ctx, json_string_value(v),
		    (int)json_string_length(v), SQLITE_TRANSIENT);
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		sqlite3_result_text(
		    ctx, json_is_true(v) ? "true" : "false", -1, SQLITE_STATIC);
		break;
	case JSON_INTEGER:
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
		    json_integer_value(v));
		sqlite3_result_text(ctx, number, -1, SQLITE_TRANSIENT);
		break;
	default:
		text = json_text(v, JSON_COMPACT | JSON_ENCODE_ANY);
		if (text == NULL)
			sqlite3_result_error_nomem(ctx);
		else
			sqlite3_result_text(ctx, text, -1, SQLITE_TRANSIENT);
		free(text);
		break;
	}
}

/* json ->> 'key', json ->> index */
static void
function_arrow(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	const char *key;
	json_t *root, *v;
	sqlite3_int64 i;

	if (sqlite3_value_type(argv[0]) == SQLITE_NULL ||
	    sqlite3_value_type(argv[1]) == SQLITE_NULL)
		return; /* NULL */
	root = parse_value(ctx, argv[0]);
	if (root == NULL)
		return;
	if (sqlite3_value_type(argv[1]) == SQLITE_INTEGER) {
		i = sqlite3_value_int64(argv[1]);
		if (i < 0)
			i += (sqlite3_int64)json_array_size(root);
		v = i < 0 ? NULL : json_array_get(root, (size_t)i);
	} else {
		key = (const char *)sqlite3_value_text(argv[1]);
		if (key == NULL) {
			sqlite3_result_error_nomem(ctx);
			return;
		}
		if (key[0] == '$') {
			sqlite3_result_error(ctx,
			    "->> takes a name, not a path: use json_extract",
			    -1);
			return;
		}
		v = json_object_get(root, key);
	}
	if (v != NULL)
		result_json(ctx, v);
}

/* 1 inside, 0 not, -1 no address at all. */
static int
address_in(const struct net *n, const json_t *v)
{
	uint8_t addr[16];

	if (!json_is_string(v) ||
	    net_parse_address(json_string_value(v), addr) != 0)
		return -1;
	return net_has(n, addr) ? 1 : 0;
}

static void
in_net_array(sqlite3_context *ctx, const struct net *n, const json_t *list)
{
	int is, found = 0;
	const json_t *v;
	size_t i;

	json_array_foreach (list, i, v) {
		is = address_in(n, v);
		if (is < 0) {
			sqlite3_result_error(ctx,
			    "in_net: the list holds something that is no "
			    "address",
			    -1);
			return;
		}
		found |= is;
	}
	sqlite3_result_int(ctx, found);
}

/* in_net(address or JSON list of addresses, network) */
static void
function_in_net(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	const char *what, *network;
	uint8_t addr[16];
	struct net n;
	json_t *list;

	if (sqlite3_value_type(argv[0]) == SQLITE_NULL ||
	    sqlite3_value_type(argv[1]) == SQLITE_NULL)
		return;
	what = (const char *)sqlite3_value_text(argv[0]);
	network = (const char *)sqlite3_value_text(argv[1]);
	if (what == NULL || network == NULL) {
		sqlite3_result_error_nomem(ctx);
		return;
	}
	if (net_parse(network, &n) != 0) {
		sqlite3_result_error(ctx,
		    "in_net: the second argument is no network like "
		    "'10.0.0.0/8' or '2001:db8::/32'",
		    -1);
		return;
	}
	if (what[0] == '[') {
		list = parse_value(ctx, argv[0]);
		if (list != NULL && json_is_array(list))
			in_net_array(ctx, &n, list);
	} else if (net_parse_address(what, addr) == 0) {
		sqlite3_result_int(ctx, net_has(&n, addr));
	} else {
		sqlite3_result_error(ctx,
		    "in_net: the first argument is neither an address nor a "
		    "list of addresses",
		    -1);
	}
}

/* text ILIKE pattern [ESCAPE c]: SQLite calls regexp(pattern, text[, c]). */
static void
function_ilike(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
	const char *pattern, *text, *escape = "";

	if (sqlite3_value_type(argv[0]) == SQLITE_NULL ||
	    sqlite3_value_type(argv[1]) == SQLITE_NULL)
		return;
	pattern = (const char *)sqlite3_value_text(argv[0]);
	text = (const char *)sqlite3_value_text(argv[1]);
	if (argc == 3)
		escape = (const char *)sqlite3_value_text(argv[2]);
	if (pattern == NULL || text == NULL || escape == NULL) {
		sqlite3_result_error_nomem(ctx);
		return;
	}
	if (strlen(pattern) > PATTERN_MAX) {
		sqlite3_result_error(ctx, "ILIKE: pattern too long", -1);
		return;
	}
	if (argc == 3 && (escape[0] & 0x80 || strlen(escape) != 1)) {
		sqlite3_result_error(
		    ctx, "ILIKE: ESCAPE takes one ASCII character", -1);
		return;
	}
	sqlite3_result_int(
	    ctx, sqlite3_strlike(pattern, text, (unsigned char)escape[0]) == 0);
}

static void
functions_free(void *p)
{
	struct functions *f = p;
	size_t i;

	if (--f->users > 0)
		return;
	for (i = 0; i < CACHED; i++)
		cached_clear(&f->cached[i]);
	free(f);
}

int
target_functions_add(sqlite3 *db, struct err *e)
{
	static const struct {
		const char *name;
		int args;
		void (*call)(sqlite3_context *, int, sqlite3_value **);
	} table[] = {
		{ "->>", 2, function_arrow },
		{ "in_net", 2, function_in_net },
		{ "regexp", 2, function_ilike },
		{ "regexp", 3, function_ilike },
	};
	struct functions *f = calloc(1, sizeof(*f));
	size_t i;
	int rc = SQLITE_OK;

	if (f == NULL)
		return err_set(e, ERR_NOMEM, "target: out of memory");
	f->users = 1; /* until all are registered */
	for (i = 0; rc == SQLITE_OK && i < sizeof(table) / sizeof(table[0]);
	     i++) {
		f->users++; /* given back by SQLite, also when it fails */
		rc = sqlite3_create_function_v2(db, table[i].name,
		    table[i].args, SQLITE_UTF8 | SQLITE_DETERMINISTIC, f,
		    table[i].call, NULL, NULL, functions_free);
	}
	functions_free(f);
	if (rc != SQLITE_OK)
		return err_set(e, ERR_UNSUPPORTED, "target: SQLite: %s",
		    sqlite3_errmsg(db));
	return 0;
}
