/* SPDX-License-Identifier: MPL-2.0 */
/* Who may ask what: checking adds weights of distinct persons, compares times
 * and paths, and nothing else. The tables are made in acl_read.c. */
#include "action/acl.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/hex.h"
#include "base/path.h"
#include "modules/agent/wish.h"
#include "modules/module.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHERE_MAX 512

const struct acl_entry *
acl_find(const struct acl *a, const char *name)
{
	size_t i;

	for (i = 0; i < a->nentries; i++) {
		if (strcmp(a->entries[i].name, name) == 0)
			return &a->entries[i];
	}
	return NULL;
}

const struct acl_entry *
acl_of_module(const struct acl *a, const char *module)
{
	const struct acl_entry *en = acl_find(a, module);

	return en != NULL ? en : acl_find(a, "default");
}

bool
acl_holds(const struct acl_dates *d, int64_t now)
{
	return now >= d->not_before && now < d->not_after;
}

/* Is signers[i] good, and the first good one of that person? */
static bool
counts(const struct signer *signers, size_t i)
{
	size_t j;

	if (signers[i].verdict != SIG_GOOD)
		return false;
	for (j = 0; j < i; j++) {
		if (signers[j].verdict == SIG_GOOD &&
		    memcmp(signers[j].person, signers[i].person, PGP_FPR_LEN) ==
			0)
			return false;
	}
	return true;
}

