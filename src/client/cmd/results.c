/* SPDX-License-Identifier: MPL-2.0 */
/* `mig results ID`: coming back to an action, and finding agents by what they
 * answered. */
#include "client/ask/ask.h"

#include "action/envelope.h"
#include "base/clock.h"
#include "base/file.h"
#include "client/api/api.h"
#include "client/cmd/fetched.h"
#include "client/ask/interrupt.h"
#include "crypto/purpose.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DIRECTORY_OF ".mig-action"

static bool
is_id_prefix(const char *s)
{
	size_t n = strlen(s);

	return n >= 8 && n <= ID_HEX_LEN &&
	    strspn(s, "0123456789abcdefABCDEF") == n;
}

int
fetched_document(
    struct client *c, const char *id, struct fetched *f, struct err *e)
{
	char path[128];
	const char *doc;
	int r;

	memset(f, 0, sizeof(*f));
	if (!is_id_prefix(id))
		return err_set(e, ERR_INVALID,
		    "'%s' is no action id: 8 to 64 hex digits are expected "
		    "(see: mig actions)",
		    id);
	snprintf(path, sizeof(path), "/api/v1/actions/%s", id);
	r = api_json(c, "GET", path, NULL, &f->root, e);
	if (r == 0 &&
	    (r = json_need_str(f->root, "", "document", &doc, e)) != 0)
		err_wrap(e, "action %s", id);
	if (r != 0)
		return r;
	purpose_hash(PURPOSE_ACTION, doc, strlen(doc), &f->id);
	if (strncasecmp(id_hex(&f->id).s, id, strlen(id)) != 0)
		return err_set(e, ERR_AUTH,
		    "the server answered with another action (%s) than %s",
		    id_short(&f->id).s, id);
	return 0;
}

static int
fetch_action(struct client *c, const char *id, struct fetched *f, struct err *e)
{
	const char *doc;
	int r = fetched_document(c, id, f, e);

	if (r != 0)
		return r;
	doc = json_string_value(json_object_get(f->root, "document"));
	r = action_parse(doc, strlen(doc), &f->action, e);
	f->parsed = r == 0;
	return r == 0 ? 0 : err_wrap(e, "action %s", id);
}

int
fetched_get(
    struct client *c, const char *word, struct fetched *f, struct err *e)
{
	char last[ID_HEX_LEN + 1];
	int r;

	memset(f, 0, sizeof(*f));
	if (word != NULL && strcmp(word, "last") != 0)
		return fetch_action(c, word, f, e);
	r = launch_last(last, e);
	return r != 0 ? r : fetch_action(c, last, f, e);
}

void
fetched_release(struct fetched *f)
{
	if (f->parsed)
		action_release(&f->action);
	json_decref(f->root);
	memset(f, 0, sizeof(*f));
}

int
fetched_envelope(const struct fetched *f, struct buf *out, struct err *e)
{
	json_t *j = json_pack("{s:O?, s:O?}", "document",
	    json_object_get(f->root, "document"), "signatures",
	    json_object_get(f->root, "signatures"));
	int r = j == NULL ? err_set(e, ERR_NOMEM, "out of memory")
			  : envelope_from_value(j, out, e);

	json_decref(j);
	return r;
}

/* Nobody was asked yet. */
static int
check_sent(const struct fetched *f, struct err *e)
{
	const char *status = NULL;

	(void)json_opt_str(f->root, "", "status", &status, NULL);
	if (status == NULL || strcmp(status, "waiting") != 0)
		return 0;
	return err_set(e, ERR_NOTFOUND,
	    "action %s waits for signatures: nobody was asked yet (mig actions "
	    "-waiting, mig action cosign %s)",
	    id_short(&f->id).s, id_short(&f->id).s);
}

/* What the server kept long enough is not "missing". */
static void
note_removed(const struct fetched *f)
{
	const char *when = NULL;
	int64_t t;

	if (json_opt_str(f->root, "", "results_removed", &when, NULL) == 0 &&
	    when != NULL && rfc3339_parse(when, &t) == 0)
		fprintf(stderr,
		    "mig: the server removed the answers to this action at %s"
		    " (keep_results in its configuration)\n",
		    when);
}

