/* SPDX-License-Identifier: MPL-2.0 */
/* Changes to a keyring file as text: comments and order stay, what comes out
 * is parsed back. A block is a person line and the key lines after it. */
#include "client/pgp/keyring_make.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/hex.h"
#include "crypto/keymaterial.h"
#include "crypto/pubkey.h"

#include <stdlib.h>
#include <string.h>

#define HEADER "mig-keyring 3\n"
#define PERSON "person "
#define PERSON_LEN (sizeof(PERSON) - 1)
#define KEY "key "
#define KEY_LEN (sizeof(KEY) - 1)
#define FPR_HEX (2 * PGP_FPR_LEN)

struct line {
	const char *s; /* borrowed; without the line feed */
	size_t len;
};

static bool
line_next(const char **p, size_t *left, struct line *ret)
{
	const char *nl;

	if (*left == 0)
		return false;
	nl = memchr(*p, '\n', *left);
	ret->s = *p;
	ret->len = nl == NULL ? *left : (size_t)(nl - *p);
	*left -= nl == NULL ? *left : ret->len + 1;
	*p += nl == NULL ? ret->len : ret->len + 1;
	return true;
}

static bool
line_is_person(const struct line *l, uint8_t fpr[static PGP_FPR_LEN])
{
	char hex[FPR_HEX + 1];

	if (l->len < PERSON_LEN + FPR_HEX ||
	    memcmp(l->s, PERSON, PERSON_LEN) != 0)
		return false;
	memcpy(hex, l->s + PERSON_LEN, FPR_HEX);
	hex[FPR_HEX] = '\0';
	return hex_decode(hex, fpr, PGP_FPR_LEN) == 0;
}

/* Of a key line: its fingerprint and whether it is a key of SSH. */
static bool
line_is_key(
    const struct line *l, uint8_t fpr[static PGP_FPR_LEN], bool *ret_ssh)
{
	const size_t at = KEY_LEN + FPR_HEX;
	char hex[FPR_HEX + 1];

	if (l->len <= at + 1 || memcmp(l->s, KEY, KEY_LEN) != 0)
		return false;
	memcpy(hex, l->s + KEY_LEN, FPR_HEX);
	hex[FPR_HEX] = '\0';
	*ret_ssh = memmem(l->s + at, l->len - at, "ssh-", 4) != NULL;
	return hex_decode(hex, fpr, PGP_FPR_LEN) == 0;
}

/* Does an old key line stay beside the block of its person in lines? */
static bool
key_stays(const char *lines, size_t len, const uint8_t who[static PGP_FPR_LEN],
    const struct line *old)
{
	uint8_t want[PGP_FPR_LEN], got[PGP_FPR_LEN];
	bool ssh, got_ssh, in = false;
	struct line l;

	if (!line_is_key(old, want, &ssh))
		return false;
	while (line_next(&lines, &len, &l)) {
		if (line_is_person(&l, got))
			in = memcmp(got, who, PGP_FPR_LEN) == 0;
		else if (in && line_is_key(&l, got, &got_ssh) &&
		    ((!ssh && !got_ssh) || memcmp(got, want, PGP_FPR_LEN) == 0))
			return false;
	}
	return true;
}

/* Appends the block of that person; false when lines has none. */
static bool
block_add(const char *lines, size_t len, const uint8_t fpr[static PGP_FPR_LEN],
    struct buf *out)
{
	uint8_t got[PGP_FPR_LEN];
	bool in = false, found = false;
	struct line l;

	while (line_next(&lines, &len, &l)) {
		if (line_is_person(&l, got)) {
			in = memcmp(got, fpr, PGP_FPR_LEN) == 0;
			found |= in;
		}
		if (in) {
			buf_add(out, l.s, l.len);
			buf_add_str(out, "\n");
		}
	}
	return found;
}

/* Copies old; a person that lines has too is replaced by the new block, that
 * of *drop (may be NULL) is left out. */
static bool
copy_old(const char *old, size_t old_len, const char *lines, size_t len,
    const uint8_t *drop, struct buf *out)
{
	uint8_t fpr[PGP_FPR_LEN] = { 0 };
	bool skip = false, dropped = false;
	struct line l;

	while (line_next(&old, &old_len, &l)) {
		if (line_is_person(&l, fpr)) {
			skip = block_add(lines, len, fpr, out);
			if (drop != NULL && memcmp(fpr, drop, PGP_FPR_LEN) == 0)
				skip = dropped = true;
		}
		/* Comments between a person's lines are kept as well. */
		if (skip && l.len > 0 && l.s[0] != '#' &&
		    (dropped || !key_stays(lines, len, fpr, &l)))
			continue;
		buf_add(out, l.s, l.len);
		buf_add_str(out, "\n");
	}
	return dropped;
}

