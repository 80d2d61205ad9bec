/* SPDX-License-Identifier: MPL-2.0 */
/* `mig investigators`, `mig sessions`, `mig apikey`: the server's own doors.
 * What is printed here is the server's word; what agents accept is said by the
 * policy alone. */
#include "client/api/api.h"
#include "client/api/apikey.h"
#include "client/print/table.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/jsonw.h"
#include "base/str.h"
#include "crypto/keyring.h"
#include "crypto/seal.h"
#include "crypto/sha256.h"
#include "json/json.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FPR_HEX 40
#define BODY_MAX (2u * 1024 * 1024)

/* --- lists ----------------------------------------------------------------
 */

/* Columns of a list: titles and members, both NULL terminated. */
struct list_form {
	const char *path, *array;
	const char *titles[TABLE_COLUMNS_MAX + 1];
	const char *members[TABLE_COLUMNS_MAX + 1];
};

static void
list_cell(struct table *t, const json_t *v)
{
	if (json_is_boolean(v))
		table_cell(t, json_is_true(v) ? "this one" : "");
	else
		table_cell(t, json_string_value(v));
}

/* GET, then a table, or with -json the answer as it is. */
static int
list_print(struct client *c, const struct opts *o, const struct list_form *f,
    struct err *e)
{
	json_t *root = NULL, *list, *row;
	struct table t;
	struct buf out;
	size_t i, k;
	int r;

	r = api_json(c, "GET", f->path, NULL, &root, e);
	if (r == 0)
		r = json_need_array(root, "", f->array, &list, e);
	if (r != 0) {
		json_decref(root);
		return r;
	}
	table_init(&t, f->titles);
	buf_init(&out, API_JSON_MAX * 4);
	json_array_foreach (list, i, row)
		for (k = 0; f->members[k] != NULL; k++)
			list_cell(&t, json_object_get(row, f->members[k]));
	if (json_array_size(list) > 0)
		table_print_fit(&t, &out);
	r = opts_has(o, "json") ? client_out_json(root, JSON_COMPACT, e)
				: client_out(&out, e);
	table_release(&t);
	buf_release(&out);
	json_decref(root);
	return r;
}

/* --- requests --------------------------------------------------------------
 */

/* A fingerprint as the server writes it; ERR_INVALID. */
static int
need_fpr(const char *word, char ret[static FPR_HEX + 1], struct err *e)
{
	uint8_t raw[FPR_HEX / 2];

	if (hex_decode(word, raw, sizeof(raw)) != 0)
		return err_set(e, ERR_INVALID,
		    "'%.60s' is not a full fingerprint of %d hex digits", word,
		    FPR_HEX);
	hex_encode(raw, sizeof(raw), ret);
	return 0;
}

/* --- investigators ---------------------------------------------------------
 */

static int
cmd_people(struct client *c, const struct opts *o, struct err *e)
{
	static const struct list_form form = { "/api/v1/investigators",
		"investigators", { "NAME", "FINGERPRINT", "ROLE", "SINCE" },
		{ "name", "fingerprint", "role", "created" } };

	return list_print(c, o, &form, e);
}

static int
cmd_person_add(struct client *c, const struct opts *o, struct err *e)
{
	const char *role = opts_get(o, "role");
	struct buf text, body;
	struct keyring k;
	struct jsonw w;
	int r;

	buf_init(&text, KEYRING_TEXT_MAX);
	buf_init(&body, BODY_MAX);
	r = file_read(o->words[0], &text, e);
	if (r == 0 && (r = keyring_parse(text.data, text.len, &k, e)) != 0)
		err_wrap(e, "%s", o->words[0]);
	else if (r == 0)
		keyring_release(&k);
	jsonw_init(&w, &body);
	jsonw_object(&w, NULL);
	if (role != NULL)
		jsonw_str(&w, "role", role);
	jsonw_strn(&w, "keyring", text.data, text.len);
	jsonw_object_end(&w);
	if (r == 0 && body.error != 0)
		r = err_code(e, body.error, "the keyring");
	if (r == 0)
		r = api_json(
		    c, "POST", "/api/v1/investigators", &body, NULL, e);
	buf_release(&text);
	buf_release(&body);
	if (r == 0)
		fprintf(stderr,
		    "the server lets them in; agents accept them only with a "
		    "policy that names them\n");
	return r;
}

static int
cmd_person_role(struct client *c, const struct opts *o, struct err *e)
{
	char fpr[FPR_HEX + 1];
	struct buf path, body;
	struct jsonw w;
	int r;

	buf_init(&path, 4096);
	buf_init(&body, 4096);
	jsonw_init(&w, &body);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "role", o->words[1]);
	jsonw_object_end(&w);
	r = need_fpr(o->words[0], fpr, e);
	if (r == 0)
		r = api_word_path(
		    &path, "/api/v1/investigators/", fpr, "/role", e);
	if (r == 0 && body.error != 0)
		r = err_code(e, body.error, "the role");
	if (r == 0)
		r = api_json(c, "POST", buf_str(&path), &body, NULL, e);
	if (r == 0)
		fprintf(stderr, "%s is %s now\n", fpr, o->words[1]);
	buf_release(&path);
	buf_release(&body);
	return r;
}

