/* SPDX-License-Identifier: MPL-2.0 */
#include "client/sign/cosigners.h"

#include "base/clock.h"
#include "base/hex.h"
#include "base/str.h"
#include "client/pgp/openpgp.h"
#include "client/sign/sign.h"
#include "client/ssh/signer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define EXPIRE_DEFAULT 86400 /* people take longer than agents */

/* --- people ----------------------------------------------------------------
 */

const struct keyring_person *
cosigners_person(const struct aclview *v, const uint8_t fpr[static PGP_FPR_LEN])
{
	size_t i;

	for (i = 0; i < v->keyring.npersons; i++)
		if (memcmp(v->keyring.persons[i].fpr, fpr, PGP_FPR_LEN) == 0)
			return &v->keyring.persons[i];
	return NULL;
}

int
cosigners_me(struct client *c, const struct aclview *v,
    uint8_t ret[static PGP_FPR_LEN], struct err *e)
{
	const struct keyring_key *key;
	uint8_t fpr[PGP_FPR_LEN];
	int r = sign_prepare(c, e);

	if (r != 0)
		return r;
	if (c->conf.signer != NULL) {
		if ((r = signer_fpr(c->conf.signer, fpr, e)) != 0)
			return r;
		key = keyring_find(&v->keyring, fpr);
		if (key != NULL)
			memcpy(fpr, v->keyring.persons[key->person].fpr,
			    sizeof(fpr));
	} else if (hex_decode(c->conf.key, fpr, sizeof(fpr)) != 0) {
		return err_set(e, ERR_INVALID, "key: no fingerprint");
	}
	if (cosigners_person(v, fpr) == NULL)
		return err_set(e, ERR_NOTFOUND,
		    "%s is nobody's key in policy %" PRIu64
		    ", which this client knows: agents do not count it",
		    client_signer(c), v->file.policy.version);
	memcpy(ret, fpr, PGP_FPR_LEN);
	return 0;
}

/* -cosign-by: a full fingerprint, or a part of exactly one name. */
static int
by_name(const struct aclview *v, const char *word,
    uint8_t ret[static PGP_FPR_LEN], struct err *e)
{
	const struct keyring_person *found = NULL, *p;
	size_t i;

	if (hex_decode(word, ret, PGP_FPR_LEN) == 0)
		return v == NULL || cosigners_person(v, ret) != NULL
		    ? 0
		    : err_set(e, ERR_NOTFOUND,
			  "-cosign-by %s: policy %" PRIu64
			  " knows no such person",
			  word, v->file.policy.version);
	if (v == NULL)
		return err_set(e, ERR_NOTFOUND,
		    "-cosign-by %s: without a known policy (mig policy pin) "
		    "say the full fingerprint",
		    word);
	for (i = 0; i < v->keyring.npersons && word[0] != '\0'; i++) {
		p = &v->keyring.persons[i];
		if (strcasestr(p->name, word) == NULL)
			continue;
		if (found != NULL)
			return err_set(e, ERR_INVALID,
			    "-cosign-by %s: it could be %s or %s", word,
			    found->name, p->name);
		found = p;
	}
	if (found == NULL)
		return err_set(e, ERR_NOTFOUND,
		    "-cosign-by %s: nobody of policy %" PRIu64 " is named so",
		    word, v->file.policy.version);
	memcpy(ret, found->fpr, PGP_FPR_LEN);
	return 0;
}

/* --- who could -------------------------------------------------------------
 */

/* Good signatures of all of them; signers[0] is whoever asks. */
struct candidates {
	struct signer signers[1 + SIGN_READERS_MAX];
	size_t n;
};

static void
add(struct candidates *k, const uint8_t fpr[static PGP_FPR_LEN])
{
	size_t i;

	for (i = 0; i < k->n; i++)
		if (memcmp(k->signers[i].person, fpr, PGP_FPR_LEN) == 0)
			return;
	if (k->n == sizeof(k->signers) / sizeof(k->signers[0]))
		return;
	k->signers[k->n].verdict = SIG_GOOD;
	memcpy(k->signers[k->n++].person, fpr, PGP_FPR_LEN);
}

/* Whoever has weight for one of its modules now. */
static void
add_all(struct candidates *k, const struct aclview *v, const struct action *a,
    int64_t now)
{
	struct signer s = { .verdict = SIG_GOOD };
	const struct acl_entry *en;
	size_t i, m;

	for (i = 0; i < v->keyring.npersons; i++) {
		memcpy(s.person, v->keyring.persons[i].fpr, PGP_FPR_LEN);
		for (m = 0; m < a->noperations; m++) {
			en = acl_of_module(v->acl, a->operations[m].module);
			if (en != NULL && acl_weight(en, &s, 1, now) > 0)
				add(k, s.person);
		}
	}
}

