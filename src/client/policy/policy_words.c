/* SPDX-License-Identifier: MPL-2.0 */
/* The difference between two policies, for people who are to sign it. Both were
 * parsed before: what does not read here is shown as such, not left out. */
#include "client/policy/policy_file.h"

#include "base/clock.h"
#include "base/hex.h"
#include "base/str.h"
#include "crypto/keyring.h"
#include "json/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PART_MAX (4 * 1024 * 1024)

struct words {
	struct buf *out;
	size_t n;  /* lines */
	int error; /* what is here is not all that there is to say */
};

static void
line(struct words *w, const char *what)
{
	w->n++;
	buf_add_fmt(w->out, "  %s", what);
}

/* Memory that is wanting is no property of the policy. */
static void
unreadable(struct words *w, int why, const char *what)
{
	if (why == ERR_NOMEM)
		w->error = why;
	line(w, what);
}

static void
text(struct words *w, const char *s)
{
	str_add_printable(w->out, s, strlen(s));
}

/* --- the keyring -----------------------------------------------------------
 */

static const struct keyring_person *
person_find(const struct keyring *k, const uint8_t fpr[PGP_FPR_LEN])
{
	size_t i;

	for (i = 0; i < k->npersons; i++)
		if (memcmp(k->persons[i].fpr, fpr, PGP_FPR_LEN) == 0)
			return &k->persons[i];
	return NULL;
}

static void
person(struct words *w, const char *what, const struct keyring_person *p)
{
	char fpr[2 * PGP_FPR_LEN + 1];

	hex_encode(p->fpr, PGP_FPR_LEN, fpr);
	line(w, what);
	buf_add_fmt(w->out, " %s ", fpr);
	text(w, p->name);
	buf_add_str(w->out, "\n");
}

static void
key(struct words *w, const char *what, const struct keyring *k,
    const struct keyring_key *key)
{
	char fpr[2 * PGP_FPR_LEN + 1], when[RFC3339_LEN + 1];

	hex_encode(key->fpr, PGP_FPR_LEN, fpr);
	line(w, what);
	buf_add_fmt(w->out, " %s of ", fpr);
	text(w, k->persons[key->person].name);
	if (key->expires != 0) {
		rfc3339_format(key->expires, when);
		buf_add_fmt(w->out, ", valid until %s", when);
	}
	buf_add_str(w->out, "\n");
}

/* A key that another person has now is a change as well. */
static bool
same_key(const struct keyring *a, const struct keyring_key *x,
    const struct keyring *b)
{
	const struct keyring_key *y = keyring_find(b, x->fpr);

	return y != NULL && y->created == x->created &&
	    y->expires == x->expires &&
	    memcmp(a->persons[x->person].fpr, b->persons[y->person].fpr,
		PGP_FPR_LEN) == 0;
}

static void
keyrings(struct words *w, const struct keyring *a, const struct keyring *b)
{
	const struct keyring_person *p;
	size_t i;

	for (i = 0; i < a->npersons; i++) {
		p = person_find(b, a->persons[i].fpr);
		if (p == NULL)
			person(w, "person removed:", &a->persons[i]);
		else if (strcmp(p->name, a->persons[i].name) != 0)
			person(w, "person renamed:", p);
	}
	for (i = 0; i < b->npersons; i++)
		if (person_find(a, b->persons[i].fpr) == NULL)
			person(w, "person added:  ", &b->persons[i]);
	for (i = 0; i < a->nkeys; i++)
		if (!same_key(a, &a->keys[i], b))
			key(w, "key removed:   ", a, &a->keys[i]);
	for (i = 0; i < b->nkeys; i++)
		if (!same_key(b, &b->keys[i], a))
			key(w, "key added:     ", b, &b->keys[i]);
}

static void
keyring_texts(
    struct words *w, const struct policy *was, const struct policy *next)
{
	struct keyring a, b;
	int r;