/* Keys belong to the platform, not to who made them: he may have kept some. */
static void
warn_of_keys(struct client *c, const char *fpr)
{
	json_t *root = NULL, *list = NULL, *row;
	const char *by, *name;
	size_t i;

	if (api_json(c, "GET", "/api/v1/apikeys", NULL, &root, NULL) != 0 ||
	    json_need_array(root, "", "apikeys", &list, NULL) != 0) {
		json_decref(root);
		return;
	}
	json_array_foreach (list, i, row) {
		by = json_string_value(json_object_get(row, "by"));
		name = json_string_value(json_object_get(row, "name"));
		if (by != NULL && name != NULL && strcmp(by, fpr) == 0)
			client_warn("warning: the API key '%s', which they "
				    "made, is still good: mig apikey revoke %s",
			    name, name);
	}
	json_decref(root);
}

static int
cmd_person_remove(struct client *c, const struct opts *o, struct err *e)
{
	char fpr[FPR_HEX + 1];
	int r = need_fpr(o->words[0], fpr, e);

	if (r == 0)
		r = api_send_to(
		    c, "DELETE", "/api/v1/investigators/", fpr, "", e);
	if (r != 0)
		return r;
	fprintf(stderr,
	    "removed, and their sessions with them; agents forget the key only "
	    "with a new\npolicy\n");
	warn_of_keys(c, fpr);
	return 0;
}

/* --- sessions --------------------------------------------------------------
 */

static int
cmd_sessions(struct client *c, const struct opts *o, struct err *e)
{
	static const struct list_form form = { "/api/v1/sessions", "sessions",
		{ "ID", "NAME", "FINGERPRINT", "SINCE", "UNTIL", "CURRENT" },
		{ "id", "name", "fingerprint", "created", "expires",
		    "current" } };

	return list_print(c, o, &form, e);
}

/* An id, or a person's fingerprint for all of hers. */
static int
cmd_session_revoke(struct client *c, const struct opts *o, struct err *e)
{
	char fpr[FPR_HEX + 1];
	int r;

	if (strlen(o->words[0]) != FPR_HEX)
		r = api_send_to(
		    c, "DELETE", "/api/v1/sessions/", o->words[0], "", e);
	else if ((r = need_fpr(o->words[0], fpr, e)) == 0)
		r = api_send_to(
		    c, "DELETE", "/api/v1/investigators/", fpr, "/sessions", e);
	if (r == 0)
		fprintf(stderr, "revoked: who had it has to log in anew\n");
	return r;
}

/* --- API keys --------------------------------------------------------------
 */

static int
cmd_keys(struct client *c, const struct opts *o, struct err *e)
{
	static const struct list_form form = { "/api/v1/apikeys", "apikeys",
		{ "NAME", "CALLS", "SINCE", "UNTIL", "MADE BY" },
		{ "name", "calls", "created", "expires", "by" } };

	return list_print(c, o, &form, e);
}

static int
key_body(const struct opts *o, const struct id *hash, int64_t seconds,
    struct buf *body, struct err *e)
{
	struct jsonw w;

	jsonw_init(&w, body);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "name", o->words[0]);
	jsonw_str(&w, "calls", opts_get(o, "calls"));
	jsonw_str(&w, "sha256", id_hex(hash).s);
	jsonw_i64(&w, "seconds", seconds);
	jsonw_object_end(&w);
	return body->error == 0 ? 0
				: err_code(e, body->error, "name and calls");
}

/* Printed, or into a file for mig itself, which sends it to no other. */
static int
key_hand_out(
    const struct client *c, const char *path, const char *hex, struct err *e)
{
	struct buf line;
	int r;

	buf_init(&line, 256);
	buf_reserve(&line, 256);
	r = buf_add_fmt(&line, APIKEY_PREFIX "%s\n", hex);
	if (r == 0 && path != NULL && strcmp(path, "-") != 0)
		r = buf_add_fmt(&line, APIKEY_CA "%s\n", c->conf.ca);
	if (r != 0)
		err_set(e, r, "out of memory");
	else
		r = client_write(path, &line, e);
	if (r != 0)
		err_wrap(e,
		    "the key is made and lost (mig apikey revoke, and again)");
	else if (path != NULL)
		fprintf(stderr,
		    "wrote %s; a program's mig uses it with " APIKEY_ENV
		    ", or by apikey in its configuration\n",
		    path);
	else
		fprintf(stderr,
		    "This is shown once: keep it where only the program can "
		    "read it. It is sent as\nAuthorization: Bearer\n");
	if (line.data != NULL)
		secret_wipe(line.data, line.cap);
	buf_release(&line);
	return r;
}

