/* SPDX-License-Identifier: MPL-2.0 */
/*
 * `mig action cosign`: one more signature for an action that waits. The server
 * is believed nothing: the document is what its id says, who signed it the
 * known policy says, and the seal key is opened and compared. What only the
 * server can say (how many agents) is told as its word, beside what this client
 * knows itself.
 */
#include "client/api/api.h"
#include "client/ask/ask.h"
#include "client/sign/cosigners.h"
#include "client/sign/describe.h"
#include "client/cmd/fetched.h"
#include "client/pgp/openpgp.h"
#include "client/ask/interrupt.h"
#include "client/ask/posted.h"
#include "client/sign/sealcheck.h"
#include "client/trust/trust_target.h"

#include "action/envelope.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/str.h"
#include "json/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define OUT_MAX (16u * 1024 * 1024)
#define NAMES_SHOWN 10
#define NAME_SHOWN 256 /* bytes */

struct cosigning {
	struct fetched f;
	struct aclview v;
	struct buf binary;
	struct envelope env;
	struct signer signers[SIGS_MAX];
	uint8_t me[PGP_FPR_LEN];
	int64_t now; /* unix s */
	bool online_only;
	struct targeted whom;
};

/* --- may it be signed? -----------------------------------------------------
 */

static int
check_state(const struct cosigning *k, struct err *e)
{
	const char *status = NULL;

	if (client_not_ended(k->f.action.expire_after, k->now, "this action",
		"a signature comes too late", e) != 0)
		return ERR_EXPIRED;
	(void)json_opt_str(k->f.root, "", "status", &status, NULL);
	if (status == NULL || strcmp(status, "waiting") != 0)
		return err_set(e, ERR_NOTFOUND,
		    "this action does not wait for signatures: it is %s",
		    status != NULL ? status : "unknown");
	if (k->env.nsigs >= SIGS_MAX)
		return err_set(
		    e, ERR_TOOBIG, "it has %d signatures already", SIGS_MAX);
	return 0;
}

/* Who asks must be somebody, and not oneself alone. */
static int
check_signers(const struct cosigning *k, struct err *e)
{
	char key[2 * PGP_FPR_LEN + 1];
	size_t i;

	if (k->env.nsigs == 0)
		return err_set(e, ERR_AUTH, "nobody has signed it");
	if (k->signers[0].verdict != SIG_GOOD) {
		hex_encode(k->signers[0].key, PGP_FPR_LEN, key);
		return err_set(e, ERR_AUTH,
		    "who asks is not known: the first signature (%s): %s, by "
		    "policy %" PRIu64 " that this client knows",
		    key, sig_verdict_text(k->signers[0].verdict),
		    k->v.file.policy.version);
	}
	for (i = 0; i < k->env.nsigs; i++)
		if (k->signers[i].verdict == SIG_GOOD &&
		    memcmp(k->signers[i].person, k->me, PGP_FPR_LEN) == 0)
			return err_set(e, ERR_EXISTS,
			    "you have signed it already: another person has "
			    "to");
	return 0;
}

/* Once each, as the modules that are asked need them. */
static void
add_entries(const struct cosigning *k, struct buf *out)
{
	const struct action *a = &k->f.action;
	const struct acl_entry *en;
	size_t i, j;

	for (i = 0; i < a->noperations; i++) {
		for (j = 0; j < i; j++)
			if (strcmp(a->operations[i].module,
				a->operations[j].module) == 0)
				break;
		if (j < i)
			continue;
		buf_add_fmt(
		    out, "%s%s (", i > 0 ? ", " : "", a->operations[i].module);
		en = acl_of_module(k->v.acl, a->operations[i].module);
		if (en == NULL)
			buf_add_str(out, "no entry of the ACL");
		else
			buf_add_fmt(out, "entry \"%s\" of the ACL", en->name);
		buf_add_str(out, ")");
	}
}

/* Whose signature cannot count is told so before anything is made with a key;
 * the server would not take it. */
static int
check_weight(const struct cosigning *k, struct err *e)
{
	struct signer me = { .verdict = SIG_GOOD };
	struct buf of;
	int r;

	memcpy(me.person, k->me, PGP_FPR_LEN);
	if (acl_counts(k->v.acl, &k->f.action, &me, k->now))
		return 0;
	buf_init(&of, ERR_MSG_MAX / 2);
	add_entries(k, &of);
	r = err_set(e, ERR_DENIED,
	    "your signature would not count: by policy %" PRIu64
	    " you bring no weight now for what is asked: %s; whoever signs "
	    "needs some there, or has to be named by the action itself "
	    "(-cosign-by)",
	    k->v.file.policy.version,
	    buf_str(&of) != NULL ? buf_str(&of) : "several modules");
	buf_release(&of);
	return r;
}

