/* SPDX-License-Identifier: MPL-2.0 */
/*
 * allowed_signers files to keyring lines: see allowed.h.
 *
 * Invariants: an entry is a key that every endpoint accepts, with the name of
 * its person; what is written parses as a keyring.
 */
#include "client/ssh/allowed.h"

#include "base/err.h"
#include "base/hex.h"
#include "base/str.h"
#include "client/pgp/keyring_make.h"
#include "client/ssh/allowed_opts.h"
#include "crypto/pubkey.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SPACE " \t\r"
#define ENTRIES_MAX KEYRING_KEYS_MAX
#define LINES_MAX KEYRING_TEXT_MAX

struct entry {
	struct keymaterial m;
	uint8_t fpr[PGP_FPR_LEN];
	int64_t created, expires;
	char name[KEYRING_NAME_MAX];
	const struct keyring_person *owner; /* who has it already; or NULL */
	unsigned int line;
};

struct maker {
	const struct allowed_whose *w;
	struct keyring_made *made;
	struct entry **list; /* owned */
	size_t n;
	unsigned int line;
};

/* A word, which double quotes keep together; *s moves behind it. */
static size_t
word_cut(char **s, char **ret)
{
	char *p = *s + strspn(*s, SPACE);
	bool quoted = false;

	*ret = p;
	for (; *p != '\0' && (quoted || strchr(SPACE, *p) == NULL); p++) {
		if (*p == '\\' && p[1] == '"')
			p++;
		else if (*p == '"')
			quoted = !quoted;
	}
	*s = p;
	return (size_t)(p - *ret);
}

/* Of those that may stand before a key without a value in sshd(8): the key of
 * an authority would become a person's. */
static bool
is_option(const char *word)
{
	static const char *const options[] = { "agent-forwarding",
		"cert-authority", "no-agent-forwarding", "no-port-forwarding",
		"no-pty", "no-touch-required", "no-user-rc",
		"no-x11-forwarding", "port-forwarding", "pty", "restrict",
		"user-rc", "verify-required", "x11-forwarding" };
	size_t i;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (strcasecmp(word, options[i]) == 0)
			return true;
	return false;
}

static int
principal_copy(const char *s, size_t len, char *ret, struct err *e)
{
	if (len > 1 && s[0] == '"' && s[len - 1] == '"') {
		s++;
		len -= 2;
	}
	if (len == 0 || len >= KEYRING_NAME_MAX)
		return err_set(e, ERR_INVALID,
		    "a principal of 1 to %d bytes is expected",
		    KEYRING_NAME_MAX - 1);
	memcpy(ret, s, len);
	ret[len] = '\0';
	if (strpbrk(ret, ",*?!") != NULL)
		return err_set(e, ERR_UNSUPPORTED,
		    "\"%s\": a line stands for one person here, not for a list "
		    "or a pattern",
		    ret);
	if (is_option(ret))
		return err_set(e, ERR_INVALID,
		    "\"%s\" is an option and no principal (is this an "
		    "authorized_keys file?)",
		    ret);
	if (strpbrk(ret, "=\"@") == ret || strpbrk(ret, "=\"") != NULL)
		return err_set(e, ERR_INVALID,
		    "\"%s\" is not a principal (is this another kind of file?)",
		    ret);
	return 0;
}

/* Fills the name, the times and where the key's two words are. */
static int
line_head(struct maker *k, char **s, struct entry *en, struct err *e)
{
	char *word, *at = *s;
	struct allowed_opts o = { 0 };
	size_t len = word_cut(&at, &word);
	int rc;

	if (sshpub_is_kind(word, len))
		return 0; /* as in id_ed25519.pub */
	rc = principal_copy(word, len, en->name, e);
	if (rc != 0)
		return rc;
	*s = at;
	len = word_cut(&at, &word);
	if (sshpub_is_kind(word, len))
		return 0;
	rc = allowed_opts_parse(word, len, &o, e);
	if (rc != 0)
		return rc;
	*s = at;
	en->created = o.valid_after;
	en->expires = o.valid_before;
	if (o.valid_before != 0 && o.valid_before <= k->w->now)
		return err_set(e, ERR_EXPIRED, "valid-before is in the past");
	return 0;
}

static int
entry_key(struct entry *en, const struct sshpub *p, struct err *e)
{
	struct pubkey *key = NULL;
	int rc = sshkey_parse(p->blob, p->len, &en->m, e);

	if (rc == 0)
		rc = keymaterial_key(&en->m, &key, e);
	pubkey_free(key);
	if (rc == 0)
		rc = keymaterial_fpr(&en->m, 0, en->fpr, e);
	return rc;
}

