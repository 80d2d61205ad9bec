/* SPDX-License-Identifier: MPL-2.0 */
/* `mig token`: enrolment tokens are made here; the server learns a digest and
 * could not make the proof that agents then give (crypto/enroltoken.h). */
#include "client/api/api.h"
#include "client/policy/policy_file.h"
#include "client/print/table.h"
#include "client/trust/tokens.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/jsonw.h"
#include "base/str.h"
#include "crypto/seal.h"
#include "json/json.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define USES_MAX 1000000
#define ANY_MAX ((int64_t)1 << 53)

/* What is there appended to text (none: nothing), and parsed. */
static int
load(const char *path, struct buf *text, struct tokens *ret, struct err *e)
{
	int r = file_read(path, text, e);

	if (r == ERR_NOTFOUND)
		r = 0;
	if (r == 0 && (r = tokens_parse(text->data, text->len, ret, e)) != 0)
		err_wrap(e, "%s", path);
	return r;
}

static void
wipe(struct buf *b)
{
	if (b->data != NULL)
		secret_wipe(b->data, b->cap);
	buf_release(b);
}

/* Written before the server hears of it: an agent that is enrolled with a
 * token nobody knows any more could never be checked. */
static int
keep(const char *path, const uint8_t secret[static ENROL_TOKEN_LEN],
    struct err *e)
{
	struct tokens before = { NULL, 0 };
	int lock = -1, r = client_lock_for(path, &lock, e);
	struct buf text;

	buf_init(&text, TOKENS_FILE_MAX);
	if (r == 0)
		r = load(path, &text, &before, e);
	/* one more, and no mig could read any of them */
	if (r == 0 && before.n >= TOKENS_MAX)
		r = err_set(e, ERR_TOOBIG,
		    "%s: there are %zu tokens, and can be no more: take out "
		    "lines of those whose agents are gone, or move the file "
		    "away (their agents are unchecked then)",
		    path, before.n);
	tokens_release(&before);
	if (r == 0) {
		r = tokens_write(
		    &text, secret, (uint64_t)(clock_wall_ms() / 1000));
		if (r != 0)
			err_code(e, r, "%s", path);
	}
	if (r == 0)
		r = file_write(path, text.data, text.len, 0600, e);
	if (lock >= 0)
		close(lock);
	wipe(&text);
	return r;
}

/* --- make ------------------------------------------------------------------
 */

static int
numbers(const struct opts *o, uint64_t *uses, int64_t *seconds, struct err *e)
{
	const char *u = opts_get(o, "uses"), *x = opts_get(o, "expires");

	*uses = 1;
	*seconds = 3600;
	if (u != NULL && str_u64(u, 1, USES_MAX, uses) != 0)
		return err_set(e, ERR_INVALID,
		    "-uses %s: expected a number from 1 to %d", u, USES_MAX);
	return x != NULL ? duration_option("-expires", x,
			       "a time such as 1h or 7d", seconds, e)
			 : 0;
}

/* The hash of a policy that lies here: what endpoints pin. */
static int
policy_hash(const char *path, struct id *ret, struct err *e)
{
	struct policy_file f;
	int r = policy_file_load(path, &f, e);

	if (r == 0)
		*ret = f.policy.hash;
	policy_file_release(&f);
	return r;
}

static int
tell_server(struct client *c, const struct id *hash, uint64_t uses,
    int64_t seconds, struct err *e)
{
	json_t *answer = NULL;
	struct jsonw w;
	struct buf b;
	int r;

	buf_init(&b, 4096);
	jsonw_init(&w, &b);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "sha256", id_hex(hash).s);
	jsonw_u64(&w, "uses", uses);
	jsonw_i64(&w, "seconds", seconds);
	jsonw_object_end(&w);
	r = api_json(c, "POST", "/api/v1/tokens", &b, &answer, e);
	if (r == 0)
		r = api_need_id(answer, "sha256", hash, e);
	json_decref(answer);
	buf_release(&b);
	return r;
}

