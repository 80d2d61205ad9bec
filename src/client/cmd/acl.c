/* SPDX-License-Identifier: MPL-2.0 */
/* `mig acl check`: what agents would make of an action, before they are asked.
 */
#include "client/policy/aclview.h"
#include "client/api/api.h"
#include "client/ask/ask.h"
#include "client/cmd/fetched.h"
#include "client/sign/sign.h"
#include "client/ssh/signer.h"

#include "action/envelope.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/jsonw.h"
#include "base/str.h"
#include "json/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUT_MAX (16u * 1024 * 1024)

/* What is asked about, and what it says. */
struct check {
	struct aclview view;
	struct question q;
	struct action action;
	bool parsed; /* action is owned, else borrowed from q */
	bool drafted;
	struct signer signers[SIGS_MAX];
	size_t nsigners;
	int64_t now;
	struct err why; /* code 0: it would run */
};

/* --- the action -----------------------------------------------------------*/

static int
take_envelope(struct check *k, const struct buf *binary, struct err *e)
{
	struct envelope env;
	int r = envelope_parse(binary->data, binary->len, &env, e);

	if (r == 0)
		r = action_parse(env.doc, env.doc_len, &k->action, e);
	if (r != 0)
		return r;
	k->parsed = true;
	sign_warn_useless(&env, PURPOSE_ACTION);
	k->nsigners = aclview_signers(&k->view, &env, k->now, k->signers);
	return 0;
}

static int
own_key(struct client *c, uint8_t ret[static PGP_FPR_LEN])
{
	if (client_conf_load(c, NULL) != 0)
		return ERR_NOTFOUND;
	if (c->conf.signer != NULL)
		return signer_fpr(c->conf.signer, ret, NULL);
	return c->conf.key != NULL ? hex_decode(c->conf.key, ret, PGP_FPR_LEN)
				   : ERR_NOTFOUND;
}

/* Nobody has signed it: as if the person of the configuration had. A primary
 * key that only certifies is not in the keyring, and is the person itself. */
static void
assume_own(struct client *c, struct check *k)
{
	const struct keyring *ring = &k->view.keyring;
	struct signer *s = &k->signers[0];
	const struct keyring_key *key;

	if (own_key(c, s->key) != 0)
		return;
	key = keyring_find(ring, s->key);
	memcpy(s->person, key != NULL ? ring->persons[key->person].fpr : s->key,
	    PGP_FPR_LEN);
	s->verdict = SIG_GOOD;
	k->nsigners = 1;
}

static int
take_file(struct client *c, struct check *k, const char *path, struct err *e)
{
	int r = question_from_file(&k->q, path, e);

	if (r != 0)
		return r;
	if (k->q.envelope.len > 0)
		return take_envelope(k, &k->q.envelope, e);
	k->drafted = true;
	assume_own(c, k);
	return aclview_draft(&k->q, &k->action, e);
}

static int
take_id(struct client *c, struct check *k, const char *id, struct err *e)
{
	struct fetched f;
	struct buf binary;
	int r = fetched_get(c, id, &f, e);

	buf_init(&binary, ENVELOPE_MAX);
	if (r == 0)
		r = fetched_envelope(&f, &binary, e);
	if (r == 0)
		r = take_envelope(k, &binary, e);
	fetched_release(&f);
	buf_release(&binary);
	return r;
}

static bool
is_file(const char *word)
{
	return strcmp(word, "-") == 0 || strchr(word, '/') != NULL ||
	    access(word, F_OK) == 0;
}

/* --- what is said of it ---------------------------------------------------*/

/* The person's label, made safe for a terminal. */
static void
add_label(struct buf *out, const struct acl_person *p)
{
	str_add_printable(out, p->label, strlen(p->label));
}

static bool
has_signed(const struct check *k, const struct acl_person *p)
{
	size_t i;

	for (i = 0; i < k->nsigners; i++) {
		if (k->signers[i].verdict == SIG_GOOD &&
		    memcmp(k->signers[i].person, p->fpr, PGP_FPR_LEN) == 0)
			return true;
	}
	return false;
}

static int64_t
needed(const struct check *k, const struct acl_entry *en)
{
	return k->action.require_weight > en->minimum ? k->action.require_weight
						      : en->minimum;
}