static int
add_named(struct candidates *k, struct question *q, const struct aclview *v,
    const struct opts *o, struct err *e)
{
	struct cosign *x = &q->cosign;
	uint8_t fpr[PGP_FPR_LEN];
	size_t i, before;
	int r;

	for (i = 0; i < o->n; i++) {
		if (strcmp(o->values[i].opt->name, "cosign-by") != 0)
			continue;
		if ((r = by_name(v, o->values[i].value, fpr, e)) != 0)
			return r;
		before = k->n;
		add(k, fpr);
		if (k->n == before)
			continue; /* twice, or whoever asks */
		if (x->nrequired == SIGS_MAX)
			return err_set(e, ERR_TOOBIG,
			    "-cosign-by: at most %d people", SIGS_MAX);
		hex_encode(fpr, PGP_FPR_LEN, x->text[x->nrequired]);
		x->required[x->nrequired] = x->text[x->nrequired];
		x->nrequired++;
	}
	q->draft.require_fprs = x->required;
	q->draft.nrequire_fprs = x->nrequired;
	return 0;
}

/* --- what the action says --------------------------------------------------
 */

/* As much as the policy demands, unless a weight was given. */
static int
fill_weight(struct question *q, const struct aclview *v, const struct action *a,
    struct err *e)
{
	struct acl_standing s = { 0, 1 };

	if (q->draft.require_weight > 1 || q->cosign.nrequired > 0) {
		if (v != NULL && q->draft.require_weight == 0)
			acl_standing(v->acl, a, NULL, 0, 0, &s);
	} else if (v == NULL) {
		return err_set(e, ERR_NOTFOUND,
		    "-cosign: this client knows no policy that says how many "
		    "have to sign (mig policy pin): say -weight N or "
		    "-cosign-by");
	} else {
		acl_standing(v->acl, a, NULL, 0, 0, &s);
		if (s.needs < 2)
			return err_set(e, ERR_INVALID,
			    "-cosign: by policy %" PRIu64 " one signature "
			    "suffices for this: leave it out, or say -weight N "
			    "or -cosign-by",
			    v->file.policy.version);
	}
	if (q->draft.require_weight < s.needs)
		q->draft.require_weight = s.needs;
	return 0;
}

/* Each of them reads, so that each can check the seal; by OpenPGP keys of the
 * own keyring. */
static void
fill_readers(
    struct question *q, const struct aclview *v, const struct candidates *k)
{
	struct cosign *x = &q->cosign;
	const struct keyring_person *p;
	char name[PGP_NAME_MAX], *fpr;
	struct err e;
	size_t i;

	for (i = 1; i < k->n && x->nreaders < COSIGN_READERS_MAX; i++) {
		fpr = x->readers[x->nreaders];
		hex_encode(k->signers[i].person, PGP_FPR_LEN, fpr);
		if (pgp_reader(fpr, name, &e) == 0) {
			x->nreaders++;
			continue;
		}
		p = v != NULL ? cosigners_person(v, k->signers[i].person)
			      : NULL;
		client_warn("note: %s cannot open the seal key, and so not "
			    "cosign, unless one of -reader is theirs: %s",
		    p != NULL ? p->name : fpr, e.msg);
	}
}

/* Would it be enough if all of them signed? */
static int
judge(const struct aclview *v, struct question *q, const struct candidates *k,
    int64_t now, struct action *a, struct err *e)
{
	int r = aclview_draft(q, a, e);

	if (r == 0)
		r = aclview_judge(v, a, k->signers, k->n, now, e);
	return r == 0 ? 0
		      : err_wrap(e,
			    "not signed: with everybody's signature agents "
			    "with policy %" PRIu64 " would refuse it",
			    v->file.policy.version);
}

static void
fill_expire(struct question *q, const struct aclview *v, const struct opts *o)
{
	if (opts_get(o, "e") != NULL)
		return;
	q->expire = EXPIRE_DEFAULT;
	if (v != NULL && q->expire > v->limits.max_validity - DRAFT_CLOCK_SLACK)
		q->expire = v->limits.max_validity - DRAFT_CLOCK_SLACK;
}

int
cosigners_prepare(struct client *c, struct question *q, const struct aclview *v,
    const struct opts *o, struct err *e)
{
	struct candidates *k = calloc(1, sizeof(*k));
	struct action *a = calloc(1, sizeof(*a));
	int64_t now = clock_wall_ms() / 1000;
	uint8_t me[PGP_FPR_LEN] = { 0 };
	struct acl_standing s;
	int r = 0;

	if (k == NULL || a == NULL)
		r = err_set(e, ERR_NOMEM, "out of memory");
	else if (v != NULL)
		r = cosigners_me(c, v, me, e);
	else if ((r = sign_prepare(c, e)) == 0 && c->conf.signer == NULL)
		(void)hex_decode(c->conf.key, me, sizeof(me));
	if (r == 0)
		r = aclview_draft(q, a, e);
	if (r == 0) {
		add(k, me);
		r = add_named(k, q, v, o, e);
	}
	if (r == 0)
		r = fill_weight(q, v, a, e);
	if (r == 0) {
		if (v != NULL)
			acl_standing(v->acl, a, k->signers, k->n, now, &s);
		if (v != NULL &&
		    (q->cosign.nrequired == 0 ||
			s.has < q->draft.require_weight))
			add_all(k, v, a, now);
		fill_readers(q, v, k);
		fill_expire(q, v, o);
		q->cosign.on = true;
		if (v != NULL)
			r = judge(v, q, k, now, a, e);
	}
	free(k);
	free(a);
	return r;
}
