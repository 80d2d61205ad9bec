/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Could more signatures make an ACL take an action, or is there no way? An
 * upper bound, operation by operation: who is told that there is no way can
 * believe it, whoever signs.
 */
#include "action/acl.h"

#include "base/err.h"
#include "base/hex.h"
#include "modules/agent/wish.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Who has signed, and who could. */
struct could {
	const struct action *a;
	const struct signer *have;
	size_t n;
	const uint8_t (*fprs)[PGP_FPR_LEN]; /* sorted */
	size_t nfprs;
	int64_t now;
};

static int
fpr_compare(const void *a, const void *b)
{
	return memcmp(a, b, PGP_FPR_LEN);
}

static bool
has_signed(const struct could *k, const uint8_t fpr[static PGP_FPR_LEN])
{
	size_t i;

	for (i = 0; i < k->n; i++)
		if (k->have[i].verdict == SIG_GOOD &&
		    memcmp(k->have[i].person, fpr, PGP_FPR_LEN) == 0)
			return true;
	return false;
}

static bool
can_sign(const struct could *k, const uint8_t fpr[static PGP_FPR_LEN])
{
	return k->nfprs > 0 &&
	    bsearch(fpr, k->fprs, k->nfprs, PGP_FPR_LEN, fpr_compare) != NULL;
}

/* Do they hold at some moment before the action ends? */
static bool
will_hold(const struct could *k, const struct acl_dates *d)
{
	return d->not_after > k->now && d->not_before < k->a->expire_after;
}

static int
weight_compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? 1 : x > y ? -1 : 0;
}

/* What those who have signed bring at most, and the heaviest of the others,
 * as many as there are places. ERR_NOMEM. */
static int
most(const struct could *k, const struct acl_entry *en, int64_t *ret)
{
	int64_t *others = calloc(en->npersons + 1, sizeof(*others)), sum = 0;
	const struct acl_person *p;
	size_t i, n = 0;

	if (others == NULL)
		return ERR_NOMEM;
	for (i = 0; i < en->npersons; i++) {
		p = &en->persons[i];
		if (!will_hold(k, &p->dates))
			continue;
		if (has_signed(k, p->fpr))
			sum += p->weight;
		else if (can_sign(k, p->fpr))
			others[n++] = p->weight;
	}
	qsort(others, n, sizeof(*others), weight_compare);
	for (i = 0; i < n && k->n + i < SIGS_MAX; i++)
		sum += others[i];
	free(others);
	*ret = sum;
	return 0;
}

static int
could_entry(const struct could *k, const struct acl_entry *en, const char *name,
    int64_t least, struct err *e)
{
	int64_t need, sum;

	if (en == NULL)
		return err_set(e, ERR_DENIED,
		    "%s: the ACL has no entry for it%s", name,
		    strcmp(name, AGENT_STOP_RIGHT) == 0 ? ""
							: " and no default");
	if (!will_hold(k, &en->dates))
		return err_set(e, ERR_DENIED,
		    "%s: entry \"%s\" of the ACL does not hold any more before "
		    "the action ends",
		    name, en->name);
	need = least > en->minimum ? least : en->minimum;
	if (most(k, en, &sum) != 0)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (sum >= need)
		return 0;
	return err_set(e, ERR_DENIED,
	    "%s: needs weight %" PRId64
	    " (entry \"%s\" of the ACL), and all who have signed or could "
	    "bring %" PRId64,
	    name, need, en->name, sum);
}

static int
could_required(const struct could *k, struct err *e)
{
	char hex[2 * PGP_FPR_LEN + 1];
	const uint8_t *fpr;
	size_t i, wanted = 0;

	for (i = 0; i < k->a->nrequire_fprs; i++) {
		fpr = k->a->require_fprs[i];
		if (has_signed(k, fpr))
			continue;
		wanted++;
		if (can_sign(k, fpr))
			continue;
		hex_encode(fpr, PGP_FPR_LEN, hex);
		return err_set(e, ERR_DENIED,
		    "the action requires a signature by %s, who has no valid "
		    "key in the keyring",
		    hex);
	}
	if (k->n + wanted > SIGS_MAX)
		return err_set(e, ERR_DENIED,
		    "it has %zu signatures, requires %zu more, and takes %d",
		    k->n, wanted, SIGS_MAX);
	return 0;
}

int
acl_could_check(const struct acl *acl, const struct action *a,
    const struct signer *have, size_t n, const uint8_t (*fprs)[PGP_FPR_LEN],
    size_t nfprs, int64_t now, struct err *e)
{
	struct could k = { a, have, n, fprs, nfprs, now };
	const struct acl_entry *en;
	struct agent_wish wish;
	size_t i;
	int rc = could_required(&k, e);

	for (i = 0; i < a->noperations && rc == 0; i++) {
		en = acl_of_module(acl, a->operations[i].module);
		rc = could_entry(
		    &k, en, a->operations[i].module, a->require_weight, e);
		if (rc == 0)
			rc = acl_check_paths(en, &a->operations[i], e);
	}
	if (rc == 0 && action_wish(a, &wish, &i) > 0)
		rc = could_entry(&k, acl_find(acl, AGENT_STOP_RIGHT),
		    AGENT_STOP_RIGHT, 1, e);
	return rc;
}
