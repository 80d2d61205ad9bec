/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The plain keyring: text in, persons and ready keys out; and the check of a
 * set of signatures with it.
 *
 * Invariants of a parsed keyring: every key belongs to one person, its
 * fingerprint is that of its numbers, no fingerprint and no numbers occur
 * twice, every person has at least one key.
 */
#include "crypto/keyring.h"

#include "base/err.h"
#include "base/hex.h"
#include "base/str.h"
#include "crypto/keymaterial.h"
#include "crypto/pubkey.h"
#include "crypto/sha256.h"
#include "crypto/sshkey.h"
#include "crypto/sshsig.h"

#include <stdlib.h>
#include <string.h>

#define FPR_HEX (2 * PGP_FPR_LEN)

struct parser {
	struct keyring k;
	struct id *material; /* hash of each key's numbers */
	size_t persons_cap, keys_cap;
	size_t line;
	struct keymaterial m;
};

void
keyring_release(struct keyring *k)
{
	size_t i;

	for (i = 0; i < k->nkeys; i++)
		pubkey_free(k->keys[i].pubkey);
	free(k->keys);
	free(k->persons);
	memset(k, 0, sizeof(*k));
}

/* Cuts the next word off *s; empty when there is none. */
static char *
next_word(char **s)
{
	char *word = *s, *space = strchr(word, ' ');

	if (space == NULL) {
		*s = word + strlen(word);
	} else {
		*space = '\0';
		*s = space + 1;
	}
	return word;
}

static int
check_name(const char *name)
{
	struct buf b;
	bool same;
	int rc;

	buf_init(&b, 4 * KEYRING_NAME_MAX);
	str_add_printable(&b, name, strlen(name));
	same = b.error == 0 && b.len == strlen(name) &&
	    memcmp(b.data, name, b.len) == 0;
	rc = b.error == ERR_NOMEM ? ERR_NOMEM : same ? 0 : ERR_INVALID;
	buf_release(&b);
	return rc;
}

static int
parse_person(struct parser *p, char *rest, struct err *e)
{
	struct keyring *k = &p->k;
	struct keyring_person *person;
	char *fpr = next_word(&rest);
	size_t i, cap;
	int rc;

	if (k->npersons > 0 &&
	    (k->nkeys == 0 || k->keys[k->nkeys - 1].person != k->npersons - 1))
		return err_set(
		    e, ERR_INVALID, "the person before this line has no key");
	if (k->npersons == KEYRING_PERSONS_MAX)
		return err_set(
		    e, ERR_TOOBIG, "more than %d persons", KEYRING_PERSONS_MAX);
	if (k->npersons == p->persons_cap) {
		cap = p->persons_cap == 0 ? 16 : 2 * p->persons_cap;
		person = reallocarray(k->persons, cap, sizeof(*person));
		if (person == NULL)
			return err_set(e, ERR_NOMEM, "out of memory");
		k->persons = person;
		p->persons_cap = cap;
	}
	person = &k->persons[k->npersons];
	if (hex_decode(fpr, person->fpr, PGP_FPR_LEN) != 0)
		return err_set(e, ERR_INVALID,
		    "person: %d hexadecimal digits of the primary fingerprint "
		    "are expected",
		    FPR_HEX);
	rc = rest[0] != '\0' ? check_name(rest) : ERR_INVALID;
	if (rc == ERR_NOMEM)
		return err_set(e, rc, "out of memory");
	if (rc != 0 || !str_copy(person->name, KEYRING_NAME_MAX, rest))
		return err_set(e, ERR_INVALID,
		    "person %s: a printable name of 1 to %d bytes is expected",
		    fpr, KEYRING_NAME_MAX - 1);
	for (i = 0; i < k->npersons; i++) {
		if (memcmp(k->persons[i].fpr, person->fpr, PGP_FPR_LEN) == 0)
			return err_set(
			    e, ERR_EXISTS, "person %s stands twice", fpr);
	}
	k->npersons++;
	return 0;
}

