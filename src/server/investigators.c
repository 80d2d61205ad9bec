/* SPDX-License-Identifier: MPL-2.0 */
/* Adding, removing and collecting investigators: see investigators.h. */
#include "server/investigators.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hex.h"
#include "base/str.h"
#include "server/audit.h"
#include "server/store/people.h"
#include "server/store/store.h"

#include <string.h>
#include <strings.h>

#define HEADER "mig-keyring 3\n"

static int
collect(const struct store_investigator *i, void *arg)
{
	struct buf *out = arg;
	const char *body = i->keyring;

	if (str_starts(body, HEADER))
		body += strlen(HEADER);
	return (buf_add_str(out, body));
}

int
investigators_keyring(struct store *s, struct keyring *ret, struct err *e)
{
	struct buf text;
	int rc;

	buf_init(&text, KEYRING_TEXT_MAX);
	buf_add_str(&text, HEADER);
	rc = store_investigators(s, collect, &text, e);
	if (rc == 0 && (rc = text.error) != 0)
		err_code(e, rc, "the investigators' keyring");
	if (rc == 0)
		rc = keyring_parse(text.data, text.len, ret, e);
	buf_release(&text);
	return (rc);
}

/* The lines of one person: "person FPR ..." and the key lines after it. */
static void
person_text(const char *text, size_t len, const char *fpr, struct buf *out)
{
	const char *p = text, *end = text + len, *nl;
	bool mine = false;
	size_t n;

	buf_add_str(out, HEADER);
	for (; p < end; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (nl == NULL)
			nl = end;
		n = (size_t)(nl - p);
		if (n >= 7 && memcmp(p, "person ", 7) == 0)
			mine = n >= 7 + STORE_FPR_HEX &&
			    strncasecmp(p + 7, fpr, STORE_FPR_HEX) == 0;
		if (!mine || n == 0 || p[0] == '#')
			continue;
		buf_add(out, p, n);
		buf_add_u8(out, '\n');
	}
}

struct role_of {
	const char *fpr;
	enum person_role role; /* as it is when there is no such person */
};

static int
find_role(const struct store_investigator *i, void *arg)
{
	struct role_of *r = arg;

	if (strcasecmp(i->fpr, r->fpr) == 0 && i->role != 0)
		r->role = i->role;
	return (0);
}

static int
note(struct store *s, const char *who, const char *what, const char *fpr,
    const char *detail, int64_t now, struct err *e)
{
	struct audit_note n = { who, what, fpr, detail };

	return (audit_add(s, &n, now, e));
}

static int
add_person(struct store *s, const struct investigators_add *a,
    const struct keyring_person *p, enum person_role role, struct err *e)
{
	char fpr[STORE_FPR_HEX + 1];
	struct store_investigator i = { 0 };
	struct role_of before = { fpr, PERSON_INVESTIGATOR };
	struct buf text;
	int rc;

	hex_encode(p->fpr, PGP_FPR_LEN, fpr);
	buf_init(&text, KEYRING_TEXT_MAX);
	person_text(a->text, a->len, fpr, &text);
	i.fpr = fpr;
	i.name = a->name[0] != '\0' ? a->name : p->name;
	i.created = a->now;
	if ((i.keyring = buf_str(&text)) == NULL)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	else
		rc = store_investigators(s, find_role, &before, e);
	i.role = role != 0 ? role : before.role;
	if (rc == 0)
		rc = store_investigator_put(s, &i, e);
	if (rc == 0)
		rc = note(s, a->who, "investigator_put", fpr,
		    person_role_text(i.role), a->now, e);
	buf_release(&text);
	return (rc);
}