/* Everything in it is from here: address and CA out of the configuration. */
static void
print_command(struct client *c, const char *token, const struct id *policy)
{
	printf("mig-agent enrol %s --ca %s --token %s", c->conf.server,
	    c->conf.ca, token);
	if (policy != NULL)
		printf(" --policy-hash %s", id_hex(policy).s);
	printf("\n");
	if (policy == NULL)
		fprintf(stderr,
		    "No policy is named (-policy FILE): the agent needs one "
		    "from a file.\n");
}

static int
cmd_make(struct client *c, const struct opts *o, struct err *e)
{
	const char *policy = opts_get(o, "policy");
	char text[ENROL_TOKEN_TEXT_LEN + 1], *path;
	uint8_t secret[ENROL_TOKEN_LEN];
	struct id hash, pin;
	int64_t seconds;
	uint64_t uses;
	int r;

	r = numbers(o, &uses, &seconds, e);
	if (r == 0 && policy != NULL)
		r = policy_hash(policy, &pin, e);
	if (r == 0)
		r = client_need_server(c, e);
	if (r != 0)
		return r;
	if ((path = client_path(DIR_DATA, "tokens", e)) == NULL)
		return ERR_NOTFOUND;
	randombytes_buf(secret, sizeof(secret));
	enrol_token_text(secret, text);
	enrol_token_hash(secret, &hash);
	r = keep(path, secret, e);
	if (r == 0)
		r = tell_server(c, &hash, uses, seconds, e);
	if (r == 0)
		print_command(c, text, policy != NULL ? &pin : NULL);
	secret_wipe(text, sizeof(text));
	secret_wipe(secret, sizeof(secret));
	free(path);
	return r;
}

/* --- list, revoke ----------------------------------------------------------
 */

static int
list_row(struct table *t, const json_t *row, const struct tokens *mine,
    struct err *e)
{
	char uses[24], cut[ID_SHORT_LEN + 1];
	const char *hash;
	struct id id;
	int64_t n;

	if (json_need_str(row, "", "sha256", &hash, e) != 0 ||
	    json_need_int(row, "", "uses", 0, ANY_MAX, &n, e) != 0)
		return ERR_INVALID;
	snprintf(cut, sizeof(cut), "%.*s", ID_SHORT_LEN, hash);
	snprintf(uses, sizeof(uses), "%" PRId64, n);
	table_cell(t, cut);
	table_cell(t, uses);
	table_cell(t, json_string_value(json_object_get(row, "created")));
	table_cell(t, json_string_value(json_object_get(row, "expires")));
	table_cell(t,
	    id_parse(hash, &id) == 0 && tokens_find(mine, &id) != NULL
		? "here"
		: "not here: its agents stay unchecked");
	return 0;
}

static int
cmd_list(struct client *c, const struct opts *o, struct err *e)
{
	static const char *const head[] = { "TOKEN", "USES LEFT", "SINCE",
		"UNTIL", "SECRET", NULL };
	char *path = client_path(DIR_DATA, "tokens", e);
	struct tokens mine = { NULL, 0 };
	json_t *root = NULL, *list, *row;
	struct buf file, out;
	struct table t;
	size_t i;
	int r;

	if (path == NULL)
		return ERR_NOTFOUND;
	buf_init(&file, TOKENS_FILE_MAX);
	buf_init(&out, API_JSON_MAX * 4);
	table_init(&t, head);
	r = load(path, &file, &mine, e);
	if (r == 0)
		r = api_json(c, "GET", "/api/v1/tokens", NULL, &root, e);
	if (r == 0)
		r = json_need_array(root, "", "tokens", &list, e);
	for (i = 0; r == 0 && i < json_array_size(list); i++) {
		row = json_array_get(list, i);
		r = list_row(&t, row, &mine, e);
	}
	if (r == 0 && json_array_size(list) > 0)
		table_print_fit(&t, &out);
	if (r == 0)
		r = opts_has(o, "json") ? client_out_json(root, JSON_COMPACT, e)
					: client_out(&out, e);
	json_decref(root);
	tokens_release(&mine);
	table_release(&t);
	buf_release(&out);
	wipe(&file);
	free(path);
	return r;
}

static int
cmd_revoke(struct client *c, const struct opts *o, struct err *e)
{
	int r = api_send_to(c, "DELETE", "/api/v1/tokens/", o->words[0], "", e);

	if (r == 0)
		fprintf(stderr, "revoked: it enrols nobody any more\n");
	return r;
}