static const struct acl_person *
person_find(const struct acl_entry *en, const uint8_t fpr[static PGP_FPR_LEN])
{
	size_t lo = 0, hi = en->npersons, mid;
	int c;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		c = memcmp(en->persons[mid].fpr, fpr, PGP_FPR_LEN);
		if (c == 0)
			return &en->persons[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* *ret_late: of those whose time in the entry has not come or is over. */
static int64_t
weight_sum(const struct acl_entry *en, const struct signer *signers, size_t n,
    int64_t now, int64_t *ret_late)
{
	const struct acl_person *p;
	int64_t sum = 0;
	size_t i;

	*ret_late = 0;
	for (i = 0; i < n; i++) {
		if (!counts(signers, i))
			continue;
		p = person_find(en, signers[i].person);
		if (p != NULL && acl_holds(&p->dates, now))
			sum += p->weight;
		else if (p != NULL)
			*ret_late += p->weight;
	}
	return sum;
}

int64_t
acl_weight(const struct acl_entry *en, const struct signer *signers, size_t n,
    int64_t now)
{
	int64_t late;

	return weight_sum(en, signers, n, now, &late);
}

/* The good signers for a message: "12345678... 9abcdef0...". */
static const char *
list_signers(const struct signer *signers, size_t n, char *out, size_t size)
{
	char hex[2 * PGP_FPR_LEN + 1];
	size_t i, at = 0;

	out[0] = '\0';
	for (i = 0; i < n && at + 2 * sizeof(hex) < size; i++) {
		if (!counts(signers, i))
			continue;
		hex_encode(signers[i].person, PGP_FPR_LEN, hex);
		at += (size_t)snprintf(
		    out + at, size - at, "%s%s", at == 0 ? "" : " ", hex);
	}
	return at == 0 ? "nobody" : out;
}

static int
check_dates(
    const struct acl_entry *en, const char *name, int64_t now, struct err *e)
{
	char text[RFC3339_LEN + 1];
	bool early = now < en->dates.not_before;

	if (acl_holds(&en->dates, now))
		return 0;
	rfc3339_format(
	    early ? en->dates.not_before : en->dates.not_after, text);
	return err_set(e, ERR_DENIED, "%s: entry \"%s\" of the ACL %s %s", name,
	    en->name, early ? "holds from" : "ended at", text);
}

static int
check_entry(const struct acl_entry *en, const char *name, int64_t least,
    const struct signer *signers, size_t n, int64_t now, struct err *e)
{
	int64_t need = least > en->minimum ? least : en->minimum, late, sum;
	char who[512], note[96] = "";
	int rc = check_dates(en, name, now, e);

	if (rc != 0)
		return rc;
	sum = weight_sum(en, signers, n, now, &late);
	if (sum >= need)
		return 0;
	if (late > 0)
		snprintf(note, sizeof(note),
		    "; weight %" PRId64
		    " more is of people whose time has not come or is over",
		    late);
	return err_set(e, ERR_DENIED,
	    "%s: needs weight %" PRId64 " (entry \"%s\" of the ACL: %" PRId64
	    "), the signers bring %" PRId64 " (%s)%s",
	    name, need, en->name, en->minimum, sum,
	    list_signers(signers, n, who, sizeof(who)), note);
}

/* paths has lines, as an entry keeps them. */
static bool
within(const char *path, const char *paths)
{
	char dir[ACL_PATHS_BYTES_MAX + 1];
	size_t n;

	for (; *paths != '\0'; paths += n + (paths[n] == '\n')) {
		n = strcspn(paths, "\n");
		memcpy(dir, paths, n);
		dir[n] = '\0';
		if (path_below(path, dir))
			return true;
	}
	return false;
}

/* "/var/log, /srv", cut where it is long. */
static void
list_paths(const char *paths, char *out, size_t size)
{
	size_t at = 0;

	for (; *paths != '\0' && at + 5 < size; paths++) {
		out[at++] = *paths == '\n' ? ',' : *paths;
		if (*paths == '\n')
			out[at++] = ' ';
	}
	snprintf(out + at, size - at, "%s", *paths != '\0' ? "..." : "");
}

int
acl_check_paths(const struct acl_entry *en, const struct action_operation *op,
    struct err *e)
{
	const struct module *m = module_by_number(op->module_number);
	char allowed[WHERE_MAX];
	const char *path;
	json_t *list;
	size_t i;
	int rc = 0;

	if (en->paths[0] == '\0' || m == NULL || m->paths == NULL)
		return 0;
	list = m->paths(op->parameters);
	if (list == NULL)
		return err_set(e, ERR_NOMEM, "acl: out of memory");
	list_paths(en->paths, allowed, sizeof(allowed));
	for (i = 0; i < json_array_size(list) && rc == 0; i++) {
		path = json_string_value(json_array_get(list, i));
		if (path == NULL || !path_is_clean(path) ||
		    !within(path, en->paths))
			rc = err_set(e, ERR_DENIED,
			    "%s: %.256s is outside the paths that entry \"%s\" "
			    "of the ACL allows (%s)",
			    op->module, path != NULL ? path : "a path",
			    en->name, allowed);
	}
	json_decref(list);
	return rc;
}

static int
check_required(const struct action *a, const struct signer *signers, size_t n,
    struct err *e)
{
	char hex[2 * PGP_FPR_LEN + 1];
	size_t i, j;

	for (i = 0; i < a->nrequire_fprs; i++) {
		for (j = 0; j < n; j++) {
			if (signers[j].verdict == SIG_GOOD &&
			    memcmp(signers[j].person, a->require_fprs[i],
				PGP_FPR_LEN) == 0)
				break;
		}
		if (j < n)
			continue;
		hex_encode(a->require_fprs[i], PGP_FPR_LEN, hex);
		return err_set(e, ERR_DENIED,
		    "the action requires a signature by %s", hex);
	}
	return 0;
}

int
acl_check(const struct acl *acl, const struct action *a,
    const struct signer *signers, size_t n, int64_t now, struct err *e)
{
	const struct acl_entry *en;
	struct agent_wish wish;
	const char *module;
	size_t i;
	int rc;

	if (a->noperations == 0)
		return err_set(e, ERR_DENIED, "no operation");
	rc = check_required(a, signers, n, e);
	for (i = 0; rc == 0 && i < a->noperations; i++) {
		module = a->operations[i].module;
		en = acl_of_module(acl, module);
		if (en == NULL)
			return err_set(e, ERR_DENIED,
			    "%s: the ACL has no entry for it and no default",
			    module);
		rc = check_entry(
		    en, module, a->require_weight, signers, n, now, e);
		if (rc == 0)
			rc = acl_check_paths(en, &a->operations[i], e);
	}
	if (rc == 0 && action_wish(a, &wish, &i) > 0)
		rc = acl_check_right(acl, AGENT_STOP_RIGHT, signers, n, now, e);
	return rc;
}

int
acl_check_right(const struct acl *acl, const char *right,
    const struct signer *signers, size_t n, int64_t now, struct err *e)
{
	const struct acl_entry *en = acl_find(acl, right);

	if (en == NULL)
		return err_set(
		    e, ERR_DENIED, "%s: the ACL has no entry for it", right);
	return check_entry(en, right, 1, signers, n, now, e);
}

static int64_t
persons(const struct signer *signers, size_t n)
{
	int64_t sum = 0;
	size_t i;

	for (i = 0; i < n; i++)
		sum += counts(signers, i);
	return sum;
}

int
acl_check_alone(const struct action *a, const struct signer *signers, size_t n,
    struct err *e)
{
	int64_t has = persons(signers, n);

	if (has < a->require_weight)
		return err_set(e, ERR_DENIED,
		    "it needs weight %" PRId64 ", the signers bring %" PRId64
		    " (no policy is known here: each counts one)",
		    a->require_weight, has);
	return check_required(a, signers, n, e);
}

static void
stand_lower(struct acl_standing *s, int64_t has, int64_t needs)
{
	if (needs - has <= s->needs - s->has)
		return;
	s->has = has;
	s->needs = needs;
}

void
acl_standing(const struct acl *acl, const struct action *a,
    const struct signer *signers, size_t n, int64_t now,
    struct acl_standing *ret)
{
	struct acl_standing s = { INT64_MAX, 0 };
	const struct acl_entry *en;
	struct agent_wish wish;
	int64_t least = a->require_weight;
	size_t i;

	if (acl == NULL)
		stand_lower(&s, persons(signers, n), least);
	for (i = 0; acl != NULL && i < a->noperations; i++) {
		en = acl_of_module(acl, a->operations[i].module);
		if (en == NULL)
			stand_lower(&s, 0, least);
		else
			stand_lower(&s, acl_weight(en, signers, n, now),
			    least > en->minimum ? least : en->minimum);
	}
	if (acl != NULL && action_wish(a, &wish, &i) > 0 &&
	    (en = acl_find(acl, AGENT_STOP_RIGHT)) != NULL)
		stand_lower(&s, acl_weight(en, signers, n, now), en->minimum);
	*ret = s;
}

bool
acl_counts(const struct acl *acl, const struct action *a,
    const struct signer *s, int64_t now)
{
	const struct acl_entry *en;
	struct agent_wish wish;
	size_t i;

	if (s->verdict != SIG_GOOD)
		return false;
	for (i = 0; i < a->nrequire_fprs; i++) {
		if (memcmp(s->person, a->require_fprs[i], PGP_FPR_LEN) == 0)
			return true;
	}
	for (i = 0; i < a->noperations; i++) {
		en = acl_of_module(acl, a->operations[i].module);
		if (en != NULL && acl_weight(en, s, 1, now) > 0)
			return true;
	}
	return action_wish(a, &wish, &i) > 0 &&
	    (en = acl_find(acl, AGENT_STOP_RIGHT)) != NULL &&
	    acl_weight(en, s, 1, now) > 0;
}

static int
weight_compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? 1 : x > y ? -1 : 0;
}

int
acl_could_meet(const struct acl *acl, const char *right,
    uint8_t (*fprs)[PGP_FPR_LEN], size_t n, int64_t now, struct err *e)
{
	const struct acl_entry *en = acl_find(acl, right);
	const struct acl_person *p;
	int64_t *weights, sum = 0;
	size_t i, found = 0;

	if (en == NULL)
		return err_set(
		    e, ERR_DENIED, "the ACL has no entry \"%s\"", right);
	weights = calloc(n + 1, sizeof(*weights));
	if (weights == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (i = 0; i < n; i++) {
		p = person_find(en, fprs[i]);
		if (p != NULL && acl_holds(&p->dates, now))
			weights[found++] = p->weight;
	}
	qsort(weights, found, sizeof(*weights), weight_compare);
	for (i = 0; i < found && i < SIGS_MAX; i++)
		sum += weights[i];
	free(weights);
	if (sum >= en->minimum)
		return 0;
	return err_set(e, ERR_DENIED,
	    "the entry \"%s\" of the ACL needs weight %" PRId64
	    ", its persons with a valid key in the keyring (%zu; at most %d "
	    "sign) bring %" PRId64,
	    right, en->minimum, found, SIGS_MAX, sum);
}