/* Who could still sign, when the weight does not suffice. */
static void
text_missing(const struct check *k, const struct acl_entry *en, struct buf *out)
{
	const struct acl_person *p;
	size_t i, n = 0;

	buf_add_str(out, "         could sign:");
	for (i = 0; i < en->npersons; i++) {
		p = &en->persons[i];
		if (has_signed(k, p) || !acl_holds(&p->dates, k->now))
			continue;
		buf_add_str(out, n++ > 0 ? ", " : " ");
		add_label(out, p);
		buf_add_fmt(out, " (weight %" PRId64 ")", p->weight);
	}
	buf_add_str(out, n == 0 ? " nobody else\n" : "\n");
}

static void
text_dates(const struct acl_dates *d, struct buf *out)
{
	char text[RFC3339_LEN + 1];

	if (d->not_before != INT64_MIN) {
		rfc3339_format(d->not_before, text);
		buf_add_fmt(out, ", from %s", text);
	}
	if (d->not_after != INT64_MAX) {
		rfc3339_format(d->not_after, text);
		buf_add_fmt(out, ", until %s", text);
	}
}

static void
text_operation(const struct check *k, size_t i, struct buf *out)
{
	const struct action_operation *op = &k->action.operations[i];
	const struct acl_entry *en = acl_of_module(k->view.acl, op->module);
	int64_t brought;

	buf_add_fmt(out, "%-8s ", op->module);
	if (en == NULL) {
		buf_add_str(out, "nobody may ask it: no entry, no default\n");
		return;
	}
	brought = acl_weight(en, k->signers, k->nsigners, k->now);
	buf_add_fmt(out, "entry \"%s\": needs weight %" PRId64 ", has %" PRId64,
	    en->name, needed(k, en), brought);
	text_dates(&en->dates, out);
	buf_add_str(out, "\n");
	if (brought < needed(k, en))
		text_missing(k, en, out);
}

static int
say_text(const struct check *k, struct buf *out)
{
	const struct policy *p = &k->view.file.policy;
	struct policy_limits l = k->view.limits;
	size_t i;

	policy_limits_narrow(&l, &k->action.limits);
	buf_add_fmt(
	    out, "policy   %" PRIu64 "  %s\n", p->version, id_hex(&p->hash).s);
	if (k->drafted)
		buf_add_fmt(out, "signers  %s\n",
		    k->nsigners > 0 ? "none so far; as if you had signed it"
				    : "none so far");
	for (i = 0; i < k->action.noperations; i++)
		text_operation(k, i, out);
	aclview_notes(&k->view, &k->action, "limit    ", out);
	buf_add_fmt(out,
	    "limit    %" PRId64 " s, %" PRId64 " s of CPU, %" PRId64
	    " bytes of memory, %" PRId64 " bytes of answer",
	    l.seconds, l.cpu_seconds, l.memory_bytes, l.result_bytes);
	if (l.cpu_percent > 0)
		buf_add_fmt(out, ", %" PRId64 " %% of a core", l.cpu_percent);
	if (l.read_bytes > 0)
		buf_add_fmt(out, ", %" PRId64 " bytes read", l.read_bytes);
	buf_add_fmt(out, "\nverdict  agents with this policy %s",
	    k->why.code == 0 ? "run it" : "refuse it: ");
	if (k->why.code != 0)
		str_add_printable(out, k->why.msg, strlen(k->why.msg));
	buf_add_str(out, "\n");
	return out->error;
}

static void
json_time(struct jsonw *w, const char *key, int64_t t)
{
	char text[RFC3339_LEN + 1];

	if (t == INT64_MIN || t == INT64_MAX)
		return;
	rfc3339_format(t, text);
	jsonw_str(w, key, text);
}

