/* SPDX-License-Identifier: MPL-2.0 */
/* `mig results share`, `mig results forget`, and opening answers with a key
 * that somebody else has shared. */
#include "client/cmd/fetched.h"

#include "action/envelope.h"
#include "action/share.h"
#include "base/clock.h"
#include "base/file.h"
#include "client/api/api.h"
#include "client/api/apikey.h"
#include "client/sign/sealcheck.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- opening ---------------------------------------------------------------
 */

static int
open_checked(struct client *c, const struct fetched *f, const char *armored,
    uint8_t ret_secret[static SEAL_KEY_LEN], struct err *e)
{
	uint8_t secret[SEAL_KEY_LEN];
	int r = sign_open_seal_key(c, armored, secret, e);

	if (r == 0 && !seal_is_pair(f->action.seal_public, secret))
		r = err_set(e, ERR_AUTH,
		    "this key is not the one that action %s was sealed with",
		    id_short(&f->id).s);
	if (r == 0)
		memcpy(ret_secret, secret, sizeof(secret));
	secret_wipe(secret, sizeof(secret));
	return r;
}

int
fetched_open_own(struct client *c, const struct fetched *f,
    uint8_t ret_secret[static SEAL_KEY_LEN], struct err *e)
{
	if (!sealcheck_names_me(c, &f->action))
		return err_set(e, ERR_DENIED,
		    "you are not among the readers of action %s",
		    id_short(&f->id).s);
	return open_checked(c, f, f->action.seal_key, ret_secret, e);
}

/* One share, an envelope as JSON. */
static int
open_share(struct client *c, const struct fetched *f, const void *text,
    size_t len, uint8_t ret_secret[static SEAL_KEY_LEN], struct err *e)
{
	struct envelope env;
	struct share share;
	struct buf binary;
	int r;

	buf_init(&binary, SHARE_ENVELOPE_MAX);
	r = envelope_from_json(text, len, &binary, e);
	if (r == 0)
		r = envelope_parse(binary.data, binary.len, &env, e);
	if (r == 0)
		r = share_parse(env.doc, env.doc_len, &share, e);
	if (r != 0)
		goto out;
	if (!id_equal(&share.action, &f->id))
		r = err_set(e, ERR_INVALID,
		    "it shares the key of another action (%s)",
		    id_short(&share.action).s);
	else if (!sign_is_mine(c, share.to))
		r = err_set(e, ERR_NOTFOUND, "it is for the key %s", share.to);
	else
		r = open_checked(c, f, share.key, ret_secret, e);
	share_release(&share);
out:
	buf_release(&binary);
	return r;
}

/* The first of those on the server that opens. */
static int
open_listed(struct client *c, const struct fetched *f,
    uint8_t ret_secret[static SEAL_KEY_LEN], struct err *e)
{
	const char *to, *by;
	struct err why = { 0 };
	json_t *root, *list = NULL, *j;
	char path[128], *text;
	size_t i;
	int r;

	snprintf(
	    path, sizeof(path), "/api/v1/actions/%s/shares", id_hex(&f->id).s);
	r = api_json(c, "GET", path, NULL, &root, e);
	if (r != 0)
		return r;
	r = ERR_NOTFOUND;
	(void)json_opt_array(root, "", "shares", &list, NULL);
	json_array_foreach (list, i, j) {
		if (r == 0)
			break;
		if (json_need_str(j, "", "to", &to, NULL) != 0 ||
		    !sign_is_mine(c, to))
			continue;
		by = "?";
		(void)json_opt_str(j, "", "by", &by, NULL);
		text = json_text(json_object_get(j, "share"), JSON_COMPACT);
		if (text != NULL)
			r = open_share(
			    c, f, text, strlen(text), ret_secret, &why);
		free(text);
		if (r == 0)
			client_warn("opened with the key that %s has shared, "
				    "as the server says",
			    by);
		else
			client_warn("warning: a shared key is not believed: %s",
			    why.msg);
	}
	json_decref(root);
	return r;
}

int
fetched_open(struct client *c, const struct fetched *f, const char *file,
    uint8_t ret_secret[static SEAL_KEY_LEN], struct err *e)
{
	struct err shared = { 0 };
	struct buf b;
	int r = client_conf_load(c, e);

	/* a program may have a reader's key alone */
	if (r == 0 && apikey_path(c) == NULL)
		r = client_need_key(c, e);
	if (r != 0)
		return r;
	if (file != NULL) {
		buf_init(&b, SHARE_ENVELOPE_MAX);
		r = file_read(file, &b, e);
		if (r == 0 &&
		    (r = open_share(c, f, b.data, b.len, ret_secret, e)) != 0)
			err_wrap(e, "%s", file);
		buf_release(&b);
		return r;
	}
	if (sealcheck_names_me(c, &f->action)) {
		r = fetched_open_own(c, f, ret_secret, e);
		if (r == 0)
			return 0;
		return open_listed(c, f, ret_secret, &shared) == 0 ? 0 : r;
	}
	r = open_listed(c, f, ret_secret, &shared);
	if (r == 0)
		return 0;
	if (sign_reader_usable(c, e) != 0)
		return e->code;
	return err_set(e, ERR_NOTFOUND,
	    "you are not among the readers of action %s, and nobody has shared "
	    "its key with you%s%s: one of its readers (mig action show %s) "
	    "can: "
	    "mig results share %s -to %s",
	    id_short(&f->id).s,
	    shared.msg[0] != '\0' ? " as far as known: " : "", shared.msg,
	    id_short(&f->id).s, id_short(&f->id).s,
	    c->conf.key != NULL ? c->conf.key : "KEY");
}

