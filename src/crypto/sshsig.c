/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Reading one sshsig and checking it with a key of the plain keyring.
 *
 * Invariants: nothing is allocated; ret is written only when the whole is
 * acceptable; a signature has one encoding; which namespace is wanted comes
 * from the caller's purpose, never from the signature.
 */
#include "crypto/sshsig.h"

#include "base/err.h"
#include "base/str.h"
#include "crypto/keyring.h"
#include "crypto/pubkey.h"
#include "crypto/sha256.h"
#include "crypto/sshkey.h"

#include <string.h>

#include <nettle/sha2.h>

#define VERSION 1
#define NAME_MAX_LEN 64
#define DIGEST_NAME_MAX 16
/* PROTOCOL.u2f: a touch; WebAuthn level 3, section 6.1 for the others: user
 * verified, backup eligible, backed up. The two that announce more signed
 * bytes cannot be right here, as there are none. */
#define FLAG_PRESENT 0x01
#define FLAGS_KNOWN (FLAG_PRESENT | 0x04 | 0x08 | 0x10)
/* Both digests, and what they stand in, fit. */
#define SIGNED_MAX \
	(SSHSIG_MAGIC_LEN + 4 * 4 + NAME_MAX_LEN + DIGEST_NAME_MAX + 64)

const char *
sshsig_namespace(enum purpose p)
{
	switch (p) {
	case PURPOSE_ACTION:
		return "action@mig";
	case PURPOSE_CANCEL:
		return "cancel@mig";
	case PURPOSE_POLICY:
		return "policy@mig";
	case PURPOSE_SESSION:
		return "session@mig";
	case PURPOSE_SHARE:
		return "share@mig";
	case PURPOSE_ENROL:
	case PURPOSE_HELLO:
	case PURPOSE_RESULT:
		break;
	}
	return NULL;
}

/* The inner signature, which is the rest of r. */
static int
read_signature(struct rd *r, struct sshsig *s, struct err *e)
{
	const char *kind = s->sk ? SSHKEY_SK_ED25519 : SSHKEY_ED25519;
	const uint8_t *word;
	size_t len = 0;

	word = rd_field(r, SSHSIG_MAX, &len);
	if (!str_is(word, len, kind))
		return err_set(e, ERR_INVALID,
		    "SSH signature: its kind is not that of its key (%s)",
		    kind);
	s->sig = rd_field(r, SSHSIG_SIG_LEN, &len);
	if (s->sig == NULL || len != SSHSIG_SIG_LEN)
		return err_set(e, ERR_INVALID,
		    "SSH signature: %d bytes of an Ed25519 signature are "
		    "expected",
		    SSHSIG_SIG_LEN);
	if (s->sk) {
		s->flags = rd_u8(r);
		s->counter = rd_u32(r);
	}
	if (!rd_done(r))
		return err_set(e, ERR_INVALID,
		    "SSH signature: the inner signature is cut off or "
		    "followed by bytes");
	if (s->sk && (s->flags & FLAG_PRESENT) == 0)
		return err_set(e, ERR_INVALID,
		    "SSH signature: the security key was not touched (one "
		    "made with no-touch-required does not sign for MIG)");
	if ((s->flags & ~FLAGS_KNOWN) != 0)
		return err_set(e, ERR_INVALID,
		    "SSH signature: flags 0x%02x of the security key are not "
		    "supported",
		    s->flags);
	return 0;
}

static int
read_key(const uint8_t *blob, size_t len, struct sshsig *s, struct err *e)
{
	struct keymaterial m;
	int rc = sshkey_parse(blob, len, &m, e);

	if (rc != 0)
		return rc;
	s->sk = m.alg == KEY_SSH_SK_ED25519;
	sha256(blob, len, &s->key);
	memcpy(s->signer, s->key.b, PGP_FPR_LEN);
	sha256(m.app, strlen(m.app), &s->application);
	return 0;
}

static int
read_digest_name(struct rd *r, struct sshsig *s, struct err *e)
{
	const uint8_t *word;
	size_t len = 0;

	word = rd_field(r, DIGEST_NAME_MAX, &len);
	s->sha512 = str_is(word, len, "sha512");
	if (!s->sha512 && !str_is(word, len, "sha256"))
		return err_set(e, ERR_UNSUPPORTED,
		    "SSH signature: its digest is not accepted (sha256 and "
		    "sha512 are)");
	return 0;
}

int
sshsig_parse(const void *data, size_t len, struct sshsig *ret, struct err *e)
{
	struct sshsig s;
	const uint8_t *key, *inner;
	size_t key_len = 0, reserved = 0, inner_len = 0;
	struct rd r, sig;
	int rc;

	if (len > SSHSIG_MAX)
		return err_set(e, ERR_TOOBIG,
		    "SSH signature is larger than %d bytes, as none by an "
		    "Ed25519 key or a security key is",
		    SSHSIG_MAX);
	if (!sshsig_is(data, len))
		return err_set(e, ERR_INVALID,
		    "not a binary SSH signature (armour is taken off first)");
	memset(&s, 0, sizeof(s));
	rd_init(&r, (const uint8_t *)data + SSHSIG_MAGIC_LEN,
	    len - SSHSIG_MAGIC_LEN);
	if (rd_u32(&r) != VERSION)
		return err_set(e, ERR_UNSUPPORTED,
		    "SSH signature: version %d is expected", VERSION);
	/* larger than any that is accepted: its kind is what to speak of */
	key = rd_field(&r, SSHSIG_MAX, &key_len);
	s.name = rd_field(&r, NAME_MAX_LEN, &s.name_len);
	(void)rd_field(&r, 0, &reserved);
	if (key == NULL || s.name == NULL || r.bad)
		return err_set(e, ERR_INVALID,
		    "SSH signature: key or namespace is cut off or too large, "
		    "or something stands in the reserved field");
	rc = read_key(key, key_len, &s, e);
	if (rc == 0)
		rc = read_digest_name(&r, &s, e);
	if (rc != 0)
		return rc;
	inner = rd_field(&r, SSHSIG_MAX, &inner_len);
	if (inner == NULL || !rd_done(&r))
		return err_set(e, ERR_INVALID,
		    "SSH signature: it is cut off or followed by bytes");
	rd_init(&sig, inner, inner_len);
	rc = read_signature(&sig, &s, e);
	if (rc == 0)
		*ret = s;
	return rc;
}