static void
json_people(const struct check *k, const struct acl_entry *en, struct jsonw *w)
{
	char fpr[2 * PGP_FPR_LEN + 1];
	const struct acl_person *p;
	size_t i;

	jsonw_array(w, "people");
	for (i = 0; i < en->npersons; i++) {
		p = &en->persons[i];
		hex_encode(p->fpr, PGP_FPR_LEN, fpr);
		jsonw_object(w, NULL);
		jsonw_str(w, "label", p->label);
		jsonw_str(w, "fingerprint", fpr);
		jsonw_i64(w, "weight", p->weight);
		jsonw_bool(w, "signed", has_signed(k, p));
		jsonw_bool(w, "valid", acl_holds(&p->dates, k->now));
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
}

static void
json_paths(const char *paths, struct jsonw *w)
{
	size_t n;

	jsonw_array(w, "paths");
	for (; *paths != '\0'; paths += n + (paths[n] == '\n')) {
		n = strcspn(paths, "\n");
		jsonw_strn(w, NULL, paths, n);
	}
	jsonw_array_end(w);
}

static void
json_operation(const struct check *k, size_t i, struct jsonw *w)
{
	const struct action_operation *op = &k->action.operations[i];
	const struct acl_entry *en = acl_of_module(k->view.acl, op->module);
	struct err why;

	err_clear(&why);
	jsonw_object(w, NULL);
	jsonw_str(w, "module", op->module);
	if (en != NULL) {
		jsonw_str(w, "entry", en->name);
		jsonw_i64(w, "needed", needed(k, en));
		jsonw_i64(w, "brought",
		    acl_weight(en, k->signers, k->nsigners, k->now));
		jsonw_bool(w, "valid", acl_holds(&en->dates, k->now));
		json_time(w, "notbefore", en->dates.not_before);
		json_time(w, "notafter", en->dates.not_after);
		jsonw_str(w, "detail", detail_word(en->detail));
		if (en->paths[0] != '\0') {
			json_paths(en->paths, w);
			jsonw_bool(
			    w, "within", acl_check_paths(en, op, &why) == 0);
		}
		json_people(k, en, w);
	}
	jsonw_object_end(w);
}

static int
say_json(const struct check *k, struct buf *out)
{
	struct policy_limits l = k->view.limits;
	struct jsonw w;
	size_t i;

	policy_limits_narrow(&l, &k->action.limits);
	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_object(&w, "policy");
	jsonw_u64(&w, "version", k->view.file.policy.version);
	jsonw_str(&w, "hash", id_hex(&k->view.file.policy.hash).s);
	jsonw_object_end(&w);
	jsonw_bool(&w, "runs", k->why.code == 0);
	if (k->why.code != 0)
		jsonw_str(&w, "why", k->why.msg);
	jsonw_bool(&w, "draft", k->drafted);
	jsonw_array(&w, "operations");
	for (i = 0; i < k->action.noperations; i++)
		json_operation(k, i, &w);
	jsonw_array_end(&w);
	jsonw_object(&w, "limits");
	jsonw_i64(&w, "seconds", l.seconds);
	jsonw_i64(&w, "cpuseconds", l.cpu_seconds);
	jsonw_i64(&w, "cpupercent", l.cpu_percent);
	jsonw_i64(&w, "memorybytes", l.memory_bytes);
	jsonw_i64(&w, "readbytes", l.read_bytes);
	jsonw_i64(&w, "resultbytes", l.result_bytes);
	jsonw_object_end(&w);
	jsonw_object_end(&w);
	return buf_add_str(out, "\n");
}

/* --- the command ----------------------------------------------------------*/

static int
cmd_acl_check(struct client *c, const struct opts *o, struct err *e)
{
	struct check *k = calloc(1, sizeof(*k));
	struct buf out;
	int r;

	if (k == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	k->now = clock_wall_ms() / 1000;
	buf_init(&out, OUT_MAX);
	r = aclview_option(c, o, &k->view, e);
	if (r == 0)
		r = is_file(o->words[0]) ? take_file(c, k, o->words[0], e)
					 : take_id(c, k, o->words[0], e);
	if (r == 0) {
		err_clear(&k->why);
		(void)aclview_judge(&k->view, &k->action, k->signers,
		    k->nsigners, k->now, &k->why);
		r = opts_has(o, "json") ? say_json(k, &out) : say_text(k, &out);
		if (r != 0)
			err_code(e, r, "the answer");
	}
	if (r == 0)
		r = client_out(&out, e);
	if (r == 0 && k->why.code != 0)
		r = EXIT_NOTFOUND;
	if (k->parsed)
		action_release(&k->action);
	question_release(&k->q);
	aclview_release(&k->view);
	buf_release(&out);
	free(k);
	return r;
}

static const struct opt check_opts[] = {
	{ "policy", NULL, "FILE",
	    "the agents' policy (default: the one this client knows)" },
	{ "json", NULL, NULL, "as JSON" },
	{ NULL, NULL, NULL, NULL },
};

const struct command acl_commands[] = {
	{ "acl check", "FILE|ID|last",
	    "what agents would make of an action, and why", cmd_acl_check,
	    check_opts, NULL, 1, 1,
	    "FILE: an action, signed or not; ID: one on the server. Says of "
	    "each module what\nweight it needs and has, who could still sign, "
	    "and what limits the answers.\nExit code: 0 agents with this "
	    "policy "
	    "run it, 1 they refuse it, 2 error." },
	{ .name = NULL },
};