static int
entry_name(
    struct maker *k, struct entry *en, const char *comment, struct err *e)
{
	struct buf b;
	bool same;

	if (k->w->name != NULL)
		comment = k->w->name;
	if ((k->w->name != NULL || en->name[0] == '\0') &&
	    !str_copy(en->name, sizeof(en->name), comment))
		return err_set(e, ERR_INVALID,
		    "the name is longer than %d bytes", KEYRING_NAME_MAX - 1);
	if (en->name[0] == '\0')
		return err_set(e, ERR_INVALID,
		    "the key has no comment: say whose it is, -name NAME");
	buf_init(&b, 4 * KEYRING_NAME_MAX);
	str_add_printable(&b, en->name, strlen(en->name));
	same = b.len == strlen(en->name);
	buf_release(&b);
	return same ? 0
		    : err_set(e, ERR_INVALID, "the name is not printable text");
}

/* Who has the key is somebody: a file does not make them another person, nor
 * puts another's key to them, by a name that it chose. */
static int
entry_owner(const struct maker *k, struct entry *en, struct err *e)
{
	const struct keyring *old = k->w->old;
	const struct keyring_key *key =
	    old == NULL ? NULL : keyring_find(old, en->fpr);
	char fpr[2 * PGP_FPR_LEN + 1];

	if (key == NULL)
		return 0;
	en->owner = &old->persons[key->person];
	if (k->w->person != NULL || strcmp(en->name, en->owner->name) == 0)
		return 0;
	hex_encode(en->owner->fpr, PGP_FPR_LEN, fpr);
	return err_set(e, ERR_EXISTS,
	    "the key is of %s in the keyring; to rename them say -person %s "
	    "and -name",
	    en->owner->name, fpr);
}

static int
line_parse(struct maker *k, char *s, struct entry *en, struct err *e)
{
	struct sshpub p;
	size_t i;
	int rc = line_head(k, &s, en, e);

	if (rc == 0)
		rc = sshpub_read(s, strlen(s), &p, e);
	if (rc == 0)
		rc = entry_key(en, &p, e);
	if (rc == 0)
		rc = entry_name(k, en, p.comment, e);
	if (rc == 0)
		rc = entry_owner(k, en, e);
	for (i = 0; rc == 0 && i < k->n; i++)
		if (memcmp(k->list[i]->fpr, en->fpr, PGP_FPR_LEN) == 0)
			rc = err_set(e, ERR_EXISTS,
			    "the key stands in line %u already",
			    k->list[i]->line);
	return rc;
}

