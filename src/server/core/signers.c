/* SPDX-License-Identifier: MPL-2.0 */
/* Core: who signed a document, as the registered investigators' keyring says.
 * What is refused here is refused early and with a reason; agents verify
 * everything again themselves. */
#include "server/core/signers.h"

#include "server/core/core.h"

#include "base/clock.h"
#include "base/hex.h"
#include "base/jsonw.h"

#include <stdio.h>
#include <string.h>

/* Is it this person who asks, or somebody logged in? By NULL: may he ask, by
 * his role of today? 1, 0, or ERR_*. */
static int
may_ask(struct core *c, const char *by, const char *fpr)
{
	if (by == NULL)
		return (
		    store_investigator_may(c->read, fpr, CALL_ACTIONS_LAUNCH));
	if (strcmp(fpr, by) == 0)
		return (1);
	return (store_session_any(c->read, fpr, clock_wall_ms()));
}

/* Names of those whose signature is good, as JSON; and whether one of them
 * may ask: 1, 0, or ERR_* when that cannot be found out. */
static int
name_good(struct core *c, const struct keyring *k, const char *by,
    struct core_signers *s)
{
	char fpr[STORE_FPR_HEX + 1];
	struct buf out;
	struct jsonw w;
	size_t i, j;
	int session = 0, may;

	buf_init(&out, SIGNERS_NAMES_MAX - 1);
	jsonw_init(&w, &out);
	jsonw_array(&w, NULL);
	for (i = 0; i < s->n; i++) {
		if (s->list[i].verdict != SIG_GOOD)
			continue;
		s->good++;
		hex_encode(s->list[i].person, PGP_FPR_LEN, fpr);
		/* one who may is enough, also when of others it is not known */
		if (session != 1 &&
		    ((may = may_ask(c, by, fpr)) == 1 || session == 0))
			session = may;
		for (j = 0; j < k->npersons; j++)
			if (memcmp(k->persons[j].fpr, s->list[i].person,
				PGP_FPR_LEN) == 0)
				jsonw_str(&w, NULL, k->persons[j].name);
	}
	jsonw_array_end(&w);
	snprintf(s->names, sizeof(s->names), "%s",
	    out.error == 0 && buf_str(&out) != NULL ? buf_str(&out) : "[]");
	if (out.error == ERR_NOMEM)
		session = ERR_NOMEM;
	buf_release(&out);
	return (session);
}

static int
nobody(const struct core_signers *s, struct err *e)
{
	char fpr[STORE_FPR_HEX + 1];
	size_t i, at;

	err_set(e, ERR_AUTH, "no signature of a registered investigator:");
	for (i = 0; i < s->n; i++) {
		at = strlen(e->msg);
		hex_encode(s->list[i].key, PGP_FPR_LEN, fpr);
		snprintf(e->msg + at, sizeof(e->msg) - at, "%s %s: %s",
		    i == 0 ? "" : ";", fpr,
		    sig_verdict_text(s->list[i].verdict));
	}
	return (e->code);
}

int
core_signers(struct core *c, enum purpose p, const struct envelope *env,
    const char *by, struct core_signers *ret, struct err *e)
{
	const struct keyring *k = core_keyring(c, e);
	int session;

	memset(ret, 0, sizeof(*ret));
	if (k == NULL)
		return (e->code);
	if (env->nsigs == 0)
		return (err_set(e, ERR_AUTH, "it is not signed: `mig %s` signs",
		    p == PURPOSE_CANCEL ? "action cancel" : "action sign"));
	ret->n = env->nsigs;
	keyring_verify(k, p, env->doc, env->doc_len, env->sigs, env->nsigs,
	    clock_wall_ms() / 1000, ret->list);
	session = name_good(c, k, by, ret);
	if (ret->good == 0)
		return (nobody(ret, e));
	if (session < 0)
		return (err_set(e, session,
		    "who may ask cannot be looked up: %s", err_text(session)));
	if (session == 1)
		return (0);
	if (by != NULL)
		return (
		    err_set(e, ERR_DENIED, "none of the signers is logged in"));
	return (err_set(e, ERR_DENIED,
	    "none of the signers may launch actions any more: that takes the"
	    " role %s",
	    person_role_text(call_role(CALL_ACTIONS_LAUNCH))));
}

bool
core_signers_meet(const struct core_signers *a, const struct core_signers *b)
{
	size_t i, k;

	for (i = 0; i < a->n; i++) {
		for (k = 0; k < b->n; k++) {
			if (a->list[i].verdict == SIG_GOOD &&
			    b->list[k].verdict == SIG_GOOD &&
			    memcmp(a->list[i].person, b->list[k].person,
				PGP_FPR_LEN) == 0)
				return (true);
		}
	}
	return (false);
}