/* The same without the line of one key; false when it is not there. */
static bool
copy_without_key(const char *old, size_t len,
    const uint8_t drop[static PGP_FPR_LEN], struct buf *out)
{
	uint8_t fpr[PGP_FPR_LEN];
	bool found = false, ssh;
	struct line l;

	while (line_next(&old, &len, &l)) {
		if (line_is_key(&l, fpr, &ssh) &&
		    memcmp(fpr, drop, PGP_FPR_LEN) == 0) {
			found = true;
			continue;
		}
		buf_add(out, l.s, l.len);
		buf_add_str(out, "\n");
	}
	return found;
}

static bool
has_person(const char *text, size_t len, const uint8_t want[static PGP_FPR_LEN])
{
	uint8_t fpr[PGP_FPR_LEN];
	struct line l;

	while (line_next(&text, &len, &l)) {
		if (line_is_person(&l, fpr) &&
		    memcmp(fpr, want, PGP_FPR_LEN) == 0)
			return true;
	}
	return false;
}

static int
text_check(const void *text, size_t len, struct err *e)
{
	struct keyring k;
	int rc = keyring_parse(text, len, &k, e);

	if (rc == 0)
		keyring_release(&k);
	return rc;
}

/* Gives the bytes added to out since before only when they parse. */
static int
finish(struct buf *out, size_t before, struct err *e)
{
	int rc = out->error;

	if (rc != 0)
		err_code(e, rc, "the keyring");
	else
		rc = text_check(out->data + before, out->len - before, e);
	if (rc != 0)
		out->len = before;
	return rc;
}

int
keyring_merge(const void *old, size_t old_len, const void *lines,
    size_t lines_len, struct buf *out, struct err *e)
{
	const char *p = lines;
	size_t before = out->len, left = lines_len;
	uint8_t fpr[PGP_FPR_LEN];
	struct line l;
	int rc;

	if (old_len > 0) {
		rc = text_check(old, old_len, e);
		if (rc != 0)
			return rc;
		copy_old(old, old_len, lines, lines_len, NULL, out);
	} else {
		buf_add_str(out, HEADER);
	}
	while (line_next(&p, &left, &l)) {
		if (line_is_person(&l, fpr) &&
		    (old_len == 0 || !has_person(old, old_len, fpr)))
			block_add(lines, lines_len, fpr, out);
	}
	return finish(out, before, e);
}

int
keyring_remove(const void *old, size_t old_len, const char *fpr,
    struct buf *out, struct err *e)
{
	size_t before = out->len;
	uint8_t want[PGP_FPR_LEN];
	int rc = text_check(old, old_len, e);

	if (rc != 0)
		return rc;
	if (hex_decode(fpr, want, sizeof(want)) != 0)
		return err_set(e, ERR_INVALID,
		    "\"%.64s\" is not a full fingerprint (40 hexadecimal "
		    "digits)",
		    fpr);
	if (!copy_old(old, old_len, "", 0, want, out)) {
		out->len = before;
		if (!copy_without_key(old, old_len, want, out)) {
			out->len = before;
			return err_set(e, ERR_NOTFOUND,
			    "neither a person nor a key with fingerprint %s is "
			    "in the keyring",
			    fpr);
		}
	}
	rc = finish(out, before, e);
	if (rc == ERR_INVALID)
		err_wrap(e, "removing the only key (remove the person)");
	return rc;
}

static void
key_list(const struct keyring_key *key, int64_t now, struct buf *out)
{
	char fpr[FPR_HEX + 1], made[RFC3339_LEN + 1], end[RFC3339_LEN + 1];
	bool ssh = key_alg_is_ssh(key->alg);

	hex_encode(key->fpr, PGP_FPR_LEN, fpr);
	rfc3339_format(key->created, made);
	buf_add_fmt(out, "    %s %s", fpr, key_alg_word(key->alg));
	if (key->alg == KEY_RSA)
		buf_add_fmt(out, "%u", pubkey_bits(key->pubkey));
	if (ssh) {
		buf_add_str(out, " SHA256:");
		b64_encode(out, key->ssh.b, ID_LEN);
		out->len -= out->error == 0; /* as ssh-keygen: no padding */
	}
	if (key->created != 0)
		buf_add_fmt(
		    out, ", %s %.10s", ssh ? "valid from" : "made", made);
	if (key->expires == 0) {
		buf_add_str(out, ", never expires\n");
		return;
	}
	rfc3339_format(key->expires, end);
	buf_add_fmt(out, ", %s %.10s\n",
	    key->expires <= now ? "EXPIRED" : "expires", end);
}

int
keyring_list(
    const void *text, size_t len, int64_t now, struct buf *out, struct err *e)
{
	char fpr[FPR_HEX + 1];
	struct keyring k;
	size_t i, j;
	int rc = keyring_parse(text, len, &k, e);

	if (rc != 0)
		return rc;
	for (i = 0; i < k.npersons; i++) {
		hex_encode(k.persons[i].fpr, PGP_FPR_LEN, fpr);
		buf_add_fmt(out, "%s %s\n", fpr, k.persons[i].name);
		for (j = 0; j < k.nkeys; j++) {
			if (k.keys[j].person == i)
				key_list(&k.keys[j], now, out);
		}
	}
	keyring_release(&k);
	return out->error == 0 ? 0
			       : err_code(e, out->error, "the keys together");
}