/* --- export, import: for a team --------------------------------------------
 */

static int
cmd_export(struct client *c, const struct opts *o, struct err *e)
{
	char *path = client_path(DIR_DATA, "tokens", e);
	struct tokens t = { NULL, 0 };
	struct buf text;
	int r;

	if (path == NULL)
		return ERR_NOTFOUND;
	buf_init(&text, TOKENS_FILE_MAX);
	r = load(path, &text, &t, e);
	if (r == 0 && t.n == 0)
		r = err_set(e, ERR_NOTFOUND, "there are no tokens here");
	if (r == 0)
		r = client_write(opts_get(o, "o"), &text, e);
	tokens_release(&t);
	wipe(&text);
	free(path);
	return r;
}

static int
cmd_import(struct client *c, const struct opts *o, struct err *e)
{
	char *path = client_path(DIR_DATA, "tokens", e);
	struct tokens here = { NULL, 0 }, there = { NULL, 0 }, all;
	struct buf mine, theirs;
	size_t i, n = 0;
	int lock = -1, r;

	if (path == NULL)
		return ERR_NOTFOUND;
	buf_init(&mine, TOKENS_FILE_MAX);
	buf_init(&theirs, TOKENS_FILE_MAX);
	r = file_read(o->words[0], &theirs, e);
	if (r == 0 &&
	    (r = tokens_parse(theirs.data, theirs.len, &there, e)) != 0)
		err_wrap(e, "%s", o->words[0]);
	if (r == 0)
		r = client_lock_for(path, &lock, e);
	if (r == 0)
		r = load(path, &mine, &here, e);
	for (i = 0; r == 0 && i < there.n; i++) {
		if (tokens_find(&here, &there.list[i].hash) != NULL)
			continue;
		tokens_write(&mine, there.list[i].secret, there.list[i].made);
		n++;
	}
	if (r == 0 && (r = mine.error) != 0)
		err_set(e, r, "too many tokens");
	if (r == 0 && (r = tokens_parse(mine.data, mine.len, &all, e)) == 0)
		tokens_release(&all);
	if (r == 0)
		r = file_write(path, mine.data, mine.len, 0600, e);
	if (lock >= 0)
		close(lock);
	if (r == 0)
		fprintf(stderr, "%zu new\n", n);
	tokens_release(&here);
	tokens_release(&there);
	wipe(&mine);
	wipe(&theirs);
	free(path);
	return r;
}

static const struct opt make_opts[] = {
	{ "uses", NULL, "N", "how many agents it enrols (default 1)" },
	{ "expires", NULL, "DURATION", "how long it is good (default 1h)" },
	{ "policy", NULL, "FILE", "the policy whose hash the agents pin" },
	{ NULL, NULL, NULL, NULL },
};
static const struct opt list_opts[] = {
	{ "json", NULL, NULL, "as JSON" },
	{ NULL, NULL, NULL, NULL },
};
static const struct opt export_opts[] = {
	{ "o", "output", "FILE", "where to write (default: standard output)" },
	{ NULL, NULL, NULL, NULL },
};

const struct command token_commands[] = {
	{ "token make", "", "an enrolment token, and the command for endpoints",
	    cmd_make, make_opts, NULL, 0, 0,
	    "The token is made here and kept in ~/.local/share/mig/tokens; the "
	    "server gets its\ndigest. Address and CA in the command are those "
	    "of your configuration. Agents that\nwere enrolled with it are "
	    "marked as checked by mig agents." },
	{ "token list", "", "which tokens are good, and whose secret is here",
	    cmd_list, list_opts, NULL, 0, 0, NULL },
	{ "token revoke", "ID", "enrol nobody with it any more", cmd_revoke,
	    NULL, NULL, 1, 1, NULL },
	{ "token export", "", "all tokens made here, for the rest of the team",
	    cmd_export, export_opts, NULL, 0, 0,
	    "Who has them can enrol agents while they last, and make agents "
	    "that pass for checked." },
	{ "token import", "FILE", "take a team's tokens, to check agents with",
	    cmd_import, NULL, NULL, 1, 1, NULL },
	{ .name = NULL },
};