/* --- the seal ---------------------------------------------------------------
 */

static int
check_seal(struct client *c, const struct cosigning *k, struct err *e)
{
	uint8_t secret[SEAL_KEY_LEN];
	int r = sealcheck_readers(c, &k->f.action, e);

	if (r == 0) {
		r = fetched_open_own(c, &k->f, secret, e);
		secret_wipe(secret, sizeof(secret));
	}
	return r == 0 ? 0 : err_wrap(e, "not signed: the seal of its answers");
}

/* --- what is shown ----------------------------------------------------------
 */

static void
add_fpr(struct buf *out, const uint8_t fpr[static PGP_FPR_LEN])
{
	char hex[2 * PGP_FPR_LEN + 1];

	hex_encode(fpr, PGP_FPR_LEN, hex);
	buf_add_str(out, hex);
}

static void
show_signers(const struct cosigning *k, struct buf *out, bool *marked)
{
	const struct keyring_person *p;
	const struct signer *s;
	size_t i;

	for (i = 0; i < k->env.nsigs; i++) {
		s = &k->signers[i];
		buf_add_str(out, i == 0 ? "asked by " : "signed   ");
		p = s->verdict == SIG_GOOD ? cosigners_person(&k->v, s->person)
					   : NULL;
		if (p != NULL) {
			str_add_marked(out, p->name, strlen(p->name), marked);
			buf_add_str(out, " ");
			add_fpr(out, s->person);
			buf_add_str(out, "\n");
			continue;
		}
		buf_add_str(out, "(does not count) ");
		add_fpr(out, s->key);
		buf_add_fmt(out, ": %s\n", sig_verdict_text(s->verdict));
	}
}

/* How far it is, and how far it would be. */
static void
show_weight(const struct cosigning *k, struct buf *out)
{
	struct signer with[SIGS_MAX];
	struct acl_standing now, then;
	struct err why;
	size_t n = k->env.nsigs;
	int r;

	memcpy(with, k->signers, n * sizeof(with[0]));
	memset(&with[n], 0, sizeof(with[n]));
	with[n].verdict = SIG_GOOD;
	memcpy(with[n].person, k->me, PGP_FPR_LEN);
	acl_standing(k->v.acl, &k->f.action, with, n, k->now, &now);
	acl_standing(k->v.acl, &k->f.action, with, n + 1, k->now, &then);
	err_clear(&why);
	r = aclview_judge(&k->v, &k->f.action, with, n + 1, k->now, &why);
	buf_add_fmt(out,
	    "weight   has %" PRId64 " of %" PRId64 ", with yours %" PRId64
	    " (policy %" PRIu64 "): %s",
	    now.has, now.needs, then.has, k->v.file.policy.version,
	    r == 0 ? "it would be launched" : "still missing: ");
	if (r != 0)
		str_add_printable(out, why.msg, strlen(why.msg));
	buf_add_str(out, "\n");
}

struct names {
	struct buf *out;
	bool *marked;
	size_t n;
};

static void
add_name(struct names *x, const char *name)
{
	size_t len;

	if (x->n++ < NAMES_SHOWN) {
		buf_add_str(x->out, x->n == 1 ? ": " : ", ");
		len = strnlen(name, NAME_SHOWN + 1);
		str_add_marked(x->out, name,
		    len > NAME_SHOWN ? NAME_SHOWN : len, x->marked);
		if (len > NAME_SHOWN)
			buf_add_str(x->out, "...");
	}
}

static void
known_agent(struct trust_entry *te, unsigned int mark, void *arg)
{
	if (mark == TRUST_LEFT_OUT)
		add_name(
		    arg, te->name != NULL ? te->name : id_short(&te->id).s);
}