static int
key_room(struct parser *p, struct err *e)
{
	struct keyring_key *keys;
	struct id *material;
	size_t cap;

	if (p->k.nkeys == KEYRING_KEYS_MAX)
		return err_set(
		    e, ERR_TOOBIG, "more than %d keys", KEYRING_KEYS_MAX);
	if (p->k.nkeys < p->keys_cap)
		return 0;
	cap = p->keys_cap == 0 ? 16 : 2 * p->keys_cap;
	keys = reallocarray(p->k.keys, cap, sizeof(*keys));
	if (keys == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	p->k.keys = keys;
	material = reallocarray(p->material, cap, sizeof(*material));
	if (material == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	p->material = material;
	p->keys_cap = cap;
	return 0;
}

static int
key_times(struct keyring_key *key, const char *created, const char *expires,
    bool ssh, struct err *e)
{
	uint64_t v;

	if (str_u64(created, ssh ? 0 : 1, UINT32_MAX, &v) != 0)
		return err_set(e, ERR_INVALID,
		    "key: creation time \"%.24s\" is not unix seconds",
		    created);
	key->created = (int64_t)v;
	if (str_u64(expires, 0, 2 * (uint64_t)UINT32_MAX, &v) != 0)
		return err_set(e, ERR_INVALID,
		    "key: expiry \"%.24s\" is not unix seconds or 0", expires);
	key->expires = (int64_t)v;
	if (key->expires != 0 && key->expires <= key->created)
		return err_set(
		    e, ERR_INVALID, "key: it expires before it was made");
	return 0;
}

static void
material_hash(const struct keymaterial *m, struct id *ret)
{
	bool ssh = key_alg_is_ssh(m->alg);
	uint8_t alg = (uint8_t)(ssh ? KEY_ED25519 : m->alg);
	struct sha256 h;

	/* The exponent is left out: one modulus is one key. So is what SSH
	 * says besides: one point is one key, whoever it is shown to. */
	sha256_begin(&h);
	sha256_add(&h, &alg, 1);
	sha256_add(&h, m->num, m->len);
	sha256_final(&h, ret);
}

/* The fingerprint must be that of the numbers, or people would be shown
 * another key than the one that counts. */
static int
key_fingerprint(struct parser *p, const struct keyring_key *key, struct err *e)
{
	uint8_t want[PGP_FPR_LEN];
	char have_hex[FPR_HEX + 1], want_hex[FPR_HEX + 1];
	int rc = keymaterial_fpr(&p->m, key->created, want, e);

	if (rc != 0)
		return rc;
	if (memcmp(want, key->fpr, PGP_FPR_LEN) == 0)
		return 0;
	hex_encode(key->fpr, PGP_FPR_LEN, have_hex);
	hex_encode(want, PGP_FPR_LEN, want_hex);
	return err_set(e, ERR_INVALID,
	    "key %s: creation time and numbers belong to fingerprint %s",
	    have_hex, want_hex);
}

static int
key_is_new(const struct parser *p, const struct keyring_key *key,
    const struct id *hash, struct err *e)
{
	size_t i;

	for (i = 0; i < p->k.nkeys; i++) {
		if (memcmp(p->k.keys[i].fpr, key->fpr, PGP_FPR_LEN) == 0 ||
		    id_equal(&p->material[i], hash))
			return err_set(e, ERR_EXISTS,
			    "the same key stands twice (key %zu of the file)",
			    i + 1);
	}
	return 0;
}

static int
parse_key(struct parser *p, char *rest, struct err *e)
{
	struct keyring_key key = { 0 };
	char *fpr = next_word(&rest), *alg = next_word(&rest);
	char *created = next_word(&rest), *expires = next_word(&rest);
	enum key_alg word;
	struct id hash;
	int rc;

	if (p->k.npersons == 0)
		return err_set(
		    e, ERR_INVALID, "a key needs a person line before it");
	if (hex_decode(fpr, key.fpr, PGP_FPR_LEN) != 0)
		return err_set(e, ERR_INVALID,
		    "key: %d hexadecimal digits of its fingerprint are "
		    "expected",
		    FPR_HEX);
	rc = key_alg_find(alg, &word, e);
	if (rc == 0)
		rc = key_times(&key, created, expires, key_alg_is_ssh(word), e);
	if (rc == 0)
		rc = keymaterial_parse(alg, rest, &p->m, e);
	if (rc == 0)
		rc = key_fingerprint(p, &key, e);
	if (rc != 0)
		return rc;
	material_hash(&p->m, &hash);
	rc = key_is_new(p, &key, &hash, e);
	if (rc == 0)
		rc = key_room(p, e);
	if (rc == 0)
		rc = keymaterial_key(&p->m, &key.pubkey, e);
	if (rc != 0)
		return rc;
	key.alg = p->m.alg;
	if (key_alg_is_ssh(key.alg))
		sshkey_hash(&p->m, &key.ssh);
	key.person = p->k.npersons - 1;
	p->material[p->k.nkeys] = hash;
	p->k.keys[p->k.nkeys++] = key;
	return 0;
}

static int
parse_line(struct parser *p, char *line, struct err *e)
{
	char *rest = line, *word;

	if (p->line == 1) {
		if (strcmp(line, KEYRING_HEADER) != 0)
			return err_set(e, ERR_INVALID,
			    "\"%s\" is expected in the first line",
			    KEYRING_HEADER);
		return 0;
	}
	if (line[0] == '\0' || line[0] == '#')
		return 0;
	word = next_word(&rest);
	if (strcmp(word, "person") == 0)
		return parse_person(p, rest, e);
	if (strcmp(word, "key") == 0)
		return parse_key(p, rest, e);
	return err_set(e, ERR_INVALID,
	    "unknown word \"%.16s\"; person, key or a comment (#) is expected",
	    word);
}

static int
parse_lines(struct parser *p, char *text, struct err *e)
{
	char *line, *end;
	int rc;

	for (line = text; p->line == 0 || *line != '\0'; line = end) {
		p->line++;
		end = strchr(line, '\n');
		if (end == NULL)
			end = line + strlen(line);
		else
			*end++ = '\0';
		rc = parse_line(p, line, e);
		if (rc != 0) {
			err_wrap(e, "keyring line %zu", p->line);
			return rc;
		}
	}
	if (p->k.npersons > 0 &&
	    (p->k.nkeys == 0 ||
		p->k.keys[p->k.nkeys - 1].person != p->k.npersons - 1))
		return err_set(
		    e, ERR_INVALID, "keyring: the last person has no key");
	return 0;
}

int
keyring_parse(const void *text, size_t len, struct keyring *ret, struct err *e)
{
	struct parser *p;
	char *copy;
	int rc;

	if (len > KEYRING_TEXT_MAX)
		return err_set(e, ERR_TOOBIG, "keyring is larger than %d bytes",
		    KEYRING_TEXT_MAX);
	if (len > 0 && memchr(text, '\0', len) != NULL)
		return err_set(e, ERR_INVALID,
		    "keyring is not text (it holds a zero byte)");
	p = calloc(1, sizeof(*p));
	copy = malloc(len + 1);
	if (p == NULL || copy == NULL) {
		rc = err_set(e, ERR_NOMEM, "out of memory");
		goto out;
	}
	if (len > 0)
		memcpy(copy, text, len);
	copy[len] = '\0';
	rc = parse_lines(p, copy, e);
	if (rc == 0)
		*ret = p->k;
	else
		keyring_release(&p->k);
	free(p->material);
out:
	free(copy);
	free(p);
	return rc;
}

const struct keyring_key *
keyring_find(const struct keyring *k, const uint8_t fpr[static PGP_FPR_LEN])
{
	size_t i;

	for (i = 0; i < k->nkeys; i++) {
		if (memcmp(k->keys[i].fpr, fpr, PGP_FPR_LEN) == 0)
			return &k->keys[i];
	}
	return NULL;
}

/* --- verification -------------------------------------------------------- */

const char *
sig_verdict_text(enum sig_verdict v)
{
	switch (v) {
	case SIG_GOOD:
		return "good";
	case SIG_MALFORMED:
		return "not an acceptable signature";
	case SIG_UNKNOWN_KEY:
		return "key not in the keyring";
	case SIG_BAD:
		return "does not verify";
	case SIG_KEY_EXPIRED:
		return "key not valid then or now";
	case SIG_FUTURE:
		return "made in the future: a clock is wrong";
	case SIG_EXPIRED:
		return "signature expired";
	case SIG_REPEATED:
		return "this person signed already";
	}
	return "unknown verdict";
}

/* The key must be valid when it signed and now. A clock that is a little slow
 * is forgiven as it is for the signature itself. */
static bool
key_valid_at(const struct keyring_key *key, int64_t created, int64_t now)
{
	if (created < key->created || now < key->created - SIG_FUTURE_SLACK)
		return false;
	return key->expires == 0 ||
	    (created < key->expires && now < key->expires);
}

static bool
person_signed(const struct signer *signers, size_t n,
    const uint8_t person[static PGP_FPR_LEN])
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (signers[i].verdict == SIG_GOOD &&
		    memcmp(signers[i].person, person, PGP_FPR_LEN) == 0)
			return true;
	}
	return false;
}