/* Before the server has the key: what cannot be written would be lost, and a
 * key that is there may be in use. */
static int
key_file_make(const char *path, struct err *e)
{
	int fd = open(
	    path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600);

	if (fd < 0 && errno == EEXIST)
		return err_set(e, ERR_EXISTS,
		    "%s is there already and stays as it is: no key was made",
		    path);
	if (fd < 0)
		return err_errno(e, "%s: no key was made", path);
	close(fd);
	return 0;
}

/* The secret is made here, and the server gets its hash. */
static int
cmd_key_make(struct client *c, const struct opts *o, struct err *e)
{
	const char *expires = opts_get(o, "expires"), *path = opts_get(o, "o");
	bool file = path != NULL && strcmp(path, "-") != 0;
	char text[2 * APIKEY_SECRET_LEN + 1];
	uint8_t secret[APIKEY_SECRET_LEN];
	int64_t seconds = INT64_C(90) * 86400;
	struct buf body;
	struct id hash;
	int r = 0;

	if (opts_get(o, "calls") == NULL)
		return err_set(e, ERR_INVALID,
		    "say what it may do: -calls status,results");
	if (expires != NULL &&
	    (r = duration_option("-expires", expires,
		 "a time such as 12h or 90d", &seconds, e)) != 0)
		return r;
	randombytes_buf(secret, sizeof(secret));
	sha256(secret, sizeof(secret), &hash);
	buf_init(&body, BODY_MAX);
	r = key_body(o, &hash, seconds, &body, e);
	if (r == 0 && file)
		r = key_file_make(path, e);
	if (r == 0 &&
	    (r = api_json(c, "POST", "/api/v1/apikeys", &body, NULL, e)) != 0 &&
	    file)
		unlink(path);
	buf_release(&body);
	hex_encode(secret, sizeof(secret), text);
	if (r == 0)
		r = key_hand_out(c, path, text, e);
	secret_wipe(text, sizeof(text));
	secret_wipe(secret, sizeof(secret));
	return r;
}

static int
cmd_key_revoke(struct client *c, const struct opts *o, struct err *e)
{
	int r =
	    api_send_to(c, "DELETE", "/api/v1/apikeys/", o->words[0], "", e);

	if (r == 0)
		fprintf(stderr,
		    "revoked: the server refuses the key '%s' from now on\n",
		    o->words[0]);
	return r;
}

/* --- the table -------------------------------------------------------------
 */

static const struct opt json_opts[] = {
	{ "json", NULL, NULL, "as JSON" },
	{ NULL, NULL, NULL, NULL },
};
static const struct opt add_opts[] = {
	{ "role", NULL, "ROLE",
	    "reader, investigator or admin (default: as before; a new one: "
	    "investigator)" },
	{ NULL, NULL, NULL, NULL },
};
static const struct opt key_opts[] = {
	{ "calls", NULL, "LIST",
	    "what it may do, comma separated: status, metrics, events, agents, "
	    "actions:read, results, policies:read, investigators:read, "
	    "actions:launch, policies:push, tokens, agents:revoke, audit" },
	{ "expires", NULL, "DURATION", "how long it is good (default 90d)" },
	{ "o", "output", "FILE",
	    "write it to a new file that only its owner can read" },
	{ NULL, NULL, NULL, NULL },
};

const struct command doors_commands[] = {
	{ "investigators list", "", "who may log in to the server, and as what",
	    cmd_people, json_opts, NULL, 0, 0, NULL },
	{ "investigators add", "FILE",
	    "let people in: their keyring, from mig keyring export",
	    cmd_person_add, add_opts, NULL, 1, 1,
	    "Who is there already is replaced. A reader looks, an investigator "
	    "asks as well, an\nadmin also says who may." },
	{ "investigators role", "FPR ROLE", "give somebody another role",
	    cmd_person_role, NULL, NULL, 2, 2, NULL },
	{ "investigators remove", "FPR",
	    "let somebody in no more; their sessions end at once",
	    cmd_person_remove, NULL, NULL, 1, 1, NULL },
	{ "sessions list", "", "your sessions; an admin's: everybody's",
	    cmd_sessions, json_opts, NULL, 0, 0, NULL },
	{ "sessions revoke", "ID|FPR",
	    "end a session, or all of a person, at once", cmd_session_revoke,
	    NULL, NULL, 1, 1, NULL },
	{ "apikey make", "NAME", "a key for a program, limited to named calls",
	    cmd_key_make, key_opts, NULL, 1, 1,
	    "The key is printed once. mig uses one that is in a file of mode "
	    "0600, named by apikey\nin its configuration or by " APIKEY_ENV
	    ". With it nothing can be asked of\nagents that a person has not "
	    "signed." },
	{ "apikey list", "", "which keys there are", cmd_keys, json_opts, NULL,
	    0, 0, NULL },
	{ "apikey revoke", "NAME", "end a key", cmd_key_revoke, NULL, NULL, 1,
	    1, NULL },
	{ .name = NULL },
};
