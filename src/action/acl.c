/* SPDX-License-Identifier: MPL-2.0 */
/* Who may ask what. Parsed once into small sorted tables; checking adds
 * weights of distinct persons, and nothing else. */
#include "action/acl.h"

#include "base/err.h"
#include "base/hex.h"
#include "base/str.h"
#include "json/json.h"
#include "modules/agent/wish.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACL_ENTRIES_MAX 256
#define ACL_PERSONS_MAX 4096 /* of one entry: sums cannot overflow */
#define ACL_NAME_MAX 32
#define ACL_LABEL_MAX 256

struct acl_person {
	uint8_t fpr[PGP_FPR_LEN];
	int64_t weight;
};

struct acl_entry {
	char name[ACL_NAME_MAX];
	int64_t minimum;
	struct acl_person *persons; /* owned; sorted by fpr */
	size_t npersons;
};

struct acl {
	struct acl_entry *entries; /* owned */
	size_t nentries;
};

static int
person_compare(const void *a, const void *b)
{
	const struct acl_person *x = a, *y = b;

	return memcmp(x->fpr, y->fpr, PGP_FPR_LEN);
}

static int
read_person(
    const json_t *v, const char *where, struct acl_person *p, struct err *e)
{
	static const char *const keys[] = { "fingerprint", "weight", NULL };
	const char *fpr;
	int rc;

	if ((rc = json_only_keys(v, where, keys, e)) != 0 ||
	    (rc = json_need_str(v, where, "fingerprint", &fpr, e)) != 0 ||
	    (rc = json_need_int(
		 v, where, "weight", 1, ACL_WEIGHT_MAX, &p->weight, e)) != 0)
		return rc;
	if (hex_decode(fpr, p->fpr, PGP_FPR_LEN) != 0)
		return err_set(e, ERR_INVALID,
		    "%s.fingerprint: expected 40 hex digits", where);
	return 0;
}

/* label as it may stand in a message */
static void
where_of(char *out, size_t size, const char *entry, const char *label)
{
	struct buf b;
	const char *s;

	buf_init(&b, 4096);
	str_add_printable(&b, label, strnlen(label, 64));
	s = buf_str(&b);
	snprintf(out, size, "%s.investigators.%s", entry, s == NULL ? "?" : s);
	buf_release(&b);
}

static int
check_twice(const struct acl_entry *en, struct err *e)
{
	char hex[2 * PGP_FPR_LEN + 1];
	size_t i;

	for (i = 1; i < en->npersons; i++) {
		if (person_compare(&en->persons[i - 1], &en->persons[i]) != 0)
			continue;
		hex_encode(en->persons[i].fpr, PGP_FPR_LEN, hex);
		return err_set(e, ERR_INVALID,
		    "%s.investigators: fingerprint %s stands under two labels",
		    en->name, hex);
	}
	return 0;
}

static int
read_persons(json_t *list, struct acl_entry *en, struct err *e)
{
	size_t n = json_object_size(list);
	char where[ACL_NAME_MAX + 512];
	const char *label;
	json_t *v;
	int rc;

	if (n > ACL_PERSONS_MAX)
		return err_set(e, ERR_INVALID,
		    "%s.investigators: %zu, at most %d", en->name, n,
		    ACL_PERSONS_MAX);
	en->persons = calloc(n == 0 ? 1 : n, sizeof(*en->persons));
	if (en->persons == NULL)
		return err_set(e, ERR_NOMEM, "acl: out of memory");
	json_object_foreach (list, label, v) {
		where_of(where, sizeof(where), en->name, label);
		if (label[0] == '\0' || strlen(label) > ACL_LABEL_MAX)
			return err_set(e, ERR_INVALID,
			    "%s: a label has 1 to %d bytes", where,
			    ACL_LABEL_MAX);
		rc = read_person(v, where, &en->persons[en->npersons], e);
		if (rc != 0)
			return rc;
		en->npersons++;
	}
	qsort(en->persons, en->npersons, sizeof(*en->persons), person_compare);
	return check_twice(en, e);
}

static int
read_entry(const char *name, json_t *v, struct acl_entry *en, struct err *e)
{
	static const char *const keys[] = { "minimumweight", "investigators",
		NULL };
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
	json_t *list;
	int rc;

	if (n == 0 || name[n] != '\0' || n >= sizeof(en->name))
		return err_set(e, ERR_INVALID,
		    "acl: an entry is named \"default\" or like a module (1 to "
		    "31 lower-case letters and digits)");
	memcpy(en->name, name, n + 1);
	if ((rc = json_only_keys(v, name, keys, e)) != 0 ||
	    (rc = json_need_int(v, name, "minimumweight", 1, ACL_WEIGHT_MAX,
		 &en->minimum, e)) != 0 ||
	    (rc = json_need_object(v, name, "investigators", &list, e)) != 0)
		return rc;
	return read_persons(list, en, e);
}

