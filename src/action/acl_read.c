/* SPDX-License-Identifier: MPL-2.0 */
/* An ACL's text into tables. Nothing is passed by: what cannot be honoured is
 * refused, and an agent that does not know a field refuses the whole policy. */
#include "action/acl.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/hex.h"
#include "base/path.h"
#include "base/str.h"
#include "json/json.h"
#include "modules/agent/wish.h"
#include "modules/module.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACL_ENTRIES_MAX 256
#define ACL_PERSONS_MAX 4096 /* of one entry: sums cannot overflow */

static const struct acl_dates always = { INT64_MIN, INT64_MAX };

static int
person_compare(const void *a, const void *b)
{
	const struct acl_person *x = a, *y = b;

	return memcmp(x->fpr, y->fpr, PGP_FPR_LEN);
}

static int
read_time(const json_t *v, const char *where, const char *key, int64_t *ret,
    struct err *e)
{
	return json_object_get(v, key) == NULL
	    ? 0
	    : json_need_time(v, where, key, ret, e);
}

static int
read_dates(
    const json_t *v, const char *where, struct acl_dates *ret, struct err *e)
{
	int rc;

	*ret = always;
	if ((rc = read_time(v, where, "notbefore", &ret->not_before, e)) != 0 ||
	    (rc = read_time(v, where, "notafter", &ret->not_after, e)) != 0)
		return rc;
	if (ret->not_before >= ret->not_after)
		return err_set(e, ERR_INVALID,
		    "%s: notafter is not later than notbefore", where);
	return 0;
}

static int
read_person(
    const json_t *v, const char *where, struct acl_person *p, struct err *e)
{
	static const char *const keys[] = { "fingerprint", "weight",
		"notbefore", "notafter", NULL };
	const char *fpr;
	int rc;

	if ((rc = json_only_keys(v, where, keys, e)) != 0 ||
	    (rc = json_no_nulls(v, where, keys, e)) != 0 ||
	    (rc = json_need_str(v, where, "fingerprint", &fpr, e)) != 0 ||
	    (rc = json_need_int(
		 v, where, "weight", 1, ACL_WEIGHT_MAX, &p->weight, e)) != 0)
		return rc;
	if (hex_decode(fpr, p->fpr, PGP_FPR_LEN) != 0)
		return err_set(e, ERR_INVALID,
		    "%s.fingerprint: expected 40 hex digits", where);
	return read_dates(v, where, &p->dates, e);
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
	struct acl_person *p;
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
		/* counted first: a half-read one is released as well */
		p = &en->persons[en->npersons++];
		rc = read_person(v, where, p, e);
		if (rc != 0)
			return rc;
		p->label = strdup(label);
		if (p->label == NULL)
			return err_set(e, ERR_NOMEM, "acl: out of memory");
	}
	qsort(en->persons, en->npersons, sizeof(*en->persons), person_compare);
	return check_twice(en, e);
}

static int
read_path(const json_t *v, const struct acl_entry *en, size_t i,
    struct buf *out, struct err *e)
{
	const char *p = json_string_value(v), *c;

	for (c = p; c != NULL && (unsigned char)*c >= ' ' && *c != 0x7f; c++)
		;
	if (p == NULL || *c != '\0' || !path_is_clean(p))
		return err_set(e, ERR_INVALID,
		    "%s.paths[%zu]: expected an absolute path without \"..\", "
		    "\".\", doubled and last slashes and control characters",
		    en->name, i);
	/* out has room for the terminator as well, which is not theirs */
	buf_add_fmt(out, "%s%s", i > 0 ? "\n" : "", p);
	return out->error == 0 && out->len <= ACL_PATHS_BYTES_MAX
	    ? 0
	    : err_set(e, ERR_TOOBIG, "%s.paths: more than %d bytes together",
		  en->name, ACL_PATHS_BYTES_MAX);
}

/* Where paths mean nothing they would be taken for a limit that is none. */
static int
may_have_paths(const struct acl_entry *en, struct err *e)
{
	const struct module *m = module_find(en->name);

	if (m == NULL || m->paths != NULL)
		return 0;
	return err_set(e, ERR_INVALID,
	    "%s.paths: the module %s takes no paths, so none can be set for it",
	    en->name, en->name);
}