static int
line_take(struct maker *k, char *s, struct err *e)
{
	struct entry *en, **list;
	struct err why;
	int rc;

	if (k->n == ENTRIES_MAX)
		return err_set(e, ERR_TOOBIG, "more than %d keys", ENTRIES_MAX);
	en = calloc(1, sizeof(*en));
	list = reallocarray(k->list, k->n + 1, sizeof(*list));
	if (list != NULL)
		k->list = list;
	if (en == NULL || list == NULL) {
		free(en);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	err_clear(&why);
	rc = line_parse(k, s, en, &why);
	if (rc == 0) {
		en->line = k->line;
		k->list[k->n++] = en;
		return 0;
	}
	free(en);
	if (rc == ERR_NOMEM)
		return err_set(e, rc, "out of memory");
	buf_add_fmt(&k->made->refused, "line %u: ", k->line);
	str_add_printable(&k->made->refused, why.msg, strlen(why.msg));
	buf_add_str(&k->made->refused, "\n");
	k->made->nrefused++;
	return 0;
}

static int
read_lines(struct maker *k, char *text, struct err *e)
{
	char *s, *end;
	int rc = 0;

	for (s = text; rc == 0 && *s != '\0'; s = end) {
		k->line++;
		end = s + strcspn(s, "\n");
		if (*end == '\n')
			*end++ = '\0';
		if (strlen(s) > ALLOWED_LINE_MAX)
			return err_set(e, ERR_TOOBIG,
			    "line %u is longer than %d bytes", k->line,
			    ALLOWED_LINE_MAX);
		s += strspn(s, SPACE);
		if (*s != '\0' && *s != '#')
			rc = line_take(k, s, e);
	}
	return rc;
}

/* --- persons -------------------------------------------------------------- */

static const uint8_t *
person_of(const struct maker *k, size_t first)
{
	const uint8_t *owner = k->w->person;
	size_t i;

	for (i = first; owner == NULL && i < k->n; i++)
		if (strcmp(k->list[i]->name, k->list[first]->name) == 0 &&
		    k->list[i]->owner != NULL)
			owner = k->list[i]->owner->fpr;
	return owner != NULL ? owner : k->list[first]->fpr;
}

static void
person_write(struct maker *k, size_t first)
{
	struct buf *out = &k->made->lines;
	char fpr[2 * PGP_FPR_LEN + 1];
	const struct entry *en;
	size_t i;

	hex_encode(person_of(k, first), PGP_FPR_LEN, fpr);
	buf_add_fmt(out, "person %s %s\n", fpr, k->list[first]->name);
	k->made->persons++;
	for (i = first; i < k->n; i++) {
		en = k->list[i];
		if (strcmp(en->name, k->list[first]->name) != 0)
			continue;
		hex_encode(en->fpr, PGP_FPR_LEN, fpr);
		buf_add_fmt(out, "key %s %s %lld %lld ", fpr,
		    key_alg_word(en->m.alg), (long long)en->created,
		    (long long)en->expires);
		keymaterial_write(&en->m, out);
		buf_add_str(out, "\n");
		k->made->keys++;
	}
}

static void
persons_write(struct maker *k)
{
	size_t i, j;

	for (i = 0; i < k->n; i++) {
		for (j = 0; j < i; j++)
			if (strcmp(k->list[j]->name, k->list[i]->name) == 0)
				break;
		if (j == i)
			person_write(k, i);
	}
}

static int
fail_first(const struct keyring_made *m, struct err *e)
{
	const char *s = (const char *)m->refused.data;

	if (m->refused.len == 0)
		return err_set(e, ERR_INVALID, "no SSH public key in it");
	return err_set(e, ERR_INVALID, "%.*s", (int)strcspn(s, "\n"), s);
}

int
allowed_keyring(const void *text, size_t len, const struct allowed_whose *w,
    struct keyring_made *ret, struct err *e)
{
	struct maker k = { .w = w, .made = ret };
	char *copy;
	size_t i;
	int rc;

	memset(ret, 0, sizeof(*ret));
	buf_init(&ret->lines, LINES_MAX);
	buf_init(&ret->refused, LINES_MAX);
	if (len > ALLOWED_TEXT_MAX ||
	    (len > 0 && memchr(text, '\0', len) != NULL))
		return err_set(e, ERR_INVALID,
		    "a text of at most %d bytes is expected", ALLOWED_TEXT_MAX);
	if (sshpub_is_private(text, len))
		return err_set(
		    e, ERR_INVALID, "this is a private key; give its .pub");
	copy = malloc(len + 1);
	if (copy == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (len > 0)
		memcpy(copy, text, len);
	copy[len] = '\0';
	rc = read_lines(&k, copy, e);
	if (rc == 0)
		persons_write(&k);
	if (rc == 0 && (ret->lines.error != 0 || ret->refused.error != 0))
		rc = err_code(e,
		    ret->lines.error != 0 ? ret->lines.error
					  : ret->refused.error,
		    "the keys together");
	if (rc == 0 && ret->persons == 0)
		rc = fail_first(ret, e);
	for (i = 0; i < k.n; i++)
		free(k.list[i]);
	free(k.list);
	free(copy);
	return rc;
}

/* The first line that says something. */
bool
allowed_is_text(const void *text, size_t len)
{
	const char *s = text, *end = s + len, *nl;
	char line[64], *at = line, *word;
	size_t n;

	for (; s < end; s = nl + 1) {
		nl = memchr(s, '\n', (size_t)(end - s));
		if (nl == NULL)
			nl = end;
		while (s < nl && strchr(SPACE, *s) != NULL && *s != '\0')
			s++;
		if (s < nl && *s != '#')
			break;
	}
	n = s < end ? (size_t)(end - s) : 0;
	if (n >= sizeof(line))
		n = sizeof(line) - 1;
	if (n == 0 || (*s & 0x80) != 0 || memchr(s, '\0', n) != NULL)
		return false;
	memcpy(line, s, n);
	line[n] = '\0';
	n = word_cut(&at, &word);
	return n > 0 && memmem(text, len, "-----BEGIN PGP", 14) == NULL;
}