/* --- handing on -------------------------------------------------------------
 */

/* A share of this action's key as an envelope, one line. */
static int
make_share(struct client *c, const struct fetched *f,
    const struct sign_readers *to, struct buf *out, struct err *e)
{
	uint8_t secret[SEAL_KEY_LEN];
	struct buf armored, doc;
	int r;

	buf_init(&armored, SHARE_DOC_MAX);
	buf_init(&doc, SHARE_DOC_MAX);
	r = fetched_open(c, f, NULL, secret, e);
	if (r == 0)
		r = sign_seal_key(c, to, secret, &armored, e);
	secret_wipe(secret, sizeof(secret));
	if (r == 0 && buf_str(&armored) == NULL)
		r = err_set(e, ERR_NOMEM, "out of memory");
	if (r == 0)
		r = share_build(&f->id, to->list[0], buf_str(&armored),
		    clock_wall_ms() / 1000, &doc, e);
	if (r == 0)
		r = sign_new_envelope(
		    c, PURPOSE_SHARE, doc.data, doc.len, out, e);
	buf_release(&armored);
	buf_release(&doc);
	return r;
}

static int
share_post(
    struct client *c, const struct id *id, const struct buf *b, struct err *e)
{
	json_t *answer = NULL;
	char path[128];
	int r;

	snprintf(path, sizeof(path), "/api/v1/actions/%s/shares", id_hex(id).s);
	r = api_json(c, "POST", path, b, &answer, e);
	json_decref(answer);
	return r;
}

/* For who can read it anyway there is nothing to share. */
static int
check_new_reader(const struct fetched *f, const struct sign_readers *to,
    const char *name, struct err *e)
{
	size_t i;

	for (i = 0; i < f->action.nreaders; i++)
		if (strcasecmp(f->action.readers[i], to->list[0]) == 0)
			return err_set(e, ERR_EXISTS,
			    "%s is among the readers of action %s already: mig "
			    "results %s opens it there",
			    name, id_short(&f->id).s, id_short(&f->id).s);
	return 0;
}

int
cmd_results_share(struct client *c, const struct opts *o, struct err *e)
{
	const char *to = opts_get(o, "to"), *file = opts_get(o, "o");
	struct sign_readers reader = { .n = 0 };
	struct fetched f = { 0 };
	struct buf out, name;
	int r;

	if (to == NULL)
		return err_set(e, ERR_INVALID,
		    "with whom? mig results share ID -to FINGERPRINT (all 40 "
		    "digits, of a key in the local gpg keyring, or "
		    "x25519:...)");
	buf_init(&out, SHARE_ENVELOPE_MAX * 2);
	buf_init(&name, 4096);
	r = sign_readers_add(&reader, to, "-to", e);
	if (r == 0)
		r = sign_readers_text(c, &reader, &name, e);
	if (r == 0)
		r = fetched_get(c, o->words[0], &f, e);
	if (r == 0)
		r = check_new_reader(&f, &reader, buf_str(&name), e);
	if (r == 0) {
		client_warn("%s will be able to read the answers to "
			    "action %s, \"%s\", for good",
		    buf_str(&name), id_short(&f.id).s, f.action.name);
		if (!opts_has(o, "y") && client_interactive() &&
		    !client_confirm("Share its key? [y/N] "))
			r = err_set(e, ERR_CLOSED, "not shared");
	}
	if (r == 0)
		r = make_share(c, &f, &reader, &out, e);
	if (r == 0 && file != NULL)
		r = client_write(file, &out, e);
	else if (r == 0)
		r = share_post(c, &f.id, &out, e);
	if (r == 0 && file != NULL && strcmp(file, "-") != 0)
		fprintf(stderr,
		    "written: mig results %s -share %s opens it there\n",
		    id_short(&f.id).s, file);
	else if (r == 0 && file == NULL)
		fprintf(stderr, "shared: mig results %s opens it there\n",
		    id_short(&f.id).s);
	fetched_release(&f);
	buf_release(&name);
	buf_release(&out);
	return r;
}

/* --- forgetting -------------------------------------------------------------
 */

int
cmd_results_forget(struct client *c, const struct opts *o, struct err *e)
{
	json_t *answer = NULL;
	struct fetched f = { 0 };
	int64_t removed = 0;
	char path[128];
	size_t i;
	int r;

	r = client_need_key(c, e);
	if (r == 0)
		r = fetched_get(c, o->words[0], &f, e);
	if (r == 0) {
		snprintf(path, sizeof(path), "/api/v1/actions/%s/shares",
		    id_hex(&f.id).s);
		r = api_json(c, "DELETE", path, NULL, &answer, e);
	}
	if (r == 0)
		r = json_need_int(
		    answer, "", "removed", 0, INT64_C(1) << 40, &removed, e);
	if (r == 0) {
		fprintf(stderr,
		    "removed from the server: %lld %s of yours; on this "
		    "machine mig keeps no key of an action\n"
		    "what this cannot do: who has fetched a shared key keeps "
		    "it, files written with -o are where you put them,\nand "
		    "the readers whom the signed action names can always open "
		    "its answers:\n",
		    (long long)removed, removed == 1 ? "share" : "shares");
		for (i = 0; i < f.action.nreaders; i++)
			fprintf(stderr, "  %s%s\n", f.action.readers[i],
			    sign_is_mine(c, f.action.readers[i]) ? " (you)"
								 : "");
	}
	json_decref(answer);
	fetched_release(&f);
	return r;
}