static int
check_persons(
    const struct keyring *k, const struct investigators_add *a, struct err *e)
{
	char fpr[STORE_FPR_HEX + 1];
	size_t i, j;

	if (k->npersons == 0)
		return (err_set(e, ERR_INVALID,
		    "the keyring names nobody: make it with"
		    " `mig keyring export`"));
	if (a->fpr[0] == '\0' && a->name[0] == '\0')
		goto keys;
	if (k->npersons != 1)
		return (err_set(e, ERR_INVALID,
		    "the keyring holds %zu persons, expected one",
		    k->npersons));
	hex_encode(k->persons[0].fpr, PGP_FPR_LEN, fpr);
	if (a->fpr[0] != '\0' && strcasecmp(fpr, a->fpr) != 0)
		return (err_set(e, ERR_INVALID,
		    "fingerprint: the keyring is of %s, not of %.80s", fpr,
		    a->fpr));
keys:
	for (i = 0; i < k->npersons; i++) {
		for (j = 0; j < k->nkeys && k->keys[j].person != i; j++)
			continue;
		if (j == k->nkeys)
			return (err_set(e, ERR_INVALID,
			    "%s has no key in the keyring",
			    k->persons[i].name));
	}
	return (0);
}

struct admins {
	const char *fpr; /* who is not counted */
	size_t others;
};

static int
count_admin(const struct store_investigator *i, void *arg)
{
	struct admins *a = arg;

	if (i->role == PERSON_ADMIN && strcasecmp(i->fpr, a->fpr) != 0)
		a->others++;
	return (0);
}

int
investigators_add(struct store *s, const struct investigators_add *a,
    size_t *ret_n, struct err *e)
{
	struct admins before = { "", 0 }, after = { "", 0 };
	struct keyring k, all;
	size_t i;
	int rc;

	if ((rc = keyring_parse(a->text, a->len, &k, e)) != 0)
		return (rc);
	if ((rc = check_persons(&k, a, e)) == 0)
		rc = store_investigators(s, count_admin, &before, e);
	for (i = 0; i < k.npersons && rc == 0; i++)
		rc = add_person(s, a, &k.persons[i],
		    i == 0 && a->first != 0 ? a->first : a->role, e);
	if (rc == 0)
		rc = store_investigators(s, count_admin, &after, e);
	if (rc == 0 && before.others > 0 && after.others == 0)
		rc = err_set(e, ERR_DENIED,
		    "this would leave no admin: make another one first");
	if (rc == 0 && (rc = investigators_keyring(s, &all, e)) == 0)
		keyring_release(&all);
	if (rc == 0)
		*ret_n = k.npersons;
	keyring_release(&k);
	return (rc);
}

static int
need_fingerprint(
    const char *fpr, char lower[static STORE_FPR_HEX + 1], struct err *e)
{
	uint8_t raw[PGP_FPR_LEN];

	if (hex_decode(fpr, raw, sizeof(raw)) != 0)
		return (err_set(e, ERR_INVALID,
		    "expected a fingerprint of 40 hex digits, not '%.80s'",
		    fpr));
	hex_encode(raw, sizeof(raw), lower);
	return (0);
}

/* Of the admins one must stay. */
static int
need_others(struct store *s, const char *fpr, struct err *e)
{
	struct role_of is = { fpr, 0 };
	struct admins a = { fpr, 0 };
	int rc;

	if ((rc = store_investigators(s, count_admin, &a, e)) != 0 ||
	    (rc = store_investigators(s, find_role, &is, e)) != 0)
		return (rc);
	if (a.others > 0 || is.role != PERSON_ADMIN)
		return (0);
	return (err_set(e, ERR_DENIED,
	    "%s is the last admin: make another one first", fpr));
}

int
investigators_remove(
    struct store *s, const char *fpr, const char *who, struct err *e)
{
	char lower[STORE_FPR_HEX + 1];
	int rc;

	if ((rc = need_fingerprint(fpr, lower, e)) != 0 ||
	    (rc = need_others(s, lower, e)) != 0 ||
	    (rc = store_investigator_remove(s, lower, e)) != 0)
		return (rc);
	return (note(
	    s, who, "investigator_removed", lower, "", clock_wall_ms(), e));
}

int
investigators_role(struct store *s, const char *fpr, enum person_role role,
    const char *who, struct err *e)
{
	char lower[STORE_FPR_HEX + 1];
	int rc;

	if ((rc = need_fingerprint(fpr, lower, e)) != 0 ||
	    (role != PERSON_ADMIN && (rc = need_others(s, lower, e)) != 0) ||
	    (rc = store_investigator_role(s, lower, role, e)) != 0)
		return (rc);
	return (note(s, who, "investigator_role", lower, person_role_text(role),
	    clock_wall_ms(), e));
}