struct message {
	enum purpose purpose;
	const void *data;
	size_t len;
	int64_t now;
};

/* It has no time of its own: the key counts from created to expires by the
 * clock of whoever checks, as for ssh-keygen. */
static void
verify_ssh(const struct keyring *k, const struct message *m,
    const struct sig_bytes *sig, struct signer *ret)
{
	const struct keyring_key *key;
	struct sshsig s;

	if (sshsig_parse(sig->data, sig->len, &s, NULL) != 0)
		return;
	memcpy(ret->key, s.signer, PGP_FPR_LEN);
	ret->verdict = SIG_UNKNOWN_KEY;
	key = keyring_find(k, s.signer);
	if (key == NULL)
		return;
	memcpy(ret->person, k->persons[key->person].fpr, PGP_FPR_LEN);
	if (sshsig_check(&s, key, m->purpose, m->data, m->len, NULL) != 0)
		ret->verdict = SIG_BAD;
	else if (m->now < key->created ||
	    (key->expires != 0 && m->now >= key->expires))
		ret->verdict = SIG_KEY_EXPIRED;
	else
		ret->verdict = SIG_GOOD;
}

static void
verify_pgp(const struct keyring *k, const struct message *m,
    const struct sig_bytes *sig, struct signer *ret)
{
	const struct keyring_key *key;
	struct sigpacket s;

	if (sigpacket_parse(sig->data, sig->len, &s, NULL) != 0)
		return;
	memcpy(ret->key, s.issuer, PGP_FPR_LEN);
	ret->created = s.created;
	ret->verdict = SIG_UNKNOWN_KEY;
	key = keyring_find(k, s.issuer);
	if (key == NULL)
		return;
	memcpy(ret->person, k->persons[key->person].fpr, PGP_FPR_LEN);
	if (sigpacket_check(&s, key, m->purpose, m->data, m->len, NULL) != 0)
		ret->verdict = SIG_BAD;
	else if (s.created > m->now + SIG_FUTURE_SLACK)
		ret->verdict = SIG_FUTURE;
	else if (!key_valid_at(key, s.created, m->now))
		ret->verdict = SIG_KEY_EXPIRED;
	else if (s.expires != 0 && m->now >= s.expires)
		ret->verdict = SIG_EXPIRED;
	else
		ret->verdict = SIG_GOOD;
}

/* Fills everything but SIG_REPEATED. */
static void
verify_one(const struct keyring *k, const struct message *m,
    const struct sig_bytes *sig, struct signer *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->verdict = SIG_MALFORMED;
	if (sshsig_is(sig->data, sig->len))
		verify_ssh(k, m, sig, ret);
	else
		verify_pgp(k, m, sig, ret);
}

size_t
keyring_verify(const struct keyring *k, enum purpose p, const void *data,
    size_t len, const struct sig_bytes *sigs, size_t n, int64_t now,
    struct signer *ret)
{
	const struct message m = { p, data, len, now };
	size_t i, good = 0;

	BUG_ON(n > SIGS_MAX);
	for (i = 0; i < n; i++) {
		verify_one(k, &m, &sigs[i], &ret[i]);
		if (ret[i].verdict != SIG_GOOD)
			continue;
		if (person_signed(ret, i, ret[i].person))
			ret[i].verdict = SIG_REPEATED;
		else
			good++;
	}
	return good;
}