/* By what agents have signed and this client has seen. */
static void
show_known(const struct cosigning *k, struct buf *out, bool *marked)
{
	struct buf list;
	struct names x = { &list, marked, 0 };
	struct trust t = { 0 };
	struct err ignored;

	buf_init(&list, OUT_MAX);
	if (trust_open(&t, &ignored) == 0 &&
	    trust_missed(&t, k->f.action.target, NULL, NULL, known_agent, &x) ==
		0) {
		buf_add_fmt(out, "known    %zu of the agents known here", x.n);
		buf_add(out, list.data, list.len);
		buf_add_str(out, x.n > NAMES_SHOWN ? ", ...\n" : "\n");
	}
	trust_release(&t);
	buf_release(&list);
}

static void
show_agents(const struct cosigning *k, struct buf *out, bool *marked)
{
	struct names x = { out, marked, 0 };
	const json_t *v;
	const char *name;
	size_t i;

	buf_add_fmt(out,
	    "agents   %" PRId64 " (%" PRId64 " online%s), as the server says",
	    k->whom.count, k->whom.online,
	    k->online_only ? "; only these are asked" : "");
	json_array_foreach (k->whom.agents, i, v) {
		name = json_string_value(json_object_get(v, "name"));
		if (name != NULL)
			add_name(&x, name);
	}
	buf_add_str(out, x.n > NAMES_SHOWN ? ", ...\n" : "\n");
	show_known(k, out, marked);
}

static void
show_readers(
    struct client *c, const struct cosigning *k, struct buf *out, bool *marked)
{
	char name[PGP_NAME_MAX];
	const char *fpr;
	struct err e;
	size_t i;

	for (i = 0; i < k->f.action.nreaders; i++) {
		fpr = k->f.action.readers[i];
		buf_add_fmt(out, "reader   %s ", fpr);
		if (pgp_reader(fpr, name, &e) == 0)
			str_add_marked(out, name, strlen(name), marked);
		else
			buf_add_str(out, "(no key of the own keyring)");
		buf_add_str(out, sign_is_mine(c, fpr) ? " (you)\n" : "\n");
	}
}

static int
show(struct client *c, const struct cosigning *k, struct err *e)
{
	bool marked = false;
	struct buf out;
	int r;

	buf_init(&out, OUT_MAX);
	describe_action(&k->f.action, &k->f.id, false, &out, &marked);
	aclview_notes(&k->v, &k->f.action, "limit    ", &out);
	show_signers(k, &out, &marked);
	show_weight(k, &out);
	show_readers(c, k, &out, &marked);
	show_agents(k, &out, &marked);
	describe_marks(&out, marked);
	r = describe_show(&out);
	buf_release(&out);
	return r == 0 ? 0 : err_code(e, r, "not signed: it cannot be shown");
}

/* --- by which policy --------------------------------------------------------
 */

/* Who asks, and does oneself count? */
static int
check_people(struct client *c, struct cosigning *k, struct err *e)
{
	int r = cosigners_me(c, &k->v, k->me, e);

	if (r != 0)
		return r;
	(void)aclview_signers(&k->v, &k->env, k->now, k->signers);
	r = check_signers(k, e);
	return r == 0 ? check_weight(k, e) : r;
}