	r = keyring_parse(was->keyring, was->keyring_len, &a, NULL);
	if (r != 0) {
		unreadable(w, r, "the keyring before cannot be read\n");
		return;
	}
	r = keyring_parse(next->keyring, next->keyring_len, &b, NULL);
	if (r == 0) {
		keyrings(w, &a, &b);
		keyring_release(&b);
	} else {
		unreadable(w, r, "the new keyring cannot be read\n");
	}
	keyring_release(&a);
}

/* --- what is JSON: every value that differs, by its path -------------------
 */

static void
value(struct words *w, const json_t *v)
{
	char *s;

	if (v == NULL) {
		text(w, "nothing");
		return;
	}
	s = json_text(v, JSON_COMPACT | JSON_ENCODE_ANY);
	if (s == NULL)
		w->error = ERR_NOMEM;
	else
		text(w, s);
	free(s);
}

static void
differ(struct words *w, const char *path, const json_t *a, const json_t *b)
{
	line(w, "");
	text(w, path);
	if (a == NULL) {
		buf_add_str(w->out, " added: ");
		value(w, b);
	} else if (b == NULL) {
		buf_add_str(w->out, " removed: ");
		value(w, a);
	} else {
		buf_add_str(w->out, " changed from ");
		value(w, a);
		buf_add_str(w->out, " to ");
		value(w, b);
	}
	buf_add_str(w->out, "\n");
}

static void
objects(struct words *w, const char *path, json_t *a, json_t *b, int depth)
{
	const char *name;
	struct buf sub;
	json_t *v, *other;

	buf_init(&sub, 65536);
	json_object_foreach (a, name, v) {
		other = json_object_get(b, name);
		if (other != NULL && json_equal(v, other))
			continue;
		buf_clear(&sub);
		buf_add_fmt(&sub, "%s: %s", path, name);
		if (buf_str(&sub) == NULL)
			w->error = sub.error;
		else if (json_is_object(v) && json_is_object(other) &&
		    depth > 0)
			objects(w, buf_str(&sub), v, other, depth - 1);
		else
			differ(w, buf_str(&sub), v, other);
	}
	json_object_foreach (b, name, v) {
		if (json_object_get(a, name) != NULL)
			continue;
		buf_clear(&sub);
		buf_add_fmt(&sub, "%s: %s", path, name);
		if (buf_str(&sub) == NULL)
			w->error = sub.error;
		else
			differ(w, buf_str(&sub), NULL, v);
	}
	buf_release(&sub);
}

static json_t *
part(struct words *w, const uint8_t *p, size_t len)
{
	struct err e;
	json_t *j;

	err_clear(&e);
	j = len == 0 ? json_object() : json_strict(p, len, PART_MAX, &e);
	if (j == NULL && (len == 0 || e.code == ERR_NOMEM))
		w->error = ERR_NOMEM;
	return j;
}

static void
json_texts(struct words *w, const char *name, const uint8_t *a, size_t a_len,
    const uint8_t *b, size_t b_len)
{
	json_t *x = part(w, a, a_len), *y = part(w, b, b_len);

	if (json_is_object(x) && json_is_object(y))
		objects(w, name, x, y, 3);
	else
		line(w, "a part cannot be read\n");
	json_decref(x);
	json_decref(y);
}

int
policy_words(
    const struct policy *was, const struct policy *next, struct buf *out)
{
	char a[RFC3339_LEN + 1], b[RFC3339_LEN + 1];
	struct words w = { .out = out };

	buf_add_fmt(out, "version %" PRIu64 " -> %" PRIu64 "\n", was->version,
	    next->version);
	rfc3339_format(was->expires, a);
	rfc3339_format(next->expires, b);
	buf_add_fmt(out, "expires %s -> %s\n", a, b);
	keyring_texts(&w, was, next);
	json_texts(&w, "acl", was->acl, was->acl_len, next->acl, next->acl_len);
	json_texts(&w, "limits", was->limits, was->limits_len, next->limits,
	    next->limits_len);
	if (w.n == 0)
		buf_add_str(out, "  nobody and nothing else changes\n");
	return w.error != 0 ? w.error : out->error;
}
