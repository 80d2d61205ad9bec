/* SPDX-License-Identifier: MPL-2.0 */
/* Launching: how many are asked, the person's yes, the signature, the post. */
#include "client/ask/ask.h"

#include "action/envelope.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/str.h"
#include "client/policy/aclview.h"
#include "client/sign/cosigners.h"
#include "client/ask/interrupt.h"
#include "client/ask/posted.h"
#include "client/sign/sealcheck.h"
#include "json/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A document on its way out. */
struct launch {
	struct buf doc;  /* what is signed */
	struct buf post; /* envelope as JSON, with the delivery wish */
	struct action action;
	bool parsed;
	struct id id;
	uint8_t secret[SEAL_KEY_LEN];
	bool online_only;
	int64_t weight; /* of signatures that the action needs */
	size_t nsigs;
	bool cosign;          /* others are to sign it on the server */
	struct targeted whom; /* agents the server knows for the target */
	bool has_policy;
	struct aclview known; /* the policy, when there is one */
};

/* --- what the known policy makes of it ---------------------------------------
 * Agents decide; a refusal of all of them, or an answer that says less than was
 * hoped for, is better known before.
 */

static int
say_notes(const struct aclview *v, const struct action *a, struct err *e)
{
	struct buf notes;
	int r;

	buf_init(&notes, 1024 * 1024);
	r = aclview_notes(v, a, "mig: note: ", &notes);
	if (r == 0 && buf_str(&notes) == NULL)
		r = ERR_NOMEM;
	if (r == 0)
		client_err(buf_str(&notes));
	buf_release(&notes);
	return r == 0 ? 0 : err_code(e, r, "the policy's limits");
}

/* True when there is one that can be read. One that cannot is not our matter
 * here, and says so. */
static bool
known_policy(struct client *c, struct aclview *v)
{
	struct err e;
	int r;

	err_clear(&e);
	r = aclview_known(c, v, &e);
	if (r == 0)
		return true;
	if (r != ERR_NOTFOUND)
		client_warn(
		    "warning: the known policy cannot be used: %s", e.msg);
	aclview_release(v);
	return false;
}

/* Before anybody is asked for a yes. */
static int
launch_notes(const struct launch *l, const struct action *a, struct err *e)
{
	return l->has_policy ? say_notes(&l->known, a, e) : 0;
}