/* The delivery wish stands beside the action; it can only leave agents out.
 * What was sent from here without it has none, whatever the server says. */
static bool
was_for_online(const struct fetched *f)
{
	const char *delivery = NULL;

	(void)json_opt_str(f->root, "", "delivery", &delivery, NULL);
	if (delivery == NULL)
		return false;
	if (launch_asked(&f->id) == ASKED_ALL) {
		client_warn("warning: the server says that only agents that "
			    "were online were asked, and this action was sent "
			    "from here for all");
		return false;
	}
	fprintf(stderr,
	    "mig: only agents that were online were asked, as the server "
	    "says\n");
	return true;
}

/* Files have all answers, as JSON. */
static int
check_output(const struct opts *o, struct err *e)
{
	static const char *const names[] = { "show", "csv", "group", NULL };
	size_t i;

	for (i = 0; opts_has(o, "o") && names[i] != NULL; i++)
		if (opts_has(o, names[i]))
			return err_set(e, ERR_INVALID,
			    "-o writes every answer whole into a file of its "
			    "own: without -%s",
			    names[i]);
	return 0;
}

/* Files are named after agents: those of another action would be written over.
 * Which one a directory is for stands in it. */
static int
claim_directory(const char *dir, const struct id *id, struct err *e)
{
	char line[ID_HEX_LEN + 2];
	struct buf path, is;
	int r;

	buf_init(&path, 8192);
	buf_init(&is, 256);
	buf_add_fmt(&path, "%s/" DIRECTORY_OF, dir);
	snprintf(line, sizeof(line), "%s\n", id_hex(id).s);
	r = buf_str(&path) != NULL ? file_mkdirs(dir, 0700, e)
				   : err_code(e, path.error, "-o");
	if (r == 0 && (r = file_read(buf_str(&path), &is, e)) == ERR_NOTFOUND)
		r = file_write(buf_str(&path), line, strlen(line), 0600, e);
	else if (r == 0 && (buf_str(&is) == NULL || strcmp(buf_str(&is), line)))
		r = err_set(e, ERR_EXISTS,
		    "-o %s: it has answers to another action (%.*s), which "
		    "would be written over: give each a directory of its own",
		    dir, ID_SHORT_LEN,
		    buf_str(&is) != NULL ? buf_str(&is) : "?");
	buf_release(&path);
	buf_release(&is);
	return r;
}

static int
cmd_results(struct client *c, const struct opts *o, struct err *e)
{
	struct err ignored;
	struct fetched f;
	struct collect k = { 0 };
	size_t online;
	int r;

	memset(&f, 0, sizeof(f));
	r = check_output(o, e);
	if (r == 0)
		r = fetched_get(c, o->nwords > 0 ? o->words[0] : NULL, &f, e);
	if (r == 0)
		r = check_sent(&f, e);
	if (r == 0)
		r = collect_init(&k, c, &f.action, &f.id, e);
	if (r == 0)
		r = ask_output(&k.output, o, e);
	if (r == 0)
		r = fetched_open(c, &f, opts_get(o, "share"), k.seal_secret, e);
	if (r == 0 && opts_has(o, "o"))
		r = claim_directory(opts_get(o, "o"), &f.id, e);
	if (r != 0)
		goto out;
	note_removed(&f);
	k.follow = opts_has(o, "follow");
	k.wait = !opts_has(o, "nowait");
	k.verbose = opts_has(o, "v");
	k.save = opts_get(o, "o");
	k.online_only = was_for_online(&f);
	progress_init(&k.progress, 0);
	k.progress.enabled = k.progress.enabled && k.follow;
	k.progress.expires_ms = f.action.expire_after * 1000;
	(void)collect_roster(&k, &online, &ignored); /* names, if it can */
	interrupt_install();
	r = collect_follow(&k, e);
	if (r == 0)
		r = collect_finish(&k, e);
	else
		collect_abandon(&k);
out:
	if (k.client != NULL)
		collect_release(&k);
	fetched_release(&f);
	return r;
}