static int
read_acl(json_t *root, struct acl *a, struct err *e)
{
	const char *name;
	json_t *v;
	size_t n;
	int rc;

	if (!json_is_object(root))
		return err_set(e, ERR_INVALID, "acl: expected an object");
	n = json_object_size(root);
	if (n == 0 || n > ACL_ENTRIES_MAX)
		return err_set(e, ERR_INVALID,
		    "acl: %zu entries, expected 1 to %d", n, ACL_ENTRIES_MAX);
	a->entries = calloc(n, sizeof(*a->entries));
	if (a->entries == NULL)
		return err_set(e, ERR_NOMEM, "acl: out of memory");
	json_object_foreach (root, name, v) {
		/* counted first: a half-read one is released as well */
		rc = read_entry(name, v, &a->entries[a->nentries++], e);
		if (rc != 0)
			return rc;
	}
	return 0;
}

int
acl_parse(const void *json, size_t len, struct acl **ret, struct err *e)
{
	struct acl *a;
	json_t *root;
	int rc;

	root = json_strict(json, len, ACL_TEXT_MAX, e);
	if (root == NULL) {
		err_wrap(e, "acl");
		return len > ACL_TEXT_MAX ? ERR_TOOBIG : ERR_INVALID;
	}
	a = calloc(1, sizeof(*a));
	rc = a == NULL ? err_set(e, ERR_NOMEM, "acl: out of memory")
		       : read_acl(root, a, e);
	json_decref(root);
	if (rc != 0) {
		acl_free(a);
		return rc;
	}
	*ret = a;
	return 0;
}

void
acl_free(struct acl *a)
{
	size_t i;

	if (a == NULL)
		return;
	for (i = 0; i < a->nentries; i++)
		free(a->entries[i].persons);
	free(a->entries);
	free(a);
}

static const struct acl_entry *
entry_find(const struct acl *a, const char *name)
{
	size_t i;

	for (i = 0; i < a->nentries; i++) {
		if (strcmp(a->entries[i].name, name) == 0)
			return &a->entries[i];
	}
	return NULL;
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

static int64_t
weight_sum(const struct acl_entry *en, const struct signer *signers, size_t n)
{
	const struct acl_person *p;
	struct acl_person key = { 0 };
	int64_t sum = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (!counts(signers, i))
			continue;
		memcpy(key.fpr, signers[i].person, PGP_FPR_LEN);
		p = bsearch(&key, en->persons, en->npersons,
		    sizeof(*en->persons), person_compare);
		if (p != NULL)
			sum += p->weight;
	}
	return sum;
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
check_entry(const struct acl_entry *en, const char *name, int64_t least,
    const struct signer *signers, size_t n, struct err *e)
{
	int64_t sum = weight_sum(en, signers, n);
	int64_t need = least > en->minimum ? least : en->minimum;
	char who[512];

	if (sum >= need)
		return 0;
	return err_set(e, ERR_DENIED,
	    "%s: needs weight %" PRId64 " (entry \"%s\" of the ACL: %" PRId64
	    "), the signers bring %" PRId64 " (%s)",
	    name, need, en->name, en->minimum, sum,
	    list_signers(signers, n, who, sizeof(who)));
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
    const struct signer *signers, size_t n, struct err *e)
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
		en = entry_find(acl, module);
		if (en == NULL)
			en = entry_find(acl, "default");
		if (en == NULL)
			return err_set(e, ERR_DENIED,
			    "%s: the ACL has no entry for it and no default",
			    module);
		rc = check_entry(en, module, a->require_weight, signers, n, e);
	}
	if (rc == 0 && action_wish(a, &wish, &i) > 0)
		rc = acl_check_right(acl, AGENT_STOP_RIGHT, signers, n, e);
	return rc;
}

int
acl_check_right(const struct acl *acl, const char *right,
    const struct signer *signers, size_t n, struct err *e)
{
	const struct acl_entry *en = entry_find(acl, right);

	if (en == NULL)
		return err_set(
		    e, ERR_DENIED, "%s: the ACL has no entry for it", right);
	return check_entry(en, right, 1, signers, n, e);
}

static int
weight_compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? 1 : x > y ? -1 : 0;
}

int
acl_could_meet(const struct acl *acl, const char *right,
    uint8_t (*fprs)[PGP_FPR_LEN], size_t n, struct err *e)
{
	const struct acl_entry *en = entry_find(acl, right);
	struct acl_person key = { 0 };
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
		memcpy(key.fpr, fprs[i], PGP_FPR_LEN);
		p = bsearch(&key, en->persons, en->npersons,
		    sizeof(*en->persons), person_compare);
		if (p != NULL)
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