static int
draft_notes(const struct launch *l, const struct question *q, struct err *e)
{
	struct action *a = calloc(1, sizeof(*a));
	int r;

	if (a == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	r = aclview_draft(q, a, e);
	if (r == 0)
		r = launch_notes(l, a, e);
	free(a);
	return r;
}

/* Before it is sent. */
static int
launch_allowed(const struct opts *o, const struct launch *l,
    const struct envelope *env, struct err *e)
{
	struct signer signers[SIGS_MAX];
	int64_t now = clock_wall_ms() / 1000;
	size_t n;
	int r;

	if (opts_has(o, "y") || !l->has_policy || l->cosign)
		return 0;
	n = aclview_signers(&l->known, env, now, signers);
	r = aclview_judge(&l->known, &l->action, signers, n, now, e);
	return r == 0 ? 0
		      : err_wrap(e,
			    "not launched (-y does it all the same, -cosign "
			    "leaves it for others to sign): agents with policy "
			    "%" PRIu64 " would refuse it",
			    l->known.file.policy.version);
}

static int
launch_body(struct launch *l, const struct envelope *env, struct err *e)
{
	json_t *j = envelope_to_json(env, e);
	char *text = NULL;
	int r;

	if (j == NULL)
		return e->code;
	/* without it, all are asked */
	if (!l->online_only ||
	    json_object_set_new(j, "delivery", json_string("online")) == 0)
		text = json_text(j, JSON_COMPACT);
	r = text != NULL ? buf_add_str(&l->post, text) : ERR_NOMEM;
	if (r != 0)
		err_code(e, r, "the signed action");
	free(text);
	json_decref(j);
	return r;
}

static int
launch_parse(struct launch *l, struct err *e)
{
	int r = action_parse(l->doc.data, l->doc.len, &l->action, e);

	l->parsed = r == 0;
	if (r == 0)
		purpose_hash(PURPOSE_ACTION, l->doc.data, l->doc.len, &l->id);
	return r;
}

/* Signatures are missing, as far as can be told, and nobody said so. */
static int
launch_enough(const struct launch *l, struct err *e)
{
	if (l->cosign || l->weight <= (int64_t)l->nsigs)
		return 0;
	if (!client_interactive())
		return err_set(e, ERR_DENIED,
		    "the action needs weight %" PRId64 " and has %zu %s: let "
		    "others sign it first (mig action sign FILE), have it wait "
		    "for them on the server (-cosign), or say -y when these "
		    "suffice",
		    l->weight, l->nsigs,
		    l->nsigs == 1 ? "signature" : "signatures");
	client_warn("note: the action needs weight %" PRId64 " and has %zu %s; "
		    "when that is too little it waits on the server for others "
		    "to sign it",
	    l->weight, l->nsigs, l->nsigs == 1 ? "signature" : "signatures");
	return 0;
}

static int
launch_confirm(const struct launch *l, const struct opts *o, struct err *e)
{
	int r;

	if (l->whom.count == 0)
		return err_set(e, ERR_NOTFOUND,
		    "no agent matches this target%s; see: mig agents",
		    l->online_only ? " and is online" : "");
	if (opts_has(o, "y"))
		return 0;
	if ((r = launch_enough(l, e)) != 0 || !client_interactive())
		return r;
	if (!client_confirm("Ask %" PRId64 " %s (%" PRId64 " online)%s? [y/N] ",
		l->whom.count, l->whom.count == 1 ? "agent" : "agents",
		l->whom.online,
		l->cosign ? " once others have signed it, too" : ""))
		return err_set(e, ERR_CLOSED, "not launched");
	return 0;
}

/* Who will be able to read, before anybody is asked to launch. */
static int
launch_readers(const struct question *q, struct client *c, const struct opts *o,
    struct err *e)
{
	struct sign_readers readers;
	struct buf text;
	int r;

	if (opts_has(o, "y") || !client_interactive())
		return 0;
	buf_init(&text, 64 * 1024);
	r = question_readers(q, c, o, &readers, e);
	if (r == 0)
		r = sign_readers_text(c, &readers, &text, e);
	if (r == 0 && buf_str(&text) == NULL)
		r = err_set(e, ERR_NOMEM, "out of memory");
	if (r == 0)
		fprintf(
		    stderr, "The answers can be read by: %s\n", buf_str(&text));
	buf_release(&text);
	return r;
}

/* A new document: targets are counted before anybody is asked to sign. */
static int
launch_new(struct client *c, struct question *q, const struct opts *o,
    struct launch *l, struct err *e)
{
	struct envelope env = { .nsigs = 1 };
	struct buf packet;
	int r;

	if (l->cosign) {
		r = cosigners_prepare(
		    c, q, l->has_policy ? &l->known : NULL, o, e);
		if (r != 0)
			return r;
	}
	if (l->has_policy)
		q->max_validity = l->known.limits.max_validity;
	l->online_only = q->online;
	l->weight = q->draft.require_weight;
	l->nsigs = 1;
	sign_begin(c);
	r = targeted_get(c, q->target, l->online_only, &l->whom, e);
	if (r == 0)
		r = launch_readers(q, c, o, e);
	if (r == 0)
		r = draft_notes(l, q, e);
	if (r == 0)
		r = launch_confirm(l, o, e);
	if (r == 0)
		r = question_build(q, c, o, &l->doc, l->secret, e);
	if (r == 0)
		r = launch_parse(l, e);
	if (r != 0)
		return r;
	buf_init(&packet, SIGPACKET_MAX);
	r = sign_packet(c, PURPOSE_ACTION, l->doc.data, l->doc.len, &packet, e);
	if (r == 0) {
		env.doc = l->doc.data;
		env.doc_len = l->doc.len;
		env.sigs[0].data = packet.data;
		env.sigs[0].len = packet.len;
		r = launch_allowed(o, l, &env, e);
		if (r == 0)
			r = launch_body(l, &env, e);
	}
	buf_release(&packet);
	return r;
}

/* A signed document goes out as it is. */
static int
launch_signed(struct client *c, struct question *q, const struct opts *o,
    struct launch *l, struct err *e)
{
	struct envelope env;
	int r;

	r = envelope_parse(q->envelope.data, q->envelope.len, &env, e);
	if (r == 0 && buf_add(&l->doc, env.doc, env.doc_len) != 0)
		r = err_set(e, ERR_TOOBIG, "the action is too large");
	if (r == 0)
		r = launch_parse(l, e);
	if (r == 0)
		r = client_not_ended(l->action.expire_after,
		    clock_wall_ms() / 1000, "this signed action",
		    "sign a new one: mig MODULE ... -s -e 1h", e);
	if (r != 0)
		return r;
	sign_warn_useless(&env, PURPOSE_ACTION);
	l->weight = l->action.require_weight;
	l->nsigs = env.nsigs;
	r = launch_allowed(o, l, &env, e);
	if (r == 0)
		r = targeted_get(
		    c, l->action.target, l->online_only, &l->whom, e);
	if (r == 0)
		r = launch_notes(l, &l->action, e);
	if (r == 0)
		r = launch_confirm(l, o, e);
	if (r == 0)
		r = sealcheck_readers(c, &l->action, e);
	if (r == 0)
		r = sealcheck_open(c, &l->action, l->secret, e);
	if (r == 0)
		r = launch_body(l, &env, e);
	return r;
}

static void
launch_hints(struct collect *k, const json_t *agents)
{
	const char *id, *name;
	struct buf safe;
	struct id agent;
	json_t *j;
	size_t i;

	json_array_foreach (agents, i, j) {
		id = json_string_value(json_object_get(j, "id"));
		name = json_string_value(json_object_get(j, "name"));
		if (id == NULL || name == NULL || id_parse(id, &agent) != 0)
			continue;
		buf_init(&safe, 4096);
		str_add_printable(&safe, name, strnlen(name, 256));
		if (buf_str(&safe) != NULL)
			(void)trust_hint(&k->hints, &agent, buf_str(&safe));
		buf_release(&safe);
	}
}

static int
launch_collect(struct client *c, struct launch *l, const struct opts *o,
    int64_t expected, struct err *e)
{
	struct collect k;
	int r;

	r = collect_init(&k, c, &l->action, &l->id, e);
	if (r == 0)
		r = ask_output(&k.output, o, e);
	if (r != 0)
		goto lost;
	memcpy(k.seal_secret, l->secret, sizeof(k.seal_secret));
	launch_hints(&k, l->whom.agents);
	k.follow = true;
	k.online_only = l->online_only;
	k.wait = !opts_has(o, "nowait");
	k.verbose = opts_has(o, "v");
	k.summary.expected = expected;
	progress_init(&k.progress, expected);
	k.progress.expires_ms = l->action.expire_after * 1000;
	r = collect_follow(&k, e);
	if (r != 0) {
		collect_abandon(&k);
		goto lost;
	}
	r = collect_finish(&k, e);
	collect_release(&k);
	return r;
lost:
	collect_release(&k);
	return err_wrap(e,
	    "launched, but its answers cannot be followed (mig results %s)",
	    id_short(&l->id).s);
}

/* It is sent; then its answers come, or it waits for others. */
static int
launch_go(
    struct client *c, struct launch *l, const struct opts *o, struct err *e)
{
	struct posted p;
	int r;

	/* from here on who leaves is told how to come back */
	interrupt_install();
	r = posted_send(c, "/api/v1/actions", &l->post, &l->id, &p, e);
	fault_point("mig.posted");
	if (r == 0) {
		launch_remember(&l->id, l->action.name,
		    l->online_only ? ASKED_ONLINE : ASKED_ALL);
		fault_point("mig.remembered");
		if (!p.waits) {
			posted_tell_uncounted(&p);
			r = launch_collect(c, l, o, p.expected, e);
		} else
			r = posted_tell_waiting(
			    &p, &l->id, "", opts_has(o, "json"), e);
		/* nobody has answered; that is what -cosign is for */
		if (r == 0 && p.waits && !l->cosign)
			r = EXIT_INCOMPLETE;
	}
	json_decref(p.root);
	interrupt_restore();
	return r;
}

int
launch_question(
    struct client *c, struct question *q, const struct opts *o, struct err *e)
{
	struct output check;
	struct launch l = { 0 };
	int r;

	output_init(&check);
	r = ask_output(&check, o, e); /* before anything is launched */
	output_release(&check);
	if (r != 0)
		return r;
	buf_init(&l.doc, ENVELOPE_DOC_MAX);
	buf_init(&l.post, 4 * ENVELOPE_MAX);
	l.has_policy = known_policy(c, &l.known);
	l.cosign = opts_has(o, "cosign") || opts_has(o, "cosign-by");
	r = q->envelope.len > 0 ? launch_signed(c, q, o, &l, e)
				: launch_new(c, q, o, &l, e);
	fault_point("mig.signed");
	if (r == 0)
		r = launch_go(c, &l, o, e);
	secret_wipe(l.secret, sizeof(l.secret));
	if (l.parsed)
		action_release(&l.action);
	json_decref(l.whom.root);
	aclview_release(&l.known);
	buf_release(&l.doc);
	buf_release(&l.post);
	return r;
}