/* --- agents by what they answered -------------------------------------------
 */

struct finder {
	struct collect *k;
	bool found;
	struct buf *out;
	size_t n;
	struct stream stream;
};

static int
finder_event(const struct stream_event *ev, void *arg)
{
	struct finder *f = arg;
	struct summary *s = &f->k->summary;
	int64_t found = s->found, done = s->done;
	int r;

	if (ev->kind != STREAM_ANSWER)
		return 0;
	r = collect_answer(f->k, ev);
	/* only what collect_answer has verified, opened and counted */
	if (r != 0 ||
	    (f->found ? s->found == found
		      : s->done == done || s->found > found))
		return r;
	buf_add_fmt(
	    f->out, "%s'%s'", f->n > 0 ? "," : "", id_hex(&ev->agent).s);
	f->n++;
	return f->out->error;
}

static int
finder_data(const void *data, size_t len, void *arg)
{
	struct finder *f = arg;

	return stream_feed(&f->stream, data, len);
}

int
results_condition(struct client *c, const char *action_id, bool found,
    struct buf *out, struct err *e)
{
	char path[128];
	struct fetched f;
	struct collect k = { 0 };
	struct finder fi = { .k = &k, .found = found, .out = out };
	int r;

	r = fetched_get(c, action_id, &f, e);
	if (r == 0)
		r = collect_init(&k, c, &f.action, &f.id, e);
	if (r == 0)
		r = fetched_open(c, &f, NULL, k.seal_secret, e);
	if (r != 0)
		goto out;
	k.silent = true;
	stream_init(&fi.stream, finder_event, NULL, &fi);
	buf_add_str(out, "id IN (");
	snprintf(path, sizeof(path), "/api/v1/actions/%s/results?after=0",
	    id_hex(&f.id).s);
	r = api_stream(c, path, finder_data, NULL, &fi, e);
	buf_add_str(out, ")");
	if (r == 0 && !fi.stream.ended)
		r = err_set(e, ERR_CLOSED,
		    "the answers of action %s are not complete", action_id);
	if (r == 0 && fi.n == 0)
		r = err_set(e, ERR_NOTFOUND, "no agent %s in action %s",
		    found ? "found anything" : "looked and found nothing",
		    action_id);
	stream_release(&fi.stream);
out:
	if (k.client != NULL)
		collect_release(&k);
	fetched_release(&f);
	return r;
}

static const struct opt results_opts[] = {
	{ "follow", NULL, NULL, "stay for the answers that are still to come" },
	{ "o", "output", "DIR",
	    "one JSON file for each answer into this directory, print none" },
	{ "share", NULL, "FILE",
	    "open them with the key that mig results share -o wrote" },
	{ NULL, NULL, NULL, NULL },
};

static const struct opt share_opts[] = {
	{ "to", NULL, "FPR",
	    "whose key: a full fingerprint of the local gpg keyring, or "
	    "x25519:..." },
	{ "o", "output", "FILE", "write to a file, not to the server" },
	{ "y", "yes", NULL, "do not ask" },
	{ NULL, NULL, NULL, NULL },
};

const struct command results_commands[] = {
	{ "results share", "ID|last",
	    "let somebody else open an action's answers", cmd_results_share,
	    share_opts, NULL, 1, 1,
	    "The key of the action is encrypted to that person, signed by you, "
	    "and lies on the\nserver beside the action: mig results ID opens "
	    "it "
	    "there. It cannot be taken back from\nwho has fetched it." },
	{ "results forget", "ID|last",
	    "remove what you have shared of an action from the server",
	    cmd_results_forget, NULL, NULL, 1, 1, NULL },
	{ "results", "[ID|last]",
	    "the answers to an action (needs your key to open them)",
	    cmd_results, show_opts, results_opts, 0, 1,
	    "Without an id: of the action launched last from here. An id may "
	    "be shortened to\n8 digits or more. Exit codes are those of a "
	    "question, see mig --help." },
	{ .name = NULL },
};