static int
read_paths(const json_t *v, struct acl_entry *en, struct err *e)
{
	json_t *list = NULL;
	struct buf text;
	size_t i, n;
	int rc = json_opt_array(v, en->name, "paths", &list, e);

	if (rc != 0 || list == NULL)
		return rc;
	n = json_array_size(list);
	if (n == 0 || n > ACL_PATHS_MAX)
		return err_set(e, ERR_INVALID,
		    "%s.paths: %zu paths, expected 1 to %d (leave the field "
		    "out to allow any)",
		    en->name, n, ACL_PATHS_MAX);
	rc = may_have_paths(en, e);
	buf_init(&text, ACL_PATHS_BYTES_MAX + 1);
	for (i = 0; i < n && rc == 0; i++)
		rc = read_path(json_array_get(list, i), en, i, &text, e);
	if (rc == 0) {
		free(en->paths);
		en->paths = strdup(buf_str(&text));
		if (en->paths == NULL)
			rc = err_set(e, ERR_NOMEM, "acl: out of memory");
	}
	buf_release(&text);
	return rc;
}

static int
read_detail(const json_t *v, struct acl_entry *en, struct err *e)
{
	const char *word = NULL;
	int rc = json_opt_str(v, en->name, "detail", &word, e);

	if (rc != 0 || word == NULL)
		return rc;
	if (detail_find(word, &en->detail) != 0)
		return err_set(e, ERR_INVALID,
		    "%s.detail: expected \"found-only\", \"metadata\" or "
		    "\"full\"",
		    en->name);
	return 0;
}

/* Entries that are no modules give a right and no answer; the one that lets a
 * policy be changed must not run out while nobody looks. */
static int
check_right(const json_t *v, const struct acl_entry *en, struct err *e)
{
	static const char *const rights[] = { "policy", "cancel",
		AGENT_STOP_RIGHT };
	static const char *const none[] = { "paths", "detail", "notbefore",
		"notafter" };
	size_t i, k, n;

	for (i = 0; i < sizeof(rights) / sizeof(rights[0]); i++) {
		if (strcmp(en->name, rights[i]) != 0)
			continue;
		/* the last two for "policy" */
		n = i == 0 ? 4 : 2;
		for (k = 0; k < n; k++) {
			if (json_object_get(v, none[k]) == NULL)
				continue;
			return err_set(e, ERR_INVALID, "%s.%s: %s", en->name,
			    none[k],
			    k < 2 ? "this right has no answer that could be "
				    "limited"
				  : "when it ends nobody could change the "
				    "policy any more; set dates for people");
		}
	}
	return 0;
}

static int
read_entry(const char *name, json_t *v, struct acl_entry *en, struct err *e)
{
	static const char *const keys[] = { "minimumweight", "investigators",
		"notbefore", "notafter", "paths", "detail", NULL };
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
	json_t *list;
	int rc;

	if (n == 0 || name[n] != '\0' || n >= sizeof(en->name))
		return err_set(e, ERR_INVALID,
		    "acl: an entry is named \"default\" or like a module (1 to "
		    "31 lower-case letters and digits)");
	memcpy(en->name, name, n + 1);
	en->paths = strdup("");
	if (en->paths == NULL)
		return err_set(e, ERR_NOMEM, "acl: out of memory");
	if ((rc = json_only_keys(v, name, keys, e)) != 0 ||
	    (rc = json_no_nulls(v, name, keys, e)) != 0 ||
	    (rc = json_need_int(v, name, "minimumweight", 1, ACL_WEIGHT_MAX,
		 &en->minimum, e)) != 0 ||
	    (rc = json_need_object(v, name, "investigators", &list, e)) != 0 ||
	    (rc = check_right(v, en, e)) != 0 ||
	    (rc = read_dates(v, name, &en->dates, e)) != 0 ||
	    (rc = read_paths(v, en, e)) != 0 ||
	    (rc = read_detail(v, en, e)) != 0)
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
	if (root == NULL)
		return err_wrap(e, "acl");
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
	struct acl_entry *en;
	size_t i, k;

	if (a == NULL)
		return;
	for (i = 0; i < a->nentries; i++) {
		en = &a->entries[i];
		for (k = 0; k < en->npersons; k++)
			free(en->persons[k].label);
		free(en->persons);
		free(en->paths);
	}
	free(a->entries);
	free(a);
}