/* The signed steps from the known policy; k->v is the newest then. */
static int
follow(struct client *c, struct cosigning *k, bool *ret_newer, struct err *e)
{
	struct policy_chain *ch = calloc(1, sizeof(*ch));
	uint64_t known = k->v.file.policy.version;
	int r;

	if (ch == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	r = policy_chain_load(c, false, ch, e);
	*ret_newer = r == 0 && ch->newest.policy.version > known;
	policy_chain_release(ch);
	free(ch);
	if (!*ret_newer)
		return r;
	aclview_release(&k->v);
	return aclview_known(c, &k->v, e);
}

/* Who came or got weight with a policy that this client has not seen is not
 * refused by the one before it. */
static int
check_by_newest(
    struct client *c, const struct opts *o, struct cosigning *k, struct err *e)
{
	struct err why = { 0 }, first;
	int r = check_people(c, k, e), r2;
	bool newer = false;

	if ((r != ERR_DENIED && r != ERR_NOTFOUND && r != ERR_AUTH) ||
	    opts_has(o, "policy"))
		return r;
	r2 = follow(c, k, &newer, &why);
	if (r2 == 0 && newer) {
		err_clear(e);
		return check_people(c, k, e);
	}
	if (r2 != 0) {
		first = *e;
		err_set(e, r,
		    "%s; whether there is a newer policy could not be looked "
		    "up (mig policy status): %s",
		    first.msg, why.msg);
	}
	return r;
}

/* --- the command ------------------------------------------------------------
 */

static int
load(struct client *c, const struct opts *o, struct cosigning *k, struct err *e)
{
	const char *delivery = NULL;
	int r = aclview_option(c, o, &k->v, e);

	if (r == 0)
		r = sign_prepare(c, e);
	if (r == 0)
		r = fetched_get(c, o->words[0], &k->f, e);
	if (r == 0)
		r = fetched_envelope(&k->f, &k->binary, e);
	if (r == 0)
		r = envelope_parse(k->binary.data, k->binary.len, &k->env, e);
	if (r != 0)
		return r;
	(void)json_opt_str(k->f.root, "", "delivery", &delivery, NULL);
	k->online_only = delivery != NULL;
	r = check_state(k, e);
	return r == 0 ? check_by_newest(c, o, k, e) : r;
}

static int
tell(const struct cosigning *k, const struct posted *p, const struct opts *o,
    struct err *e)
{
	struct buf out;
	int r;

	if (p->waits || opts_has(o, "json"))
		return posted_tell_waiting(
		    p, &k->f.id, "signed; ", opts_has(o, "json"), e);
	buf_init(&out, 4096);
	buf_add_fmt(&out,
	    "signed; action %s was launched: %" PRId64 " %s asked (mig results "
	    "%s)\n",
	    id_short(&k->f.id).s, p->expected,
	    p->expected == 1 ? "agent" : "agents", id_short(&k->f.id).s);
	describe_uncounted(p->root, "", &out);
	r = client_out(&out, e);
	buf_release(&out);
	return r;
}

static int
sign_and_post(struct client *c, const struct cosigning *k, const struct opts *o,
    struct err *e)
{
	char path[ID_HEX_LEN + 64];
	struct posted p = { 0 };
	struct buf body;
	int r;

	buf_init(&body, 4 * ENVELOPE_MAX);
	snprintf(path, sizeof(path), "/api/v1/actions/%s/signatures",
	    id_hex(&k->f.id).s);
	r = sign_new_envelope(
	    c, PURPOSE_ACTION, k->env.doc, k->env.doc_len, &body, e);
	interrupt_install();
	if (r == 0)
		r = posted_send(c, path, &body, &k->f.id, &p, e);
	if (r == 0) {
		launch_remember(&k->f.id, k->f.action.name, ASKED_UNKNOWN);
		r = tell(k, &p, o, e);
	}
	interrupt_restore();
	json_decref(p.root);
	buf_release(&body);
	return r;
}

static int
cmd_action_cosign(struct client *c, const struct opts *o, struct err *e)
{
	struct cosigning *k = calloc(1, sizeof(*k));
	int r;

	if (k == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	buf_init(&k->binary, ENVELOPE_MAX);
	k->now = clock_wall_ms() / 1000;
	r = load(c, o, k, e);
	if (r == 0)
		r = targeted_get(
		    c, k->f.action.target, k->online_only, &k->whom, e);
	if (r == 0)
		r = show(c, k, e);
	if (r == 0)
		r = check_seal(c, k, e);
	if (r == 0)
		r = client_confirm_sign(opts_has(o, "y"), "action", e);
	if (r == 0)
		r = sign_and_post(c, k, o, e);
	json_decref(k->whom.root);
	fetched_release(&k->f);
	aclview_release(&k->v);
	buf_release(&k->binary);
	free(k);
	return r;
}

static const struct opt cosign_opts[] = {
	{ "policy", NULL, "FILE",
	    "who people are (default: the policy this client knows)" },
	{ "y", "yes", NULL, "do not ask; needed where there is no terminal" },
	{ "json", NULL, NULL, "what the server says, as JSON" },
	{ NULL, NULL, NULL, NULL },
};

const struct command cosign_commands[] = {
	{ "action cosign", "ID|last",
	    "add your signature to an action that waits on the server",
	    cmd_action_cosign, cosign_opts, NULL, 1, 1,
	    "Shows what would be asked of whom, who asks and who could read "
	    "the answers, and\nopens the seal key to check it, before it asks. "
	    "Characters that cannot be seen or\ncan be taken for others are "
	    "marked. With the last signature it needs the action is\nlaunched; "
	    "then: mig results ID. Who signed it can withdraw it: mig action "
	    "cancel ID." },
	{ .name = NULL },
};
