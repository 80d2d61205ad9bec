/* SPDX-License-Identifier: MPL-2.0 */
#include "server/core/judging.h"

#include "server/core/core.h"

#include "action/policy.h"
#include "base/clock.h"
#include "base/str.h"
#include "crypto/keyring_people.h"
#include "server/store/policies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP_S 60 /* whose keys have ended since changes what is possible */

/* The newest policy; it borrows from text. */
static int
newest_policy(
    struct core *c, struct buf *text, struct policy *ret, struct err *e)
{
	int rc = store_policy_get(c->read, NULL, NULL, text, e);

	return (rc != 0 ? rc : policy_parse(text->data, text->len, ret, e));
}

int
core_policy_acl(struct core *c, struct acl **ret, struct err *e)
{
	struct policy p;
	struct buf text;
	int rc;

	buf_init(&text, POLICY_MAX);
	rc = newest_policy(c, &text, &p, e);
	if (rc == 0)
		rc = acl_parse(p.acl, p.acl_len, ret, e);
	buf_release(&text);
	return (rc);
}

int
judging_policy(struct core *c, struct id *ret, struct err *e)
{
	struct buf b;
	int rc;

	buf_init(&b, ID_LEN);
	memset(ret, 0, sizeof(*ret));
	rc = store_meta_get(c->read, "policy", &b, e);
	if (rc == 0 && b.len == ID_LEN)
		memcpy(ret->b, b.data, ID_LEN);
	buf_release(&b);
	return (rc == ERR_NOTFOUND ? 0 : rc);
}

static int
fpr_compare(const void *a, const void *b)
{
	return (memcmp(a, b, PGP_FPR_LEN));
}

/* Its own keyring, as agents have it. */
static int
read_policy(struct judging *j, const struct policy *p, struct err *e)
{
	int rc;

	if ((rc = keyring_parse(p->keyring, p->keyring_len, &j->own, e)) != 0)
		return (rc);
	rc = keyring_people(
	    p->keyring, p->keyring_len, j->now, &j->people, &j->npeople, e);
	if (rc == 0)
		rc = acl_parse(p->acl, p->acl_len, &j->acl, e);
	if (rc != 0)
		return (rc);
	if (j->npeople > 0)
		qsort(j->people, j->npeople, PGP_FPR_LEN, fpr_compare);
	j->version = p->version;
	return (0);
}

static void
forget(struct judging *j)
{
	acl_free(j->acl);
	keyring_release(&j->own);
	free(j->people);
	memset(j, 0, sizeof(*j));
}

/* One that the store names and does not have is none. */
static int
load(struct core *c, struct judging *j, int64_t now, struct err *e)
{
	struct policy p;
	struct buf text;
	int rc;

	forget(j);
	j->now = now;
	buf_init(&text, POLICY_MAX);
	rc = newest_policy(c, &text, &p, e);
	if (rc == 0)
		rc = read_policy(j, &p, e);
	else if (rc == ERR_NOTFOUND)
		rc = 0;
	buf_release(&text);
	if (rc != 0)
		forget(j);
	return (rc);
}

int
judging_now(struct core *c, const struct judging **ret, struct err *e)
{
	int64_t now = clock_wall_ms() / 1000;
	struct id named;
	struct judging *j;
	int rc;

	if ((rc = judging_policy(c, &named, e)) != 0)
		return (rc);
	if (c->judging == NULL &&
	    (c->judging = calloc(1, sizeof(*c->judging))) == NULL)
		return (err_set(e, ERR_NOMEM, "out of memory"));
	j = c->judging;
	if (j->read == 0 || !id_equal(&named, &j->policy) || now < j->read ||
	    now - j->read >= KEEP_S) {
		if ((rc = load(c, j, now, e)) != 0)
			return (rc);
		j->policy = named;
		j->read = now;
	}
	if (j->acl == NULL && (j->keys = core_keyring(c, e)) == NULL)
		return (e->code);
	j->now = now;
	*ret = j;
	return (0);
}

void
judging_free(struct judging *j)
{
	if (j != NULL)
		forget(j);
	free(j);
}

/* As agents see them. */
static void
verify(const struct judging *j, const struct envelope *env, struct signer *ret)
{
	keyring_verify(j->keys != NULL ? j->keys : &j->own, PURPOSE_ACTION,
	    env->doc, env->doc_len, env->sigs, env->nsigs, j->now, ret);
}

/* Whose keyring it is that says so matters to who looks for the key. */
static void
count(const struct judging *j, const struct action *a, const struct signer *s,
    struct counting *ret)
{
	unsigned long long version = j->version;

	ret->counts = j->acl == NULL ? s->verdict == SIG_GOOD
				     : acl_counts(j->acl, a, s, j->now);
	ret->why[0] = '\0';
	if (ret->counts)
		return;
	if (j->acl == NULL)
		snprintf(ret->why, sizeof(ret->why),
		    "%s (by the server's keyring)",
		    sig_verdict_text(s->verdict));
	else if (s->verdict != SIG_GOOD)
		snprintf(ret->why, sizeof(ret->why), "%s (by policy %llu)",
		    sig_verdict_text(s->verdict), version);
	else
		snprintf(ret->why, sizeof(ret->why),
		    "brings no weight for what is asked (by policy %llu)",
		    version);
}

static void
list_uncounted(const struct judging *j, const struct action *a,
    const struct signer *signers, size_t n, struct uncounted *ret)
{
	struct counting is;
	size_t i;

	ret->n = 0;
	for (i = 0; i < n; i++) {
		count(j, a, &signers[i], &is);
		if (!is.counts)
			uncounted_add(ret, &signers[i], is.why);
	}
}

int
judging_standing(const struct judging *j, const struct action *a,
    const struct envelope *env, struct standing *ret, struct err *e)
{
	struct signer signers[SIGS_MAX];
	struct err why;
	int rc = 0;

	err_clear(&why);
	verify(j, env, signers);
	ret->met =
	    (j->acl == NULL ? acl_check_alone(a, signers, env->nsigs, &why)
			    : acl_check(j->acl, a, signers, env->nsigs, j->now,
				  &why)) == 0;
	acl_standing(j->acl, a, signers, env->nsigs, j->now, &ret->weight);
	if (!ret->met && j->acl != NULL)
		rc = acl_could_check(j->acl, a, signers, env->nsigs,
		    (const uint8_t(*)[PGP_FPR_LEN])j->people, j->npeople,
		    j->now, &why);
	if (rc == ERR_NOMEM)
		return (err_set(e, rc, "out of memory"));
	ret->possible = rc == 0;
	str_copy(ret->missing, sizeof(ret->missing), why.msg);
	list_uncounted(j, a, signers, env->nsigs, &ret->uncounted);
	ret->policy = j->policy;
	ret->version = j->version;
	return (0);
}

void
judging_counts(const struct judging *j, const struct action *a,
    const struct envelope *env, struct counting *ret)
{
	struct signer signers[SIGS_MAX];
	size_t i;

	verify(j, env, signers);
	for (i = 0; i < env->nsigs; i++)
		count(j, a, &signers[i], &ret[i]);
}