/* --- checking ------------------------------------------------------------ */

static void
digest_make(bool sha512, enum purpose p, const void *data, size_t len,
    uint8_t out[static SHA512_DIGEST_SIZE])
{
	char prefix[PURPOSE_PREFIX_MAX];
	size_t n = purpose_prefix(p, len, prefix);
	struct sha512_ctx large;
	struct sha256_ctx small;

	if (sha512) {
		sha512_init(&large);
		sha512_update(&large, n, (const uint8_t *)prefix);
		sha512_update(&large, len, data);
		sha512_digest(&large, SHA512_DIGEST_SIZE, out);
		return;
	}
	sha256_init(&small);
	sha256_update(&small, n, (const uint8_t *)prefix);
	sha256_update(&small, len, data);
	sha256_digest(&small, SHA256_DIGEST_SIZE, out);
}

static size_t
put(uint8_t *out, const void *data, size_t len)
{
	out[0] = out[1] = out[2] = 0;
	out[3] = (uint8_t)len; /* nothing here is longer */
	memcpy(out + 4, data, len);
	return 4 + len;
}

/* What the key signs, or a digest of it; its length. */
static size_t
signed_bytes(bool sha512, enum purpose p, const void *data, size_t len,
    uint8_t out[static SIGNED_MAX])
{
	const char *name = sshsig_namespace(p);
	const char *digest_name = sha512 ? "sha512" : "sha256";
	uint8_t digest[SHA512_DIGEST_SIZE];
	size_t n = SSHSIG_MAGIC_LEN;

	memcpy(out, SSHSIG_MAGIC, SSHSIG_MAGIC_LEN);
	n += put(out + n, name, strlen(name));
	n += put(out + n, "", 0);
	n += put(out + n, digest_name, strlen(digest_name));
	digest_make(sha512, p, data, len, digest);
	return n +
	    put(out + n, digest,
		sha512 ? SHA512_DIGEST_SIZE : SHA256_DIGEST_SIZE);
}

static size_t
sk_bytes(const struct sshsig *s, const uint8_t *signed_by_ssh, size_t len,
    uint8_t out[static SIGNED_MAX])
{
	const uint8_t middle[5] = { s->flags, (uint8_t)(s->counter >> 24),
		(uint8_t)(s->counter >> 16), (uint8_t)(s->counter >> 8),
		(uint8_t)s->counter };
	struct id digest;

	sha256(signed_by_ssh, len, &digest);
	memcpy(out, s->application.b, ID_LEN);
	memcpy(out + ID_LEN, middle, sizeof(middle));
	memcpy(out + ID_LEN + sizeof(middle), digest.b, ID_LEN);
	return 2 * ID_LEN + sizeof(middle);
}

int
sshsig_check_name(const struct sshsig *s, enum purpose p, struct err *e)
{
	const char *name = sshsig_namespace(p);

	if (name != NULL && str_is(s->name, s->name_len, name))
		return 0;
	return err_set(e, ERR_AUTH,
	    "SSH signature was made for another purpose (namespace \"%s\" is "
	    "expected)",
	    name != NULL ? name : "none");
}

int
sshsig_check(const struct sshsig *s, const struct keyring_key *k,
    enum purpose p, const void *data, size_t len, struct err *e)
{
	uint8_t by_ssh[SIGNED_MAX], by_key[SIGNED_MAX];
	const uint8_t *message = by_ssh;
	size_t n;

	if (k->alg != (s->sk ? KEY_SSH_SK_ED25519 : KEY_SSH_ED25519) ||
	    !id_equal(&k->ssh, &s->key))
		return err_set(
		    e, ERR_AUTH, "signature was not made by this key");
	if (sshsig_check_name(s, p, e) != 0)
		return ERR_AUTH;
	n = signed_bytes(s->sha512, p, data, len, by_ssh);
	if (s->sk) {
		n = sk_bytes(s, by_ssh, n, by_key);
		message = by_key;
	}
	if (!pubkey_verify_ed25519(k->pubkey, message, n, s->sig))
		return err_set(e, ERR_AUTH, "signature does not verify");
	return 0;
}

/* --- making one ----------------------------------------------------------- */

int
sshsig_message(enum purpose p, const void *data, size_t len, struct buf *out)
{
	uint8_t bytes[SIGNED_MAX];

	BUG_ON(sshsig_namespace(p) == NULL);
	return buf_add(out, bytes, signed_bytes(true, p, data, len, bytes));
}

int
sshsig_write(enum purpose p, const void *key_blob, size_t key_len,
    const void *signature, size_t len, struct buf *out)
{
	const char *name = sshsig_namespace(p);

	BUG_ON(name == NULL);
	buf_add(out, SSHSIG_MAGIC, SSHSIG_MAGIC_LEN);
	buf_add_u32(out, VERSION);
	buf_add_field(out, key_blob, key_len);
	buf_add_field(out, name, strlen(name));
	buf_add_field(out, "", 0);
	buf_add_field(out, "sha512", 6);
	return buf_add_field(out, signature, len);
}
